//! Signals, as something to wait for instead of something that interrupts.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal as Number};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// What a signal asks of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// Stop; the name of the signal is for the log.
    Stop(&'static str),
    /// Read the configuration again.
    Reload,
}

/// The signals this process waits for.
#[derive(Debug)]
pub(super) struct Signals(SignalFd);

impl Signals {
    /// Blocks the signals for this thread and all that it starts from here on: to be called
    /// before there are others, or one of them would still be killed by SIGTERM.
    ///
    /// # Errors
    ///
    /// If the system has no file descriptor left.
    pub(super) fn block() -> io::Result<Self> {
        let mask = SigSet::from_iter([Number::SIGTERM, Number::SIGINT, Number::SIGHUP]);
        mask.thread_block()?;
        Ok(Self(SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?))
    }

    /// The next signal, or `None` if there is none for the time `at_most`.
    pub(super) fn wait(&self, at_most: Duration) -> Option<Signal> {
        let timeout = PollTimeout::try_from(at_most).unwrap_or(PollTimeout::MAX);
        let mut polled = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        // Being interrupted means nothing: the caller comes back.
        let _ = poll(&mut polled, timeout);
        let number = self.0.read_signal().ok()??.ssi_signo;
        let number = Number::try_from(i32::try_from(number).ok()?).ok()?;
        if number == Number::SIGHUP {
            return Some(Signal::Reload);
        }
        Some(Signal::Stop(number.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::raise;

    #[test]
    fn blocked_signals_are_waited_for() {
        let signals = Signals::block().unwrap();
        assert_eq!(signals.wait(Duration::ZERO), None);
        raise(Number::SIGTERM).unwrap();
        assert_eq!(signals.wait(Duration::from_secs(5)), Some(Signal::Stop("SIGTERM")));
        raise(Number::SIGHUP).unwrap();
        assert_eq!(signals.wait(Duration::from_secs(5)), Some(Signal::Reload));
        assert_eq!(signals.wait(Duration::from_millis(1)), None);
    }
}
