//! What a router must be told: plain data, filled by `server` from file and flags, or by a test.

mod advisors;
mod authentication;
mod authorization;

use std::sync::Arc;
use std::time::Duration;

pub use crate::message::UriCheck;
use crate::message::uri::{MatchPolicy, Pattern, is_valid_pattern};
use crate::session::auth::Secret;
pub use crate::session::authorization::Disclosure;
pub use crate::session::{Rates, RequestIds};
use crate::wire::TransportOptions;
pub use advisors::{AdvisorConfig, AdvisorKind, HttpTarget};
pub use authentication::{
    AdmissionConfig, AuthenticationConfig, AuthenticatorConfig, JwtConfig, Method,
};
pub use authorization::{Action, Actions, Effect, RoleConfig, Rule, parse_ask, parse_disclose};

/// Everything a router must be told.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Realms, by name.
    pub realms: Vec<RealmConfig>,
    /// What each listener offers; [`super::Origin::listener`] is an index into it.
    pub listeners: Vec<TransportOptions>,
    /// What clients may do there; where one is missing, everything.
    pub admission: Vec<AdmissionConfig>,
    /// Whether a realm in which a client cannot even begin to prove who it is looks to it like one
    /// that is not there; and one that is not there, to clients that could begin to, like one of
    /// those that are.
    pub hide_realms: bool,
    /// From which realms that are not there get what they show.
    pub mock_secret: Secret,
    /// Bounds an operator may move.
    pub limits: Limits,
    /// `WELCOME.Details.agent`.
    pub agent: String,
}

/// One realm.
#[derive(Clone, Debug, Default)]
pub struct RealmConfig {
    /// Its name, a loose URI.
    pub name: String,
    /// Which characters URIs may have.
    pub uri_check: UriCheck,
    /// Which request ids sessions may use.
    pub request_ids: RequestIds,
    /// What else it allows and does.
    pub options: RealmOptions,
    /// Who may join it.
    pub authentication: Arc<AuthenticationConfig>,
}

/// What a realm allows and does beyond the Basic Profile.
#[derive(Clone, Debug)]
pub struct RealmOptions {
    /// The timeout of a call that asks for none. Zero: it may take for ever.
    pub call_timeout: Duration,
    /// The longest timeout a call may ask for; what asks for more gets this. Zero: any.
    pub call_timeout_max: Duration,
    /// Whether `wamp.session.kill` and its like may be called.
    pub meta_kill: bool,
    /// Whether REGISTER may push other callees out.
    pub force_reregister: bool,
    /// Whether publishers and callers may tell, or hide, who they are.
    pub disclosure: Disclosure,
    /// How far publishers and callers are trusted: the first rule that fits. Without any rule
    /// nobody is told of trust.
    pub trust: Vec<TrustRule>,
    /// Topics whose latest event is kept for those who subscribe later. Zero: none.
    pub retained_topics_max: usize,
    /// Octets of all retained events together.
    pub retained_bytes_max: usize,
    /// Subscriptions whose events are kept for those who ask for them later.
    pub history: Vec<HistoryRule>,
    /// What sessions may do, by their authrole. None: everything.
    pub roles: Vec<RoleConfig>,
    /// Who decides what the rules of roles leave to them.
    pub authorizers: Vec<AdvisorConfig>,
}

/// How far some publishers and callers are trusted with some topics and procedures.
// spec: advanced/rpc_call_trustlevels, advanced/pubsub_publication_trustlevels
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustRule {
    /// Whom it is about; none: everybody.
    pub authrole: Option<Box<str>>,
    /// What it is about.
    pub uris: Pattern,
    /// 0 is the least trust.
    pub level: u64,
}

impl TrustRule {
    /// A rule in the form `ROLE URI LEVEL`, where `*` is any role, a URI with `*` at its end a
    /// prefix, and one with an empty component a wildcard.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let (role, uris, level) = (words.next()?, pattern(words.next()?)?, words.next()?);
        let level = level.parse().ok()?;
        let authrole = (role != "*").then(|| role.into());
        words.next().is_none().then_some(Self { authrole, uris, level })
    }
}

