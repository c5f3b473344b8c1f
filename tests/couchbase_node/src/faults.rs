//! What is to go wrong, with which operations, and when.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::protocol::{Operation, Status};

/// Something that is to go wrong. Unless told otherwise it strikes once, the next operation on any document.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// These operations, or all that are about a document if there are none.
    #[serde(default)]
    operations: Vec<Operation>,
    #[serde(default)]
    key: Key,
    #[serde(default)]
    when: When,
    effect: Effect,
}

/// Which documents.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Key {
    #[default]
    Any,
    Exact(String),
    Prefix(String),
}

/// Which of the operations that are meant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum When {
    Always,
    First(u64),
    Nth(u64),
    Chance { probability: f64, seed: u64 },
}

impl Default for When {
    fn default() -> Self {
        Self::First(1)
    }
}

/// What happens. `applied` says whether the operation has run by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Effect {
    /// The connection is closed.
    Drop { applied: bool },
    /// This is the answer; an operation that ran and failed keeps its own.
    Answer { status: Status, applied: bool },
    /// It takes longer.
    Delay { milliseconds: u64, applied: bool },
    /// It takes until the fault is removed.
    Hold { applied: bool },
}

impl Fault {
    fn new(effect: Effect) -> Self {
        Self { operations: Vec::new(), key: Key::Any, when: When::default(), effect }
    }

    /// The connection is closed, and the operation never runs.
    pub fn drop_before() -> Self {
        Self::new(Effect::Drop { applied: false })
    }

    /// The operation runs, and the connection is closed instead of an answer.
    pub fn drop_after() -> Self {
        Self::new(Effect::Drop { applied: true })
    }

    /// The operation runs after so long; on a connection whose client agreed to that, others run meanwhile.
    pub fn delay(by: Duration) -> Self {
        Self::new(Effect::Delay { milliseconds: milliseconds(by), applied: false })
    }

    /// The operation runs, and its answer comes after so long.
    pub fn delay_answer(by: Duration) -> Self {
        Self::new(Effect::Delay { milliseconds: milliseconds(by), applied: true })
    }

    /// The operation runs when the fault is removed, even if the client is gone by then: a write that comes late.
    pub fn hold() -> Self {
        Self::new(Effect::Hold { applied: false })
    }

    /// The operation runs, and its answer comes when the fault is removed.
    pub fn hold_answer() -> Self {
        Self::new(Effect::Hold { applied: true })
    }

    /// `ETMPFAIL`, and the operation does not run.
    pub fn temporary_failure() -> Self {
        Self::answer(Status::TemporaryFailure)
    }

    /// `ENOMEM`, and the operation does not run.
    pub fn out_of_memory() -> Self {
        Self::answer(Status::OutOfMemory)
    }

    /// `NOT_MY_VBUCKET` with a newer configuration, as after a rebalance, and the operation does not run.
    pub fn not_my_vbucket() -> Self {
        Self::answer(Status::NotMyVbucket)
    }

    /// `SYNC_WRITE_AMBIGUOUS`, whether the operation ran or not.
    pub fn ambiguous(applied: bool) -> Self {
        Self::new(Effect::Answer { status: Status::SyncWriteAmbiguous, applied })
    }

    /// This status, and the operation does not run.
    pub fn answer(status: Status) -> Self {
        Self::new(Effect::Answer { status, applied: false })
    }

    /// Strike this operation; said again, one more.
    pub fn on(mut self, operation: Operation) -> Self {
        self.operations.push(operation);
        self
    }

    /// Strike operations on the document with this key.
    pub fn key(self, key: &str) -> Self {
        Self { key: Key::Exact(key.to_owned()), ..self }
    }

    /// Strike operations on documents with keys that begin so.
    pub fn prefix(self, prefix: &str) -> Self {
        Self { key: Key::Prefix(prefix.to_owned()), ..self }
    }

    /// Strike the nth of the operations that are meant, counted from 1, and no other.
    pub fn nth(self, n: u64) -> Self {
        Self { when: When::Nth(n), ..self }
    }

    /// Strike so many of the operations that are meant.
    pub fn first(self, n: u64) -> Self {
        Self { when: When::First(n), ..self }
    }

    /// Strike every operation that is meant.
    pub fn always(self) -> Self {
        Self { when: When::Always, ..self }
    }

    /// Strike each operation that is meant with this probability; the same seed strikes the same ones.
    pub fn chance(self, probability: f64, seed: u64) -> Self {
        Self { when: When::Chance { probability, seed }, ..self }
    }

