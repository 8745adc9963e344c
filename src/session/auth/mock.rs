//! Credentials for identities that do not exist, so that nobody can tell that they do not.
//!
//! An unknown authid gets parameters of a shape that somebody in the realm has (the same method of
//! hashing, the same cost, a salt of the same length), always the same for one authid, and keys
//! that nobody knows. All of it is derived from a seed by HMAC-SHA256.
//!
//! Where an authenticator knows whom the configuration does not, the shape of the first one it
//! vouches for is noted ([`Looks`]) and counts as one more; until then a usual one does.

use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::hmac;

use super::hex::to_hex;
use super::{Candidate, Cra, Kdf, Principal, Salted, Scram, ScramKeys, Secret, Ticket};

/// Shapes of one kind that are remembered: principals made in one way share one.
const SHAPES_MAX: usize = 64;

/// Octets of the salt, iterations and KiB of SCRAM as the client in the field makes them by which
/// most authenticators' records were made.
const USUAL_SCRAM: ScramShape = (Kdf::Argon2id, 16, 4_096, 512, 1);

/// The seed for the realm of that name: with one seed for all of them, a name that nobody has would
/// be shown the same in all realms, and a name that somebody has would not.
#[must_use]
pub fn seed_of_realm(secret: &Secret, realm: &str) -> Secret {
    Secret::new(Stream::new(secret, "realm", realm).take())
}

/// One of `count` that belongs to `name`, as nobody can foretell who does not know the secret.
#[must_use]
pub fn choice(secret: &Secret, name: &str, count: usize) -> Option<usize> {
    Stream::new(secret, "choice", name).index(count)
}

/// What can be seen of the credentials of those whom an authenticator knows: as the first one
/// showed it.
#[derive(Debug, Default)]
pub struct Looks {
    cra: OnceLock<(Role, CraShape)>,
    scram: OnceLock<(Role, ScramShape)>,
}

impl Looks {
    /// Takes note of what somebody with that role shows.
    pub fn learn_cra(&self, role: &Arc<str>, cra: &Cra) {
        self.cra.get_or_init(|| (Arc::clone(role), cra_shape(cra)));
    }

    /// Takes note of what somebody with that role shows.
    pub fn learn_scram(&self, role: &Arc<str>, scram: &Scram) {
        self.scram.get_or_init(|| (Arc::clone(role), scram_shape(scram)));
    }
}

/// Makes credentials for identities that do not exist.
#[derive(Clone, Debug)]
pub struct Mocks {
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

