//! The known attributes of every Options and Details dict.
//!
//! A known attribute of the wrong type is an error; an unknown one is skipped. Attributes without
//! a value are absent, never `null`.

pub use super::extra::{Extra, Signature};
use super::layout::{Attributes, Element, Invalid, attributes, read_attribute};
use super::uri::MatchPolicy;
use super::{PublicationId, RegistrationId, SessionId, SubscriptionId, Text};
use crate::limits::LIST_ITEMS_MAX;
use crate::wire::{Malformed, Reader, Writer};

attributes! { <'a>
    /// `HELLO.Details`
    HelloDetails<'a> {
        /// What the client wants to be.
        roles: ClientRoles,
        /// The client's software.
        agent: Text<'a>,
        /// Ways to prove an identity that the client is prepared to go.
        authmethods: Vec<Text<'a>>,
        /// The identity it claims.
        authid: Text<'a>,
        /// What its methods need to begin.
        authextra: Extra<'a>,
    }
    /// `HELLO.Details.roles`
    ClientRoles {
        /// Calls procedures.
        caller: Role,
        /// Offers procedures.
        callee: Role,
        /// Publishes events.
        publisher: Role,
        /// Receives events.
        subscriber: Role,
    }
    /// `WELCOME.Details.roles`
    RouterRoles {
        /// Routes events.
        broker: Role,
        /// Routes calls.
        dealer: Role,
    }
    /// One role of a peer.
    Role {
        /// What it can do beyond the Basic Profile.
        features: Features,
    }
    /// The advanced features a role may announce.
    // spec: advanced/features
    Features {
        progressive_call_results: bool,
        progressive_call_invocations: bool,
        call_timeout: bool,
        call_canceling: bool,
        /// Another spelling of `call_canceling` that the specification uses once; only read.
        call_cancelling: bool,
        caller_identification: bool,
        call_trustlevels: bool,
        pattern_based_registration: bool,
        shared_registration: bool,
        registration_revocation: bool,
        call_reroute: bool,
        registration_meta_api: bool,
        session_meta_api: bool,
        subscription_meta_api: bool,
        testament_meta_api: bool,
        payload_passthru_mode: bool,
        subscriber_blackwhite_listing: bool,
        publisher_exclusion: bool,
        publisher_identification: bool,
        publication_trustlevels: bool,
        pattern_based_subscription: bool,
        event_history: bool,
        event_retention: bool,
        subscription_revocation: bool,
    }
    /// `WELCOME.Details`
    WelcomeDetails<'a> {
        /// What this router does.
        roles: RouterRoles,
        /// This router's software.
        agent: Text<'a>,
        /// The realm the session is on.
        realm: Text<'a>,
        /// Who the peer is, as far as this router is concerned.
        authid: Text<'a>,
        /// What it may do.
        authrole: Text<'a>,
        /// How it proved that.
        authmethod: Text<'a>,
        /// Who vouches for it.
        authprovider: Text<'a>,
        /// What its method or its authenticator tells it.
        authextra: Extra<'a>,
    }
    /// `ABORT.Details`
    AbortDetails<'a> {
        /// For a human reader.
        message: Text<'a>,
    }
    /// `GOODBYE.Details`
    GoodbyeDetails<'a> {
        /// For a human reader.
        message: Text<'a>,
    }
    /// `CHALLENGE.Extra`
    // spec: advanced/authentication_scram, advanced/authentication_cryptosign
    ChallengeExtra<'a> {
        /// What is to be signed.
        challenge: Text<'a>,
        /// How a key is made of the password.
        salt: Text<'a>,
        /// Octets of that key.
        keylen: u64,
        /// Rounds of making it.
        iterations: u64,
        /// KiB it takes to make it.
        memory: u64,
        /// The function that makes it.
        kdf: Text<'a>,
        /// The client's nonce and ours.
        nonce: Text<'a>,
        /// What of the channel is signed too.
        channel_binding: Text<'a>,
        /// What the client asked us to sign.
        signature: Text<'a>,
        /// The key we signed it with.
        pubkey: Text<'a>,
    }
    /// `AUTHENTICATE.Extra`
    AuthenticateExtra<'a> {
        /// As the challenge had it.
        nonce: Text<'a>,
        /// As HELLO had it.
        channel_binding: Text<'a>,
        /// What the client sees of the channel.
        cbind_data: Text<'a>,
    }
    /// What methods need of `HELLO.Details.authextra`.
    // spec: advanced/authentication_scram, advanced/authentication_cryptosign
    HelloExtra<'a> {
        /// The client's nonce.
        nonce: Text<'a>,
        /// What of the channel is to be signed too.
        channel_binding: Text<'a>,
        /// The key the client will sign with.
        pubkey: Text<'a>,
        /// What we are to sign, so that the client knows us.
        challenge: Text<'a>,
    }
    /// What an authenticator answers of a client.
    AuthenticatorAnswer<'a> {
        /// The realm it joins, if that is another than it wants to.
        realm: Text<'a>,
        /// Who it is.
        authid: Text<'a>,
        /// What it may do.
        role: Text<'a>,
        /// What WELCOME tells it beyond that.
        extra: Extra<'a>,
        /// By what its signature is checked.
        secret: Signature<'a>,
        /// How it comes from its password to that.
        salt: Text<'a>,
        /// Rounds of making it.
        iterations: u64,
        /// Octets of it.
        keylen: u64,
        /// By what its proof of SCRAM is checked.
        scram: Signature<'a>,
        /// The key it signs with.
        pubkey: Text<'a>,
    }
    /// `ERROR.Details`
    ErrorDetails<'a> {
        /// For a human reader.
        message: Text<'a>,
        /// Hops of router links; checked, otherwise ignored.
        forward_for: Vec<ForwardFor<'a>>,
        + /// How an opaque payload was made.
        passthru: Passthru<'a>,
    }
    /// `PUBLISH.Options`
    PublishOptions<'a> {
        /// Answer with PUBLISHED or ERROR.
        acknowledge: bool,
        /// Whether the publisher itself is left out; true unless said otherwise.
        exclude_me: bool,
        /// Tell receivers who publishes.
        disclose_me: bool,
        /// Keep it for those who subscribe later.
        retain: bool,
        /// Checked, otherwise ignored.
        transaction_hash: Text<'a>,
        /// Checked, otherwise ignored.
        forward_for: Vec<ForwardFor<'a>>,
        + /// Who may receive it.
        receivers: Receivers<'a>,
        + /// How an opaque payload was made.
        passthru: Passthru<'a>,
    }
    /// The part of `PUBLISH.Options` that chooses receivers.
    // spec: advanced/pubsub_subscriber_blackwhite_listing
    Receivers<'a> {
        /// Sessions that must not receive it.
        exclude: Vec<SessionId>,
        exclude_authid: Vec<Text<'a>>,
        exclude_authrole: Vec<Text<'a>>,
        /// The only sessions that may receive it.
        eligible: Vec<SessionId>,
        eligible_authid: Vec<Text<'a>>,
        eligible_authrole: Vec<Text<'a>>,
    }
    /// The attributes that travel with a payload which only its ends can read, in the form of the
    /// specification (`ppt_…`) and in the field's older one (`enc_…`).
    // spec: advanced/payload_passthru_mode
    Passthru<'a> {
        /// What made the payload.
        ppt_scheme: Text<'a>,
        /// How it is serialized.
        ppt_serializer: Text<'a>,
        /// How it is encrypted.
        ppt_cipher: Text<'a>,
        /// By which key.
        ppt_keyid: Text<'a>,
        /// How it is encrypted, in the older form.
        enc_algo: EncAlgo<'a>,
        /// How it is serialized, in the older form.
        enc_serializer: Text<'a>,
        /// By which key, in the older form.
        enc_key: Text<'a>,
    }
    /// `SUBSCRIBE.Options`
    SubscribeOptions<'a> {
        /// How the topic is matched; `exact` unless said otherwise.
        r#match: MatchPolicy,
        /// Replay what is retained.
        get_retained: bool,
        /// Checked, otherwise ignored.
        forward_for: Vec<ForwardFor<'a>>,
    }
    /// `UNSUBSCRIBE.Options`, which only clients that link routers send.
    UnsubscribeOptions<'a> {
        /// Checked, otherwise ignored.
        forward_for: Vec<ForwardFor<'a>>,
    }
    /// `UNSUBSCRIBED.Details` of a revocation.
    UnsubscribedDetails<'a> {
        /// What was revoked.
        subscription: SubscriptionId,
        /// Why.
        reason: Text<'a>,
    }
    /// `EVENT.Details`
    EventDetails<'a> {
        /// The concrete topic, on subscriptions by pattern.
        topic: Text<'a>,
        /// Who published.
        publisher: SessionId,
        publisher_authid: Text<'a>,
        publisher_authrole: Text<'a>,
        /// How far the router trusts the publisher.
        trustlevel: u64,
        /// A replay of something published before.
        retained: bool,
        /// Checked, otherwise ignored.
        transaction_hash: Text<'a>,
        /// Checked, otherwise ignored.
        x_acknowledged_delivery: bool,
        /// Checked, otherwise ignored.
        forward_for: Vec<ForwardFor<'a>>,
        + /// How an opaque payload was made.
        passthru: Passthru<'a>,
    }
    /// `CALL.Options`
    CallOptions<'a> {
        /// Milliseconds the caller waits; 0 for ever.
        timeout: u64,
        /// Take results in parts.
        receive_progress: bool,
        /// More parts of this call follow.
        progress: bool,
        /// Tell the callee who calls.
        disclose_me: bool,
        /// Checked, otherwise ignored.
        forward_for: Vec<ForwardFor<'a>>,
        + /// How an opaque payload was made.
        passthru: Passthru<'a>,
    }
    /// `CANCEL.Options`
    CancelOptions<'a> {
        /// `skip`, `kill` or `killnowait`; judged by the dealer.
        mode: Text<'a>,
    }
    /// `RESULT.Details`
    ResultDetails<'a> {
        /// More results follow.
        progress: bool,
        + /// How an opaque payload was made.
        passthru: Passthru<'a>,
    }
    /// `REGISTER.Options`
    RegisterOptions<'a> {
        /// How the procedure is matched; `exact` unless said otherwise.
        r#match: MatchPolicy,
        /// Which of several callees gets a call; judged by the dealer.
        invoke: Text<'a>,
        /// Calls one callee takes at a time.
        concurrency: u64,
        /// Push other callees out.
        force_reregister: bool,
        /// The callee wants to know who calls.
        disclose_caller: bool,
        /// The callee minds timeouts itself.
        forward_timeout: bool,
        /// Checked, otherwise ignored.
        forward_for: Vec<ForwardFor<'a>>,
    }
    /// `UNREGISTER.Options`, which only clients that link routers send.
    UnregisterOptions<'a> {
        /// Checked, otherwise ignored.
        forward_for: Vec<ForwardFor<'a>>,
    }
    /// What an authorizer may answer instead of a boolean.
    AuthorizerAnswer {
        /// Whether the request may be made.
        allow: bool,
        /// Whether its receivers are told whose it is, unasked.
        disclose: bool,
        /// Whether the answer may be used again.
        cache: bool,
    }
    /// `UNREGISTERED.Details` of a revocation.
    UnregisteredDetails<'a> {
        /// What was revoked.
        registration: RegistrationId,
        /// Why.
        reason: Text<'a>,
    }
    /// `INVOCATION.Details`
    InvocationDetails<'a> {
        /// The concrete procedure, on registrations by pattern.
        procedure: Text<'a>,
        /// Who calls.
        caller: SessionId,
        caller_authid: Text<'a>,
        caller_authrole: Text<'a>,
        /// How far the router trusts the caller.
        trustlevel: u64,
        /// The caller takes results in parts.
        receive_progress: bool,
        /// More parts of this call follow.
        progress: bool,
        /// Milliseconds the caller waits.
        timeout: u64,
        + /// How an opaque payload was made.
        passthru: Passthru<'a>,
    }
    /// `INTERRUPT.Options`
    InterruptOptions<'a> {
        /// `kill` or `killnowait`.
        mode: Text<'a>,
        /// Why, as an error's URI.
        reason: Text<'a>,
    }
    /// The options of the meta API's lookups.
    LookupOptions {
        /// How the URI is matched.
        r#match: MatchPolicy,
    }
    /// Keyword arguments of `wamp.session.count` and `wamp.session.list`.
    SessionFilter<'a> {
        /// Only sessions with one of these roles.
        filter_authroles: Vec<Text<'a>>,
    }
    /// Keyword arguments of the `wamp.session.kill…` procedures.
    KillKeywords<'a> {
        /// The reason of the GOODBYE.
        reason: Text<'a>,
        /// For a human reader.
        message: Text<'a>,
    }
    /// Keyword arguments of the testament procedures.
    TestamentKeywords<'a> {
        /// Options of the publication.
        publish_options: PublishOptions<'a>,
        /// `detached` or `destroyed`.
        scope: Text<'a>,
    }
    /// Keyword arguments of `wamp.subscription.get_events`. All conditions must hold.
    // spec: advanced/pubsub_event_history#receiving-event-history
    EventsKeywords<'a> {
        /// The newest first.
        reverse: bool,
        /// How many at most; at least one.
        limit: u64,
        /// At that moment or later.
        from_time: Text<'a>,
        /// Later than that moment.
        after_time: Text<'a>,
        /// Earlier than that moment.
        before_time: Text<'a>,
        /// At that moment or earlier.
        until_time: Text<'a>,
        /// Of that topic alone.
        topic: Text<'a>,
        /// That publication and what came behind it.
        from_publication: PublicationId,
        /// What came behind that publication.
        after_publication: PublicationId,
        /// What came before that publication.
        before_publication: PublicationId,
        /// That publication and what came before it.
        until_publication: PublicationId,
    }
    /// `YIELD.Options`
    YieldOptions<'a> {
        /// More results follow.
        progress: bool,
        /// Checked, otherwise ignored.
        forward_for: Vec<ForwardFor<'a>>,
        + /// How an opaque payload was made.
        passthru: Passthru<'a>,
    }
    /// One hop of a link between routers.
    ForwardFor<'a> {
        /// The session that forwarded.
        session: u64,
        authid: Text<'a>,
        authrole: Text<'a>,
    }
}

