//! One core of the machine. (A stand-in with the agreed interface, so that `server` compiles.)

#![expect(missing_docs, reason = "a stand-in that goes away when the room is furnished")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::router::{Counters, config::Config};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Io {
    Auto,
    Uring,
    Epoll,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Uring,
    Epoll,
}

pub fn choose(io: Io, _shards: usize) -> Result<(Mode, Option<String>), String> {
    Ok((if io == Io::Epoll { Mode::Epoll } else { Mode::Uring }, None))
}

#[derive(Debug)]
pub struct Listener(String, #[expect(dead_code, reason = "held open")] Box<dyn std::any::Any>);

impl Listener {
    pub fn bind_tcp(addr: SocketAddr, _backlog: u32) -> std::io::Result<Self> {
        let listener = std::net::TcpListener::bind(addr)?;
        Ok(Self(format!("tcp:{}", listener.local_addr()?), Box::new(listener)))
    }

    pub fn bind_unix(path: &Path, _mode: Option<u32>, _backlog: u32) -> std::io::Result<Self> {
        let listener = std::os::unix::net::UnixListener::bind(path)?;
        Ok(Self(format!("unix:{}", path.display()), Box::new(listener)))
    }

    pub fn local_addr(&self) -> String {
        self.0.clone()
    }
}

#[derive(Debug)]
pub struct Options {
    pub mode: Mode,
    pub shards: usize,
    pub config: Arc<Config>,
    pub listeners: Vec<Listener>,
    pub connections_max: usize,
    pub busy_poll: Duration,
    pub pin: bool,
}

#[derive(Debug)]
pub struct Shards(Options);

impl Shards {
    pub fn start(options: Options) -> Result<Self, String> {
        Ok(Self(options))
    }
    pub fn counters(&self) -> Vec<Counters> {
        vec![Counters::default(); self.0.shards]
    }
    pub fn stop_accepting(&mut self) {
        self.0.listeners.clear();
    }
    pub fn shut_down(&mut self) {}
    pub fn wait(&mut self, _deadline: Duration) -> bool {
        true
    }
    pub fn stalls(&self) -> u64 {
        0
    }
    pub fn failure(&self) -> Option<String> {
        None
    }
}

pub fn die_on_panic() {}
