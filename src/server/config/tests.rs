//! What is accepted, what is refused, and that everything known about an option agrees.

use super::key::{Kind, Preset};
use super::nest::Table;
use super::read_text as read;
use super::*;
use crate::router::config::{RequestIds, UriCheck};

/// The least that a file has to say.
const LEAST: &str = "[[realms]]\nname = \"realm1\"\n[[listeners]]\naddress = \"127.0.0.1:8080\"\n";

/// Every option at another value than its preset.
const EVERYTHING: &str = r#"
shards = 3
io = "epoll"
log_level = "debug"
log_format = "json"
busy_poll = "50us"
pin = true
connections_max = 0x100
shutdown_timeout = "1m"
insecure_allow_anonymous_remote = true

[[realms]]
name = "com.example"
uri_check = "strict"
request_ids = "any"

[[listeners]]
address = "[::]:8081"
backlog = 7
transports = ["rawsocket"]
paths = ["/a", "/b"]
serializers = ["cbor", "json"]
compression = "deflate"
message_bytes_max = "16 MiB"

[[listeners]]
address = "unix:/run/gigawamp.sock"
unix_mode = "0660"

[limits]
handshake = "1s"
goodbye = "2s"
ping_interval = "0s"
stall = "3s"
outbox_bytes_max = "32 MiB"
outbox_bytes_pause = 65_536
calls_pending_max = 4
invocations_pending_max = 7
subscriptions_max = 5
registrations_max = 6
mesh_bytes_max = "1 MB"
"#;

/// Checks that `text` has exactly the problem `expected`.
#[track_caller]
fn refused(text: &str, expected: &str) {
    assert_eq!(read(text).expect_err(text), [expected], "{text}");
}

/// Checks that `line` before [`LEAST`] has exactly the problem `expected`.
#[track_caller]
fn line_refused(line: &str, expected: &str) {
    refused(&format!("{line}\n{LEAST}"), &format!("gigawamp.toml:1: {expected}"));
}

#[test]
fn the_least_file_has_every_preset() {
    let settings = read(LEAST).unwrap();
    assert_eq!(settings.realms.len(), 1);
    assert_eq!(settings.realms[0].name, "realm1");
    assert_eq!(settings.realms[0].uri_check, UriCheck::Loose);
    assert_eq!(settings.realms[0].request_ids, RequestIds::Sequential);
    let listener = &settings.listeners[0];
    assert_eq!(listener.address, Address::Tcp("127.0.0.1:8080".parse().unwrap()));
    assert_eq!(listener.transport.paths, ["/ws", "/"]);
    assert_eq!(listener.transport.serializers, Serializer::ALL);
    assert!(listener.transport.websocket && listener.transport.rawsocket);
    assert!(!listener.transport.deflate);
    assert_eq!(listener.transport.message_bytes_max, 1 << 20);
    assert_eq!((listener.backlog, listener.unix_mode), (1_024, Some(0o600)));
    assert_eq!((settings.shards, settings.io, settings.pin), (None, Io::Auto, None));
    assert_eq!(settings.shutdown_timeout, Duration::from_secs(10));
    assert!(!settings.insecure_allow_anonymous_remote);
}

