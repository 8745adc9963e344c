//! Every bound that is not a matter of taste, with its arithmetic.
//!
//! Bounds an operator may move are fields of [`crate::router::config::Limits`]; what stands here
//! is either fixed by the specification or holds the others together.

/// The largest id of any scope: 2^53, the last integer every JSON reader keeps exact.
// spec: basic/building_blocks#ids
pub const ID_MAX: u64 = 1 << 53;

/// The hard cap of one message: 16 MiB, the most a RawSocket frame can carry.
pub const MESSAGE_BYTES_CAP: usize = 1 << 24;

/// How deep lists and dicts of a message may be nested, the message itself being depth 1.
///
/// All serializers share it, so that what one peer may send every other can receive.
pub const DEPTH_MAX: u32 = 64;

/// Octets of a URI. Long enough for any sane name, short enough for every index.
pub const URI_BYTES_MAX: usize = 1_000;

/// Components of a URI: bounds the depth of the wildcard trie and of every walk through it.
pub const URI_COMPONENTS_MAX: usize = 64;

/// Items of a list that a message names beside its payload, such as those who are not to receive
/// an event. An item takes an octet on the wire and up to 64 in memory, so it is they that must be
/// few: a message of 16 MiB could cost a GiB.
pub const LIST_ITEMS_MAX: usize = 10_000;

/// Octets of an HTTP request head (request line and headers).
pub const HTTP_HEAD_BYTES_MAX: usize = 8 * 1024;

/// Headers of an HTTP request.
pub const HTTP_HEADERS_MAX: usize = 64;

/// Fragments of one WebSocket message: bounds the work that empty fragments can cause.
pub const FRAGMENTS_MAX: u32 = 1_024;

/// Pings a peer may send without a message, a pong, or an interval of our own pings in between;
/// one more and it is a flood, which ends the transport.
pub const PINGS_MAX: u16 = 1_000;

/// Messages of one peer that are processed in one turn; what it has sent beyond waits for the
/// next, behind everybody else. One read or one batch may hold tens of thousands of messages: a
/// turn of so many takes well below a millisecond.
pub const TURN_MESSAGES_MAX: usize = 512;

/// A message counts as one more of its turn for each so many octets.
pub const LONG_MESSAGE_BYTES: usize = 64 * 1024;

/// Octets of a RawSocket ping: it is sent back whole, so its sender decides how much we write.
pub const RAWSOCKET_PING_BYTES_MAX: u32 = 64 * 1024;

/// Octets that any framing may need before a message: the longest head of WebSocket, unmasked,
/// and the length of a message in a batch.
pub const FRAME_HEAD_BYTES_MAX: usize = 10 + 4;

/// Messages below this are never compressed: they hardly become shorter.
pub const DEFLATE_BYTES_MIN: usize = 128;

/// Messages above this are not compressed: a shard would do nothing else for ten milliseconds.
pub const DEFLATE_BYTES_MAX: usize = 1 << 20;

/// Final blocks inside one compressed message, each of which costs as much as a message of its
/// own. Senders end what they flush with one, if they know no better way.
pub const FINAL_BLOCKS_MAX: u32 = 16;

/// Messages up to this size are copied into each outbox; larger ones are shared by reference.
///
/// Copying wins up to 4 KiB (measured: one shared body costs a vectored write and two atomic
/// operations per receiver).
pub const COPY_BYTES_MAX: usize = 4 * 1024;

/// Octets of an authid: longer ones are nobody's.
pub const AUTHID_BYTES_MAX: usize = 256;

/// Octets of `HELLO.Details.authextra`: it is kept until its client has proved who it is.
pub const AUTHEXTRA_BYTES_MAX: usize = 16 * 1024;

/// Octets of all testaments of one session: they are kept for as long as it lasts.
pub const TESTAMENTS_BYTES_MAX: usize = 1 << 20;

/// Pages of events from a history that an outbox has room for. One answer holds one page, unless
/// a single event is longer, and one page's room is left for all else.
pub const HISTORY_PAGES_MAX: usize = 16;

/// Octets of a RESULT around its events: type, request, empty Details, heads of the lists, and
/// ArgumentsKw that say that there are more.
pub const RESULT_HEAD_BYTES_MAX: usize = 64;

/// Questions of one session to the meta API that wait for answers as long as its realm is large:
/// a hundred thousand sessions are a megabyte of ids in each.
pub const LISTS_PENDING_MAX: usize = 16;

/// Octets of an answer to the router itself, by a procedure or over HTTP.
pub const ADVICE_BYTES_MAX: usize = 64 * 1024;

/// Roles by which one question to the meta API may choose sessions.
pub const ROLES_MAX: usize = 32;

/// Long-poll transports that are opened over one connection before it is closed: who wants more has
/// to connect again, and is counted again.
pub const LONGPOLL_OPENS_MAX: u16 = 64;

/// Shards one process may have: the width of a subscription's set of interested shards.
pub const SHARDS_MAX: usize = 256;

/// Octets of a ticket, and of any other answer to a challenge: the longest is a JSON Web Token.
pub const SIGNATURE_BYTES_MAX: usize = 16 * 1024;

/// The least iterations of PBKDF2 that SCRAM may ask of a client: fewer, and whoever hears one
/// exchange guesses the password at leisure. RFC 7677, section 4.
pub const PBKDF2_ITERATIONS_MIN: u32 = 4_096;

/// The most iterations of PBKDF2 that a client may be asked for: some ten seconds on a phone.
pub const PBKDF2_ITERATIONS_MAX: u32 = 10_000_000;

/// KiB that a hash of a password may take, on a client's machine or ours: 1 GiB.
pub const KDF_MEMORY_KIB_MAX: u32 = 1 << 20;

/// Passes over that memory.
pub const KDF_PASSES_MAX: u32 = 1 << 20;

/// The least that Argon2 must write to make a hash, in KiB times passes: a password is not worth
/// less work than the weakest parameters in use (7 MiB five times over) make of it.
pub const KDF_WORK_KIB_MIN: u64 = 32 * 1024;

/// What a shard tells an operator in a second; more is only counted.
pub const NOTICES_PER_SECOND: usize = 10;
