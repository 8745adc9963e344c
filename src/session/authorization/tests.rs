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

/// What the rules come to for a pattern, by comparing it with each of them; the rule that covers it
/// is taken from the table, as the other tests look after that.
fn naively_as_a_whole(rules: &[(Rule, Effect)], role: &Role, object: Object<'_>) -> Effect {
    let table = &role.rules.as_ref().unwrap()[Action::Subscribe as usize];
    let Some((rank, covering)) = table.best(object) else { return Effect::Deny };
    let is_against = |(rule, effect): &&(Rule, Effect)| {
        let vetoes = *effect != Effect::Allow && *effect != covering.effect;
        rule.actions.has(Action::Subscribe) && vetoes && stands_against(&rule.uris, object, rank)
    };
    if rules.iter().any(|rule| is_against(&rule)) { Effect::Deny } else { covering.effect }
}

/// Whether the rule decides anything that `object` can match, rather than one of `rank`.
fn stands_against(rule: &Pattern, object: Object<'_>, rank: Rank) -> bool {
    let own = |component| if component == AUTHID { object.authid } else { component };
    let before = rule.uri.find(AUTHID).filter(|_| !is_own_component(object.authid));
    if let Some(before) = before {
        // Nobody knows what it means: it may mean anything from the variable on.
        let open = (MatchPolicy::Prefix, rule.uri[..before].split('.').collect());
        return meet(open, (object.policy, object.uri.split('.').collect()));
    }
    let rule_rank = match rule.policy {
        MatchPolicy::Exact => Rank::Exact,
        MatchPolicy::Prefix => {
            let lengths = rule.uri.split('.').map(|component| own(component).len() + 1);
            Rank::Prefix(lengths.sum::<usize>() - 1)
        }
        MatchPolicy::Wildcard => {
            let literals = (0..).zip(rule.uri.split('.')).filter(|(_, part)| !part.is_empty());
            Rank::Wildcard(literals.map(|(depth, _)| table::bit(depth)).sum())
        }
    };
    let parts = (rule.policy, rule.uri.split('.').map(own).collect());
    rule_rank >= rank && meet(parts, (object.policy, object.uri.split('.').collect()))
}

/// Whether there can be a URI that both patterns, given by their components, match.
fn meet(
    (one_policy, one): (MatchPolicy, Vec<&str>),
    (other_policy, other): (MatchPolicy, Vec<&str>),
) -> bool {
    for place in 0.. {
        let (left, right) = match (one.get(place), other.get(place)) {
            (Some(left), Some(right)) => (*left, *right),
            // Whichever has components left, the other one is no prefix.
            (left, right) => return left.is_none() && right.is_none(),
        };
        let left_open = one_policy == MatchPolicy::Prefix && place + 1 == one.len();
        let right_open = other_policy == MatchPolicy::Prefix && place + 1 == other.len();
        let meets = match (left_open, right_open) {
            (true, true) => return left.starts_with(right) || right.starts_with(left),
            (true, false) => return right.is_empty() || right.starts_with(left),
            (false, true) => return left.is_empty() || left.starts_with(right),
            (false, false) => left.is_empty() || right.is_empty() || left == right,
        };
        if !meets {
            return false;
        }
    }
    unreachable!("one of them ends")
}

// spec: A-AUZ-06
#[test]
fn patterns_are_held_against_all_rules_as_if_one_by_one() {
    let mut random = Random::from_seed([6; 32]);
    let mut counts = [0; 2];
    for _ in 0..5_000 {
        let count = random.below(14);
        let mut rules: Vec<_> = (0..count).filter_map(|_| random_rule(&mut random)).collect();
        // Without one that covers most of it there is nothing to be held against.
        if random.below(2) == 0 {
            rules.push((
                Rule::parse(pick(&mut random, &["* *", "* a*", "* a..", "* ..", "* .a"])).unwrap(),
                Effect::Allow,
            ));
        }
        let role = Role::new(&rules, &[]);
        for _ in 0..4 {
            let (policy, uri) = random_pattern(&mut random);
            if policy == MatchPolicy::Wildcard && !uri.split('.').any(str::is_empty) {
                continue;
            }
            for authid in AUTHIDS {
                let object = Object { policy, uri: &uri, authid };
                let said = role.decide_pattern(Action::Subscribe, (policy, &uri), authid).effect;
                let expected = match policy {
                    MatchPolicy::Exact => naively(&rules, Action::Subscribe, &uri, authid),
                    MatchPolicy::Prefix | MatchPolicy::Wildcard => {
                        naively_as_a_whole(&rules, &role, object)
                    }
                };
                counts[usize::from(said == Effect::Deny)] += 1;
                assert_eq!(said, expected, "{policy:?} {uri:?} for {authid:?} by {rules:#?}");
            }
        }
    }
    assert!(counts.iter().all(|count| *count > 10_000), "a one-sided test: {counts:?}");
}

// spec: A-AUZ-06
#[test]
fn a_pattern_takes_only_so_many_steps() {
    use MatchPolicy::{Prefix, Wildcard};
    let allow = |text: &str| (Rule::parse(text).unwrap(), Effect::Allow);
    let deny = |text: &str| (Rule::parse(text).unwrap(), Effect::Deny);
    // Less specific than what covers the pattern, but each might overlap with it.
    let role = |count| {
        let others = (0..count).map(|number| deny(&format!("* .b{number}.x")));
        let fixed = (0..count).map(|number| deny(&format!("* org.b{number}.x")));
        let rules = [allow("* a.."), allow("* com.*")].into_iter();
        Role::new(&rules.chain(others).chain(fixed).collect::<Vec<_>>(), &[])
    };
    let (few, many) = (role(1_000), role(100_000));
    for (role, policy, uri, expected, steps_max) in [
        (&few, Wildcard, "a..", Effect::Allow, 3_000),
        (&many, Wildcard, "a..", Effect::Deny, overlap::VISITS_MAX + 1),
        (&many, Wildcard, "a.b7.", Effect::Allow, 10),
        (&few, Wildcard, "a..y", Effect::Allow, 3_000),
        (&many, Prefix, "com.a.", Effect::Allow, 10),
        (&many, Prefix, "", Effect::Deny, 0),
        (&many, Wildcard, "com..x", Effect::Allow, 10),
    ] {
        let (ruling, steps) = role.weigh(Action::Subscribe, (policy, uri), "joe");
        assert_eq!(ruling.effect, expected, "{policy:?} {uri:?}");
        assert!(steps <= steps_max, "{steps} steps for {policy:?} {uri:?}");
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
