//! What was seen of a release while it was tried, and what is to be said of it. Pure rules.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Quantiles,
    finding::Finding,
    mathematics::{Declared, Rounds, growth},
    player::Closed,
    trial::{is_same_answer, moves},
};
use crate::{
    engine::{Done, Malfunction},
    json::Json,
    limits::{DOCUMENTS_BYTES_MAX, REPLY_BYTES_MAX},
};

/// Steps that were made again with other draws, before it says something that nothing came out otherwise.
const REDRAWN_MIN: u64 = 50;
/// Calls of a method, before it is said that none or hardly any was played.
const ANSWERS_MIN: u64 = 20;
/// Of so many calls fewer than one is hardly any.
const CALLS_A_REPLY: u64 = 20;
/// What makes more of the calls that a check can think of play.
const STATE_EXAMPLES: &str = "have the schema say what the method wants, as far as it can, and state params that play in its 'examples', which \
     calls are made from then: schemars(extend(\"examples\" = ...)) in Rust, 'examples' in JavaScript";
/// The share of a bound from which on it is near.
const NEAR: f64 = 0.5;
/// What is shown of a game's words and of params.
const WORDS_CHARACTERS_MAX: usize = 200;

/// Everything that was seen.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) methods: BTreeMap<String, MethodSeen>,
    pub(super) rounds: Rounds,
    pub(super) memory_bytes: usize,
    pub(super) reply_bytes: usize,
    pub(super) documents_bytes: usize,
    /// What a call adds to a player's documents, where they grow steadily.
    growth: Option<f64>,
    draws: Redrawn,
    /// Payouts of rounds in which nothing was drawn.
    undrawn_payouts: u64,
    /// Rounds of more than one call.
    long_rounds: u64,
    /// The first two payouts over their stakes that differ, in thousandths.
    payouts: Vec<u64>,
}

/// Steps that were made again with other draws.
#[derive(Default)]
struct Redrawn {
    steps: u64,
    /// In which anything came out otherwise.
    otherwise: u64,
    /// In which other money was moved.
    paid_otherwise: u64,
}

/// What was seen of one method.
#[derive(Default)]
pub(super) struct MethodSeen {
    pub(super) replies: u64,
    pub(super) faults: u64,
    pub(super) last_fault: Option<String>,
    /// Whether calls differ in their params.
    pub(super) takes_params: bool,
    pub(super) times_us: Vec<u64>,
    /// A reply that does not fit the method's schema.
    pub(super) lie: Option<String>,
    /// Steps that came out otherwise when they were made again.
    pub(super) unlike_itself: u64,
    /// Steps that moved other money with the same draws, for another player at another time.
    pub(super) paid_otherwise: u64,
    /// Whether a reply ever came with money, draws or documents.
    pub(super) has_effect: bool,
    /// No params that fit the schema were found.
    pub(super) params_not_made: bool,
    /// Why results cannot be checked.
    pub(super) unchecked: Option<String>,
    /// By reason: how often, and the first of them in words.
    broke: BTreeMap<&'static str, (u64, String)>,
}

impl MethodSeen {
    pub(super) fn malfunctions(&self) -> u64 {
        self.broke.values().map(|(count, _)| count).sum()
    }

    pub(super) fn broke_down(&mut self, malfunction: &Malfunction, panic: Option<&str>, params: &Json) {
        let (count, _) = self.broke.entry(malfunction.to_host_error().reason()).or_insert_with(|| {
            let words = panic.map_or_else(|| malfunction.to_string(), |panic| format!("it panicked: {panic}"));
            (0, format!("{}, with {}", shortened(&words), shortened(params.as_str())))
        });
        *count += 1;
    }

