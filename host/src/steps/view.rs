//! Looking at an aggregate: balances, history, rounds. Changes nothing.

use super::{
    Outcome, fairness,
    group::{Draft, Groups},
    replies::{Balances, Movement, MovementKind, Page, PlayerInfo, RoundCall, RoundHistory, RoundRow, SessionInfo},
    reply,
};
use crate::{
    aggregate::{Aggregate, OpenRound},
    errors::{ErrorReply, HostError},
    identity::{GameId, RoundId, SessionId},
    limits::PAGE_RECORDS_MAX,
    money::Account,
    record::{Act, Play, Record},
};

/// What to look at.
#[derive(Clone, Debug)]
pub enum View {
    /// The player, for the operator: balances, sessions, open rounds.
    Player,
    /// A session, for its player.
    Session(SessionId),
    /// The balances of a session's player.
    Balance(SessionId),
    /// Movements of money, newest first.
    History(HistoryQuery),
    /// Rounds: those open now, then those closed, newest first.
    Rounds(HistoryQuery),
    /// The pair of seeds that the session's player plays with.
    Seeds(SessionId),
    /// The server seed of a pair that the player plays with no more.
    RevealedSeed(SessionId, u64),
    /// One round, with all its calls and draws.
    Round(Option<SessionId>, RoundId),
}

/// A page of the past.
#[derive(Clone, Debug)]
pub struct HistoryQuery {
    /// Whose session asks; `None` for the operator.
    pub session: Option<SessionId>,
    /// Only what happened before this step: the `next` of the page before.
    pub before: Option<u64>,
    /// Rows wanted.
    pub rows_max: usize,
}

impl View {
    pub(super) fn reads_records(&self) -> bool {
        matches!(self, Self::History(_) | Self::Rounds(_) | Self::Round(..))
    }

    fn session(&self) -> Option<&SessionId> {
        match self {
            Self::Player => None,
            Self::Session(session) | Self::Balance(session) | Self::Seeds(session) | Self::RevealedSeed(session, _) => {
                Some(session)
            }
            Self::History(query) | Self::Rounds(query) => query.session.as_ref(),
            Self::Round(session, _) => session.as_ref(),
        }
    }
}

impl Groups {
    pub(super) async fn view(&self, draft: &Draft, view: &View) -> Outcome {
        let aggregate = &*draft.aggregate;
        if let Some(session) = view.session() {
            aggregate.session(session, draft.now_ms).ok_or(HostError::SessionEnded)?;
        }
        match view {
            View::Player => player(aggregate),
            View::Session(session) => session_info(aggregate, session),
            View::Balance(session) => balance(aggregate, session),
            View::History(query) => self.history(aggregate, query).await,
            View::Rounds(query) => self.rounds(aggregate, query).await,
            View::Seeds(_) => fairness::committed(aggregate, &self.fair),
            View::RevealedSeed(_, pair) => fairness::revealed(aggregate, &self.fair, *pair),
            View::Round(_, round) => self.round(aggregate, round).await,
        }
    }

    async fn history(&self, aggregate: &Aggregate, query: &HistoryQuery) -> Outcome {
        let page = self.page(aggregate, query, Vec::new(), |record, rows| rows.extend(movements(record))).await?;
        reply(&page)
    }

    async fn rounds(&self, aggregate: &Aggregate, query: &HistoryQuery) -> Outcome {
        let open = aggregate.rounds.iter().map(|(game, round)| open_row(aggregate, game, round));
        let rows = if query.before.is_none() { open.collect() } else { Vec::new() };
        reply(&self.page(aggregate, query, rows, |record, rows| rows.extend(closed_row(record))).await?)
    }

    /// Fills a page from the records, newest first. The rows of one step stay together, so a page may have a few more
    /// than were wanted; it has fewer at the end, and where filling it would read too much for one call.
    async fn page<T>(
        &self,
        aggregate: &Aggregate,
        query: &HistoryQuery,
        mut rows: Vec<T>,
        add_rows: impl Fn(&Record, &mut Vec<T>),
    ) -> Result<Page<T>, ErrorReply> {
        let newest = query.before.map_or(aggregate.step, |before| before.saturating_sub(1).min(aggregate.step));
        let mut last = newest;
        while last > 0 && rows.len() < query.rows_max && newest - last < PAGE_RECORDS_MAX {
            let first = (last + 1).saturating_sub(PAGE_CHUNK_RECORDS).max(1);
            for record in self.records(&aggregate.id, first, last).await?.iter().rev() {
                add_rows(record, &mut rows);
                last = record.step - 1;
                if rows.len() >= query.rows_max {
                    break;
                }
            }
        }
        Ok(Page { rows, next: (last > 0).then_some(last + 1) })
    }

