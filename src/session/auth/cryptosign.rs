//! WAMP-Cryptosign: the peer signs a random challenge by its Ed25519 key.
//!
//! The router knows the public key beforehand, so the signature says who the peer is. Where TLS
//! binds the channel, what is signed is mixed with it, so that an answer is worth nothing on any
//! other connection. The router may be asked to sign in turn.

use std::fmt;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use super::Secret;
use super::hex::{from_hex, to_hex};
use super::secret::is_same;
use crate::env::Random;

/// The one channel binding there is: RFC 9266. TLS 1.3 has no definition of `tls-unique`.
const TLS_EXPORTER: &str = "tls-exporter";

/// Reads a public key that somebody may have: 64 hexadecimal digits, of a point on the curve in its
/// one canonical form, and not one of the few for which anybody can sign.
#[must_use]
pub fn public_key_from_hex(text: &str) -> Option<[u8; 32]> {
    let key = from_hex(text)?;
    verifying_key(&key).map(|_| key)
}

fn verifying_key(octets: &[u8; 32]) -> Option<VerifyingKey> {
    if !is_canonical(octets) {
        return None;
    }
    VerifyingKey::from_bytes(octets).ok().filter(|key| !key.is_weak())
}

/// Whether the coordinate in `octets`, without the sign in its highest bit, is below the prime
/// 2^255 − 19: the same point must not have two names.
fn is_canonical(octets: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = octets;
    let is_above = last & 0x7f == 0x7f && middle.iter().all(|octet| *octet == 0xff);
    !(is_above && *first >= 0xed)
}

/// Whether `signature` is what the owner of `key` made of `message`, in the one canonical form.
#[must_use]
pub fn verify(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let Some(key) = verifying_key(key) else {
        return false;
    };
    key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
}

/// The key by which the router proves who it is. It must serve nothing else: it signs whatever 32
/// octets a client asks for.
#[derive(Clone)]
pub struct RouterKey(SigningKey);

impl RouterKey {
    /// Reads a private key of 64 hexadecimal digits, as `gigawamp keygen` writes it.
    #[must_use]
    pub fn from_hex(secret: &Secret) -> Option<Self> {
        let text = std::str::from_utf8(secret.expose()).ok()?;
        let octets = zeroize::Zeroizing::new(from_hex(text.trim())?);
        Some(Self(SigningKey::from_bytes(&octets)))
    }

    /// Its public half.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The signature of `message` and, behind it, `message`: 192 hexadecimal digits.
    fn sign(&self, message: &[u8; 32]) -> String {
        to_hex(&self.0.sign(message).to_bytes()) + &to_hex(message)
    }
}

impl fmt::Debug for RouterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RouterKey")
    }
}

/// What a client says in HELLO.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its public key: `authextra.pubkey`, read by [`public_key_from_hex`].
    pub public_key: [u8; 32],
    /// The channel binding it wants: `authextra.channel_binding`.
    pub channel_binding: Option<&'a str>,
    /// What TLS exports for that, if the connection is over TLS.
    pub exporter: Option<[u8; 32]>,
    /// What the router is to sign: `authextra.challenge`.
    pub challenge: Option<&'a str>,
}

/// The router's own proof, for `CHALLENGE.Extra`.
// spec: A-CSR-01
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterProof {
    /// `signature`: of the client's challenge, and that challenge.
    pub signature: String,
    /// `pubkey`: by which it is checked.
    pub public_key: String,
}

/// The client's own challenge is not 32 octets in hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidChallenge;

/// A challenge, and what its answer is checked by.
#[derive(Clone, Debug)]
pub struct Challenge {
    /// `CHALLENGE.Extra.challenge`.
    pub challenge: String,
    /// `CHALLENGE.Extra.channel_binding`: the one that the client asked for, if it is in force.
    pub channel_binding: Option<&'static str>,
    /// The router's own proof, if the client asked for it and the router has a key.
    pub router: Option<RouterProof>,
    /// What must be signed.
    message: [u8; 32],
    /// By which key; `None` if no signature will do.
    public_key: Option<[u8; 32]>,
}

