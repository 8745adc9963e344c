//! Commands that end by themselves: help, version, check, and everything that is refused.

use gigawamp::session::auth::cryptosign::RouterKey;
use gigawamp::session::auth::hex::to_hex;
use gigawamp::session::auth::{Kdf, Salted, Scram, ScramKeys, Secret, Ticket, cra, scram};

use crate::program::{Ended, Folder, program, run};

/// The least a configuration has to say.
const LEAST: &str = "[[realms]]\nname = \"realm1\"\n[[listeners]]\naddress = \"127.0.0.1:0\"\n";

/// Runs the program in an empty folder with `input` on its standard input.
fn gigawamp(arguments: &[&str], input: &str) -> Ended {
    let folder = Folder::new("commands");
    run(program(&folder.path(""), arguments), input)
}

/// Checks that the configuration `text` is refused with exactly the line `expected`.
#[track_caller]
fn check_refused(text: &str, expected: &str) {
    let ended = gigawamp(&["check", "-"], text);
    assert_eq!(ended.err, format!("standard input:{expected}\n"), "{text}");
    assert_eq!((ended.code, ended.out.as_str()), (Some(78), ""), "{text}");
}

#[test]
fn help_and_version_are_printed_on_standard_output() {
    for arguments in [["--help"], ["-h"], ["help"]] {
        let ended = gigawamp(&arguments, "");
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
        assert!(ended.out.starts_with("gigawamp: a WAMP router"), "{}", ended.out);
        assert!(ended.out.lines().count() <= 24);
    }
    for arguments in [["--version"], ["-V"], ["version"]] {
        let ended = gigawamp(&arguments, "");
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
        assert_eq!(ended.out, format!("gigawamp {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn wrong_usage_ends_with_2_and_says_why() {
    for (arguments, expected) in [
        (&["--port", "1"][..], "gigawamp: invalid option '--port'"),
        (&["start"], "gigawamp: unknown command \"start\""),
        (&["check", "a", "b"], "gigawamp: unexpected argument \"b\""),
        (&["--config"], "gigawamp: missing argument for option '--config'"),
        (
            &["--shards", "0"],
            "gigawamp: --shards: expected an integer from 1 to 256 or \"auto\", \
                             found the integer 0",
        ),
        (
            &["--io", "kqueue"],
            "gigawamp: --io: expected one of \"auto\", \"uring\", \"epoll\", \
                              found the text \"kqueue\"",
        ),
    ] {
        let ended = gigawamp(arguments, "");
        assert_eq!(ended.err.lines().next(), Some(expected), "{arguments:?}");
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{arguments:?}");
    }
}

#[test]
fn check_says_ok() {
    let ended = gigawamp(&["check", "-"], LEAST);
    assert_eq!((ended.code, ended.out.as_str(), ended.err.as_str()), (Some(0), "ok\n", ""));
    // Without a file the router would run for development, which is fine.
    assert_eq!(gigawamp(&["check"], "").out, "ok\n");
}

#[test]
fn check_finds_the_file_that_would_be_used() {
    let folder = Folder::new("search");
    let path = folder.path("gigawamp.toml");
    std::fs::write(&path, "shards = 0\n").unwrap();
    let ended = run(program(&folder.path(""), &["check"]), "");
    assert_eq!(ended.code, Some(78));
    assert!(ended.err.starts_with("gigawamp.toml:1: shards: expected"), "{}", ended.err);
    // A file that is named wins.
    std::fs::write(folder.path("other.toml"), LEAST).unwrap();
    let ended = run(program(&folder.path(""), &["check", "other.toml"]), "");
    assert_eq!(ended.out, "ok\n");
    let mut command = program(&folder.path(""), &["check"]);
    command.env("GIGAWAMP_CONFIG", "other.toml");
    assert_eq!(run(command, "").out, "ok\n");
}

#[test]
fn a_file_that_cannot_be_read_is_a_wrong_configuration() {
    let folder = Folder::new("unreadable");
    let missing = "missing.toml: cannot be read: No such file or directory (os error 2)\n";
    for arguments in [&["check", "missing.toml"][..], &["--config", "missing.toml"]] {
        let ended = run(program(&folder.path(""), arguments), "");
        assert_eq!((ended.code, ended.err.as_str()), (Some(78), missing));
    }
    // One that is there but no file must not lead to development mode.
    std::fs::create_dir(folder.path("gigawamp.toml")).unwrap();
    let ended = run(program(&folder.path(""), &[]), "");
    assert_eq!(ended.code, Some(78));
    assert!(ended.err.starts_with("gigawamp.toml: cannot be read: "), "{}", ended.err);
}

#[test]
fn bad_configurations_are_refused_with_their_line() {
    let duration = "expected a duration such as \"30s\", from \"100ms\" to \"1h\"";
    check_refused(
        &format!("\nrelams = 1\n{LEAST}"),
        "2: unknown key `relams` in the top level; did you mean `realms`?",
    );
    check_refused(
        &format!("{LEAST}[limits]\nstall = 5\n"),
        &format!("6: limits.stall: {duration}, found the integer 5"),
    );
    check_refused(
        &LEAST.replace("127.0.0.1:0", "0.0.0.0:8080"),
        "4: listeners.address: other machines can reach \"0.0.0.0:8080\", and clients are \
         admitted without authentication; listen on 127.0.0.1, or set \
         insecure_allow_anonymous_remote = true at the top level if you mean it",
    );
    check_refused(
        "[[listeners]]\naddress = \"127.0.0.1:0\"\n",
        " no realm: write [[realms]] with a name such as \"realm1\"",
    );
    check_refused(
        &format!("{LEAST}[[realms]]\nname = \"realm1\"\n"),
        "6: two realms are called \"realm1\"",
    );
    check_refused(
        &format!(
            "{LEAST}[[realms]]\nname = \"r\"\nanonymous = \"joe\"\n[[realms.roles]]\nname = \"guest\"\n"
        ),
        "7: there is no role \"joe\", but guest",
    );
    let rule = |rule: &str| {
        format!(
            "{LEAST}[[realms]]\nname = \"r\"\n[[realms.roles]]\nname = \"guest\"\nallow = [{rule:?}]\n"
        )
    };
    assert_eq!(gigawamp(&["check", "-"], &rule("call com.a")).code, Some(0));
    for wrong in ["call", "fly com.a", "call com.x${authid}"] {
        let ended = gigawamp(&["check", "-"], &rule(wrong));
        let expected = format!("standard input:9: realms.roles.allow: {wrong:?}: this is no rule");
        assert!(ended.err.starts_with(&expected), "{}", ended.err);
    }
    let ended = gigawamp(&["check", "-"], &format!("{LEAST}backlog =\n"));
    assert_eq!(ended.code, Some(78));
    assert!(ended.err.starts_with("standard input:5: "), "{}", ended.err);
}

#[test]
fn a_router_does_not_start_with_a_bad_configuration() {
    let ended = gigawamp(&["--config", "-"], "[limits]\nstall = \"0s\"\n");
    assert_eq!((ended.code, ended.out.as_str()), (Some(78), ""));
    assert_eq!(ended.err.lines().count(), 3, "{}", ended.err);
    let folder = Folder::new("environment");
    let mut command = program(&folder.path(""), &["check"]);
    command.env("GIGAWAMP_LOG_LEVEL", "loud");
    let ended = run(command, "");
    assert_eq!(ended.code, Some(78));
    assert!(ended.err.starts_with("GIGAWAMP_LOG_LEVEL: expected one of"), "{}", ended.err);
}

#[test]
fn a_reader_that_went_away_is_no_failure() {
    let folder = Folder::new("pipe");
    let mut command = program(&folder.path(""), &["--help"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    command.stdout(writer);
    let mut child = command.spawn().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

const ROLES: &str = r#"
[[realms]]
name = "realm1"
[[realms.roles]]
name = "guest"
allow = [
    "call,subscribe com.public.*",
    "publish com.chat.${authid}", "call wamp.*",
]
deny = ["subscribe com.public.secret"]
disclose = ["call com.public.* never"]
[[realms]]
name = "open"
[[listeners]]
address = "127.0.0.1:0"
"#;

#[test]
fn explain_says_which_rule_decides() {
    let by = |rule: &str, line| format!("{rule} of role guest (standard input, line {line})\n");
    for (question, code, expected) in [
        (
            "guest call com.public.x",
            0,
            by("allowed by allow \"call,subscribe com.public.*\"", 7) + "disclosure: never\n",
        ),
        (
            "guest publish com.chat.joe --authid joe",
            0,
            by("allowed by allow \"publish com.chat.${authid}\"", 8),
        ),
        ("guest publish com.chat.joe", 1, "denied by no rule of role guest\n".into()),
        (
            "guest subscribe com.public.secret",
            1,
            by("denied by deny \"subscribe com.public.secret\"", 10),
        ),
        (
            "guest subscribe com.public. --match prefix",
            1,
            by("denied by deny \"subscribe com.public.secret\"", 10),
        ),
        (
            "guest call wamp.session.kill",
            1,
            "denied: no rule names wamp.session.kill, and `meta_kill` is off\n".into(),
        ),
        ("guest publish wamp.x", 1, "denied: wamp.x is reserved for the router\n".into()),
    ] {
        let words: Vec<&str> =
            "explain --config - realm1".split(' ').chain(question.split(' ')).collect();
        let ended = gigawamp(&words, ROLES);
        let expected = (Some(code), expected.as_str(), "");
        assert_eq!((ended.code, ended.out.as_str(), ended.err.as_str()), expected, "{question}");
    }
    let ended = gigawamp(&["explain", "open", "any", "call", "com.x", "--config", "-"], ROLES);
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), "allowed: the realm has no roles\n"));
    for (question, expected) in [
        ("explain nowhere guest call com.x", "gigawamp: there is no realm \"nowhere\""),
        (
            "explain realm1 boss call com.x",
            "gigawamp: realm \"realm1\" has no role \"boss\", but guest",
        ),
        (
            "explain realm1 guest call com..x",
            "gigawamp: \"com..x\" is not valid as a URI of match policy exact",
        ),
        (
            "explain realm1 guest fly com.x",
            "gigawamp: ACTION is call, register, publish, subscribe or takeover",
        ),
        ("explain realm1 guest call", "gigawamp: explain takes REALM ROLE ACTION URI"),
    ] {
        let words: Vec<&str> = question.split(' ').chain(["--config", "-"]).collect();
        let ended = gigawamp(&words, ROLES);
        assert_eq!((ended.code, ended.err.lines().next()), (Some(2), Some(expected)), "{question}");
    }
}

#[test]
fn keygen_writes_the_private_key_and_prints_the_public_one() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = Folder::new("keygen");
    let path = folder.path("router.key");
    let keygen = || run(program(&folder.path(""), &["keygen", "router.key"]), "");
    let made = keygen();
    assert_eq!((made.code, made.err.as_str()), (Some(0), ""));
    let private = std::fs::read_to_string(&path).unwrap();
    let is_key = |line: &str| {
        line.len() == 65 && line.trim_end().bytes().all(|octet| octet.is_ascii_hexdigit())
    };
    assert!(is_key(&private) && is_key(&made.out), "{}", made.out);
    let key = RouterKey::from_hex(&Secret::from(private.as_str())).unwrap();
    assert_eq!(to_hex(&key.public_key()), made.out.trim_end());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let again = keygen();
    assert_eq!((again.code, again.out.as_str()), (Some(1), ""));
    assert!(again.err.starts_with("gigawamp: router.key: "), "{}", again.err);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), private, "never overwritten");
}

