//! TLS between a socket and the core: what one listener shows, and one connection of it.
//!
//! Every octet of ciphertext is read and written by the driver's own calls. In here is what is
//! between: rustls, which holds at most one incomplete record (or a handshake message of 64 KiB)
//! of what was received, and at most [`SEALED_BYTES_MAX`] of what is to be sent.

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::RawFd;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring as provider};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{ProtocolVersion, RootCertStore, ServerConfig, ServerConnection, version};
use smallvec::SmallVec;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Name};

use crate::session::{ClientCertificate, Outbox, TlsOrigin};
use crate::shard::driver::{WRITE_SLICES_MAX, sys};

/// The first octet of every TLS connection: a record of the handshake.
pub(in crate::shard) const HANDSHAKE: u8 = 0x16;

/// Octets that are sealed before the socket has taken them; what does not fit stays in the outbox.
const SEALED_BYTES_MAX: usize = 64 * 1024;

/// In pieces of this length rustls copies what it seals into its records.
///
/// The C library copies anything longer by `rep movsb`, and on Zen 3 and 4 that takes thirty times
/// as long if the destination is 1 to 15 octets behind the source, modulo 4 KiB. Allocators align
/// what is large to pages, and a record begins with 5 octets of its own: exactly that happened to
/// every large event, and cost more than twice what sealing it does. See docs/PERFORMANCE.md.
const PIECE_BYTES_MAX: usize = 2 * 1024;

/// Octets of one read after which the room that rustls has taken for them is given back.
const LONG_BYTES_MIN: usize = 4 * 1024;

/// Fatal alerts that rustls has no occasion for, as they are sent before anything is agreed on.
pub(in crate::shard) const UNRECOGNIZED_NAME: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 112];
pub(in crate::shard) const PROTOCOL_VERSION: [u8; 7] = [0x15, 3, 1, 0, 2, 2, 70];

/// Whether clients must show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They are not asked for one.
    #[default]
    Off,
    /// They may show one; a wrong one is refused.
    Optional,
    /// They must.
    Required,
}

/// What a listener needs for TLS.
#[derive(Debug)]
pub struct TlsSettings {
    /// Chains, the leaf first, each with its key. The first is shown to clients that ask for no
    /// name, or for one that no certificate has.
    pub certificates: Vec<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    /// Whose word on clients is taken.
    pub client_roots: Vec<CertificateDer<'static>>,
    /// Whether clients must show a certificate.
    pub client_certificates: ClientCertificates,
    /// Clients that ask for a name that no certificate has are refused.
    pub refuses_unknown_names: bool,
    /// Clients may also speak without TLS, as their first octet tells.
    pub is_optional: bool,
}

/// TLS as one listener has it.
#[derive(Clone, Debug)]
pub struct TlsDoor {
    config: Arc<ServerConfig>,
    names: Arc<Names>,
    /// See [`TlsSettings::is_optional`].
    pub(in crate::shard) is_optional: bool,
}

impl TlsDoor {
    /// TLS 1.2 and 1.3, without renegotiation and without early data.
    ///
    /// Clients may come back with a ticket, which costs less than a handshake, unless they are
    /// asked for certificates: those are looked at each time.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the certificates or their keys.
    pub fn new(settings: TlsSettings) -> Result<Self, String> {
        let provider = Arc::new(provider::default_provider());
        let names =
            Arc::new(Names::new(settings.certificates, settings.refuses_unknown_names, &provider)?);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(|error| error.to_string())?;
        let asks = settings.client_certificates != ClientCertificates::Off;
        let builder = if asks {
            let mut roots = RootCertStore::empty();
            for root in settings.client_roots {
                roots.add(root).map_err(|error| format!("client_ca: {error}"))?;
            }
            let mut verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            if settings.client_certificates == ClientCertificates::Optional {
                verifier = verifier.allow_unauthenticated();
            }
            let verifier = verifier.build().map_err(|error| format!("client_ca: {error}"))?;
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder.with_cert_resolver(Arc::clone(&names) as _);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        if asks {
            config.send_tls13_tickets = 0;
        } else {
            // A client comes back with one connection, and gets another ticket there.
            config.send_tls13_tickets = 1;
            config.ticketer = rustls::crypto::ring::Ticketer::new()
                .map_err(|error| format!("session tickets: {error}"))?;
        }
        Ok(Self { config: Arc::new(config), names, is_optional: settings.is_optional })
    }
}

/// Which certificate is for which name.
#[derive(Debug)]
struct Names {
    certificates: Vec<(Vec<Box<str>>, Arc<CertifiedKey>)>,
    refuses_unknown: bool,
}

impl Names {
    fn new(
        certificates: Vec<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
        refuses_unknown: bool,
        provider: &CryptoProvider,
    ) -> Result<Self, String> {
        let mut known = Vec::new();
        for (chain, key) in certificates {
            let leaf = chain.first().ok_or("a file without a certificate")?;
            let names = host_names(leaf)?;
            let certified = CertifiedKey::from_der(chain, key, provider)
                .map_err(|error| format!("certificate and key do not fit: {error}"))?;
            known.push((names, Arc::new(certified)));
        }
        if known.is_empty() {
            Err("there is no certificate")?
        }
        Ok(Self { certificates: known, refuses_unknown })
    }

