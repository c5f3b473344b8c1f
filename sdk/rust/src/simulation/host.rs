//! The host of a simulation: chance from a fast generator, a wallet and documents under the host's rules.

use std::collections::BTreeMap;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use super::{Moved, Seed};
use crate::Refusal;
use crate::host::{Host, sealed::Sealed};
use crate::limits::{DRAW_CHOICES_MAX, DRAWS_MAX};
use crate::rules::{Wallet, admit_document, admit_effect, refuse};
use crate::scaling::{pick, shuffle, uniform, uniform_of};

/// What a simulated player begins with: enough to lose in every round, and as far from the largest balance.
const BALANCE: u64 = 1 << 52;

pub(crate) struct SimulationHost {
    pub(super) wallet: Wallet,
    documents: BTreeMap<String, String>,
    /// D. Blackman and S. Vigna, "Scrambled Linear Pseudorandom Number Generators" (2021): a simulation has no secret to keep,
    /// and draws far fewer numbers than this one's period.
    generator: Xoshiro256PlusPlus,
    /// Of the running call.
    moved: Moved,
    taken: usize,
    effects: usize,
    events: BTreeMap<String, u64>,
    /// What the running call has drawn and which events it has told of, where that is to be told.
    trace: Option<(Vec<Value>, Vec<String>)>,
}

impl SimulationHost {
    pub(super) fn new(seed: Seed) -> Self {
        let mut bytes = [0; 32];
        for (place, number) in bytes.chunks_exact_mut(8).zip(seed) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        Self {
            wallet: Wallet::new(BALANCE),
            documents: BTreeMap::new(),
            generator: Xoshiro256PlusPlus::from_seed(bytes),
            moved: Moved::default(),
            taken: 0,
            effects: 0,
            events: BTreeMap::new(),
            trace: None,
        }
    }

    pub(super) fn traced(seed: Seed) -> Self {
        Self { trace: Some(Default::default()), ..Self::new(seed) }
    }

    pub(super) fn is_traced(&self) -> bool {
        self.trace.is_some()
    }

    /// Begins a call.
    pub(super) fn begin(&mut self) {
        self.wallet.begin();
        self.moved = Moved::default();
        (self.taken, self.effects) = (0, 0);
    }

    /// What the running or last call has moved.
    pub(super) fn moved(&self) -> Moved {
        self.moved
    }

    /// What the last call has drawn and which events it has told of.
    pub(super) fn take_trace(&mut self) -> Option<(Vec<Value>, Vec<String>)> {
        self.trace.as_mut().map(std::mem::take)
    }

    pub(super) fn into_events(self) -> BTreeMap<String, u64> {
        self.events
    }

    fn take(&mut self, numbers: usize) {
        self.taken += numbers;
        if self.taken > DRAWS_MAX {
            drew_too_often(self.taken);
        }
    }

    /// Rounds are traced by the thousand and played by the million.
    #[cold]
    fn tell(&mut self, draw: impl FnOnce() -> Value) {
        if let Some((draws, _)) = &mut self.trace {
            draws.push(draw());
        }
    }
}

/// Uniform in `0..bound`.
fn draw(generator: &mut Xoshiro256PlusPlus, bound: u64) -> u64 {
    match u32::try_from(bound) {
        Ok(bound) => uniform_of(generator.next_u32(), bound).unwrap_or_else(|| draw_again(generator, bound)).into(),
        Err(_) => draw_wide(generator, bound),
    }
}

#[cold]
fn draw_again(generator: &mut Xoshiro256PlusPlus, bound: u32) -> u32 {
    loop {
        if let Some(number) = uniform_of(generator.next_u32(), bound) {
            return number;
        }
    }
}

#[cold]
fn draw_wide(generator: &mut Xoshiro256PlusPlus, bound: u64) -> u64 {
    uniform(|| generator.next_u64(), bound)
}

#[cold]
fn drew_too_often(taken: usize) -> ! {
    panic!("the game drew {taken} times; a call draws at most {DRAWS_MAX} times")
}

#[cold]
fn drew_below_nothing() -> ! {
    panic!("the game drew below 0: there is no such number")
}

impl Sealed for SimulationHost {}

impl Host for SimulationHost {
    fn balance(&self) -> u64 {
        self.wallet.balance
    }

    fn staked(&self) -> u64 {
        self.wallet.staked()
    }

    fn stake(&mut self, amount: u64) -> Result<u64, Refusal> {
        let balance = self.wallet.stake(amount)?;
        self.moved.staked += amount;
        Ok(balance)
    }

    fn pay(&mut self, amount: u64) -> Result<u64, Refusal> {
        let balance = self.wallet.pay(amount)?;
        self.moved.paid += amount;
        Ok(balance)
    }

    fn refund(&mut self, amount: u64) -> Result<u64, Refusal> {
        let balance = self.wallet.refund(amount)?;
        self.moved.refunded += amount;
        Ok(balance)
    }

    fn get_document(&self, key: &str) -> Option<String> {
        self.documents.get(key).cloned()
    }

    fn put_document(&mut self, key: &str, json: &str) -> Result<(), Refusal> {
        admit_document(&self.documents, key, json)?;
        self.documents.insert(key.to_owned(), json.to_owned());
        Ok(())
    }

    fn delete_document(&mut self, key: &str) {
        self.documents.remove(key);
    }

    fn document_keys(&self) -> Vec<String> {
        self.documents.keys().cloned().collect()
    }

    fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            drew_below_nothing();
        }
        self.take(1);
        let number = draw(&mut self.generator, bound);
        if self.is_traced() {
            self.tell(|| json!({ "below": [bound, number] }));
        }
        number
    }

    fn weighted(&mut self, weights: &[u32]) -> u32 {
        assert!(weights.len() <= DRAW_CHOICES_MAX, "{} weights; at most {DRAW_CHOICES_MAX} are", weights.len());
        let sum = weights.iter().copied().map(u64::from).sum();
        assert!(sum > 0, "the game drew from weights that sum to 0: {weights:?}");
        self.take(1);
        let index = pick(weights, draw(&mut self.generator, sum));
        if self.is_traced() {
            self.tell(|| json!({ "weighted": [sum, index] }));
        }
        u32::try_from(index).expect("a place among the weights")
    }

    fn shuffled(&mut self, n: u32) -> Vec<u32> {
        assert!(n as usize <= DRAW_CHOICES_MAX, "the game shuffled {n}; at most {DRAW_CHOICES_MAX} can be");
        self.take(n.saturating_sub(1).max(1) as usize);
        let order = shuffle(|bound| draw(&mut self.generator, bound), n);
        if self.is_traced() {
            self.tell(|| json!({ "shuffled": order }));
        }
        order
    }

    fn notify(&mut self, channel: &str, template: &str, data: String, _delay_ms: u64) -> Result<(), Refusal> {
        admit_effect(self.effects, channel.len() + template.len() + data.len())?;
        self.effects += 1;
        refuse("not-granted", "nothing is sent in a simulation")
    }

    fn track(&mut self, name: &str, props: &str) -> Result<(), Refusal> {
        admit_effect(self.effects, name.len() + props.len())?;
        self.effects += 1;
        match self.events.get_mut(name) {
            Some(count) => *count += 1,
            None => drop(self.events.insert(name.to_owned(), 1)),
        }
        if let Some((_, events)) = &mut self.trace {
            events.push(name.to_owned());
        }
        Ok(())
    }

    fn log(&mut self, _level: &str, _message: &str) {}
}
