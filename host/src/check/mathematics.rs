//! What rounds say of the return and the largest win that a game declares, and sizes of whether its documents grow. Pure rules.

use serde::Serialize;

use super::finding::Finding;
use crate::{
    facts::{Interval, Returns},
    limits::DOCUMENTS_BYTES_MAX,
};

/// Fewer rounds say nothing of a return.
const ROUNDS_MIN: u64 = 100;
/// A return is clearly wrong where even an interval of so many times the width excludes it.
const CLEARLY: f64 = 2.0;
/// What has not come in n rounds comes less often than once in n / 4.6, with 99 % confidence: ln(100).
const UNSEEN: f64 = 4.605_170_185_988_092;

/// Rounds that were played.
#[derive(Clone, Debug, Default)]
pub(super) struct Rounds {
    pub(super) returns: Returns,
    /// The largest payout over the stake of its round.
    pub(super) largest_win: f64,
    /// Rounds in which the player had more than one way to go on: what they return is a matter of skill.
    pub(super) with_choices: u64,
}

/// What a game declares, in shares of the stake.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Declared {
    /// The theoretical return.
    pub rtp: f64,
    /// The largest payout of a round.
    pub max_win: f64,
}

impl Declared {
    pub(super) fn of(rtp_ppm: u32, max_win_ppm: u64) -> Self {
        Self { rtp: f64::from(rtp_ppm) / 1e6, max_win: max_win_ppm as f64 / 1e6 }
    }

    pub(super) fn findings(self, rounds: &Rounds) -> Vec<Finding> {
        let too_large = (rounds.largest_win > self.max_win + 1e-9).then(|| {
            let seen = format!(
                "a round has paid {:.2} times its stake, and {:.2} is declared",
                rounds.largest_win, self.max_win
            );
            let advice = "declare the largest win that the rules allow (max_win_ppm), or have them allow less";
            Finding::error("max_win_exceeded", seen, advice)
        });
        too_large.into_iter().chain(self.of_return(rounds)).collect()
    }

    fn of_return(self, rounds: &Rounds) -> Option<Finding> {
        let (rtp, interval) = (rounds.returns.rtp()?, rounds.returns.rtp_interval()?);
        if rounds.returns.rounds < ROUNDS_MIN {
            return None;
        }
        let half = interval.high - rtp;
        let unseen = UNSEEN / rounds.returns.rounds as f64 * self.max_win;
        let is_outside = |width: f64| (self.rtp < rtp - width * half, self.rtp > rtp + width * half + unseen);
        let seen = format!(
            "{} rounds returned {}, {} is declared",
            rounds.returns.rounds,
            in_words(rtp, interval),
            percent(self.rtp)
        );
        let advice = "compute the return from the rules in a unit test, declare that (rtp_ppm), and let more rounds be played \
                      with --calls";
        match (is_outside(CLEARLY), is_outside(1.0)) {
            ((true, _), _) => Some(Finding::error("return_too_high", seen, advice)),
            ((_, true), _) | (_, (_, true)) if rounds.with_choices > 0 => {
                let advice =
                    "the players of a check choose at random: prove by the best strategy what the game returns";
                Some(Finding::note("return_of_a_strategy", seen, advice))
            }
            ((_, true), _) => Some(Finding::error("return_too_low", seen, advice)),
            (_, (true, _) | (_, true)) => Some(Finding::warning("return_doubtful", seen, advice)),
            _ => None,
        }
    }
}

/// `95.31 % (99 % interval 92.10 to 98.52 %)`
pub(super) fn in_words(rtp: f64, interval: Interval) -> String {
    format!("{} (99 % interval {:.2} to {})", percent(rtp), interval.low * 100.0, percent(interval.high))
}

pub(super) fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// Parts into which a player's calls are cut.
const PARTS: usize = 4;
/// Fewer calls say nothing of growth.
const CALLS_MIN: usize = 40;
/// Less is noise: a counter gets another digit.
const GROWTH_BYTES_MIN: f64 = 256.0;

