//! Draws that cannot be made, or too many.

use std::hint::black_box;

use crate::{
    Act,
    bindings::croupier::game::{random, types},
    reply,
};

pub(crate) const ACTS: &[(&str, Act)] = &[
    ("draw_below_zero", || reply(random::below(0).to_string())),
    ("draw_without_weights", || reply(random::weighted(&[]).to_string())),
    ("draw_with_weights_of_zero", || reply(random::weighted(&[0, 0]).to_string())),
    ("draw_with_too_many_weights", || reply(random::weighted(&[1; 1025]).to_string())),
    ("shuffle_too_much", || reply(format!("{:?}", random::shuffled(1025)))),
    ("shuffle_four_thousand_million", || reply(format!("{:?}", random::shuffled(u32::MAX)))),
    ("draw_without_end", || without_end(|| random::below(6))),
    ("draw_the_only_one_without_end", || without_end(|| random::below(1))),
    ("shuffle_without_end", || without_end(|| random::shuffled(52))),
    ("shuffle_nothing_without_end", || without_end(|| random::shuffled(0))),
];

fn without_end<T>(draw: impl Fn() -> T) -> Result<types::Reply, types::Fault> {
    loop {
        black_box(draw());
    }
}
