//! Calls that wait for one callee, which takes only so many at a time.
//!
//! Calls between two peers keep their order: a call waits if its registration is busy, or behind
//! an earlier one of the same caller. So each caller has a line of its own, and only the first in
//! a line waits for a registration: nothing is searched when one of them becomes free.
//!
//! ```text
//!  com.p:  12 ann · 14 cyd          ann:  12 com.p · 13 com.q · 19 com.p
//!  com.q:  17 bob                   bob:  17 com.q
//!                                   cyd:  14 com.p
//! ```
//!
//! Further parts of a call that waits stand with it, not behind what its caller asked for since:
//! all that came of a call goes out at once, so that no part of it waits while it is running.

use std::collections::BTreeMap;

use ahash::RandomState;

use super::super::relay::{Batch, Head, Relay};
use crate::env::Map;
use crate::message::RegistrationId;
use crate::session::{CallRef, SessionRef};

/// Calls that wait for one callee.
#[derive(Debug)]
pub(super) struct Queue {
    calls: Map<CallRef, Waiting>,
    /// The calls of each caller by their numbers. No line is empty.
    lines: Map<SessionRef, BTreeMap<u64, CallRef>>,
    /// The callers whose lines begin with a call of that registration, by the number of the call.
    firsts: Map<RegistrationId, BTreeMap<u64, SessionRef>>,
    len: usize,
    /// Octets of all that waits.
    bytes: usize,
    numbers: u64,
}

/// A call that waits.
#[derive(Debug)]
struct Waiting {
    /// Its place among all that ever waited here.
    number: u64,
    registration: RegistrationId,
    /// What is to be said to the callee.
    parts: Batch,
}

impl Queue {
    pub(super) fn new(hasher: &RandomState) -> Self {
        Self {
            calls: Map::with_hasher(hasher.clone()),
            lines: Map::with_hasher(hasher.clone()),
            firsts: Map::with_hasher(hasher.clone()),
            len: 0,
            bytes: 0,
            numbers: 0,
        }
    }

