//! Scenarios are data: a text says who says what, and what each peer hears.
//!
//! What is played ([`notation`], [`player`]) and where ([`stage`]) know nothing of each other, so
//! the same texts can be played against the simulator and against a real process.

pub(crate) mod bottle;
pub(crate) mod notation;
pub(crate) mod people;
pub(crate) mod player;
pub(crate) mod postman;
pub(crate) mod stage;

use std::time::Duration;

use bottle::Bottle;
use gigawamp::router::config::{
    AdvisorConfig, AdvisorKind, Config, Disclosure, HistoryRule, Limits, RealmConfig, RealmOptions,
    RequestIds, RoleConfig, Rule, TrustRule, UriCheck, parse_ask, parse_disclose,
};
use gigawamp::wire::{Framing, Serializer, TransportOptions};
use notation::{Act, Bindings, Line};
use people::People;
use player::{Dress, Player};
use postman::Postman;

/// Plays `text` over both transports, all serializers, and 1, 2 and 5 shards. On 5 shards every
/// peer uses another transport and serializer than the one before it. And over long-poll, unless
/// the text says in a comment that it is `not by long-poll`.
pub(crate) fn check(text: &str) {
    check_then(text, |_| ());
}

/// The same; hands what the variables stand for at the end of each run to `then`.
pub(crate) fn check_then(text: &str, then: impl FnMut(&Bindings)) {
    check_often(text, 1, then);
}

/// The same, `times` times, each in another order of what may happen in any order.
pub(crate) fn check_often(text: &str, times: usize, mut then: impl FnMut(&Bindings)) {
    let lines = notation::parse(text);
    let config = config(&lines);
    let mut seed = 0;
    for _ in 0..times {
        check_once(&lines, &config, &mut seed, &mut then);
        let names_another = text.contains("transport: rawsocket");
        if !names_another && !text.contains("// not by long-poll") {
            check_by_longpoll(&lines, &config, &mut seed, &mut then);
        }
    }
}

/// Plays over long-poll, message by message and in batches.
fn check_by_longpoll(
    lines: &[Line],
    config: &Config,
    seed: &mut u64,
    then: &mut impl FnMut(&Bindings),
) {
    for (serializer, shards_count, is_batched) in [
        (Serializer::Json, 2, false),
        (Serializer::MessagePack, 5, true),
        (Serializer::Cbor, 1, false),
        (Serializer::Json, 5, true),
    ] {
        *seed += 1;
        let dress = Dress { framing: Framing::RawSocket, serializer, mixed: false };
        let mut bottle = Bottle::new(config.clone(), shards_count, *seed);
        let mut postman = Postman::new(&mut bottle, is_batched);
        let played = Player::new(&mut postman, dress, "realm1").play(lines);
        let how = format!("long-poll, batched: {is_batched}, {serializer:?}");
        match played {
            Ok(Some(bindings)) => {
                postman.clear();
                bottle.finish();
                then(&bindings);
            }
            Ok(None) => panic!("the simulator can play everything"),
            Err(why) => panic!("{how} on {shards_count} shards: {why}"),
        }
    }
}

fn check_once(lines: &[Line], config: &Config, seed: &mut u64, then: &mut impl FnMut(&Bindings)) {
    for framing in [Framing::RawSocket, Framing::WebSocket] {
        for serializer in Serializer::ALL {
            for shards_count in [1, 2, 5] {
                *seed += 1;
                let dress = Dress { framing, serializer, mixed: shards_count == 5 };
                let mut bottle = Bottle::new(config.clone(), shards_count, *seed);
                match Player::new(&mut bottle, dress, "realm1").play(lines) {
                    Ok(Some(bindings)) => {
                        bottle.finish();
                        then(&bindings);
                    }
                    Ok(None) => panic!("the simulator can play everything"),
                    Err(why) => panic!("{dress:?} on {shards_count} shards: {why}"),
                }
            }
        }
    }
}

/// What a router is told for a scenario: `realm1`, `realm2`, and what the scenario gives.
pub(crate) fn config(lines: &[Line]) -> Config {
    let first = lines.iter().position(|line| matches!(line.act, Act::Reloads(_)));
    reconfigured(&lines[..first.unwrap_or(lines.len())])
}

