//! Too much time, memory, stack or noise.

use std::hint::black_box;

use crate::{
    Act,
    bindings::croupier::game::{log, random, types, wallet},
    reply,
};

pub(crate) const ACTS: &[(&str, Act)] = &[
    ("behave", || reply("\"well\"")),
    ("endless_loop", endless_loop),
    ("memory_bomb", memory_bomb),
    ("stack_overflow", || reply(dig(0).to_string())),
    ("stack_overflow_through_the_host", || reply(dig_through_the_host(0).to_string())),
    ("panic_after_stake", panic_after_stake),
    ("panic_after_draw", panic_after_draw),
    ("panic_with_a_long_message", || panic!("{}", "long ".repeat(100_000))),
    ("million_host_calls", million_host_calls),
    ("log_without_end", log_without_end),
    ("log_flood", log_flood),
    ("log_forgery", log_forgery),
];

fn endless_loop() -> Result<types::Reply, types::Fault> {
    let mut count = 0_u64;
    loop {
        count = black_box(count.wrapping_add(1));
    }
}

fn memory_bomb() -> Result<types::Reply, types::Fault> {
    let mut hoard = Vec::new();
    loop {
        hoard.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// Never comes back; what it would do with the result keeps it from being a loop.
#[inline(never)]
#[expect(unconditional_recursion, reason = "that is the point")]
fn dig(depth: u64) -> u64 {
    black_box(dig(black_box(depth + 1))).wrapping_mul(3) ^ depth
}

#[inline(never)]
#[expect(unconditional_recursion, reason = "that is the point")]
fn dig_through_the_host(depth: u64) -> u64 {
    let balance = wallet::balance();
    black_box(dig_through_the_host(black_box(depth + 1))).wrapping_mul(3) ^ balance
}

fn panic_after_stake() -> Result<types::Reply, types::Fault> {
    wallet::stake(100)?;
    wallet::pay(900)?;
    lose_the_plot();
    reply("null")
}

/// Named for the backtrace in the operator's log.
#[inline(never)]
fn lose_the_plot() {
    panic!("the plot is lost");
}

fn panic_after_draw() -> Result<types::Reply, types::Fault> {
    wallet::stake(100)?;
    panic!("{} is not what I wanted", random::below(6));
}

fn million_host_calls() -> Result<types::Reply, types::Fault> {
    let sum = (0..1_000_000).map(|_| wallet::balance()).fold(0, u64::wrapping_add);
    reply(sum.to_string())
}

fn log_without_end() -> Result<types::Reply, types::Fault> {
    loop {
        log::write("info", "still here");
    }
}

/// Many long lines at levels of long names.
fn log_flood() -> Result<types::Reply, types::Fault> {
    let (level, line) = ("l".repeat(400_000), "flood".repeat(100_000));
    for _ in 0..1000 {
        log::write(&level, &line);
    }
    reply("null")
}

/// A line that would look like two, the second one the host's.
fn log_forgery() -> Result<types::Reply, types::Fault> {
    log::write("warn", "half a line\n2026-01-01T00:00:00Z  INFO croupier: \u{1b}[32mall is well");
    reply("null")
}
