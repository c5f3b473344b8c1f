//! Rounds that a release plays by itself, with a generator and a wallet of its own: what `simulation` of the contract is.

use thiserror::Error;
use wasmtime::Store;

use super::{Engine, Malfunction, Release, step_state::StepState};
use crate::{
    bindings::exports::croupier::game::simulation::{self as exported, Guest},
    chance::Draw,
    json::Json,
};

/// Data that one call may bring: some thousands of rounds told in full are a few megabytes.
const BYTES_MAX: usize = 256 << 20;

/// A way to play a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bet {
    /// Its name.
    pub name: String,
    /// What it is, for people.
    pub summary: String,
}

/// Money that was moved, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Taken from the balance.
    pub staked: u64,
    /// Given back of it.
    pub refunded: u64,
    /// Paid out.
    pub paid: u64,
}

/// What the calls of one method have done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodTally {
    /// The method.
    pub name: String,
    /// How often it was called.
    pub calls: u64,
    /// What it has moved.
    pub moved: Moved,
}

/// What rounds came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Of each round, in order: what it staked, less what it gave back, and what it paid.
    pub outcomes: Vec<(u64, u64)>,
    /// By method.
    pub methods: Vec<MethodTally>,
    /// How often which event was tracked.
    pub events: Vec<(String, u64)>,
}

/// One call of a round, told so that it can be made again.
#[derive(Clone, Debug)]
pub struct TracedCall {
    /// The game's method.
    pub method: String,
    /// Its params.
    pub params: Json,
    /// What was drawn, in order.
    pub draws: Vec<Draw>,
    /// What it answered.
    pub body: Json,
    /// What it has moved.
    pub moved: Moved,
    /// The names of the events it has tracked.
    pub events: Vec<String>,
    /// The round went on after it.
    pub round_open: bool,
}

/// Rounds could not be simulated.
#[derive(Debug, Error)]
pub enum SimulationError {
    /// In the release's own words.
    #[error("{0}")]
    Refused(String),
    /// It broke down.
    #[error("the game broke down: {0}")]
    Malfunction(Malfunction),
    /// What it says makes no sense.
    #[error("what the game tells of its simulation is wrong: {0}")]
    Nonsense(String),
}

impl Engine {
    /// What a release can simulate.
    ///
    /// # Errors
    /// Where it exports no simulation, or breaks down.
    pub async fn bets(&self, release: &Release) -> Result<Vec<Bet>, SimulationError> {
        let (mut store, simulation) = self.simulation(release).await?;
        let bets = simulation.call_bets(&mut store).await.map_err(|error| malfunction(&error, &store))?;
        Ok(bets.into_iter().map(|exported::Bet { name, summary }| Bet { name, summary }).collect())
    }

    /// Plays the first rounds of a bet's seed in the release.
    ///
    /// # Errors
    /// Where it exports no simulation, cannot play a round, or breaks down.
    pub async fn simulate(
        &self,
        release: &Release,
        bet: &str,
        seed: (u64, u64, u64, u64),
        rounds: u32,
    ) -> Result<Tally, SimulationError> {
        let (mut store, simulation) = self.simulation(release).await?;
        let answer = simulation.call_simulate(&mut store, bet, seed, rounds).await;
        let tally = answer.map_err(|error| malfunction(&error, &store))?.map_err(SimulationError::Refused)?;
        let (outcomes, rest) = tally.outcomes.as_chunks::<2>();
        if !rest.is_empty() || outcomes.len() != rounds as usize {
            let told = format!("{} numbers for {rounds} rounds", tally.outcomes.len());
            return Err(SimulationError::Nonsense(told));
        }
        let method = |exported::MethodTally { name, calls, staked, refunded, paid }| MethodTally {
            name,
            calls,
            moved: Moved { staked, refunded, paid },
        };
        Ok(Tally {
            outcomes: outcomes.iter().map(|&[staked, paid]| (staked, paid)).collect(),
            methods: tally.methods.into_iter().map(method).collect(),
            events: tally.events.into_iter().map(|event| (event.name, event.count)).collect(),
        })
    }

    /// The same rounds as [`Self::simulate`], with all their calls.
    ///
    /// # Errors
    /// As [`Self::simulate`].
    pub async fn trace(
        &self,
        release: &Release,
        bet: &str,
        seed: (u64, u64, u64, u64),
        rounds: u32,
    ) -> Result<Vec<Vec<TracedCall>>, SimulationError> {
        let (mut store, simulation) = self.simulation(release).await?;
        let answer = simulation.call_trace(&mut store, bet, seed, rounds).await;
        let traced = answer.map_err(|error| malfunction(&error, &store))?.map_err(SimulationError::Refused)?;
        let round = |round: Vec<exported::TracedCall>| round.into_iter().map(call).collect();
        traced.into_iter().map(round).collect::<Result<_, _>>().map_err(SimulationError::Nonsense)
    }

    async fn simulation(&self, release: &Release) -> Result<(Store<StepState>, Guest), SimulationError> {
        let mut store = self.store(StepState::describing(&self.settings));
        store.set_hostcall_fuel(BYTES_MAX);
        let simulation = async {
            let instance = release.instantiate(&mut store).await?;
            release.simulation(&mut store, &instance)
        };
        let simulation = simulation.await.map_err(|error: wasmtime::Error| malfunction(&error, &store))?;
        Ok((store, simulation))
    }
}

fn malfunction(error: &wasmtime::Error, store: &Store<StepState>) -> SimulationError {
    let malfunction = match (Malfunction::from_error(error), store.data().panic_message()) {
        (Malfunction::Trapped(_), Some(panic)) => Malfunction::Trapped(panic.to_owned()),
        (malfunction, _) => malfunction,
    };
    SimulationError::Malfunction(malfunction)
}

fn call(call: exported::TracedCall) -> Result<TracedCall, String> {
    let exported::TracedCall { method, params, draws, body, staked, refunded, paid, events, round_open } = call;
    let json = |what: &str, text: String| {
        Json::parse(text).map_err(|error| format!("the {what} of '{method}' are not JSON: {error}"))
    };
    let draws =
        serde_json::from_str(&draws).map_err(|error| format!("the draws of '{method}' do not read: {error}"))?;
    let (params, body) = (json("params", params)?, json("results", body)?);
    let moved = Moved { staked, refunded, paid };
    Ok(TracedCall { params, body, method, draws, moved, events, round_open })
}
