//! The host's rules for one player, as `wit/game.wit` states them. It knows nothing of games.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde_json::Value;

use super::chance::{Chance, Draw};
use crate::Refusal;
use crate::host::{Host, sealed::Sealed};

/// No amount or balance passes it: 2^53 - 1, which every JSON client reads exactly.
pub const MAX_AMOUNT: u64 = (1 << 53) - 1;
/// All documents of one player in one game, keys included, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 16 * 1024;
/// Stakes, payouts and refunds in one call.
pub const MAX_TRANSFERS: u32 = 64;
/// Notifications and events in one call.
pub const MAX_EFFECTS: usize = 64;

/// A notification that a call sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// `email`, `push`, `social` or `webhook`.
    pub channel: String,
    /// The operator's template.
    pub template: String,
    /// What fills the template in.
    pub data: Value,
    /// How long it waits at least, in milliseconds.
    pub delay_ms: u64,
}

/// An event that a call tracked.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What happened.
    pub name: String,
    /// Its particulars.
    pub props: Value,
}

/// A line that a call wrote to the operator's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// `debug`, `info`, `warn` or `error`.
    pub level: String,
    /// The text.
    pub message: String,
}

/// A player's money at one game.
#[derive(Clone, Copy)]
pub(super) struct Wallet {
    pub(super) balance: u64,
    /// What the open round has staked, less what it gave back.
    pub(super) round: Option<u64>,
}

/// The host as one player's calls meet it. What only a call knows lasts until the next begins.
pub(super) struct TestHost {
    pub(super) wallet: Wallet,
    pub(super) documents: BTreeMap<String, String>,
    pub(super) chance: Chance,
    pub(super) draws: Vec<Draw>,
    pub(super) notifications: Vec<Notification>,
    pub(super) events: Vec<Event>,
    pub(super) log: Vec<LogLine>,
    transfers: u32,
    wallet_before: Wallet,
    /// What stood under each key the call wrote or deleted, in order.
    documents_before: Vec<(String, Option<String>)>,
}

impl TestHost {
    pub(super) fn new(balance: u64) -> Self {
        let wallet = Wallet { balance, round: None };
        Self {
            wallet,
            documents: BTreeMap::new(),
            chance: Chance::seeded(0),
            draws: Vec::new(),
            notifications: Vec::new(),
            events: Vec::new(),
            log: Vec::new(),
            transfers: 0,
            wallet_before: wallet,
            documents_before: Vec::new(),
        }
    }

    /// Begins a call.
    pub(super) fn begin(&mut self) {
        self.wallet_before = self.wallet;
        self.transfers = 0;
        self.documents_before.clear();
        self.draws.clear();
        self.notifications.clear();
        self.events.clear();
        self.log.clear();
    }

    /// Ends a call that was answered, and its round unless it stays open.
    pub(super) fn commit(&mut self, round_open: bool) {
        if round_open {
            assert!(self.wallet.round.is_some(), "the game kept a round open, but none is: stake first");
        } else {
            self.wallet.round = None;
        }
    }

    /// Ends a call that ended in a fault.
    pub(super) fn roll_back(&mut self) {
        self.wallet = self.wallet_before;
        for (key, before) in self.documents_before.drain(..).rev() {
            match before {
                Some(json) => self.documents.insert(key, json),
                None => self.documents.remove(&key),
            };
        }
        self.notifications.clear();
        self.events.clear();
    }

    /// Counts a transfer if the call may have another.
    fn count_transfer(&mut self) -> Result<(), Refusal> {
        if self.transfers == MAX_TRANSFERS {
            return refuse("too-many-transfers", format!("a call has at most {MAX_TRANSFERS} transfers"));
        }
        self.transfers += 1;
        Ok(())
    }

    /// The JSON of an effect, if the call may have another.
    fn effect(&self, json: &str) -> Result<Value, Refusal> {
        if self.notifications.len() + self.events.len() == MAX_EFFECTS {
            return refuse("too-many-effects", format!("a call has at most {MAX_EFFECTS} effects"));
        }
        serde_json::from_str(json).or_else(|error| refuse("invalid-json", error.to_string()))
    }
}

impl Sealed for TestHost {}

impl Host for TestHost {
    fn balance(&self) -> u64 {
        self.wallet.balance
    }

    fn staked(&self) -> u64 {
        self.wallet.round.unwrap_or(0)
    }

