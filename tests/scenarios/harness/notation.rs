//! The notation of scenarios: text becomes lines, lines become things to do and to expect.
//!
//! ```text
//! given: strict_uris                       what the router is told; only at the top
//! ann: joins realm2 {roles: {caller: {}}}  instead of the implicit start on realm1
//! ann: connects                            a transport without a session
//! ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s    says this, hears that next
//! ann: [32, 2, {}, "com.t"] -> ...         the same, element by element
//! ann: YIELD 1 {} [] & GOODBYE {} a.b      says both in one breath
//! ann: <- EVENT $s * {..} [7]              hears this next
//! ann: <~ EVENT $s * {} [7]                hears this, but not necessarily next
//! ann: begins CALL 1 {} com.p             says this while others speak, in any order
//! ann: hears all $x                        binds the list of everything heard
//! ann: silent                              hears nothing
//! ann: closed                              hears nothing but the end of the transport
//! ann: drops                               is gone without a word
//! ann: bytes 5b5d                          sends one message of these octets
//! wait 11s                                 time passes; also `wait 500ms`
//! shut down                                the router is told to stop
//! reload without realm2                    the router is told more, as by `given`; it may lose realms
//! ```
//!
//! ann: connects {from: "192.0.2.1"}       from that address; `certificate: NAME` by TLS
//!
//! `$x` is bound where it is first met and compared from then on; `*` is anything; in a dict `..`
//! stands for any other keys, and a key alone for `true`. `$ann` is the session id of ann.
//! `@cra[secret $c]` is what a client computes of what is in the list: see [`super::people`].

use std::collections::BTreeMap;
use std::time::Duration;

use gigawamp::sim::Value;

use super::people;

/// One thing of a message, said or expected.
#[derive(Clone, Debug)]
pub(crate) enum Term {
    /// Exactly this.
    Just(Value),
    /// What was bound to this name, or will be now.
    Variable(String),
    /// Anything.
    Any,
    /// A list of terms.
    List(Vec<Self>),
    /// What a client computes of these.
    Made { how: String, of: Vec<Self> },
    /// A dict of terms; open if other keys may be there.
    Dict { entries: Vec<(String, Self)>, open: bool },
}

/// What a peer does, or what happens.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Given(String),
    Reloads(String),
    Connects(Term),
    Joins { realm: String, roles: Option<Term> },
    Says { what: Vec<Term>, replies: Vec<Term> },
    SaysBytes { bytes: Vec<u8>, replies: Vec<Term> },
    Hears(Term),
    HearsAmongOthers(Term),
    Begins(Term),
    HearsAll(String),
    Silent,
    Closed,
    Drops,
    Waits(Duration),
    ShutsDown,
}

/// One line of a scenario.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) peer: String,
    pub(crate) act: Act,
}

/// What the variables of a scenario stand for.
pub(crate) type Bindings = BTreeMap<String, Value>;

const CODES: [(&str, u64); 25] = [
    ("HELLO", 1),
    ("WELCOME", 2),
    ("ABORT", 3),
    ("CHALLENGE", 4),
    ("AUTHENTICATE", 5),
    ("GOODBYE", 6),
    ("ERROR", 8),
    ("PUBLISH", 16),
    ("PUBLISHED", 17),
    ("SUBSCRIBE", 32),
    ("SUBSCRIBED", 33),
    ("UNSUBSCRIBE", 34),
    ("UNSUBSCRIBED", 35),
    ("EVENT", 36),
    ("CALL", 48),
    ("CANCEL", 49),
    ("RESULT", 50),
    ("REGISTER", 64),
    ("REGISTERED", 65),
    ("UNREGISTER", 66),
    ("UNREGISTERED", 67),
    ("INVOCATION", 68),
    ("INTERRUPT", 69),
    ("YIELD", 70),
    ("EVENT_RECEIVED", 337),
];

/// Reads a whole scenario. Panics at what it does not understand: scenarios are ours.
pub(crate) fn parse(text: &str) -> Vec<Line> {
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines.map(line).collect()
}