    /// The same shapes, with another seed.
    #[must_use]
    pub fn seeded(&self, seed: Secret) -> Self {
        Self { seed, ..self.clone() }
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
    #[must_use]
    pub fn ticket(&self, authid: &str) -> Option<Candidate<Ticket>> {
        let mut stream = self.stream("ticket", authid);
        let (role, shape) = stream.pick(&self.tickets, None)?;
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
    #[must_use]
    pub fn cra(&self, authid: &str) -> Option<Candidate<Cra>> {
        self.cra_of(authid, None)
    }

    /// A key of WAMP-CRA that nobody has, neither here nor as far as an authenticator knows. `role`
    /// is the one to speak of before anybody was vouched for.
    #[must_use]
    pub fn strange_cra(&self, authid: &str, looks: &Looks, role: &Arc<str>) -> Candidate<Cra> {
        let usual = (Arc::clone(role), None);
        let seen = looks.cra.get().unwrap_or(&usual);
        self.cra_of(authid, Some(seen)).expect("one shape is given")
    }

    /// Keys of SCRAM that nobody has, if anybody has any.
    #[must_use]
    pub fn scram(&self, authid: &str) -> Option<Candidate<Scram>> {
        self.scram_of(authid, None)
    }

    /// Keys of SCRAM that nobody has, neither here nor as far as an authenticator knows; `role` as
    /// for [`Self::strange_cra`].
    #[must_use]
    pub fn strange_scram(&self, authid: &str, looks: &Looks, role: &Arc<str>) -> Candidate<Scram> {
        let usual = (Arc::clone(role), USUAL_SCRAM);
        let seen = looks.scram.get().unwrap_or(&usual);
        self.scram_of(authid, Some(seen)).expect("one shape is given")
    }

    fn cra_of(&self, authid: &str, seen: Option<&(Role, CraShape)>) -> Option<Candidate<Cra>> {
        let mut stream = self.stream("wampcra", authid);
        let (role, shape) = stream.pick(&self.cra, seen)?;
        let key = Secret::new(stream.take());
        let salted = shape.map(|(length, iterations, keylen)| {
            let salt = stream.text(length).into();
            Salted { salt, iterations, keylen }
        });
        Some(nobody(role, Cra { key, salted }))
    }

    fn scram_of(
        &self,
        authid: &str,
        seen: Option<&(Role, ScramShape)>,
    ) -> Option<Candidate<Scram>> {
        let mut stream = self.stream("scram", authid);
        let (role, (kdf, length, iterations, memory, count)) = stream.pick(&self.scram, seen)?;
        let salt = stream.octets(*length).into();
        let keys = || ScramKeys { stored: stream.take(), server: Secret::new(stream.take()) };
        let keys = std::iter::repeat_with(keys).take(*count).collect();
        let (kdf, iterations, memory) = (*kdf, *iterations, *memory);
        Some(nobody(role, Scram { kdf, salt, iterations, memory, keys }))
    }

    fn stream(&self, purpose: &str, authid: &str) -> Stream {
        Stream::new(&self.seed, purpose, authid)
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
    /// What `seed` comes to for that purpose and that name.
    fn new(seed: &Secret, purpose: &str, name: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, seed.expose());
        let mut about = hmac::Context::with_key(&key);
        about.update(purpose.as_bytes());
        about.update(b"\0");
        about.update(name.as_bytes());
        let key = hmac::Key::new(hmac::HMAC_SHA256, about.sign().as_ref());
        Self { key, taken: 0 }
    }

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

    /// One of `shapes`, of which `more` is another one.
    fn pick<'s, T>(&mut self, shapes: &'s [T], more: Option<&'s T>) -> Option<&'s T> {
        let index = self.index(shapes.len() + usize::from(more.is_some()))?;
        shapes.get(index).or(more)
    }

    /// A number below `count`, if there is one.
    fn index(&mut self, count: usize) -> Option<usize> {
        let first = self.take().first_chunk().copied().map_or(0, u32::from_be_bytes);
        usize::try_from(first).ok()?.checked_rem(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scram(salt: usize, iterations: u32) -> Scram {
        let keys = ScramKeys { stored: [1; 32], server: Secret::new([2; 32]) };
        let salt = vec![3; salt].into();
        Scram { kdf: Kdf::Pbkdf2, salt, iterations, memory: 0, keys: [keys].into() }
    }

    /// What a challenge shows of it.
    fn shown(scram: &Candidate<Scram>) -> (Kdf, usize, u32) {
        let Scram { kdf, salt, iterations, .. } = &scram.credential;
        (*kdf, salt.len(), *iterations)
    }

    #[test]
    fn whom_an_authenticator_does_not_know_looks_like_the_first_whom_it_knows() {
        let (mocks, looks) = (Mocks::new("seed".into()), Looks::default());
        let (user, guest): (Arc<str>, Arc<str>) = ("user".into(), "guest".into());
        let ghost = || mocks.strange_scram("ghost", &looks, &user);
        assert_eq!((shown(&ghost()), ghost().role), ((Kdf::Argon2id, 16, 4_096), "user".into()));
        looks.learn_scram(&guest, &scram(12, 9_000));
        looks.learn_scram(&user, &scram(9, 5_000));
        assert_eq!((shown(&ghost()), ghost().role), ((Kdf::Pbkdf2, 12, 9_000), "guest".into()));
        assert_eq!(ghost().credential, ghost().credential);

        let ghost = || mocks.strange_cra("ghost", &looks, &user).credential;
        assert_eq!(ghost().salted, None);
        let salted = Salted { salt: "0123456".into(), iterations: 7, keylen: 24 };
        looks.learn_cra(&guest, &Cra { key: "x".into(), salted: Some(salted) });
        let salted = ghost().salted.unwrap();
        assert_eq!((salted.salt.len(), salted.iterations, salted.keylen), (7, 7, 24));
        assert!(mocks.cra("ghost").is_none(), "without an authenticator, nobody has any");
    }

    #[test]
    fn realms_show_one_name_each_in_its_own_way() {
        let secret = Secret::from("of all realms");
        assert_eq!(seed_of_realm(&secret, "a"), seed_of_realm(&secret, "a"));
        assert_ne!(seed_of_realm(&secret, "a"), seed_of_realm(&secret, "b"));
        assert_ne!(seed_of_realm(&secret, "a"), seed_of_realm(&"other".into(), "a"));
        let mut mocks = Mocks::new(seed_of_realm(&secret, "a"));
        let credentials =
            super::super::Credentials { scram: Some(scram(16, 4_096)), ..Default::default() };
        mocks.learn(&Principal { authid: "joe".into(), role: "guest".into(), credentials });
        let other = mocks.seeded(seed_of_realm(&secret, "b"));
        let salt = |mocks: &Mocks| mocks.scram("ghost").unwrap().credential.salt;
        assert_ne!(salt(&mocks), salt(&other));
    }

    #[test]
    fn a_choice_is_one_of_those_there_are() {
        let secret = Secret::from("secret");
        assert_eq!(choice(&secret, "x", 0), None);
        assert_eq!(choice(&secret, "x", 1), Some(0));
        let mut seen = [0; 3];
        for name in 0..100 {
            seen[choice(&secret, &name.to_string(), 3).unwrap()] += 1;
        }
        assert!(seen.iter().all(|count| *count > 10), "{seen:?}");
    }
}
