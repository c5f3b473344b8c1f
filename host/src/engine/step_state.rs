//! What a step's store holds while a game runs in it: the game's view of the aggregate, its draws and its bounds.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use wasmtime::ResourceLimiter;

use super::{
    Answer, Done, Malfunction, MayNotify, Release, Settings, Timing,
    configuration::TICK,
    documents::{self, Unkeepable},
};
use crate::{
    aggregate::Documents,
    chance::Chance,
    json::Json,
    limits::{LOG_LINE_BYTES_MAX, STEP_ABSENT_DOCUMENTS_MAX, STEP_HOST_CALLS_MAX, STEP_LOG_LINES_MAX},
    record::{Effect, Migrated, Observed},
    rounds::RoundMoney,
};

/// The data of a step's store.
pub(super) struct StepState {
    /// `None` while a release describes itself: then imports trap.
    play: Option<Play>,
    /// While documents are brought to the release's version: then imports trap, but for the log.
    migrating: bool,
    ticks_left: u128,
    memory_bytes_max: usize,
    /// The largest memory so far.
    memory_bytes: usize,
    host_calls: u32,
    host_time: Option<Duration>,
    log: Vec<(&'static str, String)>,
    panic_message: Option<String>,
}

/// What imports read and change.
pub(super) struct Play {
    pub(super) money: RoundMoney,
    pub(super) documents: Documents,
    pub(super) written: BTreeMap<String, Option<Json>>,
    pub(super) chance: Chance,
    pub(super) effects: Vec<Effect>,
    may_notify: MayNotify,
    /// One was refused for its size beside the others.
    refused_for_size: bool,
    /// The documents as they were before the step; migrated, where they had to be.
    before: Documents,
    migrated: Option<Migrated>,
    observed: Observed,
}

impl Play {
    /// Whether the game may have this told; where it may not goes into the record.
    pub(super) fn may_notify(&mut self, channel: &str, template: &str) -> bool {
        let may = self.may_notify.allows(channel, template);
        if !may {
            self.observed.not_granted.push((channel.to_owned(), template.to_owned()));
        }
        may
    }

    /// Effects that were asked for, with those that were not granted.
    pub(super) fn effects_asked(&self) -> usize {
        self.effects.len() + self.observed.not_granted.len()
    }

    /// A document as it is now; what it was before the game was called goes into the record.
    pub(super) fn read(&mut self, key: &str) -> Result<Option<&Json>, Malfunction> {
        if !self.observed.documents.contains_key(key) && !self.written.contains_key(key) {
            if self.observed.documents.len() >= self.before.len() + STEP_ABSENT_DOCUMENTS_MAX {
                return Err(Malfunction::TooManyHostCalls);
            }
            self.observed.documents.insert(key.to_owned(), self.before.get(key).cloned());
        }
        Ok(self.documents.get(key))
    }

    /// All keys as they are now; those before the step go into the record.
    pub(super) fn keys(&mut self) -> Vec<String> {
        let before = &self.before;
        self.observed.keys.get_or_insert_with(|| before.keys().cloned().collect());
        self.documents.keys().cloned().collect()
    }

    /// Keeps a document, unless the rules for documents refuse it.
    pub(super) fn put(&mut self, key: String, value: String) -> Result<(), Unkeepable> {
        let value = documents::keepable(&self.documents, &key, value)
            .inspect_err(|why| self.refused_for_size |= matches!(why, Unkeepable::TooLarge))?;
        self.write(key, value);
        Ok(())
    }

    fn write(&mut self, key: String, value: Json) {
        Arc::make_mut(&mut self.documents).insert(key.clone(), value.clone());
        self.written.insert(key, Some(value));
    }

    /// What the game has seen, with the documents that it has not read where their number or sizes have counted.
    fn observed(&mut self) -> Observed {
        let mut observed = std::mem::take(&mut self.observed);
        if self.refused_for_size || observed.documents.len() > STEP_ABSENT_DOCUMENTS_MAX {
            let unread = self.before.iter().filter(|(key, _)| !observed.documents.contains_key(*key));
            observed.unread = Some(unread.map(|(key, value)| (key.clone(), value.as_str().len())).collect());
        }
        observed
    }

    /// What was not there before the step leaves no trace, however often it comes and goes.
    pub(super) fn delete(&mut self, key: &str) {
        if !self.documents.contains_key(key) {
            return;
        }
        Arc::make_mut(&mut self.documents).remove(key);
        if self.before.contains_key(key) {
            self.written.insert(key.to_owned(), None);
        } else {
            self.written.remove(key);
        }
    }
}

impl StepState {
    pub(super) fn playing(
        (money, documents): (RoundMoney, Documents),
        chance: Chance,
        may_notify: MayNotify,
        settings: &Settings,
        measured: bool,
    ) -> Self {
        let observed = Observed { balance: money.balance(), staked: money.staked(), ..Observed::default() };
        let play = Play {
            money,
            before: documents.clone(),
            documents,
            migrated: None,
            written: BTreeMap::new(),
            chance,
            effects: Vec::new(),
            may_notify,
            refused_for_size: false,
            observed,
        };
        Self { play: Some(play), host_time: measured.then_some(Duration::ZERO), ..Self::describing(settings) }
    }

