//! Records and facts for tests.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Fact, FactId, Period, Play, What};
use crate::{
    identity::{ReleaseDigest, RoundId},
    json::Json,
    money::Amount,
    record::Record,
};

pub(crate) const SESSION: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// A record of alice's seventh step.
pub(crate) fn record(act: Value) -> Record {
    let zero = "0".repeat(64);
    let record = json!({
        "format": 1, "aggregate": "player/alice", "step": 7, "previous": zero, "at_ms": 1_000_000_000_000_u64,
        "act": act, "reply": { "result": 1 },
    });
    serde_json::from_str(&record.to_string()).unwrap()
}

/// A call of a game, with some members of its own.
pub(crate) fn played(members: Value) -> Value {
    let zero = "0".repeat(64);
    let mut play = json!({
        "session": SESSION, "currency": "EUR", "locale": "en", "game": "slots", "release": zero, "method": "spin",
        "params": {}, "seed": zero, "observed": { "balance": 5 },
    });
    let Value::Object(members) = members else { panic!("members are an object") };
    play.as_object_mut().unwrap().extend(members);
    json!({ "played": play })
}

pub(crate) fn mark(open: bool) -> Value {
    json!({ "id": "player/alice/6", "call": 1, "opened_at_ms": 5, "staked": 100, "paid": 40, "open": open })
}

pub(crate) fn session() -> Value {
    json!({ "id": SESSION, "currency": "EUR", "locale": "en", "opened_at_ms": 1, "expires_at_ms": 2 })
}

/// A fact of few players, games, releases and hours, so that they meet. The same number is the same fact.
pub(crate) fn fact(number: u16, seed: u64) -> Fact {
    let pick = |shift: u32, of: u64| (seed >> shift) % of;
    let aggregate = format!("player/{}", pick(0, 3)).parse().unwrap();
    let source = ["main", "other"][usize::from(pick(2, 5) == 0)].parse().unwrap();
    let id = FactId { source, aggregate, step: u64::from(number), position: FactId::OF_STEP };
    let session = format!("{:0>22}", pick(8, 4) + 4 * pick(0, 3)).parse().unwrap();
    let game = ["slots", "dice"][usize::from(pick(12, 3) == 0)].parse().unwrap();
    let play = Play { game, release: ReleaseDigest::of(&[u8::from(pick(16, 2) == 0)]), session };
    let currency = ["EUR", "USD"][usize::from(pick(20, 4) == 0)].parse().unwrap();
    let amount = |shift| Amount::new(pick(shift, 1000)).unwrap();
    let what = match pick(24, 10) {
        0..5 => What::RoundClosed {
            round: RoundId { aggregate: id.aggregate.clone(), opened_by: id.step },
            opened_at_ms: 1,
            calls: 1,
            currency,
            staked: amount(28),
            paid: amount(32),
            play,
        },
        5..7 => {
            let props = Json::of(&json!({ "level": pick(28, 4), "boss": { "name": "x" } })).unwrap();
            What::Event { play, name: format!("event-{}", pick(32, 3)), props }
        }
        7 => {
            What::StepVoid { play, reason: ["game_trapped", "game_timeout"][usize::from(pick(28, 2) == 0)].to_owned() }
        }
        8 => What::SessionOpened { session: play.session, currency },
        _ => What::Deposit { currency, amount: amount(28) },
    };
    Fact { id, at_ms: pick(40, 60) * Period::Hour.length_ms() + pick(50, 1000), what }
}

/// Another fact for every number.
pub(crate) fn numbered(number: u16) -> Fact {
    fact(number, u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// Facts, numbered.
pub(crate) fn facts(count_max: usize) -> impl Strategy<Value = Vec<Fact>> {
    let seeds = prop::collection::vec(any::<u64>(), 0..count_max);
    seeds.prop_map(|seeds| (0..).zip(seeds).map(|(number, seed)| fact(number, seed)).collect())
}
