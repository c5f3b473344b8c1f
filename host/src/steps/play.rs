//! A step of a game: which release runs, what it gets to see, and what becomes of what it did.

use std::{cmp::Ordering, collections::BTreeMap};

use serde_json::Value;

use super::{
    Outcome, canonical,
    group::{Draft, Groups},
    overloaded,
};
use crate::{
    aggregate::{Aggregate, OpenRound, Session},
    chance::Seed,
    engine::{Answer, Call, Done, Malfunction, MayNotify, NotRun, Release, Step},
    errors::{ErrorReply, HostError},
    identity::{GameId, IdempotencyKey, PlayerId, RoundId, SessionId},
    json::Json,
    record::{Act, Observed, Play, Reply, RoundMark, RoundSeen},
    rounds::RoundMoney,
};

/// A call of a game.
#[derive(Clone, Debug)]
pub struct PlayRequest {
    /// The session that calls.
    pub session: SessionId,
    /// The game.
    pub game: GameId,
    /// The game's method.
    pub method: String,
    /// An object: by name, without the host's own members.
    pub params: Value,
}

impl PlayRequest {
    pub(super) fn is_the_one_of(&self, play: &Play) -> bool {
        let same_params = || canonical(&self.params).is_ok_and(|params| params == play.params);
        self.game == play.game && self.method == play.method && same_params()
    }
}

impl Groups {
    pub(super) async fn play(
        &self,
        draft: &mut Draft,
        request: &PlayRequest,
        seed: Seed,
        key: Option<&IdempotencyKey>,
    ) -> Outcome {
        let aggregate = draft.aggregate.clone();
        let session = aggregate.session(&request.session, draft.now_ms).ok_or(HostError::SessionEnded)?;
        let open = aggregate.rounds.get(&request.game).cloned();
        let release = open.as_ref().map(|round| &round.release);
        let playing = self.catalog.playing(&request.game, &aggregate.id, release).await?;
        let playable = &playing.playable;
        playable.check(&request.method, &request.params)?;
        let params = canonical(&request.params)?;
        if let Some(round) = open.as_ref().filter(|round| round.currency != session.currency) {
            return Err(HostError::CurrencyMismatch { currency: round.currency }.into());
        }
        let before = Before { aggregate: &aggregate, session, open: open.as_ref(), game: &request.game };
        let state_version = playable.release.state_version();
        let migrate_from = before.must_migrate_from(state_version)?;
        let (fair, seed) = match self.fair.games.contains(&request.game) {
            true => {
                let (fair, seed) = aggregate.fairness.next_call(&self.fair.key, &aggregate.id);
                (Some(fair), seed)
            }
            false => (None, seed),
        };
        let may_notify = MayNotify::Granted(self.grants.get(&request.game).cloned());
        let step = Step { migrate_from, may_notify, ..before.step(draft, &request.method, &params, seed)? };
        let mut run = self.engine.run(&playable.release, step).await;
        if let Ok(done) = &mut run {
            settle(done, &playable.release, &request.method);
        }
        self.catalog.observe(&request.game, &playing, &aggregate.id, draft.now_ms, how_it_broke(&run));
        let mut done = run.map_err(|error| not_run(error, &request.game))?;
        let play = Play { fair, ..before.play(&playable.release, &request.method, params, seed, &mut done) };
        // The draft changes its aggregate in place where nobody else holds it: a step of a batch need not copy it.
        drop(aggregate);
        conclude(draft, key, open.as_ref(), play, done)
    }
}

/// What a step of a game starts from.
pub(super) struct Before<'a> {
    pub(super) aggregate: &'a Aggregate,
    pub(super) session: &'a Session,
    pub(super) open: Option<&'a OpenRound>,
    pub(super) game: &'a GameId,
}

