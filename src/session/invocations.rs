//! The invocations of one callee that wait for their final answers.

use ahash::RandomState;

use super::{CallRef, PendingInvocation};
use crate::env::Map;
use crate::message::RequestId;

/// Invocations without a final answer, and the calls they serve.
///
/// They are found by their ids, which is how callees speak of them. Only when a caller gives up is
/// one looked for by its call: a few are searched, for a second map would cost every call; but
/// once there were many, that map is kept until all are answered, or callers that give up in
/// swarms would have the router search all of them each time.
#[derive(Debug)]
pub struct Invocations {
    pending: Map<RequestId, PendingInvocation>,
    by_call: Option<Box<Map<CallRef, RequestId>>>,
}

/// Up to this many are searched.
const SEARCHED_MAX: usize = 32;

impl Invocations {
    /// None so far.
    #[must_use]
    pub fn new(hash_key: &RandomState) -> Self {
        Self { pending: Map::with_hasher(hash_key.clone()), by_call: None }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// The invocation `id`.
    #[must_use]
    pub fn get(&self, id: RequestId) -> Option<PendingInvocation> {
        self.pending.get(&id).copied()
    }

    /// Notes that the callee of the invocation `id` was asked to stop. False if it was before.
    pub fn interrupt(&mut self, id: RequestId) -> bool {
        let pending = self.pending.get_mut(&id);
        pending.is_some_and(|pending| !std::mem::replace(&mut pending.interrupted, true))
    }

    /// All of them, in the order in which they went out.
    #[must_use]
    pub fn sorted(&self) -> Vec<(RequestId, PendingInvocation)> {
        let mut all: Vec<_> = self.pending.iter().map(|(id, pending)| (*id, *pending)).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }

    /// Adds one.
    pub fn insert(&mut self, id: RequestId, pending: PendingInvocation) {
        self.pending.insert(id, pending);
        if let Some(by_call) = &mut self.by_call {
            by_call.insert(pending.call, id);
        }
    }

    /// Takes the invocation `id` out.
    pub fn remove(&mut self, id: RequestId) -> Option<PendingInvocation> {
        let pending = self.pending.remove(&id)?;
        if self.pending.is_empty() {
            self.by_call = None;
        } else if let Some(by_call) = &mut self.by_call {
            by_call.remove(&pending.call);
        }
        Some(pending)
    }

    /// The invocation that serves `call`.
    pub fn of_call(&mut self, call: CallRef) -> Option<RequestId> {
        if self.by_call.is_none() && self.pending.len() <= SEARCHED_MAX {
            return self
                .pending
                .iter()
                .find(|(_, pending)| pending.call == call)
                .map(|(id, _)| *id);
        }
        let by_call = self.by_call.get_or_insert_with(|| {
            let mut by_call = Map::with_hasher(self.pending.hasher().clone());
            by_call.extend(self.pending.iter().map(|(id, pending)| (pending.call, *id)));
            Box::new(by_call)
        });
        by_call.get(&call).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::{Random, hash_key};
    use crate::message::{RegistrationId, SessionId};
    use crate::session::{SessionRef, ShardId};

    fn call(number: u64) -> CallRef {
        let caller = SessionRef { id: SessionId(number % 3), slot: 0, shard: ShardId(0) };
        CallRef { caller, request: RequestId(number), serial: number }
    }

    fn pending(number: u64) -> PendingInvocation {
        PendingInvocation {
            call: call(number),
            registration: RegistrationId(1),
            takes_passthru: false,
            interrupted: false,
        }
    }

    #[test]
    fn few_or_many_are_found_by_their_calls() {
        let mut random = Random::from_number(1);
        let mut invocations = Invocations::new(&hash_key(&mut random));
        let (mut model, mut last) = (Vec::new(), 0);
        for target in [10, 200, 20, 0, 40, 100, 0] {
            while model.len() != target {
                let place = random.below(model.len() as u64 + 1) as usize;
                if model.len() < target {
                    last += 1;
                    invocations.insert(RequestId(last), pending(1_000 + last));
                    model.push(last);
                } else if let Some(gone) = model.get(place).copied() {
                    model.remove(place);
                    assert_eq!(invocations.remove(RequestId(gone)), Some(pending(1_000 + gone)));
                    assert_eq!(invocations.remove(RequestId(gone)), None);
                }
                let wanted = 1 + random.below(last + 1);
                let found = model.contains(&wanted).then_some(RequestId(wanted));
                assert_eq!(invocations.of_call(call(1_000 + wanted)), found);
                assert_eq!(invocations.get(RequestId(wanted)).is_some(), found.is_some());
            }
            let sorted: Vec<_> = invocations.sorted().iter().map(|(id, _)| id.0).collect();
            model.sort_unstable();
            assert_eq!((sorted, invocations.len()), (model.clone(), target));
        }
        assert!(invocations.is_empty() && invocations.by_call.is_none());
    }
}
