//! What a simulated peer says, as data: the model judges it, the wire carries it.

use super::value::Value;
use crate::message::MatchPolicy;
use crate::wire::Serializer;

/// Application payload. Its first argument is its number, so that it is known again wherever it
/// turns up.
#[derive(Clone, Debug)]
pub struct Cargo {
    /// Arguments, a list.
    pub arguments: Value,
    /// ArgumentsKw, if there are any.
    pub keywords: Option<Value>,
    /// In which serializer it was said.
    pub serializer: Serializer,
    /// The octets at the tail of the message that said it.
    pub tail: Vec<u8>,
}

impl Cargo {
    /// Payload as it will be said in `serializer`.
    #[must_use]
    pub fn new(arguments: Value, keywords: Option<Value>, serializer: Serializer) -> Self {
        let mut tail = Vec::new();
        arguments.write(serializer, &mut tail);
        if let Some(keywords) = &keywords {
            if serializer == Serializer::Json {
                tail.push(b',');
            }
            keywords.write(serializer, &mut tail);
        }
        // As the router writes them, lists of these two have an end; the others have a count.
        if matches!(serializer, Serializer::Json | Serializer::Ubjson) {
            tail.push(b']');
        }
        Self { arguments, keywords, serializer, tail }
    }
}

/// A publication as its publisher wants it.
#[derive(Clone, Debug, Default)]
pub struct Publishing {
    /// Where.
    pub topic: String,
    /// Number of its cargo.
    pub cargo: usize,
    /// `Options.acknowledge`
    pub acknowledge: bool,
    /// `Options.exclude_me`
    pub exclude_me: Option<bool>,
    /// `Options.disclose_me`
    pub disclose_me: bool,
    /// `Options.exclude`
    pub exclude: Option<Vec<u64>>,
    /// `Options.eligible`
    pub eligible: Option<Vec<u64>>,
}

/// A call as its caller wants it.
#[derive(Clone, Debug, Default)]
pub struct Calling {
    /// What.
    pub procedure: String,
    /// Number of its cargo.
    pub cargo: usize,
    /// `Options.receive_progress`
    pub receive_progress: bool,
    /// `Options.disclose_me`
    pub disclose_me: bool,
}

/// What a peer can do as a callee.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Talents {
    /// It takes INTERRUPT.
    pub interruptible: bool,
    /// It yields in parts.
    pub progressive: bool,
}

/// One thing a peer says.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the specification's own words")]
pub enum Said {
    Hello {
        realm: usize,
        talents: Talents,
    },
    /// HELLO that cannot be granted, and the reason the ABORT must bear.
    BadHello {
        realm: &'static str,
        roles: bool,
        reason: &'static str,
    },
    Subscribe {
        request: u64,
        policy: MatchPolicy,
        topic: String,
    },
    Unsubscribe {
        request: u64,
        subscription: u64,
    },
    Publish {
        request: u64,
        publishing: Publishing,
    },
    Register {
        request: u64,
        policy: MatchPolicy,
        procedure: String,
        invoke: &'static str,
    },
    Unregister {
        request: u64,
        registration: u64,
    },
    Call {
        request: u64,
        calling: Calling,
    },
    Cancel {
        request: u64,
        mode: Option<&'static str>,
    },
    /// YIELD of the invocation `request`.
    Yield {
        request: u64,
        cargo: usize,
        progress: bool,
    },
    /// ERROR about the invocation `request`.
    Fail {
        request: u64,
        cargo: usize,
    },
    Goodbye,
    Abort,
    /// A message that means nothing to the router, but is legal.
    Idle,
    /// A message that is legal never, or not now.
    Violation(Value),
    /// Octets that are no message.
    Malformed(Vec<u8>),
    /// Octets that are no frame, to be sent as they are.
    NoFrame(Vec<u8>),
    /// Something in the realm where nobody keeps count.
    Noise(Vec<u8>),
}

/// The error with which simulated callees fail.
pub const MY_ERROR: &str = "com.sim.error";

impl Said {
    /// The message as a value; `None` if it is none.
    #[must_use]
    #[expect(clippy::wildcard_enum_match_arm, reason = "all else carries no payload")]
    pub fn value(&self, cargo: &[Cargo]) -> Option<Value> {
        let mut items = self.elements()?;
        let number = match self {
            Self::Publish { publishing, .. } => Some(publishing.cargo),
            Self::Call { calling, .. } => Some(calling.cargo),
            Self::Yield { cargo, .. } | Self::Fail { cargo, .. } => Some(*cargo),
            _ => None,
        };
        if let Some(number) = number {
            items.push(cargo[number].arguments.clone());
            items.extend(cargo[number].keywords.clone());
        }
        Some(Value::List(items))
    }

