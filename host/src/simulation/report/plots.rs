//! The page's plots, as SVG that takes its colours from the page.

use std::fmt::Write as _;

use super::{
    BetReport, Report, Z_99,
    html::escaped,
    text::{grouped, percent, trimmed},
};

/// From a quantity to a coordinate.
struct Scale {
    from: f64,
    to: f64,
    /// Where these are in the plot.
    start: f64,
    end: f64,
}

impl Scale {
    fn at(&self, value: f64) -> f64 {
        let share = (value - self.from) / (self.to - self.from).max(f64::MIN_POSITIVE);
        self.start + share.clamp(-0.02, 1.02) * (self.end - self.start)
    }

    /// Round values on the scale, a handful.
    fn ticks(&self) -> Vec<f64> {
        let rough = ((self.to - self.from) / 5.0).max(f64::MIN_POSITIVE);
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(rough);
        let first = (self.from / step).ceil();
        (0..12).map(|tick| (first + f64::from(tick)) * step).take_while(|tick| *tick <= self.to).collect()
    }
}

/// The returns of all bets with their intervals, beside the one that is declared.
pub(super) fn returns(report: &Report) -> String {
    let row = 26.0;
    let height = 44.0 + row * report.bets.len() as f64;
    let lowest = report.bets.iter().map(|bet| bet.joint_interval.low).fold(report.declared_rtp, f64::min);
    let highest = report.bets.iter().map(|bet| bet.joint_interval.high).fold(report.declared_rtp, f64::max);
    let margin = ((highest - lowest) * 0.08).max(1e-6);
    let x = Scale { from: lowest - margin, to: highest + margin, start: 150.0, end: 1040.0 };
    let mut svg = open(1080.0, height, "Measured returns with their intervals");
    for tick in x.ticks() {
        let at = x.at(tick);
        let label = format!("{} %", trimmed(100.0 * tick));
        put(&mut svg, format_args!("<path class=\"axis\" d=\"M{at:.1} 8V{:.1}\"/>", height - 24.0));
        put(
            &mut svg,
            format_args!("<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>", height - 8.0),
        );
    }
    let declared = x.at(report.declared_rtp);
    put(&mut svg, format_args!("<path class=\"declared\" d=\"M{declared:.1} 4V{:.1}\"/>", height - 24.0));
    for (place, bet) in report.bets.iter().enumerate() {
        let y = 24.0 + row * place as f64;
        let ends =
            [bet.joint_interval.low, bet.joint_interval.high, bet.interval.low, bet.interval.high].map(|end| x.at(end));
        let [low, high, own_low, own_high] = ends;
        put(
            &mut svg,
            format_args!("<text x=\"140\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", y + 4.0, escaped(&bet.name)),
        );
        put(&mut svg, format_args!("<path class=\"mark thin\" d=\"M{low:.1} {y:.1}H{high:.1}\"/>"));
        put(&mut svg, format_args!("<path class=\"mark thick\" d=\"M{own_low:.1} {y:.1}H{own_high:.1}\"/>"));
        let class = if bet.rtp_agrees { "dot" } else { "dot off" };
        put(&mut svg, format_args!("<circle class=\"{class}\" cx=\"{:.1}\" cy=\"{y:.1}\" r=\"4.5\"/>", x.at(bet.rtp)));
    }
    svg + "</svg>"
}

