//! Where a connection came from, and what its transport proved before its first octet.
//!
//! Plain data: the driver fills it in before a router hears of the connection, and nothing in
//! here is ever altered afterwards.

// Addresses are plain data; what opens sockets is not in `core`.
use core::net::IpAddr;
use std::time::Duration;

/// Where a connection came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Index of the listener in [`Config::listeners`](crate::router::config::Config::listeners).
    pub listener: u16,
    /// The client's address, for `transport` details and logs: `tcp:127.0.0.1:4711`,
    /// `unix:/path`.
    pub peer: Box<str>,
    /// The client's IP address, where it has one that is known.
    pub address: Option<IpAddr>,
    /// What TLS settled; nothing where the connection is plain.
    pub tls: Option<Box<TlsOrigin>>,
    /// How long the client was busy with what comes before its first octet (PROXY header, TLS):
    /// it counts against [`Limits::handshake`](crate::router::config::Limits::handshake).
    pub delay: Duration,
}

/// What TLS settled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOrigin {
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// The host name the client asked for (SNI).
    pub server_name: Option<Box<str>>,
    /// The certificate the client has shown; its chain and its key were checked.
    pub certificate: Option<ClientCertificate>,
    /// What both ends know of this one TLS connection and nobody else, to bind credentials to it:
    /// `tls-exporter` of RFC 9266.
    pub exporter: Option<[u8; 32]>,
}

/// What the certificate of a client says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The common name of its subject; empty if it has none.
    pub subject: Box<str>,
    /// Its alternative names: host names, URIs and mail addresses.
    pub names: Vec<Box<str>>,
    /// The common name of its issuer; empty if that has none.
    pub issuer: Box<str>,
    /// SHA-256 of the whole certificate in DER.
    pub fingerprint: [u8; 32],
}