    fn stake(&mut self, amount: u64) -> Result<u64, Refusal> {
        let Wallet { balance, round } = self.wallet;
        positive(amount)?;
        let staked = at_most_max(round.unwrap_or(0).checked_add(amount))?;
        let Some(balance) = balance.checked_sub(amount) else {
            return refuse("insufficient-funds", format!("the stake is {amount} and the balance {balance}"));
        };
        self.count_transfer()?;
        self.wallet = Wallet { balance, round: Some(staked) };
        Ok(balance)
    }

    fn pay(&mut self, amount: u64) -> Result<u64, Refusal> {
        open(self.wallet.round)?;
        positive(amount)?;
        let balance = at_most_max(self.wallet.balance.checked_add(amount))?;
        self.count_transfer()?;
        self.wallet.balance = balance;
        Ok(balance)
    }

    fn refund(&mut self, amount: u64) -> Result<u64, Refusal> {
        let staked = open(self.wallet.round)?;
        positive(amount)?;
        let Some(rest) = staked.checked_sub(amount) else {
            return refuse("refund-over-stake", format!("the refund is {amount} and the round has staked {staked}"));
        };
        let balance = at_most_max(self.wallet.balance.checked_add(amount))?;
        self.count_transfer()?;
        self.wallet = Wallet { balance, round: Some(rest) };
        Ok(balance)
    }

    fn get_document(&self, key: &str) -> Option<String> {
        self.documents.get(key).cloned()
    }

    fn put_document(&mut self, key: &str, json: &str) -> Result<(), Refusal> {
        if !is_key(key) {
            return refuse("invalid-key", format!("`{key}` is not [A-Za-z0-9._-]{{1,64}}"));
        }
        if let Err(error) = serde_json::from_str::<IgnoredAny>(json) {
            return refuse("invalid-json", error.to_string());
        }
        let others = self.documents.iter().filter(|(other, _)| *other != key);
        let bytes = others.map(|(key, json)| key.len() + json.len()).sum::<usize>() + key.len() + json.len();
        if bytes > MAX_DOCUMENT_BYTES {
            return refuse(
                "too-large",
                format!("the documents would be {bytes} bytes of at most {MAX_DOCUMENT_BYTES}"),
            );
        }
        let before = self.documents.insert(key.to_owned(), json.to_owned());
        self.documents_before.push((key.to_owned(), before));
        Ok(())
    }

    fn delete_document(&mut self, key: &str) {
        let before = self.documents.remove(key);
        self.documents_before.push((key.to_owned(), before));
    }

    fn document_keys(&self) -> Vec<String> {
        self.documents.keys().cloned().collect()
    }

    fn below(&mut self, bound: u64) -> u64 {
        let number = self.chance.below(bound);
        self.draws.push(Draw::Number(number));
        number
    }

    fn weighted(&mut self, weights: &[u32]) -> u32 {
        let index = self.chance.weighted(weights);
        self.draws.push(Draw::Number(index.into()));
        index
    }

    fn shuffled(&mut self, n: u32) -> Vec<u32> {
        let order = self.chance.shuffled(n);
        self.draws.push(Draw::Order(order.clone()));
        order
    }

    fn notify(&mut self, channel: &str, template: &str, data: String, delay_ms: u64) -> Result<(), Refusal> {
        let data = self.effect(&data)?;
        let (channel, template) = (channel.to_owned(), template.to_owned());
        self.notifications.push(Notification { channel, template, data, delay_ms });
        Ok(())
    }

    fn track(&mut self, name: &str, props: &str) -> Result<(), Refusal> {
        let props = self.effect(props)?;
        self.events.push(Event { name: name.to_owned(), props });
        Ok(())
    }

    fn log(&mut self, level: &str, message: &str) {
        self.log.push(LogLine { level: level.to_owned(), message: message.to_owned() });
    }
}

fn refuse<T>(code: &str, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { code: code.to_owned(), message: message.into() })
}

fn open(round: Option<u64>) -> Result<u64, Refusal> {
    round.map_or_else(|| refuse("no-open-round", "no round is open: stake first"), Ok)
}

fn positive(amount: u64) -> Result<(), Refusal> {
    if amount > 0 { Ok(()) } else { refuse("zero-amount", "the amount is 0") }
}

fn at_most_max(amount: Option<u64>) -> Result<u64, Refusal> {
    match amount {
        Some(amount) if amount <= MAX_AMOUNT => Ok(amount),
        _ => refuse("amount-too-large", "an amount or balance would pass 2^53 - 1"),
    }
}

fn is_key(key: &str) -> bool {
    (1..=64).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}
