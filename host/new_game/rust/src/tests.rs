//! Plays as a client does: JSON in, JSON out, under the host's rules.

use croupier_sdk::testing::TestTable;
use serde_json::json;

use crate::Player;

/// Draws are scripted: a die that draws 5 shows 6.
#[test]
fn a_throw_pays_what_the_dice_show() {
    let mut table = TestTable::<Player>::new()
        .with_balance(1_000)
        .with_script([5, 5]);
    let thrown = table.call("throw", json!({ "stake": 100 }));
    assert_eq!(thrown, Ok(json!({ "dice": [6, 6], "payout": 600 })));
    assert_eq!(table.balance(), 1_500);
}

#[test]
fn a_player_is_remembered() {
    let mut table = TestTable::<Player>::new().with_script([5, 5, 0, 2]);
    for _ in 0..2 {
        table.call("throw", json!({ "stake": 100 })).unwrap();
    }
    assert_eq!(
        table.call("statistics", json!({})),
        Ok(json!({ "throws": 2, "best": 600 }))
    );
}

#[test]
fn what_is_refused_takes_nothing() {
    let mut table = TestTable::<Player>::new().with_balance(1_000);
    let uneven = table.call("throw", json!({ "stake": 15 })).unwrap_err();
    assert_eq!((uneven.code, uneven.data), (1, Some(json!({ "step": 10 }))));
    let poor = table.call("throw", json!({ "stake": 1_010 })).unwrap_err();
    assert_eq!(poor.data, Some(json!({ "refusal": "insufficient-funds" })));
    assert_eq!(table.balance(), 1_000);
}
