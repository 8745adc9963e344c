//! Answers what routers ask of those outside: HTTP servers, and hashes that take long on purpose.
//!
//! Both would stand a shard still, so they have threads of their own, and a bounded line before
//! them: what finds no place there has failed at once. No HTTP server gets more than half of the
//! threads and places, so that one that hangs does not take all others down with it. Servers are
//! told apart by their entries in the configuration: two entries with one URL have two shares.

#![expect(
    clippy::disallowed_types,
    reason = "threads that wait for the world share a line; a shard holds its lock for a moment"
)]

mod hash;
mod http;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use crate::router::advice::{Errand, Question, Reply};
use crate::shard::{Answering, Counsel};
use http::Agents;

/// Threads that wait for HTTP servers: each holds one request.
const HTTP_THREADS_MAX: usize = 32;

/// Threads that hash: each may take [`hash::MEMORY_KIB_MAX`], and all of a processor.
const HASH_THREADS_MAX: usize = 2;

/// Questions that wait for a thread of either kind.
const WAITING_MAX: usize = 1_024;

/// All threads, and what waits for them. They end with the process.
#[derive(Debug)]
pub(super) struct Counselors {
    http: Arc<Pool>,
    hashes: Arc<Pool>,
}

/// Threads for one kind of question.
struct Pool {
    state: Mutex<State>,
    /// Something may be done.
    more: Condvar,
    agents: Agents,
    threads_max: usize,
    /// How many threads may work for the same server at once.
    share_max: usize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    /// The servers that are being asked, once for each question.
    busy: Vec<Server>,
    threads: usize,
    idle: usize,
}

/// Which server a question is for: the place of its target in memory, or 0.
type Server = usize;

struct Job {
    question: Question,
    answering: Answering,
    since: Instant,
    server: Server,
}

impl Counselors {
    pub(super) fn new() -> Self {
        let pool = |threads_max, share_max| {
            let (state, more, agents) = (Mutex::default(), Condvar::new(), Agents::default());
            Arc::new(Pool { state, more, agents, threads_max, share_max })
        };
        Self {
            http: pool(HTTP_THREADS_MAX, HTTP_THREADS_MAX / 2),
            hashes: pool(HASH_THREADS_MAX, HASH_THREADS_MAX),
        }
    }
}

impl Counsel for Counselors {
    fn ask(&self, question: Question, answering: Answering) -> Result<(), &'static str> {
        let (pool, server) = match &question.errand {
            Errand::Post { target, .. } => (&self.http, Arc::as_ptr(target) as Server),
            Errand::Compare { .. } => (&self.hashes, 0),
        };
        #[expect(clippy::disallowed_methods, reason = "what waits here is in no router")]
        let since = Instant::now();
        Pool::ask(pool, Job { question, answering, since, server })
    }
}

impl Pool {
    fn ask(self: &Arc<Self>, job: Job) -> Result<(), &'static str> {
        // Nothing that holds the lock can panic half-way.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // What may have half of the threads may have half of the places.
        let of_one = WAITING_MAX * self.share_max / self.threads_max;
        let same = state.waiting.iter().filter(|waiting| waiting.server == job.server).count();
        if state.waiting.len() >= WAITING_MAX || same >= of_one {
            return Err("too many questions wait to be asked");
        }
        if state.idle <= state.waiting.len() && state.threads < self.threads_max {
            let pool = Arc::clone(self);
            let thread = std::thread::Builder::new().name("counsel".to_owned());
            let spawned = thread.spawn(move || pool.work());
            if spawned.is_err() && state.threads == 0 {
                return Err("the system has no thread to ask with");
            }
            state.threads += usize::from(spawned.is_ok());
        }
        state.waiting.push_back(job);
        drop(state);
        self.more.notify_one();
        Ok(())
    }

    /// One thread: takes one question after the other.
    fn work(&self) {
        loop {
            let Job { question, answering, since, server } = self.next();
            let left = question.timeout.saturating_sub(since.elapsed());
            let reply = match question.errand {
                _ if left.is_zero() => Reply::Failed("it waited too long to be asked".to_owned()),
                Errand::Post { target, body } => self.agents.post(&target, &body, left),
                Errand::Compare { hash, secret } => hash::compare(&hash, secret.expose()),
            };
            self.done(server);
            answering.give(reply);
        }
    }

    /// Waits for the first question whose server is not asked by too many already.
    fn next(&self) -> Job {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let State { waiting, busy, .. } = &*state;
            let load = |job: &Job| busy.iter().filter(|server| **server == job.server).count();
            let place = waiting.iter().position(|job| load(job) < self.share_max);
            if let Some(job) = place.and_then(|place| state.waiting.remove(place)) {
                state.busy.push(job.server);
                return job;
            }
            state.idle += 1;
            state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    fn done(&self, server: Server) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = state.busy.iter().position(|busy| *busy == server) {
            state.busy.swap_remove(place);
        }
        drop(state);
        // What waited because of this one's share may go now.
        self.more.notify_one();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Pool")
    }
}
