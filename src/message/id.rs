//! The five kinds of ids, so that none is taken for another.

use super::layout::{Element, Invalid};
use crate::limits::ID_MAX;
use crate::wire::{Malformed, Reader, Writer};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub u64);

        impl<'a> Element<'a> for $name {
            #[inline]
            fn read<R: Reader<'a>>(reader: &mut R) -> Result<Self, Invalid> {
                match reader.integer()? {
                    id @ 0..=ID_MAX => Ok(Self(id)),
                    _ => Err(Malformed("an id is at most 2^53").into()),
                }
            }

            #[inline]
            fn write<'o, W: Writer<'o>>(&self, writer: &mut W) {
                writer.integer(self.0);
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

// spec: basic/building_blocks#ids
ids! {
    /// A session, random over the whole range.
    SessionId
    /// A request within one session and direction: 1, 2, 3 … Zero stands in revocations only;
    /// whether a request may use it is the session's business.
    RequestId
    /// A subscription of a realm: one topic or pattern, shared by all its subscribers.
    SubscriptionId
    /// A registration of a realm: one procedure or pattern, shared by all its callees.
    RegistrationId
    /// A publication, random over the whole range.
    PublicationId
}

impl RequestId {
    /// The id of the next request: wraps from 2^53 to 1.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.0 >= ID_MAX { Self(1) } else { Self(self.0 + 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_begin_again_behind_the_last_one() {
        assert_eq!(RequestId(0).next(), RequestId(1));
        assert_eq!(RequestId(ID_MAX - 1).next(), RequestId(ID_MAX));
        assert_eq!(RequestId(ID_MAX).next(), RequestId(1));
    }
}
