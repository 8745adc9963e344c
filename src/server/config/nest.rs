//! Tables of options, and tables within tables.
//!
//! A [`Table`] is a list of rows and of [`Inner`] tables. What an inner table is made into is
//! known to its `Inner` alone; everybody else sees it as [`Within`] the outer one.

use super::document::Document;
use super::key::{Key, Preset};
use super::read::Reader;
use toml::Spanned;
use toml::de::DeValue;

/// A table of the configuration, filled into a `T`.
pub(super) struct Table<T: 'static> {
    /// Its name with those of the tables around it: `realms.roles`. Empty: the whole file.
    pub(super) path: &'static str,
    /// Its options.
    pub(super) keys: &'static [Key<T>],
    /// The tables in it.
    pub(super) tables: &'static [&'static dyn Within<T>],
}

/// A table within one that is filled into a `T`.
pub(super) trait Within<T>: Sync {
    /// Its name, without those of the tables around it.
    fn name(&self) -> &'static str;

    /// What to say if it is missing, unless it may be.
    fn needed(&self) -> Option<&'static str>;

    /// Reads `value`, which the file has under its name, into `target`.
    fn read(&self, reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>, target: &mut T);

    /// Writes it down for the operator, and the tables in it.
    fn describe(&self, document: &mut Document);

    /// Checks what has to hold for every table, and lists the options in it and in those within.
    #[cfg(test)]
    fn inspect(&self, names: &mut Vec<(&'static str, &'static str)>);
}

/// A table that is made into an `N` and then taken over by a `T`.
pub(super) struct Inner<T: 'static, N: 'static> {
    /// Its name, without those of the tables around it.
    pub(super) name: &'static str,
    /// How often it may stand there.
    pub(super) shape: Shape,
    /// What to say if it is missing, unless it may be.
    pub(super) needed: Option<&'static str>,
    /// What may be written in it.
    pub(super) table: &'static Table<N>,
    /// One before any option is applied.
    pub(super) make: fn() -> N,
    /// Takes a finished one over.
    pub(super) place: Taking<T, N>,
}

/// Takes an `N` over into a `T`, or says why it does not fit. The last argument finds the line of
/// the file in which a key of it stands (or the table, if it has no such key).
pub(super) type Taking<T, N> = fn(&mut T, N, &dyn Fn(&str) -> usize) -> Result<(), Misfit>;

/// How often a table may stand in the one around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `[name]`: once.
    One,
    /// `[[name]]`: again and again.
    List,
}

/// Why a table cannot be taken over although each of its values is valid.
pub(super) struct Misfit {
    /// The key to blame; the table as a whole if it has no such key.
    pub(super) key: &'static str,
    /// What is wrong, and what to do about it.
    pub(super) text: String,
}

impl<T> Table<T> {
    /// The key that tells one such table from another: the first that is required.
    fn identity(&self) -> Option<&'static str> {
        let required = self.keys.iter().find(|key| matches!(key.preset, Preset::Required));
        required.filter(|key| !key.is_secret()).map(|key| key.name)
    }

    /// Puts every preset into its place.
    pub(super) fn preset(&self, target: &mut T) {
        self.keys.iter().for_each(|key| key.preset(target));
    }
}

impl<T, N> Inner<T, N> {
    /// One in which every option has its preset.
    pub(super) fn fresh(&self) -> N {
        let mut target = (self.make)();
        self.table.preset(&mut target);
        target
    }

    /// How its header is written: `[limits]`, `[[realms]]`.
    pub(super) fn title(&self) -> String {
        match self.shape {
            Shape::One => format!("[{}]", self.table.path),
            Shape::List => format!("[[{}]]", self.table.path),
        }
    }
}

