//! How much memory this process takes, and when that is too much for new sessions.
//!
//! Better to refuse whoever comes than to be killed with all who are there. Above the mark new
//! sessions are refused; below fifteen sixteenths of it they are welcome again.

use std::fs;

use tracing::{info, warn};

use super::config::MemoryHigh;

/// Watches over what the process has resident.
#[derive(Debug)]
pub(super) struct Watch {
    /// Octets; none: no bound.
    high: Option<u64>,
    is_short: bool,
}

impl Watch {
    pub(super) fn new(high: MemoryHigh) -> Self {
        let high = match high {
            MemoryHigh::Off => None,
            MemoryHigh::At(octets) => Some(octets),
            // What is left is for the kernel's buffers, which count against the same limit.
            MemoryHigh::Auto => given().map(|octets| octets / 5 * 4),
        };
        Self { high, is_short: false }
    }

    /// Looks how much it is now; says so if new sessions are to be refused from now on, or are not
    /// any more.
    pub(super) fn look(&mut self) -> Option<bool> {
        let (high, resident) = (self.high?, resident()?);
        let is_short = judge(self.is_short, resident, high);
        if is_short == self.is_short {
            return None;
        }
        self.is_short = is_short;
        if is_short {
            warn!(resident, high, "memory is short: new sessions are refused");
        } else {
            info!(resident, high, "memory suffices again: new sessions are welcome");
        }
        Some(is_short)
    }
}

/// Whether memory is short, given whether it was.
const fn judge(was_short: bool, resident: u64, high: u64) -> bool {
    resident > if was_short { high - high / 16 } else { high }
}

/// Octets that this process has resident.
fn resident() -> Option<u64> {
    octets_of("VmRSS:", &fs::read_to_string("/proc/self/status").ok()?)
}

/// Octets that this process may have: of its control groups, or else of the machine.
fn given() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut limits: Vec<u64> = files_of(&groups).iter().filter_map(|file| limit_in(file)).collect();
    let machine = fs::read_to_string("/proc/meminfo").ok();
    limits.extend(machine.and_then(|text| octets_of("MemTotal:", &text)));
    limits.into_iter().min()
}

/// The files that may hold a limit for a process of these control groups, of which each line is
/// `number:controllers:path`.
fn files_of(groups: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, file) = if controllers.is_empty() {
            ("/sys/fs/cgroup", "memory.max")
        } else if controllers.split(',').any(|controller| controller == "memory") {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        } else {
            continue;
        };
        // Every group above has a say, and in a container the path may be one of outside.
        let mut path = path.trim_end_matches('/');
        loop {
            files.push(format!("{root}{path}/{file}"));
            let Some((above, _)) = path.rsplit_once('/') else { break };
            path = above;
        }
    }
    files
}

fn limit_in(file: &str) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// What stands behind `name` in a file of `/proc`.
fn octets_of(name: &str, text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_short_stays_so_until_there_is_some_room() {
        for (was_short, resident, expected) in [
            (false, 1_600, false),
            (false, 1_601, true),
            (true, 1_600, true),
            (true, 1_501, true),
            (true, 1_500, false),
        ] {
            assert_eq!(judge(was_short, resident, 1_600), expected, "{resident}");
        }
    }

    #[test]
    fn limits_are_found_where_control_groups_have_them() {
        assert_eq!(
            files_of("0::/a/b\n"),
            [
                "/sys/fs/cgroup/a/b/memory.max",
                "/sys/fs/cgroup/a/memory.max",
                "/sys/fs/cgroup/memory.max",
            ],
        );
        assert_eq!(
            files_of("5:cpu:/x\n4:blkio,memory:/\nnonsense"),
            ["/sys/fs/cgroup/memory/memory.limit_in_bytes"],
        );
        let text = "A: 1 kB\nMemTotal:   16 kB\nMemFree: 1 MB\n";
        assert_eq!(octets_of("MemTotal:", text), Some(16_384));
        assert_eq!(octets_of("MemFree:", text), None);
    }

    #[test]
    fn this_process_has_some_memory_and_may_have_more() {
        let (resident, given) = (resident().unwrap(), given().unwrap());
        assert!(1 << 20 < resident && resident < given, "{resident} {given}");
        assert_eq!(Watch::new(MemoryHigh::Off).look(), None);
        let mut watch = Watch::new(MemoryHigh::At(1));
        assert_eq!((watch.look(), watch.look()), (Some(true), None));
    }
}
