use blackjack::{
    Blackjack, DealParams, Error,
    cards::{Card, Shoe},
    round::Action,
    strategy::Situation,
    view::RoundView,
};
use croupier_sdk::{Table, testing::TestTable};
use serde_json::json;

use super::*;

const TEXT: &str = r#"
    [[bets]]
    name = "ten"
    call = "deal"
    params = { stake = 10, side = "red" }

    [[rules]]
    when = "player.total < 17 and 'hit' in actions"
    call = "hit"

    [[rules]]
    when = "player.total >= 17"
    call = "stand"
    params = { hand = 0 }
"#;

fn next(reply: &str) -> Result<String, String> {
    let call = Strategy::parse(TEXT).unwrap().next(&Json::parse(reply.to_owned()).unwrap())?;
    Ok(format!("{} {}", call.method, call.params.as_str()))
}

#[test]
fn the_first_rule_that_holds_says_what_to_call() {
    assert_eq!(next(r#"{"player":{"total":12},"actions":["hit"]}"#).unwrap(), "hit {}");
    assert_eq!(next(r#"{"player":{"total":18},"actions":["hit"]}"#).unwrap(), r#"stand {"hand":0}"#);
    assert!(next(r#"{"player":{"total":12},"actions":[]}"#).unwrap_err().contains("no rule says what to do"));
}

#[test]
fn a_bet_opens_with_its_call() {
    let strategy = Strategy::parse(TEXT).unwrap();
    assert_eq!(strategy.opening("ten").unwrap().params.as_str(), r#"{"side":"red","stake":10}"#);
    assert!(strategy.opening("twenty").is_err());
}

#[test]
fn what_makes_no_sense_is_named() {
    let error = |text: &str| Strategy::parse(text).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error("").contains("no [[bets]]"));
    assert!(error("bets = 1").contains("invalid type"));
    assert!(error("[[bets]]\nname = \"a\"").contains("missing field `call`"));
    let bet = "[[bets]]\nname = \"a\"\ncall = \"b\"\n";
    assert!(error(&bet.repeat(2)).contains("'a' is there twice"));
    assert!(error(&format!("{bet}[[rules]]\nwhen = \"1 +\"\ncall = \"c\"")).contains("`1 +` does not read"));
    assert!(error(&format!("{bet}[values]\na = \"1 +\"")).contains("`1 +` does not read"));
    assert!(error(&format!("{bet}[values]\na = 1")).contains("expected a string"));
}

#[test]
fn values_name_what_rules_look_up() {
    let text = r#"
        [[bets]]
        name = "ten"
        call = "deal"

        [tables]
        least = { low = [3, 5], high = [7, 9] }

        [values]
        side = "'high' if up > 6 else 'low'"
        enough = "least[side][seat.number]"
        actions = "[side]"

        [[rules]]
        when = "total >= enough and actions == ['high']"
        call = "stand"

        [[rules]]
        call = "hit"
    "#;
    let strategy = Strategy::parse(text).unwrap();
    let next = |reply: serde_json::Value| {
        let reply = Json::parse(reply.to_string()).unwrap();
        strategy.next(&reply).map(|call| call.method)
    };
    assert_eq!(next(json!({ "up": 7, "seat": { "number": 1 }, "total": 9, "actions": [] })), Ok("stand".to_owned()));
    assert_eq!(next(json!({ "up": 7, "seat": { "number": 1 }, "total": 8, "actions": [] })), Ok("hit".to_owned()));
    assert_eq!(next(json!({ "up": 6, "seat": { "number": 1 }, "total": 9, "actions": [] })), Ok("hit".to_owned()));
    assert!(next(json!({ "up": 7 })).unwrap_err().contains("the value 'enough' fails"));
}

const BASIC_STRATEGY: &str = include_str!("../../../../games/blackjack/basic-strategy.toml");

/// A reply that leaves a choice, and what the game's own basic strategy does then.
struct Decision {
    reply: Json,
    situation: Situation,
    method: String,
}

/// The decisions of all rounds as far as two of them go: any two cards against any up card, after any third card, and on any card
/// for a hand that was split.
fn decisions() -> Vec<Decision> {
    let values = || 1..=10;
    let openings =
        values().flat_map(|first| values().flat_map(move |up| values().map(move |second| [first, up, second])));
    let mut decisions = Vec::new();
    for opening in openings {
        let dealt = Hand::dealt(opening);
        decisions.extend(dealt.decision());
        for action in [Action::Hit, Action::Split].into_iter().filter(|action| dealt.shown.actions.contains(action)) {
            for value in values() {
                let mut hand = Hand::dealt(opening);
                hand.play(&[value], if action == Action::Hit { Blackjack::hit } else { Blackjack::split });
                decisions.extend(hand.decision());
            }
        }
    }
    decisions
}

/// A hand at a table of the game, with cards of one's choice.
struct Hand {
    table: TestTable<Blackjack>,
    seen: Vec<Card>,
    shown: RoundView,
}

impl Hand {
    fn dealt(values: [u8; 3]) -> Self {
        let (mut table, mut seen) = (TestTable::new(), Vec::new());
        let deal = |game: &mut Blackjack, table: &mut Table| game.deal(table, DealParams { stake: 100 });
        let shown = turning(&mut table, &mut seen, &values, deal);
        Self { table, seen, shown }
    }

    fn play(&mut self, values: &[u8], call: impl FnOnce(&mut Blackjack, &mut Table) -> Result<RoundView, Error>) {
        self.shown = turning(&mut self.table, &mut self.seen, values, call);
    }

    /// What is to be decided now, if anything is.
    fn decision(&self) -> Option<Decision> {
        let situation = self.table.state().round.as_ref().and_then(Situation::of)?;
        let action = serde_json::to_value(situation.basic()).unwrap();
        let method = action.as_str().unwrap().to_owned();
        Some(Decision { reply: Json::of(&self.shown).unwrap(), situation, method })
    }
}

/// Makes a call that turns cards of these values first. Where the round is over at once, the dealer takes any cards that are left.
fn turning(
    table: &mut TestTable<Blackjack>,
    seen: &mut Vec<Card>,
    values: &[u8],
    call: impl FnOnce(&mut Blackjack, &mut Table) -> Result<RoundView, Error>,
) -> RoundView {
    let mut draws = Vec::new();
    for value in values {
        let shoe = Shoe::without(seen.iter().copied());
        let position = (0..shoe.len()).find(|position| shoe.card(*position).value() == *value).unwrap();
        draws.push(position);
        seen.push(shoe.card(position));
    }
    draws.extend([0; 12]);
    table.script(draws);
    table.play(call).unwrap()
}

#[test]
fn the_script_of_basic_strategy_is_the_games_own() {
    let strategy = Strategy::parse(BASIC_STRATEGY).unwrap();
    let mut situations = Vec::new();
    for Decision { reply, situation, method } in decisions() {
        let chosen = strategy.next(&reply).map(|call| call.method);
        assert_eq!(chosen.as_ref(), Ok(&method), "{}", reply.as_str());
        if !situations.contains(&situation) {
            situations.push(situation);
        }
    }
    // All that a hand of three cards can come to, so that every letter of the script has decided something.
    assert_eq!(situations.len(), 581);
}
