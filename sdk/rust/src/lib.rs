//! Write casino games for Croupier in Rust.
//!
//! A game is a type and its methods. The type is what the game keeps for one player between calls; the `pub fn` items
//! of the block under [`#[game]`](macro@game) are what clients call. The host gives each call a [`Table`]: the
//! player's money, chance, messages to the outside. Nothing else can be reached: no clock, no files, no network.
//!
//! # A whole game
//! ```
//! use croupier_sdk::prelude::*;
//!
//! /// What the game keeps for one player.
//! #[derive(Default, Serialize, Deserialize)]
//! pub struct HighDice {
//!     /// Rolls won in a row.
//!     streak: u32,
//! }
//!
//! /// Doc comments become the descriptions in the schema that clients see.
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! pub struct RollParams {
//!     /// In minor units of the session's currency.
//!     #[schemars(range(min = 10, max = 10_000))]
//!     pub stake: u64,
//! }
//!
//! #[derive(Serialize, JsonSchema)]
//! pub struct Roll {
//!     pub player: u64,
//!     pub house: u64,
//!     pub payout: u64,
//! }
//!
//! /// What can go wrong: each variant has its own code, and `?` turns a refusal of the host into the last one.
//! #[derive(Debug, Faults)]
//! pub enum Error {
//!     #[fault(1, "the stake is in steps of {step}")]
//!     UnevenStake { step: u64 },
//!     #[fault(transparent)]
//!     Refused(Refusal),
//! }
//!
//! #[game(id = "high-dice", title = "High Dice", rtp_ppm = 972_222, max_win_ppm = 2_333_334)]
//! impl HighDice {
//!     /// Rolls a die against the house; the higher one wins.
//!     pub fn roll(&mut self, table: &mut Table, params: RollParams) -> Result<Roll, Error> {
//!         if params.stake % 10 != 0 {
//!             return Err(Error::UnevenStake { step: 10 });
//!         }
//!         table.stake(params.stake)?;
//!         let (player, house) = (table.below(6) + 1, table.below(6) + 1);
//!         let payout = if player > house { params.stake * 7 / 3 } else { 0 };
//!         table.pay(payout)?;
//!         self.streak = if payout > 0 { self.streak + 1 } else { 0 };
//!         if self.streak == 3 {
//!             table.notify("push", "hot-dice", &self.streak)?;
//!         }
//!         Ok(Roll { player, house, payout })
//!     }
//!
//!     /// How many rolls in a row the player has won.
//!     pub fn streak(&self, _table: &Table) -> Result<u32, Error> {
//!         Ok(self.streak)
//!     }
//! }
//!
//! // Tests play natively, with scripted or seeded draws.
//! use croupier_sdk::testing::TestTable;
//! use serde_json::json;
//!
//! let mut table = TestTable::<HighDice>::new().with_balance(1_000).with_script([5, 2]);
//! assert_eq!(table.call("roll", json!({ "stake": 30 })), Ok(json!({ "player": 6, "house": 3, "payout": 70 })));
//! assert_eq!(table.balance(), 1_040);
//! assert_eq!(table.call("streak", json!({})), Ok(json!(1)));
//!
//! let fault = table.call("roll", json!({ "stake": 31 })).unwrap_err();
//! assert_eq!((fault.code, fault.data), (1, Some(json!({ "step": 10 }))));
//! assert_eq!(table.balance(), 1_040);
//! ```
//!
//! # One call
//! 1. The host checks the params against the method's schema, which comes from the params' Rust type.
//! 2. The game's value is loaded for this player, or made by `Default` for a new one.
//! 3. The method runs. The first [`Table::stake`] opens a round; stake before you draw.
//! 4. The value is saved if it changed, and the client receives the result. The round is settled, unless the method called
//!    [`Table::keep_round_open`]; then the player's next calls go on with it.
//!
//! A method that takes `&Table` in place of `&mut Table` only looks: it can move, draw and send nothing, and it leaves the round as it is.
//! Make it so whatever a client may ask for in the middle of a round: the rules, the paytable, the hand.
//!
//! An error, a panic or a limit undoes all of it: no stake is taken, nothing is paid, nothing is saved, nothing is sent.
//! Return an error for what a client did wrong; panic when the game itself is wrong, and the message reaches the operator's log.
//!
//! # Errors
//! A method returns `Result<T, E>` with any `E: Into<Fault>`: an enum that derives [`Faults`], or [`Fault`] itself. A [`Refusal`] of the
//! host becomes either by `?`, the enum if it has a `#[fault(transparent)]` variant for it. Codes `1..=899` are the game's;
//! clients see [`Fault::REFUSED`] (900) for a refusal that the game passed on and [`Fault::INVALID_PARAMS`] (901) for params that
//! fit the schema and not the Rust type.
//!
//! # Releases
//! A release must be able to read what earlier ones have saved. For a new field `#[serde(default)]` is enough. Where more has
//! changed, give the documents a version, and say how a player's documents become those of this release:
//! ```
//! use croupier_sdk::prelude::*;
//!
//! #[derive(Default, Serialize, Deserialize)]
//! pub struct HighDice {
//!     wins: Vec<u64>,
//! }
//!
//! /// As releases without a version have saved it.
//! #[derive(Deserialize)]
//! struct Unversioned {
//!     streak: usize,
//! }
//!
//! #[game(id = "high-dice", title = "High Dice", rtp_ppm = 972_222, max_win_ppm = 2_333_334, state_version = 1)]
//! impl HighDice {
//!     /// What the last rolls have won.
//!     pub fn wins(&self, _table: &Table) -> Result<Vec<u64>, Fault> {
//!         Ok(self.wins.clone())
//!     }
//!
//!     /// `from` is 0 for documents of releases without a `state_version`.
//!     fn migrate(from: u32, mut documents: Documents) -> Result<Documents, String> {
//!         debug_assert_eq!(from, 0, "there was no other version yet");
//!         if let Some(Unversioned { streak }) = documents.state()? {
//!             documents.set_state(&HighDice { wins: vec![0; streak] });
//!         }
//!         Ok(documents)
//!     }
//! }
//!
//! use croupier_sdk::testing::TestTable;
//! use serde_json::json;
//!
//! let older = TestTable::<HighDice>::new().with_document("state", &json!({ "streak": 2 }));
//! assert_eq!(older.with_state_version(0).call("wins", json!({})), Ok(json!([0, 0])));
//! ```
//! It runs in a player's first call of the new release, before the method, and commits with it. It can reach nothing but the
//! documents. An error or a panic refuses the call with the host's error `migration_failed` and leaves everything as it was; its
//! words reach the operator's log. An open round goes on with the release that it was opened on, so a migration never
//! meets one. After it no older release can read the player's documents: the host refuses calls of one with `state_too_new`.
//!
//! # Simulations
//! `croupier simulate` measures the return of a component over millions of rounds. A game that implements
//! [`Simulation`](simulation::Simulation) and says `simulation` in [`#[game]`](macro@game) plays them itself, a million and more in a second.
//!
//! # The package
//! ```toml
//! [lib]
//! crate-type = ["cdylib", "rlib"]   # the component, and the library that native tests link
//!
//! [dependencies]
//! croupier-sdk = "0.1"
//! schemars = "1"
//! serde = { version = "1", features = ["derive"] }
//! ```
//! A component starts afresh for each call: nothing lives on but the state. The SDK brings the allocator, which serves most calls
//! from memory that the instance begins with; link with `-zstack-size=65536` so that all of it stays within 256 KiB.
//!
//! Keep the rules pure and apart from the methods: then the return to player is a unit test, and the methods stay short.
//! Keep maps in the state and in results sorted (`BTreeMap`), so that the same call always gives the same bytes.

#[cfg(test)]
extern crate self as croupier_sdk;

#[doc(hidden)]
#[path = "expansion.rs"]
pub mod __private;
#[cfg(target_arch = "wasm32")]
mod component;
mod documents;
mod fault;
mod game;
#[cfg(target_arch = "wasm32")]
mod heap;
mod host;
mod limits;
mod rules;
mod scaling;
pub mod simulation;
#[cfg(any(target_arch = "wasm32", test))]
mod small_blocks;
mod table;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use croupier_sdk_macros::{Faults, game};
pub use documents::Documents;
pub use fault::{Fault, Refusal};
pub use game::{Call, Descriptor, Game, Method, Reply};
pub use host::Host;
pub use table::Table;

/// Everything a game's boundary file needs: `use croupier_sdk::prelude::*;`.
pub mod prelude {
    pub use schemars::JsonSchema;
    pub use serde::{Deserialize, Serialize};

    pub use crate::{Documents, Fault, Faults, Game, Refusal, Table, game};
}
