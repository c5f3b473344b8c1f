//! Plays rounds by the million, so that a game's return can be measured on the very component that is played.
//!
//! A game says which bets there are and how one round of each goes; the SDK brings chance and a wallet under the host's
//! rules, and the game's own methods are called as they are, without JSON:
//! ```
//! use croupier_sdk::prelude::*;
//! use croupier_sdk::simulation::{Bet, Simulation, simulate};
//!
//! #[derive(Default, Serialize, Deserialize)]
//! pub struct HighDice {}
//!
//! #[derive(Serialize, Deserialize, JsonSchema)]
//! pub struct RollParams {
//!     pub stake: u64,
//! }
//!
//! #[game(id = "high-dice", title = "High Dice", rtp_ppm = 972_222, max_win_ppm = 2_333_334, simulation)]
//! impl HighDice {
//!     /// Rolls a die against the house; the higher one wins.
//!     pub fn roll(&mut self, table: &mut Table, params: RollParams) -> Result<u64, Fault> {
//!         table.stake(params.stake)?;
//!         let payout = if table.below(6) > table.below(6) { params.stake * 7 / 3 } else { 0 };
//!         table.pay(payout)?;
//!         Ok(payout)
//!     }
//! }
//!
//! impl Simulation for HighDice {
//!     fn bets() -> Vec<Bet<Self>> {
//!         vec![Bet::new("roll", "A roll for 30", |round| {
//!             round.play("roll", RollParams { stake: 30 }, Self::roll)?;
//!             Ok(())
//!         })]
//!     }
//! }
//!
//! let tally = simulate::<HighDice>("roll", [1, 2, 3, 4], 10_000).unwrap();
//! let paid: u64 = tally.outcomes.iter().map(|outcome| outcome.paid).sum();
//! assert!((280_000..300_000).contains(&paid));
//! ```
//! With the argument `simulation` the component exports it, and `croupier simulate` measures it: it plays sample rounds
//! through the ordinary calls as well and compares every reply, so that what is measured is what players get.

mod host;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

pub(crate) use self::host::SimulationHost;
use crate::game::{Call, to_json};
use crate::table::AnyHost;
use crate::{Fault, Game, Table};

/// What a sequence of rounds starts from: any four numbers, not all of them 0.
pub type Seed = [u64; 4];

/// A game that can be simulated.
pub trait Simulation: Game {
    /// What can be simulated, the same at every call; never two of one name.
    fn bets() -> Vec<Bet<Self>>;
}

/// One round of a bet, from its first stake to its settlement.
type PlayRound<G> = Box<dyn Fn(&mut Round<'_, G>) -> Result<(), Fault>>;

/// A way to play a round: what is staked on, with the strategy where there are choices.
pub struct Bet<G> {
    name: String,
    summary: String,
    play: PlayRound<G>,
}

impl<G> Bet<G> {
    /// A bet with its name, `[a-z][a-z0-9-]*`, what it is for people, and how one round of it is played.
    pub fn new(
        name: impl Into<String>,
        summary: impl Into<String>,
        play: impl Fn(&mut Round<'_, G>) -> Result<(), Fault> + 'static,
    ) -> Self {
        Self { name: name.into(), summary: summary.into(), play: Box::new(play) }
    }

    /// The bet's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is, for people.
    pub fn summary(&self) -> &str {
        &self.summary
    }
}

/// A round that is being played.
pub struct Round<'a, G> {
    player: &'a mut Player<G>,
    /// What it has staked, less what it gave back, once it is settled.
    settled: Option<u64>,
    paid: u64,
}

/// What a round came to, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Staked, less what was given back.
    pub staked: u64,
    /// Paid out.
    pub paid: u64,
}

/// Money that was moved, in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// Taken from the balance.
    pub staked: u64,
    /// Given back of it.
    pub refunded: u64,
    /// Paid out.
    pub paid: u64,
}

/// What the calls of one method have done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodTally {
    /// The method.
    pub name: &'static str,
    /// How often it was called.
    pub calls: u64,
    /// What it has moved.
    pub moved: Moved,
}

/// What rounds came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Of each round, in order.
    pub outcomes: Vec<Outcome>,
    /// In the order of their first calls.
    pub methods: Vec<MethodTally>,
    /// How often which event was tracked.
    pub events: BTreeMap<String, u64>,
}

/// One call of a round, with all that is needed to make it again through the ordinary way.
#[derive(Debug, Clone, PartialEq)]
pub struct TracedCall {
    /// The game's method.
    pub method: &'static str,
    /// JSON.
    pub params: String,
    /// As the contract's `traced-call` has them.
    pub draws: Vec<Value>,
    /// JSON.
    pub body: String,
    /// What it has moved.
    pub moved: Moved,
    /// The names of the events it has tracked.
    pub events: Vec<String>,
    /// The round went on after it.
    pub round_open: bool,
}

/// Plays the first rounds of a seed: a player who is new to the game.
///
/// # Errors
/// Where there is no such bet, and where a call of a round ended in a fault: says which.
///
/// # Panics
/// On a malfunction of the game, and on a bet that is not one round.
pub fn simulate<G: Simulation>(bet: &str, seed: Seed, rounds: u32) -> Result<Tally, String> {
    let bet = find::<G>(bet)?;
    let mut player = Player::new(SimulationHost::new(seed));
    let mut outcomes = Vec::with_capacity(rounds as usize);
    for number in 0..rounds {
        outcomes.push(player.round(&bet, number)?);
    }
    Ok(Tally { outcomes, methods: player.methods, events: player.host.into_events() })
}

