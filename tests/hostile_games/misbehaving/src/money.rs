//! Money that is not there, or not the game's to move. What the host refuses is passed on as a fault.

use crate::{
    Act,
    bindings::croupier::game::{
        types::{Fault, Reply},
        wallet::{balance, pay, refund, stake},
    },
    reply,
};

/// The first amount that is none.
const TOO_LARGE: u64 = 1 << 53;

pub(crate) const ACTS: &[(&str, Act)] = &[
    ("pay_without_stake", || reply(pay(1)?.to_string())),
    ("refund_without_stake", || reply(refund(1)?.to_string())),
    ("stake_over_balance", || reply(stake(balance() + 1)?.to_string())),
    ("stake_nothing", || reply(stake(0)?.to_string())),
    ("stake_past_the_largest_amount", || reply(stake(TOO_LARGE)?.to_string())),
    ("stake_the_largest_number", || reply(stake(u64::MAX)?.to_string())),
    ("pay_past_the_largest_amount", || staked(|| pay(TOO_LARGE))),
    ("pay_the_largest_number", || staked(|| pay(u64::MAX))),
    ("pay_past_the_largest_balance", || staked(|| pay(TOO_LARGE - 1))),
    ("pay_nothing", || staked(|| pay(0))),
    ("refund_over_stake", || staked(|| refund(101))),
    ("refund_twice", || staked(|| refund(100).and_then(|_| refund(1)))),
    ("too_many_transfers", too_many_transfers),
    ("keep_a_round_open_without_stake", || Ok(Reply { body: "null".to_owned(), round_open: true })),
    ("keep_a_round_open", keep_a_round_open),
];

type Outcome = Result<u64, crate::bindings::croupier::game::types::Refusal>;

fn staked(act: impl Fn() -> Outcome) -> Result<Reply, Fault> {
    stake(100)?;
    reply(act()?.to_string())
}

fn too_many_transfers() -> Result<Reply, Fault> {
    for _ in 0..1000 {
        stake(1)?;
    }
    reply("null")
}

fn keep_a_round_open() -> Result<Reply, Fault> {
    stake(100)?;
    Ok(Reply { body: "null".to_owned(), round_open: true })
}
