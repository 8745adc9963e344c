//! Just enough of Rust's grammar to ask what a file uses: comments and literals are taken out,
//! the rest is words and paths.

use std::path::PathBuf;

/// One Rust file.
pub(crate) struct Source {
    /// Where it lies, from the root of the tree.
    pub(crate) path: PathBuf,
    /// All of it.
    pub(crate) text: String,
    /// The same lines without comments and without what stands in quotes.
    pub(crate) code: String,
}

impl Source {
    pub(crate) fn new(path: PathBuf, text: String) -> Self {
        let code = without_comments_and_literals(&text);
        Self { path, text, code }
    }

    /// The room this file belongs to, and its level.
    pub(crate) fn room(&self, rooms: &[(&'static str, u8)]) -> Option<(&'static str, u8)> {
        let mut parts = self.path.components().skip(1);
        let name = parts.next()?.as_os_str().to_str()?;
        let name = name.strip_suffix(".rs").unwrap_or(name);
        rooms.iter().copied().find(|room| room.0 == name)
    }

    /// How many modules deep this file lies below the crate's root.
    pub(crate) fn depth(&self) -> usize {
        let parts = self.path.components().count();
        parts - if self.path.ends_with("mod.rs") { 2 } else { 1 }
    }

    /// Whether all of the file is there for tests only.
    pub(crate) fn is_test(&self) -> bool {
        self.path
            .components()
            .filter_map(|part| part.as_os_str().to_str())
            .any(|part| ["tests", "tests.rs"].contains(&part))
    }

    /// The code up to the tests at its end.
    pub(crate) fn product(&self) -> &str {
        let tests = self.code.match_indices("#[cfg(test)]\n").find(|(at, found)| {
            let next = self.code[at + found.len()..].lines();
            next.take_while(|line| line.starts_with("#[") || line.starts_with("mod "))
                .any(|line| line.starts_with("mod ") && line.ends_with('{'))
        });
        tests.map_or(&*self.code, |(at, _)| &self.code[..at])
    }
}

/// Every word of `code` (an identifier or a keyword), with the number of its line.
pub(crate) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    tokens(code).filter(|(_, token)| token.starts_with(is_word))
}

/// Every path of `code` with at least one `::`, with the number of its line; the braces of a
/// `use` are multiplied out, so `a::{b, c::d}` gives `a::b` and `a::c::d`.
pub(crate) fn paths(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    // The heads of the groups that are open: `Some` where the brace followed `::`.
    let mut groups: Vec<Option<String>> = Vec::new();
    let mut path = String::new();
    let mut renamed = false;
    let mut line = 1;
    let mut flush = |path: &mut String, line: usize| {
        if path.contains("::") {
            found.push((line, std::mem::take(path)));
        }
        path.clear();
    };
    for (number, token) in tokens(code) {
        let inside = groups.last().and_then(Option::as_deref);
        match token {
            "::" => path.push_str("::"),
            // What a thing is called here does not matter.
            "as" => {
                flush(&mut path, line);
                renamed = true;
            }
            _ if std::mem::take(&mut renamed) => {}
            "{" if path.ends_with("::") => groups.push(Some(std::mem::take(&mut path))),
            "{" => {
                flush(&mut path, line);
                groups.push(None);
            }
            "}" => {
                flush(&mut path, line);
                groups.pop();
            }
            word if word.starts_with(is_word) => {
                if !path.ends_with("::") {
                    flush(&mut path, line);
                    path = inside.unwrap_or_default().to_owned();
                }
                path.push_str(word);
                line = number;
            }
            _ => flush(&mut path, line),
        }
    }
    flush(&mut path, line);
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Words, `::`, and single characters of anything else that is not white space.
fn tokens(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.lines().enumerate().flat_map(|(index, line)| {
        let mut rest = line;
        std::iter::from_fn(move || {
            rest = rest.trim_start();
            let first = rest.chars().next()?;
            let length = if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            let (token, after) = rest.split_at(length);
            rest = after;
            Some((index + 1, token))
        })
    })
}

/// `text` with every comment and every literal in quotes made blank; lines stay where they are.
fn without_comments_and_literals(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let before = code.chars().next_back();
        let skipped = blank(rest, before.is_some_and(is_word));
        if skipped == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (gone, after) = rest.split_at(skipped);
        code.push(' ');
        code.extend(gone.chars().filter(|c| *c == '\n'));
        rest = after;
    }
    code
}

/// How many octets at the start of `rest` are a comment or a literal.
fn blank(rest: &str, inside_word: bool) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return rest.find("*/").map_or(rest.len(), |end| end + 2);
    }
    if let Some(inside) = rest.strip_prefix('"') {
        return 1 + quoted(inside, '"');
    }
    if rest.starts_with('\'') {
        return character(rest);
    }
    if rest.starts_with('r') && !inside_word {
        return raw(&rest[1..]).map_or(0, |length| 1 + length);
    }
    if rest.starts_with("br") && !inside_word {
        return raw(&rest[2..]).map_or(0, |length| 2 + length);
    }
    0
}

/// The length up to and with the closing `quote`.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices() {
        if c == quote && !escaped {
            return at + c.len_utf8();
        }
        escaped = c == '\\' && !escaped;
    }
    rest.len()
}

/// The length of a character literal; 0 for a lifetime.
fn character(rest: &str) -> usize {
    let mut inside = rest[1..].chars();
    match (inside.next(), inside.next()) {
        (Some('\\'), Some(escaped)) => {
            let start = 2 + escaped.len_utf8();
            start + quoted(&rest[start..], '\'')
        }
        (Some(c), Some('\'')) => 2 + c.len_utf8(),
        _ => 0,
    }
}

/// The length of what follows the `r` of a raw string, if it is one.
fn raw(rest: &str) -> Option<usize> {
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    let body = rest[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(hashes + 1 + length)
}

#[test]
fn comments_and_literals_vanish() {
    let text = "a /* b\nb */ \"c \\\" c\" 'd' '\\'' r#\"e \" e\"# 'f br\"g\" for h // i\nj";
    let code = without_comments_and_literals(text);
    let words = words(&code).collect::<Vec<_>>();
    assert_eq!(words, [(1, "a"), (2, "f"), (2, "for"), (2, "h"), (3, "j")]);
}

#[test]
fn groups_are_multiplied_out() {
    let code = "use a::{b, c::{d, e as f}, self};\nfn g() { h::i(j) }";
    let paths = paths(code).into_iter().map(|(_, path)| path).collect::<Vec<_>>();
    assert_eq!(paths, ["a::b", "a::c::d", "a::c::e", "a::self", "h::i"]);
}
