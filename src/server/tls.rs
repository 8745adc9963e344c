//! What listeners demand before anybody may speak WAMP: from settings and the files that they
//! name to [`Door`]s, again whenever those files change.

use std::path::{Path, PathBuf};

use ipnet::IpNet;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tracing::{error, info, warn};
use zeroize::Zeroizing;

use super::file::{self, Stamp, Watched};
use crate::shard::{ClientCertificates, Door, Shards, TlsDoor, TlsSettings};

/// Turns of the main loop between two looks at files: about two seconds.
const TURNS_PER_LOOK: u32 = 20;

/// The longest file that is read: a chain or many authorities, and no disk image.
const FILE_BYTES_MAX: usize = 4 << 20;

/// Whether a listener speaks TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum TlsMode {
    /// It does not.
    #[default]
    Off,
    /// It speaks nothing else.
    Required,
    /// A client's first octet tells.
    InsecureOptional,
}

/// What a listener demands, as it is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DoorSettings {
    /// Whether it speaks TLS.
    pub(super) tls: TlsMode,
    /// Files of chains and of their keys, which may be the same.
    pub(super) certificates: Vec<(PathBuf, PathBuf)>,
    /// Whether clients that ask for a name without a certificate are refused.
    pub(super) refuses_unknown_names: bool,
    /// The file of those whose word on clients is taken.
    pub(super) client_ca: Option<PathBuf>,
    /// Whether clients must show a certificate.
    pub(super) client_certificates: ClientCertificates,
    /// Networks of proxies that send PROXY headers.
    pub(super) proxies: Vec<IpNet>,
    /// Users who may connect by Unix socket; empty: whom the permissions let.
    pub(super) uids: Vec<u32>,
}

impl DoorSettings {
    /// What contradicts what: the option, and what is wrong with it.
    pub(super) fn contradiction(&self, is_unix: bool) -> Option<(&'static str, &'static str)> {
        let asks = self.client_certificates != ClientCertificates::Off;
        let is_off = self.tls == TlsMode::Off;
        let rules = [
            (is_off && !self.certificates.is_empty(), "certificates", "takes tls, which is off"),
            (is_off && asks, "client_certificate", "takes tls, which is off"),
            (is_off && self.client_ca.is_some(), "client_ca", "takes tls, which is off"),
            (!is_off && self.certificates.is_empty(), "tls", "takes certificates"),
            (asks && self.client_ca.is_none(), "client_certificate", "takes a client_ca"),
            (!asks && self.client_ca.is_some(), "client_ca", "takes client_certificate, too"),
            (is_unix && !self.proxies.is_empty(), "proxy_protocol", "is for TCP alone"),
            (!is_unix && !self.uids.is_empty(), "allowed_uids", "is for Unix sockets alone"),
        ];
        let broken = rules.into_iter().find(|(is_broken, ..)| *is_broken);
        broken.map(|(_, option, text)| (option, text))
    }

    /// Reads the files, and says beside the door what an operator should know.
    ///
    /// # Errors
    ///
    /// Names the file and says what is wrong with it.
    pub(super) fn open(&self) -> Result<(Door, Vec<String>), String> {
        let mut warnings = Vec::new();
        let tls = match self.tls {
            TlsMode::Off => None,
            TlsMode::Required | TlsMode::InsecureOptional => Some(self.open_tls(&mut warnings)?),
        };
        Ok((Door { tls, proxies: self.proxies.clone(), uids: self.uids.clone() }, warnings))
    }

