//! Reloading: the configuration changes while sessions are open.

use crate::check;

// spec: B-ERR-10
#[test]
fn sessions_of_a_realm_that_is_removed_are_told_goodbye() {
    check(
        r#"
        ann: joins realm2
        ben: joins realm2
        cat: joins realm1
        ben: REGISTER 1 {} com.p -> REGISTERED 1 $r
        ben: SUBSCRIBE 2 {} wamp.session.on_leave -> SUBSCRIBED 2 *
        cat: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        ann: CALL 1 {} com.p []
        ben: <- INVOCATION 1 $r {} []
        reload without realm2
        ann: <- ERROR CALL 1 {} wamp.error.canceled
        ann: <- GOODBYE {} wamp.close.close_realm
        ben: <~ GOODBYE {} wamp.close.close_realm
        ann: GOODBYE {} wamp.close.goodbye_and_out
        ben: GOODBYE {} wamp.close.goodbye_and_out
        ann: closed
        ben: hears all $rest
        ben: closed
        dan: connects
        dan: HELLO realm2 {roles: {caller: {}}} -> ABORT {..} wamp.error.no_such_realm
        cat: PUBLISH 2 {acknowledge, exclude_me: false} com.t [7] -> EVENT $s * {} [7]
        cat: <- PUBLISHED 2 *
    "#,
    );
}

#[test]
fn a_realm_that_is_added_can_be_joined_at_once_and_is_new_each_time() {
    check(
        r#"
        ann: connects
        ann: HELLO realm3 {roles: {caller: {}}} -> ABORT {..} wamp.error.no_such_realm
        ann: closed
        reload with realm3
        ben: joins realm3
        cat: joins realm3
        ben: REGISTER 1 {} com.p -> REGISTERED 1 $r
        cat: CALL 1 {} com.p [7]
        ben: <- INVOCATION 1 $r {} [7]
        ben: YIELD 1 {} [8]
        cat: <- RESULT 1 {} [8]
        ben: PUBLISH 2 {acknowledge, retain} com.t [7] -> PUBLISHED 2 *
        reload without realm3
        ben: <- GOODBYE {} wamp.close.close_realm
        cat: <- GOODBYE {} wamp.close.close_realm
        reload with realm3
        dan: joins realm3
        eve: joins realm3
        dan: CALL 1 {} com.p [7] -> ERROR CALL 1 {} wamp.error.no_such_procedure
        dan: SUBSCRIBE 2 {get_retained} com.t -> SUBSCRIBED 2 $s
        eve: PUBLISH 1 {acknowledge} com.t [9] -> PUBLISHED 1 *
        dan: <- EVENT $s * {} [9]
    "#,
    );
}

#[test]
fn options_and_limits_apply_to_sessions_that_are_open() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 *
        ben: REGISTER 1 {force_reregister} com.p -> ERROR REGISTER 1 {} *
        reload force_reregister
        ben: REGISTER 2 {force_reregister} com.p -> REGISTERED 2 *
        ann: REGISTER 2 {} com.own -> REGISTERED 2 *
        reload registrations_max 1
        ben: REGISTER 3 {} com.q -> ERROR REGISTER 3 {} *
        cat: CALL 1 {disclose_me} com.p
        ben: <- INVOCATION 1 * {caller: $cat, ..}
        ben: YIELD 1 {} []
        cat: <- RESULT 1 {} []
        reload disclosure_denied
        cat: CALL 2 {disclose_me} com.p -> ERROR CALL 2 {} wamp.error.option_disallowed.disclose_me
    "#,
    );
}

#[test]
fn who_would_not_be_given_its_role_again_is_told_goodbye() {
    check(
        r#"
        // not by long-poll
        given: anonymous guest
        given: principal joe user ticket=t
        ann: connects
        ann: HELLO realm1 {roles: {caller: {}}} -> WELCOME * {authrole: guest, ..}
        joe: connects
        joe: HELLO realm1 {roles: {caller: {}}, authid: joe, authmethods: [ticket]} -> CHALLENGE ticket {}
        joe: AUTHENTICATE t {} -> WELCOME * {authid: joe, authrole: user, ..}
        reload principal sue user ticket=u
        ann: silent
        joe: silent
        reload anonymous visitor
        ann: <- GOODBYE {} gigawamp.close.access_changed
        ann: GOODBYE {} wamp.close.goodbye_and_out
        ann: closed
        joe: silent
        sue: connects
        sue: HELLO realm1 {roles: {caller: {}}, authid: sue, authmethods: [ticket]} -> CHALLENGE ticket {}
        reload nobody_is_known
        joe: <- GOODBYE {} gigawamp.close.access_changed
        joe: GOODBYE {} wamp.close.goodbye_and_out
        joe: closed
        sue: <- ABORT {..} wamp.error.authentication_failed
        sue: closed
    "#,
    );
}

/// What it left might be what it is sent away for.
#[test]
fn who_may_not_be_here_any_more_leaves_nothing_behind() {
    check(
        r#"
        // not by long-poll
        given: principal joe user ticket=t
        given: principal sue user ticket=u
        joe: connects
        joe: HELLO realm1 {roles: {caller: {}}, authid: joe, authmethods: [ticket]} -> CHALLENGE ticket {}
        joe: AUTHENTICATE t {} -> WELCOME * {authid: joe, ..}
        joe: CALL 1 {} wamp.session.add_testament [com.control, [7], {}] -> RESULT 1 {}
        reload anonymous guest
        ann: connects
        ann: HELLO realm1 {roles: {subscriber: {}}} -> WELCOME * {authrole: guest, ..}
        ann: SUBSCRIBE 1 {} com.control -> SUBSCRIBED 1 *
        reload another_ticket_for joe
        joe: <- GOODBYE {} gigawamp.close.access_changed
        joe: GOODBYE {} wamp.close.goodbye_and_out
        joe: closed
        ann: silent
    "#,
    );
}

#[test]
fn a_rule_that_is_added_counts_for_sessions_that_are_open() {
    check(
        r#"
        given: role anonymous
        given: allow * com.*
        ann: SUBSCRIBE 1 {} com.secret -> SUBSCRIBED 1 $s
        ben: PUBLISH 1 {acknowledge} com.secret [1] -> PUBLISHED 1 *
        ann: <- EVENT $s * {} [1]
        reload deny subscribe com.secret
        ann: hears all $told
        ben: PUBLISH 2 {acknowledge} com.secret [2] -> PUBLISHED 2 *
        ann: silent
        ann: SUBSCRIBE 2 {} com.secret -> ERROR SUBSCRIBE 2 {..} wamp.error.not_authorized
    "#,
    );
}
