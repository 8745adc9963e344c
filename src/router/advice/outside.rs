//! Questions to those outside the router: HTTP servers, and hashes that take too long for a shard.
//!
//! A router cannot ask them itself. It says [`Output::Ask`], its driver takes the question and
//! sees to it that it is answered, whenever and from wherever. An answer that comes too late, or
//! to a question that nobody asks any more, changes nothing; so whoever is about to spend time on
//! one looks whether it [`is_wanted`](Question::is_wanted) still.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::super::config::HttpTarget;
use super::super::conversation::Deadline;
use super::super::{Output, Router};
use super::tally::HASHES;
use super::{Advice, Asked, QuestionId, Way};
use crate::limits::ADVICE_BYTES_MAX;
use crate::session::auth::Secret;
use crate::wire::Reader;
use crate::wire::json::JsonReader;

/// What somebody outside is asked.
#[derive(Debug)]
pub struct Question {
    /// By which its answer is known.
    pub id: QuestionId,
    /// How long the answer is awaited from now on.
    pub timeout: Duration,
    /// What is to be done.
    pub errand: Errand,
    /// Of what the router keeps as long as it waits.
    asker: Weak<()>,
}

impl Question {
    /// A question, and beside it what is to be kept for as long as somebody waits for the answer.
    pub(crate) fn new(id: QuestionId, timeout: Duration, errand: Errand) -> (Self, Arc<()>) {
        let asker = Arc::new(());
        (Self { id, timeout, errand, asker: Arc::downgrade(&asker) }, asker)
    }

    /// Whether somebody still waits for the answer. If not, it is best not even asked: whatever is
    /// answered changes nothing.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.asker.strong_count() > 0
    }
}

/// What is to be done to answer a question.
pub enum Errand {
    /// POST this JSON text there. The answer is the body of the response, if its status is 200.
    Post {
        /// Where.
        target: Arc<HttpTarget>,
        /// A JSON list.
        body: String,
    },
    /// Is this hash, a PHC string, that of this secret?
    Compare {
        /// What is known.
        hash: Arc<str>,
        /// What was said.
        secret: Secret,
    },
}

/// Neither arguments nor secrets are for logs.
impl fmt::Debug for Errand {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Post { target, .. } => write!(formatter, "Post({target:?})"),
            Self::Compare { .. } => formatter.write_str("Compare"),
        }
    }
}

/// What came of an [`Errand`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The body of the response.
    Body(Vec<u8>),
    /// Whether they belong together.
    Compared(bool),
    /// Nothing, for this reason.
    Failed(String),
    /// Nothing in time, for this reason.
    Late(String),
}

impl Router {
    /// Asks whether `hash`, a PHC string, is that of `secret`. What comes of it is told as an
    /// advisor's answer would be: [`Advice::Answer`] with `true` or `false`.
    pub fn compare(
        &mut self,
        hash: &Arc<str>,
        secret: Secret,
        timeout: Duration,
        asked: Asked,
    ) -> QuestionId {
        let id = self.questions.begin(asked, self.shared.tallies.of(HASHES));
        let errand = Errand::Compare { hash: Arc::clone(hash), secret };
        if self.is_overasked() {
            self.questions.fail(id, super::TOO_MANY);
        } else {
            self.ask_outside(id, timeout, errand);
        }
        id
    }

    /// The next question that somebody outside is to answer; one for each [`Output::Ask`], unless
    /// nobody asks it any more.
    pub fn take_question(&mut self) -> Option<Question> {
        self.questions.outside.pop_front().flatten()
    }

    pub(super) fn ask_outside(&mut self, id: QuestionId, timeout: Duration, errand: Errand) {
        let deadline = self.deadlines.insert(self.now + timeout, Deadline::Question(id));
        let (question, asker) = Question::new(id, timeout, errand);
        self.questions.set_way(id, Way::Outside(deadline, asker));
        self.questions.outside.push_back(Some(question));
        self.peers.outputs.push_back(Output::Ask);
    }