    fn open_tls(&self, warnings: &mut Vec<String>) -> Result<TlsDoor, String> {
        let mut certificates = Vec::new();
        for (chain_path, key_path) in &self.certificates {
            let (key, is_public) = key(key_path)?;
            if is_public {
                // As for other secrets: whoever mounts them like that into a container cannot
                // do better, and would do worse if this were refused.
                let path = key_path.display();
                warnings.push(format!("the file {path} holds a key, and every user can read it"));
            }
            certificates.push((chain(chain_path)?, key));
        }
        let client_roots = self.client_ca.as_deref().map(chain).transpose()?.unwrap_or_default();
        let settings = TlsSettings {
            certificates,
            client_roots,
            client_certificates: self.client_certificates,
            refuses_unknown_names: self.refuses_unknown_names,
            is_optional: self.tls == TlsMode::InsecureOptional,
        };
        TlsDoor::new(settings).map_err(|text| format!("{}: {text}", self.names()))
    }

    /// Every file that is read.
    fn files(&self) -> impl Iterator<Item = &Path> {
        let pairs = self.certificates.iter().flat_map(|(chain, key)| [chain, key]);
        pairs.chain(&self.client_ca).map(PathBuf::as_path)
    }

    fn names(&self) -> String {
        self.files().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    }

    /// Of its files, as they are now.
    fn stamps(&self) -> Vec<Stamp> {
        self.files().map(file::stamp).collect()
    }
}

/// The certificates of a file, in their order.
fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let (text, _) = read(path)?;
    certificates(&text).map_err(|text| format!("{}: {text}", path.display()))
}

/// The certificates that a text in PEM has, in their order; at least one.
///
/// # Errors
///
/// Says what is wrong with it.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| format!("not in PEM: {error}"))?;
    match certificates.is_empty() {
        true => Err("there is no certificate in it".to_owned()),
        false => Ok(certificates),
    }
}

/// Whether all certificates of a text in PEM can be those of authorities.
///
/// # Errors
///
/// Says what is wrong with them.
pub(super) fn check_authorities(pem: &[u8]) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// The first private key of a file, and whether every user can read it.
fn key(path: &Path) -> Result<(PrivateKeyDer<'static>, bool), String> {
    let (text, is_public) = read(path)?;
    let key = PrivateKeyDer::from_pem_slice(&text)
        .map_err(|error| format!("{}: there is no private key in it: {error}", path.display()))?;
    Ok((key, is_public))
}

fn read(path: &Path) -> Result<(Zeroizing<Vec<u8>>, bool), String> {
    file::read(path, FILE_BYTES_MAX).map_err(|error| format!("{}: {error}", path.display()))
}

/// The doors of all listeners that are open, by their index, and the files they were made of.
#[derive(Debug, Default)]
pub(super) struct Doors {
    listeners: Vec<Opened>,
    turns: u32,
}

#[derive(Debug)]
struct Opened {
    settings: DoorSettings,
    files: Watched,
}

impl Doors {
    /// Opens the door of one listener more, and says beside it what an operator should know.
    ///
    /// # Errors
    ///
    /// As for [`DoorSettings::open`].
    pub(super) fn open(&mut self, settings: &DoorSettings) -> Result<(Door, Vec<String>), String> {
        let files = Watched::new(settings.stamps());
        let opened = settings.open()?;
        self.listeners.push(Opened { settings: settings.clone(), files });
        Ok(opened)
    }

    /// To be called in every turn of the main loop: every few seconds it looks whether a file is
    /// another one, and if so, and once it is left alone, reads it.
    pub(super) fn look(&mut self, shards: &Shards) {
        self.turns += 1;
        if self.turns < TURNS_PER_LOOK {
            return;
        }
        self.turns = 0;
        for (index, listener) in self.listeners.iter_mut().enumerate() {
            if listener.files.is_due(listener.settings.stamps()) {
                listener.renew(index, shards);
            }
        }
    }

    /// Reads all files now.
    pub(super) fn renew(&mut self, shards: &Shards) {
        for (index, listener) in self.listeners.iter_mut().enumerate() {
            if listener.settings.tls != TlsMode::Off {
                listener.files = Watched::new(listener.settings.stamps());
                listener.renew(index, shards);
            }
        }
    }
}

