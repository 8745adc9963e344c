//! `[[listeners]]`: where clients come in, and what may be spoken there.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::limits::MESSAGE_BYTES_CAP;
use crate::router::config::{AdmissionConfig, Method};
use crate::server::config::key::{Key, Kind, Preset};
use crate::server::config::nest::Table;
use crate::server::config::{Address, ListenerSettings};
use crate::server::tls::{DoorSettings, TlsMode};
use crate::shard::ClientCertificates;
use crate::wire::{OriginPattern, Serializer, TransportOptions};

/// `[[listeners]]`: at least one.
pub(in crate::server::config) static LISTENER: Table<ListenerSettings> =
    Table { path: "listeners", keys: KEYS, tables: &[] };

/// A listener at its presets, without an address.
pub(in crate::server::config) fn preset_listener() -> ListenerSettings {
    let mut listener = blank();
    LISTENER.preset(&mut listener);
    listener
}

/// A listener before any option is applied.
pub(super) fn blank() -> ListenerSettings {
    ListenerSettings {
        address: Address::Unix(PathBuf::new()),
        unix_mode: None,
        backlog: 0,
        optional: false,
        line: None,
        door: DoorSettings::default(),
        transport: TransportOptions::default(),
        admission: AdmissionConfig::default(),
    }
}

