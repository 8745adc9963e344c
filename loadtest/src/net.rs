//! Where a router listens, and sockets to it.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use gigawamp::wire::{Client, ClientOptions, Framing, Serializer};

use crate::sys;
use crate::tls::Secure;

/// Where something listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `host:port`
    Tcp(String),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// A router's address and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where.
    pub address: Address,
    /// RawSocket or WebSocket.
    pub framing: Framing,
    /// With TLS below.
    pub tls: bool,
    /// The path of the WebSocket's HTTP request.
    pub path: String,
}

impl FromStr for Target {
    type Err = String;

    /// Reads `tcp://H:P` and `unix:///PATH` (RawSocket), `ws://H:P/PATH` and `ws+unix:///PATH`
    /// (WebSocket); with TLS `tls://H:P` and `wss://H:P/PATH`.
    fn from_str(url: &str) -> Result<Self, String> {
        let bad =
            || format!("{url:?} is no URL of a router: tcp://, ws://, unix:// or ws+unix:// is");
        let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
        let (host, path) = match rest.split_once('/') {
            Some((host, path)) if !path.is_empty() => (host, format!("/{path}")),
            Some((host, _)) => (host, "/".to_owned()),
            None => (rest, "/ws".to_owned()),
        };
        let tcp = || {
            let has_port =
                host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
            let host = if has_port { host.to_owned() } else { format!("{host}:8080") };
            Address::Tcp(host)
        };
        let unix = || Address::Unix(rest.into());
        let (address, framing, path) = match scheme {
            "tcp" | "tls" => (tcp(), Framing::RawSocket, String::new()),
            "ws" | "wss" => (tcp(), Framing::WebSocket, path),
            "unix" => (unix(), Framing::RawSocket, String::new()),
            "ws+unix" => (unix(), Framing::WebSocket, "/ws".to_owned()),
            _ => return Err(bad()),
        };
        let tls = matches!(scheme, "tls" | "wss");
        Ok(Self { address, framing, tls, path })
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.address, self.framing) {
            (Address::Tcp(host), Framing::RawSocket) => {
                write!(f, "{}://{host}", if self.tls { "tls" } else { "tcp" })
            }
            (Address::Unix(path), Framing::RawSocket) => write!(f, "unix://{}", path.display()),
            (Address::Tcp(host), Framing::WebSocket | Framing::Batched(_)) => {
                write!(f, "{}://{host}{}", if self.tls { "wss" } else { "ws" }, self.path)
            }
            (Address::Unix(path), Framing::WebSocket | Framing::Batched(_)) => {
                write!(f, "ws+unix://{}", path.display())
            }
        }
    }
}

impl Target {
    /// Connects, with TLS if that is spoken there, and waits until that is done.
    ///
    /// # Errors
    ///
    /// If nobody listens, or speaks TLS.
    pub fn connect(&self) -> io::Result<Socket> {
        match self.address.connect()? {
            Socket::Tcp(stream) if self.tls => Ok(Socket::Tls(Box::new(Secure::new(stream)?))),
            plain => Ok(plain),
        }
    }

    /// A client's transport to this target, before its handshake.
    #[must_use]
    pub fn client(&self, serializer: Serializer, masking_seed: u64) -> Client {
        let host = match &self.address {
            Address::Tcp(host) => host.clone(),
            Address::Unix(_) => "localhost".to_owned(),
        };
        let path = self.path.clone();
        let options = ClientOptions { path, host, masking_seed, ..ClientOptions::default() };
        Client::new(self.framing, serializer, options)
    }
}

impl Address {
    /// Connects and waits until that is done.
    ///
    /// # Errors
    ///
    /// If nobody listens.
    pub fn connect(&self) -> io::Result<Socket> {
        let socket = match self {
            Self::Tcp(host) => {
                let stream = TcpStream::connect(host)?;
                stream.set_nodelay(true)?;
                Socket::Tcp(stream)
            }
            Self::Unix(path) => Socket::Unix(UnixStream::connect(path)?),
        };
        Ok(socket)
    }

    /// Listens, without blocking in [`Listener::accept`].
    ///
    /// # Errors
    ///
    /// If the address is taken or not ours.
    pub fn listen(&self) -> io::Result<Listener> {
        let listener = match self {
            Self::Tcp(host) => {
                let listener = TcpListener::bind(host)?;
                listener.set_nonblocking(true)?;
                Listener::Tcp(listener)
            }
            Self::Unix(path) => {
                let listener = UnixListener::bind(path)?;
                listener.set_nonblocking(true)?;
                Listener::Unix(listener)
            }
        };
        Ok(listener)
    }

    /// The same host with a port that is free now, if the port is 0.
    ///
    /// # Errors
    ///
    /// If the host is not ours.
    pub fn with_free_port(&self) -> io::Result<Self> {
        let Self::Tcp(host) = self else { return Ok(self.clone()) };
        let any_port = host.to_socket_addrs()?.any(|address| address.port() == 0);
        if !any_port {
            return Ok(self.clone());
        }
        let free = TcpListener::bind(host)?.local_addr()?;
        Ok(Self::Tcp(free.to_string()))
    }
}

