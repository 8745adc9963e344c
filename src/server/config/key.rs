//! What a key of the configuration is: its name, what may be written, where it goes.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::value::{Value, duration, show_duration, show_size, size};

/// One key of the configuration. Everything about it stands in its row of
/// [`table`](super::table): reading, checking, documentation and suggestions all work from there.
pub(super) struct Key<T: 'static> {
    /// As it is written.
    pub(super) name: &'static str,
    /// What may be written, and where it goes.
    pub(super) kind: Kind<T>,
    /// What holds if nothing is written.
    pub(super) preset: Preset,
    /// What it is for, in Markdown.
    pub(super) meaning: &'static str,
}

/// What holds for a key that is not written.
pub(super) enum Preset {
    /// This TOML literal.
    Literal(&'static str),
    /// What the target is made with: a default of the core.
    Core,
    /// Nothing; the text says what that means.
    Unset(&'static str),
    /// The key has to be written.
    Required,
}

/// Finds the place of a value in a `T`.
pub(super) type Place<T, V> = fn(&mut T) -> &mut V;

/// A word that may be written, and what it does to a `T`.
pub(super) type Word<T> = (&'static str, fn(&mut T));

/// What may be written for a key, and where in a `T` it goes.
pub(super) enum Kind<T: 'static> {
    /// `true` or `false`.
    Switch(Place<T, bool>),
    /// `true`, `false` or `"auto"`.
    AutoSwitch(Place<T, Option<bool>>),
    /// A number of things.
    Count(RangeInclusive<usize>, Place<T, usize>),
    /// A number of things or `"auto"`.
    AutoCount(RangeInclusive<usize>, Place<T, Option<usize>>),
    /// A number of octets.
    Size(RangeInclusive<usize>, Place<T, usize>),
    /// A time span.
    Duration(RangeInclusive<Duration>, Place<T, Duration>),
    /// One of some words, each with what it does.
    Word(&'static [Word<T>]),
    /// Some of some words: the first function takes the preset back, then each word's is called.
    Words(fn(&mut T), &'static [Word<T>]),
    /// Text of a form; the function takes it over if it has that form.
    Text(&'static str, fn(&mut T, &str) -> Option<()>),
    /// Texts of a form, at least one; the first function takes the preset back.
    Texts(&'static str, fn(&mut T), fn(&mut T, &str) -> Option<()>),
}

impl<T> Key<T> {
    /// Checks `value` and puts it into its place.
    ///
    /// # Errors
    ///
    /// Says what was expected and what was found.
    pub(super) fn set(&self, target: &mut T, value: &Value<'_>) -> Result<(), String> {
        match self.take(target, value) {
            Some(()) => Ok(()),
            None => Err(format!("expected {}, found {value}", self.form())),
        }
    }

    /// Puts the preset into its place.
    pub(super) fn preset(&self, target: &mut T) {
        let Preset::Literal(literal) = self.preset else {
            return;
        };
        Value::with_literal(literal, |value| self.set(target, value))
            .expect("a preset is a TOML literal, a test sees to it")
            .expect("a preset is a valid value, a test sees to it");
    }

    /// What may be written, in words that follow "expected".
    pub(super) fn form(&self) -> String {
        match &self.kind {
            Kind::Switch(_) => "true or false".to_owned(),
            Kind::AutoSwitch(_) => "true, false or \"auto\"".to_owned(),
            Kind::Count(range, _) => {
                format!("an integer from {} to {}", range.start(), range.end())
            }
            Kind::AutoCount(range, _) => {
                format!("an integer from {} to {} or \"auto\"", range.start(), range.end())
            }
            Kind::Size(range, _) => {
                let (least, most) = (show_size(*range.start()), show_size(*range.end()));
                format!("a size such as \"1 MiB\", from \"{least}\" to \"{most}\"")
            }
            Kind::Duration(range, _) => {
                let (least, most) = (show_duration(*range.start()), show_duration(*range.end()));
                format!("a duration such as \"30s\", from \"{least}\" to \"{most}\"")
            }
            Kind::Word(words) => format!("one of {}", quoted(words)),
            Kind::Words(_, words) => format!("a list of one or more of {}", quoted(words)),
            Kind::Text(form, _) => (*form).to_owned(),
            Kind::Texts(form, ..) => format!("a list of one or more of {form}"),
        }
    }

    /// What the core's default of this key is, as it would be written.
    pub(super) fn show(&self, target: &mut T) -> Option<String> {
        match &self.kind {
            Kind::Count(_, place) => Some(place(target).to_string()),
            Kind::Size(_, place) => Some(format!("\"{}\"", show_size(*place(target)))),
            Kind::Duration(_, place) => Some(format!("\"{}\"", show_duration(*place(target)))),
            Kind::Switch(place) => Some(place(target).to_string()),
            Kind::AutoSwitch(_)
            | Kind::AutoCount(..)
            | Kind::Word(_)
            | Kind::Words(..)
            | Kind::Text(..)
            | Kind::Texts(..) => None,
        }
    }

    /// Puts `value` into its place if it is what may be written.
    fn take(&self, target: &mut T, value: &Value<'_>) -> Option<()> {
        match (&self.kind, value) {
            (Kind::Switch(place), Value::Switch(switch)) => *place(target) = *switch,
            (Kind::AutoSwitch(place), Value::Switch(switch)) => *place(target) = Some(*switch),
            (Kind::AutoSwitch(place), Value::Text(text)) if text == "auto" => *place(target) = None,
            (Kind::Count(range, place), Value::Integer(count)) => {
                *place(target) = within(range, *count)?;
            }
            (Kind::AutoCount(range, place), Value::Integer(count)) => {
                *place(target) = Some(within(range, *count)?);
            }
            (Kind::AutoCount(_, place), Value::Text(text)) if text == "auto" => {
                *place(target) = None;
            }
            (Kind::Size(range, place), Value::Integer(octets)) => {
                *place(target) = within(range, *octets)?;
            }
            (Kind::Size(range, place), Value::Text(text)) => {
                *place(target) = within(range, size(text)?)?;
            }
            (Kind::Duration(range, place), Value::Text(text)) => {
                *place(target) = duration(text).filter(|span| range.contains(span))?;
            }
            (Kind::Word(words), Value::Text(text)) => word(words, text)?(target),
            (Kind::Text(_, take), Value::Text(text)) => take(target, text)?,
            (Kind::Words(clear, words), Value::List(items)) if !items.is_empty() => {
                clear(target);
                for item in items {
                    word(words, text(item)?)?(target);
                }
            }
            (Kind::Texts(_, clear, take), Value::List(items)) if !items.is_empty() => {
                clear(target);
                for item in items {
                    take(target, text(item)?)?;
                }
            }
            _ => return None,
        }
        Some(())
    }
}

/// `count` if it lies in `range`.
fn within<N: TryInto<usize>>(range: &RangeInclusive<usize>, count: N) -> Option<usize> {
    count.try_into().ok().filter(|count| range.contains(count))
}

/// What `text` does, if it is one of `words`.
fn word<T>(words: &[Word<T>], text: &str) -> Option<fn(&mut T)> {
    words.iter().find(|(name, _)| *name == text).map(|(_, act)| *act)
}

/// The text of an item of a list.
fn text<'v>(item: &'v Value<'_>) -> Option<&'v str> {
    match item {
        Value::Text(text) => Some(text),
        Value::Integer(_) | Value::Switch(_) | Value::List(_) | Value::Other(_) => None,
    }
}

/// `"auto", "uring", "epoll"`.
fn quoted<T>(words: &[Word<T>]) -> String {
    words.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}
