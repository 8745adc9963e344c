//! (to come)
use super::{Io, Mode};
/// (to come)
pub fn choose(_io: Io, _shards: usize) -> Result<(Mode, Option<String>), String> {
    Ok((Mode::Epoll, None))
}