/// What one player's documents had in bytes after each call: whether they grow steadily, and how much a call adds.
pub(super) fn growth(bytes: &[usize]) -> Option<f64> {
    if bytes.len() < CALLS_MIN {
        return None;
    }
    let mean = |part: &[usize]| part.iter().sum::<usize>() as f64 / part.len() as f64;
    let means: Vec<_> = bytes.chunks(bytes.len().div_ceil(PARTS)).map(mean).collect();
    let [first, second, third, last] = means[..] else { return None };
    let is_full = last >= 0.9 * DOCUMENTS_BYTES_MAX as f64;
    // What levels off grows less and less; what has only begun may just have come to its size.
    let is_steady = first < second && second < third && last - third >= 0.5 * (second - first);
    let grown = last - first;
    (is_full || is_steady && grown >= GROWTH_BYTES_MIN).then(|| grown.max(0.0) / (bytes.len() as f64 * 0.75))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Amount;

    /// Rounds of a stake of 100 of which every `nth` pays this much.
    fn rounds(count: u64, nth: u64, paid: u64) -> Rounds {
        let mut rounds = Rounds::default();
        for number in 0..count {
            let paid = if number % nth == 0 { paid } else { 0 };
            rounds.returns.add(Amount::new(100).unwrap(), Amount::new(paid).unwrap());
            rounds.largest_win = rounds.largest_win.max(paid as f64 / 100.0);
        }
        rounds
    }

    fn codes(declared: Declared, rounds: &Rounds) -> Vec<&'static str> {
        declared.findings(rounds).into_iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn a_return_that_rounds_exclude_is_wrong() {
        let even_money = Declared { rtp: 0.96, max_win: 2.0 };
        assert_eq!(codes(even_money, &rounds(2_000, 2, 190)), Vec::<&str>::new());
        assert_eq!(codes(even_money, &rounds(2_000, 4, 200)), ["return_too_low"]);
        assert_eq!(codes(even_money, &rounds(2_001, 2, 200)), Vec::<&str>::new());
        let lower = Declared { rtp: 0.8, max_win: 2.0 };
        assert_eq!(codes(lower, &rounds(2_000, 2, 200)), ["return_too_high"]);
        assert_eq!(codes(Declared { rtp: 0.93, ..even_money }, &rounds(2_000, 2, 200)), ["return_doubtful"]);
        assert_eq!(codes(even_money, &rounds(50, 4, 200)), Vec::<&str>::new(), "too few to say");
    }

    #[test]
    fn what_may_not_have_come_yet_is_allowed_for() {
        // The rest of the return may be in a win of 10,000 times the stake.
        let jackpot = Declared { rtp: 0.96, max_win: 10_000.0 };
        assert_eq!(codes(jackpot, &rounds(2_000, 4, 200)), Vec::<&str>::new());
    }

    #[test]
    fn a_player_who_chooses_at_random_proves_no_return() {
        let skilled = Rounds { with_choices: 10, ..rounds(2_000, 4, 200) };
        assert_eq!(codes(Declared { rtp: 0.99, max_win: 8.0 }, &skilled), ["return_of_a_strategy"]);
        assert_eq!(codes(Declared { rtp: 0.2, max_win: 8.0 }, &skilled), ["return_too_high"]);
    }

    #[test]
    fn a_win_above_the_largest_is_an_error() {
        let declared = Declared { rtp: 1.0, max_win: 1.5 };
        assert_eq!(codes(declared, &rounds(2_000, 2, 200)), ["max_win_exceeded"]);
    }

    #[test]
    fn documents_grow_steadily_or_level_off() {
        let list = |bytes_max: usize| -> Vec<usize> { (0..1_000).map(|call| (20 + call * 8).min(bytes_max)).collect() };
        let steady = growth(&list(usize::MAX)).unwrap();
        assert!((7.0..9.0).contains(&steady), "{steady}");
        assert_eq!(growth(&list(800)), None, "a list of the last hundred");
        assert_eq!(growth(&(0..1_000).map(|call| 20 + call % 300).collect::<Vec<_>>()), None, "comes and goes");
        assert_eq!(growth(&(0..1_000).map(|call: usize| 20 + call.to_string().len()).collect::<Vec<_>>()), None);
        assert!(growth(&(0..1_000).map(|call| (call * 200).min(16_000)).collect::<Vec<_>>()).is_some(), "it is full");
        assert_eq!(growth(&[20, 40_000]), None);
    }
}
