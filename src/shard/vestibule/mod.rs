//! What a connection passes through before the router hears of it: its address, the header of a
//! trusted proxy, and TLS.
//!
//! ```text
//!  accept ▸ uid, address ▸ PROXY header ▸ TLS ▸ Input::Opened ▸ plain octets
//!           [admission]    [wire::proxy]  [tls]
//! ```
//!
//! A [`Door`] says what a listener demands. Every connection keeps the door it came by, so a
//! door can be exchanged for another while its connections stay.

pub(in crate::shard) mod admission;
pub(in crate::shard) mod full;
pub(in crate::shard) mod tls;

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::env::Instant;
use crate::router::Origin;
use crate::wire::proxy::{self, HEADER_BYTES_MAX};
use admission::{Admission, Excess, Permit};
use tls::{HANDSHAKE, PROTOCOL_VERSION, Tls, TlsDoor, TlsError, UNRECOGNIZED_NAME, is_outdated};

/// What a listener demands of those who connect.
#[derive(Clone, Debug, Default)]
pub struct Door {
    /// TLS, if it is spoken here.
    pub tls: Option<TlsDoor>,
    /// Networks of proxies, each of whose connections must begin with a PROXY header.
    pub proxies: Vec<IpNet>,
    /// Users who may connect by Unix socket; empty: whom the file's permissions let.
    pub uids: Vec<u32>,
}

impl Door {
    /// Whether a connection from `address` must begin with a PROXY header.
    pub(in crate::shard) fn is_proxy(&self, address: Option<IpAddr>) -> bool {
        let address = address.map(|address| address.to_canonical());
        address.is_some_and(|address| self.proxies.iter().any(|proxies| proxies.contains(&address)))
    }

    /// Whether anything comes before the first octet for the router.
    pub(in crate::shard) fn is_open(&self, address: Option<IpAddr>) -> bool {
        self.tls.is_none() && !self.is_proxy(address)
    }
}

/// A connection that the router does not know yet.
#[derive(Debug)]
pub(in crate::shard) struct Arrival {
    origin: Origin,
    door: Arc<Door>,
    since: Instant,
    /// What has come of a PROXY header that is due.
    header: Option<Vec<u8>>,
    /// For those whose address is told by a proxy.
    admission: Arc<Admission>,
}

/// Why a connection is turned away.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::shard) enum Refusal {
    /// A proxy said something else than for whom it connects.
    Header(&'static str),
    /// The address that a proxy told has had enough.
    Excess(Excess),
    /// There is no TLS where it is required.
    Plain,
    /// TLS could not be agreed on.
    Tls(TlsError),
    /// It asked for a name that nobody has here.
    Name,
    /// It speaks TLS 1.1 at best.
    Outdated,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Header(text) => write!(f, "no PROXY header as its network must send: {text}"),
            Self::Excess(Excess::Connections) => f.write_str("too many connections of its address"),
            Self::Excess(Excess::Connects) => f.write_str("its address connects too often"),
            Self::Plain => f.write_str("plain octets where TLS is required"),
            Self::Tls(error) => write!(f, "no TLS: {error}"),
            Self::Outdated => f.write_str("no TLS: 1.2 is the oldest that is spoken"),
            Self::Name => f.write_str("no TLS: it asks for a name that no certificate has"),
        }
    }
}

impl Refusal {
    /// What its peer is told, unless TLS has an alert of its own.
    pub(in crate::shard) const fn alert(&self) -> Option<[u8; 7]> {
        match self {
            Self::Name => Some(UNRECOGNIZED_NAME),
            Self::Outdated => Some(PROTOCOL_VERSION),
            Self::Header(_) | Self::Excess(_) | Self::Plain | Self::Tls(_) => None,
        }
    }
}

/// How far a connection has come.
#[derive(Debug)]
pub(in crate::shard) enum Step {
    /// More must come.
    Wait,
    /// It is through; its first octets may have come already.
    Enter,
}

impl Arrival {
    /// A connection that came by `door`; or nothing but its origin, if that stands open.
    pub(in crate::shard) fn new(
        origin: Origin,
        door: Arc<Door>,
        admission: &Arc<Admission>,
        now: Instant,
    ) -> Result<Box<Self>, Origin> {
        if door.is_open(origin.address) {
            return Err(origin);
        }
        let header = door.is_proxy(origin.address).then(Vec::new);
        let admission = Arc::clone(admission);
        Ok(Box::new(Self { origin, door, since: now, header, admission }))
    }

    /// Takes the next octets. What is for the router is appended to `plain`; TLS and the permit
    /// of the address that a proxy told are put in place when it comes to them.
    pub(in crate::shard) fn receive(
        &mut self,
        mut bytes: &[u8],
        (tls, permit): (&mut Option<Box<Tls>>, &mut Option<Permit>),
        plain: &mut Vec<u8>,
        now: Instant,
    ) -> Result<Step, Refusal> {
        if let Some(header) = &mut self.header {
            let before = header.len();
            header.extend(bytes.iter().take(HEADER_BYTES_MAX - before));
            let read = proxy::parse(header).map_err(|error| Refusal::Header(error.0))?;
            let Some(read) = read else { return Ok(Step::Wait) };
            bytes = bytes.get(read.bytes_count - before..).unwrap_or_default();
            self.header = None;
            if let Some(client) = read.client {
                let address = client.ip().to_canonical();
                *permit = self.admission.admit(address, now).map_err(Refusal::Excess)?;
                self.origin.peer = format!("tcp:{client}").into();
                self.origin.address = Some(address);
            }
        }
        let Some(door) = &self.door.tls else {
            plain.extend_from_slice(bytes);
            return Ok(Step::Enter);
        };
        let Some(&first) = bytes.first() else { return Ok(Step::Wait) };
        if tls.is_none() {
            match first {
                HANDSHAKE if is_outdated(bytes) => return Err(Refusal::Outdated),
                HANDSHAKE => *tls = Some(Tls::new(door).map_err(Refusal::Tls)?),
                _ if door.is_optional => {
                    plain.extend_from_slice(bytes);
                    return Ok(Step::Enter);
                }
                _ => return Err(Refusal::Plain),
            }
        }
        let tls = tls.as_mut().expect("it was made a line ago");
        if let Err(error) = tls.receive(bytes, plain) {
            let is_name = matches!(error, TlsError::General(_)) && tls.asked_unknown_name();
            return Err(if is_name { Refusal::Name } else { Refusal::Tls(error) });
        }
        Ok(if tls.is_handshaking() { Step::Wait } else { Step::Enter })
    }

    /// Where it came from, now that all of that is known.
    pub(in crate::shard) fn into_origin(self, tls: Option<&Tls>, now: Instant) -> Origin {
        let tls = tls.map(|tls| Box::new(tls.origin()));
        Origin { tls, delay: now.since(self.since), ..self.origin }
    }

    /// Where it came from, as far as that is known.
    pub(in crate::shard) const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether what it sends next costs as much as a TLS handshake does.
    pub(in crate::shard) fn is_costly(&self) -> bool {
        self.door.tls.is_some()
    }
}