fn line(text: &str) -> Line {
    let world = |act| Line { text: text.into(), peer: String::new(), act };
    if let Some(time) = text.strip_prefix("wait ") {
        let (number, unit) = match time.strip_suffix("ms") {
            Some(number) => (number, Duration::from_millis(1)),
            None => (time.trim_end_matches('s'), Duration::from_secs(1)),
        };
        return world(Act::Waits(unit * number.parse().expect("wait <seconds>s or <number>ms")));
    }
    if let Some(given) = text.strip_prefix("reload ") {
        return world(Act::Reloads(given.into()));
    }
    if text == "shut down" {
        return world(Act::ShutsDown);
    }
    let (peer, rest) = text.split_once(':').unwrap_or_else(|| panic!("who? {text}"));
    let rest = rest.trim();
    if peer == "given" {
        return world(Act::Given(rest.into()));
    }
    Line { text: text.into(), peer: peer.into(), act: act(rest) }
}

fn act(text: &str) -> Act {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    match word {
        "connects" if rest.is_empty() => Act::Connects(Term::Dict { entries: vec![], open: false }),
        "connects" => Act::Connects(term(rest)),
        "joins" => {
            let (realm, roles) = rest.split_once(' ').unwrap_or((rest, ""));
            let roles = (!roles.is_empty()).then(|| term(roles));
            Act::Joins { realm: realm.into(), roles }
        }
        "begins" => Act::Begins(message(rest)),
        "hears" => {
            let name = rest.strip_prefix("all $").expect("hears all $x");
            Act::HearsAll(name.into())
        }
        "silent" => Act::Silent,
        "closed" => Act::Closed,
        "drops" => Act::Drops,
        "<-" => Act::Hears(message(rest)),
        "<~" => Act::HearsAmongOthers(message(rest)),
        _ => {
            let mut parts = text.split(" -> ");
            let what = parts.next().expect("split gives one at least").trim();
            let replies = parts.map(message).collect();
            match what.strip_prefix("bytes") {
                Some(hex) => Act::SaysBytes { bytes: octets(hex), replies },
                None => Act::Says { what: what.split(" & ").map(message).collect(), replies },
            }
        }
    }
}

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.chars().filter(|c| !c.is_whitespace()).collect();
    let octet = |pair: &[char]| {
        let pair: String = pair.iter().collect();
        u8::from_str_radix(&pair, 16).expect("hex digits")
    };
    digits.chunks(2).map(octet).collect()
}

/// A message by its name and elements, or as a list.
pub(crate) fn message(text: &str) -> Term {
    let mut terms = Scanner { text: text.trim().as_bytes(), at: 0 }.terms();
    if let [Term::List(_)] = terms.as_slice() {
        return terms.remove(0);
    }
    for (place, term) in terms.iter_mut().enumerate().take(2) {
        // The second is the request type of an ERROR.
        let Term::Just(Value::Text(name)) = term else {
            continue;
        };
        if let Some((_, code)) = CODES.iter().find(|(known, _)| known == name) {
            *term = Term::Just(Value::from(*code));
        } else {
            assert_ne!(place, 0, "no message is called {name}");
        }
    }
    Term::List(terms)
}

/// A single term.
pub(crate) fn term(text: &str) -> Term {
    let mut terms = Scanner { text: text.trim().as_bytes(), at: 0 }.terms();
    assert_eq!(terms.len(), 1, "one thing was expected: {text}");
    terms.remove(0)
}

impl Term {
    /// The value it stands for when it is said.
    pub(crate) fn value(&self, bindings: &Bindings) -> Value {
        match self {
            Self::Just(value) => value.clone(),
            Self::Variable(name) => {
                bindings.get(name).unwrap_or_else(|| panic!("${name} is not bound")).clone()
            }
            Self::Any => panic!("what is said must be definite"),
            Self::Made { how, of } => {
                let of: Vec<_> = of.iter().map(|term| term.value(bindings)).collect();
                people::made(how, &of)
            }
            Self::List(items) => {
                Value::List(items.iter().map(|item| item.value(bindings)).collect())
            }
            Self::Dict { entries, open } => {
                assert!(!open, "what is said must be definite");
                let entry = |(key, term): &(String, Self)| (key.clone(), term.value(bindings));
                Value::Dict(entries.iter().map(entry).collect())
            }
        }
    }