impl Challenge {
    /// A challenge to the owner of a key. A channel binding that there is not is left out, and the
    /// client must see whether it goes on without.
    ///
    /// # Errors
    ///
    /// The client's own challenge makes no sense.
    // spec: A-CSN-03, A-CSB-02, A-CSB-03, A-CSR-01
    pub fn new(
        asked: &Asked<'_>,
        router: Option<&RouterKey>,
        random: &mut Random,
    ) -> Result<Self, InvalidChallenge> {
        let binding = match (asked.channel_binding, asked.exporter) {
            (Some(TLS_EXPORTER), Some(exporter)) => Some(exporter),
            _ => None,
        };
        let channel = binding.unwrap_or_default();
        let own = asked.challenge.map(|text| from_hex::<32>(text).ok_or(InvalidChallenge));
        let own = own.transpose()?;
        let proof = own.zip(router).map(|(challenge, key)| RouterProof {
            signature: key.sign(&xor(&challenge, &channel)),
            public_key: to_hex(&key.public_key()),
        });
        let mut challenge = [0; 32];
        random.fill(&mut challenge);
        // The router signs for whoever asks, so its own signature proves nothing of a client.
        let is_router = router.is_some_and(|key| key.public_key() == asked.public_key);
        Ok(Self {
            challenge: to_hex(&challenge),
            channel_binding: binding.map(|_| TLS_EXPORTER),
            router: proof,
            message: xor(&challenge, &channel),
            public_key: (!is_router).then_some(asked.public_key),
        })
    }

    /// Whether `answer` (the signature and, behind it, what was signed) answers the challenge.
    // spec: A-CSN-04, A-CSB-02, A-AUTH-15
    #[must_use]
    pub fn check(&self, answer: &str) -> bool {
        let Some(octets) = from_hex::<96>(answer) else {
            return false;
        };
        let (Some(signature), Some(message)) = (octets.first_chunk(), octets.last_chunk::<32>())
        else {
            return false;
        };
        let is_right = self.public_key.is_some_and(|key| verify(&key, &self.message, signature));
        is_right & is_same(message, &self.message)
    }
}

