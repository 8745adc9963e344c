//! What the system lets this process have: CPUs and open files.

use nix::sched::{CpuSet, sched_getaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;

use crate::limits::SHARDS_MAX;

/// Connections at once unless the operator says otherwise, however many files may be open.
const CONNECTIONS_MAX: usize = 100_000;

/// Files of the process itself: standard streams, signals, libraries, clients that are told that
/// all is full, questions to advisors, some spare.
const FILES_OF_PROCESS: usize = 128;

/// Files of one shard: its rings, bells and timers, some spare.
const FILES_OF_SHARD: usize = 16;

/// Shards to run if the operator does not say: one for each CPU this process may use, by its
/// affinity and by the quota of its control group.
pub(super) fn shards_count() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(SHARDS_MAX)
}

/// Whether `shards` shards are exactly as many as there are CPUs in this process's affinity.
///
/// Then each may stay on one. With fewer, several processes of one machine would all choose the
/// same first CPUs; that is also what a quota without an affinity leads to.
pub(super) fn fills_machine(shards: usize) -> bool {
    sched_getaffinity(Pid::from_raw(0)).is_ok_and(|set| {
        let cpus = (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false));
        cpus.count() == shards
    })
}

/// Raises the limit of open files as far as the process may and says where it is now.
pub(super) fn raise_open_files() -> usize {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return usize::MAX;
    };
    let raised = soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok();
    usize::try_from(if raised { hard } else { soft }).unwrap_or(usize::MAX)
}

/// Connections this process can hold, and whether that is less than what was `wanted`.
pub(super) fn connections_max(
    wanted: Option<usize>,
    open_files: usize,
    (shards, listeners): (usize, usize),
) -> (usize, bool) {
    let own = FILES_OF_PROCESS + FILES_OF_SHARD * shards + listeners;
    let room = open_files.saturating_sub(own).max(1);
    let wanted_or_preset = wanted.unwrap_or(CONNECTIONS_MAX);
    (wanted_or_preset.min(room), wanted.is_some_and(|wanted| wanted > room))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_fit_into_open_files() {
        assert_eq!(connections_max(None, 1 << 20, (4, 1)), (100_000, false));
        assert_eq!(connections_max(None, 1_193, (4, 1)), (1_000, false));
        assert_eq!(connections_max(Some(1_000), 1_193, (4, 1)), (1_000, false));
        assert_eq!(connections_max(Some(1_001), 1_193, (4, 1)), (1_000, true));
        assert_eq!(connections_max(Some(500_000), usize::MAX, (4, 1)), (500_000, false));
        assert_eq!(connections_max(None, 10, (4, 1)), (1, false));
    }

    #[test]
    fn open_files_can_be_raised_as_often_as_one_likes() {
        let limit = raise_open_files();
        assert!(limit >= 3);
        assert_eq!(raise_open_files(), limit);
    }

    #[test]
    fn there_is_a_cpu() {
        let shards = shards_count();
        assert!((1..=SHARDS_MAX).contains(&shards));
        assert!(!fills_machine(0));
    }
}