    /// The certificates that may be shown to who asks for `name`, in the order of configuration.
    fn choose<'a>(&'a self, name: Option<&'a str>) -> impl Iterator<Item = &'a Arc<CertifiedKey>> {
        let is_for = move |names: &[Box<str>]| {
            name.is_some_and(|name| names.iter().any(|pattern| fits(pattern, name)))
        };
        let is_known = self.certificates.iter().any(|(names, _)| is_for(names));
        let any = !is_known && !self.refuses_unknown;
        self.certificates
            .iter()
            .filter(move |(names, _)| any || is_for(names))
            .map(|(_, certificate)| certificate)
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        let is_fit =
            |certified: &&Arc<CertifiedKey>| certified.key.choose_scheme(schemes).is_some();
        self.choose(hello.server_name()).find(is_fit).cloned()
    }
}

/// Whether a name of a certificate, whose first label may be `*`, is that of a host.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(parent) => {
            name.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent))
        }
        None => pattern.eq_ignore_ascii_case(name),
    }
}

fn host_names(certificate: &CertificateDer<'_>) -> Result<Vec<Box<str>>, String> {
    let (_, certificate) = X509Certificate::from_der(certificate)
        .map_err(|error| format!("a certificate cannot be read: {error}"))?;
    Ok(alternative_names(&certificate, |name| {
        if let GeneralName::DNSName(name) = name { Some(*name) } else { None }
    }))
}

/// What is wrong with the bytes of a peer, or with what it offers.
pub(in crate::shard) type TlsError = rustls::Error;

/// Whether a connection begins with a hello of TLS 1.1 or older. rustls refuses it too, but for
/// what such a hello lacks, and so its sender is not told that it is too old.
pub(in crate::shard) fn is_outdated(bytes: &[u8]) -> bool {
    // A record's head, the kind and the length of the message, and its version.
    matches!(bytes, [HANDSHAKE, 3, _, _, _, 1, _, _, _, 3, 0..=2, ..])
}

/// One TLS connection.
#[derive(Debug)]
pub(in crate::shard) struct Tls {
    connection: ServerConnection,
    names: Arc<Names>,
    has_ended: bool,
}

impl Tls {
    /// One whose first octet is to come.
    pub(in crate::shard) fn new(door: &TlsDoor) -> Result<Box<Self>, TlsError> {
        let connection = ServerConnection::new(Arc::clone(&door.config))?;
        Ok(Box::new(Self { connection, names: Arc::clone(&door.names), has_ended: false }))
    }

    /// Takes what the socket gave and appends what it says to `plain`. There may be something to
    /// [`flush`](Self::flush) afterwards, whatever comes of it.
    ///
    /// # Errors
    ///
    /// The connection cannot go on; its alert waits to be flushed.
    pub(in crate::shard) fn receive(
        &mut self,
        mut bytes: &[u8],
        plain: &mut Vec<u8>,
    ) -> Result<(), TlsError> {
        let mut is_long = false;
        while !bytes.is_empty() && !self.has_ended {
            // Reading from memory fails only if a message is longer than any may be.
            let taken = self.connection.read_tls(&mut bytes);
            if !taken.is_ok_and(|count| count > 0) {
                return Err(TlsError::General("a message is too long".to_owned()));
            }
            let state = self.connection.process_new_packets()?;
            let (start, count) = (plain.len(), state.plaintext_bytes_to_read());
            if count > 0 {
                plain.resize(start + count, 0);
                let rest = plain.get_mut(start..).unwrap_or_default();
                let read = self.connection.reader().read_exact(rest);
                read.map_err(|error| TlsError::General(error.to_string()))?;
            }
            is_long |= count >= LONG_BYTES_MIN;
            self.has_ended = state.peer_has_closed();
        }
        if is_long {
            // Before each read rustls makes its room small again. The next one may be hours away.
            // So this one finds nothing, for the sake of what comes before it.
            let _ = self.connection.read_tls(&mut Nothing);
        }
        Ok(())
    }

    /// Whether the peer must still prove something before it may speak.
    pub(in crate::shard) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Whether the peer has said that nothing more will come.
    pub(in crate::shard) const fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Whether the peer asked for a name that it is refused for.
    pub(in crate::shard) fn asked_unknown_name(&self) -> bool {
        self.names.choose(self.connection.server_name()).next().is_none()
    }

    /// Whether something waits to be flushed.
    pub(in crate::shard) fn has_sealed(&self) -> bool {
        self.connection.wants_write()
    }

