//! Every option, in one place: its name, what may be written, its default and its meaning.
//!
//! A row here is all there is to add for a new option. The reader, the error messages, the
//! variables of the environment (of the top level and of `[limits]` alone) and the table in
//! `docs/OPERATING.md` follow from it. `examples/gigawamp.toml` has to show it.
//!
//! # A table within a table
//!
//! `[[realms.principals]]` or `[realms.jwt]` is a [`Table`](super::nest::Table) of its own rows,
//! in a file of its own here, and one [`Inner`](super::nest::Inner) in the `tables` of the table
//! it stands in: its `name` without that of the outer table, its `shape` (`List` for `[[…]]`, `One`
//! for `[…]`), `make` for one before any option is applied (presets of its rows come on top), and
//! `place`, which takes the finished one over and may refuse it: what its options say together,
//! or besides what was taken before, is checked there. Tables nest as deep as they like; inner
//! ones are taken over first, so an outer `place` sees all that is within. The last thing is a
//! section in `examples/gigawamp.toml`; a table that is not to count there is commented out with
//! `#` from its header on.
//!
//! # What a row can take
//!
//! [`Kind`](super::key::Kind) has the list. Optional text is `Text` with a function that sets
//! `Some`; rules that deserve an error of their own are `Parsed` and `ParsedList`; what nobody may
//! read is `Secret`.

mod advisor;
mod authentication;
mod limits;
mod listener;
mod realm;
mod role;
mod top;

pub(super) use authentication::{PEOPLE, chance_secret};
pub(super) use limits::LIMITS;
pub(super) use listener::{LISTENER, preset_listener};
pub(super) use realm::{REALM, preset_realm};
pub(super) use top::TOP;
