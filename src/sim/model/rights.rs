//! What the reference router lets sessions do: all rules are read, one by one, each time.
//!
//! The most specific rule that covers what is wanted decides: exact before the longest prefix
//! before wildcards, and of those the one with a literal where the other has none, from the left.
//! Of equals the stricter one does. A pattern is denied as well if it can match what another rule,
//! at least as specific, does not allow. Where no rule fits the answer is no.

use super::{Model, Opinion, Place, Stand, is_legal, matches};
use crate::message::MatchPolicy;
use crate::message::uri::error;
use crate::session::auth::Method;
use crate::sim::machine::LinkId;
use crate::sim::rights::{Claim, Effect, Rights};
use crate::sim::said::Talents;

/// Somebody who has still to prove who it is.
#[derive(Clone, Copy, Debug)]
pub struct Proving {
    /// Where it wants to join.
    pub realm: usize,
    /// What it can do.
    pub talents: Talents,
    /// Who it says that it is.
    pub claim: Claim,
}

/// Who a session is for.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// Its name, if that was not drawn by the router.
    pub authid: Option<&'static str>,
    /// Its role.
    pub role: &'static str,
    /// How it has proved who it is.
    pub method: &'static str,
}

impl Model {
    /// What holds in a realm, as far as the shard of `session` knows.
    pub(super) fn rights_of(&self, session: Place) -> &Rights {
        let known = &self.sessions[session];
        &self.rights[known.shard][known.realm]
    }

    /// The router was asked for a session by somebody on `link`.
    pub(super) fn hello(
        &mut self,
        link: LinkId,
        (realm, talents, claim): (usize, Talents, Option<Claim>),
        message_bytes_max: usize,
    ) {
        let rights = &self.rights[self.shards[&link]][realm];
        let Some(claim) = claim else {
            let Some(role) = rights.anonymous_role() else {
                return self.turn_away(link, error::AUTHENTICATION_REQUIRED);
            };
            let identity = Identity { authid: None, role, method: Method::Anonymous.name() };
            return self.welcome(link, (realm, talents, identity), message_bytes_max);
        };
        if rights.principals.is_empty() {
            return self.turn_away(link, error::NO_MATCHING_AUTH_METHOD);
        }
        // Whoever is not known is challenged as well.
        self.challenges.insert(link, claim.method);
        self.provings.push(Proving { realm, talents, claim });
        self.stands.insert(link, Stand::Proving(self.provings.len() - 1));
    }

    /// Somebody on `link` has proved, or not, what it claims.
    pub(super) fn prove(&mut self, link: LinkId, proving: Place, message_bytes_max: usize) {
        let Proving { realm, talents, claim } = self.provings[proving];
        let principals = &self.rights[self.shards[&link]][realm].principals;
        let known = principals.iter().find(|known| known.authid == claim.authid);
        let Some(known) = known.filter(|known| known.secret == claim.secret) else {
            return self.turn_away(link, error::AUTHENTICATION_DENIED);
        };
        let (authid, method) = (Some(known.authid), claim.method.name());
        let identity = Identity { authid, role: known.role, method };
        self.welcome(link, (realm, talents, identity), message_bytes_max);
    }

    /// Nobody is let in on `link`, for that reason.
    pub(super) fn turn_away(&mut self, link: LinkId, reason: &'static str) {
        self.end(link, Stand::Over);
        self.aborts.insert(link, vec![reason]);
    }

