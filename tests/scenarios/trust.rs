//! Trust levels: how far the router trusts callers and publishers.

use crate::check;

// spec: A-CTL-01, A-CTL-02, A-PTL-01
#[test]
fn callees_and_subscribers_are_told_of_trust() {
    check(
        r#"
        given: trust anonymous com.secret* 3
        given: trust other * 9
        given: trust * com..t 5
        ann: REGISTER 1 {match: prefix} com. -> REGISTERED 1 $r
        bob: CALL 1 {trustlevel: 7} com.secret.p & CALL 2 {} com.a.t & CALL 3 {} com.other
        ann: <- INVOCATION 1 $r {procedure: com.secret.p, trustlevel: 3}
        ann: <- INVOCATION 2 $r {procedure: com.a.t, trustlevel: 5}
        ann: <- INVOCATION 3 $r {procedure: com.other, trustlevel: 0}
        ann: SUBSCRIBE 2 {} com.b.t -> SUBSCRIBED 2 $s
        bob: PUBLISH 4 {trustlevel: 7} com.b.t
        ann: <- EVENT $s * {trustlevel: 5}
    "#,
    );
}

// spec: A-CTL-01, A-PTL-01, A-FEAT-02
#[test]
fn trust_is_announced_where_there_are_rules() {
    check(
        r#"
        given: trust * * 1
        ann: connects
        ann: HELLO realm1 {roles: {caller: {}}} -> WELCOME * {roles: {broker: {features: {publication_trustlevels, ..}}, dealer: {features: {call_trustlevels, ..}}}, ..}
    "#,
    );
}
