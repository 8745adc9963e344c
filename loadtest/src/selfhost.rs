//! The router in this process, on the simplest loop that can drive it: for tests of this program.
//!
//! It is no measure of the router, whose own drivers are far better.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gigawamp::env::Instant;
use gigawamp::router::config::{Config, Limits, RealmConfig, RealmOptions, RequestIds, UriCheck};
use gigawamp::router::{ConnectionId, Input, Origin, Output, Router, ShardId, Shared};
use gigawamp::wire::{Serializer, TransportOptions};

use crate::net::{Address, Listener, Socket, is_transient};
use crate::sys::{Epoll, Interest};
use crate::{Trouble, clock};

/// One router, one listener, one realm called `realm1`.
#[derive(Debug)]
pub struct Host {
    router: Router,
    listener: Listener,
    epoll: Epoll,
    /// By slot: the socket, and whether it is read and written.
    sockets: Vec<Option<(Socket, bool, bool)>>,
    generations: Vec<u32>,
}

impl Host {
    /// Listens at `address`.
    ///
    /// # Errors
    ///
    /// If it is taken.
    pub fn bind(address: &Address) -> Result<Self, Trouble> {
        let (listener, epoll) = (address.listen()?, Epoll::new()?);
        epoll.add(&listener, u64::MAX, Interest::Read)?;
        let shared = Shared::new(Arc::new(config()), 1, [1; 32], Instant::default());
        let router = Router::new(ShardId(0), &shared, [2; 32]);
        let (sockets, generations) = (Vec::new(), Vec::new());
        Ok(Self { router, listener, epoll, sockets, generations })
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// As the kernel says.
    pub fn address(&self) -> Result<Address, Trouble> {
        Ok(self.listener.address()?)
    }

    /// Routes until `stop`.
    ///
    /// # Errors
    ///
    /// As the kernel says.
    pub fn run(&mut self, stop: &AtomicBool) -> Result<(), Trouble> {
        let (mut ready, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
        while !stop.load(Ordering::Relaxed) {
            self.epoll.wait(10_000_000, &mut ready)?;
            if self.router.next_deadline().is_some_and(|deadline| deadline <= now()) {
                self.router.handle(now(), Input::DeadlineReached);
            }
            for event in &ready {
                let Ok(slot) = u32::try_from(event.token) else {
                    self.accept()?;
                    continue;
                };
                if event.writable {
                    self.transmit(self.id(slot))?;
                }
                if event.readable {
                    self.receive(self.id(slot), &mut buffer);
                }
            }
            while let Some(output) = self.router.poll_output() {
                match output {
                    Output::Transmit { connection } => self.transmit(connection)?,
                    Output::Pause { connection } => self.watch(connection, |it| it.1 = false)?,
                    Output::Resume { connection } => self.watch(connection, |it| it.1 = true)?,
                    Output::Close { connection } => self.sockets[connection.slot as usize] = None,
                    Output::Hold | Output::Release | Output::Relay { .. } | Output::Ask => {}
                }
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> Result<(), Trouble> {
        while let Some(socket) = self.listener.accept()? {
            let free = self.sockets.iter().position(Option::is_none);
            let slot = free.unwrap_or(self.sockets.len());
            self.epoll.add(&socket, slot as u64, Interest::Read)?;
            if free.is_none() {
                self.sockets.push(None);
                self.generations.push(0);
            }
            self.sockets[slot] = Some((socket, true, false));
            self.generations[slot] += 1;
            let connection = self.id(u32::try_from(slot).expect("fewer sockets than that"));
            let origin = Origin { peer: "test".into(), ..Origin::default() };
            self.router.handle(now(), Input::Opened { connection, origin });
        }
        Ok(())
    }

    fn receive(&mut self, connection: ConnectionId, buffer: &mut [u8]) {
        let place = &mut self.sockets[connection.slot as usize];
        let Some((socket, _, _)) = place else { return };
        match socket.read(buffer) {
            Ok(count @ 1..) => {
                let bytes = &mut buffer[..count];
                self.router.handle(now(), Input::Received { connection, bytes });
            }
            Err(error) if is_transient(&error) => {}
            Ok(0) | Err(_) => {
                *place = None;
                self.router.handle(now(), Input::Closed { connection });
            }
        }
    }

    fn transmit(&mut self, connection: ConnectionId) -> Result<(), Trouble> {
        let mut is_blocked = false;
        while !is_blocked {
            let Some((socket, _, _)) = &self.sockets[connection.slot as usize] else { break };
            let Some(outbox) = self.router.outbox(connection) else { break };
            let Some(slice) = outbox.slices().next() else { break };
            let count = socket.write(&slice).unwrap_or(0);
            is_blocked = count < slice.len();
            self.router.handle(now(), Input::Transmitted { connection, count });
        }
        self.watch(connection, |it| it.2 = is_blocked)
    }

    /// Changes what is awaited of a socket.
    fn watch(
        &mut self,
        connection: ConnectionId,
        change: impl FnOnce(&mut (Socket, bool, bool)),
    ) -> Result<(), Trouble> {
        let Some(it) = &mut self.sockets[connection.slot as usize] else { return Ok(()) };
        change(it);
        let interest = match (it.1, it.2) {
            (true, true) => Interest::ReadWrite,
            (true, false) => Interest::Read,
            (false, true) => Interest::Write,
            (false, false) => Interest::Nothing,
        };
        Ok(self.epoll.modify(&it.0, u64::from(connection.slot), interest)?)
    }

    fn id(&self, slot: u32) -> ConnectionId {
        ConnectionId { slot, generation: self.generations[slot as usize] }
    }
}

fn now() -> Instant {
    Instant::from_nanos(clock::now())
}

fn config() -> Config {
    let realm = RealmConfig {
        name: "realm1".to_owned(),
        uri_check: UriCheck::Loose,
        request_ids: RequestIds::Sequential,
        options: RealmOptions { meta_kill: true, ..RealmOptions::default() },
        ..RealmConfig::default()
    };
    let listener = TransportOptions {
        message_bytes_max: 1 << 24,
        paths: vec!["/ws".to_owned()],
        serializers: Serializer::ALL.to_vec(),
        websocket: true,
        rawsocket: true,
        deflate: false,
        longpoll: true,
        longpoll_path: "/lp".into(),
        ..TransportOptions::default()
    };
    Config {
        realms: vec![realm],
        listeners: vec![listener],
        limits: Limits::default(),
        agent: "selfhost".to_owned(),
        ..Config::default()
    }
}
