//! Event history by the clock, which only the simulator can set: it starts in 1970.

use gigawamp::sim::Value;

use crate::{check, check_then};

// spec: A-HIS-02, A-HIS-05
#[test]
fn events_are_chosen_by_time() {
    check(
        r#"
        given: history com.t
        ann: CALL 1 {} wamp.subscription.lookup [com.t] -> RESULT 1 {} [$s]
        wait 1s
        ann: PUBLISH 2 {} com.t [1] & PUBLISH 3 {} com.t [2]
        wait 1500ms
        ann: PUBLISH 4 {} com.t [3]
        wait 1s
        ann: PUBLISH 5 {} com.t [4]
        bob: CALL 1 {} wamp.subscription.get_events [$s]
        bob: <- RESULT 1 {} [{timestamp: "1970-01-01T00:00:01.000Z", args: [1], ..}, {timestamp: "1970-01-01T00:00:01.000Z", args: [2], ..}, {timestamp: "1970-01-01T00:00:02.500Z", args: [3], ..}, {timestamp: "1970-01-01T00:00:03.500Z", args: [4], ..}]
        bob: CALL 2 {} wamp.subscription.get_events [$s] {"from_time": "1970-01-01T00:00:02.500Z"} -> RESULT 2 {} [{args: [3], ..}, {args: [4], ..}]
        bob: CALL 3 {} wamp.subscription.get_events [$s] {"after_time": "1970-01-01T00:00:02.500Z"} -> RESULT 3 {} [{args: [4], ..}]
        bob: CALL 4 {} wamp.subscription.get_events [$s] {"before_time": "1970-01-01T00:00:02.500Z"} -> RESULT 4 {} [{args: [1], ..}, {args: [2], ..}]
        bob: CALL 5 {} wamp.subscription.get_events [$s] {"until_time": "1970-01-01T00:00:02.500Z"} -> RESULT 5 {} [{args: [1], ..}, {args: [2], ..}, {args: [3], ..}]
        bob: CALL 6 {} wamp.subscription.get_events [$s] {"from_time": "1970-01-01T00:00:01Z", "after_time": "1970-01-01T01:00:01.000+01:00", "until_time": "1970-01-01T00:00:03.500Z", "before_time": "1970-01-01T00:00:03.500Z"} -> RESULT 6 {} [{args: [3], ..}]
        bob: CALL 7 {} wamp.subscription.get_events [$s] {"after_time": "1970-01-01T00:00:01.999999999Z", "until_time": "1970-01-01T00:00:02.5000001Z"} -> RESULT 7 {} [{args: [3], ..}]
        bob: CALL 8 {} wamp.subscription.get_events [$s] {"from_time": "2026-11-20T08:30:00Z"} -> RESULT 8 {} []
        bob: CALL 9 {} wamp.subscription.get_events [$s] {"from_time": "1970-01-01T00:00:03Z", "until_time": "1970-01-01T00:00:02Z"} -> RESULT 9 {} []
    "#,
    );
    for time in ["yesterday", "1970-01-01", "1970-01-01 00:00:00Z", "1970-02-30T00:00:00Z", ""] {
        for filter in ["from_time", "after_time", "before_time", "until_time"] {
            check(&format!(
                r#"
                given: history com.t
                ann: CALL 1 {{}} wamp.subscription.get_events [1] {{"{filter}": "{time}"}} -> ERROR CALL 1 {{}} wamp.error.invalid_argument
            "#
            ));
        }
    }
}

// spec: A-HIS-10
#[test]
fn events_grow_too_old() {
    check(
        r#"
        given: history com.t age_ms=10000
        ann: CALL 1 {} wamp.subscription.lookup [com.t] -> RESULT 1 {} [$s]
        ann: PUBLISH 2 {acknowledge} com.t [1] -> PUBLISHED 2 $p1
        wait 6s
        ann: PUBLISH 3 {} com.t [2]
        wait 4s
        ann: CALL 4 {} wamp.subscription.get_events [$s] -> RESULT 4 {} [{args: [1], ..}, {args: [2], ..}]
        wait 4ms
        ann: CALL 5 {} wamp.subscription.get_events [$s] -> RESULT 5 {} [{args: [2], ..}]
        ann: CALL 6 {} wamp.subscription.get_events [$s] {"from_publication": $p1} -> ERROR CALL 6 {} wamp.error.invalid_argument
        wait 15s
        ann: CALL 7 {} wamp.subscription.get_events [$s] -> RESULT 7 {} []
        ann: PUBLISH 8 {} com.t [3]
        ann: CALL 9 {} wamp.subscription.get_events [$s] -> RESULT 9 {} [{args: [3], timestamp: "1970-01-01T00:00:25.004Z", ..}]
    "#,
    );
}

/// `count` publications of one peer, from the request after `last` on, in one breath.
fn publications(last: usize, count: usize) -> String {
    let numbers = last + 1..=last + count;
    numbers.map(|n| format!("PUBLISH {n} {{}} com.t [{n}]")).collect::<Vec<_>>().join(" & ")
}

/// The numbers that events carry as their only argument.
fn numbers(events: &Value) -> Vec<usize> {
    let number = |event: &Value| event.get("args").and_then(|it| it.items()[0].number());
    events.items().iter().filter_map(number).map(|number| number as usize).collect()
}

// spec: A-HIS-04, A-HIS-10
#[test]
fn a_long_history_is_looked_through_by_and_by() {
    check_then(
        &format!(
            r#"
            given: history com.t events=400
            ann: {all}
            bob: CALL 1 {{}} wamp.subscription.get_events [1]
            bob: silent
            bob: CALL 2 {{}} wamp.subscription.get_events [1] {{"limit": 3, "reverse": true}}
            wait 1s
            bob: <~ RESULT 1 {{}} $all
            bob: <~ RESULT 2 {{}} [{{args: [400], ..}}, {{args: [399], ..}}, {{args: [398], ..}}] {{more}}
        "#,
            all = publications(0, 400)
        ),
        |bindings| assert_eq!(numbers(&bindings["all"]), (1..=400).collect::<Vec<_>>()),
    );
}

// spec: A-HIS-04, A-HIS-10
#[test]
fn what_is_forgotten_while_it_is_looked_for_is_not_told() {
    for (reverse, first) in [(false, 1), (true, 400)] {
        check_then(
            &format!(
                r#"
                given: history com.t events=400
                ann: {all}
                bob: CALL 1 {{}} wamp.subscription.get_events [1] {{"reverse": {reverse}}}
                bob: silent
                ann: {others}
                wait 1s
                bob: <- RESULT 1 {{}} $found
            "#,
                all = publications(0, 400),
                others = publications(400, 400)
            ),
            |bindings| {
                let mut found = numbers(&bindings["found"]);
                assert!((50..400).contains(&found.len()), "{found:?}");
                assert_eq!(found[0], first);
                if reverse {
                    found.reverse();
                }
                assert!(found.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{found:?}");
            },
        );
    }
}
