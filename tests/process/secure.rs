//! TLS for tests of the real binary: certificates in files, and clients.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, version};

#[path = "../../src/shard/tests/certificates.rs"]
mod certificates;

pub(crate) use certificates::{Authority, Issued, Purpose};

use crate::peer::connect;

/// A TLS connection.
pub(crate) type Secure = StreamOwned<ClientConnection, TcpStream>;

/// A router's certificate in files, and who issued it.
pub(crate) struct House {
    pub(crate) authority: Authority,
    folder: PathBuf,
}

impl House {
    /// Issues a certificate for `localhost`, and keeps it and its issuer in `folder`.
    pub(crate) fn new(folder: &Path) -> Self {
        let house = Self { authority: Authority::new("house"), folder: folder.to_owned() };
        house.renew(&house.authority);
        house.write("ca.pem", &house.authority.pem());
        house
    }

    /// Puts another certificate, which `authority` issues, into the same files.
    pub(crate) fn renew(&self, authority: &Authority) {
        let issued = authority.issue("localhost", Purpose::Server);
        self.write("key.pem", &issued.key.serialize_pem());
        self.write("chain.pem", &issued.certificate.pem());
    }

    /// Writes a file of the folder.
    pub(crate) fn write(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(self.path(name), text).unwrap();
        let mode = PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(self.path(name), mode).unwrap();
    }

    /// The path of a file of the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The options of a listener with this certificate.
    pub(crate) fn options(&self) -> String {
        let (chain, key) = (self.path("chain.pem"), self.path("key.pem"));
        format!("tls = \"required\"\ncertificates = [\"{} {}\"]\n", chain.display(), key.display())
    }

    /// A client that trusts this house.
    pub(crate) fn client(&self) -> Visit {
        Visit::new(&self.authority)
    }
}

impl Authority {
    /// Its own certificate.
    pub(crate) fn pem(&self) -> String {
        let certificate: &rcgen::Certificate = self.0.as_ref();
        certificate.pem()
    }
}

/// How a client comes.
#[derive(Clone)]
pub(crate) struct Visit {
    pub(crate) root: CertificateDer<'static>,
    pub(crate) shows: Option<Arc<Issued>>,
    pub(crate) name: &'static str,
    /// TLS 1.2.
    pub(crate) is_old: bool,
}

impl Visit {
    /// One that trusts `authority`, asks for `localhost` and shows nothing.
    pub(crate) fn new(authority: &Authority) -> Self {
        Self { root: authority.certificate(), shows: None, name: "localhost", is_old: false }
    }

    /// Connects; the handshake comes with the first octets, or by [`shake_hands`].
    pub(crate) fn to(&self, address: &str) -> Secure {
        self.on(connect(address))
    }

    /// The same over a connection that is open.
    pub(crate) fn on(&self, stream: TcpStream) -> Secure {
        self.again(&self.config(), stream)
    }

    /// The same for one who has been there before, with the same `config`.
    pub(crate) fn again(&self, config: &Arc<ClientConfig>, stream: TcpStream) -> Secure {
        let name = ServerName::try_from(self.name).unwrap();
        let connection = ClientConnection::new(Arc::clone(config), name).unwrap();
        StreamOwned::new(connection, stream)
    }

    /// What a client goes by, and where it keeps its tickets.
    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let versions = if self.is_old { &[&version::TLS12] } else { &[&version::TLS13] };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match &self.shows {
            Some(issued) => {
                let (chain, key) = issued.pair();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        Arc::new(config)
    }
}

/// Agrees on TLS.
pub(crate) fn shake_hands(secure: &mut Secure) -> std::io::Result<()> {
    while secure.conn.is_handshaking() {
        secure.conn.complete_io(&mut secure.sock)?;
    }
    Ok(())
}
