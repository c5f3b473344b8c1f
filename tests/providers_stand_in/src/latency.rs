//! How long a provider takes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An exponential distribution that begins at the least, is cut off at the most, and has this mean: most calls are quick,
/// a few are slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// The least.
    pub min_ms: u32,
    /// The most.
    pub max_ms: u32,
    /// The mean, between the two.
    pub mean_ms: u32,
}

/// A latency, ready to be drawn from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Distribution {
    min_ms: f64,
    width_ms: f64,
    /// How much rarer the slowest are than the quickest, as an exponent; negative where they are more frequent.
    steepness: f64,
}

/// Beyond it the mean is all but the least or the most.
const STEEPNESS_MAX: f64 = 500.0;

impl Distribution {
    pub(crate) fn of(latency: Latency) -> Self {
        let (min_ms, max_ms) = (f64::from(latency.min_ms), f64::from(latency.max_ms.max(latency.min_ms)));
        let width_ms = max_ms - min_ms;
        let wanted = if width_ms > 0.0 { (f64::from(latency.mean_ms) - min_ms) / width_ms } else { 0.5 };
        // The mean falls as the steepness grows, so halving finds it.
        let (mut low, mut high) = (-STEEPNESS_MAX, STEEPNESS_MAX);
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if mean_of_unit(middle) > wanted { low = middle } else { high = middle }
        }
        Self { min_ms, width_ms, steepness: f64::midpoint(low, high) }
    }

    /// What a number from 0 to 1 draws.
    pub(crate) fn draw(&self, roll: f64, speed: f64) -> Duration {
        let steepness = self.steepness;
        let unit = if steepness.abs() < 1e-9 { roll } else { -(1.0 + roll * (-steepness).exp_m1()).ln() / steepness };
        Duration::from_secs_f64((self.min_ms + self.width_ms * unit.clamp(0.0, 1.0)) / 1000.0 / speed)
    }
}

/// The mean of the exponential distribution on 0 to 1.
fn mean_of_unit(steepness: f64) -> f64 {
    if steepness.abs() < 1e-9 { 0.5 } else { 1.0 / steepness - 1.0 / steepness.exp_m1() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Latencies;

    #[test]
    fn it_stays_within_its_bounds_and_has_its_mean() {
        let Latencies { email, push, social, webhook } = Latencies::default();
        let late = Latency { min_ms: 0, max_ms: 1000, mean_ms: 800 };
        for latency in [email, push, social, webhook, late] {
            let distribution = Distribution::of(latency);
            let draws: Vec<_> = (0..10_000)
                .map(|nth| distribution.draw((f64::from(nth) + 0.5) / 10_000.0, 1.0).as_secs_f64() * 1000.0)
                .collect();
            let mean = draws.iter().sum::<f64>() / 10_000.0;
            assert!((mean - f64::from(latency.mean_ms)).abs() < 1.0, "{latency:?}: {mean}");
            let within = f64::from(latency.min_ms) - 0.01..f64::from(latency.max_ms) + 0.01;
            assert!(draws.iter().all(|draw| within.contains(draw)));
            assert!(draws[0] < within.start + 5.0 && draws[9_999] > f64::from(latency.max_ms) * 0.8);
        }
    }

    #[test]
    fn speed_divides_it() {
        let fixed = Distribution::of(Latency { min_ms: 100, max_ms: 100, mean_ms: 100 });
        assert_eq!(fixed.draw(0.3, 1.0), Duration::from_millis(100));
        assert_eq!(fixed.draw(0.3, 50.0), Duration::from_millis(2));
        assert_eq!(fixed.draw(0.3, f64::INFINITY), Duration::ZERO);
    }
}
