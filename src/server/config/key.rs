//! What a key of the configuration is: its name, what may be written, where it goes.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::secret::{Nothing, Reveal};
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
    /// Whether a change of it is heeded while the process runs; else it takes a restart.
    pub(super) reload: bool,
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
#[allow(dead_code, reason = "the rows of some kinds are being built")]
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
    /// Text of a form; the function takes it over, or says what is wrong with it.
    Parsed(&'static str, Take<T>),
    /// Texts of a form, at least one; the first function takes the preset back, the second takes
    /// each over, or says what is wrong with it.
    ParsedList(&'static str, fn(&mut T), Take<T>),
    /// Networks such as `10.0.0.0/8`, or single addresses; none may be written too.
    Networks(Place<T, Vec<IpNet>>),
    /// The path of a file. What is relative is so to where the process was started.
    Path(Place<T, Option<PathBuf>>),
    /// The path of a file. The function takes its content over, or says what is wrong with it.
    File(Take<T, [u8]>),
    /// A secret of a form, written as it is, as `env:NAME` or as `file:PATH`. The function takes
    /// it over, or says what is wrong with it without saying what it is. It is never shown.
    Secret(&'static str, Take<T>),
    /// As [`Secret`](Self::Secret), several, at least one; the first function takes the preset
    /// back.
    Secrets(&'static str, fn(&mut T), Take<T>),
}

/// Takes a text over into a `T`, or octets, or says what is wrong with it.
pub(super) type Take<T, V = str> = fn(&mut T, &V) -> Result<(), String>;

/// Why a value was not taken.
enum Mismatch {
    /// It has not the form that the kind demands.
    Form,
    /// It has, and something else is wrong.
    Because(String),
}

impl<T> Key<T> {
    /// Checks `value` and puts it into its place.
    ///
    /// # Errors
    ///
    /// Says what was expected and what was found, unless that is a secret.
    pub(super) fn set(
        &self,
        target: &mut T,
        value: &Value<'_>,
        reveal: Reveal<'_>,
    ) -> Result<(), String> {
        let form = self.form();
        match self.take(target, value, reveal) {
            Ok(()) => Ok(()),
            Err(Mismatch::Form) if self.is_secret() => {
                Err(format!("expected {form}, found {}", value.name()))
            }
            Err(Mismatch::Form) => Err(format!("expected {form}, found {value}")),
            Err(Mismatch::Because(text)) => Err(format!("{text}; expected {form}")),
        }
    }

    /// Puts the preset into its place.
    pub(super) fn preset(&self, target: &mut T) {
        let Preset::Literal(literal) = self.preset else {
            return;
        };
        Value::with_literal(literal, |value| self.set(target, value, &Nothing))
            .expect("a preset is a TOML literal, a test sees to it")
            .expect("a preset is a valid value, a test sees to it");
    }

    /// Whether what is written for it must not be shown.
    pub(super) fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret(..) | Kind::Secrets(..))
    }

    /// What may be written, in words that follow "expected".
    pub(super) fn form(&self) -> String {
        const ELSEWHERE: &str = "or \"env:NAME\" or \"file:PATH\" for where it is found";
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
            Kind::Text(form, _) | Kind::Parsed(form, _) => (*form).to_owned(),
            Kind::Texts(form, ..) | Kind::ParsedList(form, ..) => {
                format!("a list of one or more of {form}")
            }
            Kind::Networks(_) => {
                "a list of networks or addresses such as \"10.0.0.0/8\" or \"::1\"".to_owned()
            }
            Kind::Path(_) | Kind::File(_) => "the path of a file".to_owned(),
            Kind::Secret(form, _) => format!("{form}, {ELSEWHERE}"),
            Kind::Secrets(form, ..) => format!("a list of one or more of {form}, {ELSEWHERE}"),
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
            | Kind::Texts(..)
            | Kind::Parsed(..)
            | Kind::ParsedList(..)
            | Kind::Networks(_)
            | Kind::Path(_)
            | Kind::File(_)
            | Kind::Secret(..)
            | Kind::Secrets(..) => None,
        }
    }

    /// Puts `value` into its place if it is what may be written.
    fn take(&self, target: &mut T, value: &Value<'_>, reveal: Reveal<'_>) -> Result<(), Mismatch> {
        match (&self.kind, value) {
            (Kind::Parsed(_, take), Value::Text(text)) => parse(*take, target, text),
            (Kind::Secret(_, take), Value::Text(text)) => unveil(*take, target, (text, reveal)),
            (Kind::File(take), Value::Text(path)) if is_file_name(path) => {
                let taken = reveal.file(path).and_then(|content| take(target, &content));
                taken.map_err(|text| Mismatch::Because(format!("{path}: {text}")))
            }
            (Kind::ParsedList(_, clear, take), Value::List(items)) if !items.is_empty() => {
                clear(target);
                items
                    .iter()
                    .try_for_each(|item| parse(*take, target, text(item).ok_or(Mismatch::Form)?))
            }
            (Kind::Secrets(_, clear, take), Value::List(items)) if !items.is_empty() => {
                clear(target);
                items.iter().try_for_each(|item| {
                    let text = text(item).ok_or(Mismatch::Form)?;
                    unveil(*take, target, (text, reveal))
                })
            }
            _ => self.take_form(target, value).ok_or(Mismatch::Form),
        }
    }

    /// Puts `value` into its place if it has a form that says it all.
    fn take_form(&self, target: &mut T, value: &Value<'_>) -> Option<()> {
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
            (Kind::Networks(place), Value::List(items)) => {
                let networks = items.iter().map(|item| network(text(item)?));
                *place(target) = networks.collect::<Option<Vec<_>>>()?;
            }
            (Kind::Path(place), Value::Text(text)) if is_file_name(text) => {
                *place(target) = Some(PathBuf::from(text.as_ref()));
            }
            _ => return None,
        }
        Some(())
    }
}

/// Hands a text over.
fn parse<T>(take: Take<T>, target: &mut T, text: &str) -> Result<(), Mismatch> {
    take(target, text).map_err(|reason| Mismatch::Because(format!("{text:?}: {reason}")))
}

/// Hands the secret over that a text stands for.
fn unveil<T>(
    take: Take<T>,
    target: &mut T,
    (text, reveal): (&str, Reveal<'_>),
) -> Result<(), Mismatch> {
    reveal.secret(text).and_then(|secret| take(target, &secret)).map_err(Mismatch::Because)
}

/// The network that `text` means; an address alone is a network of one.
fn network(text: &str) -> Option<IpNet> {
    let network = text.parse::<IpNet>().ok();
    // Host bits that are set are a mistake of somebody who meant another network.
    network
        .filter(|network| network.trunc() == *network)
        .or_else(|| text.parse().ok().map(|address: std::net::IpAddr| IpNet::from(address)))
}

/// Whether `text` can be the path of a file.
fn is_file_name(text: &str) -> bool {
    !text.is_empty() && !text.contains('\0')
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
