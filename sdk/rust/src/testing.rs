//! Plays a game natively: the same dispatch as in a component, under the host's rules, without Wasm.

mod chance;
mod contract;
mod host;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde::Serialize;
use serde_json::Value;

use self::chance::Chance;
pub use self::chance::Draw;
use self::contract::Contract;
use self::host::TestHost;
pub use self::host::{Event, LogLine, Notification};
use crate::game::{STATE, from_stored, step, to_json};
use crate::host::Host as _;
use crate::limits::{AMOUNT_MAX, REPLY_BYTES_MAX};
use crate::table::AnyHost;
use crate::{Call, Documents, Fault, Game, Table};

/// The host's own error where a migration has failed.
const MIGRATION_FAILED: i32 = -32040;
/// The host's own error where the documents are those of a newer release.
const STATE_TOO_NEW: i32 = -32041;

/// One player at one game, under the host's rules: a fault undoes the whole call, the first stake opens a round,
/// a call that does not keep the round open settles it.
///
/// ```
/// # use croupier_sdk::prelude::*;
/// # #[derive(Default, Serialize, Deserialize)] struct Dice;
/// # #[game(id = "dice", title = "Dice", rtp_ppm = 1_000_000, max_win_ppm = 6_000_000)]
/// # impl Dice { pub fn roll(&mut self, table: &mut Table) -> Result<u64, Fault> {
/// #     table.stake(1)?; let pips = table.below(6) + 1; if pips == 6 { table.pay(6)?; } Ok(pips) } }
/// use croupier_sdk::testing::TestTable;
/// use serde_json::json;
///
/// let mut table = TestTable::<Dice>::new().with_balance(10).with_script([5, 0]);
/// assert_eq!(table.call("roll", json!({})), Ok(json!(6)));
/// assert_eq!(table.balance(), 15);
/// assert_eq!(table.play(|game, table| game.roll(table)), Ok(1));
/// assert_eq!(table.balance(), 14);
/// ```
///
/// # Panics
/// Whatever the host would call a malfunction of the game is a panic that says what is wrong: a round kept open that is not,
/// a draw out of bounds, a state that does not deserialise. So is a script that does not fit what the game draws.
pub struct TestTable<G> {
    host: TestHost,
    call: Call,
    round: u64,
    /// The version of the documents.
    state_version: u32,
    /// Made by the first [`TestTable::call`], so that tables which only [`TestTable::play`] are cheap.
    contract: OnceCell<Contract>,
    game: PhantomData<fn() -> G>,
}

impl<G: Game> Default for TestTable<G> {
    fn default() -> Self {
        Self::new()
    }
}

/// Setting up.
impl<G: Game> TestTable<G> {
    /// A player who is new to the game, with a balance of 1,000,000 and draws from seed 0.
    pub fn new() -> Self {
        let call = Call {
            player: "player-1".to_owned(),
            currency: "EUR".to_owned(),
            locale: "en-GB".to_owned(),
            round: "round-1".to_owned(),
            step: 0,
            now_ms: 1_767_225_600_000,
            method: String::new(),
            params: String::new(),
        };
        Self {
            host: TestHost::new(1_000_000),
            call,
            round: 1,
            state_version: G::STATE_VERSION,
            contract: OnceCell::new(),
            game: PhantomData,
        }
    }

    /// What the player has, in minor units.
    #[must_use]
    pub fn with_balance(mut self, balance: u64) -> Self {
        assert!(balance <= AMOUNT_MAX, "a balance is at most 2^53 - 1");
        self.host.wallet.balance = balance;
        self
    }

    /// Draws as of now from this seed: the same seed, the same draws.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.host.chance = Chance::seeded(seed);
        self
    }

    /// Draws as of now what the script says; see [`TestTable::script`].
    #[must_use]
    pub fn with_script(mut self, draws: impl IntoIterator<Item = impl Into<Draw>>) -> Self {
        self.script(draws);
        self
    }

    /// Gives the game this state, as if an earlier call had left it.
    #[must_use]
    pub fn with_state(self, state: &G) -> Self {
        self.with_document(STATE, state)
    }

    /// Puts a document there, as if an earlier call had left it; `state` is the key of the game's state.
    #[must_use]
    pub fn with_document<T: Serialize + ?Sized>(mut self, key: &str, value: &T) -> Self {
        self.host.documents.insert(key.to_owned(), to_json(value, "a document"));
        self
    }

    /// Gives the documents this version, as if a release of it had left them; 0 for a release without one. The next call
    /// migrates them where they are older than the game's own.
    #[must_use]
    pub fn with_state_version(mut self, version: u32) -> Self {
        self.state_version = version;
        self
    }

    /// The currency of the session.
    #[must_use]
    pub fn with_currency(mut self, currency: &str) -> Self {
        currency.clone_into(&mut self.call.currency);
        self
    }

    /// The locale of the session.
    #[must_use]
    pub fn with_locale(mut self, locale: &str) -> Self {
        locale.clone_into(&mut self.call.locale);
        self
    }

    /// Replaces the draws to come: one [`Draw`] for each draw of the game, in order. A number answers `below`, `index`
    /// and `weighted`; a list of numbers is how a shuffle begins, the rest follows in ascending order.
    pub fn script(&mut self, draws: impl IntoIterator<Item = impl Into<Draw>>) {
        self.host.chance = Chance::scripted(draws.into_iter().map(Into::into));
    }

    /// Lets time pass before the next call, in milliseconds.
    pub fn wait_ms(&mut self, ms: u64) {
        self.call.now_ms += ms;
    }
}

