//! One player who is new to a game, played through the ordinary calls: money and documents go from call to call as they do
//! between steps, without a store.

use super::Subject;
use crate::{
    aggregate::Documents,
    chance::{Draw, Seed},
    engine::{Answer, Call, MayNotify, Moved, NotRun, Step},
    identity::{AggregateId, PlayerId, RoundId},
    json::Json,
    money::{Account, Amount, Currency, Ledger, Transfer},
    record::Effect,
    rounds::{RoundMoney, Stakes},
};

/// What a simulated player begins with, as the contract has it.
const BALANCE: u64 = 1 << 52;

/// Where a call's draws come from.
pub(super) enum Draws {
    Seed(Seed),
    Script(Vec<Draw>),
}

pub(super) struct Seat<'a> {
    subject: &'a Subject,
    /// Every call but for what it calls.
    call: Call,
    ledger: Ledger,
    documents: Documents,
    /// The open round.
    round: Option<Stakes>,
}

/// What a call came to.
pub(super) struct Called {
    pub(super) body: Json,
    pub(super) round_open: bool,
    pub(super) draws: Vec<Draw>,
    pub(super) moved: Moved,
    pub(super) events: Vec<String>,
    /// The round that it has settled.
    pub(super) settled: Option<Stakes>,
}

/// A call was not answered with a result.
pub(super) enum NotCalled {
    NotRun(NotRun),
    Why(String),
}

impl<'a> Seat<'a> {
    pub(super) fn new(subject: &'a Subject) -> Self {
        let player: PlayerId = "simulation".parse().expect("a player's name");
        let currency: Currency = "EUR".parse().expect("a currency");
        let mut ledger = Ledger::default();
        let balance = Amount::new(BALANCE).expect("an amount");
        ledger.transfer(Account::Operator, Account::Player, currency, balance).expect("the operator may owe");
        let call = Call {
            round: RoundId { aggregate: AggregateId::player(&player), opened_by: 1 },
            player,
            currency,
            locale: "en-GB".parse().expect("a locale"),
            round_calls: 0,
            now_ms: 0,
            method: String::new(),
            params: Json::parse("{}".to_owned()).expect("JSON"),
        };
        Self { subject, call, ledger, documents: Documents::default(), round: None }
    }

    /// Makes a call as a player's client does.
    pub(super) async fn call(&mut self, method: &str, params: &Json, draws: Draws) -> Result<Called, NotCalled> {
        let why = |why: String| NotCalled::Why(format!("'{method}' with {}: {why}", params.as_str()));
        let read = serde_json::from_str(params.as_str()).map_err(|error| why(error.to_string()))?;
        self.subject.game.check(method, &read).map_err(|error| why(error.message))?;
        let release = &self.subject.game.release;
        let game = release.descriptor().id.clone();
        let step = Step {
            call: Call { method: method.to_owned(), params: params.clone(), ..self.call.clone() },
            money: RoundMoney::new(game, self.call.currency, self.ledger.clone(), self.round),
            documents: self.documents.clone(),
            migrate_from: None,
            seed: match draws {
                Draws::Seed(seed) => seed,
                Draws::Script(_) => Seed::from_bytes([0; 32]),
            },
            may_notify: MayNotify::Granted(None),
        };
        let done = match draws {
            Draws::Seed(_) => self.subject.engine.run(release, step).await,
            Draws::Script(draws) => self.subject.engine.run_scripted(release, step, draws).await,
        };
        let done = done.map_err(NotCalled::NotRun)?;
        let (body, round_open) = match done.answer {
            Ok(Answer::Reply { body, round_open }) => (body, round_open),
            Ok(Answer::Fault(fault)) => return Err(why(format!("fault {}: {}", fault.code, fault.message))),
            Err(malfunction) => return Err(why(format!("the game broke down: {malfunction}"))),
        };
        let mut money = done.money;
        let moved = moved(money.transfers());
        let round = money.round();
        if round_open {
            (self.round, self.call.round_calls) = (round, self.call.round_calls + 1);
        } else {
            money.settle().map_err(|refusal| why(refusal.to_string()))?;
            (self.round, self.call.round_calls) = (None, 0);
        }
        if round_open && round.is_none() {
            return Err(why("it keeps a round open that no stake has opened".to_owned()));
        }
        (self.ledger, _) = money.finish();
        self.documents = done.documents;
        let event = |effect| match effect {
            Effect::Event { name, .. } => Some(name),
            Effect::Notification { .. } => None,
        };
        let events = done.effects.into_iter().filter_map(event).collect();
        let settled = round.filter(|_| !round_open);
        Ok(Called { body, round_open, draws: done.draws, moved, events, settled })
    }
}

fn moved(transfers: &[Transfer]) -> Moved {
    let mut moved = Moved::default();
    for Transfer { from, to, amount, .. } in transfers {
        let sum = match (from, to) {
            (Account::Player, _) => &mut moved.staked,
            (Account::Escrow, _) => &mut moved.refunded,
            _ => &mut moved.paid,
        };
        *sum += amount.get();
    }
    moved
}