impl Opened {
    /// Sessions that are open stay as they are. If anything is wrong, all stays as it was.
    fn renew(&mut self, index: usize, shards: &Shards) {
        let files = self.settings.names();
        match self.settings.open() {
            Ok((door, warnings)) => {
                for warning in warnings {
                    warn!("{warning}");
                }
                shards.set_door(index, door);
                info!("certificates read again: {files}");
            }
            Err(text) => error!("certificates stay as they were: {text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn contradictions_are_named() {
        let required = DoorSettings {
            tls: TlsMode::Required,
            certificates: vec![("a".into(), "b".into())],
            ..DoorSettings::default()
        };
        let asking = DoorSettings {
            client_certificates: ClientCertificates::Optional,
            client_ca: Some("c".into()),
            ..required.clone()
        };
        let proxies = vec!["10.0.0.0/8".parse().unwrap()];
        for (settings, is_unix, option) in [
            (DoorSettings::default(), false, None),
            (required.clone(), true, None),
            (asking.clone(), false, None),
            (DoorSettings { tls: TlsMode::Off, ..required.clone() }, false, Some("certificates")),
            (DoorSettings { certificates: vec![], ..required.clone() }, false, Some("tls")),
            (
                DoorSettings { tls: TlsMode::Off, certificates: vec![], ..asking.clone() },
                false,
                Some("client_certificate"),
            ),
            (DoorSettings { client_ca: None, ..asking }, false, Some("client_certificate")),
            (DoorSettings { client_ca: Some("c".into()), ..required }, false, Some("client_ca")),
            (DoorSettings { proxies, ..DoorSettings::default() }, true, Some("proxy_protocol")),
            (
                DoorSettings { uids: vec![0], ..DoorSettings::default() },
                false,
                Some("allowed_uids"),
            ),
        ] {
            let found = settings.contradiction(is_unix).map(|(option, _)| option);
            assert_eq!(found, option, "{settings:?}");
        }
    }

    #[test]
    fn errors_name_the_file() {
        let folder = std::env::temp_dir().join(format!("gigawamp-tls-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = |name: &str| folder.join(name);
        let issued = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let other = rcgen::KeyPair::generate().unwrap();
        std::fs::write(path("good.pem"), issued.cert.pem()).unwrap();
        std::fs::write(path("good.key"), issued.signing_key.serialize_pem()).unwrap();
        std::fs::write(path("other.key"), other.serialize_pem()).unwrap();
        std::fs::write(path("empty.pem"), "").unwrap();
        std::fs::set_permissions(path("good.key"), PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::set_permissions(path("other.key"), PermissionsExt::from_mode(0o644)).unwrap();
        for (chain, key, expected) in [
            ("good.pem", "good.key", ""),
            ("none.pem", "good.key", "none.pem: No such file"),
            ("good.pem", "none.key", "none.key: No such file"),
            ("empty.pem", "good.key", "empty.pem: there is no certificate in it"),
            ("good.pem", "good.pem", "good.pem: there is no private key in it"),
            ("good.pem", "other.key", "certificate and key do not fit"),
            (".", "good.key", "it is no plain file"),
        ] {
            let settings = DoorSettings {
                tls: TlsMode::Required,
                certificates: vec![(path(chain), path(key))],
                ..DoorSettings::default()
            };
            match settings.open() {
                Ok((door, warnings)) => {
                    assert!(expected.is_empty() && door.tls.is_some() && warnings.is_empty());
                }
                Err(text) => {
                    assert!(!expected.is_empty() && text.contains(expected), "{text}");
                }
            }
        }
        std::fs::set_permissions(path("good.key"), PermissionsExt::from_mode(0o644)).unwrap();
        let settings = DoorSettings {
            tls: TlsMode::Required,
            certificates: vec![(path("good.pem"), path("good.key"))],
            ..DoorSettings::default()
        };
        let (_, warnings) = settings.open().unwrap();
        assert!(warnings[0].contains("good.key holds a key"), "{warnings:?}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
