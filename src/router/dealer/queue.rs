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

use std::collections::{BTreeMap, VecDeque};

use ahash::RandomState;

use super::super::relay::{Batch, Head, InvokeHead, Relay};
use crate::env::Map;
use crate::message::RegistrationId;
use crate::session::{CallRef, SessionRef};

/// A call, or another part of one, that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) head: InvokeHead,
    /// Its place among all that ever waited here.
    number: u64,
    /// Holds one relay.
    batch: Batch,
}

impl Waiting {
    /// What is to be said to the callee.
    pub(super) fn relay(&self) -> Relay<'_> {
        let (_, relay) = self.batch.iter().next().expect("one relay was queued");
        relay
    }
}

/// Calls that wait for one callee.
#[derive(Debug)]
pub(super) struct Queue {
    /// What waits, by caller, in order. No line is empty, and none begins with another part of a
    /// call: that went out with the part before it.
    lines: Map<SessionRef, VecDeque<Waiting>>,
    /// The callers whose lines begin with a call of that registration, by the number of the call.
    firsts: Map<RegistrationId, BTreeMap<u64, SessionRef>>,
    len: usize,
    numbers: u64,
}

impl Queue {
    pub(super) fn new(hasher: &RandomState) -> Self {
        let lines = Map::with_hasher(hasher.clone());
        let firsts = Map::with_hasher(hasher.clone());
        Self { lines, firsts, len: 0, numbers: 0 }
    }

    /// How many wait.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether something of `caller` waits.
    pub(super) fn holds_up(&self, caller: SessionRef) -> bool {
        self.lines.contains_key(&caller)
    }

    /// Whether `call` waits.
    pub(super) fn holds(&self, call: CallRef) -> bool {
        let line = self.lines.get(&call.caller);
        line.is_some_and(|line| line.iter().any(|waiting| waiting.head.call == call))
    }

    /// Appends a copy of `relay`, which is about `head`.
    pub(super) fn push(&mut self, realm: u16, relay: &Relay<'_>) {
        let Head::Invoke(head) = relay.head else { unreachable!("only invocations wait") };
        let mut batch = Batch::default();
        batch.push(realm, relay);
        self.numbers += 1;
        let number = self.numbers;
        self.len += 1;
        let line = self.lines.entry(head.call.caller).or_default();
        line.push_back(Waiting { head, number, batch });
        if line.len() == 1 {
            self.firsts.entry(head.registration).or_default().insert(number, head.call.caller);
        }
    }

    /// Takes out what has waited longest for `registration`, with all parts right behind it.
    /// Tells for which registration the caller's next call waits now, if there is one.
    pub(super) fn pop(
        &mut self,
        registration: RegistrationId,
    ) -> Option<(Vec<Waiting>, Option<RegistrationId>)> {
        let (_, caller) = self.firsts.get_mut(&registration)?.pop_first()?;
        let line = self.lines.get_mut(&caller).expect("it begins with the first");
        let mut parts: Vec<_> = line.pop_front().into_iter().collect();
        while line.front().is_some_and(|next| next.head.continues) {
            parts.extend(line.pop_front());
        }
        self.len -= parts.len();
        Some((parts, self.line_up(registration, caller)))
    }

    /// Takes out a call with all its parts, if it waits. Tells for which registration the caller's
    /// next call waits now, if it was the first in its line.
    pub(super) fn remove(&mut self, call: CallRef) -> Option<Option<RegistrationId>> {
        let line = self.lines.get_mut(&call.caller)?;
        let (before, first) = (line.len(), line.front()?);
        let (was_first, number) = (first.head.call == call, first.number);
        let registration = first.head.registration;
        line.retain(|waiting| waiting.head.call != call);
        let removed = before - line.len();
        self.len -= removed;
        if !was_first {
            return (removed > 0).then_some(None);
        }
        self.firsts.get_mut(&registration).and_then(|firsts| firsts.remove(&number));
        Some(self.line_up(registration, call.caller))
    }

    /// Everything, in the order in which it came.
    pub(super) fn into_calls(self) -> Vec<CallRef> {
        let mut all: Vec<_> = self.lines.into_values().flatten().collect();
        all.sort_unstable_by_key(|waiting| waiting.number);
        all.into_iter().map(|waiting| waiting.head.call).collect()
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
        let Some(next) = self.lines.get(&caller)?.front() else {
            self.lines.remove(&caller);
            return None;
        };
        let registration = next.head.registration;
        self.firsts.entry(registration).or_default().insert(next.number, caller);
        Some(registration)
    }
}

#[cfg(test)]
mod tests {
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
        (parts.iter().map(|part| part.head.call.request.0).collect(), next)
    }

    #[test]
    fn each_caller_keeps_its_order_and_nobody_is_passed_over() {
        let mut queue = Queue::new(&hash_key(&mut Random::from_number(1)));
        push(&mut queue, call(1, 1), P, false);
        push(&mut queue, call(1, 1), P, true);
        push(&mut queue, call(1, 2), Q, false);
        push(&mut queue, call(2, 3), P, false);
        push(&mut queue, call(1, 4), P, false);
        assert!(queue.len() == 5 && queue.holds_up(session(1)) && !queue.holds_up(session(3)));
        assert!(queue.pop(Q).is_none(), "it waits behind another of the same caller");
        assert_eq!(pop(&mut queue, P), (vec![1, 1], Some(Q)));
        assert_eq!(pop(&mut queue, P), (vec![3], None));
        assert!(queue.pop(P).is_none());
        assert_eq!(pop(&mut queue, Q), (vec![2], Some(P)));
        assert_eq!(pop(&mut queue, P), (vec![4], None));
        assert!(queue.is_empty() && queue.lines.is_empty() && queue.firsts.is_empty());
    }

    #[test]
    fn what_is_given_up_lets_the_next_move_up() {
        let mut queue = Queue::new(&hash_key(&mut Random::from_number(1)));
        for (request, registration) in [(1, P), (2, P), (3, Q), (4, P)] {
            push(&mut queue, call(1, request), registration, false);
        }
        assert_eq!(queue.remove(call(1, 2)), Some(None));
        assert_eq!(queue.remove(call(1, 2)), None);
        assert_eq!(queue.remove(call(2, 1)), None);
        assert_eq!(queue.remove(call(1, 1)), Some(Some(Q)));
        assert_eq!(pop(&mut queue, Q), (vec![3], Some(P)));
        assert_eq!(queue.remove(call(1, 4)), Some(None));
        assert!(queue.is_empty() && queue.lines.is_empty() && queue.firsts.is_empty());
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
