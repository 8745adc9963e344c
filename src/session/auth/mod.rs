//! How a peer proves who it is: one pure pair of functions for each method.
//!
//! A method makes a challenge of what it is given (chance, the moment, the claim) and later judges
//! the answer. Nothing here waits, asks the world or keeps state: that is the router's part. What
//! is too slow for a shard is not computed here, but named for somebody else to do.
//!
//! What a claimed identity must prove comes from [`Principals`], which has an answer for identities
//! that do not exist too, so that both cost and look the same.

pub mod cra;
pub mod cryptosign;
pub mod hex;
pub mod jwt;
pub mod mock;
pub mod principals;
pub mod scram;
pub mod secret;
pub mod ticket;

pub use principals::{
    Candidate, Certificate, Cra, Credentials, DuplicatePrincipal, Kdf, Principal, Principals,
    Salted, Scram, ScramKeys, Ticket,
};
pub use secret::Secret;

/// A way to prove an identity, by its name in `HELLO.Details.authmethods`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// No proof at all.
    Anonymous,
    /// A shared ticket in plain text, or a JSON Web Token.
    Ticket,
    /// A signature by a shared secret.
    Cra,
    /// The SCRAM of clients in the field, `scram`.
    Scram,
    /// The SCRAM of the specification, `wamp-scram`.
    WampScram,
    /// A signature by an Ed25519 key.
    Cryptosign,
    /// The certificate by which the TLS connection was made.
    Tls,
    /// A cookie that an earlier session left.
    Cookie,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Anonymous,
        Self::Ticket,
        Self::Cra,
        Self::Scram,
        Self::WampScram,
        Self::Cryptosign,
        Self::Tls,
        Self::Cookie,
    ];

    /// The method of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Ticket => "ticket",
            Self::Cra => "wampcra",
            Self::Scram => "scram",
            Self::WampScram => "wamp-scram",
            Self::Cryptosign => "cryptosign",
            Self::Tls => "tls",
            Self::Cookie => "cookie",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_found_by_its_name() {
        for method in Method::ALL {
            assert_eq!(Method::from_name(method.name()), Some(method));
        }
        assert_eq!(Method::from_name("WAMPCRA"), None);
        assert_eq!(Method::from_name(""), None);
    }
}