    fn findings(&self, step_max: Duration) -> Vec<Finding> {
        let mut found = Vec::new();
        for (reason, (count, words)) in &self.broke {
            let advice = "a step that breaks down is void, and breaking down takes a new release back: an error for what a client \
                          did, a bound for what a step computes";
            found.push(Finding::error("malfunction", format!("{reason}, {count} times: {words}"), advice));
        }
        if self.unlike_itself > 0 {
            let seen = format!("{} calls came out otherwise when they were made again", self.unlike_itself);
            let advice = "the same call, state and draws must give the same bytes: sort maps, and keep nothing outside of the state";
            found.push(Finding::error("not_deterministic", seen, advice));
        }
        if self.paid_otherwise > 0 {
            let seen = format!(
                "{} calls moved other money for another player, round or time, with the same draws",
                self.paid_otherwise
            );
            let advice = "what is paid follows from params, state and draws alone: draw with the table";
            found.push(Finding::error("payout_without_chance", seen, advice));
        }
        if let Some(lie) = &self.lie {
            let advice =
                "the result's type and its schema are two things: derive both from one type, or mend the schema";
            found.push(Finding::error("reply_breaks_schema", lie.clone(), advice));
        }
        if let Some(why) = &self.unchecked {
            let advice = "write a schema that is not recursive, and smaller";
            found.push(Finding::note("unchecked_result", format!("results cannot be checked: {why}"), advice));
        }
        if self.params_not_made {
            let seen = "no params were found that fit the schema, so nothing was called";
            found.push(Finding::warning("params_not_made", seen, STATE_EXAMPLES));
        }
        found.extend(self.hardly_played());
        let times = quantiles(&self.times_us, step_max);
        if times.p99 as f64 > NEAR * times.allowed as f64 && self.broke.is_empty() {
            let seen = format!(
                "of a hundred calls one takes {} ms, and {} ms are allowed",
                times.p99 / 1000,
                times.allowed / 1000
            );
            let advice = "compute less in a call, or prepare it in the build";
            found.push(Finding::warning("slow_method", seen, advice));
        }
        found
    }

    /// Where so many calls were refused that little is known of the method.
    fn hardly_played(&self) -> Option<Finding> {
        let Self { replies, faults, last_fault, takes_params, .. } = self;
        let calls = replies + faults;
        let fault = last_fault.as_deref().unwrap_or("-");
        if calls < ANSWERS_MIN {
            return None;
        }
        if *replies == 0 {
            let seen = format!("{calls} calls, all answered with faults, as {fault}");
            let without_params = "see that it can be called in a round that other methods open, or by itself";
            let advice = if *takes_params { STATE_EXAMPLES } else { without_params };
            return Some(Finding::warning("never_answered", seen, advice));
        }
        // Without params it is a matter of the round whether a method can be called, and of no schema.
        if *takes_params && replies * CALLS_A_REPLY < calls {
            let seen = format!("{replies} of {calls} calls were played, the others answered with faults, as {fault}");
            return Some(Finding::warning("seldom_answered", seen, STATE_EXAMPLES));
        }
        None
    }
}

impl Seen {
    /// What one player's documents had after each call.
    pub(super) fn documents(&mut self, bytes: &[usize]) {
        self.documents_bytes = self.documents_bytes.max(bytes.iter().copied().max().unwrap_or_default());
        self.growth = self.growth.into_iter().chain(growth(bytes)).reduce(f64::max);
    }

    /// A round that was played to its end.
    pub(super) fn round(&mut self, closed: &Closed) {
        let paid = closed.stakes.paid;
        self.rounds.returns.add(closed.stakes.staked, paid);
        self.rounds.with_choices += u64::from(closed.went_on_with.len() > 1);
        self.long_rounds += u64::from(closed.calls > 1);
        self.undrawn_payouts += u64::from(closed.draws == 0 && paid.get() > 0);
        if closed.gross > 0 {
            let win = paid.get() as f64 / closed.gross as f64;
            self.rounds.largest_win = self.rounds.largest_win.max(win);
            let thousandths =
                u64::try_from(u128::from(paid.get()) * 1000 / u128::from(closed.gross)).unwrap_or(u64::MAX);
            if self.payouts.len() < 2 && !self.payouts.contains(&thousandths) {
                self.payouts.push(thousandths);
            }
        }
    }

    /// A step that was made again with other draws.
    pub(super) fn redrawn(&mut self, done: &Done, redrawn: &Done) {
        let same_answer = match (&done.answer, &redrawn.answer) {
            (Ok(one), Ok(other)) => is_same_answer(one, other),
            _ => false,
        };
        let paid_otherwise = moves(done) != moves(redrawn);
        self.draws.steps += 1;
        self.draws.otherwise += u64::from(!same_answer || paid_otherwise || done.written != redrawn.written);
        self.draws.paid_otherwise += u64::from(paid_otherwise);
    }

    pub(super) fn times(&self, step_max: Duration) -> Quantiles {
        let all: Vec<_> = self.methods.values().flat_map(|method| method.times_us.iter().copied()).collect();
        quantiles(&all, step_max)
    }

    /// What is to be said of all that.
    pub(super) fn findings(&self, declared: Declared, step_max: Duration, memory_bytes_max: usize) -> Vec<Finding> {
        let of_methods = self
            .methods
            .iter()
            .flat_map(|(name, method)| method.findings(step_max).into_iter().map(move |finding| finding.of(name)));
        let mut found: Vec<_> = of_methods.chain(declared.findings(&self.rounds)).collect();
        found.extend(self.of_chance());
        found.extend(self.of_bounds(memory_bytes_max));
        if self.rounds.returns.rounds == 0 {
            let advice = "without a round nothing can be said of return and wins: more --calls, or schemas that say what is wanted";
            found.push(Finding::warning("no_round", "no round was played to its end", advice));
        }
        found
    }

