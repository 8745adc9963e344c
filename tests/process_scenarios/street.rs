//! Blocking sockets as a stage.

#![expect(clippy::disallowed_methods, reason = "a scenario that waits is played by waiting")]

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use crate::harness::notation::Line;
use crate::harness::stage::{Brought, Stage};
use crate::house::{House, scaled};
use crate::program::PATIENCE;

/// Which sockets lead to the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Tcp,
    /// A Unix socket for the first peer, TCP for the second, and so on.
    Unix,
}

/// What lies between the peers of one play and their router.
pub(crate) struct Street<'h> {
    house: &'h House,
    way: Way,
    sockets: Vec<Option<Socket>>,
    is_shut_down: bool,
}

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl<'h> Street<'h> {
    pub(crate) fn new(house: &'h House, way: Way) -> Self {
        Self { house, way, sockets: Vec::new(), is_shut_down: false }
    }

    /// All peers go home. Nothing of them is left at the router then.
    pub(crate) fn clear(mut self) -> Result<(), String> {
        self.sockets.iter().flatten().for_each(Socket::finish);
        for connection in 0..self.sockets.len() {
            while matches!(self.read(connection, true), Brought::Octets(_)) {}
            self.sockets[connection] = None;
        }
        if self.is_shut_down {
            return self.house.end();
        }
        self.house.settle();
        Ok(())
    }
}

impl Stage for Street<'_> {
    fn settle(&mut self) {
        self.house.settle();
    }

    fn connect(&mut self) -> usize {
        let connection = self.sockets.len();
        let socket = match self.way {
            Way::Unix if connection.is_multiple_of(2) => {
                UnixStream::connect(&self.house.unix).map(Socket::Unix)
            }
            Way::Unix | Way::Tcp => TcpStream::connect(&self.house.tcp).map(Socket::Tcp),
        };
        // A router that stops does not accept any more.
        assert!(socket.is_ok() || self.is_shut_down, "{:?}", socket.err());
        let socket = socket.ok();
        if let Some(socket) = &socket {
            socket.set_up().unwrap();
        }
        self.sockets.push(socket);
        connection
    }

    fn write(&mut self, connection: usize, octets: &[u8]) {
        if let Some(socket) = &mut self.sockets[connection] {
            // The router may have closed its end; what it said before is still to be read.
            let _ = socket.write_all(octets);
        }
    }

    fn begin(&mut self, connection: usize, octets: &[u8]) -> bool {
        self.write(connection, octets);
        false
    }

    fn read(&mut self, connection: usize, expected: bool) -> Brought {
        if !expected {
            self.house.settle();
        }
        let Some(socket) = &mut self.sockets[connection] else {
            return Brought::End;
        };
        let mut octets = vec![0; 16 << 10];
        socket.set_nonblocking(!expected).unwrap();
        let read = socket.read(&mut octets);
        socket.set_nonblocking(false).unwrap();
        match read {
            Ok(0) => Brought::End,
            Ok(count) => {
                octets.truncate(count);
                Brought::Octets(octets)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Brought::Nothing,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Brought::End,
            Err(error) => panic!("{error}"),
        }
    }

    fn hang_up(&mut self, connection: usize) {
        if let Some(socket) = &self.sockets[connection] {
            socket.finish();
        }
        while matches!(self.read(connection, true), Brought::Octets(_)) {}
        self.sockets[connection] = None;
        self.house.settle();
    }

    fn is_exact(&self) -> bool {
        false
    }

    fn wait(&mut self, time: Duration) -> bool {
        // What turns on milliseconds needs a clock that stands still meanwhile.
        let is_coarse = time >= Duration::from_secs(1);
        if is_coarse {
            thread::sleep(scaled(time));
        }
        is_coarse
    }

    fn configure(&mut self, _lines: &[Line]) -> bool {
        // Other peers of the same process play other scenarios.
        false
    }

    fn shut_down(&mut self) -> bool {
        self.is_shut_down = true;
        self.house.shut_down();
        true
    }
}

impl Socket {
    fn set_up(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))
            }
            Self::Unix(stream) => stream.set_read_timeout(Some(PATIENCE)),
        }
    }

    fn set_nonblocking(&self, is_nonblocking: bool) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nonblocking(is_nonblocking),
            Self::Unix(stream) => stream.set_nonblocking(is_nonblocking),
        }
    }

    /// Nothing will be written any more; the router closes its end when it has noticed.
    fn finish(&self) {
        // The router may have closed already.
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        };
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
