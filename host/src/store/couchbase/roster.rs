//! Which hosts there are, in one document that all of them write: each counts on as long as it lives. One that does not
//! any more is gone, and one of the others takes care of what it has left in outboxes.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{super::StoreError, collections::Collections};
use crate::cluster::{self, Client, Documents};

const ROSTER: &str = "hosts";
/// How often it is tried to be written, beside others that write it too.
const TRIES_MAX: u32 = 32;

/// A host that has not counted on for so long is gone. One that is only slow does no harm: what both carry on has the
/// same ids.
const GONE_AFTER: Duration = Duration::from_secs(10);
/// How often it is looked at again what a host that is gone has left: a commit may have been under way when it went.
const LOOK_AGAIN: Duration = Duration::from_mins(1);
/// When a host that is gone and has left nothing is forgotten.
const FORGET_AFTER: Duration = Duration::from_hours(1);

/// The hosts as this one knows them.
pub(super) struct Roster {
    documents: Documents,
    host: u64,
    others: BTreeMap<u64, Other>,
}

/// Another host.
struct Other {
    beats: u64,
    /// Since when it has so many beats.
    since: Instant,
    is_closed: bool,
    /// It is gone, and this host looks after what it has left.
    is_ours: bool,
    looked: Option<Instant>,
}

/// As it is written.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Beats {
    beats: u64,
    /// It has ended in good order and will not come back.
    #[serde(default)]
    closed: bool,
    /// Who looks after what it has left, once it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    heir: Option<u64>,
}

type Written = BTreeMap<u64, Beats>;

impl Roster {
    pub(super) fn new(client: Arc<Client>, host: u64) -> Self {
        Self { documents: Documents::new(client, "the store", TRIES_MAX), host, others: BTreeMap::new() }
    }

    pub(super) fn host(&self) -> u64 {
        self.host
    }

    /// Says that this host is alive, looks at the others, and takes it upon itself to look after those that are gone.
    pub(super) async fn beat(&mut self) -> Result<(), StoreError> {
        let written = self
            .change(|written| {
                let beats = written.get(&self.host).map_or(0, |ours| ours.beats);
                written.insert(self.host, Beats { beats: beats + 1, closed: false, heir: None });
                let hosts: Vec<_> = written.keys().copied().collect();
                for host in hosts {
                    let heir = written[&host].heir.filter(|heir| !self.is_gone(*heir, written));
                    if heir.is_none() && self.is_gone(host, written) {
                        written.entry(host).and_modify(|gone| gone.heir = Some(self.host));
                    }
                }
                true
            })
            .await?;
        let mut others = BTreeMap::new();
        for (other, beats) in written.into_iter().filter(|(other, _)| *other != self.host) {
            let known = self.others.remove(&other).filter(|known| known.beats == beats.beats);
            let (since, looked) = known.map_or((Instant::now(), None), |known| (known.since, known.looked));
            let is_ours = beats.heir == Some(self.host);
            others.insert(other, Other { beats: beats.beats, since, is_closed: beats.closed, is_ours, looked });
        }
        self.others = others;
        Ok(())
    }

    fn is_gone(&self, host: u64, written: &Written) -> bool {
        let Some(now) = written.get(&host) else { return true };
        let is_silent = |known: &Other| known.beats == now.beats && known.since.elapsed() > GONE_AFTER;
        host != self.host && (now.closed || self.others.get(&host).is_some_and(is_silent))
    }

    /// Hosts that are gone, and that this one looks after.
    pub(super) fn to_look_after(&self) -> Vec<u64> {
        let is_due = |other: &Other| other.looked.is_none_or(|looked| looked.elapsed() > LOOK_AGAIN);
        let ours = self.others.iter().filter(|(_, other)| other.is_ours && is_due(other));
        ours.map(|(host, _)| *host).collect()
    }

    /// What a host has left was looked at.
    pub(super) fn looked(&mut self, gone: u64) {
        if let Some(other) = self.others.get_mut(&gone) {
            other.looked = Some(Instant::now());
        }
    }

    /// Whether nothing can come from it any more.
    pub(super) fn may_be_forgotten(&self, gone: u64) -> bool {
        self.others.get(&gone).is_some_and(|other| other.is_closed || other.since.elapsed() > FORGET_AFTER)
    }

    pub(super) async fn forget(&mut self, gone: u64) -> Result<(), StoreError> {
        self.change(|written| written.remove(&gone).is_some()).await?;
        self.others.remove(&gone);
        Ok(())
    }

    /// This host ends in good order.
    pub(super) async fn leave(&mut self, is_empty: bool) -> Result<(), StoreError> {
        let leaving = self.change(|written| {
            if is_empty {
                return written.remove(&self.host).is_some();
            }
            written.entry(self.host).and_modify(|ours| ours.closed = true);
            true
        });
        leaving.await.map(drop)
    }

    async fn change(&self, change: impl Fn(&mut Written) -> bool) -> Result<Written, StoreError> {
        for _ in self.documents.tries() {
            let (found, expected) = self.documents.find::<Written>(Collections::Index, ROSTER).await?;
            let mut hosts = found.unwrap_or_default();
            if !change(&mut hosts)
                || self.documents.write(Collections::Index, ROSTER, &hosts, expected).await? == cluster::Written::Yes
            {
                return Ok(hosts);
            }
        }
        Err(self.documents.contended(Collections::Index, ROSTER).into())
    }
}
