//! The tables against what the rules say one by one.

use super::*;
use crate::env::Random;
use crate::message::uri::Pattern;

const AUTHIDS: [&str; 5] = ["joe", "a", "a.b", "", "b c"];

fn role(rules: &[(&str, Effect)]) -> Role {
    let rules: Vec<_> = rules
        .iter()
        .map(|(text, effect)| (Rule::parse(text).unwrap_or_else(|| panic!("{text}")), *effect))
        .collect();
    Role::new(&rules, &[])
}

/// What the rules come to for one URI, slowly and by the words of the module's head.
fn naively(rules: &[(Rule, Effect)], action: Action, uri: &str, authid: &str) -> Effect {
    let safe = is_own_component(authid);
    let mut best: Option<(u8, String, Effect)> = None;
    for (rule, effect) in rules.iter().filter(|(rule, _)| rule.actions.has(action)) {
        let raw = &*rule.uris.uri;
        let (rank, key, effect) = if let Some(at) = raw.find(AUTHID).filter(|_| !safe) {
            let head: Vec<_> = raw[..at].split('.').collect();
            let begins = (0..head.len() - 1).all(|i| {
                let part = uri.split('.').nth(i);
                part.is_some() && (head[i].is_empty() || part == Some(head[i]))
            });
            let goes_on = uri.split('.').count() >= head.len();
            if *effect == Effect::Allow || !begins || !goes_on {
                continue;
            }
            (2, String::new(), Effect::Deny)
        } else {
            let own: Vec<_> =
                raw.split('.').map(|part| if part == AUTHID { authid } else { part }).collect();
            let own = own.join(".");
            let pattern = Pattern { policy: rule.uris.policy, uri: own.as_str().into() };
            if !pattern.matches(uri) {
                continue;
            }
            match rule.uris.policy {
                MatchPolicy::Exact => (2, String::new(), *effect),
                MatchPolicy::Prefix => (1, format!("{:04}", own.len()), *effect),
                MatchPolicy::Wildcard => {
                    let mask = own.split('.').map(|part| if part.is_empty() { '0' } else { '1' });
                    (0, mask.collect(), *effect)
                }
            }
        };
        let better = best.as_ref().is_none_or(|(known, known_key, said)| {
            (rank, &key, effect) > (*known, known_key, *said)
        });
        if better {
            best = Some((rank, key, effect));
        }
    }
    best.map_or(Effect::Deny, |(_, _, effect)| effect)
}

const PARTS: [&str; 4] = ["a", "b", "ab", "joe"];

fn universe() -> Vec<String> {
    let mut all: Vec<String> = PARTS.iter().map(|part| (*part).into()).collect();
    let mut last = all.clone();
    for _ in 0..3 {
        last = last.iter().flat_map(|uri| PARTS.map(|part| format!("{uri}.{part}"))).collect();
        all.extend(last.iter().cloned());
    }
    all
}

fn pick<'a>(random: &mut Random, from: &[&'a str]) -> &'a str {
    from[usize::try_from(random.below(from.len() as u64)).unwrap()]
}

fn random_rule(random: &mut Random) -> Option<(Rule, Effect)> {
    let count = random.below(4) + 1;
    let parts = ["a", "b", "joe", AUTHID, AUTHID, "", "a"];
    let parts: Vec<_> = (0..count).map(|_| pick(random, &parts)).collect();
    let tail = pick(random, &["", "", "*", ".*"]);
    let action = pick(random, &["call", "subscribe", "call,subscribe", "*"]);
    let rule = Rule::parse(&format!("{action} {}{tail}", parts.join(".")))?;
    let effects = [Effect::Allow, Effect::Allow, Effect::Deny, Effect::Ask(0), Effect::Ask(1)];
    Some((rule, effects[usize::try_from(random.below(5)).unwrap()]))
}

fn random_pattern(random: &mut Random) -> (MatchPolicy, String) {
    let policy = MatchPolicy::ALL[usize::try_from(random.below(3)).unwrap()];
    let count = random.below(4) + 1;
    let parts = match policy {
        MatchPolicy::Wildcard => &["a", "b", "joe", "", ""][..],
        MatchPolicy::Exact | MatchPolicy::Prefix => &PARTS[..],
    };
    let mut uri = (0..count).map(|_| pick(random, parts)).collect::<Vec<_>>().join(".");
    if policy == MatchPolicy::Prefix {
        uri.push_str(pick(random, &["", "."]));
    }
    (policy, uri)
}

// spec: A-AUZ-01
#[test]
fn tables_say_what_the_rules_say() {
    let (mut random, universe) = (Random::from_seed([4; 32]), universe());
    for _ in 0..400 {
        let rules: Vec<_> = (0..12).filter_map(|_| random_rule(&mut random)).collect();
        let role = Role::new(&rules, &[]);
        for authid in AUTHIDS {
            for uri in &universe {
                let said = role.decide(Action::Call, uri, authid).effect;
                let expected = naively(&rules, Action::Call, uri, authid);
                assert_eq!(said, expected, "{uri} for {authid:?} by {rules:#?}");
            }
        }
    }
}

