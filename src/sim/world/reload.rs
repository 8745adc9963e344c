//! A configuration that is read again in the middle of a run.

use super::World;
use crate::env::Random;
use crate::router::config::RealmConfig;

impl World {
    /// The configuration is read again: a realm comes or goes that nobody joins, and others may do
    /// something from now on; all else stays.
    pub(super) fn reload(&mut self) {
        let mut rights = self.versions.last().expect("there was a first").clone();
        for rights in rights.iter_mut().filter(|rights| !rights.are_open()) {
            if self.network.one_in(2) {
                rights.change(&mut self.network);
            }
        }
        for (realm, rights) in self.config.realms.iter_mut().zip(&rights) {
            rights.apply(realm);
        }
        let mut config = self.config.clone();
        if self.network.one_in(2) {
            let name = "com.comes.and.goes".to_owned();
            config.realms.push(RealmConfig { name, ..RealmConfig::default() });
        }
        self.trace.note(format_args!("{} realms are configured", config.realms.len()));
        if rights.iter().any(|rights| !rights.are_open()) {
            self.trace.note(format_args!("{rights:?}"));
        }
        let seed = self.network.below(u64::MAX);
        self.machine.configure(config, &mut Random::from_number(seed));
        self.workload.rights.clone_from(&rights);
        self.versions.push(rights);
    }

    /// A shard goes by all the configurations that it was not told of, one after the other.
    pub(super) fn adopt(&mut self, shard: usize) {
        for version in self.adopted[shard] + 1..self.versions.len() {
            self.model.configure(shard, &self.versions[version]);
        }
        self.adopted[shard] = self.versions.len() - 1;
    }
}
