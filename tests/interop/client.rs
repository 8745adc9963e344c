//! The clients, what each can be run with, and a run of one.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;

use crate::SERIALIZERS;
use crate::features::FEATURES;
use crate::program::PATIENCE;

/// What is installed, and in which version.
const REQUIREMENTS: &str = include_str!("requirements.txt");
const OLDER: &str = include_str!("requirements-older.txt");
const PACKAGE: &str = include_str!("package.json");

/// A client that somebody else wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    AutobahnPython,
    /// A release that speaks UBJSON; newer ones speak a dialect of it under the same name.
    AutobahnPythonOlder,
    AutobahnJs,
    WampyJs,
    Xconn,
}

impl Client {
    pub(crate) const ALL: [Self; 5] = [
        Self::AutobahnPython,
        Self::AutobahnPythonOlder,
        Self::AutobahnJs,
        Self::WampyJs,
        Self::Xconn,
    ];

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AutobahnPython => "autobahn-python",
            Self::AutobahnPythonOlder => "autobahn-python 24",
            Self::AutobahnJs => "autobahn-js",
            Self::WampyJs => "wampy.js",
            Self::Xconn => "xconn",
        }
    }

    /// Its name and version.
    pub(crate) fn release(self) -> String {
        let (name, text, before) = match self {
            Self::AutobahnPython => {
                ("autobahn-python", REQUIREMENTS, "autobahn[encryption,scram,serialization]==")
            }
            Self::AutobahnPythonOlder => ("autobahn-python", OLDER, "autobahn[serialization]=="),
            Self::AutobahnJs => ("autobahn-js", PACKAGE, "\"autobahn\": \""),
            Self::WampyJs => ("wampy.js", PACKAGE, "\"wampy\": \""),
            Self::Xconn => ("xconn", REQUIREMENTS, "xconn=="),
        };
        let (_, behind) = text.split_once(before).unwrap();
        let version = behind.split(['"', '\n']).next().unwrap();
        format!("{name} {version}")
    }

    /// Its name as part of a URI.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::AutobahnPythonOlder => "autobahn_python_24",
            Self::AutobahnPython | Self::AutobahnJs | Self::WampyJs | Self::Xconn => self.script(),
        }
    }

    /// The name of its script.
    pub(crate) const fn script(self) -> &'static str {
        match self {
            Self::AutobahnPython | Self::AutobahnPythonOlder => "autobahn_python",
            Self::AutobahnJs => "autobahn_js",
            Self::WampyJs => "wampy_js",
            Self::Xconn => "xconn_python",
        }
    }

    /// The folder of the Python that runs it; `None` if Node does.
    pub(crate) const fn python(self) -> Option<&'static str> {
        match self {
            Self::AutobahnPython | Self::Xconn => Some("venv"),
            Self::AutobahnPythonOlder => Some("venv-older"),
            Self::AutobahnJs | Self::WampyJs => None,
        }
    }

    /// `ws` for WebSocket, `rs` for RawSocket, `lp` for long-poll.
    pub(crate) const fn transports(self) -> &'static [&'static str] {
        match self {
            Self::WampyJs => &["ws"],
            Self::AutobahnPython | Self::AutobahnPythonOlder | Self::Xconn => &["ws", "rs"],
            Self::AutobahnJs => &["ws", "rs", "lp"],
        }
    }

    /// What it can say over `transport`.
    pub(crate) fn serializers(self, transport: &str) -> &'static [&'static str] {
        match (self, transport) {
            (Self::AutobahnPythonOlder, _) => &["json", "msgpack", "cbor", "ubjson"],
            (Self::AutobahnJs, "rs" | "lp") => &["json"],
            _ => &SERIALIZERS,
        }
    }

    /// Whether it offers to compress what it says over WebSocket.
    pub(crate) const fn compresses(self) -> bool {
        match self {
            Self::AutobahnPython | Self::AutobahnPythonOlder | Self::WampyJs | Self::Xconn => true,
            Self::AutobahnJs => false,
        }
    }

    /// Whether it can be left to choose the serializer, or offers several, in batches or not.
    pub(crate) const fn chooses(self) -> bool {
        matches!(self, Self::AutobahnPython | Self::AutobahnPythonOlder)
    }
}