impl Before<'_> {
    pub(super) fn step(&self, draft: &Draft, method: &str, params: &Json, seed: Seed) -> Result<Step, ErrorReply> {
        let player: PlayerId = self.aggregate.id.name().parse().map_err(|_| ErrorReply::internal())?;
        let opened_by = self.open.map_or(draft.next_step(), |round| round.opened_by);
        let call = Call {
            player,
            currency: self.session.currency,
            locale: self.session.locale.clone(),
            round: RoundId { aggregate: self.aggregate.id.clone(), opened_by },
            round_calls: self.open.map_or(0, |round| round.calls),
            now_ms: draft.now_ms,
            method: method.to_owned(),
            params: params.clone(),
        };
        let stakes = self.open.map(OpenRound::stakes);
        let money = RoundMoney::new(self.game.clone(), self.session.currency, self.aggregate.ledger.clone(), stakes);
        let documents = self.aggregate.documents.get(self.game).cloned().unwrap_or_default();
        Ok(Step { call, money, documents, migrate_from: None, seed, may_notify: MayNotify::Granted(None) })
    }

    /// What is to be recorded of a step that was run, before it is known what becomes of it.
    pub(super) fn play(&self, release: &Release, method: &str, params: Json, seed: Seed, done: &mut Done) -> Play {
        Play {
            session: self.session.id.clone(),
            currency: self.session.currency,
            locale: self.session.locale.clone(),
            game: self.game.clone(),
            release: release.digest(),
            method: method.to_owned(),
            params,
            seed,
            fair: None,
            round: None,
            state_version: release.state_version(),
            migrated: done.migrated.take(),
            observed: Observed { positions: done.money.positions_met(), ..std::mem::take(&mut done.observed) },
            draws: std::mem::take(&mut done.draws),
            documents: BTreeMap::new(),
            effects: Vec::new(),
            void: None,
        }
    }

    /// The version of the game's documents, where a release of this version must migrate them first. One that is
    /// older than they are cannot read them: that is so after a rollback.
    fn must_migrate_from(&self, state_version: u32) -> Result<Option<u32>, HostError> {
        let Some(kept) = self.aggregate.state_version(self.game) else { return Ok(None) };
        match kept.cmp(&state_version) {
            Ordering::Less => Ok(Some(kept)),
            Ordering::Equal => Ok(None),
            Ordering::Greater => Err(HostError::StateTooNew { game: self.game.clone(), kept, read: state_version }),
        }
    }
}

/// Why a step went wrong in a way that no release in good order goes wrong.
fn how_it_broke(run: &Result<Done, NotRun>) -> Option<&'static str> {
    match run {
        Ok(Done { answer: Err(malfunction), .. }) => Some(malfunction.to_host_error().reason()),
        Err(NotRun::MigrationFailed) => Some("migration_failed"),
        Ok(_) | Err(NotRun::NotAdmitted) => None,
    }
}

fn not_run(error: NotRun, game: &GameId) -> ErrorReply {
    match error {
        NotRun::NotAdmitted => overloaded(),
        NotRun::MigrationFailed => HostError::MigrationFailed { game: game.clone() }.into(),
    }
}

/// Turns what a game did into a step, or into nothing where it did nothing.
pub(super) fn conclude(
    draft: &mut Draft,
    key: Option<&IdempotencyKey>,
    open: Option<&OpenRound>,
    mut play: Play,
    done: Done,
) -> Outcome {
    let (body, round_open) = match done.answer {
        Ok(Answer::Reply { ref body, round_open }) => (body.clone(), round_open),
        // Nothing was drawn: the answer follows from what the client knew, and leaves no trace.
        Ok(Answer::Fault(fault)) if play.draws.is_empty() => return Err(fault),
        // Chance was asked and then refused: the record shows it, so that nobody can ask again unseen.
        Ok(Answer::Fault(fault)) => return void(draft, key, open, play, "fault-after-draw", fault),
        Err(malfunction) => return malfunctioned(draft, key, open, play, &malfunction),
    };
    let round = round_after(draft, open, &play, &done.money);
    let closes = open.is_some() && !round_open;
    let looked_only = done.money.transfers().is_empty()
        && done.written.is_empty()
        && play.migrated.is_none()
        && play.draws.is_empty()
        && done.effects.is_empty()
        && !closes;
    if looked_only && key.is_none() {
        return Ok(body);
    }
    play.round = round.as_ref().map(|round| mark(draft, round, round_open));
    play.documents = done.written;
    play.effects = done.effects;
    let (game, state_version) = (play.game.clone(), play.state_version);
    let documents = done.documents;
    let (ledger, transfers) = done.money.finish();
    draft.take_step(key, Act::Played(Box::new(play)), transfers, Reply::Result(body), |aggregate| {
        aggregate.ledger = ledger;
        aggregate.keep_documents(&game, state_version, documents);
        match round.filter(|_| round_open) {
            Some(round) => aggregate.rounds.insert(game, round),
            None => aggregate.rounds.remove(&game),
        };
    })
}

