//! Walks a configuration file and says, line by line, what is wrong with it.

use toml::de::{DeTable, DeValue};

use super::key::{Key, Preset};
use super::value::Value;
use super::{Problem, Settings, preset_listener, preset_realm, table};

/// Reads `text`, the content of the file `source`, into `settings`; appends what is wrong to
/// `problems`, in the order of lines.
pub(super) fn read(source: &str, text: &str, settings: &mut Settings, problems: &mut Vec<Problem>) {
    let mut reader = Reader { source, text, problems: Vec::new() };
    match DeTable::parse(text) {
        Ok(document) => reader.top(document.get_ref(), settings),
        Err(error) => {
            let at = error.span().map(|span| span.start);
            reader.blame(at, error.message().lines().collect::<Vec<_>>().join(", "));
        }
    }
    // What concerns the file as a whole comes last.
    reader.problems.sort_by_key(|problem| (problem.line.is_none(), problem.line));
    problems.append(&mut reader.problems);
}

/// One file being read.
struct Reader<'t> {
    source: &'t str,
    text: &'t str,
    problems: Vec<Problem>,
}

/// Where in the file a table stands, and what it is called in messages.
#[derive(Clone, Copy)]
struct Section {
    /// Before the names of its keys.
    prefix: &'static str,
    /// What the section is called.
    title: &'static str,
    /// The table's place in the file, if it has one.
    at: Option<usize>,
}

impl Reader<'_> {
    /// The whole file.
    fn top(&mut self, document: &DeTable<'_>, settings: &mut Settings) {
        let top = Section { prefix: "", title: "the top level", at: None };
        self.section(top, document, (table::TOP, &table::TABLES), settings);
        self.limits(document, settings);
        self.realms(document, settings);
        self.listeners(document, settings);
    }

    /// `[limits]`.
    fn limits(&mut self, document: &DeTable<'_>, settings: &mut Settings) {
        let Some(limits) = document.get("limits") else {
            return;
        };
        let at = limits.span().start;
        let DeValue::Table(given) = limits.get_ref() else {
            return self.mistype(at, "limits: expected a table, [limits]", limits.get_ref());
        };
        let section = Section { prefix: "limits.", title: "[limits]", at: Some(at) };
        self.section(section, given, (table::LIMITS, &[]), &mut settings.limits);
    }

    /// `[[realms]]`.
    fn realms(&mut self, document: &DeTable<'_>, settings: &mut Settings) {
        let (prefix, title) = ("realms.", "[[realms]]");
        for (at, item) in self.tables(document, "realms") {
            let mut realm = preset_realm();
            let section = Section { prefix, title, at: Some(at) };
            if !self.section(section, item, (table::REALM, &[]), &mut realm) {
                continue;
            }
            if settings.realms.iter().any(|other| other.name == realm.name) {
                self.blame(Some(at), format!("two realms are called {:?}", realm.name));
            }
            settings.realms.push(realm);
        }
        if !document.contains_key("realms") {
            let advice = "no realm: write [[realms]] with a name such as \"realm1\"";
            self.blame(None, advice.to_owned());
        }
    }

    /// `[[listeners]]`.
    fn listeners(&mut self, document: &DeTable<'_>, settings: &mut Settings) {
        let (prefix, title) = ("listeners.", "[[listeners]]");
        for (at, item) in self.tables(document, "listeners") {
            let mut listener = preset_listener();
            let section = Section { prefix, title, at: Some(at) };
            if !self.section(section, item, (table::LISTENER, &[]), &mut listener) {
                continue;
            }
            let address = &listener.address;
            let at = item.get("address").map_or(at, |value| value.span().start);
            if settings.listeners.iter().any(|other| other.address.clashes(address)) {
                self.blame(Some(at), format!("two listeners have the address \"{address}\""));
            }
            listener.line = Some(self.line(at));
            settings.listeners.push(listener);
        }
        if !document.contains_key("listeners") {
            let advice = "no listener: write [[listeners]] with an address such as \
                          \"127.0.0.1:8080\"";
            self.blame(None, advice.to_owned());
        }
    }

    /// One table: every key of it is one of `keys` (or of the names beside them), and those that
    /// are required are there. Says whether nothing was wrong.
    fn section<T>(
        &mut self,
        section: Section,
        given: &DeTable<'_>,
        (keys, others): (&[Key<T>], &[&str]),
        target: &mut T,
    ) -> bool {
        let problems_before = self.problems.len();
        for (name, value) in given {
            let written = name.get_ref().as_ref();
            let Some(key) = keys.iter().find(|key| key.name == written) else {
                if !others.contains(&written) {
                    let known = keys.iter().map(|key| key.name).chain(others.iter().copied());
                    let text = unknown(section, written, known);
                    self.blame(Some(name.span().start), text);
                }
                continue;
            };
            if let Err(text) = key.set(target, &Value::of_toml(value.get_ref())) {
                let text = format!("{}{written}: {text}", section.prefix);
                self.blame(Some(value.span().start), text);
            }
        }
        for key in keys {
            if matches!(key.preset, Preset::Required) && !given.contains_key(key.name) {
                let text = format!("{}: `{}` is missing", section.title, key.name);
                self.blame(section.at, text);
            }
        }
        self.problems.len() == problems_before
    }

    /// The tables of the list `name`, each with its place in the file.
    fn tables<'d>(
        &mut self,
        document: &'d DeTable<'_>,
        name: &'static str,
    ) -> Vec<(usize, &'d DeTable<'d>)> {
        let Some(list) = document.get(name) else {
            return Vec::new();
        };
        let expected = format!("{name}: expected tables, each headed [[{name}]]");
        let DeValue::Array(items) = list.get_ref() else {
            self.mistype(list.span().start, &expected, list.get_ref());
            return Vec::new();
        };
        if items.is_empty() {
            self.blame(Some(list.span().start), format!("{expected}, found none"));
        }
        let mut tables = Vec::new();
        for item in items.iter() {
            if let DeValue::Table(table) = item.get_ref() {
                tables.push((item.span().start, table));
            } else {
                self.mistype(item.span().start, &expected, item.get_ref());
            }
        }
        tables
    }

    /// Blames a value of the wrong type.
    fn mistype(&mut self, at: usize, expected: &str, found: &DeValue<'_>) {
        self.blame(Some(at), format!("{expected}, found {}", Value::of_toml(found)));
    }

    /// The line, from 1, in which this octet of the file stands.
    fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        1 + before.iter().filter(|octet| **octet == b'\n').count()
    }

    /// Writes a problem down that stands `at` this octet of the file.
    fn blame(&mut self, at: Option<usize>, text: String) {
        let line = at.map(|at| self.line(at));
        self.problems.push(Problem { source: self.source.to_owned(), line, text });
    }
}

/// What to say about a key that is not known.
fn unknown<'k>(section: Section, written: &str, known: impl Iterator<Item = &'k str>) -> String {
    let text = format!("unknown key `{written}` in {}", section.title);
    let nearest = known
        .map(|name| (strsim::jaro_winkler(name, written), name))
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    match nearest {
        Some((likeness, name)) if likeness > 0.8 => format!("{text}; did you mean `{name}`?"),
        _ => text,
    }
}
