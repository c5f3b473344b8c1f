//! What was measured, against what the game declares: one report, in three forms. It depends on the rounds alone.

mod html;
mod plots;
mod text;

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    State, Statistics,
    statistics::{Drought, Win},
};
use crate::{
    engine::Descriptor,
    facts::{Interval, Z_99},
};

const PPM: f64 = 1e6;
/// What is declared is rounded to parts per million.
const ROUNDING: f64 = 0.5 / PPM;
/// How sure all bets together are to be judged right.
const CONFIDENCE: f64 = 0.99;
/// Points of a curve.
const POINTS_MAX: usize = 240;
/// The shares of rounds whose wins are told.
const QUANTILES: [f64; 7] = [0.5, 0.75, 0.9, 0.99, 0.999, 0.9999, 0.99999];
/// Where the classes of wins begin, in stakes; the last one has no end.
const CLASSES: [f64; 19] =
    [0.0, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5];

/// All of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    game: String,
    title: String,
    version: String,
    release: String,
    strategy: Option<String>,
    seed: u64,
    batch_rounds: u32,
    rounds: u64,
    declared_rtp: f64,
    declared_max_win: f64,
    /// Whether every bet agrees with what is declared.
    agrees: bool,
    bets: Vec<BetReport>,
}

/// One bet.
#[derive(Debug, Serialize)]
struct BetReport {
    name: String,
    summary: String,
    rounds: u64,
    staked: u128,
    paid: u128,
    rtp: f64,
    /// It holds the return of this bet with 99 % confidence.
    interval: Range,
    /// Wider where there are several bets: all of these hold their returns together with 99 % confidence.
    joint_interval: Range,
    rtp_agrees: bool,
    max_win_agrees: bool,
    /// Standard deviation of a round's return, in stakes.
    volatility: f64,
    /// Share of rounds that pay anything.
    hit_frequency: f64,
    /// Share of rounds that pay more than their stake.
    win_frequency: f64,
    largest_win: f64,
    quantiles: Vec<Quantile>,
    distribution: Vec<Class>,
    top: Vec<Win>,
    droughts: Vec<Drought>,
    methods: Vec<MethodReport>,
    events: BTreeMap<String, u64>,
    convergence: Vec<Point>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Range {
    low: f64,
    high: f64,
}

#[derive(Debug, Serialize)]
struct Quantile {
    share: f64,
    multiple: f64,
}

/// Rounds that pay from so many stakes on, up to where the next class begins.
#[derive(Debug, Serialize)]
struct Class {
    from: f64,
    rounds: u64,
    /// Of the bet's rounds.
    share: f64,
    /// Of all that is paid, where stakes are equal.
    share_of_return: f64,
}

#[derive(Debug, Serialize)]
struct MethodReport {
    name: String,
    calls: u64,
    calls_per_round: f64,
    staked: u128,
    refunded: u128,
    paid: u128,
    /// What it pays of all that the bet stakes: these make up the return.
    rtp: f64,
}

/// The return after so many rounds.
#[derive(Debug, Serialize)]
struct Point {
    rounds: u64,
    rtp: f64,
}

impl Report {
    /// What a state says of the game that describes itself so.
    #[must_use]
    pub fn of(state: &State, game: &Descriptor) -> Self {
        let standard_errors = joint_standard_errors(state.bets().count());
        let bets =
            state.bets().map(|(bet, measured)| BetReport::of(bet.name, bet.summary, measured, game, standard_errors));
        let bets: Vec<_> = bets.collect();
        let identity = state.identity();
        Self {
            game: game.id.to_string(),
            title: game.title.clone(),
            version: game.version.clone(),
            release: identity.release.to_string(),
            strategy: identity.strategy.map(|digest| digest.to_string()),
            seed: identity.seed,
            batch_rounds: identity.batch_rounds,
            rounds: state.rounds(),
            declared_rtp: f64::from(game.rtp_ppm) / PPM,
            declared_max_win: game.max_win_ppm as f64 / PPM,
            agrees: bets.iter().all(|bet| bet.rtp_agrees && bet.max_win_agrees),
            bets,
        }
    }

    /// Whether every bet agrees with what the game declares.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.agrees
    }
}