    fn means(&self, operation: Operation, key: &[u8]) -> bool {
        let operation_is_meant = match &self.operations[..] {
            [] => operation.is_for_document(),
            operations => operations.contains(&operation),
        };
        operation_is_meant
            && match &self.key {
                Key::Any => true,
                Key::Exact(exact) => key == exact.as_bytes(),
                Key::Prefix(prefix) => key.starts_with(prefix.as_bytes()),
            }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A fault that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FaultId(u64);

/// A fault and its history.
#[derive(Debug)]
struct Armed {
    id: FaultId,
    fault: Fault,
    meant: u64,
    struck: u64,
    chance: Option<StdRng>,
}

impl Armed {
    fn new(id: FaultId, fault: Fault) -> Self {
        let chance = match fault.when {
            When::Chance { seed, .. } => Some(StdRng::seed_from_u64(seed)),
            _ => None,
        };
        Self { id, fault, meant: 0, struck: 0, chance }
    }

    fn strikes(&mut self, operation: Operation, key: &[u8]) -> bool {
        if !self.fault.means(operation, key) {
            return false;
        }
        self.meant += 1;
        let strikes = match self.fault.when {
            When::Always => true,
            When::First(n) => self.meant <= n,
            When::Nth(n) => self.meant == n,
            When::Chance { probability, .. } => {
                self.chance.as_mut().is_some_and(|chance| chance.random_bool(probability.clamp(0.0, 1.0)))
            }
        };
        self.struck += u64::from(strikes);
        strikes
    }
}

/// The faults of a node. A fault that is added stays, spent or not, until it is removed.
#[derive(Debug, Default)]
pub struct Faults {
    armed: Mutex<Vec<Armed>>,
    /// Told of everything that happens to them.
    changed: watch::Sender<u64>,
}

impl Faults {
    /// Adds a fault. Where several mean an operation, the first one added strikes, and the others do not count it.
    pub fn add(&self, fault: Fault) -> FaultId {
        let id = FaultId(rand::random());
        self.armed().push(Armed::new(id, fault));
        id
    }

    /// Takes a fault away, and lets go what it holds.
    pub fn remove(&self, id: FaultId) {
        self.armed().retain(|armed| armed.id != id);
        self.changed.send_modify(|changes| *changes += 1);
    }

    /// Takes all faults away, and lets go what they hold.
    pub fn clear(&self) {
        self.armed().clear();
        self.changed.send_modify(|changes| *changes += 1);
    }

    /// How often a fault has struck; 0 once it is removed.
    pub fn struck(&self, id: FaultId) -> u64 {
        self.armed().iter().find(|armed| armed.id == id).map_or(0, |armed| armed.struck)
    }

    /// Waits until a fault has struck so often.
    pub async fn until_struck(&self, id: FaultId, times: u64) {
        self.until(|| self.struck(id) >= times).await;
    }

    /// What goes wrong with this operation, if anything does.
    pub(crate) fn strike(&self, operation: Operation, key: &[u8]) -> Option<(FaultId, Effect)> {
        let struck = {
            let mut armed = self.armed();
            let struck = armed.iter_mut().find_map(|armed| armed.strikes(operation, key).then_some(armed))?;
            (struck.id, struck.fault.effect)
        };
        self.changed.send_modify(|changes| *changes += 1);
        Some(struck)
    }

    pub(crate) async fn until_removed(&self, id: FaultId) {
        self.until(|| self.armed().iter().all(|armed| armed.id != id)).await;
    }

    async fn until(&self, is_so: impl Fn() -> bool) {
        let mut changed = self.changed.subscribe();
        while !is_so() {
            // The sender lives as long as self.
            let _ = changed.changed().await;
        }
    }

    fn armed(&self) -> MutexGuard<'_, Vec<Armed>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of ten operations are struck.
    fn struck(fault: Fault) -> Vec<usize> {
        let faults = Faults::default();
        faults.add(fault);
        (1..=10).filter(|_| faults.strike(Operation::Get, b"player::7").is_some()).collect()
    }

    #[test]
    fn faults_strike_when_they_are_told_to() {
        let fault = Fault::temporary_failure;
        assert_eq!(struck(fault()), [1]);
        assert_eq!(struck(fault().first(3)), [1, 2, 3]);
        assert_eq!(struck(fault().nth(4)), [4]);
        assert_eq!(struck(fault().always()).len(), 10);
        assert_eq!(struck(fault().chance(0.5, 7)), struck(fault().chance(0.5, 7)));
        assert!(struck(fault().chance(0.0, 7)).is_empty());
    }

    #[test]
    fn faults_strike_what_they_are_told_to() {
        let fault = Fault::temporary_failure;
        assert!(struck(fault().on(Operation::Replace)).is_empty());
        assert_eq!(struck(fault().on(Operation::Replace).on(Operation::Get)), [1]);
        assert_eq!(struck(fault().key("player::7")), [1]);
        assert!(struck(fault().key("player::")).is_empty());
        assert_eq!(struck(fault().prefix("player::")), [1]);
        let faults = Faults::default();
        faults.add(fault().always());
        assert_eq!(faults.strike(Operation::Hello, b""), None);
    }
}
