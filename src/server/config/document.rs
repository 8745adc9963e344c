//! The table of options for the operator, in Markdown, from the rows that are also read.

use std::fmt::Write;

use super::key::{Key, Preset};
use super::{Settings, preset_listener, preset_realm, table, variable};

/// The options, as `docs/OPERATING.md` has them between its marks.
#[must_use]
pub fn options_markdown() -> String {
    let mut settings = Settings::preset();
    let mut out = String::new();
    section(&mut out, "The top level", (table::TOP, Some("")), &mut settings);
    section(&mut out, "`[[realms]]`", (table::REALM, None), &mut preset_realm());
    section(&mut out, "`[[listeners]]`", (table::LISTENER, None), &mut preset_listener());
    let limits = (table::LIMITS, Some("LIMITS_"));
    section(&mut out, "`[limits]`", limits, &mut settings.limits);
    out
}

/// One table. With `variables`, what stands between `GIGAWAMP_` and a key's name in the
/// environment.
fn section<T>(
    out: &mut String,
    title: &str,
    (keys, variables): (&[Key<T>], Option<&str>),
    target: &mut T,
) {
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(format!("### {title}\n"));
    line("| Key | Value | Default | Meaning |".to_owned());
    line("|---|---|---|---|".to_owned());
    for key in keys {
        let preset = match key.preset {
            Preset::Literal(literal) => format!("`{literal}`"),
            Preset::Core => key.show(target).map_or_else(String::new, |shown| format!("`{shown}`")),
            Preset::Unset(meaning) => meaning.to_owned(),
            Preset::Required => "required".to_owned(),
        };
        let mut name = format!("`{}`", key.name);
        if let Some(prefix) = variables {
            let _ = write!(name, "<br>`{}`", variable(prefix, key.name));
        }
        line(format!("| {name} | {} | {preset} | {} |", key.form(), key.meaning));
    }
    line(String::new());
}