impl BetReport {
    fn of(name: String, summary: String, measured: &Statistics, game: &Descriptor, standard_errors: f64) -> Self {
        let returns = &measured.returns;
        let rounds = returns.rounds as f64;
        let share = |count: u64| if rounds > 0.0 { count as f64 / rounds } else { 0.0 };
        let range = |interval: Option<Interval>| {
            interval.map_or(Range { low: 0.0, high: 0.0 }, |Interval { low, high }| Range { low, high })
        };
        let joint_interval = range(returns.rtp_interval_of(standard_errors));
        let declared = f64::from(game.rtp_ppm) / PPM;
        let largest = measured.multiples.last_key_value().map_or(0, |(multiple, _)| *multiple);
        let method = |(name, method): (&String, &super::statistics::Method)| MethodReport {
            name: name.clone(),
            calls: method.calls,
            calls_per_round: share(method.calls),
            staked: method.staked,
            refunded: method.refunded,
            paid: method.paid,
            rtp: if returns.staked > 0 { method.paid as f64 / returns.staked as f64 } else { 0.0 },
        };
        Self {
            name,
            summary,
            rounds: returns.rounds,
            staked: returns.staked,
            paid: returns.paid,
            rtp: returns.rtp().unwrap_or(0.0),
            interval: range(returns.rtp_interval()),
            rtp_agrees: (joint_interval.low - ROUNDING..=joint_interval.high + ROUNDING).contains(&declared),
            max_win_agrees: largest <= game.max_win_ppm,
            joint_interval,
            volatility: returns.volatility().unwrap_or(0.0),
            hit_frequency: share(measured.hits),
            win_frequency: share(measured.wins),
            largest_win: largest as f64 / PPM,
            quantiles: QUANTILES
                .into_iter()
                .map(|share| Quantile { share, multiple: measured.quantile_ppm(share) as f64 / PPM })
                .collect(),
            distribution: distribution(measured),
            top: measured.top.clone(),
            droughts: measured.droughts.clone(),
            methods: measured.methods.iter().map(method).collect(),
            events: measured.events.clone(),
            convergence: convergence(measured),
        }
    }
}

/// The classes of wins up to the last one that has any. What pays nothing is in none.
fn distribution(measured: &Statistics) -> Vec<Class> {
    let mut classes = CLASSES.map(|from| Class { from, rounds: 0, share: 0.0, share_of_return: 0.0 });
    let mut paid = 0.0;
    for (multiple, rounds) in measured.multiples.iter().filter(|(multiple, _)| **multiple > 0) {
        let multiple = *multiple as f64 / PPM;
        let class = classes.iter_mut().rfind(|class| class.from <= multiple);
        if let Some(class) = class {
            class.rounds += rounds;
            class.share_of_return += multiple * *rounds as f64;
            paid += multiple * *rounds as f64;
        }
    }
    for class in &mut classes {
        class.share = class.rounds as f64 / (measured.returns.rounds as f64).max(1.0);
        class.share_of_return /= if paid > 0.0 { paid } else { 1.0 };
    }
    let used = classes.iter().rposition(|class| class.rounds > 0).map_or(0, |last| last + 1);
    classes.into_iter().take(used).collect()
}

fn convergence(measured: &Statistics) -> Vec<Point> {
    let (mut rounds, mut staked, mut paid) = (0, 0, 0);
    let every = measured.batches.len().div_ceil(POINTS_MAX).max(1);
    let mut points = Vec::new();
    for (place, batch) in (1..).zip(measured.batches.values()) {
        rounds += u64::from(batch.rounds);
        staked += batch.staked;
        paid += batch.paid;
        if (place % every == 0 || place == measured.batches.len()) && staked > 0 {
            points.push(Point { rounds, rtp: paid as f64 / staked as f64 });
        }
    }
    points
}

/// How many standard errors hold the returns of so many bets together: each with the confidence that makes up 99 % for
/// all of them, as Z. Sidak has it (1967). Without this, every seventh run of a game with fifteen bets would blame one.
fn joint_standard_errors(bets: usize) -> f64 {
    if bets < 2 {
        return Z_99;
    }
    let outside = (1.0 - CONFIDENCE.powf(1.0 / bets as f64)) / 2.0;
    upper_quantile_of_normal(outside)
}

/// Above it lies so much of a normal distribution, for shares up to a half: M. Abramowitz and I. A. Stegun, Handbook of Mathematical
/// Functions (1964), 26.2.23, right to 4.5e-4.
fn upper_quantile_of_normal(share: f64) -> f64 {
    let t = (-2.0 * share.ln()).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    t - above / below
}

#[cfg(test)]
mod tests;