    /// Why `session` may not do that with a URI, or a pattern, if it may not. What is none is
    /// refused as such.
    pub(super) fn forbids(
        &self,
        session: Place,
        action: &'static str,
        (policy, uri): (MatchPolicy, &str),
    ) -> Option<&'static str> {
        if !is_legal(uri, policy) {
            return None;
        }
        match (self.judge(session, action, (policy, uri)), self.said) {
            (Effect::Allow, _) | (Effect::Ask, Some(Opinion::Yes { .. })) => None,
            (Effect::Ask, Some(Opinion::Unknown)) => Some(error::AUTHORIZATION_FAILED),
            (Effect::Ask, None) => panic!("nobody was asked"),
            (Effect::Deny, _) | (Effect::Ask, Some(Opinion::No)) => Some(error::NOT_AUTHORIZED),
        }
    }

    /// What the rules say of something that `session` wants.
    pub(super) fn judge(
        &self,
        session: Place,
        action: &str,
        object: (MatchPolicy, &str),
    ) -> Effect {
        match self.ruling(session, action, object) {
            None => Effect::Allow,
            Some(fitting) => fitting.map_or(Effect::Deny, |(effect, _)| effect),
        }
    }

    /// Whether `session` may not register what takes from others.
    pub(super) fn forbids_takeover(
        &self,
        session: Place,
        force: bool,
        (policy, uri): (MatchPolicy, &str),
    ) -> bool {
        let fits_all = policy != MatchPolicy::Exact && uri.split('.').all(str::is_empty);
        if !is_legal(uri, policy) || !force && !fits_all {
            return false;
        }
        match self.ruling(session, "takeover", (policy, uri)) {
            None | Some(Some((Effect::Allow, _))) => false,
            // A role that says nothing of it leaves it to the realm.
            Some(None) => fits_all || !self.options.force_reregister,
            Some(Some(_)) => true,
        }
    }

    /// Whether a rule that is meant for `procedure` alone, or nearly, lets `session` call it.
    pub(super) fn is_named(&self, session: Place, procedure: &str) -> bool {
        let ruling = self.ruling(session, "call", (MatchPolicy::Exact, procedure));
        let Some(Some((effect, rank))) = ruling else { return false };
        let last_at = procedure.rfind('.').map_or(0, |dot| dot + 1);
        let named = match rank {
            Rank::Exact => true,
            Rank::Prefix(length) => length > last_at,
            Rank::Wildcard(_) => false,
        };
        named && effect != Effect::Deny
    }

    /// What the rules of a session say, and how specific the one is that decides. Nothing if it has
    /// no rules, and nothing in it if none of them fits.
    fn ruling(
        &self,
        session: Place,
        action: &str,
        (policy, uri): (MatchPolicy, &str),
    ) -> Option<Option<(Effect, Rank)>> {
        let known = &self.sessions[session];
        let rules = self.rights_of(session);
        if rules.are_open() {
            return None;
        }
        let rules = rules.rules(known.identity.role).unwrap_or_default();
        // Who came and went in one breath is not known, and hardly ever asks for what depends on it.
        let authid = known.authid.as_deref().unwrap_or("0");
        let meant = |(text, effect): &(String, Effect)| mean(text, *effect, action, authid);
        let rules: Vec<_> = rules.iter().filter_map(meant).collect();
        let is_one = policy == MatchPolicy::Wildcard && !uri.split('.').any(str::is_empty);
        let policy = if is_one { MatchPolicy::Exact } else { policy };
        let covering = rules.iter().filter(|rule| rule.covers(policy, uri));
        let best =
            covering.max_by(|one, other| (&one.rank, one.effect).cmp(&(&other.rank, other.effect)));
        let Some(best) = best else { return Some(None) };
        let vetoes = |rule: &&Meant| {
            rule.effect != Effect::Allow
                && rule.effect != best.effect
                && rule.rank >= best.rank
                && rule.meets(policy, uri)
        };
        let vetoed = policy != MatchPolicy::Exact && rules.iter().any(|rule| vetoes(&rule));
        let effect = if vetoed { Effect::Deny } else { best.effect };
        Some(Some((effect, best.rank.clone())))
    }
}

/// How specific a rule is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Which components are literals, from the left.
    Wildcard(Vec<bool>),
    /// Its octets.
    Prefix(usize),
    Exact,
}

/// A rule as it is meant for one session.
#[derive(Debug)]
struct Meant {
    policy: MatchPolicy,
    uri: String,
    rank: Rank,
    effect: Effect,
}