/// The same, once it has been told all of `lines`.
pub(crate) fn reconfigured(lines: &[Line]) -> Config {
    let mut limits = Limits { handshake: Duration::from_secs(10), ..Limits::default() };
    let mut options = RealmOptions { meta_kill: true, ..RealmOptions::default() };
    let mut people = People::default();
    let (mut uri_check, mut request_ids) = (UriCheck::Loose, RequestIds::Sequential);
    let mut names = vec!["realm1", "realm2"];
    for line in lines {
        let (Act::Given(given) | Act::Reloads(given)) = &line.act else {
            continue;
        };
        let (name, value) = given.split_once(' ').unwrap_or((given, "0"));
        match name {
            "without" => names.retain(|name| *name != value),
            "with" => names.push(value),
            "nobody_is_known" => people = People::default(),
            "another_ticket_for" => people.change_ticket(value),
            _ => {}
        }
        if matches!(name, "without" | "with" | "nobody_is_known" | "another_ticket_for") {
            continue;
        }
        if people.give(name, value) || take_rule(&mut options, (name, value)) {
            continue;
        }
        let value = value.parse().expect("a number is given");
        match name {
            "strict_uris" => uri_check = UriCheck::Strict,
            "any_request_ids" => request_ids = RequestIds::Any,
            "meta_kill_denied" => options.meta_kill = false,
            "disclosure_denied" => options.disclosure = Disclosure::Deny,
            "disclosure_always" => options.disclosure = Disclosure::Always,
            "retained_topics_max" => options.retained_topics_max = value,
            "retained_bytes_max" => options.retained_bytes_max = value,
            "force_reregister" => options.force_reregister = true,
            "call_timeout_ms" => options.call_timeout = Duration::from_millis(value as u64),
            "call_timeout_max_ms" => options.call_timeout_max = Duration::from_millis(value as u64),
            "calls_queued_max" => limits.calls_queued_max = value,
            "attempts_max" => limits.attempts_max = value,
            "advice_pending_max" => limits.advice_pending_max = value,
            "testaments_max" => limits.testaments_max = value,
            "outbox_bytes_max" => limits.outbox_bytes_max = value,
            "session_messages_per_second" => limits.session_messages_per_second = value,
            "session_bytes_per_second" => limits.session_bytes_per_second = value,
            "session_calls_per_second" => limits.session_calls_per_second = value,
            "subscriptions_max" => limits.subscriptions_max = value,
            "registrations_max" => limits.registrations_max = value,
            "calls_pending_max" => limits.calls_pending_max = value,
            "invocations_pending_max" => limits.invocations_pending_max = value,
            _ => panic!("nothing is called {name}"),
        }
    }
    if !options.roles.is_empty() {
        people.admit_anonymous();
    }
    let realm = |name: &str| RealmConfig {
        name: name.into(),
        uri_check,
        request_ids,
        options: options.clone(),
        authentication: people.of(name),
    };
    Config {
        realms: names.into_iter().map(realm).collect(),
        listeners: vec![TransportOptions { cookie: people.cookie(), ..listener() }],
        limits,
        agent: "gigawamp-under-test".into(),
        admission: vec![people.admission.clone()],
        hide_realms: people.hides_realms,
        mock_secret: "the secret of this test".into(),
    }
}

/// The authorizer that `NAME PROCEDURE [realm=NAME] [cache_s=SECONDS] [brief]` means.
fn authorizer(text: &str) -> Option<AdvisorConfig> {
    let mut words = text.split(' ');
    let mut advisor = AdvisorConfig::procedure(words.next()?, words.next()?);
    advisor.cache = Duration::ZERO;
    for word in words {
        match word.split_once('=') {
            Some(("realm", name)) => {
                let AdvisorKind::Procedure { realm, .. } = &mut advisor.kind else { return None };
                *realm = Some(name.into());
            }
            Some(("cache_s", seconds)) => {
                advisor.cache = Duration::from_secs(seconds.parse().ok()?);
            }
            None if word == "brief" => advisor.options = false,
            Some(_) | None => return None,
        }
    }
    Some(advisor)
}

/// Where all transports are to be had.
fn listener() -> TransportOptions {
    TransportOptions {
        message_bytes_max: 1 << 20,
        paths: vec!["/ws".into()],
        serializers: Serializer::ALL.to_vec(),
        websocket: true,
        rawsocket: true,
        deflate: true,
        longpoll: true,
        longpoll_path: "/lp".into(),
        ..TransportOptions::default()
    }
}

/// Takes over rules; those of roles are of the role given last, or of that of anonymous clients.
fn take_rule(options: &mut RealmOptions, (name, value): (&str, &str)) -> bool {
    if name == "trust" {
        options.trust.push(TrustRule::parse(value).expect("ROLE URI LEVEL"));
        return true;
    }
    if name == "history" {
        options.history.push(history(value).expect("URI events=COUNT bytes=OCTETS age_ms=MS"));
        return true;
    }
    if name == "authorizer" {
        options.authorizers.push(authorizer(value).expect("NAME PROCEDURE WORDS"));
        return true;
    }
    if !["role", "allow", "deny", "disclose", "ask", "calls_per_second"].contains(&name) {
        return false;
    }
    if name == "role" || options.roles.is_empty() {
        let name = if name == "role" { value } else { "anonymous" };
        options.roles.push(RoleConfig { name: name.into(), ..RoleConfig::default() });
    }
    let role = options.roles.last_mut().expect("there is one by now");
    match name {
        "allow" => role.allow.push(Rule::parse(value).expect("ACTIONS URI")),
        "role" => {}
        "calls_per_second" => role.calls_per_second = value.parse().ok(),
        "deny" => role.deny.push(Rule::parse(value).expect("ACTIONS URI")),
        "disclose" => role.disclose.push(parse_disclose(value).expect("ACTIONS URI WORD")),
        _ => role.ask.push(parse_ask(value).expect("ACTIONS URI AUTHORIZER")),
    }
    true
}

/// The rule that `text` stands for.
fn history(text: &str) -> Option<HistoryRule> {
    let mut words = text.split(' ');
    let mut rule = HistoryRule::new(words.next()?)?;
    for word in words {
        let (bound, number) = word.split_once('=')?;
        let number = number.parse().ok()?;
        match bound {
            "events" => rule.events_max = number,
            "bytes" => rule.bytes_max = number,
            "age_ms" => rule.age_max = Duration::from_millis(number as u64),
            _ => return None,
        }
    }
    Some(rule)
}
