//! What a game can ask for, one method per function of the contract. It decides nothing.

use crate::Refusal;

/// The host of a game: Croupier itself in a component, the rules of [`testing`](crate::testing) in a native test.
///
/// Games do not call it; they use [`Table`](crate::Table). It is sealed: a game meets no other host.
#[expect(missing_docs, reason = "each method is the function of the same name in wit/game.wit, and documented there")]
pub trait Host: sealed::Sealed {
    fn balance(&self) -> u64;
    fn staked(&self) -> u64;
    fn stake(&mut self, amount: u64) -> Result<u64, Refusal>;
    fn pay(&mut self, amount: u64) -> Result<u64, Refusal>;
    fn refund(&mut self, amount: u64) -> Result<u64, Refusal>;

    fn get_document(&self, key: &str) -> Option<String>;
    fn put_document(&mut self, key: &str, json: &str) -> Result<(), Refusal>;
    fn delete_document(&mut self, key: &str);
    fn document_keys(&self) -> Vec<String>;

    fn below(&mut self, bound: u64) -> u64;
    fn weighted(&mut self, weights: &[u32]) -> u32;
    fn shuffled(&mut self, n: u32) -> Vec<u32>;

    fn notify(&mut self, channel: &str, template: &str, data: String, delay_ms: u64) -> Result<(), Refusal>;
    fn track(&mut self, name: &str, props: &str) -> Result<(), Refusal>;
    fn log(&mut self, level: &str, message: &str);
}

pub(crate) mod sealed {
    pub trait Sealed {}
}
