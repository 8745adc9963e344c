//! Who of the subscribers gets an event: publisher exclusion, black- and whitelists.

use crate::check;

// spec: A-PEX-01, A-PEX-02
#[test]
fn the_publisher_gets_its_own_event_if_it_wants_to() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        bob: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        ann: PUBLISH 2 {exclude_me: false} com.t [1]
        ann: <- EVENT $s $x {} [1]
        bob: <- EVENT $s $x {} [1]
        ann: PUBLISH 3 {exclude_me: true} com.t [2]
        bob: <- EVENT $s $y {} [2]
        ann: silent
    "#,
    );
}

// spec: A-PEX-03
#[test]
fn other_sessions_of_the_publishers_principal_get_its_event() {
    check(
        r#"
        given: principal joe guest ticket=t0p
        ann: connects
        ann: HELLO realm1 {authmethods: [ticket], authid: joe, roles: {publisher: {}, subscriber: {}}} -> CHALLENGE ticket {}
        ann: AUTHENTICATE t0p {} -> WELCOME * {authid: joe, ..}
        bob: connects
        bob: HELLO realm1 {authmethods: [ticket], authid: joe, roles: {publisher: {}, subscriber: {}}} -> CHALLENGE ticket {}
        bob: AUTHENTICATE t0p {} -> WELCOME * {authid: joe, ..}
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        bob: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        ann: PUBLISH 2 {} com.t [1]
        bob: <- EVENT $s * {} [1]
        ann: silent
    "#,
    );
}

// spec: A-BWL-01, A-BWL-02, A-BWL-07
#[test]
fn sessions_may_be_left_out() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        bob: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        cyd: SUBSCRIBE 1 {match: prefix} com -> SUBSCRIBED 1 $p
        dan: PUBLISH 1 {exclude: [$bob, $cyd]} com.t [1]
        ann: <- EVENT $s * {} [1]
        bob: silent
        cyd: silent
        dan: PUBLISH 2 {exclude: []} com.t [2]
        ann: <- EVENT $s * {} [2]
        bob: <- EVENT $s * {} [2]
        cyd: <- EVENT $p * {topic: com.t} [2]
        dan: PUBLISH 3 {exclude: [4711]} com.t [3]
        ann: <- EVENT $s * {} [3]
        bob: <- EVENT $s * {} [3]
        cyd: <- EVENT $p * {topic: com.t} [3]
    "#,
    );
}

// spec: A-BWL-02, A-BWL-03, A-BWL-04
#[test]
fn sessions_may_be_chosen() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        bob: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        cyd: SUBSCRIBE 1 {match: prefix} com -> SUBSCRIBED 1 $p
        dan: PUBLISH 1 {eligible: [$bob, $cyd]} com.t [1]
        bob: <- EVENT $s * {} [1]
        cyd: <- EVENT $p * {topic: com.t} [1]
        ann: silent
        dan: PUBLISH 2 {eligible: [$ann, $bob], exclude: [$bob]} com.t [2]
        ann: <- EVENT $s * {} [2]
        bob: silent
        dan: PUBLISH 3 {eligible: []} com.t [3]
        ann: silent
        bob: silent
        cyd: silent
    "#,
    );
}

// spec: A-BWL-05
#[test]
fn to_be_chosen_does_not_undo_that_publishers_are_left_out() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        ann: PUBLISH 2 {eligible: [$ann]} com.t [1]
        ann: silent
        ann: PUBLISH 3 {eligible: [$ann], exclude_me: false} com.t [2]
        ann: <- EVENT $s * {} [2]
    "#,
    );
}

// spec: A-BWL-02, A-BWL-08
#[test]
fn roles_may_be_left_out_or_chosen() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        bob: PUBLISH 1 {exclude_authrole: [anonymous]} com.t [1]
        ann: silent
        bob: PUBLISH 2 {exclude_authrole: [admin, backend]} com.t [2]
        ann: <- EVENT $s * {} [2]
        bob: PUBLISH 3 {eligible_authrole: [admin]} com.t [3]
        ann: silent
        bob: PUBLISH 4 {eligible_authrole: [admin, anonymous]} com.t [4]
        ann: <- EVENT $s * {} [4]
    "#,
    );
}

