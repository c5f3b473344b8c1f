//! Answers that are none.

use crate::{
    Act,
    bindings::croupier::game::{
        random,
        types::{Fault, Reply},
        wallet,
    },
    reply,
};

pub(crate) const ACTS: &[(&str, Act)] = &[
    ("reply_of_100_mb", || reply(text(100 << 20))),
    ("reply_of_4_mb", || reply(text(4 << 20))),
    ("reply_over_the_limit", || reply(text(64 << 10))),
    ("reply_that_claims_100_mb", || reply(claimed(64, 100 << 20))),
    ("reply_outside_of_memory", || reply(claimed(0xffff_ff00, 100))),
    ("reply_invalid_utf8", reply_invalid_utf8),
    ("reply_nothing", || staked_reply("")),
    ("reply_invalid_json", || staked_reply("{\"payout\":")),
    ("reply_two_values", || staked_reply("1 2")),
    ("reply_no_number", || staked_reply("NaN")),
    ("reply_too_deep", || staked_reply(&format!("{}{}", "[".repeat(30_000), "]".repeat(30_000)))),
    ("reply_half_a_character", || staked_reply(r#""\ud800""#)),
    ("reply_a_number_past_all_bounds", || staked_reply("1e999")),
    ("fault_with_code_0", || fault(0)),
    ("fault_with_code_1000", || fault(1000)),
    ("fault_with_a_code_of_the_host", || fault(-32001)),
    ("fault_with_the_smallest_code", || fault(i32::MIN)),
    ("fault_with_data_that_is_not_json", || Err(fault_with("{".to_owned()))),
    ("fault_with_data_that_is_too_deep", || Err(fault_with(format!("{}{}", "[".repeat(999), "]".repeat(999))))),
    ("fault_over_the_limit", || Err(fault_with(text(64 << 10)))),
    ("fault_of_a_long_message", || Err(Fault { code: 7, message: text(64 << 10), data: None })),
    ("fault_after_stake", fault_after_stake),
    ("fault_after_draw", fault_after_draw),
];

/// A JSON string that is longer than this.
fn text(bytes: usize) -> String {
    format!("\"{}\"", "x".repeat(bytes))
}

fn claimed(address: usize, bytes: usize) -> String {
    // SAFETY: none. That this memory is no text of ours is what the host must find out.
    unsafe { String::from_raw_parts(address as *mut u8, bytes, bytes) }
}

fn reply_invalid_utf8() -> Result<Reply, Fault> {
    // SAFETY: none. That this is no text is what the host must find out.
    reply(unsafe { String::from_utf8_unchecked(vec![b'"', 0xff, b'"']) })
}

fn staked_reply(body: &str) -> Result<Reply, Fault> {
    wallet::stake(100)?;
    wallet::pay(900)?;
    reply(body)
}

fn fault(code: i32) -> Result<Reply, Fault> {
    wallet::stake(100)?;
    Err(Fault { code, message: "of my own making".to_owned(), data: None })
}

fn fault_with(data: String) -> Fault {
    Fault { code: 7, message: "with data".to_owned(), data: Some(data) }
}

fn fault_after_stake() -> Result<Reply, Fault> {
    wallet::stake(100)?;
    wallet::pay(900)?;
    fault(8)
}

fn fault_after_draw() -> Result<Reply, Fault> {
    wallet::stake(100)?;
    random::below(6);
    fault(9)
}
