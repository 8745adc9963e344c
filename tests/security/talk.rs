//! Clients that know how to talk and say what they should not. What they do not hear as expected
//! fails their case by a panic.

use gigawamp::wire::Framing;
use serde_json::{Value, json};

use crate::case::Verdict;
use crate::ground::Ground;
use crate::peer::Peer;

/// A client with a session in `realm1`.
pub(crate) fn joined(ground: &Ground) -> Peer {
    ground.peer(Framing::RawSocket)
}

/// A client with a session in another realm.
pub(crate) fn in_realm(ground: &Ground, realm: &str) -> Peer {
    let mut peer = Peer::tcp(&ground.address, Framing::RawSocket);
    peer.join(realm);
    peer
}

/// A client that announces everything, and its session id.
pub(crate) fn featured(ground: &Ground, realm: &str) -> (Peer, u64) {
    let caller = json!({
        "progressive_call_results": true, "progressive_call_invocations": true,
        "call_canceling": true, "call_timeout": true,
    });
    let roles = json!({
        "caller": {"features": caller}, "callee": {"features": caller},
        "publisher": {}, "subscriber": {},
    });
    let mut peer = Peer::tcp(&ground.address, Framing::RawSocket);
    peer.send(&json!([1, realm, {"roles": roles}]));
    let session_id = peer.expect(2)[1].as_u64().unwrap();
    (peer, session_id)
}

/// Some of them, in the order in which they joined; not all are on one shard.
pub(crate) fn some<const N: usize>(ground: &Ground) -> [Peer; N] {
    [(); N].map(|()| joined(ground))
}

/// The URI of the ERROR that answers `request`.
#[track_caller]
pub(crate) fn error_of(peer: &mut Peer, request: &Value) -> String {
    peer.send(request);
    let error = peer.expect(8);
    assert_eq!((&error[1], &error[2]), (&request[0], &request[1]), "{error}");
    error[4].as_str().unwrap().to_owned()
}

/// The reason of the ABORT that comes next, behind which there must be the end.
#[track_caller]
pub(crate) fn abort_of(peer: &mut Peer) -> String {
    let abort = peer.expect(3);
    assert_eq!(peer.receive(), None);
    abort[2].as_str().unwrap().to_owned()
}

/// Subscribes; the subscription's id.
#[track_caller]
pub(crate) fn subscribe(peer: &mut Peer, request: u64, options: Value, topic: &str) -> u64 {
    peer.send(&json!([32, request, options, topic]));
    peer.expect(33)[2].as_u64().unwrap()
}

/// Registers; the registration's id.
#[track_caller]
pub(crate) fn register(peer: &mut Peer, request: u64, options: Value, procedure: &str) -> u64 {
    peer.send(&json!([64, request, options, procedure]));
    peer.expect(65)[2].as_u64().unwrap()
}

/// Calls and takes the RESULT.
#[track_caller]
pub(crate) fn call(peer: &mut Peer, request: u64, procedure: &str, arguments: Value) -> Value {
    peer.send(&json!([48, request, {}, procedure, arguments]));
    peer.expect(50)
}

/// Says each of `messages` in a session of its own, which must end as a violation.
pub(crate) fn violates(ground: &Ground, messages: impl IntoIterator<Item = Value>) -> Verdict {
    let mut count = 0;
    for message in messages {
        let mut peer = joined(ground);
        peer.send(&message);
        let reason = abort_of(&mut peer);
        if reason != "wamp.error.protocol_violation" {
            return Err(format!("{reason} for {message}"));
        }
        count += 1;
    }
    Ok(format!("{count} times protocol_violation"))
}

/// Compares what was heard with what was expected.
pub(crate) fn expect(found: &str, expected: &str, what: &str) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{found} instead of {expected}: {what}")) }
}