/// A connected socket.
#[derive(Debug)]
pub enum Socket {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
    /// Over TLS.
    Tls(Box<Secure>),
}

impl Socket {
    /// Reads what there is.
    ///
    /// # Errors
    ///
    /// As the kernel says.
    #[inline]
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => (&*stream).read(buffer),
            Self::Unix(stream) => (&*stream).read(buffer),
            Self::Tls(secure) => secure.read(buffer),
        }
    }

    /// Writes what there is room for.
    ///
    /// # Errors
    ///
    /// As the kernel says.
    #[inline]
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => (&*stream).write(bytes),
            Self::Unix(stream) => (&*stream).write(bytes),
            Self::Tls(secure) => secure.write(bytes),
        }
    }

    /// Writes all of it, however long that takes.
    ///
    /// # Errors
    ///
    /// As the kernel says.
    pub fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => (&*stream).write_all(bytes),
            Self::Unix(stream) => (&*stream).write_all(bytes),
            Self::Tls(secure) => {
                let mut rest = bytes;
                while !rest.is_empty() {
                    rest = &rest[secure.write(rest)?..];
                }
                Ok(())
            }
        }
    }

    /// Whether reads and writes return at once.
    ///
    /// # Errors
    ///
    /// As the kernel says.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nonblocking(nonblocking),
            Self::Unix(stream) => stream.set_nonblocking(nonblocking),
            Self::Tls(secure) => secure.stream.set_nonblocking(nonblocking),
        }
    }

    /// How long a blocking read may take.
    ///
    /// # Errors
    ///
    /// As the kernel says.
    pub fn set_patience(&self, patience: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(Some(patience)),
            Self::Unix(stream) => stream.set_read_timeout(Some(patience)),
            Self::Tls(secure) => secure.stream.set_read_timeout(Some(patience)),
        }
    }

    /// Closes without any goodbye: TCP resets.
    ///
    /// # Errors
    ///
    /// As the kernel says.
    pub fn reset(self) -> io::Result<()> {
        match &self {
            Self::Tcp(stream) => sys::reset_on_close(stream),
            Self::Unix(_) => Ok(()),
            Self::Tls(secure) => sys::reset_on_close(&secure.stream),
        }
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Self::Tcp(stream) => stream.as_raw_fd(),
            Self::Unix(stream) => stream.as_raw_fd(),
            Self::Tls(secure) => secure.stream.as_raw_fd(),
        }
    }
}

/// A socket that accepts.
#[derive(Debug)]
pub enum Listener {
    /// Over TCP.
    Tcp(TcpListener),
    /// Over a Unix socket.
    Unix(UnixListener),
}

impl Listener {
    /// The next connection, nonblocking; `None` if there is none now.
    ///
    /// # Errors
    ///
    /// As the kernel says.
    pub fn accept(&self) -> io::Result<Option<Socket>> {
        let accepted = match self {
            Self::Tcp(listener) => listener.accept().and_then(|(stream, _)| {
                stream.set_nodelay(true)?;
                Ok(Socket::Tcp(stream))
            }),
            Self::Unix(listener) => listener.accept().map(|(stream, _)| Socket::Unix(stream)),
        };
        match accepted {
            Ok(socket) => {
                socket.set_nonblocking(true)?;
                Ok(Some(socket))
            }
            Err(error) if is_transient(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where it listens, the port it was given included.
    ///
    /// # Errors
    ///
    /// As the kernel says.
    pub fn address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(listener) => Ok(Address::Tcp(listener.local_addr()?.to_string())),
            Self::Unix(listener) => {
                let address = listener.local_addr()?;
                let path = address.as_pathname().ok_or(io::ErrorKind::AddrNotAvailable)?;
                Ok(Address::Unix(path.into()))
            }
        }
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Self::Tcp(listener) => listener.as_raw_fd(),
            Self::Unix(listener) => listener.as_raw_fd(),
        }
    }
}

/// Whether the same call may succeed later.
#[must_use]
pub fn is_transient(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
    matches!(error.kind(), WouldBlock | Interrupted | ConnectionAborted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_written() {
        for (url, written) in [
            ("tcp://127.0.0.1:8080", "tcp://127.0.0.1:8080"),
            ("tcp://localhost", "tcp://localhost:8080"),
            ("tls://localhost:9", "tls://localhost:9"),
            ("wss://localhost:9/a", "wss://localhost:9/a"),
            ("ws://127.0.0.1:9000/ws", "ws://127.0.0.1:9000/ws"),
            ("ws://127.0.0.1:9000", "ws://127.0.0.1:9000/ws"),
            ("ws://127.0.0.1:9000/", "ws://127.0.0.1:9000/"),
            ("unix:///tmp/a.sock", "unix:///tmp/a.sock"),
            ("ws+unix:///tmp/a.sock", "ws+unix:///tmp/a.sock"),
        ] {
            assert_eq!(url.parse::<Target>().unwrap().to_string(), written);
        }
        assert!("http://a".parse::<Target>().is_err());
        assert!("127.0.0.1:8080".parse::<Target>().is_err());
    }
}
