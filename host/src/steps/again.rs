//! A recorded step taken once more: the same release, the same call, the same seed, on what the record says that the game
//! saw. It goes through the very code that took it the first time, and ends in a record to hold against the stored one.

use std::{collections::BTreeMap, sync::Arc};

use thiserror::Error;

use super::{
    group::Draft,
    play::{Before, conclude, settle},
};
use crate::{
    aggregate::{Aggregate, OpenRound, Session},
    engine::{Engine, MayNotify, NotRun, Release, Step},
    identity::RoundId,
    json::Json,
    money::{Account, Amount, Ledger},
    record::{Act, EncodedRecord, Play, Record},
};

/// Why a recorded step was not taken once more.
#[derive(Debug, Error)]
pub enum NotAgain {
    /// No game had a part in it.
    #[error("it is no call of a game")]
    NotPlayed,
    /// The engine did not run it.
    #[error(transparent)]
    NotRun(#[from] NotRun),
    /// The record contradicts itself.
    #[error("what it says of the step's beginning cannot be: {0}")]
    Impossible(&'static str),
}

/// Takes a recorded step once more, on the release that it was taken on. The record as it comes out this time; `None` where
/// this time there was nothing to record.
///
/// # Errors
/// [`NotAgain`].
pub async fn again(engine: &Engine, release: &Release, record: &Record) -> Result<Option<EncodedRecord>, NotAgain> {
    let Act::Played(play) = &record.act else { return Err(NotAgain::NotPlayed) };
    let mut draft = Draft::before(aggregate_before(record, play)?, record.at_ms);
    let aggregate = draft.aggregate.clone();
    let session = Session {
        id: play.session.clone(),
        currency: play.currency,
        locale: play.locale.clone(),
        opened_at_ms: record.at_ms,
        expires_at_ms: u64::MAX,
    };
    let open = aggregate.rounds.get(&play.game);
    let before = Before { aggregate: &aggregate, session: &session, open, game: &play.game };
    let begun = before.step(&draft, &play.method, &play.params, play.seed);
    let step = Step {
        migrate_from: play.migrated.as_ref().map(|migrated| migrated.from),
        may_notify: MayNotify::AllBut(play.observed.not_granted.clone()),
        ..begun.map_err(|_| NotAgain::Impossible("its aggregate is no player"))?
    };
    let mut done = engine.run(release, step).await?;
    settle(&mut done, release, &play.method);
    let played = before.play(release, &play.method, play.params.clone(), play.seed, &mut done);
    let played = Play { fair: play.fair.clone(), ..played };
    // What the client would be told is in the record.
    let _told = conclude(&mut draft, record.key.as_ref(), open, played, done);
    Ok(draft.into_newest())
}

/// The aggregate before a step, as far as the step has seen it.
fn aggregate_before(record: &Record, play: &Play) -> Result<Aggregate, NotAgain> {
    let mut aggregate = Aggregate::new(record.aggregate.clone());
    aggregate.step = record.step.checked_sub(1).ok_or(NotAgain::Impossible("its number is 0"))?;
    aggregate.head = record.previous;
    aggregate.ledger = ledger_before(play);
    if let Some(round) = round_before(record, play)? {
        aggregate.rounds.insert(play.game.clone(), round);
    }
    aggregate.documents.insert(play.game.clone(), Arc::new(documents_before(play)));
    Ok(aggregate)
}

fn ledger_before(play: &Play) -> Ledger {
    let seen = &play.observed;
    let (escrow, house) =
        seen.positions.map_or((seen.staked.signed(), 0), |positions| (positions.escrow, positions.house));
    let positions = [
        (Account::Player, seen.balance.signed()),
        (Account::Escrow, escrow),
        (Account::House(play.game.clone()), house),
    ];
    Ledger::with_positions(play.currency, positions)
}

fn round_before(record: &Record, play: &Play) -> Result<Option<OpenRound>, NotAgain> {
    let open = |id: &RoundId, calls: u32, opened_at_ms: u64, paid: Amount| OpenRound {
        opened_by: id.opened_by,
        opened_at_ms,
        release: play.release,
        currency: play.currency,
        calls,
        staked: play.observed.staked,
        paid,
    };
    match (&play.round, &play.observed.round) {
        (Some(mark), _) if mark.call > 0 => {
            let house = Account::House(play.game.clone());
            let payouts = record.transfers.iter().filter(|transfer| transfer.from == house);
            let paid = payouts.map(|payout| payout.amount.get()).sum::<u64>();
            let before = mark.paid.get().checked_sub(paid).and_then(|before| Amount::new(before).ok());
            let before = before.ok_or(NotAgain::Impossible("it paid more than its round"))?;
            Ok(Some(open(&mark.id, mark.call, mark.opened_at_ms, before)))
        }
        (None, Some(seen)) => Ok(Some(open(&seen.id, seen.calls, record.at_ms, seen.paid))),
        _ => Ok(None),
    }
}

/// The documents that the game has read or listed or deleted, and something of the same size for those that only counted.
fn documents_before(play: &Play) -> BTreeMap<String, Json> {
    if let Some(migrated) = &play.migrated {
        return migrated.before.clone();
    }
    let seen = &play.observed;
    let deleted = play.documents.iter().filter(|(_, value)| value.is_none()).map(|(key, _)| key);
    let there = deleted.chain(seen.keys.iter().flatten());
    let mut documents: BTreeMap<_, _> = there.map(|key| (key.clone(), stand_in(1))).collect();
    for (key, size) in seen.unread.iter().flatten() {
        documents.insert(key.clone(), stand_in(*size));
    }
    for (key, value) in &seen.documents {
        match value {
            Some(value) => documents.insert(key.clone(), value.clone()),
            None => documents.remove(key),
        };
    }
    documents
}

/// JSON of this many bytes, for a document whose content nobody has read.
fn stand_in(bytes: usize) -> Json {
    let text = match bytes.checked_sub(2) {
        Some(inner) => format!("\"{}\"", "-".repeat(inner)),
        None => "0".to_owned(),
    };
    Json::parse(text).expect("a short text of dashes is JSON")
}
