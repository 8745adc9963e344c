//! Load against a WAMP router.
fn main() {}
