//! The report for a terminal.

use std::fmt;

use super::{BetReport, PPM, Report};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { title, game, version, release, seed, rounds, .. } = self;
        writeln!(f, "{title} ({game} {version}), release {release}")?;
        writeln!(f, "{} rounds from seed {seed}", grouped(u128::from(*rounds)))?;
        for bet in &self.bets {
            write_bet(f, self, bet)?;
        }
        let wrong: Vec<_> = self
            .bets
            .iter()
            .filter(|bet| !(bet.rtp_agrees && bet.max_win_agrees))
            .map(|bet| bet.name.as_str())
            .collect();
        if self.agrees {
            writeln!(f, "\nAGREES: what was measured is what the game declares.")
        } else {
            writeln!(f, "\nDOES NOT AGREE with what the game declares: {}", wrong.join(", "))
        }
    }
}

fn write_bet(f: &mut fmt::Formatter<'_>, report: &Report, bet: &BetReport) -> fmt::Result {
    let BetReport { name, summary, rounds, interval, joint_interval, .. } = bet;
    writeln!(f, "\n{name}: {summary}")?;
    writeln!(f, "  rounds             {}", grouped(u128::from(*rounds)))?;
    let verdict = |agrees| if agrees { "agrees" } else { "DOES NOT AGREE" };
    writeln!(
        f,
        "  return             {}  (99 %: {} to {})",
        percent(bet.rtp),
        percent(interval.low),
        percent(interval.high)
    )?;
    write!(f, "  declared           {}  {}", percent(report.declared_rtp), verdict(bet.rtp_agrees))?;
    if report.bets.len() > 1 {
        write!(f, "  (all bets at once, 99 %: {} to {})", percent(joint_interval.low), percent(joint_interval.high))?;
    }
    writeln!(f, "\n  volatility         {:.3} stakes", bet.volatility)?;
    writeln!(
        f,
        "  hit frequency      {}  ({} win more than the stake)",
        percent(bet.hit_frequency),
        percent(bet.win_frequency)
    )?;
    let quantiles: Vec<_> = bet
        .quantiles
        .iter()
        .map(|quantile| format!("{} % {}", trimmed(100.0 * quantile.share), trimmed(quantile.multiple)))
        .collect();
    writeln!(f, "  stakes paid up to  {}", quantiles.join(", "))?;
    writeln!(
        f,
        "  largest win        {} stakes of {} declared  {}",
        trimmed(bet.largest_win),
        trimmed(report.declared_max_win),
        verdict(bet.max_win_agrees)
    )?;
    for win in bet.top.iter().take(3) {
        let multiple = trimmed(win.multiple_ppm as f64 / PPM);
        writeln!(f, "                     {multiple} in batch {}, round {}", win.batch, win.round)?;
    }
    if let Some(drought) = bet.droughts.first() {
        let (rounds, batch, first) = (drought.rounds, drought.batch, drought.first);
        writeln!(f, "  longest drought    {rounds} rounds, in batch {batch} from round {first} on")?;
    }
    for method in &bet.methods {
        writeln!(
            f,
            "  {:<18} {:.5} calls a round, {} of the stakes paid",
            method.name,
            method.calls_per_round,
            percent(method.rtp)
        )?;
    }
    for (event, count) in &bet.events {
        writeln!(f, "  event {event:<12} {}", grouped(u128::from(*count)))?;
    }
    Ok(())
}

pub(super) fn percent(share: f64) -> String {
    format!("{:.4} %", 100.0 * share)
}

/// At most four decimals, and none that say nothing.
pub(super) fn trimmed(number: f64) -> String {
    let text = format!("{number:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// With commas between thousands.
pub(super) fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