    pub(super) fn describing(settings: &Settings) -> Self {
        Self {
            play: None,
            migrating: false,
            ticks_left: settings.step_compute_max.as_millis().div_ceil(TICK.as_millis()),
            memory_bytes_max: settings.memory_bytes_max,
            memory_bytes: 0,
            host_calls: 0,
            host_time: None,
            log: Vec::new(),
            panic_message: None,
        }
    }

    /// Nothing is played until [`Self::end_migration`].
    pub(super) fn begin_migration(&mut self) {
        self.migrating = true;
    }

    /// The documents that a migration starts from.
    pub(super) fn unmigrated(&self) -> Documents {
        self.play.as_ref().map(|play| play.documents.clone()).unwrap_or_default()
    }

    /// From here on the game sees what its migration has made.
    pub(super) fn end_migration(&mut self, from: u32, after: BTreeMap<String, Json>) {
        self.migrating = false;
        if let Some(play) = &mut self.play {
            play.documents = Arc::new(after.clone());
            let before = std::mem::replace(&mut play.before, play.documents.clone());
            play.migrated = Some(Migrated { from, before: (*before).clone(), after });
        }
    }

    /// Every import goes through here: it is counted, measured where asked for, and refused outside of a call.
    pub(super) fn host_call<T>(
        &mut self,
        import: impl FnOnce(&mut Play) -> wasmtime::Result<T>,
    ) -> wasmtime::Result<T> {
        self.count_host_call()?;
        let play = self.play.as_mut().filter(|_| !self.migrating).ok_or(Malfunction::ImportOutsideCall)?;
        let Some(host_time) = &mut self.host_time else { return import(play) };
        let start = Instant::now();
        let result = import(play);
        *host_time += start.elapsed();
        result
    }

    pub(super) fn write_log(&mut self, level: &str, message: &str) -> wasmtime::Result<()> {
        self.count_host_call()?;
        if level == "panic" {
            self.panic_message = Some(log_line(message));
            return Ok(());
        }
        if self.play.is_none() {
            return Err(Malfunction::ImportOutsideCall.into());
        }
        if self.log.len() < STEP_LOG_LINES_MAX {
            self.log.push((log_level(level), log_line(message)));
        }
        Ok(())
    }

    fn count_host_call(&mut self) -> Result<(), Malfunction> {
        self.host_calls += 1;
        if self.host_calls > STEP_HOST_CALLS_MAX { Err(Malfunction::TooManyHostCalls) } else { Ok(()) }
    }

    /// One tick of computing is over.
    pub(super) fn spend_tick(&mut self) -> Result<(), Malfunction> {
        self.ticks_left = self.ticks_left.checked_sub(1).ok_or(Malfunction::Timeout)?;
        Ok(())
    }

    pub(super) fn panic_message(&self) -> Option<&str> {
        self.panic_message.as_deref()
    }

    pub(super) fn host_time(&self) -> Duration {
        self.host_time.unwrap_or_default()
    }

    /// Hands the game's lines to the operator's log.
    pub(super) fn flush_log(&mut self, release: &Release, method: &str) {
        let game = &release.descriptor().id;
        let release = release.digest();
        for (level, line) in self.log.drain(..) {
            match level {
                "error" => tracing::error!(target: "game", %game, %release, method, "{line}"),
                "warn" => tracing::warn!(target: "game", %game, %release, method, "{line}"),
                "debug" => tracing::debug!(target: "game", %game, %release, method, "{line}"),
                _ => tracing::info!(target: "game", %game, %release, method, "{line}"),
            }
        }
    }

    /// # Panics
    /// Where the state was made by [`Self::describing`].
    pub(super) fn finish(self, answer: Result<Answer, Malfunction>, timing: Timing) -> Done {
        let mut play = self.play.expect("a step that was run was playing");
        let observed = play.observed();
        Done {
            answer,
            money: play.money,
            documents: play.documents,
            written: play.written,
            migrated: play.migrated,
            observed,
            draws: play.chance.into_draws(),
            effects: play.effects,
            timing,
            memory_bytes: self.memory_bytes,
            panic: self.panic_message,
        }
    }
}

fn log_level(level: &str) -> &'static str {
    ["error", "warn", "debug"].into_iter().find(|known| *known == level).unwrap_or("info")
}

/// A game's words as one line of bounded length, so that they can neither flood the operator's log nor pass for
/// another line in it.
pub(super) fn log_line(message: &str) -> String {
    let kept = &message[..message.floor_char_boundary(LOG_LINE_BYTES_MAX)];
    let mut line = String::with_capacity(kept.len() + "...".len());
    for character in kept.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    if kept.len() < message.len() {
        line.push_str("...");
    }
    line
}

/// Growth beyond the bound ends the step, so that a game that wants too much is told apart from one that failed.
impl ResourceLimiter for StepState {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.memory_bytes_max {
            return Err(Malfunction::OutOfMemory.into());
        }
        self.memory_bytes = self.memory_bytes.max(desired);
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) { Err(Malfunction::OutOfMemory.into()) } else { Ok(true) }
    }

    // The pool has no more to give: as when our own bound is passed.
    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(Malfunction::OutOfMemory.into())
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(Malfunction::OutOfMemory.into())
    }
}