#[test]
fn every_option_can_be_written() {
    let settings = read(EVERYTHING).unwrap();
    assert_eq!((settings.shards, settings.pin), (Some(3), Some(true)));
    assert_eq!((settings.io, settings.log_format), (Io::Epoll, LogFormat::Json));
    assert_eq!(settings.log_level, LevelFilter::DEBUG);
    assert_eq!(settings.busy_poll, Duration::from_micros(50));
    assert_eq!(settings.connections_max, Some(256));
    assert_eq!(settings.shutdown_timeout, Duration::from_secs(60));
    assert_eq!(settings.realms[0].uri_check, UriCheck::Strict);
    assert_eq!(settings.realms[0].request_ids, RequestIds::Any);
    let [tcp, unix] = &settings.listeners[..] else { panic!("two listeners") };
    assert_eq!(tcp.backlog, 7);
    assert!(!tcp.transport.websocket && tcp.transport.rawsocket);
    assert!(tcp.transport.deflate && !unix.transport.deflate);
    assert_eq!(tcp.transport.paths, ["/a", "/b"]);
    assert_eq!(tcp.transport.serializers, [Serializer::Cbor, Serializer::Json]);
    assert_eq!(tcp.transport.message_bytes_max, 16 << 20);
    assert_eq!(unix.address, Address::Unix("/run/gigawamp.sock".into()));
    assert_eq!(unix.unix_mode, Some(0o660));
    let limits = &settings.limits;
    assert_eq!((limits.handshake, limits.goodbye), (secs(1), secs(2)));
    assert_eq!((limits.ping_interval, limits.stall), (secs(0), secs(3)));
    assert_eq!((limits.outbox_bytes_max, limits.outbox_bytes_pause), (32 << 20, 65_536));
    assert_eq!((limits.calls_pending_max, limits.subscriptions_max), (4, 5));
    assert_eq!((limits.registrations_max, limits.mesh_bytes_max), (6, 1_000_000));
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_known_one() {
    line_refused("relams = 1", "unknown key `relams` in the top level; did you mean `realms`?");
    line_refused("shard = 1", "unknown key `shard` in the top level; did you mean `shards`?");
    line_refused("zzz = 1", "unknown key `zzz` in the top level");
    refused(
        &format!("{LEAST}adress = \"127.0.0.1:1\"\n"),
        "gigawamp.toml:5: unknown key `adress` in [[listeners]]; did you mean `address`?",
    );
    refused(
        &format!("{LEAST}[limits]\nhandshakes = \"1s\"\n"),
        "gigawamp.toml:6: unknown key `handshakes` in [limits]; did you mean `handshake`?",
    );
}

#[test]
fn values_of_the_wrong_type_are_refused() {
    const DURATION: &str = "expected a duration such as \"30s\", from \"100ms\" to \"1h\"";
    for (line, found) in [
        ("limits.stall = 5", "the integer 5"),
        ("limits.stall = 5.5", "a number with a fraction"),
        ("limits.stall = \"5 s.\"", "the text \"5 s.\""),
        ("limits.stall = 2026-11-20", "a date"),
        ("limits.stall = [\"5s\"]", "a list"),
        ("limits.stall = { s = 5 }", "a table"),
        ("limits.stall = true", "true"),
        ("limits.stall = \"2h\"", "the text \"2h\""),
    ] {
        line_refused(line, &format!("limits.stall: {DURATION}, found {found}"));
    }
    line_refused(
        "shards = \"4\"",
        "shards: expected an integer from 1 to 256 or \"auto\", found the text \"4\"",
    );
    line_refused(
        "io = \"kqueue\"",
        "io: expected one of \"auto\", \"uring\", \"epoll\", found the text \"kqueue\"",
    );
    line_refused("pin = 1", "pin: expected true, false or \"auto\", found the integer 1");
    line_refused("limits = 1", "limits: expected a table, [limits], found the integer 1");
}

#[test]
fn values_out_of_range_are_refused() {
    for (line, found) in [
        ("shards = 0", "the integer 0"),
        ("shards = 257", "the integer 257"),
        ("shards = -1", "the integer -1"),
        ("shards = 99999999999999999999", "an integer beyond 64 bits"),
    ] {
        let text = format!("shards: expected an integer from 1 to 256 or \"auto\", found {found}");
        line_refused(line, &text);
    }
    let size = "listeners.message_bytes_max: expected a size such as \"1 MiB\", from \"512 B\" to \
                \"16 MiB\", found";
    for (value, found) in [
        ("511", "the integer 511"),
        ("\"17 MiB\"", "the text \"17 MiB\""),
        ("\"1 mib\"", "the text \"1 mib\""),
    ] {
        let text = format!("{LEAST}message_bytes_max = {value}\n");
        refused(&text, &format!("gigawamp.toml:5: {size} {found}"));
    }
}

#[test]
fn lists_need_known_items() {
    let form =
        "expected a list of one or more of \"websocket\", \"rawsocket\", \"longpoll\", found";
    for (value, found) in [
        ("[]", "a list"),
        ("[\"http\"]", "a list"),
        ("[1]", "a list"),
        ("\"websocket\"", "the text \"websocket\""),
    ] {
        let text = format!("{LEAST}transports = {value}\n");
        refused(&text, &format!("gigawamp.toml:5: listeners.transports: {form} {found}"));
    }
    for value in ["[]", "[\"ws\"]", "[\"/ws?\"]", "[\"/w s\"]", "[\"/ws\", 1]"] {
        assert!(read(&format!("{LEAST}paths = {value}\n")).is_err(), "{value}");
    }
}

#[test]
fn realms_and_listeners_have_to_be_there() {
    let no_realm = "gigawamp.toml: no realm: write [[realms]] with a name such as \"realm1\"";
    let no_listener = "gigawamp.toml: no listener: write [[listeners]] with an address such as \"127.0.0.1:8080\"";
    assert_eq!(read("").unwrap_err(), [no_realm, no_listener]);
    refused("[[realms]]\nname = \"a\"\n", no_listener);
    refused(
        &format!("{LEAST}[[realms]]\nuri_check = \"loose\"\n"),
        "gigawamp.toml:5: [[realms]]: `name` is missing",
    );
    refused(
        &format!("{LEAST}[[listeners]]\nbacklog = 1\n"),
        "gigawamp.toml:5: [[listeners]]: `address` is missing",
    );
    assert!(read("realms = []\nlisteners = []").is_err());
    assert!(read("realms = [1]\nlisteners = {}").is_err());
}

#[test]
fn names_and_addresses_occur_once() {
    refused(
        &format!("{LEAST}[[realms]]\nname = \"realm1\"\n"),
        "gigawamp.toml:6: two realms are called \"realm1\"",
    );
    refused(
        &format!("{LEAST}[[listeners]]\naddress = \"127.0.0.1:8080\"\n"),
        "gigawamp.toml:6: two listeners have the address \"127.0.0.1:8080\"",
    );
    let twice = "[[listeners]]\naddress = \"unix:/a\"\n".repeat(2);
    refused(
        &format!("{LEAST}{twice}"),
        "gigawamp.toml:8: two listeners have the address \"unix:/a\"",
    );
    let free = "[[listeners]]\naddress = \"127.0.0.1:0\"\n".repeat(2);
    assert_eq!(read(&format!("{LEAST}{free}")).unwrap().listeners.len(), 3);
}

#[test]
fn realm_names_are_uris() {
    let long = "a".repeat(1_001);
    let deep = "a.".repeat(64) + "a";
    for name in ["", "a b", "a#", "a..b", ".a", "wamp", "wamp.a", "a\\u0000", &long, &deep] {
        let text = LEAST.replace("realm1", name);
        let problems = read(&text).expect_err(name);
        assert!(problems[0].contains("realms.name: expected a URI"), "{problems:?}");
    }
    for name in ["com.example.realm", "wampum", "Ünï", "a-b/c"] {
        assert!(read(&LEAST.replace("realm1", name)).is_ok(), "{name}");
    }
}

#[test]
fn addresses_are_numbers_or_paths() {
    let long = format!("unix:/{}", "a".repeat(107));
    for text in ["", "8080", "localhost:8080", "127.0.0.1", "unix:", "unix:a", "::1:80", &long] {
        let text = LEAST.replace("127.0.0.1:8080", text);
        let problems = read(&text).unwrap_err();
        assert!(problems[0].contains("listeners.address: expected"), "{problems:?}");
    }
}

#[test]
fn who_listens_to_the_world_has_to_say_insecure() {
    for address in ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:80", "[::ffff:192.0.2.1]:80"] {
        let text = LEAST.replace("127.0.0.1:8080", address);
        let problems = read(&text).unwrap_err();
        assert!(
            problems[0].starts_with(&format!(
                "gigawamp.toml:4: listeners.address: other machines can reach \"{address}\""
            )),
            "{problems:?}"
        );
        assert!(problems[0].contains("insecure_allow_anonymous_remote = true"));
        assert!(read(&format!("insecure_allow_anonymous_remote = true\n{text}")).is_ok());
    }
    for address in ["127.1.2.3:80", "[::1]:80", "[::ffff:127.0.0.1]:80", "unix:/a"] {
        assert!(read(&LEAST.replace("127.0.0.1:8080", address)).is_ok(), "{address}");
    }
}