// spec: A-BWL-02, A-BWL-08
#[test]
fn identities_may_be_left_out_or_chosen() {
    check(
        r#"
        ann: connects
        ann: HELLO realm1 {roles: {subscriber: {}}} -> WELCOME * {authid: $a, ..}
        bob: connects
        bob: HELLO realm1 {roles: {subscriber: {}}} -> WELCOME * {authid: $b, ..}
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        bob: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        cyd: PUBLISH 1 {exclude_authid: [$a]} com.t [1]
        bob: <- EVENT $s * {} [1]
        cyd: PUBLISH 2 {eligible_authid: [$a]} com.t [2]
        ann: <- EVENT $s * {} [2]
        cyd: PUBLISH 3 {eligible_authid: [$a, $b], exclude_authid: [$b], eligible_authrole: [anonymous]} com.t [3]
        ann: <- EVENT $s * {} [3]
        ann: silent
        bob: silent
    "#,
    );
}

// spec: A-BWL-01
#[test]
fn a_list_of_receivers_that_is_too_long_is_refused() {
    for list in ["exclude", "eligible", "exclude_authid", "eligible_authrole"] {
        let item = if list.contains("auth") { "anonymous" } else { "4711" };
        let (long, short) = (vec![item; 10_001].join(", "), vec![item; 10_000].join(", "));
        check(&format!(
            r#"
            ann: PUBLISH 1 {{acknowledge, {list}: [{long}]}} com.t -> ERROR PUBLISH 1 {{}} wamp.error.invalid_argument
            ann: PUBLISH 2 {{{list}: [{long}]}} com.t
            ann: PUBLISH 3 {{acknowledge, {list}: [{short}]}} com.t -> PUBLISHED 3 *
            "#
        ));
    }
}

/// One way to restrict who may receive an event, as an option, and who is left by it of ann, bob,
/// cyd and dan. Their identities are `$a`, `$b`, `$c` and `$d`, their role is `anonymous`.
const RESTRICTIONS: [(&str, &str); 12] = [
    ("exclude: [$ann]", "bob cyd dan"),
    ("exclude: [$bob, 4711]", "ann cyd dan"),
    ("exclude_authid: [$b, nobody]", "ann cyd dan"),
    ("exclude_authid: [$c]", "ann bob dan"),
    ("exclude_authrole: [admin]", "ann bob cyd dan"),
    ("exclude_authrole: [admin, anonymous]", ""),
    ("eligible: [$ann, $bob, $cyd]", "ann bob cyd"),
    ("eligible: []", ""),
    ("eligible_authid: [$b, $c, $d]", "bob cyd dan"),
    ("eligible_authid: [nobody]", ""),
    ("eligible_authrole: [anonymous, admin]", "ann bob cyd dan"),
    ("eligible_authrole: [admin]", ""),
];

// spec: A-BWL-01, A-BWL-02, A-BWL-04
#[test]
fn an_event_is_for_those_whom_no_restriction_leaves_out() {
    let names = ["ann", "bob", "cyd", "dan"];
    let mut script = String::new();
    for name in names {
        script += &format!(
            "{name}: connects\n\
             {name}: HELLO realm1 {{roles: {{subscriber: {{}}}}}} \
             -> WELCOME ${name} {{authid: ${}, ..}}\n\
             {name}: SUBSCRIBE 1 {{}} com.t -> SUBSCRIBED 1 $s\n",
            &name[..1]
        );
    }
    let mut request = 0;
    let mut publish = |options: &[&str], receivers: &dyn Fn(&str) -> bool| {
        request += 1;
        let options = options.join(", ");
        script += &format!("eve: PUBLISH {request} {{{options}}} com.t [{request}]\n");
        for name in names {
            script += &match receivers(name) {
                true => format!("{name}: <- EVENT $s * {{}} [{request}]\n"),
                false => format!("{name}: silent\n"),
            };
        }
    };
    // Every pair of different options, and all six at once.
    for (place, (one, left)) in RESTRICTIONS.iter().enumerate() {
        for (other, left_too) in &RESTRICTIONS[place..] {
            let key = |option: &str| option.split(':').next().map(str::to_owned);
            let is_same = key(one) == key(other);
            if is_same && one != other {
                continue;
            }
            let options = if is_same { vec![*one] } else { vec![*one, *other] };
            publish(&options, &|name| left.contains(name) && left_too.contains(name));
        }
    }
    let all = [1, 3, 4, 6, 8, 10].map(|place| RESTRICTIONS[place]);
    publish(&all.map(|(option, _)| option), &|name| {
        all.iter().all(|(_, left)| left.contains(name))
    });
    check(&script);
}
