//! Reading the configuration again while the process runs.
//!
//! A reload is all or nothing: what is wrong is logged with its line, and nothing changes. Of what
//! is right, all applies but for keys that take a restart, which are named. Files that a
//! configuration names are read with it; certificates and principals are looked at every few
//! seconds besides.

use tracing::{error, info, warn};

use super::config::{self, Flags, Loaded, Refused, Settings, Source};
use super::file::Watched;
use super::pid::PidFile;
use super::tls::Doors;
use super::{ListenerSettings, logging, metrics};
use crate::router::Changes;
use crate::shard::Shards;

/// Turns of the main loop between two looks at files: about two seconds.
const TURNS_PER_LOOK: u32 = 20;

/// Turns after which what a reload did to sessions has been counted.
const TURNS_TO_COUNT: u32 = 15;

/// What it takes to read the configuration again.
#[derive(Debug)]
pub(super) struct Reloader {
    flags: Flags,
    /// What holds.
    pub(super) loaded: Loaded,
    /// The listeners that are open, in their order.
    listeners: Vec<ListenerSettings>,
    doors: Doors,
    pid_file: Option<PidFile>,
    turns: u32,
    /// The files with principals.
    people: Watched,
    /// A reload that shards are heeding, or whose effect is being counted.
    under_way: Option<UnderWay>,
}

/// A reload that is not over yet.
#[derive(Debug)]
struct UnderWay {
    /// Sessions that reloads had ended before.
    ended_before: u64,
    changes: Changes,
    /// Turns since all shards heed it; `None` as long as some do not.
    turns: Option<u32>,
}

impl Reloader {
    /// For a process that was started with `flags` and runs what is `loaded`.
    pub(super) fn new(
        (flags, loaded): (&Flags, Loaded),
        (listeners, doors): (Vec<ListenerSettings>, Doors),
        pid_file: Option<PidFile>,
    ) -> Self {
        let people = Watched::new(loaded.stamps.clone());
        let (flags, turns, under_way) = (flags.clone(), 0, None);
        Self { flags, loaded, listeners, doors, pid_file, turns, people, under_way }
    }

    /// To be called in every turn of the main loop: looks after files that have changed, and
    /// after a reload that is under way.
    pub(super) fn look(&mut self, shards: &mut Shards) {
        self.doors.look(shards);
        self.follow(shards);
        self.turns += 1;
        if self.turns < TURNS_PER_LOOK {
            return;
        }
        self.turns = 0;
        if self.people.is_due(self.loaded.stamps_now()) {
            info!("a file with principals has changed");
            self.apply(self.loaded.with_principals_anew(&environment), shards);
        }
    }

    /// Reads everything again.
    pub(super) fn reload(&mut self, shards: &mut Shards) {
        info!("reloading {}", self.loaded.source);
        if matches!(self.loaded.source, Source::Stdin) {
            return self.refuse(&["standard input cannot be read again".to_owned()]);
        }
        if self.apply(config::load(&self.flags, &environment), shards) {
            self.doors.renew(shards);
        }
    }

    /// Lets what was `read` hold from here on, if it will do; says whether it does.
    fn apply(&mut self, read: Result<Loaded, Refused>, shards: &mut Shards) -> bool {
        match self.try_apply(read, shards) {
            Ok(()) => true,
            Err(problems) => {
                self.refuse(&problems);
                false
            }
        }
    }

    fn try_apply(
        &mut self,
        read: Result<Loaded, Refused>,
        shards: &mut Shards,
    ) -> Result<(), Vec<String>> {
        let loaded = read.map_err(|refused| match refused {
            Refused::Usage(text) => vec![text],
            Refused::Config(problems) => problems.iter().map(ToString::to_string).collect(),
        })?;
        if loaded.source != self.loaded.source {
            let (now, before) = (&loaded.source, &self.loaded.source);
            return Err(vec![format!("{before} is not there any more, {now} would be read")]);
        }
        let mut listeners = self.listeners.clone();
        for listener in &mut listeners {
            let same = |other: &&ListenerSettings| other.address == listener.address;
            if let Some(now) = loaded.settings.listeners.iter().find(same) {
                listener.transport = now.transport.clone();
                listener.admission = now.admission.clone();
            }
        }
        // It is the listeners that are open which must fit, whatever the file says of others.
        let running = Settings { listeners: listeners.clone(), ..loaded.settings.clone() };
        if let Some((_, text)) = running.check() {
            return Err(vec![format!("for the listeners that are open: {text}")]);
        }
        super::check_files(&running).map_err(|text| vec![text])?;
        let ended_before = metrics::total(&shards.counters()).reconfigured_sessions_ended;
        let config = super::router_config(&loaded.settings, &listeners);
        let changes = shards.configure(config).map_err(|text| vec![text.to_owned()])?;
        for warning in &loaded.warnings {
            warn!("{warning}");
        }
        let fixed = self.loaded.fixed.changed(&loaded.fixed);
        if !fixed.is_empty() {
            warn!("these changes take a restart: {}", fixed.join(", "));
        }
        logging::set_level(loaded.settings.log_level);
        // What takes a restart is compared with what runs, not with what was read last.
        let running = std::mem::take(&mut self.loaded.fixed);
        self.loaded = Loaded { fixed: running, ..loaded };
        self.people = Watched::new(self.loaded.stamps.clone());
        self.listeners = listeners;
        self.under_way = Some(UnderWay { ended_before, changes, turns: None });
        self.follow(shards);
        Ok(())
    }

    /// Looks how far a reload is.
    fn follow(&mut self, shards: &Shards) {
        let Some(under_way) = &mut self.under_way else { return };
        let Some(turns) = &mut under_way.turns else {
            if shards.has_configured() {
                under_way.turns = Some(0);
                let Changes { realms_added, realms_removed } = under_way.changes;
                info!(realms_added, realms_removed, "reloaded");
                if let Some(file) = &mut self.pid_file {
                    file.report("ok");
                }
            }
            return;
        };
        *turns += 1;
        if *turns < TURNS_TO_COUNT {
            return;
        }
        let ended = metrics::total(&shards.counters()).reconfigured_sessions_ended;
        let count = ended - under_way.ended_before;
        if count > 0 {
            info!("the reload has ended {count} sessions");
        }
        self.under_way = None;
    }

    /// Leaves everything as it was, and says why.
    fn refuse(&mut self, problems: &[String]) {
        for problem in problems {
            error!("{problem}");
        }
        error!("not reloaded, nothing has changed");
        if let Some(file) = &mut self.pid_file {
            file.report(&format!("not reloaded, nothing has changed: {}", problems.join("; ")));
        }
    }
}

fn environment(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}
