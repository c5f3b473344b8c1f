//! The times over which is counted: hours and days of UTC, and all time.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A kind of bucket in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// An hour.
    Hour,
    /// A day of UTC.
    Day,
    /// All time.
    Ever,
}

impl Period {
    /// Every one, the shortest first.
    pub const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Ever];

    /// How long it is; all time is longer than any.
    #[must_use]
    pub const fn length_ms(self) -> u64 {
        match self {
            Self::Hour => 60 * 60 * 1000,
            Self::Day => 24 * 60 * 60 * 1000,
            Self::Ever => u64::MAX,
        }
    }

    /// When the one began that this moment is in.
    #[must_use]
    pub const fn start_of(self, at_ms: u64) -> u64 {
        at_ms - at_ms % self.length_ms()
    }
}

/// Buckets of one kind that begin in a range, in Unix milliseconds.
pub type Span = (Period, Range<u64>);

/// The fewest buckets that make up the hours which begin in a range: its whole days, and the hours before and after.
#[must_use]
pub fn spans(range: Range<u64>) -> Vec<Span> {
    let up = |period: Period, at: u64| period.start_of(at.saturating_add(period.length_ms() - 1));
    let (from, to) = (up(Period::Hour, range.start), up(Period::Hour, range.end));
    let (first_day, last_day) = (up(Period::Day, from), Period::Day.start_of(to));
    let spans = if first_day < last_day {
        vec![(Period::Hour, from..first_day), (Period::Day, first_day..last_day), (Period::Hour, last_day..to)]
    } else {
        vec![(Period::Hour, from..to)]
    };
    spans.into_iter().filter(|(_, range)| !range.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: u64 = Period::Hour.length_ms();
    const DAY: u64 = Period::Day.length_ms();

    #[test]
    fn a_range_is_whole_days_and_the_hours_around_them() {
        let check = |from, to, expected: &[Span]| assert_eq!(spans(from..to), expected, "{from}..{to}");
        check(0, DAY, &[(Period::Day, 0..DAY)]);
        check(HOUR, 2 * HOUR, &[(Period::Hour, HOUR..2 * HOUR)]);
        check(1, DAY + 1, &[(Period::Hour, HOUR..DAY + HOUR)]);
        check(
            DAY - HOUR,
            3 * DAY + 2 * HOUR,
            &[
                (Period::Hour, DAY - HOUR..DAY),
                (Period::Day, DAY..3 * DAY),
                (Period::Hour, 3 * DAY..3 * DAY + 2 * HOUR),
            ],
        );
        check(5, 6, &[]);
        check(9, 3, &[]);
    }

    proptest! {
        /// Against a count of the hours one by one.
        #[test]
        fn every_hour_that_begins_in_a_range_is_in_one_of_its_spans(from in 0..10 * DAY, length in 0..10 * DAY) {
            let range = from..from + length;
            let spans = spans(range.clone());
            for hour in (0..25 * DAY).step_by(usize::try_from(HOUR).unwrap()) {
                let of = spans.iter().filter(|(_, span)| span.contains(&hour)).count();
                prop_assert_eq!(of, usize::from(range.contains(&hour)), "hour {}", hour / HOUR);
            }
            for (period, span) in spans {
                prop_assert_eq!((span.start % period.length_ms(), span.end % period.length_ms()), (0, 0));
            }
        }
    }
}
