//! A game's view of its host during one call.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Refusal;
#[cfg(target_arch = "wasm32")]
use crate::component::Imports;
use crate::game::{Call, STATE, to_json};
use crate::host::Host;
use crate::simulation::SimulationHost;

/// The table a call is played at: money, chance, documents, messages and the facts of the call.
///
/// Every amount is in minor units of the session's currency (cents, say), at most 2^53 - 1. Nothing done here takes effect
/// before the call has ended well: a fault or a panic undoes all of it. A method that answers with a [`Refusal`] has
/// changed nothing, and the game may go on.
pub struct Table<'a> {
    host: AnyHost<'a>,
    call: &'a Call,
    round_open: bool,
    keeps_round_open: bool,
}

/// The host behind a table.
pub(crate) enum AnyHost<'a> {
    /// Known by its type, so that the compiler sees through to it: a simulation's rounds are millions.
    Simulation(&'a mut SimulationHost),
    /// Known by its type too: a component then imports no more than its game uses, and a fresh instance of it, which each call
    /// is played by, takes less to make.
    #[cfg(target_arch = "wasm32")]
    Component(Imports),
    /// All the others.
    Other(&'a mut dyn Host),
}

/// Calls a method of the host, whichever it is.
macro_rules! ask {
    ($table:ident.$method:ident($($argument:expr),*)) => {
        match &$table.host {
            AnyHost::Simulation(host) => host.$method($($argument),*),
            #[cfg(target_arch = "wasm32")]
            AnyHost::Component(host) => host.$method($($argument),*),
            AnyHost::Other(host) => host.$method($($argument),*),
        }
    };
    (mut $table:ident.$method:ident($($argument:expr),*)) => {
        match &mut $table.host {
            AnyHost::Simulation(host) => host.$method($($argument),*),
            #[cfg(target_arch = "wasm32")]
            AnyHost::Component(host) => host.$method($($argument),*),
            AnyHost::Other(host) => host.$method($($argument),*),
        }
    };
}

impl<'a> Table<'a> {
    pub(crate) fn new(host: AnyHost<'a>, call: &'a Call) -> Self {
        // Calls of this round came before, so it is open.
        let round_open = call.step > 0;
        Self { host, call, round_open, keeps_round_open: false }
    }

    /// The game's state as it is stored, where it is.
    pub(crate) fn stored_state(&self) -> Option<String> {
        ask!(self.get_document(STATE))
    }

    /// Stores the game's state.
    pub(crate) fn store_state(&mut self, json: &str) -> Result<(), Refusal> {
        ask!(mut self.put_document(STATE, json))
    }

    /// What the reply says of the round.
    pub(crate) fn keeps_round_open(&self) -> bool {
        self.keeps_round_open
    }

    /// Neither settles a round nor keeps one open that is not.
    pub(crate) fn leave_round(&mut self) {
        self.keeps_round_open = self.round_open;
    }
}

/// Money. Every movement goes through the round.
impl Table<'_> {
    /// What the player can stake now.
    pub fn balance(&self) -> u64 {
        ask!(self.balance())
    }

    /// What this round has staked so far, less what it gave back; 0 when no round is open.
    pub fn staked(&self) -> u64 {
        ask!(self.staked())
    }

    /// Takes a stake from the balance and returns the new balance; opens a round if none is open.
    ///
    /// # Errors
    /// `zero-amount`, `amount-too-large`, `insufficient-funds`, `too-many-transfers`.
    pub fn stake(&mut self, amount: u64) -> Result<u64, Refusal> {
        let balance = ask!(mut self.stake(amount))?;
        self.round_open = true;
        Ok(balance)
    }

    /// Pays into the balance and returns the new balance. Paying 0 does nothing, so a loss needs no case of its own.
    ///
    /// # Errors
    /// `no-open-round`, `amount-too-large`, `too-many-transfers`.
    pub fn pay(&mut self, amount: u64) -> Result<u64, Refusal> {
        if amount == 0 { Ok(self.balance()) } else { ask!(mut self.pay(amount)) }
    }

    /// Gives back up to what the round has staked and returns the new balance.
    ///
    /// # Errors
    /// `no-open-round`, `zero-amount`, `refund-over-stake`, `too-many-transfers`.
    pub fn refund(&mut self, amount: u64) -> Result<u64, Refusal> {
        ask!(mut self.refund(amount))
    }

    /// Whether a round is open: an earlier call kept it open, or this call has staked.
    pub fn round_open(&self) -> bool {
        self.round_open
    }

    /// Leaves the round open when this call ends, to be continued by the player's next call. Otherwise it is settled:
    /// what is staked and not paid or refunded is lost.
    ///
    /// Keeping a round open without having one is a malfunction: stake first, or check [`Table::round_open`].
    pub fn keep_round_open(&mut self) {
        self.keeps_round_open = true;
    }
}