    /// How many wait, each part of a call counted.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// How many octets wait.
    pub(super) const fn bytes_count(&self) -> usize {
        self.bytes
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether something of `caller` waits.
    pub(super) fn holds_up(&self, caller: SessionRef) -> bool {
        self.lines.contains_key(&caller)
    }

    /// Whether `call` waits, with all parts of it that have come.
    pub(super) fn holds(&self, call: CallRef) -> bool {
        self.calls.contains_key(&call)
    }

    /// Appends a copy of `relay`: to its call, if that waits, or else to the line of its caller.
    pub(super) fn push(&mut self, realm: u16, relay: &Relay<'_>) {
        let Head::Invoke(head) = relay.head else { unreachable!("only invocations wait") };
        self.len += 1;
        if let Some(waiting) = self.calls.get_mut(&head.call) {
            let before = waiting.parts.bytes_count();
            waiting.parts.push(realm, relay);
            self.bytes += waiting.parts.bytes_count() - before;
            return;
        }
        self.numbers += 1;
        let (number, registration) = (self.numbers, head.registration);
        let mut parts = Batch::default();
        parts.push(realm, relay);
        self.bytes += parts.bytes_count();
        self.calls.insert(head.call, Waiting { number, registration, parts });
        let caller = head.call.caller;
        let line = self.lines.entry(caller).or_default();
        line.insert(number, head.call);
        if line.len() == 1 {
            self.firsts.entry(registration).or_default().insert(number, caller);
        }
    }

    /// Takes out all parts of the call that has waited longest for `registration`. Tells for
    /// which registration the caller's next call waits now, if there is one.
    pub(super) fn pop(
        &mut self,
        registration: RegistrationId,
    ) -> Option<(Batch, Option<RegistrationId>)> {
        let (_, caller) = self.firsts.get_mut(&registration)?.pop_first()?;
        let first = self.lines.get_mut(&caller).and_then(BTreeMap::pop_first);
        let (_, call) = first.expect("no line is empty");
        let Waiting { parts, .. } = self.calls.remove(&call).expect("it stood in a line");
        self.len -= parts.len();
        self.bytes -= parts.bytes_count();
        Some((parts, self.line_up(registration, caller)))
    }

    /// Takes out a call with all its parts, if it waits. Tells for which registration the caller's
    /// next call waits now, if it was the first in its line.
    pub(super) fn remove(&mut self, call: CallRef) -> Option<Option<RegistrationId>> {
        let Waiting { number, registration, parts } = self.calls.remove(&call)?;
        self.len -= parts.len();
        self.bytes -= parts.bytes_count();
        let line = self.lines.get_mut(&call.caller).expect("whatever waits stands in a line");
        line.remove(&number);
        let firsts = self.firsts.get_mut(&registration);
        if firsts.and_then(|firsts| firsts.remove(&number)).is_none() {
            return Some(None);
        }
        Some(self.line_up(registration, call.caller))
    }

    /// Everything, in the order in which it came.
    pub(super) fn into_calls(self) -> Vec<CallRef> {
        let mut all: Vec<_> = self.calls.into_iter().collect();
        all.sort_unstable_by_key(|(_, waiting)| waiting.number);
        all.into_iter().map(|(call, _)| call).collect()
    }

    /// The first in the line of `caller`, which waited for `registration`, is out.
    fn line_up(
        &mut self,
        registration: RegistrationId,
        caller: SessionRef,
    ) -> Option<RegistrationId> {
        if self.firsts.get(&registration).is_some_and(BTreeMap::is_empty) {
            self.firsts.remove(&registration);
        }
        let Some((number, next)) = self.lines.get(&caller)?.first_key_value() else {
            self.lines.remove(&caller);
            return None;
        };
        let registration = self.calls.get(next).expect("it stands in a line").registration;
        self.firsts.entry(registration).or_default().insert(*number, caller);
        Some(registration)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::relay::InvokeHead;
    use super::*;
    use crate::env::{Random, hash_key};
    use crate::message::{RequestId, SessionId};
    use crate::session::ShardId;

    const P: RegistrationId = RegistrationId(1);
    const Q: RegistrationId = RegistrationId(2);

    fn session(id: u64) -> SessionRef {
        SessionRef { id: SessionId(id), slot: 0, shard: ShardId(0) }
    }

    fn call(caller: u64, request: u64) -> CallRef {
        CallRef { caller: session(caller), request: RequestId(request), serial: request }
    }

    fn push(queue: &mut Queue, call: CallRef, registration: RegistrationId, continues: bool) {
        let callee = session(99);
        let head = InvokeHead { callee, registration, call, takes_passthru: false, continues };
        queue.push(0, &Relay::of(Head::Invoke(head)));
    }

    fn pop(queue: &mut Queue, registration: RegistrationId) -> (Vec<u64>, Option<RegistrationId>) {
        let (parts, next) = queue.pop(registration).expect("something waits");
        let request = |head: Head| {
            let Head::Invoke(head) = head else { panic!("{head:?} waited") };
            head.call.request.0
        };
        (parts.iter().map(|(_, relay)| request(relay.head)).collect(), next)
    }

    #[test]
    fn each_caller_keeps_its_order_and_nobody_is_passed_over() {
        let mut queue = Queue::new(&hash_key(&mut Random::from_number(1)));
        push(&mut queue, call(1, 1), P, false);
        push(&mut queue, call(1, 2), Q, false);
        push(&mut queue, call(1, 1), P, true);
        push(&mut queue, call(2, 3), P, false);
        push(&mut queue, call(1, 4), P, false);
        assert!(queue.len() == 5 && queue.holds_up(session(1)) && !queue.holds_up(session(3)));
        assert!(queue.pop(Q).is_none(), "it waits behind another of the same caller");
        assert_eq!(pop(&mut queue, P), (vec![1, 1], Some(Q)));
        assert_eq!(pop(&mut queue, P), (vec![3], None));
        assert!(queue.pop(P).is_none());
        assert_eq!(pop(&mut queue, Q), (vec![2], Some(P)));
        assert_eq!(pop(&mut queue, P), (vec![4], None));
        assert!(queue.is_empty() && queue.calls.is_empty());
        assert!(queue.lines.is_empty() && queue.firsts.is_empty());
    }

    #[test]
    fn what_is_given_up_lets_the_next_move_up() {
        let mut queue = Queue::new(&hash_key(&mut Random::from_number(1)));
        for (request, registration) in [(1, P), (2, P), (3, Q), (4, P)] {
            push(&mut queue, call(1, request), registration, false);
        }
        push(&mut queue, call(1, 2), P, true);
        assert!(queue.len() == 5 && queue.holds(call(1, 2)) && !queue.holds(call(2, 1)));
        assert_eq!(queue.remove(call(1, 2)), Some(None));
        assert_eq!(queue.remove(call(1, 2)), None);
        assert_eq!(queue.remove(call(2, 1)), None);
        assert_eq!(queue.remove(call(1, 1)), Some(Some(Q)));
        assert_eq!(pop(&mut queue, Q), (vec![3], Some(P)));
        assert_eq!(queue.remove(call(1, 4)), Some(None));
        assert!(queue.is_empty() && queue.calls.is_empty());
        assert!(queue.lines.is_empty() && queue.firsts.is_empty());
    }

    #[test]
    fn what_is_left_is_told_in_order() {
        let mut queue = Queue::new(&hash_key(&mut Random::from_number(1)));
        for number in 1..100 {
            push(&mut queue, call(number % 7, number), P, false);
        }
        let calls: Vec<_> = queue.into_calls().iter().map(|call| call.request.0).collect();
        assert_eq!(calls, (1..100).collect::<Vec<_>>());
    }
}