/// The return over the rounds, and between which bounds 99 % of such curves are at each of their points.
pub(super) fn convergence(report: &Report, bet: &BetReport) -> String {
    let mut svg = open(520.0, 280.0, "The return as rounds add up");
    let Some(last) = bet.convergence.last() else { return svg + "</svg>" };
    // What is far off in the beginning would leave nothing to see of the end.
    let half = 4.0 * Z_99 * bet.volatility / (last.rounds as f64).sqrt() + (bet.rtp - report.declared_rtp).abs();
    let y = Scale { from: report.declared_rtp - half, to: report.declared_rtp + half, start: 244.0, end: 10.0 };
    let x = Scale { from: 0.0, to: last.rounds as f64, start: 66.0, end: 510.0 };
    for tick in y.ticks() {
        let at = y.at(tick);
        put(&mut svg, format_args!("<path class=\"axis\" d=\"M66 {at:.1}H510\"/>"));
        let label = format!("{} %", trimmed(100.0 * tick));
        put(&mut svg, format_args!("<text x=\"60\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", at + 4.0));
    }
    let points = 60;
    let bound = |sign: f64| {
        (1..=points).map(move |point| {
            let rounds = last.rounds as f64 * f64::from(point) / f64::from(points);
            (rounds, report.declared_rtp + sign * Z_99 * bet.volatility / rounds.sqrt())
        })
    };
    let band: Vec<_> = bound(1.0).chain(bound(-1.0).collect::<Vec<_>>().into_iter().rev()).collect();
    put(&mut svg, format_args!("<path class=\"band\" d=\"{}Z\"/>", path(&band, &x, &y)));
    let declared = y.at(report.declared_rtp);
    put(&mut svg, format_args!("<path class=\"declared\" d=\"M66 {declared:.1}H510\"/>"));
    let curve: Vec<_> = bet.convergence.iter().map(|point| (point.rounds as f64, point.rtp)).collect();
    put(&mut svg, format_args!("<path class=\"mark\" d=\"{}\"/>", path(&curve, &x, &y)));
    let label = grouped(u128::from(last.rounds));
    put(&mut svg, format_args!("<text x=\"510\" y=\"268\" text-anchor=\"end\">{label} rounds</text>"));
    svg + "</svg>"
}

/// How often rounds pay how much, on a scale of powers of ten.
pub(super) fn distribution(bet: &BetReport) -> String {
    let mut svg = open(520.0, 280.0, "How often rounds pay how much");
    let rarest = bet.distribution.iter().filter(|class| class.rounds > 0).map(|class| class.share).fold(1.0, f64::min);
    let y = Scale { from: rarest.log10().floor(), to: 0.0, start: 232.0, end: 10.0 };
    let mut power = y.from;
    while power <= 0.0 {
        let at = y.at(power);
        put(&mut svg, format_args!("<path class=\"axis\" d=\"M66 {at:.1}H510\"/>"));
        // Written out, what is rarer would not fit beside the axis.
        let label =
            if power < -6.0 { format!("1e{} %", power + 2.0) } else { format!("{} %", 10_f64.powf(power + 2.0)) };
        put(&mut svg, format_args!("<text x=\"60\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", at + 4.0));
        power += (-y.from / 6.0).ceil().max(1.0);
    }
    let width = 444.0 / (bet.distribution.len().max(1) as f64);
    for (place, class) in bet.distribution.iter().enumerate() {
        let left = 66.0 + width * place as f64;
        if class.rounds > 0 {
            let top = y.at(class.share.log10());
            let (rounds, share) = (grouped(u128::from(class.rounds)), percent(class.share));
            put(
                &mut svg,
                format_args!(
                    "<rect class=\"bar\" x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"2\"><title>{rounds} rounds, {share}</title></rect>",
                    left + 2.0,
                    width - 4.0,
                    (232.0 - top).max(1.0),
                ),
            );
        }
        put(
            &mut svg,
            format_args!(
                "<text transform=\"translate({:.1} 244) rotate(-45)\" text-anchor=\"end\">{}</text>",
                left + 4.0,
                trimmed(class.from),
            ),
        );
    }
    svg + "</svg>"
}

fn open(width: f64, height: f64, label: &str) -> String {
    format!("<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\">\n")
}

fn path(points: &[(f64, f64)], x: &Scale, y: &Scale) -> String {
    let mut path = String::new();
    for (place, (across, up)) in points.iter().enumerate() {
        let step = if place == 0 { 'M' } else { 'L' };
        put(&mut path, format_args!("{step}{:.1} {:.1}", x.at(*across), y.at(*up)));
    }
    path
}

fn put(svg: &mut String, element: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _written = svg.write_fmt(element);
    svg.push('\n');
}