    async fn round(&self, aggregate: &Aggregate, id: &RoundId) -> Outcome {
        if id.aggregate != aggregate.id {
            return Err(HostError::RoundNotFound.into());
        }
        let mut calls = Vec::new();
        let mut first = id.opened_by;
        // Most rounds are a few steps in a row; one that was interrupted may go on much later.
        let mut chunk_records = 4;
        while first <= aggregate.step {
            let last = first.saturating_add(chunk_records - 1);
            chunk_records = PAGE_CHUNK_RECORDS.min(chunk_records * 4);
            let records = self.records(&aggregate.id, first, last).await?;
            for record in records {
                let round = played(&record).and_then(|play| Some((play, play.round.as_ref()?)));
                let Some((play, mark)) = round.filter(|(_, mark)| mark.id == *id) else {
                    // The step that the id names must itself be of the round.
                    if calls.is_empty() {
                        return Err(HostError::RoundNotFound.into());
                    }
                    continue;
                };
                // The newest call of a round that is still open is known from the aggregate.
                let is_newest = aggregate
                    .rounds
                    .get(&play.game)
                    .is_some_and(|open| open.opened_by == id.opened_by && open.calls == mark.call + 1);
                let is_last = !mark.open || is_newest;
                calls.push(record);
                if is_last {
                    return round_reply(calls);
                }
            }
            first = last.saturating_add(1);
        }
        if calls.is_empty() { Err(HostError::RoundNotFound.into()) } else { round_reply(calls) }
    }
}

/// Records read at a time.
const PAGE_CHUNK_RECORDS: u64 = 50;

fn player(aggregate: &Aggregate) -> Outcome {
    reply(&PlayerInfo {
        player: aggregate.id.name().to_owned(),
        steps: aggregate.step,
        balances: aggregate.ledger.balances().collect(),
        sessions: aggregate.sessions.clone(),
        open_rounds: aggregate.rounds.iter().map(|(game, round)| open_row(aggregate, game, round)).collect(),
    })
}

fn session_info(aggregate: &Aggregate, session: &SessionId) -> Outcome {
    let session = aggregate.sessions.iter().find(|open| open.id == *session).ok_or(HostError::SessionEnded)?;
    reply(&SessionInfo {
        player: aggregate.id.name().to_owned(),
        session: session.clone(),
        balance: aggregate.ledger.balance(session.currency),
    })
}

fn balance(aggregate: &Aggregate, session: &SessionId) -> Outcome {
    let session = aggregate.sessions.iter().find(|open| open.id == *session).ok_or(HostError::SessionEnded)?;
    reply(&Balances {
        currency: session.currency,
        balance: aggregate.ledger.balance(session.currency),
        balances: aggregate.ledger.balances().collect(),
    })
}

fn movements(record: &Record) -> impl Iterator<Item = Movement> {
    let play = played(record);
    let reason = match &record.act {
        Act::Deposited(payment) | Act::Withdrawn(payment) => payment.reason.as_deref(),
        _ => None,
    };
    record.transfers.iter().rev().filter_map(move |transfer| {
        let amount = i64::try_from(transfer.amount.get()).ok()?;
        let (kind, change) = match (&transfer.from, &transfer.to) {
            (Account::Operator, Account::Player) => (MovementKind::Deposit, amount),
            (Account::Player, Account::Operator) => (MovementKind::Withdrawal, -amount),
            (Account::Player, Account::Escrow) => (MovementKind::Stake, -amount),
            (Account::Escrow, Account::Player) => (MovementKind::Refund, amount),
            (Account::House(_), Account::Player) => (MovementKind::Payout, amount),
            // Between escrow and house: no movement of the player's.
            _ => return None,
        };
        Some(Movement {
            step: record.step,
            at_ms: record.at_ms,
            kind,
            game: play.map(|play| play.game.clone()),
            round: play.and_then(|play| play.round.as_ref()).map(|mark| mark.id.clone()),
            reason: reason.map(str::to_owned),
            currency: transfer.currency,
            change,
            balance: transfer.balance,
        })
    })
}

fn played(record: &Record) -> Option<&Play> {
    match &record.act {
        Act::Played(play) => Some(play),
        _ => None,
    }
}

fn open_row(aggregate: &Aggregate, game: &GameId, round: &OpenRound) -> RoundRow {
    RoundRow {
        round: RoundId { aggregate: aggregate.id.clone(), opened_by: round.opened_by },
        game: game.clone(),
        release: round.release,
        currency: round.currency,
        opened_at_ms: round.opened_at_ms,
        closed_at_ms: None,
        open: true,
        calls: round.calls,
        staked: round.staked,
        paid: round.paid,
    }
}

/// The row of the round that a step closed.
fn closed_row(record: &Record) -> Option<RoundRow> {
    round_row(record).filter(|row| !row.open)
}

fn round_row(record: &Record) -> Option<RoundRow> {
    let play = played(record)?;
    let mark = play.round.as_ref()?;
    Some(RoundRow {
        round: mark.id.clone(),
        game: play.game.clone(),
        release: play.release,
        currency: play.currency,
        opened_at_ms: mark.opened_at_ms,
        closed_at_ms: (!mark.open).then_some(record.at_ms),
        open: mark.open,
        calls: mark.call + 1,
        staked: mark.staked,
        paid: mark.paid,
    })
}

fn round_reply(records: Vec<Record>) -> Outcome {
    let summary = records.last().and_then(round_row).ok_or(HostError::RoundNotFound)?;
    let calls = records.into_iter().filter_map(|record| {
        let Act::Played(play) = record.act else { return None };
        Some(RoundCall {
            step: record.step,
            at_ms: record.at_ms,
            release: play.release,
            method: play.method,
            params: play.params,
            fair: play.fair,
            draws: play.draws,
            transfers: record.transfers,
            reply: record.reply,
        })
    });
    reply(&RoundHistory { summary, calls: calls.collect() })
}
