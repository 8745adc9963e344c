//! The command line: what was asked for.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt};

use super::config::Flags;
use super::explain::Question;
use super::identity::{Keygen, Passwd};
use crate::message::MatchPolicy;
use crate::router::authorization::Action;

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Run the router.
    Serve(Flags),
    /// Check the configuration and say whether it will do.
    Check(Flags),
    /// Say whether a session may do something, and which rule says so.
    Explain(Flags, Question),
    /// Make a key pair for WAMP-Cryptosign.
    Keygen(Keygen),
    /// Print what a configuration keeps of a password.
    Passwd(Passwd),
    /// Check the configuration and have the process that runs with it read it again.
    Reload(Flags),
    /// Print the table of options in Markdown. For whoever changes an option, not in the help.
    Options,
    /// Print the version.
    Version,
    /// Print the help.
    Help,
}

/// What `--help` prints: at most 24 lines of 80 columns.
pub(super) const HELP: &str = "\
gigawamp: a WAMP router that runs one independent router per core

Usage: gigawamp [OPTIONS]      run the router
       gigawamp check [FILE]   check a configuration: \"ok\" or what is wrong
       gigawamp explain REALM ROLE ACTION URI    whether it may, by which rule
       gigawamp reload [FILE]  check it and have the running router take it over
       gigawamp keygen FILE    make a key pair: FILE gets the private key
       gigawamp passwd         what to keep of a password (--method, --authid)

Without a configuration it runs for development: realm1 on 127.0.0.1:8080, for
every client on this machine, at ws://127.0.0.1:8080/ws or by RawSocket.

Options:
  --config FILE         configuration (TOML), \"-\" for standard input; otherwise
                        ./gigawamp.toml or /etc/gigawamp/gigawamp.toml if there
  --shards N            independent routers (default: one for each CPU)
  --io MODE             auto, uring or epoll (default: auto)
  --log-level LEVEL     error, warn, info, debug or trace (default: info)
  --log-format FORMAT   text or json (default: text)
  -h, --help, -V, --version

Most keys may also come from the environment, such as GIGAWAMP_LOG_LEVEL=debug.
Exit codes: 0 stopped in good order, 1 failed, 2 wrong usage, 78 wrong
configuration. SIGTERM or SIGINT stops it after goodbyes, a second one at once.
";

/// Flags that stand for a key of the configuration's top level, and that key.
const KEYS: [(&str, &str); 4] =
    [("shards", "shards"), ("io", "io"), ("log-level", "log_level"), ("log-format", "log_format")];

/// Reads the command line, without the program's own name.
///
/// # Errors
///
/// Says what is wrong with it, to be printed as it is.
pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    read(Parser::from_args(arguments)).map_err(|error| error.to_string())
}