impl<T, N> Within<T> for Inner<T, N> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn needed(&self) -> Option<&'static str> {
        self.needed
    }

    fn read(&self, reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>, target: &mut T) {
        for (at, given) in reader.tables(value, (self.table.path, &self.title(), self.shape)) {
            let mut made = self.fresh();
            let named = (self.name, self.table.identity());
            let is_right = reader.enter(named, given, |reader| {
                reader.table(&self.title(), (Some(at), given), self.table, &mut made)
            });
            if !is_right {
                continue;
            }
            let find = |key: &str| given.get(key).map_or(at, |value| value.span().start);
            let line = |key: &str| reader.line(find(key));
            if let Err(Misfit { key, text }) = (self.place)(target, made, &line) {
                reader.blame(Some(find(key)), text);
            }
        }
    }

    fn describe(&self, document: &mut Document) {
        document.table(&format!("`{}`", self.title()), self.table, &mut self.fresh());
    }

    #[cfg(test)]
    fn inspect(&self, names: &mut Vec<(&'static str, &'static str)>) {
        assert!(self.table.path.ends_with(self.name), "{}", self.table.path);
        super::tests::rows(self.table, &mut self.fresh(), names);
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use ipnet::IpNet;

    use super::*;
    use crate::server::config::key::Kind;
    use crate::server::config::read::read_table;

    /// A table with a list of tables in it, and one with every kind of value that needs a word
    /// of its own.
    #[derive(Debug, Default)]
    struct House {
        name: String,
        networks: Vec<IpNet>,
        path: Option<PathBuf>,
        rooms: Vec<Room>,
        door: Option<Room>,
    }

    #[derive(Debug, Default)]
    struct Room {
        size: usize,
        rules: Vec<String>,
        keys: Vec<String>,
    }

    const fn row<T>(name: &'static str, kind: Kind<T>) -> Key<T> {
        Key { name, kind, preset: Preset::Unset("nothing"), reload: true, meaning: "A test." }
    }

    static HOUSE: Table<House> = Table {
        path: "house",
        keys: &[
            row(
                "name",
                Kind::Text("a name", |it, text| {
                    it.name = text.to_owned();
                    Some(())
                }),
            ),
            row("networks", Kind::Networks(|it| &mut it.networks)),
            row("path", Kind::Path(|it| &mut it.path)),
        ],
        tables: &[
            &Inner::<House, Room> {
                name: "rooms",
                shape: Shape::List,
                needed: None,
                table: &ROOMS,
                make: Room::default,
                place: |house, room, line| {
                    if house.rooms.iter().any(|other| other.size == room.size) {
                        let text = format!("again, in line {}", line("size"));
                        return Err(Misfit { key: "size", text });
                    }
                    house.rooms.push(room);
                    Ok(())
                },
            },
            &Inner::<House, Room> {
                name: "door",
                shape: Shape::One,
                needed: None,
                table: &DOOR,
                make: Room::default,
                place: |house, room, _| {
                    house.door = Some(room);
                    Ok(())
                },
            },
        ],
    };

    static ROOMS: Table<Room> = Table { path: "house.rooms", keys: ROOM, tables: &[] };
    static DOOR: Table<Room> = Table { path: "house.door", keys: ROOM, tables: &[] };

    const ROOM: &[Key<Room>] = &[
        row("size", Kind::Count(1..=9, |it| &mut it.size)),
        row(
            "rules",
            Kind::ParsedList(
                "rules",
                |it| it.rules.clear(),
                |it, text| {
                    if text == "bad" {
                        return Err("nobody does that".to_owned());
                    }
                    it.rules.push(text.to_owned());
                    Ok(())
                },
            ),
        ),
        row(
            "key",
            Kind::Secret("a key", |it, key| match key.len() {
                9.. => Err("longer than 8 octets".to_owned()),
                _ => {
                    it.keys.push(key.to_owned());
                    Ok(())
                }
            }),
        ),
    ];

    fn house(text: &str) -> Result<House, Vec<String>> {
        let reveal: super::super::secret::Reveal<'_> = &|text: &str| match text {
            "env:KEY" => Ok("revealed".to_owned().into()),
            "env:GONE" => Err("the variable GONE is not set".to_owned()),
            other => Ok(other.to_owned().into()),
        };
        let mut house = House::default();
        let mut problems = Vec::new();
        read_table(("house", text), (&HOUSE, reveal), &mut house, &mut problems);
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        if problems.is_empty() { Ok(house) } else { Err(problems) }
    }

    #[test]
    fn tables_within_tables_are_read() {
        let text = "networks = [\"10.0.0.0/8\", \"::1\"]\npath = \"a/b\"\n[[rooms]]\nsize = 1\n\
                    key = \"env:KEY\"\n[[rooms]]\nsize = 2\nrules = [\"a\", \"b\"]\n\
                    [door]\nkey = \"k\"";
        let house = house(text).unwrap();
        assert_eq!(house.networks, ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]);
        assert_eq!(house.path, Some("a/b".into()));
        assert_eq!(house.rooms.iter().map(|room| room.size).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(house.rooms[0].keys, ["revealed"]);
        assert_eq!(house.rooms[1].rules, ["a", "b"]);
        assert_eq!(house.door.unwrap().keys, ["k"]);
    }

    #[test]
    fn what_is_wrong_deep_down_is_said_with_its_line() {
        for (text, expected) in [
            ("[[rooms]]\nsize = 1\n[[rooms]]\nsize = 1", "house:4: again, in line 4"),
            (
                "[[rooms]]\nsise = 1",
                "house:2: unknown key `sise` in [[house.rooms]]; \
                                     did you mean `size`?",
            ),
            ("[[romms]]", "house:1: unknown key `romms` in the top level; did you mean `rooms`?"),
            (
                "[[rooms]]\nrules = [\"bad\"]",
                "house:2: house.rooms.rules: \"bad\": nobody does \
                                              that; expected a list of one or more of rules",
            ),
            (
                "[rooms]",
                "house:1: house.rooms: expected tables, each headed [[house.rooms]], \
                         found a table",
            ),
            ("[[door]]", "house:1: house.door: expected a table, [house.door], found a list"),
            (
                "networks = [\"10.0.0.1/8\"]",
                "house:1: house.networks: expected a list of networks \
                                             or addresses such as \"10.0.0.0/8\" or \"::1\", found \
                                             a list",
            ),
            (
                "path = \"\"",
                "house:1: house.path: expected the path of a file, found the text \"\"",
            ),
        ] {
            assert_eq!(house(text).unwrap_err(), [expected], "{text}");
        }
    }

    #[test]
    fn secrets_are_never_said() {
        const FORM: &str = "expected a key, or \"env:NAME\" or \"file:PATH\" for where it is found";
        for (value, expected) in [
            ("\"hunter2hunter2\"", format!("longer than 8 octets; {FORM}")),
            ("\"env:GONE\"", format!("the variable GONE is not set; {FORM}")),
            ("1234567", format!("{FORM}, found an integer")),
            ("[\"hunter2\"]", format!("{FORM}, found a list")),
            ("true", format!("{FORM}, found a truth value")),
        ] {
            let problems = house(&format!("[door]\nkey = {value}")).unwrap_err();
            assert_eq!(problems, [format!("house:2: house.door.key: {expected}")]);
        }
    }
}
