//! Who was met where lately. Most facts are of somebody who has played in the same hour, and what is remembered need not
//! be looked up.

use std::collections::HashSet;

use quick_cache::unsync::Cache;

use crate::identity::Digest;

/// Players at once, each in a session, of whom that many take some 10 MiB.
const MET_MAX: usize = 1 << 17;

/// Digests of a bucket with a player and a session, both of whom the database knows to have been met there.
pub(super) struct Met(Cache<Digest, ()>);

impl Default for Met {
    fn default() -> Self {
        Self(Cache::new(MET_MAX))
    }
}

impl Met {
    pub(super) fn remembers(&self, met: &Digest) -> bool {
        self.0.get(met).is_some()
    }

    /// From now on these are in the database.
    pub(super) fn remember(&mut self, met: HashSet<Digest>) {
        for met in met {
            self.0.insert(met, ());
        }
    }

    /// Nothing may be in the database any more.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}
