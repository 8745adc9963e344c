//! Where everything runs: the router, the relay and this program, each on its CPU.

use gigawamp::wire::{Framing, Serializer};

use crate::cli::Options;
use crate::engine::Plan;
use crate::net::{Address, Target};
use crate::process::{RouterOptions, Server};
use crate::relay::{FrameSizes, Mode};
use crate::session::{Door, Session};
use crate::{Trouble, sys};

/// What a scenario finds when it begins.
#[derive(Debug)]
pub struct Rig<'o> {
    /// What was asked for.
    pub options: &'o Options,
    /// The way to the router.
    pub door: Door,
    /// The router, if it was started for this run.
    router: Option<Server>,
    /// The CPUs the router and the relay share; empty: any.
    server_cpus: Vec<usize>,
    /// Where this program may run, but for pinning.
    cpus: Vec<usize>,
}

/// A relay that was started for this run.
#[derive(Debug)]
pub struct RelayRig {
    /// Its process.
    pub server: Server,
    /// Where it listens.
    pub address: Address,
}

impl Drop for Rig<'_> {
    /// The next one has all CPUs to choose from.
    fn drop(&mut self) {
        // It could run there before.
        let _ = sys::pin(&self.cpus);
    }
}

impl<'o> Rig<'o> {
    /// Starts the router if that was asked for, and pins what is to be pinned.
    ///
    /// # Errors
    ///
    /// If there is no such binary, or no such CPU.
    pub fn set_up(options: &'o Options) -> Result<Self, Trouble> {
        sys::raise_open_files()?;
        let cpus = sys::affinity()?;
        let (server_cpus, load_cpu) = place(options, &cpus);
        let mut target = options.url.clone();
        let mut router = None;
        if let Some(binary) = &options.router {
            target.address = target.address.with_free_port()?;
            let starting = RouterOptions {
                binary: binary.clone(),
                shards: options.router_shards,
                io: options.router_io.clone(),
                rules: options.rules,
                busy_poll: options.busy_poll,
                cpus: server_cpus.clone(),
            };
            router = Some(starting.start(&target, &options.realm)?);
        }
        if let Some(cpu) = load_cpu {
            sys::pin(&[cpu])?;
        }
        let door = Door { target, serializer: options.serializer, realm: options.realm.clone() };
        Ok(Self { options, door, router, server_cpus, cpus })
    }

    /// The router's process, if it is known.
    #[must_use]
    pub fn router_pid(&self) -> Option<u32> {
        self.router.as_ref().map(Server::pid).or(self.options.router_pid)
    }

    /// How the router is measured.
    #[must_use]
    pub fn plan(&self) -> Plan {
        self.plan_for(self.router_pid())
    }

    /// How the process `server` is measured.
    #[must_use]
    pub const fn plan_for(&self, server: Option<u32>) -> Plan {
        Plan {
            warmup: self.options.warmup,
            duration: self.options.duration,
            spin: self.options.spin,
            server,
        }
    }

    /// Opens a session.
    ///
    /// # Errors
    ///
    /// If the router refuses.
    pub fn open(&self) -> Result<Session, Trouble> {
        self.door.open()
    }

    /// How sessions are framed.
    #[must_use]
    pub const fn framing(&self) -> Framing {
        self.door.target.framing
    }

    /// How sessions are serialized.
    #[must_use]
    pub const fn serializer(&self) -> Serializer {
        self.door.serializer
    }

    /// Starts a relay where the router runs, for frames of the same sizes.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn relay(&self, mode: Mode, sizes: FrameSizes) -> Result<RelayRig, Trouble> {
        let listen = match &self.door.target.address {
            Address::Tcp(_) => "tcp://127.0.0.1:0".to_owned(),
            Address::Unix(path) => format!("unix://{}.relay", path.display()),
        };
        let mut arguments = vec!["--listen".to_owned(), listen];
        arguments.extend(["--mode".to_owned(), mode.name().to_owned()]);
        let FrameSizes { there_in, there_out, back_in, back_out } = sizes;
        for (name, size) in [
            ("--there-in", there_in),
            ("--there-out", there_out),
            ("--back-in", back_in),
            ("--back-out", back_out),
        ] {
            arguments.extend([name.to_owned(), size.to_string()]);
        }
        if !self.options.busy_poll.is_zero() {
            arguments.push("--spin".to_owned());
        }
        let (server, address) = Server::relay(&arguments, &self.server_cpus)?;
        Ok(RelayRig { server, address })
    }
}

/// The URL that is used unless another is given: with a router of our own, any free port.
#[must_use]
pub fn default_url(own_router: bool) -> Target {
    let host = if own_router { "127.0.0.1:0" } else { "127.0.0.1:8080" };
    Target {
        address: Address::Tcp(host.to_owned()),
        framing: Framing::RawSocket,
        tls: false,
        path: String::new(),
    }
}

/// The CPUs of the router and of this program. Unless told otherwise, they get one each if the
/// router is ours, has one shard, and there are two.
fn place(options: &Options, cpus: &[usize]) -> (Vec<usize>, Option<usize>) {
    let is_ours = options.router.is_some() || options.relay;
    match *cpus {
        [first, second, ..] if is_ours && options.router_shards == 1 => {
            let load = options.pin_load.unwrap_or(second);
            let other = if load == first { second } else { first };
            let server = match options.pin_router.as_slice() {
                [] => vec![other],
                some => some.to_vec(),
            };
            (server, Some(load))
        }
        _ => (options.pin_router.clone(), options.pin_load),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Command;

    fn placed(line: &str, cpus: &[usize]) -> (Vec<usize>, Option<usize>) {
        let arguments = line.split_whitespace().map(Into::into);
        let Ok(Command::Run(_, options)) = crate::cli::parse(arguments) else {
            panic!("{line} is a scenario");
        };
        place(&options, cpus)
    }

    #[test]
    fn router_and_load_share_no_cpu_if_there_are_two() {
        assert_eq!(placed("rpc --router x", &[0, 1]), (vec![0], Some(1)));
        assert_eq!(placed("rpc --relay", &[2, 5, 6]), (vec![2], Some(5)));
        assert_eq!(placed("rpc --router x --pin-load 0", &[0, 1]), (vec![1], Some(0)));
        assert_eq!(placed("rpc --router x", &[0]), (vec![], None));
        assert_eq!(placed("rpc --router x --router-shards 2", &[0, 1]), (vec![], None));
        assert_eq!(placed("rpc", &[0, 1]), (vec![], None));
        assert_eq!(placed("rpc --pin-load 1", &[0, 1]), (vec![], Some(1)));
    }
}
