//! The host's rules for one player, as `wit/game.wit` states them. It knows nothing of games.

use std::collections::BTreeMap;

use serde_json::Value;

use super::chance::Chance;
use crate::Refusal;
use crate::host::{Host, sealed::Sealed};
use crate::rules::{Wallet, admit_document, admit_effect, refuse};

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

/// The host as one player's calls meet it. What only a call knows lasts until the next begins.
pub(super) struct TestHost {
    pub(super) wallet: Wallet,
    pub(super) documents: BTreeMap<String, String>,
    pub(super) chance: Chance,
    pub(super) notifications: Vec<Notification>,
    pub(super) events: Vec<Event>,
    pub(super) log: Vec<LogLine>,
    wallet_before: Wallet,
    /// What stood under each key the call wrote or deleted, in order.
    documents_before: Vec<(String, Option<String>)>,
}

impl TestHost {
    pub(super) fn new(balance: u64) -> Self {
        let wallet = Wallet::new(balance);
        Self {
            wallet,
            documents: BTreeMap::new(),
            chance: Chance::seeded(0),
            notifications: Vec::new(),
            events: Vec::new(),
            log: Vec::new(),
            wallet_before: wallet,
            documents_before: Vec::new(),
        }
    }

    /// Begins a call.
    pub(super) fn begin(&mut self) {
        self.wallet.begin();
        self.wallet_before = self.wallet;
        self.documents_before.clear();
        self.chance.begin();
        self.notifications.clear();
        self.events.clear();
        self.log.clear();
    }

    /// Ends a call that was answered, and its round unless it stays open.
    pub(super) fn commit(&mut self, round_open: bool) {
        self.wallet.end(round_open);
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

    /// The JSON of an effect, if the call may have another.
    fn effect(&self, json: &str) -> Result<Value, Refusal> {
        admit_effect(self.notifications.len() + self.events.len(), json.len())?;
        serde_json::from_str(json).or_else(|error| refuse("invalid-json", error.to_string()))
    }
}

impl Sealed for TestHost {}

impl Host for TestHost {
    fn balance(&self) -> u64 {
        self.wallet.balance
    }

    fn staked(&self) -> u64 {
        self.wallet.staked()
    }

    fn stake(&mut self, amount: u64) -> Result<u64, Refusal> {
        self.wallet.stake(amount)
    }

    fn pay(&mut self, amount: u64) -> Result<u64, Refusal> {
        self.wallet.pay(amount)
    }

    fn refund(&mut self, amount: u64) -> Result<u64, Refusal> {
        self.wallet.refund(amount)
    }

    fn get_document(&self, key: &str) -> Option<String> {
        self.documents.get(key).cloned()
    }

    fn put_document(&mut self, key: &str, json: &str) -> Result<(), Refusal> {
        admit_document(&self.documents, key, json)?;
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
        self.chance.below(bound)
    }

    fn weighted(&mut self, weights: &[u32]) -> u32 {
        self.chance.weighted(weights)
    }

    fn shuffled(&mut self, n: u32) -> Vec<u32> {
        self.chance.shuffled(n)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{AMOUNT_MAX, DOCUMENTS_BYTES_MAX, EFFECTS_MAX, TRANSFERS_MAX};

    fn host(balance: u64) -> TestHost {
        TestHost::new(balance)
    }

    fn code<T>(outcome: Result<T, Refusal>) -> String {
        outcome.map(|_| "accepted".to_owned()).unwrap_or_else(|refusal| refusal.code)
    }

    #[test]
    fn money_moves_through_the_round() {
        let mut host = host(1_000);
        assert_eq!(host.stake(300), Ok(700));
        assert_eq!(host.refund(100), Ok(800));
        assert_eq!(host.pay(500), Ok(1_300));
        assert_eq!((host.balance(), host.staked()), (1_300, 200));
    }

    #[test]
    fn what_is_refused_moves_nothing() {
        let mut host = host(100);
        assert_eq!(code(host.pay(1)), "no-open-round");
        assert_eq!(code(host.refund(1)), "no-open-round");
        assert_eq!(code(host.stake(0)), "zero-amount");
        assert_eq!(code(host.stake(101)), "insufficient-funds");
        assert_eq!(code(host.stake(AMOUNT_MAX + 1)), "amount-too-large");
        assert_eq!(host.wallet.round, None);
        assert_eq!(host.stake(40), Ok(60));
        assert_eq!(code(host.pay(0)), "zero-amount");
        assert_eq!(code(host.pay(AMOUNT_MAX)), "amount-too-large");
        assert_eq!(code(host.pay(u64::MAX)), "amount-too-large");
        assert_eq!(code(host.refund(41)), "refund-over-stake");
        assert_eq!((host.balance(), host.staked()), (60, 40));
    }

    #[test]
    fn a_call_has_a_bound_of_transfers_and_effects() {
        let mut host = host(1_000);
        for _ in 0..TRANSFERS_MAX {
            assert!(host.stake(1).is_ok());
        }
        assert_eq!(code(host.stake(1)), "too-many-transfers");
        for _ in 0..EFFECTS_MAX {
            assert_eq!(host.track("spin", "{}"), Ok(()));
        }
        assert_eq!(code(host.notify("push", "win", "{}".to_owned(), 0)), "too-many-effects");
        host.begin();
        assert!(host.stake(1).is_ok());
        assert_eq!(code(host.track("spin", "{")), "invalid-json");
        assert_eq!(code(host.track("spin", &format!("{:5000}", 1))), "too-large");
    }

    #[test]
    fn documents_are_bounded_json_under_plain_keys() {
        let mut host = host(0);
        assert_eq!(host.put_document("a.B_1-", "{}"), Ok(()));
        for key in ["", "a b", "ä", &"k".repeat(65)] {
            assert_eq!(code(host.put_document(key, "{}")), "invalid-key", "{key}");
        }
        assert_eq!(code(host.put_document("a", "{")), "invalid-json");
        let half = format!("{:width$}", 1, width = DOCUMENTS_BYTES_MAX / 2);
        assert_eq!(host.put_document("half", &half), Ok(()));
        assert_eq!(host.put_document("half", &half), Ok(()), "what is replaced does not count");
        assert_eq!(code(host.put_document("rest", &half)), "too-large");
        assert_eq!(host.document_keys(), ["a.B_1-", "half"]);
    }

    #[test]
    fn rolling_back_restores_everything() {
        let mut host = host(100);
        host.put_document("kept", "1").unwrap();
        host.put_document("changed", "1").unwrap();
        host.stake(10).unwrap();
        host.begin();

        host.stake(20).unwrap();
        host.delete_document("kept");
        host.put_document("changed", "2").unwrap();
        host.put_document("changed", "3").unwrap();
        host.put_document("new", "1").unwrap();
        host.track("spin", "{}").unwrap();
        host.roll_back();

        assert_eq!((host.balance(), host.staked()), (90, 10));
        let documents = [("changed", "1"), ("kept", "1")].map(|(key, json)| (key.to_owned(), json.to_owned()));
        assert_eq!(host.documents, BTreeMap::from(documents));
        assert_eq!(host.events, []);
    }
}
