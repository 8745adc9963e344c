//! Files that a configuration names: plain ones of bounded length, and by what it is seen that one
//! has changed.
//!
//! Whoever reads a file that is watched takes its stamp *before*: what changes while it is read is
//! then seen at the next look.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::SystemTime;

use nix::libc::O_NONBLOCK;
use zeroize::Zeroizing;

/// What may lie in memory for a reader of which nobody knows how much it has.
pub(super) const ROOM_AT_FIRST: usize = 16 << 10;

/// The content of the file at `path`, and whether every user of the machine can read it. Nothing
/// of the content is left in memory once it is dropped.
///
/// # Errors
///
/// It cannot be read, is no plain file, or has more than `bytes_max` octets.
pub(super) fn read(path: &Path, bytes_max: usize) -> io::Result<(Zeroizing<Vec<u8>>, bool)> {
    // To open a pipe could take for ever otherwise; a plain file is read as it always is.
    let file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(wrong("it is no plain file"));
    }
    let room = usize::try_from(metadata.size()).unwrap_or(usize::MAX);
    let text = read_all(file, room.saturating_add(1), bytes_max)?;
    Ok((text, metadata.permissions().mode() & 0o004 != 0))
}

/// All that can be read at `path`, which may be a pipe or a device too.
///
/// # Errors
///
/// It cannot be read, or has more than `bytes_max` octets.
pub(super) fn read_anything(path: &Path, bytes_max: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    let room = usize::try_from(file.metadata()?.size()).unwrap_or(usize::MAX);
    read_all(file, room.saturating_add(1).max(ROOM_AT_FIRST), bytes_max)
}

/// All that `reader` has, in room for `expected` octets if that is enough.
///
/// # Errors
///
/// It cannot be read, or has more than `bytes_max` octets.
pub(super) fn read_all(
    mut reader: impl Read,
    expected: usize,
    bytes_max: usize,
) -> io::Result<Zeroizing<Vec<u8>>> {
    // One octet more shows that there is more.
    let most = bytes_max + 1;
    let mut text = Zeroizing::new(vec![0; expected.clamp(1, most)]);
    let mut length = 0;
    loop {
        if length == text.len() {
            if length == most {
                return Err(wrong(&format!("it is longer than {} MiB", bytes_max >> 20)));
            }
            // Not grown in place: what a vector moves out of is not wiped.
            let mut more = Zeroizing::new(vec![0; length.saturating_mul(2).min(most)]);
            more[..length].copy_from_slice(&text);
            text = more;
        }
        match reader.read(&mut text[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    text.truncate(length);
    Ok(text)
}

/// `octets` as text, without a copy.
///
/// # Errors
///
/// They are not UTF-8.
pub(super) fn into_text(mut octets: Zeroizing<Vec<u8>>) -> io::Result<Zeroizing<String>> {
    match String::from_utf8(std::mem::take(&mut *octets)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(wrong("it is not UTF-8"))
        }
    }
}

/// By what it is seen that a file is another one: when it was written, its length, its place.
pub(super) type Stamp = Option<(SystemTime, u64, u64)>;

/// The stamp of the file at `path`, as it is now.
pub(super) fn stamp(path: &Path) -> Stamp {
    let file = std::fs::metadata(path).ok()?;
    Some((file.modified().ok()?, file.len(), file.ino()))
}

/// Files that are read again when they have changed.
#[derive(Debug)]
pub(super) struct Watched {
    /// From before they were read.
    read: Vec<Stamp>,
    /// From the last look.
    seen: Vec<Stamp>,
}

impl Watched {
    /// Files with these stamps from before they were read.
    pub(super) fn new(read: Vec<Stamp>) -> Self {
        Self { seen: read.clone(), read }
    }

    /// Takes a look, which shows the stamps `now`. Says whether they are to be read, from now on:
    /// they have changed, and were left alone between two looks. One that cannot be used is not
    /// read over and over.
    pub(super) fn is_due(&mut self, now: Vec<Stamp>) -> bool {
        let is_due = now != self.read && now == self.seen;
        if is_due {
            self.read.clone_from(&now);
        }
        self.seen = now;
        is_due
    }
}

fn wrong(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_is_read_whatever_was_expected_but_no_more_than_may_be() {
        let octets: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        for expected in [0, 1, 99_999, 100_000, 100_001, usize::MAX] {
            let read = read_all(&octets[..], expected, 1 << 20).unwrap();
            assert!(*read == octets, "{expected}");
            assert!(*read_all(&octets[..], expected, octets.len()).unwrap() == octets);
            assert!(read_all(&octets[..], expected, octets.len() - 1).is_err(), "{expected}");
        }
    }

    #[test]
    fn only_plain_files_are_read() {
        let folder = std::env::temp_dir().join(format!("gigawamp-file-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let pipe = folder.join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in [&pipe, &folder] {
            let error = read(path, 100).unwrap_err();
            assert_eq!(error.to_string(), "it is no plain file");
        }
        let plain = folder.join("plain");
        std::fs::write(&plain, "text\n").unwrap();
        std::fs::set_permissions(&plain, PermissionsExt::from_mode(0o640)).unwrap();
        let (text, is_public) = read(&plain, 5).unwrap();
        assert_eq!((&text[..], is_public), (&b"text\n"[..], false));
        std::fs::set_permissions(&plain, PermissionsExt::from_mode(0o604)).unwrap();
        assert!(read(&plain, 5).unwrap().1);
        assert!(read(&plain, 4).is_err());
        assert_eq!(**read_anything(&plain, 5).unwrap(), *b"text\n");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_changes_while_it_is_read_is_read_again_once_it_is_left_alone() {
        let at = |length| vec![Some((SystemTime::UNIX_EPOCH, length, 1))];
        let mut watched = Watched::new(at(1));
        assert!(!watched.is_due(at(1)) && !watched.is_due(at(1)));
        // It changes while it is looked at, and again while it is read.
        assert!(!watched.is_due(at(2)) && !watched.is_due(at(3)) && watched.is_due(at(3)));
        assert!(!watched.is_due(at(4)) && watched.is_due(at(4)) && !watched.is_due(at(4)));
        // It is gone, and back as it was.
        assert!(!watched.is_due(vec![None]) && !watched.is_due(at(4)) && !watched.is_due(at(4)));
    }

    #[test]
    fn what_is_no_text_is_said_not_to_be() {
        assert_eq!(**into_text(Zeroizing::new(b"text".to_vec())).unwrap(), *"text");
        assert!(into_text(Zeroizing::new(vec![0xff])).is_err());
    }
}