/// The same rounds as [`simulate`], with all their calls.
///
/// # Errors
/// As [`simulate`].
///
/// # Panics
/// As [`simulate`].
pub fn trace<G: Simulation>(bet: &str, seed: Seed, rounds: u32) -> Result<Vec<Vec<TracedCall>>, String> {
    let bet = find::<G>(bet)?;
    let mut player = Player::new(SimulationHost::traced(seed));
    let mut traced = Vec::new();
    for number in 0..rounds {
        player.round(&bet, number)?;
        traced.push(std::mem::take(&mut player.traced));
    }
    Ok(traced)
}

fn find<G: Simulation>(name: &str) -> Result<Bet<G>, String> {
    G::bets().into_iter().find(|bet| bet.name == name).ok_or_else(|| format!("there is no bet `{name}`"))
}

/// One player's sitting: the game's value lives on from round to round, as it would through its document.
struct Player<G> {
    game: G,
    host: SimulationHost,
    call: Call,
    methods: Vec<MethodTally>,
    /// Of the running round, where it is traced.
    traced: Vec<TracedCall>,
}

impl<G: Game> Player<G> {
    fn new(host: SimulationHost) -> Self {
        let call = Call {
            player: "simulation".to_owned(),
            currency: "EUR".to_owned(),
            locale: "en-GB".to_owned(),
            round: "player/simulation/1".to_owned(),
            step: 0,
            now_ms: 0,
            method: String::new(),
            params: String::new(),
        };
        Self { game: G::default(), host, call, methods: Vec::new(), traced: Vec::new() }
    }

    fn round(&mut self, bet: &Bet<G>, number: u32) -> Result<Outcome, String> {
        let mut round = Round { player: self, settled: None, paid: 0 };
        (bet.play)(&mut round).map_err(|fault| format!("bet `{}`, round {number}: {fault}", bet.name))?;
        match round.settled {
            Some(staked) => Ok(Outcome { staked, paid: round.paid }),
            None => panic!("the bet `{}` has not played round {number} to its end", bet.name),
        }
    }

    fn count(&mut self, method: &'static str, moved: Moved) {
        let place = self.methods.iter().position(|known| is(known.name, method)).unwrap_or_else(|| {
            self.methods.push(MethodTally { name: method, calls: 0, moved: Moved::default() });
            self.methods.len() - 1
        });
        let tally = &mut self.methods[place];
        tally.calls += 1;
        tally.moved.staked += moved.staked;
        tally.moved.refunded += moved.refunded;
        tally.moved.paid += moved.paid;
    }
}

/// Whether two names are one; a method's name is usually the same text in memory.
fn is(name: &'static str, other: &'static str) -> bool {
    std::ptr::eq(name, other) || name == other
}

impl<G: Game> Round<'_, G> {
    /// The round was opened by a stake and goes on.
    pub fn is_open(&self) -> bool {
        self.player.host.wallet.round.is_some()
    }

    /// What the game keeps for the player: for strategies that look at more than replies.
    pub fn game(&self) -> &G {
        &self.player.game
    }

    /// Calls a method of the game: its name, and the method itself, which [`Round::play`] calls with the params.
    ///
    /// # Errors
    /// The game's fault: pass it on, it ends the simulation.
    ///
    /// # Panics
    /// On a malfunction of the game, and where the round is settled already.
    pub fn play<P: Serialize, T: Serialize, E: Into<Fault>>(
        &mut self,
        method: &'static str,
        params: P,
        play: impl FnOnce(&mut G, &mut Table<'_>, P) -> Result<T, E>,
    ) -> Result<T, Fault> {
        let text = self.player.host.is_traced().then(|| to_json(&params, "the params"));
        self.call(method, text, |game, table| play(game, table, params))
    }

    /// As [`Round::play`] for a method without params.
    ///
    /// # Errors
    /// As [`Round::play`].
    ///
    /// # Panics
    /// As [`Round::play`].
    pub fn play_bare<T: Serialize, E: Into<Fault>>(
        &mut self,
        method: &'static str,
        play: impl FnOnce(&mut G, &mut Table<'_>) -> Result<T, E>,
    ) -> Result<T, Fault> {
        let text = self.player.host.is_traced().then(|| "{}".to_owned());
        self.call(method, text, play)
    }

    fn call<T: Serialize, E: Into<Fault>>(
        &mut self,
        method: &'static str,
        traced_params: Option<String>,
        play: impl FnOnce(&mut G, &mut Table<'_>) -> Result<T, E>,
    ) -> Result<T, Fault> {
        assert!(self.settled.is_none(), "a bet is one round: it is settled before `{method}`");
        let player = &mut *self.player;
        player.host.begin();
        let mut table = Table::new(AnyHost::Simulation(&mut player.host), &player.call);
        let result = play(&mut player.game, &mut table).map_err(Into::into)?;
        let round_open = table.keeps_round_open();
        let staked = player.host.wallet.round;
        player.host.wallet.end(round_open);
        let moved = player.host.moved();
        player.count(method, moved);
        self.paid += moved.paid;
        if round_open {
            player.call.step += 1;
        } else {
            player.call.step = 0;
            self.settled = staked;
        }
        if let (Some(params), Some((draws, events))) = (traced_params, player.host.take_trace()) {
            let body = to_json(&result, "the method's result");
            player.traced.push(TracedCall { method, params, draws, body, moved, events, round_open });
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests;
