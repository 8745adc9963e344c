//! What a simulated peer says, as data: the model judges it, the wire carries it.

use super::asking::Asking;
use super::rights::Claim;
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
    /// The octets at the tail of the message that said it; none if it was said otherwise.
    pub tail: Vec<u8>,
    /// Octets of it in that serializer.
    pub length: usize,
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
        let length = tail.len();
        Self { arguments, keywords, serializer, tail, length }
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
    /// `Options.retain`
    pub retain: bool,
    /// It goes with [`PASSTHRU`].
    pub passthru: bool,
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
    /// `Options.progress`
    pub progress: bool,
    /// `Options.timeout`, in milliseconds
    pub timeout: Option<u64>,
    /// It goes with [`PASSTHRU`].
    pub passthru: bool,
}

/// A registration as its callee wants it.
#[derive(Clone, Debug, Default)]
pub struct Registering {
    /// `Options.match`
    pub policy: MatchPolicy,
    /// What.
    pub procedure: String,
    /// `Options.invoke`
    pub invoke: &'static str,
    /// `Options.concurrency`
    pub concurrency: Option<u64>,
    /// `Options.force_reregister`
    pub force: bool,
    /// `Options.disclose_caller`
    pub disclose_caller: bool,
    /// `Options.forward_timeout`
    pub forward_timeout: bool,
}

/// An answer to an invocation as its callee gives it.
#[derive(Clone, Copy, Debug)]
pub struct Answering {
    /// Number of its cargo.
    pub cargo: usize,
    /// `Options.progress`
    pub progress: bool,
    /// The error it is; else it is a result.
    pub error: Option<&'static str>,
    /// It goes with [`PASSTHRU`].
    pub passthru: bool,
}

/// What a peer can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a feature of its own")]
pub struct Talents {
    /// As a callee it takes INTERRUPT.
    pub interruptible: bool,
    /// As a callee it yields in parts.
    pub progressive: bool,
    /// As a callee it is invoked in parts.
    pub invoked_in_parts: bool,
    /// As a caller it calls in parts.
    pub calls_in_parts: bool,
    /// As a callee it declines calls so that others get them.
    pub reroutes: bool,
    /// As a callee it minds timeouts.
    pub minds_timeouts: bool,
    /// It is told of what is taken from it.
    pub revocable: bool,
    /// In all its roles it sends and takes payload that only the ends can read.
    pub passthru: bool,
}

