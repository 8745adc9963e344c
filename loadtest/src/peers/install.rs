//! How other routers are installed, configured and started. Their versions are pinned, so that a
//! comparison can be made again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gigawamp::wire::Serializer;
use serde_json::json;

use crate::Trouble;
use crate::net::{Address, Target};

/// A router that can be installed.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    /// The best serializer it speaks over the best transport it has.
    pub(super) serializer: Serializer,
    url: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Crossbar,
    FoxWamp,
}

/// All of them. Crossbar takes part twice: its two transports differ much.
pub(super) const PEERS: [Peer; 3] = [
    Peer {
        name: "crossbar",
        version: "26.10.1",
        serializer: Serializer::MessagePack,
        url: "tcp://127.0.0.1:0",
        kind: Kind::Crossbar,
    },
    Peer {
        name: "crossbar-ws",
        version: "26.10.1",
        serializer: Serializer::Json,
        url: "ws://127.0.0.1:0/ws",
        kind: Kind::Crossbar,
    },
    Peer {
        name: "fox-wamp",
        version: "0.7.28",
        serializer: Serializer::Json,
        url: "ws://127.0.0.1:0/ws",
        kind: Kind::FoxWamp,
    },
];

impl Peer {
    /// Installs it below `folder`, unless it is there.
    pub(super) fn install(&self, folder: &Path) -> Result<(), Trouble> {
        let home = self.home(folder);
        let done = home.join("installed");
        if done.is_file() {
            return Ok(());
        }
        fs::create_dir_all(&home)?;
        let package = |sign| format!("{}{sign}{}", self.kind.package(), self.version);
        match self.kind {
            Kind::Crossbar => {
                run(Command::new("python3").args(["-m", "venv"]).arg(home.join("venv")))?;
                let pip = home.join("venv/bin/pip");
                run(Command::new(pip).args(["install", "--quiet", &package("==")]))?;
            }
            Kind::FoxWamp => {
                run(Command::new("npm").current_dir(&home).args(["init", "--yes"]))?;
                run(Command::new("npm").current_dir(&home).args(["install", &package("@")]))?;
            }
        }
        fs::write(done, self.version)?;
        Ok(())
    }

    /// Where it will listen: a port that is free now.
    pub(super) fn target(&self) -> Result<Target, Trouble> {
        let mut target: Target = self.url.parse().map_err(Trouble::Rig)?;
        target.address = target.address.with_free_port()?;
        Ok(target)
    }

    /// What starts it, to listen at `target`.
    pub(super) fn command(&self, folder: &Path, target: &Target) -> Result<Command, Trouble> {
        let Address::Tcp(host) = &target.address else {
            return Err(Trouble::Rig("peers listen on TCP".to_owned()));
        };
        let port = host.rsplit(':').next().unwrap_or_default();
        let home = fs::canonicalize(self.home(folder))?;
        Ok(match self.kind {
            Kind::Crossbar => {
                let node = home.join("node");
                fs::create_dir_all(&node)?;
                fs::write(node.join("config.json"), crossbar_config(port))?;
                let mut command = Command::new(home.join("venv/bin/crossbar"));
                command.args(["start", "--loglevel", "warn", "--cbdir"]).arg(node);
                command
            }
            Kind::FoxWamp => {
                let script = home.join("router.js");
                fs::write(&script, FOX_WAMP)?;
                let mut command = Command::new("node");
                command.current_dir(&home).arg(script).arg(port);
                command
            }
        })
    }

    fn home(&self, folder: &Path) -> PathBuf {
        folder.join(self.kind.package())
    }
}

impl Kind {
    const fn package(self) -> &'static str {
        match self {
            Self::Crossbar => "crossbar",
            Self::FoxWamp => "fox-wamp",
        }
    }
}

/// One router worker, both transports on one port, everything allowed to everybody.
fn crossbar_config(port: &str) -> String {
    let everything = json!({
        "uri": "", "match": "prefix",
        "allow": { "call": true, "register": true, "publish": true, "subscribe": true },
        "disclose": { "caller": false, "publisher": false }, "cache": true,
    });
    let anonymous = json!({ "anonymous": { "type": "static", "role": "anonymous" } });
    let config = json!({
        "version": 2,
        "controller": {},
        "workers": [{
            "type": "router",
            "realms": [{
                "name": "realm1",
                "roles": [{ "name": "anonymous", "permissions": [everything] }],
            }],
            "transports": [{
                "type": "universal",
                "endpoint": {
                    "type": "tcp", "interface": "127.0.0.1",
                    "port": port.parse::<u16>().unwrap_or_default(), "backlog": 4096,
                },
                "rawsocket": { "serializers": ["msgpack", "json", "cbor"], "auth": anonymous },
                "websocket": { "ws": { "type": "websocket", "auth": anonymous } },
            }],
        }],
    });
    format!("{config:#}")
}

/// Its own demonstration, without the log.
const FOX_WAMP: &str = "\
const Router = require('fox-wamp')
const router = new Router()
router.getRealm('realm1', () => router.listenWAMP({ port: Number(process.argv[2]) }))
";

/// Runs a step of an installation.
fn run(command: &mut Command) -> Result<(), Trouble> {
    let shown = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| Trouble::Rig(format!("{shown}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Trouble::Rig(format!("{shown} failed:\n{said}")))
}