impl Passthru<'_> {
    /// Whether the payload is one that only its ends can read. A scheme without a name is none.
    // spec: advanced/payload_passthru_mode#ppt_scheme
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.ppt_scheme.as_ref().is_some_and(|scheme| !scheme.is_empty())
    }
}

impl Receivers<'_> {
    /// Whether a list has more than [`LIST_ITEMS_MAX`] items.
    #[must_use]
    pub fn are_too_many(&self) -> bool {
        let ids = [&self.exclude, &self.eligible].map(|list| list.as_ref().map_or(0, Vec::len));
        let names = [
            &self.exclude_authid,
            &self.exclude_authrole,
            &self.eligible_authid,
            &self.eligible_authrole,
        ];
        let names = names.map(|list| list.as_ref().map_or(0, Vec::len));
        ids.into_iter().chain(names).any(|count| count > LIST_ITEMS_MAX)
    }
}

/// The attribute that announces the field's older form of payload passthru: one of the names in
/// use, or a private one that begins with `x_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncAlgo<'a>(pub Text<'a>);

impl<'a> Element<'a> for EncAlgo<'a> {
    fn read<R: Reader<'a>>(reader: &mut R) -> Result<Self, Invalid> {
        let name = reader.text()?;
        if !matches!(&*name, "cryptobox" | "mqtt" | "xbr") && !name.starts_with("x_") {
            return Err(Malformed("unknown algorithm").into());
        }
        Ok(Self(name))
    }

    fn write<'o, W: Writer<'o>>(&self, writer: &mut W) {
        writer.text(&self.0);
    }
}

/// The key of a field: its Rust name without the mark of a raw identifier.
const fn name_of(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}