    /// Whether `value` is what was expected; binds what was not bound before.
    pub(crate) fn matches(&self, value: &Value, bindings: &mut Bindings) -> bool {
        match (self, value) {
            (Self::Any, _) => true,
            (Self::Variable(name), _) => {
                bindings.entry(name.clone()).or_insert_with(|| value.clone()).eq(&value)
            }
            (Self::Just(just), _) => just == value,
            (Self::Made { .. }, _) => self.value(bindings) == *value,
            (Self::List(terms), Value::List(items)) => {
                terms.len() == items.len()
                    && terms.iter().zip(items).all(|(term, item)| term.matches(item, bindings))
            }
            (Self::Dict { entries, open }, Value::Dict(items)) => {
                (*open || entries.len() == items.len())
                    && entries.iter().all(|(key, term)| {
                        value.get(key).is_some_and(|item| term.matches(item, bindings))
                    })
            }
            _ => false,
        }
    }
}

/// Cuts text into terms.
struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn terms(&mut self) -> Vec<Term> {
        let mut terms = Vec::new();
        while self.peek().is_some() {
            terms.push(self.term());
        }
        terms
    }

    /// The next octet that is no white space or comma.
    fn peek(&mut self) -> Option<u8> {
        while matches!(self.text.get(self.at), Some(b' ' | b',')) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn term(&mut self) -> Term {
        match self.peek().expect("a term") {
            b'[' => {
                self.at += 1;
                let mut items = Vec::new();
                while self.peek() != Some(b']') {
                    items.push(self.term());
                }
                self.at += 1;
                Term::List(items)
            }
            b'{' => self.dict(),
            b'"' => Term::Just(self.quoted()),
            _ => match self.word() {
                "*" => Term::Any,
                word if word.starts_with('@') => {
                    let how = word[1..].to_owned();
                    let Term::List(of) = self.term() else { panic!("@{how}[…]") };
                    Term::Made { how, of }
                }
                word if word.starts_with('$') => Term::Variable(word[1..].into()),
                word => Term::Just(bare(word)),
            },
        }
    }

    fn dict(&mut self) -> Term {
        self.at += 1;
        let (mut entries, mut open) = (Vec::new(), false);
        loop {
            let key = match self.peek().expect("a dict ends") {
                b'}' => break,
                b'"' => {
                    let Value::Text(key) = self.quoted() else {
                        unreachable!("a quoted key is text")
                    };
                    key
                }
                _ => self.word().to_owned(),
            };
            if key == ".." {
                open = true;
                continue;
            }
            let term = if self.text.get(self.at) == Some(&b':') {
                self.at += 1;
                self.term()
            } else {
                Term::Just(Value::Boolean(true))
            };
            entries.push((key, term));
        }
        self.at += 1;
        Term::Dict { entries, open }
    }

    fn quoted(&mut self) -> Value {
        let start = self.at;
        self.at += 1;
        while self.text[self.at] != b'"' {
            self.at += if self.text[self.at] == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        let quoted = &self.text[start..self.at];
        Value::read(gigawamp::wire::Serializer::Json, quoted).expect("a JSON text")
    }

    /// Everything up to what cannot belong to a bare word.
    fn word(&mut self) -> &str {
        let start = self.at;
        while self.text.get(self.at).is_some_and(|octet| !b" ,[]{}:\"".contains(octet)) {
            self.at += 1;
        }
        assert!(self.at > start, "stuck at {}", String::from_utf8_lossy(&self.text[start..]));
        std::str::from_utf8(&self.text[start..self.at]).expect("scenarios are UTF-8")
    }
}

/// A word without quotes: a number or one of JSON's words if it looks like one, else a text.
fn bare(word: &str) -> Value {
    let json = Value::read(gigawamp::wire::Serializer::Json, word.as_bytes());
    json.unwrap_or_else(|_| Value::from(word))
}