/// A subscription that has a history, and what of it is kept: the latest events within all three
/// bounds. There are only so many rules, so what they keep together is bounded too.
// spec: advanced/pubsub_event_history
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRule {
    /// Its topic or pattern: no class of topics, but the one subscription of that pattern.
    pub uris: Pattern,
    /// How many events.
    pub events_max: usize,
    /// Octets of memory they may take.
    pub bytes_max: usize,
    /// How long an event is kept. Zero: until others need its room.
    pub age_max: Duration,
}

impl HistoryRule {
    /// The rule for the subscription that `uri` means: a prefix with `*` at its end, a wildcard if
    /// a component is empty. It keeps a thousand events of any age, in 16 MiB.
    #[must_use]
    pub fn new(uri: &str) -> Option<Self> {
        let (events_max, bytes_max, age_max) = (1_000, 16 << 20, Duration::ZERO);
        Some(Self { uris: pattern(uri)?, events_max, bytes_max, age_max })
    }
}

/// The pattern that `text` means: a prefix with `*` at its end, a wildcard if a component is
/// empty.
fn pattern(text: &str) -> Option<Pattern> {
    let (policy, uri) = match text.strip_suffix('*') {
        Some(prefix) => (MatchPolicy::Prefix, prefix),
        None if text.split('.').any(str::is_empty) => (MatchPolicy::Wildcard, text),
        None => (MatchPolicy::Exact, text),
    };
    let sound = is_valid_pattern(uri, policy, UriCheck::Loose);
    sound.then(|| Pattern { policy, uri: uri.into() })
}

impl Default for RealmOptions {
    fn default() -> Self {
        Self {
            call_timeout: Duration::ZERO,
            call_timeout_max: Duration::ZERO,
            meta_kill: false,
            force_reregister: false,
            disclosure: Disclosure::Allow,
            trust: Vec::new(),
            retained_topics_max: 10_000,
            retained_bytes_max: 64 << 20,
            history: Vec::new(),
            roles: Vec::new(),
            authorizers: Vec::new(),
        }
    }
}

impl RealmOptions {
    /// How far a session of that role is trusted with that topic or procedure.
    #[must_use]
    pub fn trust_level(&self, authrole: &str, uri: &str) -> Option<u64> {
        let fits = |rule: &&TrustRule| {
            rule.authrole.as_deref().is_none_or(|role| role == authrole) && rule.uris.matches(uri)
        };
        let rule = self.trust.iter().find(fits);
        (!self.trust.is_empty()).then(|| rule.map_or(0, |rule| rule.level))
    }

    /// The timeout of a call that asks for `asked` milliseconds.
    // spec: advanced/rpc_call_timeout — 0 is the same as none
    #[must_use]
    pub fn call_timeout(&self, asked: Option<u64>) -> Option<Duration> {
        let given = |timeout: &Duration| !timeout.is_zero();
        let asked = asked.map(Duration::from_millis).filter(given);
        let wanted = asked.or(Some(self.call_timeout).filter(given))?;
        Some(if given(&self.call_timeout_max) { wanted.min(self.call_timeout_max) } else { wanted })
    }
}

