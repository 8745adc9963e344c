//! What was written for keys that take a restart, to tell whether it has changed.

use std::collections::BTreeMap;

use super::key::{Key, Preset};
use super::value::Value;

/// The values of all keys that are not reloadable, by the table they stand in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::server) struct Fixed(BTreeMap<String, BTreeMap<&'static str, String>>);

impl Fixed {
    /// Notes what is `written` for `key` of the table called `place`, or that its preset holds.
    pub(super) fn note<T>(&mut self, place: &str, key: &Key<T>, written: Option<&Value<'_>>) {
        if key.reload {
            return;
        }
        let value = match (written, &key.preset) {
            // What a secret is, is nobody's business; that it was written is enough.
            (Some(_), _) if key.is_secret() => "a secret".to_owned(),
            (Some(value), _) => format!("{value:?}"),
            (None, Preset::Literal(literal)) => {
                Value::with_literal(literal, |value| format!("{value:?}")).unwrap_or_default()
            }
            (None, Preset::Core | Preset::Unset(_) | Preset::Required) => String::new(),
        };
        self.0.entry(place.to_owned()).or_default().insert(key.name, value);
    }

    /// The keys that `now` has otherwise, as they are to be named. Of tables that are there only
    /// before or only now, those that say where they are: `listeners[127.0.0.1:8080].address`.
    pub(in crate::server) fn changed(&self, now: &Self) -> Vec<String> {
        let named = |place: &str, key: &str| match place {
            "" => key.to_owned(),
            place => format!("{place}.{key}"),
        };
        let mut changed = Vec::new();
        for (place, before) in &self.0 {
            match now.0.get(place) {
                Some(now) => {
                    let other = before.iter().filter(|(key, value)| now.get(*key) != Some(value));
                    changed.extend(other.map(|(key, _)| named(place, key)));
                }
                None => {
                    changed.extend(before.contains_key("address").then(|| named(place, "address")))
                }
            }
        }
        for (place, keys) in now.0.iter().filter(|(place, _)| !self.0.contains_key(*place)) {
            changed.extend(keys.contains_key("address").then(|| named(place, "address")));
        }
        changed
    }
}
