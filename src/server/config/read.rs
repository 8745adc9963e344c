//! Walks a configuration file and says, line by line, what is wrong with it.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fixed::Fixed;
use super::key::Preset;
use super::nest::{Shape, Table};
use super::secret::Reveal;
use super::value::Value;
use super::{Problem, Settings, table};

/// Reads `text`, the content of the file `source`, into `settings`; appends what is wrong to
/// `problems`, in the order of lines.
pub(super) fn read(
    file: (&str, &str),
    reveal: Reveal<'_>,
    settings: &mut Settings,
    problems: &mut Vec<Problem>,
) -> Fixed {
    read_table(file, (&table::TOP, reveal), settings, problems)
}

/// As [`read`], where the whole file is `table`.
pub(super) fn read_table<T>(
    (source, text): (&str, &str),
    (table, reveal): (&Table<T>, Reveal<'_>),
    target: &mut T,
    problems: &mut Vec<Problem>,
) -> Fixed {
    let (place, fixed) = (String::new(), Fixed::default());
    let mut reader = Reader { source, text, reveal, problems: Vec::new(), place, fixed };
    match DeTable::parse(text) {
        Ok(document) => {
            reader.table("the top level", (None, document.get_ref()), table, target);
        }
        Err(error) => {
            let at = error.span().map(|span| span.start);
            reader.blame(at, error.message().lines().collect::<Vec<_>>().join(", "));
        }
    }
    // What concerns the file as a whole comes last.
    reader.problems.sort_by_key(|problem| (problem.line.is_none(), problem.line));
    problems.append(&mut reader.problems);
    reader.fixed
}

/// One file being read.
pub(super) struct Reader<'t> {
    source: &'t str,
    text: &'t str,
    reveal: Reveal<'t>,
    problems: Vec<Problem>,
    /// The table in hand, as it is named to an operator: `realms[realm1]`.
    place: String,
    fixed: Fixed,
}

impl Reader<'_> {
    /// One table, `given` at a place of the file: every key of it is one of the table's options or
    /// tables, and those that are required are there. Says whether nothing was wrong.
    pub(super) fn table<T>(
        &mut self,
        title: &str,
        (at, given): (Option<usize>, &DeTable<'_>),
        table: &Table<T>,
        target: &mut T,
    ) -> bool {
        let problems_before = self.problems.len();
        let dot = if table.path.is_empty() { "" } else { "." };
        for (name, value) in given {
            let written = name.get_ref().as_ref();
            if let Some(key) = table.keys.iter().find(|key| key.name == written) {
                let result = key.set(target, &Value::of_toml(value.get_ref()), self.reveal);
                if let Err(text) = result {
                    let text = format!("{}{dot}{written}: {text}", table.path);
                    self.blame(Some(value.span().start), text);
                }
            } else if let Some(inner) = table.tables.iter().find(|it| it.name() == written) {
                inner.read(self, value, target);
            } else {
                let keys = table.keys.iter().map(|key| key.name);
                let known = keys.chain(table.tables.iter().map(|inner| inner.name()));
                self.blame(Some(name.span().start), unknown(title, written, known));
            }
        }
        for key in table.keys {
            let written = given.get(key.name).map(|value| Value::of_toml(value.get_ref()));
            self.fixed.note(&self.place, key, written.as_ref());
            if matches!(key.preset, Preset::Required) && !given.contains_key(key.name) {
                let text = format!("{title}: `{}` is missing", key.name);
                self.blame(at, text);
            }
        }
        for inner in table.tables.iter().filter(|inner| !given.contains_key(inner.name())) {
            if let Some(text) = inner.needed() {
                self.blame(at, text.to_owned());
            }
        }
        self.problems.len() == problems_before
    }

    /// Runs `within` for a table called `name` within the one in hand, which says by its key `by`
    /// which of several it is.
    pub(super) fn enter<R>(
        &mut self,
        (name, by): (&str, Option<&str>),
        given: &DeTable<'_>,
        within: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let outer = self.place.clone();
        if !outer.is_empty() {
            self.place.push('.');
        }
        self.place.push_str(name);
        if let Some(DeValue::String(text)) = by.and_then(|by| given.get(by)).map(Spanned::get_ref) {
            self.place.push_str(&format!("[{text}]"));
        }
        let result = within(self);
        self.place = outer;
        result
    }

    /// The tables that `value` is, each with its place in the file.
    pub(super) fn tables<'d>(
        &mut self,
        value: &'d Spanned<DeValue<'_>>,
        (path, title, shape): (&str, &str, Shape),
    ) -> Vec<(usize, &'d DeTable<'d>)> {
        let at = value.span().start;
        let expected = match shape {
            Shape::One => format!("{path}: expected a table, {title}"),
            Shape::List => format!("{path}: expected tables, each headed {title}"),
        };
        let items = match (shape, value.get_ref()) {
            (Shape::One, DeValue::Table(table)) => return vec![(at, table)],
            (Shape::List, DeValue::Array(items)) => items,
            (_, other) => {
                self.mistype(at, &expected, other);
                return Vec::new();
            }
        };
        if items.is_empty() {
            self.blame(Some(at), format!("{expected}, found none"));
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
    pub(super) fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        1 + before.iter().filter(|octet| **octet == b'\n').count()
    }

    /// Writes a problem down that stands `at` this octet of the file.
    pub(super) fn blame(&mut self, at: Option<usize>, text: String) {
        let line = at.map(|at| self.line(at));
        self.problems.push(Problem { source: self.source.to_owned(), line, text });
    }
}

/// What to say about a key that is not known.
fn unknown<'k>(title: &str, written: &str, known: impl Iterator<Item = &'k str>) -> String {
    let text = format!("unknown key `{written}` in {title}");
    let nearest = known
        .map(|name| (strsim::jaro_winkler(name, written), name))
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    match nearest {
        Some((likeness, name)) if likeness > 0.8 => format!("{text}; did you mean `{name}`?"),
        _ => text,
    }
}
