//! Where a scenario is played: something that carries octets between peers and a router.

use std::time::Duration;

use gigawamp::router::Origin;

use super::notation::Line;

/// What a connection brought.
#[derive(Debug)]
pub(crate) enum Brought {
    /// Some octets.
    Octets(Vec<u8>),
    /// The end: nothing will come any more.
    End,
    /// Nothing so far.
    Nothing,
}

/// Carries octets between peers and a router.
pub(crate) trait Stage {
    /// Opens the transport of the next peer.
    fn connect(&mut self) -> usize;

    /// The same for a peer that comes from `origin`; `None` if this stage cannot.
    fn connect_from(&mut self, _origin: Origin) -> Option<usize> {
        None
    }

    /// Sends octets to the router.
    fn write(&mut self, connection: usize, octets: &[u8]);

    /// The same, but leaves the router to it while others write; false if this stage cannot.
    fn begin(&mut self, connection: usize, octets: &[u8]) -> bool;

    /// What has come from the router. Waits for a long time if something is `expected`, otherwise
    /// until nothing is under way between the shards any more.
    fn read(&mut self, connection: usize, expected: bool) -> Brought;

    /// Returns when nothing is under way between the shards any more.
    fn settle(&mut self);

    /// The peer is gone, without a word; returns when the router has noticed.
    fn hang_up(&mut self, connection: usize);

    /// Whether [`read`](Self::read) gives nothing only when nothing is under way anywhere. If
    /// not, the player asks the router for a sign after everything it said.
    fn is_exact(&self) -> bool;

    /// Lets time pass; false if this stage cannot.
    fn wait(&mut self, time: Duration) -> bool;

    /// Has the router read its configuration again: what all `lines` so far give. False if this
    /// stage cannot.
    fn configure(&mut self, lines: &[Line]) -> bool;

    /// Has the router say goodbye to everybody; false if this stage cannot.
    fn shut_down(&mut self) -> bool;
}
