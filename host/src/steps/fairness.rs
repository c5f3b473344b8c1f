//! A player's pairs of seeds: what is committed to, what was revealed, and going over to the next one.

use super::{
    Outcome,
    group::Draft,
    replies::{Committed, Rotated, ServerSeedRevealed},
    reply,
};
use crate::{
    aggregate::Aggregate,
    errors::HostError,
    fairness::{ClientSeed, FairGames, Pair},
    identity::{AggregateId, IdempotencyKey, SessionId},
    record::{Act, Reply},
};

/// A player wants another pair of seeds.
#[derive(Clone, Debug)]
pub struct SeedsRequest {
    /// The session that asks.
    pub session: SessionId,
    /// The player's part of the next pair.
    pub client_seed: ClientSeed,
}

impl Draft {
    pub(super) fn rotate_seeds(
        &mut self,
        request: &SeedsRequest,
        fair: &FairGames,
        key: Option<&IdempotencyKey>,
    ) -> Outcome {
        self.aggregate.session(&request.session, self.now_ms).ok_or(HostError::SessionEnded)?;
        let id = self.aggregate.id.clone();
        let revealed = self.aggregate.fairness.revealed(&fair.key, &id);
        let next = self.aggregate.fairness.after(request.client_seed.clone());
        let rotated = reply(&Rotated { revealed: revealed.clone(), next: of_pair(&next, fair, &id)? })?;
        let act = Act::SeedsRotated { revealed, client_seed: request.client_seed.clone() };
        self.take_step(key, act, Vec::new(), Reply::Result(rotated), |aggregate| aggregate.fairness = next)
    }
}

/// What the host has committed itself to for the player's next fair call.
pub(super) fn committed(aggregate: &Aggregate, fair: &FairGames) -> Outcome {
    reply(&of_pair(&aggregate.fairness, fair, &aggregate.id)?)
}

/// The server seed of a pair that is played with no more.
pub(super) fn revealed(aggregate: &Aggregate, fair: &FairGames, pair: u64) -> Outcome {
    if fair.games.is_empty() {
        return Err(HostError::FairnessDisabled.into());
    }
    if pair >= aggregate.fairness.number {
        return Err(HostError::SeedNotRevealed { pair }.into());
    }
    let server_seed = fair.key.server_seed(&aggregate.id, pair);
    reply(&ServerSeedRevealed { pair, commitment: server_seed.commitment(), server_seed })
}

fn of_pair(pair: &Pair, fair: &FairGames, aggregate: &AggregateId) -> Result<Committed, HostError> {
    if fair.games.is_empty() {
        return Err(HostError::FairnessDisabled);
    }
    let commitment = fair.key.server_seed(aggregate, pair.number).commitment();
    let Pair { number, client_seed, nonce } = pair.clone();
    Ok(Committed { pair: number, commitment, client_seed, nonce, games: fair.games.iter().cloned().collect() })
}