/// Reads argument by argument.
fn read(mut parser: Parser) -> Result<Command, lexopt::Error> {
    let mut flags = Flags::default();
    let mut verb = None;
    let (mut words, mut policy, mut authid) = (Vec::new(), MatchPolicy::Exact, String::new());
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            Arg::Short('V') | Arg::Long("version") => return Ok(Command::Version),
            Arg::Long("config") => flags.config = Some(PathBuf::from(parser.value()?)),
            Arg::Long("match") if verb.as_deref() == Some("explain") => {
                let text = parser.value()?.string()?;
                let known = MatchPolicy::ALL.into_iter().find(|policy| policy.name() == text);
                policy = known.ok_or("--match takes exact, prefix or wildcard")?;
            }
            Arg::Long("authid") if verb.as_deref() == Some("explain") => {
                authid = parser.value()?.string()?;
            }
            Arg::Long(name) => {
                let Some((_, key)) = KEYS.iter().find(|(flag, _)| *flag == name) else {
                    return Err(argument.unexpected());
                };
                flags.values.push((key, parser.value()?.string()?));
            }
            Arg::Value(word) if verb.is_none() => match word.string()?.as_str() {
                // These have options of their own.
                "keygen" => return Keygen::parse(&mut parser).map(Command::Keygen),
                "passwd" => return Passwd::parse(&mut parser).map(Command::Passwd),
                word => verb = Some(word.to_owned()),
            },
            // The one positional argument of any verb: `check FILE`.
            Arg::Value(file)
                if matches!(verb.as_deref(), Some("check" | "reload"))
                    && flags.config.is_none() =>
            {
                flags.config = Some(PathBuf::from(file));
            }
            Arg::Value(word) if verb.as_deref() == Some("explain") && words.len() < 4 => {
                words.push(word.string()?);
            }
            Arg::Short(_) | Arg::Value(_) => return Err(argument.unexpected()),
        }
    }
    match verb.as_deref() {
        None | Some("serve") => Ok(Command::Serve(flags)),
        Some("check") => Ok(Command::Check(flags)),
        Some("explain") => {
            let words: Result<[String; 4], _> = words.try_into();
            let [realm, role, action, uri] =
                words.map_err(|_| "explain takes REALM ROLE ACTION URI")?;
            let action = Action::from_name(&action);
            let action =
                action.ok_or("ACTION is call, register, publish, subscribe or takeover")?;
            Ok(Command::Explain(flags, Question { realm, role, action, policy, uri, authid }))
        }
        Some("reload") => Ok(Command::Reload(flags)),
        Some("options") => Ok(Command::Options),
        Some("version") => Ok(Command::Version),
        Some("help") => Ok(Command::Help),
        Some(other) => Err(format!("unknown command {other:?}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn flags_and_verbs_are_read() {
        assert_eq!(parsed(""), Ok(Command::Serve(Flags::default())));
        let flags = Flags {
            config: Some(PathBuf::from("a.toml")),
            values: vec![("log_level", "debug".to_owned()), ("shards", "2".to_owned())],
        };
        let line = "--config a.toml --log-level=debug --shards 2";
        assert_eq!(parsed(line), Ok(Command::Serve(flags.clone())));
        assert_eq!(parsed(&format!("serve {line}")), Ok(Command::Serve(flags.clone())));
        assert_eq!(parsed(&format!("check {line}")), Ok(Command::Check(flags)));
        let file = Flags { config: Some(PathBuf::from("-")), values: Vec::new() };
        assert_eq!(parsed("check -"), Ok(Command::Check(file)));
        assert!(matches!(parsed("keygen a.key"), Ok(Command::Keygen(_))));
        assert!(matches!(parsed("passwd --method scram --authid joe"), Ok(Command::Passwd(_))));
        assert_eq!(parsed("version"), Ok(Command::Version));
        assert_eq!(parsed("-V"), Ok(Command::Version));
        assert_eq!(parsed("--config x --help"), Ok(Command::Help));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, expected) in [
            ("--prot 1", "--prot"),
            ("-x", "-x"),
            ("start", "unknown command \"start\""),
            ("--config", "missing argument for option '--config'"),
            ("check a b", "\"b\""),
            ("check --config a b", "\"b\""),
            ("version now", "\"now\""),
            ("keygen", "the file for the private key is missing"),
            ("keygen a b", "\"b\""),
            ("passwd --method md5", "\"md5\" is none of ticket, wampcra, scram, scram-pbkdf2"),
            ("passwd --method", "--method"),
            ("passwd secret", "\"secret\""),
            ("passwd --authid=", "authid"),
        ] {
            let text = parsed(line).unwrap_err();
            assert!(text.contains(expected), "{line}: {text}");
        }
    }

    #[test]
    fn help_fits_a_screen_and_names_every_flag() {
        assert!(HELP.lines().count() <= 24, "{} lines", HELP.lines().count());
        for line in HELP.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        for (flag, _) in KEYS {
            assert!(HELP.contains(&format!("--{flag} ")), "{flag}");
        }
    }
}