/// Chance. Every draw is the host's and is kept in the round's record. Draw when the call can no longer
/// be refused: stake first.
impl Table<'_> {
    /// Uniform in `0..bound`.
    ///
    /// # Panics
    /// When `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ask!(mut self.below(bound))
    }

    /// A uniform index into something of this length: [`Table::below`] for slices.
    ///
    /// # Panics
    /// When `length` is 0.
    pub fn index(&mut self, length: usize) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "the draw is below `length`, which is a usize")]
        let index = ask!(mut self.below(length as u64)) as usize;
        index
    }

    /// An index into `weights`, drawn with probability weight / sum of weights.
    ///
    /// # Panics
    /// When the weights sum to 0 or are more than 1,024.
    pub fn weighted(&mut self, weights: &[u32]) -> usize {
        ask!(mut self.weighted(weights)) as usize
    }

    /// A uniform permutation of `0..n`.
    ///
    /// # Panics
    /// When `n` is above 1,024.
    pub fn shuffled(&mut self, n: u32) -> Vec<u32> {
        ask!(mut self.shuffled(n))
    }
}

/// Documents this game keeps for this player beside its state, which needs none of these: it is loaded before and saved after each
/// call. Keys are `[A-Za-z0-9._-]{1,64}`; the key `state` is taken. All documents and the state share one bound in size.
impl Table<'_> {
    /// The document, or nothing if there is none.
    ///
    /// # Panics
    /// When the document is not a `T`.
    pub fn document<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let json = ask!(self.get_document(own(key)))?;
        Some(serde_json::from_str(&json).unwrap_or_else(|error| panic!("document `{key}`: {error}")))
    }

    /// Writes a document, replacing the one with this key.
    ///
    /// # Errors
    /// `invalid-key`, `too-large`.
    pub fn put_document<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), Refusal> {
        ask!(mut self.put_document(own(key), &to_json(value, "a document")))
    }

    /// Deletes a document if there is one.
    pub fn delete_document(&mut self, key: &str) {
        ask!(mut self.delete_document(own(key)));
    }

    /// The keys of all documents in ascending order, without the state's.
    pub fn document_keys(&self) -> Vec<String> {
        let mut keys = ask!(self.document_keys());
        keys.retain(|key| key != STATE);
        keys
    }
}

/// Messages to the outside. They leave after the call's changes are durable, and never if it ends in a fault.
impl Table<'_> {
    /// Sends a notification to the player through `email`, `push`, `social` or `webhook`, in the words of one of the
    /// operator's templates. `data` is what they are filled with: a struct or a map, for a template knows it by its members.
    ///
    /// # Errors
    /// `too-large`, `too-many-effects`, and `not-granted` where the operator has not granted the game this channel and
    /// template: carry on without it.
    pub fn notify<T: Serialize + ?Sized>(&mut self, channel: &str, template: &str, data: &T) -> Result<(), Refusal> {
        self.notify_after(0, channel, template, data)
    }

    /// As [`Table::notify`], but not before `delay_ms` milliseconds have passed.
    ///
    /// # Errors
    /// As [`Table::notify`].
    pub fn notify_after<T: Serialize + ?Sized>(
        &mut self,
        delay_ms: u64,
        channel: &str,
        template: &str,
        data: &T,
    ) -> Result<(), Refusal> {
        ask!(mut self.notify(channel, template, to_json(data, "a notification's data"), delay_ms))
    }

    /// Records a fact for the operator's metrics.
    ///
    /// # Errors
    /// `too-large`, `too-many-effects`.
    pub fn track<T: Serialize + ?Sized>(&mut self, name: &str, props: &T) -> Result<(), Refusal> {
        ask!(mut self.track(name, &to_json(props, "an event's properties")))
    }
}

/// Lines for the operator's log. Players never see them.
impl Table<'_> {
    /// For whoever develops the game.
    pub fn debug(&mut self, message: impl AsRef<str>) {
        ask!(mut self.log("debug", message.as_ref()));
    }

    /// Worth knowing.
    pub fn info(&mut self, message: impl AsRef<str>) {
        ask!(mut self.log("info", message.as_ref()));
    }

    /// Odd, and handled.
    pub fn warn(&mut self, message: impl AsRef<str>) {
        ask!(mut self.log("warn", message.as_ref()));
    }

    /// Wrong: somebody should look.
    pub fn error(&mut self, message: impl AsRef<str>) {
        ask!(mut self.log("error", message.as_ref()));
    }
}

/// Facts of the call.
impl Table<'_> {
    /// The player's id, stable for the player's life.
    pub fn player(&self) -> &str {
        &self.call.player
    }

    /// ISO 4217 or the operator's own code, as in `EUR`.
    pub fn currency(&self) -> &str {
        &self.call.currency
    }

    /// BCP 47, as in `en-GB`.
    pub fn locale(&self) -> &str {
        &self.call.locale
    }

    /// The id of the open round, or of the one this call would open.
    pub fn round(&self) -> &str {
        &self.call.round
    }

    /// How many calls of this round came before: 0 on the call that opens it.
    pub fn round_step(&self) -> u32 {
        self.call.step
    }

    /// Unix milliseconds, fixed for the whole call.
    pub fn now_ms(&self) -> u64 {
        self.call.now_ms
    }
}

/// A key that is the game's to use.
fn own(key: &str) -> &str {
    assert!(key != STATE, "the document `{STATE}` holds the game's state: change the state instead");
    key
}
