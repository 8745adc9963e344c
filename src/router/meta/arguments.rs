//! What a meta procedure was called with.

use super::super::realm::Refusal;
use crate::limits::{ROLES_MAX, URI_BYTES_MAX};
use crate::message::Payload;
use crate::message::layout::{Attributes, Element};
use crate::message::options::{KillKeywords, LookupOptions, SessionFilter};
use crate::message::uri::{self, MatchPolicy, UriCheck};
use crate::wire::msgpack::MsgPackReader;
use crate::wire::{Kind, Reader, Sequence, Serializer};

/// Arguments and ArgumentsKw of a call, read one by one.
pub(super) struct Arguments<'a> {
    positional: Option<(MsgPackReader<'a>, Sequence)>,
    keywords: &'a [u8],
}

const INVALID: Refusal = Refusal::new(uri::error::INVALID_ARGUMENT);

impl<'a> Arguments<'a> {
    /// Those of `payload`; `buffer` holds them, in MessagePack.
    pub(super) fn of(payload: &Payload<'a>, buffer: &'a mut Vec<u8>) -> Result<Self, Refusal> {
        let payload = payload.to(Serializer::MessagePack, buffer).map_err(|_| INVALID)?;
        if payload.is_transparent() {
            return Err(INVALID);
        }
        let positional = match payload.arguments() {
            None => None,
            Some(bytes) => {
                let mut reader = MsgPackReader::open(bytes);
                let sequence = reader.list().map_err(|_| INVALID)?;
                Some((reader, sequence))
            }
        };
        Ok(Self { positional, keywords: payload.arguments_kw().unwrap_or_default() })
    }

    /// The next positional argument, if there is one and it is not null.
    pub(super) fn optional<T: Element<'a>>(&mut self) -> Result<Option<T>, Refusal> {
        let Some(reader) = self.next()? else { return Ok(None) };
        T::read(reader).map(Some).map_err(|_| INVALID)
    }

    /// The next positional argument, which must be there.
    pub(super) fn required<T: Element<'a>>(&mut self) -> Result<T, Refusal> {
        self.optional()?.ok_or(INVALID)
    }

    /// The next positional argument as it is, if it is of that kind.
    pub(super) fn raw(&mut self, kind: Kind) -> Result<Option<&'a [u8]>, Refusal> {
        let Some(reader) = self.next()? else { return Ok(None) };
        match reader.kind() {
            Ok(found) if found == kind => reader.skip().map(Some).map_err(|_| INVALID),
            Ok(_) | Err(_) => Err(INVALID),
        }
    }

    /// The roles by which sessions are to be chosen, if any are given.
    pub(super) fn roles(&mut self) -> Result<Option<Vec<crate::message::Text<'a>>>, Refusal> {
        let keywords: SessionFilter<'a> = self.keywords()?;
        let roles: Option<Vec<crate::message::Text<'a>>> =
            self.optional()?.or(keywords.filter_authroles);
        // Each session is compared with each of them, and they may wait for their turn.
        let is_long = |role: &crate::message::Text<'_>| role.len() > URI_BYTES_MAX;
        if roles.as_ref().is_some_and(|all| all.len() > ROLES_MAX || all.iter().any(is_long)) {
            return Err(Refusal::new(uri::error::INVALID_ARGUMENT));
        }
        Ok(roles)
    }

    /// Why something is taken from a session, if the next argument or a keyword says so: a URI,
    /// for clients in the field give up their connection at anything else.
    pub(super) fn reason(&mut self) -> Result<crate::message::Text<'a>, Refusal> {
        let keywords: KillKeywords<'a> = self.keywords()?;
        let Some(reason) = self.optional::<crate::message::Text<'a>>()?.or(keywords.reason) else {
            return Ok(crate::message::Text::default());
        };
        if !uri::is_valid(&reason, UriCheck::Loose) {
            return Err(Refusal::new(uri::error::INVALID_URI));
        }
        Ok(reason)
    }

    /// The way to match in the options behind a URI.
    pub(super) fn policy(&mut self) -> Result<MatchPolicy, Refusal> {
        let options: LookupOptions = self.optional()?.unwrap_or_default();
        Ok(options.r#match.unwrap_or_default())
    }

    /// The keyword arguments as they are; empty if there are none.
    pub(super) const fn keywords_as_they_are(&self) -> &'a [u8] {
        self.keywords
    }

    /// The keyword arguments.
    pub(super) fn keywords<T: Attributes<'a>>(&self) -> Result<T, Refusal> {
        match self.keywords {
            [] => Ok(T::default()),
            bytes => T::read(&mut MsgPackReader::open(bytes)).map_err(|_| INVALID),
        }
    }

    /// The reader before the next positional argument, if there is one. A null is none: clients
    /// write one for what they leave out, as they do in Options.
    fn next(&mut self) -> Result<Option<&mut MsgPackReader<'a>>, Refusal> {
        let more = match &mut self.positional {
            Some((reader, sequence)) => reader.more(sequence).map_err(|_| INVALID)?,
            None => false,
        };
        if !more {
            self.positional = None;
        }
        let Some((reader, _)) = &mut self.positional else { return Ok(None) };
        if reader.kind().map_err(|_| INVALID)? == Kind::Null {
            reader.skip().map_err(|_| INVALID)?;
            return Ok(None);
        }
        Ok(Some(reader))
    }
}
