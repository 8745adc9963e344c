//! Commands that make what principals prove themselves by: `keygen` and `passwd`.
//!
//! They are the only ones that see a password or make a private key. A router is given what they
//! print; neither keeps nor sends anything.

mod keygen;
mod passwd;
mod prompt;

pub(super) use keygen::Keygen;
pub(super) use passwd::Passwd;

use ring::rand::{SecureRandom as _, SystemRandom};

/// `N` octets that nobody can guess.
fn random<const N: usize>() -> Result<zeroize::Zeroizing<[u8; N]>, String> {
    let mut octets = zeroize::Zeroizing::new([0; N]);
    let filled = SystemRandom::new().fill(&mut *octets);
    filled.map_err(|_| "the system has no random numbers".to_owned())?;
    Ok(octets)
}