/// What a rule means for that action of sessions of that authid; nothing if it is about others.
fn mean(text: &str, effect: Effect, action: &str, authid: &str) -> Option<Meant> {
    let (actions, uri) = text.split_once(' ')?;
    let is_meant = |name: &str| name == action || name == "*" && action != "takeover";
    if !actions.split(',').any(is_meant) {
        return None;
    }
    if authid.contains('.') && uri.contains(AUTHID) {
        // What is its own, nobody knows: nothing is allowed, and what may be is denied.
        let (before, _) = uri.split_once(AUTHID)?;
        let (policy, uri) = (MatchPolicy::Prefix, before.to_owned());
        let denies = effect != Effect::Allow;
        return denies.then_some(Meant { policy, uri, rank: Rank::Exact, effect: Effect::Deny });
    }
    let uri = uri.replace(AUTHID, authid);
    let (policy, uri) = match uri.strip_suffix('*') {
        Some(prefix) => (MatchPolicy::Prefix, prefix.to_owned()),
        None if uri.split('.').any(str::is_empty) => (MatchPolicy::Wildcard, uri),
        None => (MatchPolicy::Exact, uri),
    };
    let rank = match policy {
        MatchPolicy::Exact => Rank::Exact,
        MatchPolicy::Prefix => Rank::Prefix(uri.len()),
        MatchPolicy::Wildcard => Rank::Wildcard(uri.split('.').map(|it| !it.is_empty()).collect()),
    };
    Some(Meant { policy, uri, rank, effect })
}

const AUTHID: &str = "${authid}";

impl Meant {
    /// Whether it matches all that the other pattern does.
    fn covers(&self, policy: MatchPolicy, uri: &str) -> bool {
        match (self.policy, policy) {
            (_, MatchPolicy::Exact) => matches(self.policy, &self.uri, uri),
            (MatchPolicy::Prefix, MatchPolicy::Prefix) => uri.starts_with(&self.uri),
            (MatchPolicy::Prefix, MatchPolicy::Wildcard) => {
                literal_head(uri).starts_with(&self.uri)
            }
            // A literal of the rule is not among what stands for anything.
            (MatchPolicy::Wildcard, MatchPolicy::Wildcard) => matches(self.policy, &self.uri, uri),
            (MatchPolicy::Exact, _) | (MatchPolicy::Wildcard, MatchPolicy::Prefix) => false,
        }
    }

    /// Whether there is a URI that it and the other pattern match.
    fn meets(&self, policy: MatchPolicy, uri: &str) -> bool {
        let (one, other) = ((self.policy, &*self.uri), (policy, uri));
        witnesses(one, other).chain(witnesses(other, one)).any(|uri| {
            is_legal(&uri, MatchPolicy::Exact)
                && matches(one.0, one.1, &uri)
                && matches(other.0, other.1, &uri)
        })
    }
}

/// What all that a wildcard matches begins with.
fn literal_head(wildcard: &str) -> String {
    let literals = wildcard.split('.').take_while(|component| !component.is_empty());
    literals.map(|component| format!("{component}.")).collect()
}

/// URIs that a pattern matches, among them one that the other does if there is any: what the
/// pattern leaves open is filled with what the other one says there, or with something.
fn witnesses<'p>(
    (policy, pattern): (MatchPolicy, &'p str),
    (_, other): (MatchPolicy, &'p str),
) -> impl Iterator<Item = String> + 'p {
    let components: Vec<&str> = pattern.split('.').collect();
    let others: Vec<&str> = other.split('.').collect();
    let filled = (0..components.len().max(others.len())).map(|place| {
        let theirs = others.get(place).copied().unwrap_or_default();
        let open = policy == MatchPolicy::Prefix && place + 1 >= components.len();
        match components.get(place).copied().unwrap_or_default() {
            ours if open && theirs.starts_with(ours) && !theirs.is_empty() => theirs,
            "" if !theirs.is_empty() => theirs,
            "" => "x",
            ours => ours,
        }
    });
    let filled: Vec<&str> = filled.collect();
    let shortest = if policy == MatchPolicy::Prefix { 1 } else { components.len() };
    let lengths = shortest..=filled.len();
    lengths.flat_map(move |length| {
        let plain = filled[..length.min(filled.len())].join(".");
        // A prefix may end within a component.
        let longer = format!("{plain}x");
        [plain, longer]
    })
}