/// What a script is told to do.
#[derive(Clone, Debug)]
pub(crate) enum Role {
    /// Everything between two sessions of its own.
    Check,
    /// Serve a name until it is stopped.
    Serve(String),
    /// Use what another client serves by that name.
    Call(String),
    /// See that nothing is served by that name any more.
    Gone(String),
    /// Every advanced feature that it implements, between sessions of its own.
    Features,
    /// Try every case of that file: who it claims to be and how it proves that.
    Authenticate(String),
    /// Say who others are, until it is stopped.
    Authenticator,
    /// Hold sessions on this many shards that all talk to each other.
    Crossing(usize),
}

/// One run of a client.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) client: Client,
    pub(crate) transport: &'static str,
    pub(crate) serializer: &'static str,
    pub(crate) role: Role,
    pub(crate) realm: String,
}

impl Run {
    pub(crate) fn new(
        client: Client,
        transport: &'static str,
        serializer: &'static str,
        role: Role,
    ) -> Self {
        let realm = "realm1".to_owned();
        Self { client, transport, serializer, role, realm }
    }

    /// The same in a realm of its own.
    pub(crate) fn in_realm(mut self, realm: &str) -> Self {
        realm.clone_into(&mut self.realm);
        self
    }

    /// What its script is given to do at `address`.
    pub(crate) fn arguments(&self, address: &str) -> Vec<String> {
        let url = match self.transport {
            "ws" => format!("ws://{address}/ws"),
            transport => format!("{transport}://{address}"),
        };
        let mut arguments = vec![url, self.serializer.to_owned()];
        arguments.extend(match &self.role {
            Role::Check => vec!["check".to_owned()],
            Role::Features => {
                let keys = FEATURES.iter().map(|key| (*key).to_owned());
                std::iter::once("features".to_owned()).chain(keys).collect()
            }
            Role::Serve(name) => vec!["serve".to_owned(), name.clone()],
            Role::Call(name) => vec!["call".to_owned(), name.clone()],
            Role::Gone(name) => vec!["gone".to_owned(), name.clone()],
            Role::Authenticate(path) => vec!["authenticate".to_owned(), path.clone()],
            Role::Authenticator => vec!["authenticator".to_owned()],
            Role::Crossing(shards) => vec!["crossing".to_owned(), shards.to_string()],
        });
        arguments
    }
}

/// A client that serves, until it is stopped or killed.
pub(crate) struct Server {
    name: String,
    child: Child,
}

impl Server {
    /// Starts `command` and waits until it serves.
    pub(crate) fn start(mut command: Command, run: &Run) -> Self {
        let name = match &run.role {
            Role::Serve(name) => name,
            Role::Authenticator => "authenticator",
            Role::Check
            | Role::Call(_)
            | Role::Gone(_)
            | Role::Features
            | Role::Authenticate(_)
            | Role::Crossing(_) => panic!("{:?} does not serve", run.role),
        };
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (line, lines) = channel();
        thread::spawn(move || {
            // Read to the end, so that the client never waits for a reader.
            output.lines().map_while(Result::ok).for_each(|text| drop(line.send(text)));
        });
        let first = lines.recv_timeout(PATIENCE);
        if first.as_deref() != Ok("ready") {
            let _ = child.kill();
            panic!("{name} does not serve: {first:?}");
        }
        Self { name: name.to_owned(), child }
    }

    /// What it serves.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Lets it leave.
    pub(crate) fn stop(mut self) {
        drop(self.child.stdin.take());
        let (done, ended) = channel();
        let id = self.child.id();
        thread::spawn(move || done.send(self.child.wait()));
        let status = ended.recv_timeout(PATIENCE);
        assert!(status.is_ok(), "{} (process {id}) does not leave", self.name);
    }

    /// Ends it without a word.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