/// Each listener has its own.
const KEYS: &[Key<ListenerSettings>] = &[
    Key {
        name: "address",
        kind: Kind::Text(
            "\"IP:PORT\" such as \"127.0.0.1:8080\" or \"[::]:8080\", or \"unix:/PATH\"",
            |listener, text| address(text).map(|address| listener.address = address),
        ),
        preset: Preset::Required,
        reload: false,
        meaning: "Where to listen. Two listeners cannot share an address. Port 0 means any free \
                  port; the log says which.",
    },
    Key {
        name: "unix_mode",
        kind: Kind::Text("file permissions in octal such as \"0660\"", |listener, text| {
            let mode = text.starts_with('0').then(|| u32::from_str_radix(text, 8).ok())??;
            (mode <= 0o777).then(|| listener.unix_mode = Some(mode))
        }),
        preset: Preset::Literal("\"0600\""),
        reload: false,
        meaning: "Permissions of a Unix socket: who may write to it may connect.",
    },
    Key {
        name: "allowed_uids",
        kind: Kind::ParsedList(
            "user ids such as \"1000\"",
            |listener| listener.door.uids.clear(),
            |listener, text| {
                let uid = text.parse().map_err(|_| "it is no user id".to_owned())?;
                listener.door.uids.push(uid);
                Ok(())
            },
        ),
        preset: Preset::Unset("whom `unix_mode` lets"),
        reload: false,
        meaning: "Users who may connect by a Unix socket, as the kernel tells who they are, \
                  besides what `unix_mode` demands. Nobody else may, root neither.",
    },
    Key {
        name: "tls",
        kind: Kind::Word(&[
            ("off", |listener| listener.door.tls = TlsMode::Off),
            ("required", |listener| listener.door.tls = TlsMode::Required),
            ("insecure_optional", |listener| listener.door.tls = TlsMode::InsecureOptional),
        ]),
        preset: Preset::Literal("\"off\""),
        reload: false,
        meaning: "Whether TLS (1.2 or 1.3) is spoken here. `\"insecure_optional\"`: a client's \
                  first octet tells, and nothing keeps anybody from being talked out of it.",
    },
    Key {
        name: "certificates",
        kind: Kind::ParsedList(
            "PEM files: a chain and its key such as \"cert.pem key.pem\", or one file with both",
            |listener| listener.door.certificates.clear(),
            |listener, text| {
                let mut paths = text.split_ascii_whitespace();
                let chain = paths.next().ok_or("it names no file")?;
                let key = paths.next().unwrap_or(chain);
                if paths.next().is_some() {
                    return Err("it names more than two files".to_owned());
                }
                listener.door.certificates.push((chain.into(), key.into()));
                Ok(())
            },
        ),
        preset: Preset::Unset("no TLS"),
        reload: false,
        meaning: "What this listener shows to clients, by the host name they ask for; the first \
                  is for those who ask for none. Files that change are read again.",
    },
    Key {
        name: "sni",
        kind: Kind::Word(&[
            ("any", |listener| listener.door.refuses_unknown_names = false),
            ("known", |listener| listener.door.refuses_unknown_names = true),
        ]),
        preset: Preset::Literal("\"any\""),
        reload: false,
        meaning: "What becomes of clients that ask for a host name that no certificate has, or \
                  for none. `\"any\"`: they are shown the first certificate. `\"known\"`: they are \
                  refused.",
    },
    Key {
        name: "client_ca",
        kind: Kind::Path(|listener| &mut listener.door.client_ca),
        preset: Preset::Unset("nobody's word is taken"),
        reload: false,
        meaning: "PEM file of the authorities that certify clients. A change of it is heeded.",
    },
    Key {
        name: "client_certificate",
        kind: Kind::Word(&[
            ("off", |listener| listener.door.client_certificates = ClientCertificates::Off),
            ("optional", |listener| {
                listener.door.client_certificates = ClientCertificates::Optional;
            }),
            ("required", |listener| {
                listener.door.client_certificates = ClientCertificates::Required;
            }),
        ]),
        preset: Preset::Literal("\"off\""),
        reload: false,
        meaning: "Whether clients are asked for a certificate by one of `client_ca`. \
                  `\"optional\"`: who has none may connect, who shows a wrong one may not.",
    },
    Key {
        name: "proxy_protocol",
        kind: Kind::Networks(|listener| &mut listener.door.proxies),
        preset: Preset::Literal("[]"),
        reload: false,
        meaning: "Networks of proxies, each of whose connections must begin with a PROXY header \
                  (version 1 or 2) that tells for whom it is. From elsewhere none is taken.",
    },
    Key {
        name: "backlog",
        kind: Kind::Count(1..=65_535, |listener| &mut listener.backlog),
        preset: Preset::Literal("1024"),
        reload: false,
        meaning: "Connections that may wait to be accepted. The system may lower it \
                  (`net.core.somaxconn`).",
    },
    Key {
        name: "realms",
        kind: Kind::Texts(
            "names of realms",
            |listener| listener.admission.realms.clear(),
            |listener, text| {
                (!text.is_empty()).then(|| listener.admission.realms.push(text.to_owned()))
            },
        ),
        preset: Preset::Unset("all"),
        reload: true,
        meaning: "Realms that can be joined from here; of others it looks as if there were none.",
    },
    Key {
        name: "methods",
        kind: Kind::Words(
            |listener| listener.admission.methods.clear(),
            &[
                ("anonymous", |listener| listener.admission.methods.push(Method::Anonymous)),
                ("ticket", |listener| listener.admission.methods.push(Method::Ticket)),
                ("wampcra", |listener| listener.admission.methods.push(Method::Cra)),
                ("scram", |listener| listener.admission.methods.push(Method::Scram)),
                ("wamp-scram", |listener| listener.admission.methods.push(Method::WampScram)),
                ("cryptosign", |listener| listener.admission.methods.push(Method::Cryptosign)),
                ("tls", |listener| listener.admission.methods.push(Method::Tls)),
                ("cookie", |listener| listener.admission.methods.push(Method::Cookie)),
            ],
        ),
        preset: Preset::Unset("all that a realm has"),
        reload: true,
        meaning: "By which methods clients may join from here.",
    },
    Key {
        name: "transports",
        kind: Kind::Words(
            |listener| {
                listener.transport.websocket = false;
                listener.transport.rawsocket = false;
                listener.transport.longpoll = false;
            },
            &[
                ("websocket", |listener| listener.transport.websocket = true),
                ("rawsocket", |listener| listener.transport.rawsocket = true),
                ("longpoll", |listener| listener.transport.longpoll = true),
            ],
        ),
        preset: Preset::Literal("[\"websocket\", \"rawsocket\", \"longpoll\"]"),
        reload: true,
        meaning: "What may be spoken here. What a client sends first tells which it is, so one \
                  port can serve all.",
    },
    Key {
        name: "paths",
        kind: Kind::Texts(
            "HTTP paths such as \"/ws\"",
            |listener| listener.transport.paths.clear(),
            |listener, text| is_path(text).then(|| listener.transport.paths.push(text.to_owned())),
        ),
        preset: Preset::Literal("[\"/ws\", \"/\"]"),
        reload: true,
        meaning: "HTTP paths on which a WebSocket may be opened.",
    },
    Key {
        name: "longpoll_path",
        kind: Kind::Text("an HTTP path such as \"/lp\"", |listener, text| {
            is_path(text).then(|| text.clone_into(&mut listener.transport.longpoll_path))
        }),
        preset: Preset::Literal("\"/lp\""),
        reload: true,
        meaning: "The HTTP path below which long-poll is served: `/lp/open` and so on. None of \
                  `paths` may be there.",
    },
    Key {
        name: "serializers",
        kind: Kind::Words(
            |listener| listener.transport.serializers.clear(),
            &[
                ("json", |listener| listener.allow(Serializer::Json)),
                ("msgpack", |listener| listener.allow(Serializer::MessagePack)),
                ("cbor", |listener| listener.allow(Serializer::Cbor)),
                ("ubjson", |listener| listener.allow(Serializer::Ubjson)),
            ],
        ),
        preset: Preset::Literal("[\"json\", \"msgpack\", \"cbor\", \"ubjson\"]"),
        reload: true,
        meaning: "Serializers that clients may choose from. `ubjson` is draft 12: where clients \
                  send its dialect BJData under that name, leave it out, and they choose another.",
    },
    Key {
        name: "compression",
        kind: Kind::Word(&[
            ("off", |listener| listener.transport.deflate = false),
            ("deflate", |listener| listener.transport.deflate = true),
        ]),
        preset: Preset::Literal("\"off\""),
        reload: true,
        meaning: "Whether WebSocket messages from 128 octets on are compressed for clients that \
                  offer permessage-deflate. It saves bandwidth and costs CPU time, many times what \
                  routing costs; memory only while a message is at hand.",
    },
    Key {
        name: "message_bytes_max",
        kind: Kind::Size(512..=MESSAGE_BYTES_CAP, |listener| {
            &mut listener.transport.message_bytes_max
        }),
        preset: Preset::Literal("\"1 MiB\""),
        reload: true,
        meaning: "The longest message that clients may send.",
    },
    Key {
        name: "origins",
        kind: Kind::ParsedList(
            "origins such as \"https://app.example.com\" or \"https://*.example.com\"",
            |listener| listener.transport.origins.listed.clear(),
            |listener, text| {
                let pattern = OriginPattern::parse(text)
                    .ok_or_else(|| format!("\"{text}\" is no scheme, host and perhaps port"))?;
                listener.transport.origins.listed.push(pattern);
                Ok(())
            },
        ),
        preset: Preset::Unset("pages loaded from the host and port that they connect to"),
        reload: true,
        meaning: "Web pages whose browsers may open a WebSocket or long-poll here; others get 403. \
                  One `*` stands for any subdomain or port. What is listed counts alone: a page \
                  of the router's own host has to be listed too. Clients that are no browsers \
                  send no `Origin` and are not asked for one.",
    },
    Key {
        name: "insecure_any_origin",
        kind: Kind::Switch(|listener| &mut listener.transport.origins.any),
        preset: Preset::Literal("false"),
        reload: true,
        meaning: "Let browsers come on behalf of any page on the web. A page can then do all that \
                  its visitor's browser could do here, with the visitor's cookies and from inside \
                  of the visitor's network.",
    },
    Key {
        name: "forwarded_for",
        kind: Kind::Networks(|listener| &mut listener.transport.forwarded_for),
        preset: Preset::Literal("[]"),
        reload: true,
        meaning: "Networks of HTTP proxies that are believed when `X-Forwarded-For` or `Forwarded` \
                  says for whom they speak: the rightmost address there that is in none of these \
                  networks is the client's, for failed attempts, logs and session details; \
                  connections count for the proxy. `X-Forwarded-Proto` and `X-Forwarded-Host` \
                  are believed as well. On a Unix socket every network means: whoever connects. \
                  If both headers are there and say different things, neither counts.",
    },
];

/// The address that `text` stands for.
fn address(text: &str) -> Option<Address> {
    let Some(path) = text.strip_prefix("unix:") else {
        return text.parse::<SocketAddr>().ok().map(Address::Tcp);
    };
    // The kernel keeps 108 octets for the path and its final zero.
    let fits = path.starts_with('/') && path.len() < 108 && !path.contains('\0');
    fits.then(|| Address::Unix(PathBuf::from(path)))
}

/// Whether `text` can be the path of an HTTP request.
fn is_path(text: &str) -> bool {
    text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic() && b != b'?' && b != b'#')
}
