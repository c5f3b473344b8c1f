use crate::prelude::*;
use crate::simulation::{Bet, Moved, Outcome, Simulation, simulate, trace};
use crate::testing::{Draw, TestTable};
use serde_json::{Value, json};

const SEED: [u64; 4] = [1, 2, 3, 4];

/// Double or quits: a round goes on while the player wins, up to three times.
#[derive(Default, Serialize, Deserialize)]
struct Ladder {
    pot: u64,
    rounds: u64,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct BeginParams {
    stake: u64,
}

#[game(id = "ladder", title = "Ladder", rtp_ppm = 1_000_000, max_win_ppm = 8_000_000, simulation)]
impl Ladder {
    pub fn begin(&mut self, table: &mut Table, params: BeginParams) -> Result<u64, Fault> {
        if params.stake == 13 {
            return Err(Fault::new(1, "not that"));
        }
        table.stake(params.stake + 1)?;
        table.refund(1)?;
        self.rounds += 1;
        self.pot = params.stake;
        self.climb(table)
    }

    pub fn climb(&mut self, table: &mut Table) -> Result<u64, Fault> {
        let wins = table.below(2) == 1;
        self.pot = if wins { 2 * self.pot } else { 0 };
        table.track("climbed", &wins)?;
        if self.pot >= 8 * table.staked() {
            table.pay(self.pot)?;
        } else if wins {
            table.keep_round_open();
        }
        Ok(self.pot)
    }
}

impl Simulation for Ladder {
    fn bets() -> Vec<Bet<Self>> {
        let bet = |name: &str, stake| {
            Bet::new(name, "To the top", move |round| {
                round.play("begin", BeginParams { stake }, Self::begin)?;
                while round.is_open() {
                    assert!(round.game().pot > 0);
                    round.play_bare("climb", Self::climb)?;
                }
                Ok(())
            })
        };
        vec![
            bet("top", 10),
            bet("refused", 13),
            Bet::new("unfinished", "", |round| round.play("begin", BeginParams { stake: 1 }, Self::begin).map(drop)),
            Bet::new("twice", "", |round| {
                for _ in 0..10 {
                    round.play("begin", BeginParams { stake: 1 }, Self::begin)?;
                }
                Ok(())
            }),
        ]
    }
}

#[test]
fn outcomes_methods_and_events_are_those_of_the_rounds() {
    let tally = simulate::<Ladder>("top", SEED, 8_000).unwrap();
    assert_eq!(tally.outcomes.len(), 8_000);
    assert!(tally.outcomes.iter().all(|outcome| outcome.staked == 10 && [0, 80].contains(&outcome.paid)));
    let wins = tally.outcomes.iter().filter(|outcome| outcome.paid > 0).count();
    assert!((900..1_100).contains(&wins), "{wins}");
    let [begin, climb] = &tally.methods[..] else { panic!("{:?}", tally.methods) };
    assert_eq!(
        (begin.name, begin.calls, begin.moved),
        ("begin", 8_000, Moved { staked: 88_000, refunded: 8_000, paid: 0 })
    );
    assert_eq!((climb.name, climb.moved.paid), ("climb", 80 * wins as u64));
    assert_eq!(tally.events["climbed"], begin.calls + climb.calls);
}

#[test]
fn a_seed_is_one_sequence_of_rounds() {
    let (some, more) = (simulate::<Ladder>("top", SEED, 100).unwrap(), simulate::<Ladder>("top", SEED, 1_000).unwrap());
    assert_eq!(some.outcomes, more.outcomes[..100]);
    assert_ne!(some.outcomes, simulate::<Ladder>("top", [4, 3, 2, 1], 100).unwrap().outcomes);
}

/// What a trace tells, played through the ordinary calls, is the same to the byte.
#[test]
fn a_trace_can_be_played_again() {
    let tally = simulate::<Ladder>("top", SEED, 200).unwrap();
    let mut table = TestTable::<Ladder>::new().with_balance(1 << 52);
    for (round, outcome) in trace::<Ladder>("top", SEED, 200).unwrap().iter().zip(&tally.outcomes) {
        let mut paid = 0;
        for call in round {
            table.script(call.draws.iter().map(|draw| Draw::from(draw["below"][1].as_u64().unwrap())));
            let params: Value = serde_json::from_str(&call.params).unwrap();
            assert_eq!(table.call(call.method, params).unwrap().to_string(), call.body);
            assert_eq!((table.round_open(), table.events().len()), (call.round_open, call.events.len()));
            assert_eq!(call.draws, [json!({ "below": [2, call.draws[0]["below"][1]] })]);
            paid += call.moved.paid;
        }
        assert_eq!((outcome.staked, outcome.paid), (10, paid));
    }
    assert_eq!(table.state().rounds, 200);
}

#[test]
fn what_goes_wrong_names_bet_and_round() {
    assert_eq!(simulate::<Ladder>("other", SEED, 1), Err("there is no bet `other`".to_owned()));
    assert_eq!(simulate::<Ladder>("refused", SEED, 1), Err("bet `refused`, round 0: not that (fault 1)".to_owned()));
    assert_eq!(simulate::<Ladder>("refused", SEED, 0).unwrap().outcomes, [] as [Outcome; 0]);
}

#[test]
#[should_panic(expected = "the bet `unfinished` has not played round")]
fn a_bet_that_leaves_its_round_open_is_none() {
    drop(simulate::<Ladder>("unfinished", SEED, 100));
}

#[test]
#[should_panic(expected = "a bet is one round: it is settled before `begin`")]
fn a_bet_that_plays_two_rounds_is_none() {
    drop(simulate::<Ladder>("twice", SEED, 1));
}
