//! Plays a scenario on a stage.

use std::collections::{BTreeMap, VecDeque};

use gigawamp::sim::Value;
use gigawamp::wire::{Client, ClientOptions, Framing, Incoming, Separator, Serializer};

use super::notation::{Act, Bindings, Line, Term, message, term};
use super::people;
use super::stage::{Brought, Stage};

/// Which transport and serializer the peers of a run use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dress {
    pub(crate) framing: Framing,
    pub(crate) serializer: Serializer,
    /// Each peer after the first uses the next transport and serializer instead of the same.
    pub(crate) mixed: bool,
}

/// All ways to be framed, in the order of their numbers.
const FRAMINGS: [Framing; Framing::KINDS] = [
    Framing::RawSocket,
    Framing::WebSocket,
    Framing::Batched(Separator::Cancel),
    Framing::Batched(Separator::Record),
];

/// What a peer that is not told otherwise announces.
const ROLES: &str = "{publisher: {}, subscriber: {}, caller: {}, callee: {features: \
                     {call_canceling, progressive_call_results}}}";

/// One peer of a scenario.
struct Peer {
    connection: usize,
    client: Client,
    serializer: Serializer,
    heard: VecDeque<Value>,
    over: bool,
    /// Signs of life that came.
    pongs: usize,
}

/// Plays one scenario. `Err` says what went wrong.
pub(crate) struct Player<'s, S> {
    stage: &'s mut S,
    dress: Dress,
    /// The realm that peers join if nothing else is said.
    home: &'s str,
    peers: BTreeMap<String, Peer>,
    bindings: Bindings,
}

type Played<T = ()> = Result<T, String>;

impl<'s, S: Stage> Player<'s, S> {
    /// A player whose peers join the realm `home` if nothing else is said.
    pub(crate) fn new(stage: &'s mut S, dress: Dress, home: &'s str) -> Self {
        let (peers, bindings) = (BTreeMap::new(), Bindings::new());
        Self { stage, dress, home, peers, bindings }
    }

    /// Plays all lines. Gives what the variables stand for at the end, or nothing if this stage
    /// cannot play them.
    pub(crate) fn play(mut self, lines: &[Line]) -> Played<Option<Bindings>> {
        let mut met = Vec::new();
        for line in lines.iter().filter(|line| !line.peer.is_empty()) {
            if met.contains(&line.peer) {
                continue;
            }
            met.push(line.peer.clone());
            if !matches!(line.act, Act::Connects(_) | Act::Joins { .. }) {
                self.join(&line.peer, self.home, None)?;
            }
        }
        for (index, line) in lines.iter().enumerate() {
            if let Act::Reloads(given) = &line.act {
                assert!(!given.is_empty(), "what is to change?");
                if !self.stage.configure(&lines[..=index]) {
                    return Ok(None);
                }
                continue;
            }
            let played = self.line(line).map_err(|why| format!("{}\n  {why}", line.text))?;
            if !played {
                return Ok(None);
            }
        }
        for name in met {
            self.silent(&name).map_err(|why| format!("at the end, {name}: {why}"))?;
        }
        Ok(Some(self.bindings))
    }

