//! `gigawamp explain`: whether a session may do something, and which rule says so.

use std::fmt::Write;

use toml::de::{DeTable, DeValue};

use super::config::Loaded;
use crate::message::uri::{MatchPolicy, is_reserved, is_valid_pattern};
use crate::router::authorization::{Action, Effect, Ruling, fits_all, role_of, takes_from_others};
use crate::router::config::{Disclosure, RealmConfig, RoleConfig};

/// What is to be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// The name of a realm.
    pub(super) realm: String,
    /// The name of one of its roles.
    pub(super) role: String,
    /// What a session wants to do.
    pub(super) action: Action,
    /// How `uri` is to match.
    pub(super) policy: MatchPolicy,
    /// With what.
    pub(super) uri: String,
    /// The session's authid.
    pub(super) authid: String,
}

/// The answer: the effect, and the text that says why.
pub(super) struct Answer {
    /// What happens.
    pub(super) effect: Effect,
    /// Lines for people.
    pub(super) text: String,
}

impl Answer {
    fn denied(text: String) -> Self {
        Self { effect: Effect::Deny, text }
    }
}

/// Explains what is `loaded`, from what is `written`, says to `question`.
///
/// # Errors
///
/// Says what of the question does not exist.
pub(super) fn answer(
    (loaded, written): (&Loaded, Option<&str>),
    question: &Question,
) -> Result<Answer, String> {
    let realms = &loaded.settings.realms;
    let realm = realms.iter().find(|realm| realm.name == question.realm);
    let realm = realm.ok_or_else(|| format!("there is no realm {:?}", question.realm))?;
    let Question { action, policy, uri, .. } = question;
    if !is_valid_pattern(uri, *policy, realm.uri_check) {
        return Err(format!("{uri:?} is not valid as a URI of match policy {}", policy.name()));
    }
    if is_reserved(uri) && matches!(action, Action::Register | Action::Publish) {
        return Ok(Answer::denied(format!("denied: {uri} is reserved for the router\n")));
    }
    if realm.options.roles.is_empty() {
        return Ok(without_roles(realm, question));
    }
    let roles = &realm.options.roles;
    let role = roles.iter().find(|role| role.name == question.role);
    let role = role.ok_or_else(|| {
        let names: Vec<_> = roles.iter().map(|role| role.name.as_str()).collect();
        format!("realm {:?} has no role {:?}, but {}", realm.name, question.role, names.join(", "))
    })?;
    let compiled = role_of(realm, role);
    let ruling = compiled.decide_pattern(*action, (*policy, uri), &question.authid);
    let rule = Source { loaded, written, realm, role }.describe(ruling);
    let named = || compiled.names(*action, uri, &question.authid) || realm.options.meta_kill;
    if *action == Action::Call && takes_from_others(uri) && !named() {
        let text = format!("denied: no rule names {uri}, and `meta_kill` is off\n");
        return Ok(Answer::denied(text));
    }
    let takeover =
        || compiled.decide_pattern(Action::Takeover, (*policy, uri), &question.authid).effect;
    if *action == Action::Register && fits_all(*policy, uri) && takeover() != Effect::Allow {
        let text = "denied: a pattern that anything fits needs a rule for `takeover`\n";
        return Ok(Answer::denied(text.to_owned()));
    }
    let word = match ruling.effect {
        Effect::Allow => "allowed",
        Effect::Ask(_) => "asked for",
        Effect::Deny => "denied",
    };
    let mut text = format!("{word} {rule}\n");
    if let Some(disclosure) = compiled.disclosure(*action, uri, &question.authid) {
        // Writing into a string succeeds.
        let word = match disclosure {
            Disclosure::Allow => "asked",
            Disclosure::Always => "always",
            Disclosure::Deny => "never",
        };
        let _ = writeln!(text, "disclosure: {word}");
    }
    Ok(Answer { effect: ruling.effect, text })
}

/// What is so in a realm that has no roles.
fn without_roles(realm: &RealmConfig, question: &Question) -> Answer {
    let options = &realm.options;
    let is_off = match question.action {
        Action::Takeover => !options.force_reregister,
        Action::Call => takes_from_others(&question.uri) && !options.meta_kill,
        Action::Register | Action::Publish | Action::Subscribe => false,
    };
    if is_off {
        let option = if question.action == Action::Call { "meta_kill" } else { "force_reregister" };
        return Answer::denied(format!("denied: the realm has no roles, and `{option}` is off\n"));
    }
    Answer { effect: Effect::Allow, text: "allowed: the realm has no roles\n".to_owned() }
}

/// Where a rule comes from.
struct Source<'s> {
    loaded: &'s Loaded,
    written: Option<&'s str>,
    realm: &'s RealmConfig,
    role: &'s RoleConfig,
}

impl Source<'_> {
    /// The rule that decides, and its line.
    fn describe(&self, ruling: Ruling) -> String {
        let name = &self.role.name;
        let Some(rule) = ruling.rule else { return format!("by no rule of role {name}") };
        let (mut list, mut place) = ("allow", rule as usize);
        for (before, next) in [(self.role.allow.len(), "deny"), (self.role.deny.len(), "ask")] {
            if place < before {
                break;
            }
            (list, place) = (next, place - before);
        }
        match self.find(list, place) {
            Some((line, written)) => {
                let file = &self.loaded.source;
                format!("by {list} {written} of role {name} ({file}, line {line})")
            }
            None => format!("by rule {} of `{list}` of role {name}", place + 1),
        }
    }

    /// The line of a rule in the file, and how it is written there.
    fn find(&self, list: &str, place: usize) -> Option<(usize, String)> {
        let text = self.written?;
        let document = DeTable::parse(text).ok()?;
        let realm = named(document.get_ref(), "realms", &self.realm.name)?;
        let role = named(realm, "roles", &self.role.name)?;
        let DeValue::Array(rules) = role.get(list)?.get_ref() else { return None };
        let span = rules.get(place)?.span();
        let line = 1 + text.get(..span.start)?.matches('\n').count();
        Some((line, text.get(span)?.to_owned()))
    }
}

/// The one of the tables under `list` that has that name.
fn named<'t>(table: &'t DeTable<'_>, list: &str, name: &str) -> Option<&'t DeTable<'t>> {
    let DeValue::Array(tables) = table.get(list)?.get_ref() else { return None };
    tables.iter().find_map(|item| {
        let DeValue::Table(table) = item.get_ref() else { return None };
        let DeValue::String(known) = table.get("name")?.get_ref() else { return None };
        (**known == *name).then_some(table)
    })
}
