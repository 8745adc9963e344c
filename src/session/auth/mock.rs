//! Credentials for identities that do not exist, so that nobody can tell that they do not.
//!
//! An unknown authid gets parameters of a shape that somebody in the realm has (the same method of
//! hashing, the same cost, a salt of the same length), always the same for one authid, and keys
//! that nobody knows. All of it is derived from a seed by HMAC-SHA256.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::hmac;

use super::hex::to_hex;
use super::{Candidate, Cra, Kdf, Principal, Salted, Scram, ScramKeys, Secret, Ticket};

/// Shapes of one kind that are remembered: principals made in one way share one.
const SHAPES_MAX: usize = 64;

/// Makes credentials for identities that do not exist.
#[derive(Clone, Debug)]
pub(super) struct Mocks {
    seed: Secret,
    tickets: Shapes<TicketShape>,
    cra: Shapes<CraShape>,
    scram: Shapes<ScramShape>,
}

type Role = Arc<str>;

/// Each shape once, beside the role of whoever has it; in order.
type Shapes<T> = Vec<(Role, T)>;

/// What all can see of a ticket's hash: how long it takes. `None`: not long.
type TicketShape = Option<Arc<str>>;

/// What a challenge of WAMP-CRA shows: octets of the salt, iterations, octets of the key.
type CraShape = Option<(usize, u32, u32)>;

/// What a challenge of SCRAM shows: derivation, octets of the salt, iterations, KiB; and how many
/// keys a proof is compared with.
type ScramShape = (Kdf, usize, u32, u32, usize);

impl Mocks {
    /// Nothing is learned yet.
    pub(super) const fn new(seed: Secret) -> Self {
        Self { seed, tickets: Vec::new(), cra: Vec::new(), scram: Vec::new() }
    }

    /// Learns the shapes of what somebody has.
    pub(super) fn learn(&mut self, Principal { role, credentials, .. }: &Principal) {
        if let Some(ticket) = &credentials.ticket {
            add(&mut self.tickets, (Arc::clone(role), ticket_shape(ticket)));
        }
        if let Some(cra) = &credentials.cra {
            add(&mut self.cra, (Arc::clone(role), cra_shape(cra)));
        }
        if let Some(scram) = &credentials.scram {
            add(&mut self.scram, (Arc::clone(role), scram_shape(scram)));
        }
    }

    /// A ticket that nobody has, if there are tickets at all.
    pub(super) fn ticket(&self, authid: &str) -> Option<Candidate<Ticket>> {
        let mut stream = self.stream("ticket", authid);
        let (role, shape) = stream.pick(&self.tickets)?;
        let ticket = match shape {
            None => Ticket::Digest(stream.take()),
            Some(head) => {
                let salt = STANDARD_NO_PAD.encode(stream.octets(16));
                let hash = STANDARD_NO_PAD.encode(stream.take());
                Ticket::Slow(format!("{head}${salt}${hash}").into())
            }
        };
        Some(nobody(role, ticket))
    }

    /// A key of WAMP-CRA that nobody has, if anybody has one.
    pub(super) fn cra(&self, authid: &str) -> Option<Candidate<Cra>> {
        let mut stream = self.stream("wampcra", authid);
        let (role, shape) = stream.pick(&self.cra)?;
        let key = Secret::new(stream.take());
        let salted = shape.map(|(length, iterations, keylen)| {
            let salt = stream.text(length).into();
            Salted { salt, iterations, keylen }
        });
        Some(nobody(role, Cra { key, salted }))
    }

    /// Keys of SCRAM that nobody has, if anybody has any.
    pub(super) fn scram(&self, authid: &str) -> Option<Candidate<Scram>> {
        let mut stream = self.stream("scram", authid);
        let (role, (kdf, length, iterations, memory, count)) = stream.pick(&self.scram)?;
        let salt = stream.octets(*length).into();
        let keys = || ScramKeys { stored: stream.take(), server: Secret::new(stream.take()) };
        let keys = std::iter::repeat_with(keys).take(*count).collect();
        let (kdf, iterations, memory) = (*kdf, *iterations, *memory);
        Some(nobody(role, Scram { kdf, salt, iterations, memory, keys }))
    }

    fn stream(&self, purpose: &str, authid: &str) -> Stream {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.seed.expose());
        let mut about = hmac::Context::with_key(&key);
        about.update(purpose.as_bytes());
        about.update(b"\0");
        about.update(authid.as_bytes());
        let key = hmac::Key::new(hmac::HMAC_SHA256, about.sign().as_ref());
        Stream { key, taken: 0 }
    }
}

fn nobody<C>(role: &Role, credential: C) -> Candidate<C> {
    Candidate { principal: None, role: Arc::clone(role), credential }
}

/// A digest is as good as any other; of a slow hash, how slow it is must be the same.
fn ticket_shape(ticket: &Ticket) -> TicketShape {
    match ticket {
        Ticket::Digest(_) => None,
        // $argon2id$v=19$m=…,t=…,p=…$salt$hash
        Ticket::Slow(phc) => {
            let head = phc.rmatch_indices('$').nth(1).map_or(&**phc, |(end, _)| &phc[..end]);
            Some(head.into())
        }
    }
}

fn cra_shape(cra: &Cra) -> CraShape {
    let salted = cra.salted.as_ref()?;
    Some((salted.salt.len(), salted.iterations, salted.keylen))
}

fn scram_shape(scram: &Scram) -> ScramShape {
    (scram.kdf, scram.salt.len(), scram.iterations, scram.memory, scram.keys.len())
}

fn add<T: Ord>(shapes: &mut Shapes<T>, shape: (Role, T)) {
    if let Err(place) = shapes.binary_search(&shape)
        && shapes.len() < SHAPES_MAX
    {
        shapes.insert(place, shape);
    }
}

/// Octets that look random and are always the same for one authid.
struct Stream {
    key: hmac::Key,
    taken: u32,
}

impl Stream {
    /// The next 32.
    fn take(&mut self) -> [u8; 32] {
        self.taken += 1;
        let mut octets = [0; 32];
        octets.copy_from_slice(hmac::sign(&self.key, &self.taken.to_be_bytes()).as_ref());
        octets
    }

    /// The next `count`.
    fn octets(&mut self, count: usize) -> Vec<u8> {
        let mut octets = Vec::with_capacity(count);
        while octets.len() < count {
            let more = self.take();
            octets.extend_from_slice(&more[..more.len().min(count - octets.len())]);
        }
        octets
    }

    /// A salt of `length` characters, as it is drawn for those who exist.
    fn text(&mut self, length: usize) -> String {
        let mut text = to_hex(&self.octets(length.div_ceil(2)));
        text.truncate(length);
        text
    }

    /// One of `shapes`.
    fn pick<'s, T>(&mut self, shapes: &'s [T]) -> Option<&'s T> {
        let first = self.take().first_chunk().copied().map_or(0, u32::from_be_bytes);
        let index = usize::try_from(first).ok()?.checked_rem(shapes.len())?;
        shapes.get(index)
    }
}
