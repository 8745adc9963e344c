//! The table of options for the operator, in Markdown, from the rows that are also read.

use std::fmt::Write;

use super::key::Preset;
use super::nest::Table;
use super::{Settings, VARIABLES, table, variable};

/// The options, as `docs/OPERATING.md` has them between its marks.
#[must_use]
pub fn options_markdown() -> String {
    let mut document = Document { text: String::new() };
    document.table("The top level", &table::TOP, &mut Settings::preset());
    document.text
}

/// A document being written.
pub(super) struct Document {
    text: String,
}

impl Document {
    /// One table, and those within it.
    pub(super) fn table<T>(&mut self, title: &str, table: &Table<T>, target: &mut T) {
        // A variable of the environment cannot say which of several realms it means.
        let variables = VARIABLES.iter().find(|(path, _)| *path == table.path);
        self.line(&format!("### {title}\n"));
        self.line("| Key | Value | Default | Reload | Meaning |");
        self.line("|---|---|---|---|---|");
        for key in table.keys {
            let preset = match key.preset {
                Preset::Literal(literal) => format!("`{literal}`"),
                Preset::Core => {
                    key.show(target).map_or_else(String::new, |shown| format!("`{shown}`"))
                }
                Preset::Unset(meaning) => meaning.to_owned(),
                Preset::Required => "required".to_owned(),
            };
            let mut name = format!("`{}`", key.name);
            if let Some((_, prefix)) = variables {
                let _ = write!(name, "<br>`{}`", variable(prefix, key.name));
            }
            let reload = if key.reload { "yes" } else { "no" };
            let (form, meaning) = (key.form(), key.meaning);
            self.line(&format!("| {name} | {form} | {preset} | {reload} | {meaning} |"));
        }
        self.line("");
        for inner in table.tables {
            inner.describe(self);
        }
    }

    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }
}
