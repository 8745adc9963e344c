//! Files with the principals of a realm, beside the configuration.

use std::path::Path;

use super::secret::{self, References};
use super::table::PEOPLE;
use super::{Problem, read};
use crate::router::config::RealmConfig;
use crate::server::file::{self, Stamp};

/// Reads the files that `realms` name into them; appends what is wrong to `problems`.
pub(super) fn read(
    realms: &mut [RealmConfig],
    references: &References<'_>,
    problems: &mut Vec<Problem>,
) {
    for realm in realms {
        let Some(path) = realm.authentication.credentials.as_ref().map(|path| path.to_string())
        else {
            continue;
        };
        let mut blame = |text: String| {
            problems.push(Problem { source: path.clone(), line: None, text });
        };
        let text = match secret::read(references.world, &path) {
            Ok((text, is_public)) => {
                if is_public {
                    let text =
                        format!("the file {path} says who is known, and every user can read it");
                    references.warnings.borrow_mut().push(text);
                }
                text
            }
            Err(error) => {
                blame(format!("cannot be read: {error}"));
                continue;
            }
        };
        let mut people = Vec::new();
        let before = problems.len();
        read::read_table((&path, &text), (&PEOPLE, references), &mut people, problems);
        if problems.len() > before {
            continue;
        }
        for principal in people {
            if let Err(text) = realm.know(principal) {
                problems.push(Problem { source: path.clone(), line: None, text });
            }
        }
    }
}

/// The stamps of the files that `realms` name, in order.
pub(super) fn stamps(realms: &[RealmConfig]) -> Vec<Stamp> {
    let paths = realms.iter().filter_map(|realm| realm.authentication.credentials.as_ref());
    paths.map(|path| file::stamp(Path::new(&**path))).collect()
}