    /// The elements before the payload.
    fn elements(&self) -> Option<Vec<Value>> {
        let empty = || Value::Dict(Vec::new());
        let elements = match self {
            Self::Hello { realm, talents } => {
                vec![1.into(), super::swarm::REALMS[*realm].into(), talents.hello()]
            }
            Self::BadHello { realm, roles, .. } => {
                let details = if *roles { Talents::default().hello() } else { empty() };
                vec![1.into(), (*realm).into(), details]
            }
            Self::Subscribe { request, policy, topic } => {
                vec![32.into(), (*request).into(), matching(*policy), topic.as_str().into()]
            }
            Self::Unsubscribe { request, subscription } => {
                vec![34.into(), (*request).into(), (*subscription).into()]
            }
            Self::Publish { request, publishing } => {
                let options = publishing.options();
                vec![16.into(), (*request).into(), options, publishing.topic.as_str().into()]
            }
            Self::Register { request, policy, procedure, invoke } => {
                let mut options = matching(*policy);
                if let Value::Dict(entries) = &mut options
                    && *invoke != "single"
                {
                    entries.push(("invoke".into(), (*invoke).into()));
                }
                vec![64.into(), (*request).into(), options, procedure.as_str().into()]
            }
            Self::Unregister { request, registration } => {
                vec![66.into(), (*request).into(), (*registration).into()]
            }
            Self::Call { request, calling } => {
                let options = flags(&[
                    ("receive_progress", calling.receive_progress),
                    ("disclose_me", calling.disclose_me),
                ]);
                vec![48.into(), (*request).into(), options, calling.procedure.as_str().into()]
            }
            Self::Cancel { request, mode } => {
                let options = mode.iter().map(|mode| ("mode".into(), (*mode).into()));
                vec![49.into(), (*request).into(), Value::Dict(options.collect())]
            }
            Self::Yield { request, progress, .. } => {
                vec![70.into(), (*request).into(), flags(&[("progress", *progress)])]
            }
            Self::Fail { request, .. } => {
                vec![8.into(), 68.into(), (*request).into(), empty(), MY_ERROR.into()]
            }
            Self::Goodbye => vec![6.into(), empty(), "wamp.close.normal".into()],
            Self::Abort => vec![3.into(), empty(), "com.sim.enough".into()],
            Self::Idle => vec![337.into(), 4_711.into()],
            Self::Violation(value) => return Some(value.items().to_vec()),
            Self::Malformed(_) | Self::NoFrame(_) | Self::Noise(_) => return None,
        };
        Some(elements)
    }
}

impl Talents {
    /// `HELLO.Details` of a peer with these talents.
    fn hello(self) -> Value {
        let features = flags(&[
            ("call_canceling", self.interruptible),
            ("progressive_call_results", self.progressive),
        ]);
        let callee = Value::Dict(vec![("features".into(), features)]);
        let role = |name: &str| (name.to_owned(), Value::Dict(Vec::new()));
        let mut roles = ["caller", "publisher", "subscriber"].map(role).to_vec();
        roles.push(("callee".into(), callee));
        Value::Dict(vec![("roles".into(), Value::Dict(roles))])
    }
}

impl Publishing {
    fn options(&self) -> Value {
        let set = [("acknowledge", self.acknowledge), ("disclose_me", self.disclose_me)];
        let Value::Dict(mut entries) = flags(&set) else { unreachable!("flags are a dict") };
        if let Some(exclude_me) = self.exclude_me {
            entries.push(("exclude_me".into(), Value::Boolean(exclude_me)));
        }
        for (name, list) in [("exclude", &self.exclude), ("eligible", &self.eligible)] {
            if let Some(list) = list {
                let list = list.iter().map(|id| Value::from(*id)).collect();
                entries.push((name.into(), Value::List(list)));
            }
        }
        Value::Dict(entries)
    }
}

/// A dict of those that are true.
fn flags(flags: &[(&str, bool)]) -> Value {
    let set = flags.iter().filter(|(_, set)| *set);
    Value::Dict(set.map(|(name, _)| ((*name).into(), Value::Boolean(true))).collect())
}

fn matching(policy: MatchPolicy) -> Value {
    match policy {
        MatchPolicy::Exact => Value::Dict(Vec::new()),
        MatchPolicy::Prefix | MatchPolicy::Wildcard => {
            Value::Dict(vec![("match".into(), policy.name().into())])
        }
    }
}
