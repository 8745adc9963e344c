//! Answers what routers ask of those outside: HTTP servers, and hashes that take long on purpose.
//!
//! Both would stand a shard still, so they have threads of their own, and a bounded line before
//! them: what finds no place there has failed at once. No HTTP server gets more than half of the
//! threads and places, so that one that hangs does not take all others down with it. A server is
//! told by scheme, host and port: whatever entries of the configuration lead to it have one share
//! together. What nobody waits for any more leaves the line without having been asked.

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

/// Which server a question is for, by its origin; empty if it is for none.
type Server = Box<str>;

struct Job {
    question: Question,
    answer: Box<dyn FnOnce(Reply) + Send>,
    since: Instant,
    server: Server,
}

impl Counselors {
    pub(super) fn new() -> Self {
        Self {
            http: Pool::new(HTTP_THREADS_MAX, HTTP_THREADS_MAX / 2),
            hashes: Pool::new(HASH_THREADS_MAX, HASH_THREADS_MAX),
        }
    }
}

impl Counsel for Counselors {
    fn ask(&self, question: Question, answering: Answering) -> Result<(), &'static str> {
        let (pool, server) = match &question.errand {
            Errand::Post { target, .. } => (&self.http, http::origin(target)),
            Errand::Compare { .. } => (&self.hashes, Server::default()),
        };
        #[expect(clippy::disallowed_methods, reason = "what waits here is in no router")]
        let since = Instant::now();
        let answer = Box::new(|reply| answering.give(reply));
        Pool::ask(pool, Job { question, answer, since, server })
    }
}

impl Pool {
    fn new(threads_max: usize, share_max: usize) -> Arc<Self> {
        let (state, more, agents) = (Mutex::default(), Condvar::new(), Agents::default());
        Arc::new(Self { state, more, agents, threads_max, share_max })
    }

    fn ask(self: &Arc<Self>, job: Job) -> Result<(), &'static str> {
        // Nothing that holds the lock can panic half-way.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.forget_unwanted();
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
            let Job { question, answer, since, server } = self.next();
            let left = question.timeout.saturating_sub(since.elapsed());
            let reply = match question.errand {
                _ if left.is_zero() => Reply::Late("it waited too long to be asked".to_owned()),
                Errand::Post { target, body } => self.agents.post(&target, &body, left),
                Errand::Compare { hash, secret } => hash::compare(&hash, secret.expose()),
            };
            self.done(&server);
            answer(reply);
        }
    }

    /// Waits for the first question that is still wanted and whose server is not asked by too many
    /// already.
    fn next(&self) -> Job {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            state.forget_unwanted();
            let State { waiting, busy, .. } = &*state;
            let load = |job: &Job| busy.iter().filter(|server| **server == job.server).count();
            let place = waiting.iter().position(|job| load(job) < self.share_max);
            if let Some(job) = place.and_then(|place| state.waiting.remove(place)) {
                state.busy.push(job.server.clone());
                return job;
            }
            state.idle += 1;
            state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    fn done(&self, server: &Server) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = state.busy.iter().position(|busy| busy == server) {
            state.busy.swap_remove(place);
        }
        drop(state);
        // What waited because of this one's share may go now.
        self.more.notify_one();
    }
}

impl State {
    /// Takes out of the line what nobody waits for any more.
    fn forget_unwanted(&mut self) {
        self.waiting.retain(|job| job.question.is_wanted());
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Pool")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Receiver, Sender};
    use std::time::Duration;

    use super::*;
    use crate::router::advice::QuestionId;
    use crate::router::config::HttpTarget;

    /// Where nobody listens: what is asked there fails at once.
    const NOBODY: &str = "http://127.0.0.1:1/ask";

    /// What waits for the threads of a pool that has none, and their answers.
    struct Line {
        pool: Arc<Pool>,
        answers: (Sender<&'static str>, Receiver<&'static str>),
    }

    impl Line {
        fn new() -> Self {
            let pool = Pool::new(2, 1);
            // As if its threads were busy, so that nothing is taken before the test says so.
            pool.state.lock().unwrap().threads = 2;
            Self { pool, answers: mpsc::channel() }
        }

        /// Has a question to that URL wait, under a name by which it is known in the answers.
        fn ask(&self, name: &'static str, url: &str) -> Result<Arc<()>, &'static str> {
            let target = Arc::new(HttpTarget { url: url.into(), authorities: None });
            let server = http::origin(&target);
            let errand = Errand::Post { target, body: "[]".to_owned() };
            let timeout = Duration::from_mins(1);
            let (question, asker) = Question::new(QuestionId::FIRST, timeout, errand);
            let answers = self.answers.0.clone();
            let answer = Box::new(move |_| answers.send(name).unwrap());
            #[expect(clippy::disallowed_methods, reason = "as the product does")]
            let since = Instant::now();
            Pool::ask(&self.pool, Job { question, answer, since, server }).map(|()| asker)
        }

        /// Which questions wait, by what is taken out of the line now.
        fn drain(self) -> Vec<&'static str> {
            let pool = Arc::clone(&self.pool);
            std::thread::spawn(move || pool.work());
            drop(self.answers.0);
            let patience = Duration::from_secs(20);
            std::iter::from_fn(|| self.answers.1.recv_timeout(patience).ok()).collect()
        }
    }

    #[test]
    fn what_nobody_waits_for_any_more_is_not_asked() {
        let line = Line::new();
        let (first, second) = (line.ask("first", NOBODY).unwrap(), line.ask("second", NOBODY));
        let third = line.ask("third", NOBODY).unwrap();
        drop(second);
        assert_eq!(line.drain(), ["first", "third"]);
        drop((first, third));
    }

    #[test]
    fn what_nobody_waits_for_any_more_takes_no_place() {
        let line = Line::new();
        let askers: Vec<_> = (0..WAITING_MAX / 2).map(|_| line.ask("", NOBODY).unwrap()).collect();
        assert!(line.ask("", NOBODY).is_err());
        drop(askers);
        assert!(line.ask("", NOBODY).is_ok());
        assert_eq!(line.pool.state.lock().unwrap().waiting.len(), 1);
    }

    #[test]
    fn all_entries_for_one_server_have_one_share() {
        let line = Line::new();
        let (mut askers, same) = (Vec::new(), ["http://localhost/a", "http://LOCALHOST:80/b?c"]);
        for url in same.iter().cycle().take(WAITING_MAX / 2) {
            askers.push(line.ask("", url).unwrap());
        }
        assert!(same.iter().all(|url| line.ask("", url).is_err()));
        for other in ["https://localhost/a", "http://localhost:8080/a", NOBODY] {
            askers.push(line.ask("", other).unwrap());
        }
    }
}