fn xor(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    std::array::from_fn(|place| left[place] ^ right[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Channel, private key, challenge and answer: the specification's own test vectors.
    const VECTORS: [[&str; 4]; 6] = [
        [
            "",
            "4d57d97a68f555696620a6d849c0ce582568518d729eb753dc7c732de2804510",
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "b32675b221f08593213737bef8240e7c15228b07028e19595294678c90d11c0c\
         ae80a357331bfc5cc9fb71081464e6e75013517c2cf067ad566a6b7b728e5d03\
         ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        ],
        [
            "",
            "d511fe78e23934b3dadb52fcd022974b80bd92bccc7c5cf404e46cc0a8a2f5cd",
            "b26c1f87c13fc1da14997f1b5a71995dff8fbe0a62fae8473c7bdbd05bfb607d",
            "d4209ad10d5aff6bfbc009d7e924795de138a63515efc7afc6b01b7fe5201372\
         190374886a70207b042294af5bd64ce725cd8dceb344e6d11c09d1aaaf4d660f\
         b26c1f87c13fc1da14997f1b5a71995dff8fbe0a62fae8473c7bdbd05bfb607d",
        ],
        [
            "",
            "6e1fde9cf9e2359a87420b65a87dc0c66136e66945196ba2475990d8a0c3a25b",
            "b05e6b8ad4d69abf74aa3be3c0ee40ae07d66e1895b9ab09285a2f1192d562d2",
            "7beb282184baadd08f166f16dd683b39cab53816ed81e6955def951cb2ddad1e\
         c184e206746fd82bda075af03711d3d5658fc84a76196b0fa8d1ebc92ef9f30b\
         b05e6b8ad4d69abf74aa3be3c0ee40ae07d66e1895b9ab09285a2f1192d562d2",
        ],
        [
            "62e935ae755f3d48f80d4d59f6121358c435722a67e859cc0caa8b539027f2ff",
            "4d57d97a68f555696620a6d849c0ce582568518d729eb753dc7c732de2804510",
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "9b6f41540c9b95b4b7b281c3042fa9c54cef43c842d62ea3fd6030fcb66e70b3\
         e80d49d44c29d1635da9348d02ec93f3ed1ef227dfb59a07b580095c2b82f80f\
         9d16ca518aa0c2b707f2b2a609edeca73bca8dd59817a633f35574ac6fd80d00",
        ],
        [
            "62e935ae755f3d48f80d4d59f6121358c435722a67e859cc0caa8b539027f2ff",
            "d511fe78e23934b3dadb52fcd022974b80bd92bccc7c5cf404e46cc0a8a2f5cd",
            "b26c1f87c13fc1da14997f1b5a71995dff8fbe0a62fae8473c7bdbd05bfb607d",
            "305aaa3ac25e98f651427688b3fc43fe7d8a68a7ec1d7d61c61517c519bd4a42\
         7c3015599d83ca28b4c652333920223844ef0725eb5dc2febfd6af7677b73f01\
         d0852a29b460fc92ec943242ac638a053bbacc200512b18b30d15083cbdc9282",
        ],
        [
            "62e935ae755f3d48f80d4d59f6121358c435722a67e859cc0caa8b539027f2ff",
            "6e1fde9cf9e2359a87420b65a87dc0c66136e66945196ba2475990d8a0c3a25b",
            "b05e6b8ad4d69abf74aa3be3c0ee40ae07d66e1895b9ab09285a2f1192d562d2",
            "ee3c7644fd8070532bc1fde3d70d742267da545d8c8f03e63bda63f1ad4214f4\
         d2c4bfdb4eb9526def42deeb7e31602a6ff99eba893e0a4ad4d45892ca75e608\
         d2b75e24a189a7f78ca776ba36fc53f6c3e31c32f251f2c524f0a44202f2902d",
        ],
    ];

    fn key(digits: &str) -> RouterKey {
        RouterKey::from_hex(&digits.into()).unwrap()
    }

    /// The challenge to the owner of `key`, over a channel if there is one, with set octets.
    fn challenge(key: &RouterKey, channel: Option<[u8; 32]>, octets: [u8; 32]) -> Challenge {
        Challenge {
            challenge: to_hex(&octets),
            channel_binding: channel.map(|_| TLS_EXPORTER),
            router: None,
            message: xor(&octets, &channel.unwrap_or_default()),
            public_key: Some(key.public_key()),
        }
    }

    fn asked(key: &RouterKey) -> Asked<'static> {
        let public_key = key.public_key();
        Asked { public_key, channel_binding: None, exporter: None, challenge: None }
    }

    // spec: A-CSN-04, A-CSN-06, A-CSB-02
    #[test]
    fn the_vectors_of_the_specification_hold() {
        for [channel, private, octets, answer] in VECTORS {
            let key = key(private);
            let channel = (!channel.is_empty()).then(|| from_hex(channel).unwrap());
            let challenge = challenge(&key, channel, from_hex(octets).unwrap());
            assert!(challenge.check(answer));
            assert_eq!(key.sign(&challenge.message), answer);
            assert!(challenge.check(&answer.to_uppercase()));
        }
    }

    // spec: A-CSN-04
    #[test]
    fn nothing_but_the_right_answer_is_right() {
        let [_, private, octets, answer] = VECTORS[1];
        let key = key(private);
        let challenge = challenge(&key, None, from_hex(octets).unwrap());
        let flipped = |digit: usize| {
            let mut answer = answer.to_owned();
            let other = if &answer[digit..=digit] == "0" { "1" } else { "0" };
            answer.replace_range(digit..=digit, other);
            answer
        };
        for digit in (0..192).step_by(7) {
            assert!(!challenge.check(&flipped(digit)), "digit {digit}");
        }
        let other = key.sign(&[0; 32]);
        let mixed = other[..128].to_owned() + &answer[128..];
        for wrong in ["", &answer[..128], &answer[..190], &other, &mixed, &format!("{answer}00")] {
            assert!(!challenge.check(wrong), "{wrong}");
        }
    }

    // spec: A-CSN-03
    #[test]
    fn no_challenge_comes_twice() {
        let key = key(VECTORS[0][1]);
        let mut random = Random::from_number(1);
        let mut new = || Challenge::new(&asked(&key), None, &mut random).unwrap();
        let (one, other) = (new(), new());
        let answer = key.sign(&one.message);
        assert_eq!(answer[128..], one.challenge);
        assert!(one.check(&answer) && !other.check(&answer));
        assert_eq!((one.channel_binding, one.router), (None, None));
    }

    // spec: A-CSB-02, A-CSB-03
    #[test]
    fn a_binding_is_in_force_or_left_out() {
        let key = key(VECTORS[0][1]);
        let mut random = Random::from_number(1);
        let exporter = Some([9; 32]);
        for (wanted, exporter, in_force) in [
            (Some("tls-exporter"), exporter, true),
            (Some("tls-exporter"), None, false),
            (Some("tls-unique"), exporter, false),
            (None, exporter, false),
        ] {
            let asked = Asked { channel_binding: wanted, exporter, ..asked(&key) };
            let challenge = Challenge::new(&asked, None, &mut random).unwrap();
            assert_eq!(challenge.channel_binding.is_some(), in_force, "{wanted:?}");
            let octets = from_hex(&challenge.challenge).unwrap();
            assert_eq!(challenge.check(&key.sign(&octets)), !in_force);
            assert_eq!(challenge.check(&key.sign(&xor(&octets, &[9; 32]))), in_force);
        }
    }

    // spec: A-CSR-01
    #[test]
    fn the_router_signs_if_it_is_asked() {
        let (client, router) = (key(VECTORS[0][1]), key(VECTORS[1][1]));
        let mut random = Random::from_number(1);
        let own = to_hex(&[3; 32]);
        for (channel, exporter) in [(None, [0; 32]), (Some(TLS_EXPORTER), [9; 32])] {
            let asked = Asked {
                channel_binding: channel,
                exporter: Some(exporter),
                challenge: Some(&own),
                ..asked(&client)
            };
            let challenge = Challenge::new(&asked, Some(&router), &mut random).unwrap();
            let proof = challenge.router.unwrap();
            assert_eq!(proof.public_key, to_hex(&router.public_key()));
            assert_eq!(proof.signature, router.sign(&xor(&[3; 32], &exporter)));
            let without = Challenge::new(&asked, None, &mut random).unwrap();
            assert_eq!(without.router, None);
        }
        let long = "00".repeat(33);
        for text in ["", "00", "zz", &long] {
            let asked = Asked { challenge: Some(text), ..asked(&client) };
            let outcome = Challenge::new(&asked, Some(&router), &mut random);
            assert_eq!(outcome.unwrap_err(), InvalidChallenge, "{text}");
        }
    }

    #[test]
    fn the_routers_own_signature_proves_nothing_of_a_client() {
        let router = key(VECTORS[1][1]);
        let mut random = Random::from_number(1);
        let challenge = Challenge::new(&asked(&router), Some(&router), &mut random).unwrap();
        assert!(!challenge.check(&router.sign(&challenge.message)));
    }

    /// Keys of small order have signatures that fit anything; others have a second spelling.
    #[test]
    fn keys_and_signatures_of_no_worth_are_refused() {
        let identity = "01".to_owned() + &"00".repeat(31);
        let order_two = "ec".to_owned() + &"ff".repeat(30) + "7f";
        let order_four = "00".repeat(32);
        let order_eight = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
        let spelled_otherwise = "ee".to_owned() + &"ff".repeat(30) + "7f";
        let no_point = "02".to_owned() + &"00".repeat(31);
        for text in
            [&*identity, &*order_two, &*order_four, order_eight, &*spelled_otherwise, &*no_point]
        {
            assert_eq!(public_key_from_hex(text), None, "{text}");
        }
        let key = key(VECTORS[1][1]);
        let digits = to_hex(&key.public_key());
        assert_eq!(public_key_from_hex(&digits), Some(key.public_key()));
        assert_eq!(public_key_from_hex(&digits[..62]), None);

        // R is the identity, S zero: right for a public key of small order, whatever is signed.
        let mut signature = [0; 64];
        signature[0] = 1;
        let mut weak = [0; 32];
        weak[0] = 1;
        assert!(!verify(&weak, b"anything", &signature));

        // S plus the order of the group: right for those who do not look.
        let message = [5; 32];
        let mut signature = key.0.sign(&message).to_bytes();
        assert!(verify(&key.public_key(), &message, &signature));
        let order: [u8; 32] =
            from_hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
        let mut carry = 0;
        for (octet, add) in signature[32..].iter_mut().zip(order) {
            let sum = u16::from(*octet) + u16::from(add) + carry;
            (*octet, carry) = (sum.to_le_bytes()[0], sum >> 8);
        }
        assert!(!verify(&key.public_key(), &message, &signature));
    }

    #[test]
    fn keys_are_not_shown() {
        assert_eq!(format!("{:?}", key(VECTORS[0][1])), "RouterKey");
    }
}
