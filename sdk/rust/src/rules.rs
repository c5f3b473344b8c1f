//! The host's rules for one player, as `wit/game.wit` states them: for the test table and for simulations, which have no host.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;

use crate::Refusal;
use crate::limits::{AMOUNT_MAX, DOCUMENTS_BYTES_MAX, EFFECT_BYTES_MAX, EFFECTS_MAX, TRANSFERS_MAX};

/// A player's money at one game.
#[derive(Clone, Copy)]
pub(crate) struct Wallet {
    pub(crate) balance: u64,
    /// What the open round has staked, less what it gave back.
    pub(crate) round: Option<u64>,
    /// Of the running call.
    transfers: usize,
}

impl Wallet {
    pub(crate) fn new(balance: u64) -> Self {
        Self { balance, round: None, transfers: 0 }
    }

    /// Begins a call.
    pub(crate) fn begin(&mut self) {
        self.transfers = 0;
    }

    /// Ends a call that was answered, and its round unless it stays open.
    pub(crate) fn end(&mut self, round_open: bool) {
        if round_open {
            assert!(self.round.is_some(), "the game kept a round open, but none is: stake first");
        } else {
            self.round = None;
        }
    }

    pub(crate) fn staked(&self) -> u64 {
        self.round.unwrap_or(0)
    }

    pub(crate) fn stake(&mut self, amount: u64) -> Result<u64, Refusal> {
        self.admit(amount)?;
        match self.balance.checked_sub(amount) {
            Some(balance) => self.transfer(balance, self.staked() + amount),
            None => refuse("insufficient-funds", "the balance does not cover the stake"),
        }
    }

    pub(crate) fn pay(&mut self, amount: u64) -> Result<u64, Refusal> {
        let staked = self.open_round()?;
        self.admit(amount)?;
        self.transfer(self.balance + amount, staked)
    }

    pub(crate) fn refund(&mut self, amount: u64) -> Result<u64, Refusal> {
        let staked = self.open_round()?;
        self.admit(amount)?;
        match staked.checked_sub(amount) {
            Some(staked) => self.transfer(self.balance + amount, staked),
            None => refuse("refund-over-stake", "a round refunds at most what it has staked"),
        }
    }

    /// Whether the call may move this amount, as far as the balance does not matter.
    fn admit(&self, amount: u64) -> Result<(), Refusal> {
        if self.transfers == TRANSFERS_MAX {
            return too_many_transfers();
        }
        if amount == 0 {
            return refuse("zero-amount", "the amount is zero");
        }
        bounded(amount)?;
        Ok(())
    }

    /// Makes a transfer; answers with the new balance.
    fn transfer(&mut self, balance: u64, staked: u64) -> Result<u64, Refusal> {
        (self.balance, self.round) = (bounded(balance)?, Some(bounded(staked)?));
        self.transfers += 1;
        Ok(balance)
    }

    fn open_round(&self) -> Result<u64, Refusal> {
        self.round.map_or_else(|| refuse("no-open-round", "no round is open: stake first"), Ok)
    }
}

/// Whether a document may be put beside those that are there.
pub(crate) fn admit_document(documents: &BTreeMap<String, String>, key: &str, json: &str) -> Result<(), Refusal> {
    if !is_key(key) {
        return refuse("invalid-key", format!("`{key}` is not [A-Za-z0-9._-]{{1,64}}"));
    }
    if let Err(error) = serde_json::from_str::<IgnoredAny>(json) {
        return refuse("invalid-json", error.to_string());
    }
    let others = documents.iter().filter(|(other, _)| *other != key);
    let bytes = others.map(|(key, json)| key.len() + json.len()).sum::<usize>() + key.len() + json.len();
    if bytes > DOCUMENTS_BYTES_MAX {
        return refuse("too-large", format!("the documents would be {bytes} bytes of at most {DOCUMENTS_BYTES_MAX}"));
    }
    Ok(())
}

/// Whether a call that has had `before` effects may have one more, of this size.
pub(crate) fn admit_effect(before: usize, bytes: usize) -> Result<(), Refusal> {
    if before == EFFECTS_MAX {
        return refuse("too-many-effects", format!("a call has at most {EFFECTS_MAX} effects"));
    }
    if bytes > EFFECT_BYTES_MAX {
        return refuse("too-large", format!("an effect of {bytes} bytes; at most {EFFECT_BYTES_MAX} are"));
    }
    Ok(())
}

/// Money moves in millions of rounds and is hardly ever refused: the compiler keeps what words it out of the way.
#[cold]
pub(crate) fn refuse<T>(code: &str, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { code: code.to_owned(), message: message.into() })
}

fn bounded(amount: u64) -> Result<u64, Refusal> {
    if amount <= AMOUNT_MAX { Ok(amount) } else { amount_too_large() }
}

#[cold]
fn amount_too_large<T>() -> Result<T, Refusal> {
    refuse("amount-too-large", format!("amounts and balances are at most {AMOUNT_MAX} minor units"))
}

#[cold]
fn too_many_transfers<T>() -> Result<T, Refusal> {
    refuse("too-many-transfers", format!("a call makes at most {TRANSFERS_MAX} transfers"))
}

fn is_key(key: &str) -> bool {
    (1..=64).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}
