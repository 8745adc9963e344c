//! Cookies by which clients are known again.
//!
//! The HTTP handshake gives a client a name of 128 bits that nobody can guess. Once the client has
//! proved who it is by any method that proves something, the name stands for that identity, in
//! that realm and for so long; a later HELLO with the method `cookie` needs no other proof. It also
//! ends for good when whoever has vouched for the client is removed or another one than before
//! ([`Voucher`]).
//!
//! Every shard keeps all of them and tells the others what it learns, for the client's next
//! connection may be on any.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::config::{AdvisorKind, Config};
use crate::env::{Instant, Map};
use crate::session::auth::{Method, Principal};
use crate::wire::CookieValue;

/// Cookies that are remembered; the oldest go first.
const COOKIES_MAX: usize = 10_000;

/// Who somebody was, by its cookie.
#[derive(Clone, Debug)]
pub(in crate::router) struct Remembered {
    pub(in crate::router) cookie: CookieValue,
    /// The index of its realm.
    pub(in crate::router) realm: u16,
    pub(in crate::router) authid: Arc<str>,
    pub(in crate::router) role: Arc<str>,
    /// Who says so.
    pub(in crate::router) voucher: Voucher,
    /// How long it counts; a moment that has passed: no more at all.
    pub(in crate::router) until: Instant,
}

/// Who has said who a client is: that counts for as long as this one is there as it was.
#[derive(Clone, Debug)]
pub(in crate::router) enum Voucher {
    /// The configuration, by this principal: with another secret or key it has to be proved anew.
    Principal(Arc<Principal>),
    /// Whoever signs tokens, by the digest of what tokens must be like.
    Tokens([u8; 32]),
    /// The authenticator that was asked about clients of that method, in the realm of that index.
    Authenticator(u16, Method, AdvisorKind),
}

impl Remembered {
    /// Whether whoever said so would still be believed.
    pub(super) fn is_vouched_for(&self, config: &Config) -> bool {
        let realm = match self.voucher {
            Voucher::Authenticator(asked, ..) => asked,
            Voucher::Principal(_) | Voucher::Tokens(_) => self.realm,
        };
        let Some(realm) = config.realms.get(usize::from(realm)) else { return false };
        let known = &realm.authentication;
        match &self.voucher {
            Voucher::Principal(before) => known.principals.find(&self.authid) == Some(before),
            Voucher::Tokens(before) => {
                known.jwt.as_ref().is_some_and(|tokens| tokens.fingerprint() == *before)
            }
            Voucher::Authenticator(_, method, before) => {
                let asked = known.authenticator(*method);
                let asked = asked.and_then(|index| known.authenticators.get(index));
                asked.is_some_and(|asked| asked.advisor.kind == *before)
            }
        }
    }
}

/// All cookies that stand for somebody.
#[derive(Debug)]
pub(in crate::router) struct Cookies {
    known: Map<(CookieValue, u16), Arc<Remembered>>,
    /// The same, the oldest first; each once.
    order: VecDeque<(CookieValue, u16)>,
}

impl Cookies {
    pub(in crate::router) fn new(hash_key: &ahash::RandomState) -> Self {
        Self { known: Map::with_hasher(hash_key.clone()), order: VecDeque::new() }
    }

    /// Who `cookie` stands for in that realm.
    pub(super) fn find(
        &self,
        cookie: CookieValue,
        realm: u16,
        now: Instant,
    ) -> Option<&Arc<Remembered>> {
        self.known.get(&(cookie, realm)).filter(|remembered| remembered.until > now)
    }

    /// Forgets those that nobody vouches for any more: not even if somebody does again.
    pub(in crate::router) fn review(&mut self, config: &Config) {
        self.known.retain(|_, remembered| remembered.is_vouched_for(config));
        self.order.retain(|key| self.known.contains_key(key));
    }

    /// Takes note of who a cookie stands for, or does not stand for any more.
    pub(super) fn learn(&mut self, remembered: &Arc<Remembered>, now: Instant) {
        let key = (remembered.cookie, remembered.realm);
        if self.known.remove(&key).is_some() {
            self.order.retain(|other| *other != key);
        }
        if remembered.until <= now {
            return;
        }
        while self.order.len() >= COOKIES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(key);
        self.known.insert(key, Arc::clone(remembered));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::env::{Random, hash_key};

    fn remembered(number: u32, until: u64) -> Arc<Remembered> {
        let mut octets = [0; 16];
        octets[..4].copy_from_slice(&number.to_be_bytes());
        Arc::new(Remembered {
            cookie: CookieValue::new(octets),
            realm: 1,
            authid: "joe".into(),
            role: "guest".into(),
            voucher: Voucher::Tokens([0; 32]),
            until: at(until),
        })
    }

    fn at(seconds: u64) -> Instant {
        Instant::default() + Duration::from_secs(seconds)
    }

    fn cookies() -> Cookies {
        Cookies::new(&hash_key(&mut Random::from_number(1)))
    }

    #[test]
    fn a_cookie_stands_for_somebody_in_one_realm_and_for_a_time() {
        let (mut cookies, joe) = (cookies(), remembered(7, 10));
        cookies.learn(&joe, at(1));
        assert_eq!(cookies.find(joe.cookie, 1, at(9)).unwrap().authid, joe.authid);
        assert!(cookies.find(joe.cookie, 1, at(10)).is_none());
        assert!(cookies.find(joe.cookie, 0, at(9)).is_none());
        assert!(cookies.find(remembered(8, 10).cookie, 1, at(9)).is_none());
        cookies.learn(&remembered(7, 0), at(2));
        assert!(cookies.find(joe.cookie, 1, at(3)).is_none());
        assert!(cookies.order.is_empty());
    }

    #[test]
    fn only_so_many_are_remembered() {
        let mut cookies = cookies();
        for number in 0..=u32::try_from(COOKIES_MAX).unwrap() {
            cookies.learn(&remembered(number, 10), at(1));
            cookies.learn(&remembered(number, 11), at(1));
        }
        assert_eq!((cookies.known.len(), cookies.order.len()), (COOKIES_MAX, COOKIES_MAX));
        assert!(cookies.find(remembered(0, 0).cookie, 1, at(2)).is_none());
    }
}