/// One thing a peer says.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the specification's own words")]
pub enum Said {
    Hello {
        realm: usize,
        talents: Talents,
        claim: Option<Claim>,
    },
    /// AUTHENTICATE, with the ticket or signature.
    Authenticate {
        signature: String,
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
        get_retained: bool,
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
        registering: Registering,
    },
    Unregister {
        request: u64,
        registration: u64,
    },
    Call {
        request: u64,
        calling: Calling,
    },
    /// CALL of a procedure of the router's own.
    Ask {
        request: u64,
        asking: Asking,
    },
    Cancel {
        request: u64,
        mode: Option<&'static str>,
    },
    /// YIELD of the invocation `request`, or ERROR about it.
    Answer {
        request: u64,
        answering: Answering,
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
    /// The id of a request other than CALL, whose id may be one that was used before.
    #[must_use]
    #[expect(clippy::wildcard_enum_match_arm, reason = "all else is no request")]
    pub const fn request(&self) -> Option<u64> {
        match self {
            Self::Subscribe { request, .. }
            | Self::Unsubscribe { request, .. }
            | Self::Publish { request, .. }
            | Self::Register { request, .. }
            | Self::Unregister { request, .. }
            | Self::Ask { request, .. } => Some(*request),
            _ => None,
        }
    }

    /// The message as a value; `None` if it is none.
    #[must_use]
    #[expect(clippy::wildcard_enum_match_arm, reason = "all else carries no payload")]
    pub fn value(&self, cargo: &[Cargo]) -> Option<Value> {
        let mut items = self.elements()?;
        let number = match self {
            Self::Publish { publishing, .. } => Some(publishing.cargo),
            Self::Call { calling, .. } => Some(calling.cargo),
            Self::Answer { answering, .. } => Some(answering.cargo),
            _ => None,
        };
        if let Self::Ask { asking, .. } = self {
            items.extend(asking.payload(cargo));
        }
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
            Self::Hello { realm, talents, claim } => {
                let details = talents.hello().with(claimed(claim.as_ref()));
                vec![1.into(), super::swarm::REALMS[*realm].into(), details]
            }
            Self::Authenticate { signature } => {
                vec![5.into(), signature.as_str().into(), empty()]
            }
            Self::BadHello { realm, roles, .. } => {
                let details = if *roles { Talents::default().hello() } else { empty() };
                vec![1.into(), (*realm).into(), details]
            }
            Self::Subscribe { request, policy, topic, get_retained } => {
                let options = matching(*policy).with(flags(&[("get_retained", *get_retained)]));
                vec![32.into(), (*request).into(), options, topic.as_str().into()]
            }
            Self::Unsubscribe { request, subscription } => {
                vec![34.into(), (*request).into(), (*subscription).into()]
            }
            Self::Publish { request, publishing } => {
                let options = publishing.options();
                vec![16.into(), (*request).into(), options, publishing.topic.as_str().into()]
            }
            Self::Register { request, registering } => {
                let (options, procedure) = (registering.options(), registering.procedure.as_str());
                vec![64.into(), (*request).into(), options, procedure.into()]
            }
            Self::Unregister { request, registration } => {
                vec![66.into(), (*request).into(), (*registration).into()]
            }
            Self::Call { request, calling } => {
                let (options, procedure) = (calling.options(), calling.procedure.as_str());
                vec![48.into(), (*request).into(), options, procedure.into()]
            }
            Self::Ask { request, asking } => {
                let procedure = asking.procedure();
                vec![48.into(), (*request).into(), empty(), procedure.as_str().into()]
            }
            Self::Cancel { request, mode } => {
                let options = mode.iter().map(|mode| ("mode".into(), (*mode).into()));
                vec![49.into(), (*request).into(), Value::Dict(options.collect())]
            }
            Self::Answer { request, answering } => {
                let options = flags(&[("progress", answering.progress)]);
                let options = options.with(passthru(answering.passthru));
                match answering.error {
                    None => vec![70.into(), (*request).into(), options],
                    Some(error) => {
                        vec![8.into(), 68.into(), (*request).into(), options, error.into()]
                    }
                }
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
        let passthru = ("payload_passthru_mode", self.passthru);
        let roles: [(&str, &[(&str, bool)]); 4] = [
            ("caller", &[("progressive_call_invocations", self.calls_in_parts), passthru]),
            (
                "callee",
                &[
                    ("call_canceling", self.interruptible),
                    ("progressive_call_results", self.progressive),
                    ("progressive_call_invocations", self.invoked_in_parts),
                    ("call_reroute", self.reroutes),
                    ("call_timeout", self.minds_timeouts),
                    ("registration_revocation", self.revocable),
                    passthru,
                ],
            ),
            ("publisher", &[passthru]),
            ("subscriber", &[("subscription_revocation", self.revocable), passthru]),
        ];
        let role = |(name, features): (&str, &[(&str, bool)])| {
            (name.to_owned(), Value::Dict(vec![("features".into(), flags(features))]))
        };
        let roles = Value::Dict(roles.into_iter().map(role).collect());
        Value::Dict(vec![("roles".into(), roles)])
    }
}

impl Publishing {
    /// `PUBLISH.Options`
    #[must_use]
    pub fn options(&self) -> Value {
        let mut entries = Vec::new();
        if let Some(exclude_me) = self.exclude_me {
            entries.push(("exclude_me".into(), Value::Boolean(exclude_me)));
        }
        for (name, list) in [("exclude", &self.exclude), ("eligible", &self.eligible)] {
            if let Some(list) = list {
                let list = list.iter().map(|id| Value::from(*id)).collect();
                entries.push((name.into(), Value::List(list)));
            }
        }
        let set = flags(&[
            ("acknowledge", self.acknowledge),
            ("disclose_me", self.disclose_me),
            ("retain", self.retain),
        ]);
        set.with(Value::Dict(entries)).with(passthru(self.passthru))
    }
}

impl Calling {
    fn options(&self) -> Value {
        let set = flags(&[
            ("receive_progress", self.receive_progress),
            ("disclose_me", self.disclose_me),
            ("progress", self.progress),
        ]);
        let timeout = self.timeout.map(|timeout| ("timeout".into(), timeout.into()));
        set.with(Value::Dict(timeout.into_iter().collect())).with(passthru(self.passthru))
    }
}

impl Registering {
    fn options(&self) -> Value {
        let set = flags(&[
            ("force_reregister", self.force),
            ("disclose_caller", self.disclose_caller),
            ("forward_timeout", self.forward_timeout),
        ]);
        let mut entries = Vec::new();
        if self.invoke != "single" {
            entries.push(("invoke".into(), self.invoke.into()));
        }
        entries.extend(self.concurrency.map(|most| ("concurrency".into(), most.into())));
        matching(self.policy).with(set).with(Value::Dict(entries))
    }
}

/// What goes with payload that only its ends can read.
pub const PASSTHRU: [(&str, &str); 2] = [("ppt_scheme", "x_sim"), ("ppt_serializer", "native")];

fn passthru(used: bool) -> Value {
    let entry = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).into());
    Value::Dict(PASSTHRU.iter().filter(|_| used).map(entry).collect())
}

/// What HELLO says of who wants to join.
fn claimed(claim: Option<&Claim>) -> Value {
    let entries = claim.map(|claim| {
        let methods = Value::List(vec![claim.method.name().into()]);
        vec![("authid".into(), claim.authid.into()), ("authmethods".into(), methods)]
    });
    Value::Dict(entries.unwrap_or_default())
}

/// A dict of those that are true.
fn flags(flags: &[(&str, bool)]) -> Value {
    let set = flags.iter().filter(|(_, set)| *set);
    Value::Dict(set.map(|(name, _)| ((*name).into(), Value::Boolean(true))).collect())
}

/// Options that say how to match.
pub(super) fn matching(policy: MatchPolicy) -> Value {
    match policy {
        MatchPolicy::Exact => Value::Dict(Vec::new()),
        MatchPolicy::Prefix | MatchPolicy::Wildcard => {
            Value::Dict(vec![("match".into(), policy.name().into())])
        }
    }
}