    /// Takes the answer of somebody outside.
    pub(in super::super) fn on_answered(&mut self, id: QuestionId, reply: Reply) {
        let Some(Way::Outside(deadline, _)) = self.questions.way(id) else { return };
        self.deadlines.cancel(*deadline);
        match reply {
            Reply::Late(reason) => self.questions.fail_late(id, &reason),
            reply => self.questions.tell(id, advice_of(reply)),
        }
    }

    /// Gives up a question that nobody outside has answered in time.
    pub(in super::super) fn on_question_late(&mut self, id: QuestionId) {
        self.questions.fail_late(id, "it took too long");
    }
}

fn advice_of(reply: Reply) -> Advice {
    let body = match reply {
        Reply::Body(body) => body,
        Reply::Compared(equal) => return Advice::Answer(equal.to_string()),
        Reply::Failed(reason) | Reply::Late(reason) => return Advice::Failed(reason),
    };
    if body.len() > ADVICE_BYTES_MAX {
        return Advice::Failed("the answer is too long".to_owned());
    }
    let mut reader = JsonReader::open(&body);
    let value = reader.skip().and_then(|value| reader.end().map(|()| value));
    let value = value.ok().and_then(|value| std::str::from_utf8(value).ok());
    match value {
        Some(value) => Advice::Answer(value.to_owned()),
        None => Advice::Failed("the answer is no JSON".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::config::Config;
    use super::super::super::{ConnectionId, Input, ShardId, Shared};
    use super::super::QuestionCounts;
    use super::*;
    use crate::env::Instant;

    #[test]
    fn those_outside_can_see_whether_anybody_waits_still() {
        let shared = Shared::new(Arc::new(Config::default()), 1, [1; 32], Instant::default());
        let mut router = Router::new(ShardId(0), &shared, [2; 32]);
        let asked = Asked::Authentication(ConnectionId { slot: 0, generation: 1 });
        let second = Duration::from_secs(1);
        let ask = |router: &mut Router| {
            router.compare(&"$argon2id$x".into(), Secret::from("sesame"), second, asked);
            router.take_question().unwrap()
        };
        let [withdrawn, answered, late, waiting] = [(); 4].map(|()| ask(&mut router));
        let all = [&withdrawn, &answered, &late, &waiting];
        let wanted = || all.map(|question| question.is_wanted());
        assert_eq!(wanted(), [true; 4]);
        router.withdraw(withdrawn.id);
        assert_eq!(wanted(), [false, true, true, true]);
        for (question, reply) in [
            (answered.id, Reply::Compared(true)),
            (late.id, Reply::Late("it took too long".to_owned())),
        ] {
            router.handle(Instant::default(), Input::Answered { question, reply });
        }
        assert_eq!(wanted(), [false, false, false, true]);
        let counts =
            QuestionCounts { asked: 4, answered: 1, failed: 0, timed_out: 1, withdrawn: 1 };
        assert_eq!(shared.questions(), [("slow hashes".into(), counts)]);
        assert_eq!(counts.waiting(), 1);
        // Nobody answers in time.
        router.handle(Instant::default() + 2 * second, Input::DeadlineReached);
        assert_eq!((wanted(), shared.questions()[0].1.timed_out), ([false; 4], 2));
    }

    #[test]
    fn a_body_is_one_json_value() {
        let answer = |body: &[u8]| advice_of(Reply::Body(body.to_vec()));
        assert_eq!(answer(b" true\n"), Advice::Answer("true".to_owned()));
        assert_eq!(answer(b"{\"allow\": false}"), Advice::Answer("{\"allow\": false}".to_owned()));
        for garbage in [&b""[..], b"yes", b"true false", b"{", b"\"\xff\"", &[b'['; 100]] {
            assert_eq!(answer(garbage), Advice::Failed("the answer is no JSON".to_owned()));
        }
        let long = vec![b' '; ADVICE_BYTES_MAX + 1];
        assert_eq!(answer(&long), Advice::Failed("the answer is too long".to_owned()));
    }

    #[test]
    fn what_is_asked_is_not_for_logs() {
        let secret = Secret::from("sesame");
        let errand = Errand::Compare { hash: "$argon2id$x".into(), secret };
        assert_eq!(format!("{errand:?}"), "Compare");
    }
}