    /// Seals the first octets of `outbox`; returns how many. Call it when all is flushed.
    pub(in crate::shard) fn seal(&mut self, outbox: &Outbox) -> usize {
        let (mut offered, mut slices) = (0, Slices::new());
        for slice in outbox.slices().take(WRITE_SLICES_MAX) {
            offered += slice.len();
            slices.push(slice);
            if offered >= SEALED_BYTES_MAX {
                break;
            }
        }
        // It takes no more than its own limit, and nothing from a connection that has failed.
        self.connection.writer().write_vectored(&cut(&slices)).unwrap_or(0)
    }

    /// Says that nothing more will come, unless an alert has said so.
    pub(in crate::shard) fn close(&mut self) {
        self.connection.send_close_notify();
    }

    /// Writes what is sealed. Returns how many octets the socket took, and whether those were all:
    /// `false` is that it had no room for the rest.
    pub(in crate::shard) fn flush(&mut self, socket: RawFd) -> (usize, io::Result<bool>) {
        let mut written = 0;
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut Socket(socket)) {
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return (written, Ok(false));
                }
                Err(error) => return (written, Err(error)),
            }
        }
        (written, Ok(true))
    }

    /// What was settled by the handshake.
    pub(in crate::shard) fn origin(&self) -> TlsOrigin {
        let is_newest = self.connection.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        // TLS 1.2 has a value that is of this connection alone only with an extension that rustls
        // does not tell of.
        // RFC 9266, section 4.2: the context is there and empty.
        let export = || {
            let label = b"EXPORTER-Channel-Binding";
            self.connection.export_keying_material([0; 32], label, Some(b"")).ok()
        };
        let certificate = self.connection.peer_certificates().and_then(<[_]>::first);
        TlsOrigin {
            version: if is_newest { "1.3" } else { "1.2" },
            server_name: self.connection.server_name().map(Into::into),
            certificate: certificate.map(|certificate| describe(certificate)),
            exporter: is_newest.then(export).flatten(),
        }
    }
}

type Slices<'a> = SmallVec<[IoSlice<'a>; WRITE_SLICES_MAX]>;

/// The first octets of `slices`, in order, in pieces of [`PIECE_BYTES_MAX`] at most: as many as
/// rustls takes at a time, or fewer if they are scattered.
fn cut<'a>(slices: &'a [IoSlice<'_>]) -> Slices<'a> {
    let pieces = slices.iter().flat_map(|slice| slice.chunks(PIECE_BYTES_MAX));
    pieces.take(WRITE_SLICES_MAX).map(IoSlice::new).collect()
}

/// What rustls writes to.
struct Socket(RawFd);

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        sys::send(self.0, bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            [one] => sys::send(self.0, one),
            several => sys::send_vectored(self.0, several),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What has nothing for rustls to read, and is not at its end either.
struct Nothing;

impl Read for Nothing {
    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

/// What a certificate says that was checked. What cannot be read says nothing.
fn describe(der: &CertificateDer<'_>) -> ClientCertificate {
    let digest = ring::digest::digest(&ring::digest::SHA256, der);
    let fingerprint = digest.as_ref().try_into().expect("SHA-256 has 32 octets");
    let Ok((_, certificate)) = X509Certificate::from_der(der) else {
        return ClientCertificate { fingerprint, ..ClientCertificate::default() };
    };
    let names = alternative_names(&certificate, |name| {
        let (GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name)) =
            name
        else {
            return None;
        };
        Some(*name)
    });
    ClientCertificate {
        subject: common_name(certificate.subject()),
        names,
        issuer: common_name(certificate.issuer()),
        fingerprint,
    }
}

fn alternative_names<'c>(
    certificate: &X509Certificate<'c>,
    choose: impl Fn(&GeneralName<'c>) -> Option<&'c str>,
) -> Vec<Box<str>> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    extension.map_or_else(Vec::new, |extension| {
        let names = extension.value.general_names.iter();
        names.filter_map(choose).map(Into::into).collect()
    })
}

fn common_name(name: &X509Name<'_>) -> Box<str> {
    let first = name.iter_common_name().next();
    first.and_then(|name| name.as_str().ok()).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_short_and_leave_nothing_out() {
        let octets: Vec<u8> = (0..SEALED_BYTES_MAX).map(|n| (n % 251) as u8).collect();
        for lengths in [vec![1], vec![70, 16_384, 70, 16_384], vec![2_048, 2_049], vec![65_536]] {
            let (mut rest, mut slices) = (&octets[..], Slices::new());
            for length in lengths {
                let (slice, behind) = rest.split_at(length);
                slices.push(IoSlice::new(slice));
                rest = behind;
            }
            let pieces = cut(&slices);
            assert!(pieces.iter().all(|piece| (1..=PIECE_BYTES_MAX).contains(&piece.len())));
            let whole = slices.iter().flat_map(|slice| slice.to_vec()).collect::<Vec<_>>();
            assert_eq!(pieces.iter().flat_map(|piece| piece.to_vec()).collect::<Vec<_>>(), whole);
        }
        let scattered = [IoSlice::new(&octets[..1]); WRITE_SLICES_MAX + 1];
        assert_eq!(cut(&scattered).len(), WRITE_SLICES_MAX);
    }
}
