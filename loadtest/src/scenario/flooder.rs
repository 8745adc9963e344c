//! A client that means no good to the one that is measured beside it.

use gigawamp::message::{Call, CallOptions, Message, Publish, Result as CallResult};
use gigawamp::wire::Serializer;

use super::rpc::call;
use crate::Trouble;
use crate::cli::{Flood, Options};
use crate::engine::Outboxes;
use crate::speech::{Scanner, Template, id_as_arguments};
use crate::stamp::Stamp;

/// A flooder and what it did so far.
#[derive(Debug)]
pub struct Flooder {
    link: usize,
    source: u16,
    habit: Habit,
    sent: u64,
    answers: u64,
    has_ended: bool,
}

/// What it does.
#[derive(Debug)]
enum Habit {
    /// Sends the same as fast as its connection takes it, and cares for no answer.
    Pour(Template),
    /// Asks the meta API one question after the other, some at a time.
    Ask {
        /// What it asks, over and over.
        questions: Vec<Template>,
        /// Sessions to be killed, one after each round of questions.
        kills: Vec<Template>,
        killed: usize,
        result: Scanner,
        /// Questions that were not answered with a RESULT.
        refused: u64,
    },
}

impl Flooder {
    /// One on connection `link` that calls itself number `source`; if it uses the meta API it
    /// kills the sessions `victims`.
    #[must_use]
    pub fn new(
        (link, source): (usize, u16),
        flood: Flood,
        options: &Options,
        victims: &[u64],
    ) -> Self {
        let (serializer, bytes) = (options.serializer, options.payload);
        let habit = match flood {
            Flood::Call => Habit::Pour(call(0, serializer, bytes)),
            Flood::Publish => Habit::Pour(Template::new(serializer, bytes, |request, payload| {
                let topic = "load.flood".into();
                Publish { request, options: Default::default(), topic, payload }.into()
            })),
            Flood::Meta => Habit::Ask {
                questions: QUESTIONS.map(|name| question(serializer, name, None)).to_vec(),
                kills: victims
                    .iter()
                    .map(|victim| question(serializer, "wamp.session.kill", Some(*victim)))
                    .collect(),
                killed: 0,
                result: Scanner::new(serializer, CallResult::CODE, 0),
                refused: 0,
            },
        };
        Self { link, source, habit, sent: 0, answers: 0, has_ended: false }
    }

    /// The connection it is on.
    #[must_use]
    pub const fn link(&self) -> usize {
        self.link
    }

    /// Sends a little more if there is room; whether it would like to go on at once.
    pub fn flood(&mut self, now: u64, out: &mut Outboxes) -> bool {
        if out.is_blocked(self.link) {
            return false;
        }
        let Habit::Pour(template) = &self.habit else {
            while self.sent < self.answers + QUESTIONS_AT_ONCE {
                self.ask(out);
            }
            return false;
        };
        while out.waiting(self.link) < FLOOD_BYTES {
            self.sent += 1;
            let stamp = Stamp { source: self.source, sequence: self.sent, sent: now };
            out.send(self.link, template, self.sent, stamp);
        }
        true
    }

    /// Takes an answer, and goes on if there is an outbox to do so.
    ///
    /// # Errors
    ///
    /// If the router answers what was not asked.
    pub fn hear(&mut self, message: &[u8], out: Option<&mut Outboxes>) -> Result<(), Trouble> {
        self.answers += 1;
        let Habit::Ask { result, refused, .. } = &mut self.habit else { return Ok(()) };
        *refused += u64::from(result.scan(message).is_err());
        if self.answers > self.sent {
            return Err(Trouble::Wrong("more answers of the meta API than questions".to_owned()));
        }
        if let Some(out) = out {
            self.ask(out);
        }
        Ok(())
    }

    /// Its connection is gone.
    pub const fn end(&mut self) {
        self.has_ended = true;
    }

    /// What became of it.
    #[must_use]
    pub fn remark(&self) -> String {
        let fate = if self.has_ended { "was ended by the router" } else { "is still connected" };
        let sent = self.sent;
        match &self.habit {
            Habit::Pour(_) => format!("flooder: wrote {sent} messages and {fate}"),
            Habit::Ask { killed, refused, .. } => {
                let answers = self.answers;
                format!(
                    "flooder: asked {sent} questions, got {answers} answers, {refused} of them \
                     errors, killed {killed} sessions and {fate}"
                )
            }
        }
    }

    /// Asks the next question.
    fn ask(&mut self, out: &mut Outboxes) {
        let Habit::Ask { questions, kills, killed, .. } = &mut self.habit else { return };
        let turn = usize::try_from(self.sent).unwrap_or(usize::MAX) % (questions.len() + 1);
        self.sent += 1;
        let template = match (questions.get(turn), kills.get(*killed)) {
            (Some(question), _) => question,
            (None, Some(kill)) => {
                *killed += 1;
                kill
            }
            (None, None) => &questions[0],
        };
        out.send(self.link, template, self.sent, Stamp::default());
    }
}

/// What a flooder sends in one turn: little enough to leave the turn to the measured client.
const FLOOD_BYTES: usize = 16 * 1024;

/// Questions under way at once.
const QUESTIONS_AT_ONCE: u64 = 4;

/// What is asked of the meta API in each round.
const QUESTIONS: [&str; 5] = [
    "wamp.session.list",
    "wamp.session.count",
    "wamp.registration.list",
    "wamp.session.list",
    "wamp.subscription.list",
];

/// A call of a meta procedure, with an id as its argument if there is one.
fn question(serializer: Serializer, name: &str, id: Option<u64>) -> Template {
    let arguments = id.map(|id| id_as_arguments(serializer, id)).unwrap_or_default();
    Template::with(serializer, &arguments, |request, payload| {
        let procedure = name.to_owned().into();
        Message::from(Call { request, options: CallOptions::default(), procedure, payload })
    })
}