#[test]
fn values_must_not_contradict_each_other() {
    for (text, expected) in [
        ("[limits]\noutbox_bytes_pause = \"17 MiB\"", "limits.outbox_bytes_pause"),
        (
            "message_bytes_max = \"2 MiB\"\n[limits]\noutbox_bytes_max = \"1 MiB\"",
            "limits.outbox_bytes_max",
        ),
        ("[limits]\ngoodbye = \"10s\"", "shutdown_timeout"),
        ("longpoll_path = \"/\"", "listeners.longpoll_path"),
        ("paths = [\"/lp/a\", \"/\"]", "listeners.longpoll_path"),
    ] {
        let problems = read(&format!("{LEAST}{text}\n")).unwrap_err();
        assert!(problems[0].starts_with(expected), "{problems:?}");
    }
}

#[test]
fn problems_come_all_at_once_and_in_order() {
    let problems = read(
        "zebra = 1\n[[realms]]\n[[listeners]]\naddress = 1\n[limits]\nstall = 1\nantelope = 2\n",
    )
    .unwrap_err();
    let lines: Vec<_> =
        problems.iter().map(|text| text.split(':').nth(1).unwrap().to_owned()).collect();
    assert_eq!(lines, ["1", "2", "4", "6", "7"], "{problems:#?}");
}