/// Playing.
impl<G: Game> TestTable<G> {
    /// Calls a method as a client does.
    ///
    /// # Errors
    /// The error that the client would receive: the game's fault, or JSON-RPC's -32602 for params that do not fit the
    /// method's schema; the host does not even call the game with those. The host's own -32040 where the game could not
    /// migrate the documents, with the migration's words, and -32041 where they are newer than the game.
    ///
    /// # Panics
    /// On an unknown method, on a malfunction of the game, and on a result that does not fit the method's schema.
    pub fn call(&mut self, method: &str, params: Value) -> Result<Value, Fault> {
        let contract = self.contract.get_or_init(Contract::of::<G>);
        contract.check_params(method, &params)?;
        method.clone_into(&mut self.call.method);
        self.call.params = params.to_string();
        let body = self.step(|host, call| G::handle(host, call).map(|reply| (reply.body, reply.round_open)))?;
        assert!(body.len() <= REPLY_BYTES_MAX, "a reply of {} bytes; at most {REPLY_BYTES_MAX} are", body.len());
        let result = serde_json::from_str(&body).expect("the SDK writes JSON");
        self.contract.get_or_init(Contract::of::<G>).assert_result(method, &result);
        Ok(result)
    }

    /// Plays with typed params and result: everything as in [`TestTable::call`] but for JSON and dispatch.
    ///
    /// # Errors
    /// The fault that the client would receive.
    ///
    /// # Panics
    /// On a malfunction of the game.
    pub fn play<T, E: Into<Fault>>(
        &mut self,
        play: impl FnOnce(&mut G, &mut Table<'_>) -> Result<T, E>,
    ) -> Result<T, Fault> {
        self.step(|host, call| step(AnyHost::Other(host), call, play))
    }

    /// As [`TestTable::play`] for what only looks: a method that takes `&Table`. The round stays as it is.
    ///
    /// # Errors
    /// The fault that the client would receive.
    pub fn look<T, E: Into<Fault>>(
        &mut self,
        look: impl FnOnce(&mut G, &Table<'_>) -> Result<T, E>,
    ) -> Result<T, Fault> {
        self.play(|game, table| {
            table.leave_round();
            look(game, table)
        })
    }

    /// Names the round that the next call would open.
    fn begin_round(&mut self, round: u64) {
        self.round = round;
        self.call.round = format!("round-{round}");
        self.call.step = 0;
    }

    /// Brings the documents to the game's version, where they have another.
    fn migrate(&mut self) -> Result<(), Fault> {
        let from = self.state_version;
        if from == G::STATE_VERSION || self.host.documents.is_empty() {
            return Ok(());
        }
        if from > G::STATE_VERSION {
            return Err(Fault::new(STATE_TOO_NEW, format!("the documents are of version {from}")));
        }
        let failed = |why: String| Fault::new(MIGRATION_FAILED, why);
        let before: Documents = self.host.documents.clone().into_iter().collect();
        let after = G::migrate(from, before).map_err(failed)?;
        self.host.document_keys().iter().for_each(|key| self.host.delete_document(key));
        for (key, json) in after {
            self.host.put_document(&key, &json).map_err(|refusal| failed(refusal.message))?;
        }
        Ok(())
    }

    /// One call under the host's rules, whole or not at all.
    fn step<T>(&mut self, play: impl FnOnce(&mut TestHost, &Call) -> Result<(T, bool), Fault>) -> Result<T, Fault> {
        self.host.begin();
        if let Err(fault) = self.migrate() {
            self.host.roll_back();
            return Err(fault);
        }
        match play(&mut self.host, &self.call) {
            Ok((result, round_open)) => {
                let had_round = self.round_open();
                self.host.commit(round_open);
                self.state_version = G::STATE_VERSION;
                if round_open {
                    self.call.step += 1;
                } else if had_round {
                    self.begin_round(self.round + 1);
                }
                Ok(result)
            }
            Err(fault) => {
                assert!((1..=999).contains(&fault.code), "a fault's code is 1 to 999: {fault}");
                self.host.roll_back();
                Err(fault)
            }
        }
    }
}

/// Looking.
impl<G: Game> TestTable<G> {
    /// What the player has, in minor units.
    pub fn balance(&self) -> u64 {
        self.host.wallet.balance
    }

    /// What the open round has staked, less what it gave back; 0 when no round is open.
    pub fn staked(&self) -> u64 {
        self.host.wallet.round.unwrap_or(0)
    }

    /// Whether a round is open.
    pub fn round_open(&self) -> bool {
        self.host.wallet.round.is_some()
    }

    /// The game's state for this player.
    pub fn state(&self) -> G {
        self.host.documents.get(STATE).map_or_else(G::default, |json| from_stored(json))
    }

    /// Every document as JSON text by its key, the game's state as `state`.
    pub fn documents(&self) -> &BTreeMap<String, String> {
        &self.host.documents
    }

    /// What the last call drew, whether it ended in a fault or not.
    pub fn draws(&self) -> &[Draw] {
        self.host.chance.draws()
    }

    /// What the last call sent; empty after a fault.
    pub fn notifications(&self) -> &[Notification] {
        &self.host.notifications
    }

    /// What the last call tracked; empty after a fault.
    pub fn events(&self) -> &[Event] {
        &self.host.events
    }

    /// What the last call logged, whether it ended in a fault or not.
    pub fn log(&self) -> &[LogLine] {
        &self.host.log
    }
}