    fn line(&mut self, line: &Line) -> Played<bool> {
        let name = &line.peer;
        match &line.act {
            Act::Given(_) | Act::Reloads(_) => {}
            Act::Connects(options) => return self.connect(name, options),
            Act::Joins { realm, roles } => self.join(name, realm, roles.as_ref())?,
            Act::Says { what, replies } => {
                let serializer = self.peer(name).serializer;
                let bytes = |what: &Term| {
                    let mut bytes = Vec::new();
                    what.value(&self.bindings).write(serializer, &mut bytes);
                    bytes
                };
                let messages: Vec<_> = what.iter().map(bytes).collect();
                self.say(name, &messages)?;
                if replies.is_empty() {
                    // What it brings about may be asked for by somebody on another shard.
                    self.stage.settle();
                }
                replies.iter().try_for_each(|reply| self.hear(name, reply))?;
            }
            Act::SaysBytes { bytes, replies } => {
                self.say(name, std::slice::from_ref(bytes))?;
                replies.iter().try_for_each(|reply| self.hear(name, reply))?;
            }
            Act::Begins(what) => {
                let (serializer, mut bytes) = (self.peer(name).serializer, Vec::new());
                what.value(&self.bindings).write(serializer, &mut bytes);
                let (peer, mut out) = (self.peer(name), Vec::new());
                peer.client.frame(&bytes, &mut out);
                let connection = peer.connection;
                return Ok(self.stage.begin(connection, &out));
            }
            Act::HearsAll(variable) => {
                while self.listen(name, false)? {}
                let heard = self.peer(name).heard.drain(..).collect();
                self.bindings.insert(variable.clone(), Value::List(heard));
            }
            Act::Hears(expected) => self.hear(name, expected)?,
            Act::HearsAmongOthers(expected) => self.hear_among_others(name, expected)?,
            Act::Silent => self.silent(name)?,
            Act::Closed => self.closed(name)?,
            Act::Drops => {
                let peer = self.peers.remove(name).expect("it was there");
                self.stage.hang_up(peer.connection);
            }
            Act::Waits(time) => return Ok(self.stage.wait(*time)),
            Act::ShutsDown => return Ok(self.stage.shut_down()),
        }
        Ok(true)
    }

    fn peer(&mut self, name: &str) -> &mut Peer {
        self.peers.get_mut(name).unwrap_or_else(|| panic!("{name} is not there"))
    }

    /// Connects a peer; false if this stage cannot.
    fn connect(&mut self, name: &str, options: &Term) -> Played<bool> {
        let options = options.value(&self.bindings);
        let number = self.bindings.len() + self.peers.len();
        let turn = if self.dress.mixed { self.peers.len() } else { 0 };
        let framing = FRAMINGS[(self.dress.framing.index() + turn) % FRAMINGS.len()];
        let framing = match options.get("transport") {
            Some(Value::Text(name)) if name == "rawsocket" => Framing::RawSocket,
            Some(Value::Text(name)) if name == "websocket" => Framing::WebSocket,
            _ => framing,
        };
        let serializer =
            Serializer::ALL[(self.dress.serializer.index() + turn) % Serializer::ALL.len()];
        let serializer = match options.get("serializer") {
            Some(Value::Text(name)) => *Serializer::ALL
                .iter()
                .find(|serializer| serializer.subprotocol().ends_with(name.as_str()))
                .expect("a serializer"),
            _ => serializer,
        };
        // Every second one compresses, if it speaks WebSocket and the router will.
        let (masking_seed, deflate) = (number as u64, number % 2 == 1);
        let mut client_options =
            ClientOptions { masking_seed, deflate, ..ClientOptions::default() };
        if let Some(max) = options.get("max").and_then(Value::number) {
            client_options.message_bytes_max = max as usize;
        }
        let mut client = Client::new(framing, serializer, client_options);
        let connection = match people::origin(&options) {
            Some(origin) => self.stage.connect_from(origin),
            None => Some(self.stage.connect()),
        };
        let Some(connection) = connection else { return Ok(false) };
        let mut hello = Vec::new();
        client.hello(&mut hello);
        self.stage.write(connection, &hello);
        let heard = VecDeque::new();
        let peer = Peer { connection, client, serializer, heard, over: false, pongs: 0 };
        self.peers.insert(name.into(), peer);
        self.sync(name)?;
        Ok(true)
    }

    fn join(&mut self, name: &str, realm: &str, roles: Option<&Term>) -> Played {
        if !self.peers.contains_key(name) {
            let _ = self.connect(name, &Term::Dict { entries: vec![], open: false })?;
        }
        let roles = roles.map_or_else(|| term(ROLES), Clone::clone).value(&self.bindings);
        let details = Value::Dict(vec![("roles".into(), roles)]);
        let hello = Value::List(vec![Value::from(1), Value::from(realm), details]);
        let mut bytes = Vec::new();
        hello.write(self.peer(name).serializer, &mut bytes);
        self.say(name, &[bytes])?;
        self.bindings.remove(name);
        self.hear(name, &message(&format!("WELCOME ${name} {{..}}")))
    }

