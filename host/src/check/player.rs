//! A player of a check: money, documents and an open round, carried from call to call as steps carry them, without a store.

use std::collections::BTreeSet;

use crate::{
    aggregate::Documents,
    chance::Seed,
    engine::{Answer, Call, Done, Malfunction, MayNotify, Step},
    identity::{AggregateId, GameId, InvalidName, Locale, PlayerId, RoundId},
    json::Json,
    money::{Account, Amount, AmountTooLarge, Currency, Ledger, Transfer},
    rounds::{RoundMoney, Stakes},
    steps::close_round,
};

/// What a player has at least before every call, and is given where they have less: no game is to end for want of money.
const BALANCE_MIN: Amount = match Amount::new(1_000_000_000) {
    Ok(amount) => amount,
    Err(AmountTooLarge) => Amount::ZERO,
};

/// A session as every call has it.
#[derive(Clone, Debug)]
pub(super) struct Session {
    game: GameId,
    currency: Currency,
    locale: Locale,
}

impl Session {
    pub(super) fn of(game: GameId) -> anyhow::Result<Self> {
        Ok(Self { game, currency: "EUR".parse()?, locale: "en".parse()? })
    }
}

/// One player.
#[derive(Clone, Debug)]
pub(super) struct Player {
    id: PlayerId,
    session: Session,
    ledger: Ledger,
    documents: Documents,
    round: Option<Round>,
    /// Calls that changed something.
    steps: u64,
}

/// A round as far as it was played.
#[derive(Clone, Debug)]
struct Round {
    opened_by: u64,
    calls: u32,
    stakes: Stakes,
    /// All stakes, whether they were given back or not.
    gross: u64,
    draws: usize,
    /// What its calls after the first have called.
    went_on_with: BTreeSet<String>,
}

/// A round that is over.
#[derive(Clone, Debug)]
pub(super) struct Closed {
    pub(super) stakes: Stakes,
    /// All stakes, whether they were given back or not.
    pub(super) gross: u64,
    pub(super) calls: u32,
    pub(super) draws: usize,
    /// What its calls after the first have called.
    pub(super) went_on_with: BTreeSet<String>,
}

/// What the world is when a call comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances {
    pub(super) seed: Seed,
    pub(super) now_ms: u64,
}

impl Player {
    pub(super) fn new(name: &str, session: Session) -> Result<Self, InvalidName> {
        let (ledger, documents) = (Ledger::default(), Documents::default());
        Ok(Self { id: name.parse()?, session, ledger, documents, round: None, steps: 0 })
    }

    /// The same player by another name, whose rounds are called something else too.
    pub(super) fn renamed(&self, name: &str) -> Result<Self, InvalidName> {
        let mut other = Self { id: name.parse()?, steps: self.steps + 1_000, ..self.clone() };
        if let Some(round) = &mut other.round {
            round.opened_by += 1_000;
        }
        Ok(other)
    }

    pub(super) fn has_open_round(&self) -> bool {
        self.round.is_some()
    }

    /// What the game keeps for them, in bytes as they are bounded.
    pub(super) fn documents_bytes(&self) -> usize {
        self.documents.iter().map(|(key, value)| key.len() + value.as_str().len()).sum()
    }

    /// Gives the player money where they have little.
    pub(super) fn fund(&mut self) {
        let (balance, currency) = (self.ledger.balance(self.session.currency), self.session.currency);
        if let Some(missing) = BALANCE_MIN.minus(balance).filter(|missing| *missing > Amount::ZERO) {
            // The operator may owe as much as any player can hold.
            let _funded = self.ledger.transfer(Account::Operator, Account::Player, currency, missing);
        }
    }

    /// A call as a step.
    pub(super) fn step(&self, method: &str, params: &Json, circumstances: Circumstances) -> Step {
        let opened_by = self.round.as_ref().map_or(self.steps, |round| round.opened_by);
        let call = Call {
            player: self.id.clone(),
            currency: self.session.currency,
            locale: self.session.locale.clone(),
            round: RoundId { aggregate: AggregateId::player(&self.id), opened_by },
            round_calls: self.round.as_ref().map_or(0, |round| round.calls),
            now_ms: circumstances.now_ms,
            method: method.to_owned(),
            params: params.clone(),
        };
        let stakes = self.round.as_ref().map(|round| round.stakes);
        let money = RoundMoney::new(self.session.game.clone(), self.session.currency, self.ledger.clone(), stakes);
        let documents = self.documents.clone();
        Step {
            call,
            money,
            documents,
            migrate_from: None,
            seed: circumstances.seed,
            may_notify: MayNotify::AllBut(Vec::new()),
        }
    }

    /// Takes over what a step has done, where it has replied: the round that it has closed, if it has.
    ///
    /// # Errors
    /// Where the reply does not fit the money that was moved; then nothing is taken over.
    pub(super) fn take(&mut self, method: &str, done: Done) -> Result<Option<Closed>, Malfunction> {
        let Ok(Answer::Reply { round_open, .. }) = done.answer else { return Ok(None) };
        let mut money = done.money;
        let (stakes, staked) = (money.round(), staked(money.transfers()));
        close_round(&mut money, round_open)?;
        self.ledger = money.finish().0;
        self.documents = done.documents;
        self.steps += 1;
        let Some(stakes) = stakes else { return Ok(None) };
        let opened_by = self.steps - 1;
        let round = self.round.take();
        let goes_on = round.is_some();
        let mut round =
            round.unwrap_or(Round { opened_by, calls: 0, stakes, gross: 0, draws: 0, went_on_with: BTreeSet::new() });
        round.calls += 1;
        round.stakes = stakes;
        round.gross += staked;
        round.draws += done.draws.len();
        let is_look = done.written.is_empty() && done.draws.is_empty() && staked == 0;
        if goes_on && !is_look {
            round.went_on_with.insert(method.to_owned());
        }
        if round_open {
            self.round = Some(round);
            return Ok(None);
        }
        let Round { stakes, gross, calls, draws, went_on_with, .. } = round;
        Ok(Some(Closed { stakes, gross, calls, draws, went_on_with }))
    }
}

fn staked(transfers: &[Transfer]) -> u64 {
    transfers.iter().filter(|transfer| transfer.to == Account::Escrow).map(|transfer| transfer.amount.get()).sum()
}
