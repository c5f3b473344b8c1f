//! Holds what a release tells of its rounds against the calls that players make: the same draws must give the same replies, the
//! same money and the same events, or nothing that was measured counts.

use super::{
    Error, Subject, plan,
    seat::{Called, Draws, NotCalled, Seat},
};
use crate::engine::TracedCall;

/// Plays the first rounds of a batch through the ordinary calls. What they have staked and paid.
pub(super) async fn verify(
    subject: &Subject,
    seed: u64,
    bet: &str,
    (batch, rounds): (u64, u32),
) -> Result<Vec<(u64, u64)>, Error> {
    let traced = subject.engine.trace(&subject.game.release, bet, plan::batch_seed(seed, bet, batch), rounds).await;
    let traced = traced.map_err(|error| Error::Simulation { bet: bet.to_owned(), batch, error })?;
    let different = |round, difference| Error::Different { bet: bet.to_owned(), batch, round, difference };
    if traced.len() != rounds as usize {
        return Err(different(traced.len(), format!("the trace has {} rounds of {rounds}", traced.len())));
    }
    let mut seat = Seat::new(subject);
    let mut outcomes = Vec::with_capacity(traced.len());
    for (number, round) in traced.into_iter().enumerate() {
        let (mut settled, mut paid) = (None, 0);
        for (place, call) in round.into_iter().enumerate() {
            let called = match seat.call(&call.method, &call.params, Draws::Script(call.draws.clone())).await {
                Ok(called) => called,
                Err(NotCalled::NotRun(error)) => return Err(error.into()),
                Err(NotCalled::Why(why)) => return Err(different(number, format!("call {place} fails: {why}"))),
            };
            if let Some(difference) = difference(&call, &called) {
                return Err(different(number, format!("call {place}, '{}': {difference}", call.method)));
            }
            paid += called.moved.paid;
            settled = called.settled;
        }
        match settled {
            Some(stakes) => outcomes.push((stakes.staked.get(), paid)),
            None => return Err(different(number, "its last call leaves the round open".to_owned())),
        }
    }
    Ok(outcomes)
}

/// The first thing that a trace tells otherwise than the call was.
fn difference(traced: &TracedCall, called: &Called) -> Option<String> {
    let differ = |what: &str, traced: String, called: String| {
        (traced != called).then(|| format!("{what} {traced} in the simulation, {called} when it is called"))
    };
    differ("the result is", traced.body.as_str().to_owned(), called.body.as_str().to_owned())
        .or_else(|| differ("it moves", format!("{:?}", traced.moved), format!("{:?}", called.moved)))
        .or_else(|| differ("it draws", format!("{:?}", traced.draws), format!("{:?}", called.draws)))
        .or_else(|| differ("it tracks", format!("{:?}", traced.events), format!("{:?}", called.events)))
        .or_else(|| differ("the round open is", traced.round_open.to_string(), called.round_open.to_string()))
}

/// The first round that the batch as it was counted tells otherwise than the one that was verified.
pub(super) fn first_difference(verified: &[(u64, u64)], counted: &[(u64, u64)]) -> Option<(usize, String)> {
    let round = verified.iter().zip(counted).position(|(verified, counted)| verified != counted)?;
    let (verified, counted) = (verified[round], counted[round]);
    Some((round, format!("it counts {counted:?} as staked and paid, and plays {verified:?}")))
}