    /// Has the router take note of everything that `name` said, where that needs asking.
    fn sync(&mut self, name: &str) -> Played {
        if self.stage.is_exact() || self.peer(name).over { Ok(()) } else { self.say(name, &[]) }
    }

    /// Sends messages in one write.
    fn say(&mut self, name: &str, messages: &[Vec<u8>]) -> Played {
        let exact = self.stage.is_exact();
        let peer = self.peer(name);
        let mut out = Vec::new();
        let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        // A batch of no message is illegal.
        if !messages.is_empty() {
            peer.client.frame_together(&messages, &mut out);
        }
        if !exact {
            peer.client.ping(b"sync", &mut out);
        }
        let (connection, pongs) = (peer.connection, peer.pongs);
        self.stage.write(connection, &out);
        while !exact && self.peer(name).pongs == pongs {
            if !self.listen(name, true)? {
                break;
            }
        }
        Ok(())
    }

    /// Takes in what came for a peer; false if nothing came.
    fn listen(&mut self, name: &str, expected: bool) -> Played<bool> {
        let connection = self.peer(name).connection;
        let mut octets = match self.stage.read(connection, expected) {
            Brought::Octets(octets) => octets,
            Brought::End => {
                self.peer(name).over = true;
                return Ok(false);
            }
            Brought::Nothing => return Ok(false),
        };
        let peer = self.peer(name);
        let (mut input, mut reply) = (&mut octets[..], Vec::new());
        loop {
            match peer.client.next(&mut input, &mut reply) {
                Ok(None) => break,
                Ok(Some(Incoming::Message(bytes))) => {
                    peer.heard.push_back(Value::read(peer.serializer, bytes)?);
                }
                Ok(Some(Incoming::Alive)) => peer.pongs += 1,
                Ok(Some(Incoming::Negotiated(_) | Incoming::Request(_))) => {}
                Ok(Some(Incoming::Finished)) => break,
                Err(failure) => return Err(format!("{name}: the transport failed: {failure:?}")),
            }
        }
        if !reply.is_empty() {
            self.stage.write(connection, &reply);
        }
        Ok(true)
    }

    fn hear(&mut self, name: &str, expected: &Term) -> Played {
        while self.peer(name).heard.is_empty() {
            if !self.listen(name, true)? {
                return Err(format!("{name} hears nothing; {}", self.peer(name).state()));
            }
        }
        let heard = self.peer(name).heard.pop_front().expect("something was heard");
        match expected.matches(&heard, &mut self.bindings) {
            true => Ok(()),
            false => Err(format!("{name} hears {heard} where {expected:?} was expected")),
        }
    }

    fn hear_among_others(&mut self, name: &str, expected: &Term) -> Played {
        loop {
            let heard = self.peer(name).heard.clone();
            for (place, value) in heard.iter().enumerate() {
                let mut bindings = self.bindings.clone();
                if expected.matches(value, &mut bindings) {
                    self.bindings = bindings;
                    self.peer(name).heard.remove(place);
                    return Ok(());
                }
            }
            if !self.listen(name, true)? {
                return Err(format!("{name} hears only {heard:?}"));
            }
        }
    }

    fn silent(&mut self, name: &str) -> Played {
        if !self.peers.contains_key(name) {
            return Ok(());
        }
        while self.peer(name).heard.is_empty() && self.listen(name, false)? {}
        self.sync(name)?;
        match self.peer(name).heard.front() {
            None => Ok(()),
            Some(heard) => Err(format!("{name} hears {heard} where silence was expected")),
        }
    }

    fn closed(&mut self, name: &str) -> Played {
        while self.listen(name, true)? {}
        self.silent(name)?;
        match self.peer(name).over {
            true => Ok(()),
            false => Err(format!("{name} is still connected")),
        }
    }
}

impl Peer {
    const fn state(&self) -> &'static str {
        if self.over { "its transport is closed" } else { "its transport is open" }
    }
}