/// The value of `key` in the lines of TOML that were printed.
fn value<'l>(lines: &'l str, key: &str) -> Option<&'l str> {
    let line = lines.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))?;
    Some(line.trim_matches('"'))
}

#[test]
fn passwd_says_what_to_keep_of_a_password() {
    let made = gigawamp(&["passwd", "--authid", "jo\"e"], "rosebud\n");
    assert_eq!((made.code, made.err.as_str()), (Some(0), ""));
    assert!(made.out.starts_with("authid = \"jo\\\"e\"\n"), "{}", made.out);
    assert!(!made.out.contains("rosebud"), "{}", made.out);
    let of = |key| value(&made.out, key).unwrap_or_else(|| panic!("{key} in {}", made.out));
    assert!(matches!(Ticket::from_text(of("ticket")), Ok(Ticket::Slow(_))));
    let scram = Scram::from_line(of("scram")).unwrap();
    assert_eq!((scram.kdf, scram.keys.len()), (Kdf::Argon2id, 2));
    let iterations = of("iterations").parse().unwrap();
    let keylen = of("keylen").parse().unwrap();
    let salted = Salted { salt: of("salt").into(), iterations, keylen };
    assert_eq!(cra::derive(b"rosebud", &salted).expose(), of("secret").as_bytes());
}

#[test]
fn passwd_makes_the_line_of_one_method() {
    let made = gigawamp(&["passwd", "--method", "scram-pbkdf2"], "pencil");
    assert_eq!(made.out.lines().count(), 1, "{}", made.out);
    let scram = Scram::from_line(value(&made.out, "scram").unwrap()).unwrap();
    let hash = scram::pbkdf2("pencil", &scram.salt, scram.iterations);
    assert_eq!(&*scram.keys, [ScramKeys::of(&*hash)]);
    let again = gigawamp(&["passwd", "--method", "scram-pbkdf2"], "pencil");
    assert_ne!(made.out, again.out, "the salt is another one each time");
}

#[test]
fn passwd_needs_a_password() {
    for (input, expected) in [
        ("", "the password is empty"),
        ("\n", "the password is empty"),
        (&*"x".repeat(1_025), "longer than 1024 octets"),
    ] {
        let ended = gigawamp(&["passwd", "--method", "wampcra"], input);
        assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{input:?}");
        assert!(ended.err.contains(expected), "{}", ended.err);
    }
    let ended = gigawamp(&["passwd", "--method", "md5"], "x");
    assert_eq!(ended.code, Some(2));
}
