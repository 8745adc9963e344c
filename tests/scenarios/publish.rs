//! Publish and subscribe.

use crate::check;

// spec: B-PS-13
#[test]
fn publisher_does_not_get_its_own_event() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.app.t               -> SUBSCRIBED 1 $s
        bob: SUBSCRIBE 1 {} com.app.t               -> SUBSCRIBED 1 $s
        ann: PUBLISH 2 {acknowledge} com.app.t [7]  -> PUBLISHED 2 $p
        bob: <- EVENT $s $p {} [7]
        ann: silent
    "#,
    );
}