/// Bounds an operator may move. Sizes are octets.
#[derive(Clone, Debug)]
pub struct Limits {
    /// From the connection to the end of its TLS handshake, a PROXY header included.
    pub tls_handshake: Duration,
    /// Connections that one address may have; of IPv6, one network of 64 bits. Zero: any number.
    pub connections_per_address_max: usize,
    /// Connections that one address may open in a second. Zero: any number.
    pub connects_per_address: usize,
    /// Whether both hold for the addresses of this machine too.
    pub limit_loopback: bool,
    /// From the connection to WELCOME: TLS, transport handshake and HELLO together.
    pub handshake: Duration,
    /// From the connection to the end of the transport's own handshake: an HTTP head, or the four
    /// octets of RawSocket.
    pub opening: Duration,
    /// From the transport's handshake to HELLO.
    pub hello: Duration,
    /// From CHALLENGE to AUTHENTICATE.
    pub authenticate: Duration,
    /// Failed attempts to prove an identity that an address has within a minute. Zero: any number.
    pub attempts_max: usize,
    /// How long it is not listened to after more.
    pub attempts_block: Duration,
    /// How long a peer may take to answer GOODBYE, and to read what we sent before we close.
    pub goodbye: Duration,
    /// WebSocket pings to a silent peer; it is given up after two without a sign of life. On TCP
    /// the kernel probes silent peers as often, and gives them up after three. Zero: never ask.
    pub ping_interval: Duration,
    /// How long a peer with a session may take to send a message it has begun, within once and
    /// twice that time. What it is not read for does not count.
    pub message: Duration,
    /// How long an outbox may hold bytes without the peer reading any.
    pub stall: Duration,
    /// Octets one outbox may hold; past it the session ends.
    pub outbox_bytes_max: usize,
    /// Octets in an outbox from which on its peer is not read any more, until it reads.
    pub outbox_bytes_pause: usize,
    /// Calls one session may have pending.
    pub calls_pending_max: usize,
    /// Invocations one callee may leave unanswered.
    pub invocations_pending_max: usize,
    /// Calls that may wait for one callee that takes only so many at a time.
    pub calls_queued_max: usize,
    /// Octets of all that waits for one such callee.
    pub calls_queued_bytes_max: usize,
    /// Questions of each shard to authenticators and authorizers that may be without an answer.
    pub advice_pending_max: usize,
    /// Testaments one session may leave.
    pub testaments_max: usize,
    /// Subscriptions one session may hold.
    pub subscriptions_max: usize,
    /// Registrations one session may hold.
    pub registrations_max: usize,
    /// How long a long-poll client that receives is kept waiting while nothing comes.
    pub longpoll_hold: Duration,
    /// How long a long-poll client may neither wait for messages nor send any before its session
    /// ends; and how long an HTTP connection may stay open without a request.
    pub longpoll_idle: Duration,
    /// Long-poll transports that all shards may have open together.
    pub longpoll_transports_max: usize,
    /// Messages of any kind that a session may send in a second. Zero: as many as it likes.
    pub session_messages_per_second: usize,
    /// Octets of messages that a session may send in a second. Zero: as many as it likes.
    pub session_bytes_per_second: usize,
    /// Calls that a session may make in a second. Zero: as many as it likes.
    pub session_calls_per_second: usize,
    /// What a session did not use of its rates for so long it may make up for at once.
    pub session_burst: Duration,
    /// Octets that may wait for one other shard before this one stops reading from its clients.
    pub mesh_bytes_max: usize,
}

impl Limits {
    /// How much a session may do whose role says nothing else.
    #[must_use]
    pub const fn session_rates(&self) -> Rates {
        Rates {
            messages_per_second: self.session_messages_per_second,
            bytes_per_second: self.session_bytes_per_second,
            calls_per_second: self.session_calls_per_second,
            burst: self.session_burst,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tls_handshake: Duration::from_secs(5),
            connections_per_address_max: 1_000,
            connects_per_address: 100,
            limit_loopback: false,
            handshake: Duration::from_secs(10),
            opening: Duration::from_secs(5),
            hello: Duration::from_secs(5),
            authenticate: Duration::from_secs(5),
            attempts_max: 10,
            attempts_block: Duration::from_mins(5),
            goodbye: Duration::from_secs(5),
            ping_interval: Duration::from_secs(30),
            message: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            outbox_bytes_max: 16 << 20,
            outbox_bytes_pause: 1 << 20,
            calls_pending_max: 1_024,
            invocations_pending_max: 16_384,
            calls_queued_max: 1_024,
            calls_queued_bytes_max: 16 << 20,
            advice_pending_max: 10_000,
            testaments_max: 64,
            subscriptions_max: 10_000,
            registrations_max: 10_000,
            longpoll_hold: Duration::from_secs(10),
            longpoll_idle: Duration::from_secs(30),
            longpoll_transports_max: 10_000,
            session_messages_per_second: 0,
            session_bytes_per_second: 0,
            session_calls_per_second: 0,
            session_burst: Duration::from_secs(1),
            mesh_bytes_max: 4 << 20,
        }
    }
}
