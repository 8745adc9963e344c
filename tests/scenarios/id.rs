//! Ids: their ranges, scopes and chances.

use std::collections::BTreeSet;

use gigawamp::sim::Value;
use gigawamp::wire::Serializer;

use crate::check_then;

/// 2^53.
const ID_MAX: u64 = 1 << 53;

// spec: B-ID-01, B-ID-02, B-SESS-03, B-SESS-04
#[test]
fn sessions_and_publications_are_numbered_by_chance_over_the_whole_range() {
    let (mut seen, mut count) = (BTreeSet::new(), 0);
    let mut script = String::new();
    for n in 0..20 {
        script += &format!("p{n}: PUBLISH 1 {{acknowledge}} com.t -> PUBLISHED 1 $x{n}\n");
    }
    check_then(&script, |bindings| {
        for value in bindings.values() {
            let id = value.number().expect("an id");
            assert!((1..=ID_MAX).contains(&id), "{id} is no id");
            seen.insert(id);
            count += 1;
        }
    });
    assert_eq!(seen.len(), count, "an id came twice");
    assert!(
        count >= 6 * Serializer::ALL.len() * 40 && count.is_multiple_of(40),
        "{count} ids of 20 sessions a play"
    );
    // Each eighth of the range holds an eighth of the ids, give or take a half.
    for eighth in 0..8 {
        let range = eighth * (ID_MAX / 8)..(eighth + 1) * (ID_MAX / 8);
        let held = seen.range(range).count();
        assert!((count / 16..count * 3 / 16).contains(&held), "{held} in eighth {eighth}");
    }
    let odd = seen.iter().filter(|id| *id % 2 == 1).count();
    assert!((count * 2 / 5..count * 3 / 5).contains(&odd), "{odd} are odd");
}

// spec: B-ID-03, B-ID-10
#[test]
fn subscriptions_and_registrations_of_a_realm_have_ids_of_their_own() {
    check_then(
        r#"
        ann: SUBSCRIBE 1 {} com.a -> SUBSCRIBED 1 $a
        ann: SUBSCRIBE 2 {} com.b -> SUBSCRIBED 2 $b
        bob: SUBSCRIBE 1 {match: prefix} com.a -> SUBSCRIBED 1 $c
        bob: SUBSCRIBE 2 {match: wildcard} com.a -> SUBSCRIBED 2 $d
        ann: REGISTER 3 {} com.a -> REGISTERED 3 $e
        bob: REGISTER 3 {match: prefix} com.a -> REGISTERED 3 $f
        bob: REGISTER 4 {match: wildcard} com.a -> REGISTERED 4 $g
    "#,
        |bindings| {
            let id = |name: &str| bindings[name].number().expect("an id");
            let subscriptions: BTreeSet<_> = ["a", "b", "c", "d"].map(id).into();
            let registrations: BTreeSet<_> = ["e", "f", "g"].map(id).into();
            assert_eq!((subscriptions.len(), registrations.len()), (4, 3));
            assert!(subscriptions.iter().chain(&registrations).all(|id| (1..=ID_MAX).contains(id)));
        },
    );
}

// spec: B-ID-07
#[test]
fn every_answer_bears_the_id_of_its_request() {
    check_then(
        r#"
        ann: PUBLISH 1 {} com.t
        ann: SUBSCRIBE 2 {} com.t -> SUBSCRIBED 2 $s
        ann: PUBLISH 3 {acknowledge} com.t -> PUBLISHED 3 *
        ann: REGISTER 4 {} com.p -> REGISTERED 4 $r
        ann: CALL 5 {} com.q -> ERROR CALL 5 {} wamp.error.no_such_procedure
        ann: CALL 6 {} com.p -> INVOCATION 1 $r {}
        ann: CANCEL 6 {mode: kill} -> INTERRUPT 1 {mode: kill}
        ann: YIELD 1 {} -> RESULT 6 {}
        ann: UNSUBSCRIBE 7 $s -> UNSUBSCRIBED 7
        ann: UNREGISTER 8 $r -> UNREGISTERED 8
        ann: UNREGISTER 9 $r -> ERROR UNREGISTER 9 {} wamp.error.no_such_registration
    "#,
        |bindings| assert_ne!(bindings["s"], Value::Null),
    );
}
