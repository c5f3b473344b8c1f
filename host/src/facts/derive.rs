//! From what a step tells to the facts in it.

use super::{Fact, FactId, What};
use crate::{
    identity::SourceName,
    record::{Effect, Told, ToldAct, ToldPlay},
};

/// The facts of a step. One that is wanted for tracking has some, another has none.
#[must_use]
pub fn facts_of(source: &SourceName, told: &Told) -> Vec<Fact> {
    let fact = |position, what| {
        let id = FactId { source: source.clone(), aggregate: told.aggregate.clone(), step: told.step, position };
        Fact { id, at_ms: told.at_ms, what }
    };
    let of_step = |what| vec![fact(FactId::OF_STEP, what)];
    match &told.act {
        ToldAct::Created {} | ToldAct::SeedsRotated {} => Vec::new(),
        ToldAct::SessionOpened(session) => {
            of_step(What::SessionOpened { session: session.id.clone(), currency: session.currency })
        }
        ToldAct::SessionClosed { session } => of_step(What::SessionClosed { session: session.clone() }),
        ToldAct::Deposited(payment) => of_step(What::Deposit { currency: payment.currency, amount: payment.amount }),
        ToldAct::Withdrawn(payment) => of_step(What::Withdrawal { currency: payment.currency, amount: payment.amount }),
        ToldAct::Played(play) => {
            let events =
                (0..).zip(&play.effects).filter_map(|(position, effect)| Some((position, event(play, effect)?)));
            let outcome = outcome(play).map(|what| (FactId::OF_STEP, what));
            events.chain(outcome).map(|(position, what)| fact(position, what)).collect()
        }
    }
}

fn event(play: &ToldPlay, effect: &Effect) -> Option<What> {
    let Effect::Event { name, props } = effect else { return None };
    Some(What::Event { play: place(play), name: name.clone(), props: props.clone() })
}

fn outcome(play: &ToldPlay) -> Option<What> {
    if let Some(reason) = &play.void {
        return Some(What::StepVoid { play: place(play), reason: reason.clone() });
    }
    let round = play.round.as_ref().filter(|round| !round.open)?;
    Some(What::RoundClosed {
        play: place(play),
        round: round.id.clone(),
        opened_at_ms: round.opened_at_ms,
        calls: round.call + 1,
        currency: play.currency,
        staked: round.staked,
        paid: round.paid,
    })
}

fn place(play: &ToldPlay) -> super::Play {
    super::Play { game: play.game.clone(), release: play.release, session: play.session.clone() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::facts::{Kind, samples};

    fn check(act: serde_json::Value, expected: &[(Kind, u16)]) {
        let record = samples::record(act.clone());
        let facts = facts_of(&"main".parse().unwrap(), &record.clone().into());
        let found: Vec<_> = facts.iter().map(|fact| (fact.what.kind(), fact.id.position)).collect();
        assert_eq!(found, expected, "{act}");
        assert_eq!(record.destinations().tracking, !facts.is_empty(), "{act}");
        for fact in facts {
            assert_eq!((fact.id.step, fact.at_ms), (record.step, record.at_ms));
            let text = serde_json::to_string(&fact).unwrap();
            assert_eq!(serde_json::from_str::<Fact>(&text).unwrap(), fact);
        }
    }

    #[test]
    fn a_step_tells_its_facts_and_is_carried_on_only_if_it_has_some() {
        const STEP: u16 = FactId::OF_STEP;
        let payment = json!({ "currency": "EUR", "amount": 5 });
        let closed = samples::mark(false);
        let event = json!({ "event": { "name": "bonus", "props": { "level": 3 } } });
        let message = json!({ "notification": { "channel": "push", "template": "t", "data": 1, "delay_ms": 0 } });
        check(json!({ "created": {} }), &[]);
        check(json!({ "session_opened": samples::session() }), &[(Kind::SessionOpened, STEP)]);
        check(json!({ "session_closed": { "session": samples::SESSION } }), &[(Kind::SessionClosed, STEP)]);
        check(json!({ "deposited": payment }), &[(Kind::Deposit, STEP)]);
        check(json!({ "withdrawn": payment }), &[(Kind::Withdrawal, STEP)]);
        check(samples::played(json!({})), &[]);
        check(samples::played(json!({ "round": samples::mark(true) })), &[]);
        check(samples::played(json!({ "round": closed })), &[(Kind::RoundClosed, STEP)]);
        check(samples::played(json!({ "effects": [message] })), &[]);
        check(samples::played(json!({ "void": "game_trapped" })), &[(Kind::StepVoid, STEP)]);
        check(
            samples::played(json!({ "effects": [message, event, message, event], "round": closed })),
            &[(Kind::Event, 1), (Kind::Event, 3), (Kind::RoundClosed, STEP)],
        );
    }
}
