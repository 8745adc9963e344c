//! A socket that says any octets.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use crate::peer::connect;

/// A connection without any manners of its own.
pub(crate) struct Line {
    stream: TcpStream,
    /// What came and was not taken yet.
    pub(crate) received: Vec<u8>,
    /// Whether the router has closed it.
    pub(crate) is_over: bool,
}

impl Line {
    pub(crate) fn to(address: &str) -> Self {
        Self::over(connect(address))
    }

    /// The same over a connection that is open.
    pub(crate) fn over(stream: TcpStream) -> Self {
        Self { stream, received: Vec::new(), is_over: false }
    }

    /// Sends octets; false if the router does not take them any more.
    pub(crate) fn say(&mut self, octets: &[u8]) -> bool {
        self.stream.write_all(octets).is_ok()
    }

    /// Waits for more octets; false at the end.
    pub(crate) fn more(&mut self) -> Result<bool, String> {
        let mut buffer = [0; 16 << 10];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.is_over = true,
            Ok(count) => self.received.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => self.is_over = true,
            Err(_) => return Err("the router neither answered nor closed".to_owned()),
        }
        Ok(!self.is_over)
    }

    /// The next `count` octets.
    pub(crate) fn take(&mut self, count: usize) -> Result<Vec<u8>, String> {
        while self.received.len() < count {
            if !self.more()? {
                return Err(format!("the end after {:?}", self.text()));
            }
        }
        Ok(self.received.drain(..count).collect())
    }

    /// What comes up to and with `mark`.
    pub(crate) fn take_until(&mut self, mark: &[u8]) -> Result<Vec<u8>, String> {
        loop {
            let found = self.received.windows(mark.len()).position(|window| window == mark);
            if let Some(at) = found {
                return self.take(at + mark.len());
            }
            if !self.more()? {
                return Err(format!("the end after {:?}", self.text()));
            }
        }
    }

    /// Everything up to the end, which must come in time.
    pub(crate) fn rest(&mut self) -> Result<Vec<u8>, String> {
        while self.more()? {}
        Ok(std::mem::take(&mut self.received))
    }

    /// What has come, to be read by people.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.received[..self.received.len().min(200)]).into_owned()
    }

    /// Another handle of the same socket.
    pub(crate) fn twin(&self) -> TcpStream {
        self.stream.try_clone().unwrap()
    }
}
