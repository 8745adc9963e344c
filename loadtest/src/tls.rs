//! TLS below a socket of ours. Whom we talk to is not checked: it is load, not a conversation.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};

/// Octets that are read from the socket at a time.
const READ_BYTES: usize = 64 * 1024;

thread_local! {
    /// What the socket gave; one for all connections, as none waits in it.
    static SEALED: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// A TCP connection with TLS.
#[derive(Debug)]
pub struct Secure {
    /// What is below; for readiness and patience.
    pub stream: TcpStream,
    connection: RefCell<ClientConnection>,
}

impl Secure {
    /// Agrees on TLS over `stream`, which must block.
    ///
    /// # Errors
    ///
    /// If the other end speaks none.
    pub fn new(mut stream: TcpStream) -> io::Result<Self> {
        static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
        let config = CONFIG.get_or_init(config);
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let connection = ClientConnection::new(Arc::clone(config), name);
        let mut connection = connection.map_err(io::Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        Ok(Self { stream, connection: RefCell::new(connection) })
    }

    /// Reads what there is; everything that has come by one read of the socket, if `buffer` is
    /// longer than that and a record.
    ///
    /// # Errors
    ///
    /// As the kernel says, or TLS.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        SEALED.with_borrow_mut(|sealed| self.read_by(sealed, buffer))
    }

    fn read_by(&self, sealed: &mut [u8], buffer: &mut [u8]) -> io::Result<usize> {
        let mut connection = self.connection.borrow_mut();
        let most = buffer.len().saturating_sub(20 * 1024).clamp(1, READ_BYTES);
        loop {
            match connection.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
            let count = (&self.stream).read(&mut sealed[..most])?;
            let mut rest = &sealed[..count];
            if rest.is_empty() {
                return Ok(0);
            }
            let mut plain = 0;
            while !rest.is_empty() {
                connection.read_tls(&mut rest)?;
                let state = connection.process_new_packets().map_err(io::Error::other)?;
                let came = state.plaintext_bytes_to_read().min(buffer.len() - plain);
                connection.reader().read_exact(&mut buffer[plain..plain + came])?;
                plain += came;
            }
            if plain > 0 {
                return Ok(plain);
            }
        }
    }

    /// Writes all that TLS takes at a time, and waits until the socket has it.
    ///
    /// # Errors
    ///
    /// As the kernel says.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut connection = self.connection.borrow_mut();
        let count = connection.writer().write(bytes)?;
        while connection.wants_write() {
            match connection.write_tls(&mut &self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
                other => other.map(drop)?,
            }
        }
        Ok(count)
    }
}

/// A certificate and a key for a router, both in PEM.
///
/// # Errors
///
/// If none can be made.
pub fn certificate() -> io::Result<(String, String)> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
    let made = made.map_err(io::Error::other)?;
    Ok((made.cert.pem(), made.signing_key.serialize_pem()))
}

fn config() -> Arc<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the provider can do both versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    Arc::new(config)
}

/// Takes any certificate.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
