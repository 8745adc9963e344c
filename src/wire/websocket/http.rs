//! The head of an HTTP message, collected until it is whole, and questions to its headers.

use httparse::Header;

use crate::limits::HTTP_HEAD_BYTES_MAX;

/// The octets of a head as far as they have come.
#[derive(Debug, Default)]
pub(crate) struct Head {
    bytes: Vec<u8>,
    /// Everything before was searched for the end.
    searched_count: usize,
}

/// Why a head is refused before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is longer than [`HTTP_HEAD_BYTES_MAX`].
    TooLong,
    /// A line ends without a carriage return: others may see other lines than we do.
    BareLineFeed,
}

impl Head {
    /// Takes octets off `input` up to the empty line that ends the head; whether it was met.
    ///
    /// No octet is looked at twice, however the head is cut; what follows it stays in `input`.
    pub(crate) fn take(&mut self, input: &mut &mut [u8]) -> Result<bool, Fault> {
        let known = self.bytes.len();
        let visible = input.len().min(HTTP_HEAD_BYTES_MAX - known);
        self.bytes.extend_from_slice(input.get(..visible).unwrap_or_default());
        let unsearched = |head: &Self| {
            let at = memchr::memchr(b'\n', head.bytes.get(head.searched_count..)?)?;
            Some(head.searched_count + at + 1)
        };
        while let Some(line_end) = unsearched(self) {
            self.searched_count = line_end;
            let lines = self.bytes.get(..line_end).unwrap_or_default();
            if !lines.ends_with(b"\r\n") {
                return Err(Fault::BareLineFeed);
            }
            if lines.ends_with(b"\r\n\r\n") {
                self.bytes.truncate(line_end);
                let _ = input.split_off_mut(..line_end - known);
                return Ok(true);
            }
        }
        self.searched_count = self.bytes.len();
        let _ = input.split_off_mut(..visible);
        if self.bytes.len() == HTTP_HEAD_BYTES_MAX { Err(Fault::TooLong) } else { Ok(false) }
    }

    /// Whether nothing is missing.
    pub(crate) fn is_whole(&self) -> bool {
        self.bytes.ends_with(b"\r\n\r\n")
    }

    /// The octets so far.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The values of all headers called `name`, without the white space around them.
pub(crate) fn values<'a>(
    headers: &'a [Header<'a>],
    name: &'a str,
) -> impl Iterator<Item = &'a [u8]> {
    let matching = move |header: &&Header<'a>| header.name.eq_ignore_ascii_case(name);
    headers.iter().filter(matching).map(|header| header.value.trim_ascii())
}

/// The members of the comma-separated list that all headers called `name` make up.
pub(crate) fn members<'a>(
    headers: &'a [Header<'a>],
    name: &'a str,
) -> impl Iterator<Item = &'a [u8]> {
    values(headers, name)
        .flat_map(|value| value.split(|&octet| octet == b','))
        .map(<[u8]>::trim_ascii)
}

/// Whether the list under `name` has the member `token`, in whichever case.
pub(crate) fn has_member(headers: &[Header<'_>], name: &str, token: &str) -> bool {
    members(headers, name).any(|member| member.eq_ignore_ascii_case(token.as_bytes()))
}

/// The value under `name`, if it is one that can be repeated to the client.
pub(crate) fn text(headers: &[Header<'_>], name: &str) -> Option<Box<str>> {
    /// Longer than any host or list of headers that is meant well.
    const BYTES_MAX: usize = 512;
    let value = values(headers, name).next()?;
    let is_plain = |octet: &u8| octet.is_ascii_graphic() || *octet == b' ';
    let sound = !value.is_empty() && value.len() <= BYTES_MAX && value.iter().all(is_plain);
    std::str::from_utf8(value).ok().filter(|_| sound).map(Into::into)
}