    fn of_chance(&self) -> Option<Finding> {
        let draws = &self.draws;
        let advice = "chance is the host's alone: draw with the table, and let what was drawn decide";
        if draws.steps >= REDRAWN_MIN && draws.otherwise == 0 {
            let seen = format!("{} steps drew, and with other draws all of them came out the same", draws.steps);
            return Some(Finding::error("chance_ignored", seen, advice));
        }
        if self.undrawn_payouts > 0 {
            let seen = format!("{} rounds paid and drew nothing", self.undrawn_payouts);
            return Some(Finding::error("payout_without_draws", seen, advice));
        }
        // In a round of several calls an earlier one may have drawn what a later one pays.
        let pays_differently = self.payouts.len() > 1;
        if self.long_rounds == 0 && pays_differently && draws.steps >= REDRAWN_MIN && draws.paid_otherwise == 0 {
            let seen = format!("payouts differ, and in {} steps none did with other draws", draws.steps);
            return Some(Finding::error("payout_ignores_chance", seen, advice));
        }
        None
    }

    fn of_bounds(&self, memory_bytes_max: usize) -> Vec<Finding> {
        let mut found = Vec::new();
        if let Some(bytes) = self.growth {
            let seen = format!(
                "a player's documents grow by {bytes:.1} bytes with each call: after some {:.0} calls they are full",
                DOCUMENTS_BYTES_MAX as f64 / bytes.max(0.1)
            );
            let advice = "bound what is kept: the last twenty, sums in place of lists; rounds are kept by the host";
            found.push(Finding::error("state_grows", seen, advice));
        }
        for (code, what, most, allowed) in [
            ("large_reply", "a reply", self.reply_bytes, REPLY_BYTES_MAX),
            ("large_state", "a player's documents", self.documents_bytes, DOCUMENTS_BYTES_MAX),
            ("much_memory", "a step's memory", self.memory_bytes, memory_bytes_max),
        ] {
            let is_said = code == "large_state" && self.growth.is_some();
            if most as f64 > NEAR * allowed as f64 && !is_said {
                let seen = format!("{what}: {most} of {allowed} bytes that are allowed");
                found.push(Finding::warning(code, seen, "leave out what can be computed or looked up"));
            }
        }
        found
    }
}

fn quantiles(times_us: &[u64], step_max: Duration) -> Quantiles {
    let mut times = times_us.to_vec();
    times.sort_unstable();
    let at = |share: usize| {
        times.get((times.len() * share / 100).min(times.len().saturating_sub(1))).copied().unwrap_or_default()
    };
    let allowed = u64::try_from(step_max.as_micros()).unwrap_or(u64::MAX);
    Quantiles { p50: at(50), p99: at(99), max: at(100), allowed }
}

fn shortened(words: &str) -> String {
    let mut kept: String = words.chars().take(WORDS_CHARACTERS_MAX).collect();
    if kept.len() < words.len() {
        kept.push_str("...");
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_times_in_order() {
        let times: Vec<_> = (1..=200).rev().collect();
        let quantiles = quantiles(&times, Duration::from_millis(100));
        assert_eq!((quantiles.p50, quantiles.p99, quantiles.max, quantiles.allowed), (101, 199, 200, 100_000));
    }

    #[test]
    fn a_method_that_is_hardly_played_wants_examples() {
        let codes = |replies, faults, takes_params| {
            let seen = MethodSeen { replies, faults, takes_params, ..MethodSeen::default() };
            seen.hardly_played().map(|finding| (finding.code, finding.advice == STATE_EXAMPLES))
        };
        assert_eq!(codes(0, 20, true), Some(("never_answered", true)));
        assert_eq!(codes(0, 20, false), Some(("never_answered", false)));
        assert_eq!(codes(1, 20, true), Some(("seldom_answered", true)));
        assert_eq!(codes(1, 19, true), None);
        assert_eq!(codes(1, 200, false), None);
        assert_eq!(codes(0, 19, true), None, "too few to say");
    }

    #[test]
    fn a_method_near_its_bound_is_slow() {
        let seen = |times_us: Vec<u64>| MethodSeen { times_us, replies: 1, ..MethodSeen::default() };
        let codes = |seen: MethodSeen| {
            let found = seen.findings(Duration::from_millis(100));
            found.into_iter().map(|finding| finding.code).collect::<Vec<_>>()
        };
        assert_eq!(codes(seen(vec![60_000; 100])), ["slow_method"]);
        assert_eq!(codes(seen(vec![40_000; 100])), Vec::<&str>::new());
    }
}