#[test]
fn what_is_no_toml_is_refused_with_its_line() {
    for (text, line) in [("shards = ", 1), ("\n\n[[realms\n", 3), ("a = 1\na = 2\n", 2)] {
        let problems = read(text).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(&format!("gigawamp.toml:{line}: ")), "{problems:?}");
        assert!(!problems[0].contains('\n'));
    }
}

#[test]
fn the_environment_wins_over_the_file_and_flags_over_both() {
    let path = std::env::temp_dir().join(format!("gigawamp-config-{}.toml", std::process::id()));
    std::fs::write(&path, format!("shards = 2\nio = \"epoll\"\nlog_level = \"warn\"\n{LEAST}"))
        .unwrap();
    let flags = Flags { config: Some(path.clone()), values: vec![("log_level", "error".into())] };
    let environment = |name: &str| match name {
        "GIGAWAMP_SHARDS" => Some("3".into()),
        "GIGAWAMP_LOG_LEVEL" => Some("trace".into()),
        "GIGAWAMP_LIMITS_STALL" => Some("7s".into()),
        "GIGAWAMP_INSECURE_ALLOW_ANONYMOUS_REMOTE" => Some("true".into()),
        _ => None,
    };
    let Loaded { settings, source, .. } = load(&flags, &environment).unwrap();
    assert_eq!(source, Source::File(path.clone()));
    assert_eq!((settings.shards, settings.io), (Some(3), Io::Epoll));
    assert_eq!(settings.log_level, LevelFilter::ERROR);
    assert_eq!(settings.limits.stall, secs(7));

    let wrong = |name: &str| (name == "GIGAWAMP_SHARDS").then(|| "many".into());
    let Err(Refused::Config(problems)) = load(&flags, &wrong) else { panic!("refused") };
    assert_eq!(
        problems[0].to_string(),
        "GIGAWAMP_SHARDS: expected an integer from 1 to 256 or \"auto\", found the text \"many\""
    );
    let flags = Flags { config: Some(path.clone()), values: vec![("shards", "0".into())] };
    let Err(Refused::Usage(text)) = load(&flags, &|_: &str| None) else { panic!("refused") };
    assert!(text.starts_with("--shards: expected an integer from 1 to 256"), "{text}");
    std::fs::remove_file(path).unwrap();
}