/// Settles the round unless it goes on. Where that cannot be done the game has broken down.
pub(super) fn settle(done: &mut Done, release: &Release, method: &str) {
    let Ok(Answer::Reply { round_open, .. }) = done.answer else { return };
    if let Err(malfunction) = close_round(&mut done.money, round_open) {
        let game = &release.descriptor().id;
        tracing::error!(target: "game", %game, release = %release.digest(), method, "the game broke down: {malfunction}");
        done.answer = Err(malfunction);
    }
}

/// Settles a round unless the game keeps it open.
///
/// # Errors
/// Where the game's answer does not fit the money that it has moved.
pub fn close_round(money: &mut RoundMoney, round_open: bool) -> Result<(), Malfunction> {
    match (money.round(), round_open) {
        (None, true) => Err(Malfunction::InvalidReply("it keeps a round open that no stake has opened".to_owned())),
        (_, true) => Ok(()),
        (_, false) => money.settle().map_err(|refusal| Malfunction::InvalidReply(refusal.to_string())),
    }
}

/// The round with this call in it.
fn round_after(draft: &Draft, open: Option<&OpenRound>, play: &Play, money: &RoundMoney) -> Option<OpenRound> {
    let stakes = money.round()?;
    let mut round = open.cloned().unwrap_or(OpenRound {
        opened_by: draft.next_step(),
        opened_at_ms: draft.now_ms,
        release: play.release,
        currency: play.currency,
        calls: 0,
        staked: stakes.staked,
        paid: stakes.paid,
    });
    round.calls += 1;
    round.staked = stakes.staked;
    round.paid = stakes.paid;
    Some(round)
}

fn mark(draft: &Draft, round: &OpenRound, open: bool) -> RoundMark {
    RoundMark {
        id: RoundId { aggregate: draft.aggregate.id.clone(), opened_by: round.opened_by },
        call: round.calls - 1,
        opened_at_ms: round.opened_at_ms,
        staked: round.staked,
        paid: round.paid,
        open,
    }
}

fn malfunctioned(
    draft: &mut Draft,
    key: Option<&IdempotencyKey>,
    open: Option<&OpenRound>,
    play: Play,
    malfunction: &Malfunction,
) -> Outcome {
    let error = malfunction.to_host_error();
    let reason = error.reason();
    void(draft, key, open, play, reason, error.into())
}

/// Records a step that changes nothing but the chain.
fn void(
    draft: &mut Draft,
    key: Option<&IdempotencyKey>,
    open: Option<&OpenRound>,
    mut play: Play,
    reason: &str,
    error: ErrorReply,
) -> Outcome {
    play.void = Some(reason.to_owned());
    play.observed.round = open.map(|round| RoundSeen {
        id: RoundId { aggregate: draft.aggregate.id.clone(), opened_by: round.opened_by },
        calls: round.calls,
        paid: round.paid,
    });
    draft.take_step(key, Act::Played(Box::new(play)), Vec::new(), Reply::Error(error), |_| {})
}