// spec: A-AUZ-06
#[test]
fn nobody_has_by_a_pattern_what_it_has_not_one_by_one() {
    let (mut random, universe) = (Random::from_seed([5; 32]), universe());
    let mut allowed = 0;
    for _ in 0..2_000 {
        let rules: Vec<_> = (0..6).filter_map(|_| random_rule(&mut random)).collect();
        let role = Role::new(&rules, &[]);
        let (policy, uri) = random_pattern(&mut random);
        let pattern = Pattern { policy, uri: uri.as_str().into() };
        for authid in AUTHIDS {
            let said = role.decide_pattern(Action::Subscribe, (policy, &uri), authid).effect;
            if said == Effect::Deny {
                continue;
            }
            allowed += 1;
            for uri in universe.iter().filter(|uri| pattern.matches(uri)) {
                let one = role.decide(Action::Subscribe, uri, authid).effect;
                let fine = one == Effect::Allow || one == said;
                assert!(fine, "{pattern:?}, {uri} for {authid:?} by {rules:#?}");
            }
        }
    }
    assert!(allowed > 500, "the test hardly ever came to its point: {allowed}");
}

// spec: A-AUZ-06
#[test]
fn patterns_are_judged_as_a_whole() {
    use Effect::{Allow, Ask, Deny};
    use MatchPolicy::{Exact, Prefix, Wildcard};
    let role = role(&[
        ("subscribe com.*", Allow),
        ("subscribe com.secret.x", Deny),
        ("subscribe com.inner.*", Deny),
        ("subscribe com.inner.public.*", Allow),
        ("subscribe org..news", Allow),
        ("subscribe org.evil.news", Deny),
        ("subscribe net...status", Allow),
        ("subscribe net.a..status", Deny),
        ("subscribe bank.*", Ask(0)),
        ("subscribe bank.open.*", Allow),
        ("subscribe com.bank.*", Ask(1)),
    ]);
    for (policy, uri, expected) in [
        (Prefix, "com.", Deny),
        (Prefix, "com.se", Deny),
        (Prefix, "com.public", Allow),
        (Prefix, "", Deny),
        (Prefix, "co", Deny),
        (Prefix, "com.inner.public.", Allow),
        (Prefix, "com.inner.public", Deny),
        (Wildcard, "com..x", Deny),
        (Wildcard, "com..y", Deny),
        (Wildcard, "com.a.", Allow),
        (Wildcard, "com.secret.", Deny),
        (Wildcard, ".a", Deny),
        (Wildcard, "org..news", Deny),
        (Wildcard, "org.good.news", Allow),
        (Wildcard, "net..b.status", Deny),
        (Wildcard, "net.c..status", Allow),
        (Prefix, "net.", Deny),
        (Prefix, "bank.", Ask(0)),
        (Prefix, "bank.open.", Allow),
        (Exact, "com.secret.x", Deny),
        (Exact, "com.secret.y", Allow),
    ] {
        let said = role.decide_pattern(Action::Subscribe, (policy, uri), "joe").effect;
        assert_eq!(said, expected, "{policy:?} {uri:?}");
    }
}

#[test]
fn an_authid_never_widens_a_rule() {
    use Effect::{Allow, Deny};
    let role = role(&[
        ("publish com.chat.${authid}", Allow),
        ("publish com.home.${authid}.*", Allow),
        ("publish com.wall.*", Allow),
        ("publish com.wall.${authid}", Deny),
    ]);
    for (authid, uri, expected) in [
        ("joe", "com.chat.joe", Allow),
        ("joe", "com.chat.ann", Deny),
        ("joe", "com.home.joe.door", Allow),
        ("joe", "com.home.joey.door", Deny),
        ("joe", "com.wall.joe", Deny),
        ("joe", "com.wall.ann", Allow),
        ("*", "com.chat.*", Allow),
        ("*", "com.chat.ann", Deny),
        ("a.b", "com.chat.a.b", Deny),
        ("a.b", "com.home.a.b.c", Deny),
        ("a.b", "com.wall.a.b", Deny),
        ("", "com.chat.ann", Deny),
        ("", "com.wall.ann", Deny),
    ] {
        let said = role.decide(Action::Publish, uri, authid).effect;
        assert_eq!(said, expected, "{authid:?} {uri:?}");
    }
}

// Unicode knows several ways to write the same: they are different URIs, here as in routing.
#[test]
fn uris_are_equal_by_their_octets() {
    let role = role(&[("call com.caf\u{e9}.*", Effect::Allow)]);
    assert_eq!(role.decide(Action::Call, "com.caf\u{e9}.x", "joe").effect, Effect::Allow);
    assert_eq!(role.decide(Action::Call, "com.cafe\u{301}.x", "joe").effect, Effect::Deny);
}

#[test]
fn rules_are_read_or_refused() {
    for text in [
        "call",
        "call com.a more",
        "fly com.a",
        "call, com.a",
        "call com.a#",
        "call com.${name}",
        "call com.x${authid}",
        "call com.${authid}*",
        "call com.a..*",
    ] {
        assert_eq!(Rule::parse(text), None, "{text}");
    }
    let rule = Rule::parse("call,takeover com.${realm}.${authrole}.*").expect("it is sound");
    assert_eq!(&*rule.of("r1", "guest").uris.uri, "com.r1.guest.");
    assert!(rule.actions.has(Action::Takeover) && !rule.actions.has(Action::Publish));
    assert!(!Actions::ORDINARY.has(Action::Takeover));
}