/// The configuration goes on as it was read, whatever is in its file by now: nobody has asked to
/// read that again.
#[test]
fn principals_in_files_are_read_anew_without_the_rest() {
    let folder = std::env::temp_dir().join(format!("gigawamp-anew-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (path, people) = (folder.join("gigawamp.toml"), folder.join("people.toml"));
    let text = format!(
        "[[realms]]\nname = \"realm1\"\ncredentials = \"{}\"\n[[realms.principals]]\n\
         authid = \"ann\"\nrole = \"user\"\nticket = \"a ticket of ann\"\n\
         [[listeners]]\naddress = \"127.0.0.1:8080\"\n",
        people.display()
    );
    std::fs::write(&path, text).unwrap();
    let write = |authid: &str| {
        let ticket = "role = \"user\"\nticket = \"a ticket\"";
        let text = format!("[[principals]]\nauthid = \"{authid}\"\n{ticket}\n");
        std::fs::write(&people, text).unwrap();
    };
    let world = |_: &str| None;
    let known = |loaded: &Loaded| {
        let principals = &loaded.settings.realms[0].authentication.principals;
        ["ann", "joe", "sue"].map(|authid| principals.find(authid).is_some())
    };
    write("joe");
    let flags = Flags { config: Some(path.clone()), ..Flags::default() };
    let loaded = load(&flags, &world).unwrap();
    assert_eq!(known(&loaded), [true, true, false]);
    std::fs::write(&path, "nonsense").unwrap();
    write("sue");
    let anew = loaded.with_principals_anew(&world).unwrap();
    assert_eq!(known(&anew), [true, false, true]);
    assert_eq!((&anew.source, &anew.fixed), (&loaded.source, &loaded.fixed));
    // And again, so that nobody is left over from before.
    write("joe");
    assert_eq!(known(&anew.with_principals_anew(&world).unwrap()), [true, true, false]);
    write("ann");
    let Err(Refused::Config(problems)) = loaded.with_principals_anew(&world) else {
        panic!("refused")
    };
    assert!(problems[0].to_string().starts_with(&people.display().to_string()), "{problems:?}");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// A world in which somebody writes a file while it is read.
struct Meddled;

impl World for Meddled {
    fn variable(&self, _: &str) -> Option<std::ffi::OsString> {
        None
    }

    fn file(&self, path: &str, bytes_max: usize) -> io::Result<(Zeroizing<Vec<u8>>, bool)> {
        let read = file::read(Path::new(path), bytes_max)?;
        std::fs::write(path, [&read.0[..], b"# more\n"].concat())?;
        Ok(read)
    }
}

#[test]
fn what_changes_while_it_is_read_is_seen_to_have_changed() {
    let folder = std::env::temp_dir().join(format!("gigawamp-meddled-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let people = folder.join("people.toml");
    let joe = "[[principals]]\nauthid = \"joe\"\nrole = \"user\"\nticket = \"a ticket\"\n";
    std::fs::write(&people, joe).unwrap();
    let listener = "[[listeners]]\naddress = \"127.0.0.1:8080\"\n";
    let text = format!(
        "[[realms]]\nname = \"realm1\"\ncredentials = \"{}\"\n{listener}",
        people.display()
    );
    let found = (Source::Stdin, Some(&*text));
    let loaded = load_text(&Flags::default(), found, &Meddled).unwrap();
    assert_ne!(loaded.stamps, loaded.stamps_now());
    let anew = loaded.with_principals_anew(&Meddled).unwrap();
    assert_ne!(anew.stamps, anew.stamps_now());
    assert_eq!(anew.with_principals_anew(&|_: &str| None).unwrap().stamps, anew.stamps_now());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn development_listens_to_this_machine_alone() {
    let mut settings = Settings::preset();
    settings.develop();
    assert!(settings.listeners.iter().all(|listener| listener.address.is_local()));
    assert_eq!(settings.listeners[0].address.to_string(), "127.0.0.1:8080");
    assert!(!settings.listeners[0].optional);
    assert_eq!(settings.listeners[1].address.to_string(), "[::1]:8080");
    assert!(settings.listeners[1].optional);
    assert_eq!(settings.realms[0].name, "realm1");
    assert_eq!(settings.check(), None);
}

#[test]
fn histories_are_bounded_as_they_are_written() {
    let read_rules = |rules: &str| {
        let text = LEAST.replace("\n[[listeners", &format!("\nhistory = {rules}\n[[listeners"));
        read(&text).map(|settings| settings.realms[0].options.history.clone())
    };
    let rules = r#"["a.b", "a.* age=90s events=7", "a..c bytes=4096", "* bytes=2MiB age=1h"]"#;
    let rules = read_rules(rules).unwrap();
    let bounds: Vec<_> =
        rules.iter().map(|rule| (rule.events_max, rule.bytes_max, rule.age_max)).collect();
    let unbounded = Duration::ZERO;
    assert_eq!(bounds[0], (1_000, 16 << 20, unbounded));
    assert_eq!(bounds[1], (7, 16 << 20, secs(90)));
    assert_eq!(bounds[2], (1_000, 4_096, unbounded));
    assert_eq!(bounds[3], (1_000, 2 << 20, secs(3_600)));
    let uris: Vec<_> =
        rules.iter().map(|rule| (rule.uris.policy.name(), &*rule.uris.uri)).collect();
    let expected = [("exact", "a.b"), ("prefix", "a."), ("wildcard", "a..c"), ("prefix", "")];
    assert_eq!(uris, expected);
    for wrong in [
        r#"["a b"]"#,
        r#"["a#"]"#,
        r#"["a events"]"#,
        r#"["a events=0"]"#,
        r#"["a events=-1"]"#,
        r#"["a events=10000001"]"#,
        r#"["a events=1 events=2"]"#,
        r#"["a bytes=1"]"#,
        r#"["a bytes=2 MiB"]"#,
        r#"["a age=0s"]"#,
        r#"["a age=1"]"#,
        r#"["a days=1"]"#,
        r#"["a", "b", "a events=5"]"#,
        r"[]",
        r#""a""#,
    ] {
        let problems = read_rules(wrong).expect_err(wrong);
        assert!(problems[0].contains("realms.history: expected a list of one or more of rules"));
    }
}

#[test]
fn the_example_shows_every_option_at_its_default() {
    let example = include_str!("../../../examples/gigawamp.toml");
    let short = read(example).unwrap();
    let mut long = read(&uncomment(example, false)).unwrap();
    for (long, short) in long.listeners.iter_mut().zip(&short.listeners) {
        long.line = short.line;
    }
    assert_eq!(format!("{long:?}"), format!("{short:?}"));
    let full = uncomment(example, true);
    // It names files and variables that are not here, and whoever needs them goes without.
    for problem in read(&full).err().unwrap_or_default() {
        let absent =
            ["is not set", "cannot be read", "there are no files", "which is no authorizer"];
        assert!(absent.iter().any(|text| problem.contains(text)), "{problem}");
    }
    let mut written = Vec::new();
    let mut path = "";
    for line in full.lines() {
        if line.trim_start().starts_with('[') {
            path = line.trim().trim_matches(['[', ']']);
        } else if let Some((name, _)) = line.split_once(" = ") {
            written.push((path, name.trim()));
        }
    }
    for option in every_option() {
        assert!(written.contains(&option), "{option:?} is missing");
    }
}

/// `example` with what it has commented out. "#key = value" is an option at its default, "# text"
/// a comment. Below "#[table]" options have no default to be shown at, nor have those that name a
/// file with a secret: they stand there with `everything` alone.
fn uncomment(example: &str, everything: bool) -> String {
    let mut is_off = false;
    let mut out = String::new();
    for line in example.lines() {
        let code = line.strip_prefix('#').filter(|code| {
            code.starts_with(|c: char| c == '[' || c.is_alphabetic()) || code.starts_with("  ")
        });
        if code.unwrap_or(line).trim_start().starts_with('[') {
            is_off = code.is_some();
        }
        out += match code {
            Some(code) if everything || !is_off && !code.contains(" = \"file:") => code,
            Some(_) | None => line,
        };
        out.push('\n');
    }
    out
}

#[test]
fn every_row_of_the_table_is_sound() {
    every_option();
    // Kubernetes sets variables that begin like this for a service that is called gigawamp.
    for key in table::TOP.keys {
        assert!(!key.name.starts_with("port") && !key.name.starts_with("service"));
    }
}

/// Every option there is, by the path of its table and its name, each checked.
fn every_option() -> Vec<(&'static str, &'static str)> {
    let mut names = Vec::new();
    rows(&table::TOP, &mut Settings::preset(), &mut names);
    names
}

#[test]
fn presets_of_the_core_lie_within_what_may_be_written() {
    let mut limits = Limits::default();
    for key in table::LIMITS.keys {
        let shown = key.show(&mut limits).expect("every limit can be shown");
        let mut other = Limits::default();
        Value::with_literal(&shown, |value| key.set(&mut other, value, &secret::Nothing))
            .unwrap()
            .unwrap();
        assert_eq!(format!("{limits:?}"), format!("{other:?}"), "{}", key.name);
    }
    // A bound that the core gained has a row here, too.
    let fields = format!("{limits:#?}");
    for line in fields.lines().filter(|line| line.contains(": ")) {
        let field = line.split_once(':').map(|(field, _)| field.trim());
        assert!(table::LIMITS.keys.iter().any(|key| Some(key.name) == field), "{line}");
    }
    // Realms of tests and of the simulator are made without the table.
    let realm = table::preset_realm();
    assert_eq!(realm.uri_check, UriCheck::default());
    assert_eq!(realm.request_ids, RequestIds::default());
}

/// Checks what has to hold for every option, and adds their names.
pub(super) fn rows<T>(
    table: &Table<T>,
    target: &mut T,
    names: &mut Vec<(&'static str, &'static str)>,
) {
    for key in table.keys {
        assert!(!names.contains(&(table.path, key.name)), "{}", key.name);
        names.push((table.path, key.name));
        assert!(key.name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{}", key.name);
        assert!(key.meaning.ends_with('.'), "{}", key.name);
        assert!(!key.meaning.contains("  ") && !key.meaning.contains('|'), "{}", key.name);
        key.preset(target);
        if matches!(key.preset, Preset::Core) {
            assert!(key.show(target).is_some(), "{}", key.name);
        }
        if key.is_secret() {
            assert!(!matches!(key.preset, Preset::Literal(_)), "{}", key.name);
        }
        if let Kind::Word(words) | Kind::Words(_, words) = &key.kind {
            for (word, act) in *words {
                assert!(!word.is_empty());
                act(target);
            }
        }
    }
    for inner in table.tables {
        assert!(table.keys.iter().all(|key| key.name != inner.name()), "{}", inner.name());
        inner.inspect(names);
    }
}

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn what_unknown_names_are_shown_stays_the_same_with_a_secret() {
    let salt = |text: &str, realm: usize| {
        let text = format!(
            "{text}[[realms]]\nname = \"a\"\n[[realms.principals]]\nauthid = \"joe\"\n\
             role = \"x\"\nsecret = \"s\"\nsalt = \"0123456789\"\n\
             [[realms]]\nname = \"b\"\n[[realms.principals]]\nauthid = \"joe\"\n\
             role = \"x\"\nsecret = \"s\"\nsalt = \"0123456789\"\n\
             [[listeners]]\naddress = \"127.0.0.1:1\"\n"
        );
        let mut settings = read(&text).unwrap();
        settings.seed_mocks();
        let config = settings.config(&[], "agent");
        let ghost = config.realms[realm].authentication.principals.cra("ghost").unwrap();
        ghost.credential.salted.unwrap().salt
    };
    let [one, other] = ["0123456789abcdef", "another 16 octets"];
    let with = |secret: &str, realm| salt(&format!("mock_secret = \"{secret}\"\n"), realm);
    assert_eq!(with(one, 0), with(one, 0));
    assert_ne!(with(one, 0), with(other, 0));
    assert_ne!(with(one, 0), with(one, 1), "each realm has its own");
    assert_ne!(with(one, 0), salt("", 0), "chance");
    let problems = read("mock_secret = \"short\"\n").unwrap_err();
    assert!(problems[0].contains("it is shorter than 16 octets"), "{problems:?}");
}
