//! The par sheet: what the rules return, computed from the rules alone. Every figure counts windows out of the 30^5
//! equally likely ones, in line stakes; only the last step turns it into parts per million.

use std::collections::HashMap;

use crate::feature::Feature;
use crate::rules::*;

const PPM: u128 = 1_000_000;
/// All windows: one factor a reel.
const WINDOWS: u128 = (STOPS as u128).pow(5);
/// Line stakes of one total stake.
const STAKE: u128 = LINES as u128;

/// The windows that show a number of scatters and that do or do not win: all that the feature distinguishes.
struct Class {
    scatters: usize,
    windows: u128,
    /// Wins as any such window's, but for what the lines pay.
    wins: Wins,
}

impl Class {
    fn new(scatters: usize, line_wins: bool, windows: u128) -> Self {
        let line = LineWin { line: 1, symbol: Symbol::Cherry, count: 3, payout: 1 };
        let scatter =
            (scatters >= SCATTERS_MIN).then(|| ScatterWin { count: scatters, payout: scatter_pays(scatters) });
        Self { scatters, windows, wins: Wins { lines: vec![line; usize::from(line_wins)], scatter } }
    }
}

/// What a number of scatters pays, in line stakes.
fn scatter_pays(scatters: usize) -> u64 {
    scatters.checked_sub(SCATTERS_MIN).map_or(0, |above| SCATTER_PAYS[above] * LINES as u64)
}

/// All windows by class. A line wins exactly when its first three reels do, so those are enumerated with all their
/// lines, and the last two reels only add their scatters.
fn classes() -> Vec<Class> {
    let mut ways_of_last_two = [0; REELS];
    for (fourth, fifth) in pairs_of_stops() {
        ways_of_last_two[scatters(3, fourth) + scatters(4, fifth)] += 1;
    }
    let mut windows = [[0; 2]; REELS + 1];
    for first_three in first_three_stops() {
        let shown = scatters_of_first_three(first_three);
        let line_wins = first_three_lines(first_three).any(|line| best_run(line).is_some());
        for more in 0..=REELS - 3 {
            windows[shown + more][usize::from(line_wins)] += ways_of_last_two[more];
        }
    }
    let class =
        |scatters| [false, true].map(|wins: bool| Class::new(scatters, wins, windows[scatters][usize::from(wins)]));
    (0..=REELS).flat_map(class).collect()
}

fn pairs_of_stops() -> impl Iterator<Item = (usize, usize)> {
    (0..STOPS).flat_map(|a| (0..STOPS).map(move |b| (a, b)))
}

fn first_three_stops() -> impl Iterator<Item = [usize; 3]> {
    pairs_of_stops().flat_map(|(first, second)| (0..STOPS).map(move |third| [first, second, third]))
}

/// All lines, with scatters in place of the last two reels, where they end every run.
fn first_three_lines([first, second, third]: [usize; 3]) -> impl Iterator<Item = [Symbol; REELS]> {
    let window = window([first, second, third, 0, 0]);
    PAYLINES
        .iter()
        .map(move |rows| std::array::from_fn(|reel| if reel < 3 { window[rows[reel]][reel] } else { Symbol::Scatter }))
}

/// Scatters that a reel shows at a stop.
fn scatters(reel: usize, stop: usize) -> usize {
    (0..ROWS).filter(|row| STRIPS[reel][(stop + row) % STOPS] == Symbol::Scatter).count()
}

fn scatters_of_first_three(stops: [usize; 3]) -> usize {
    (0..3).map(|reel| scatters(reel, stops[reel])).sum()
}

/// Line stakes that the lines pay over all windows. Each line crosses each reel once and every stop is as likely, so a
/// line sees a combination of symbols in as many windows as the strips have ways to make it.
fn lines_pay() -> u128 {
    fn extend(line: &mut Vec<Symbol>, ways: u128) -> u128 {
        if let Ok(line) = <[Symbol; REELS]>::try_from(line.as_slice()) {
            return best_run(line).map_or(0, |(_, _, pays)| ways * u128::from(pays));
        }
        let strip = STRIPS[line.len()];
        let symbols = PAYTABLE.iter().map(|(symbol, _)| *symbol).chain([Symbol::Scatter]);
        symbols.fold(0, |total, symbol| {
            let on_reel = strip.iter().filter(|&&shown| shown == symbol).count();
            line.push(symbol);
            let pays = extend(line, ways * on_reel as u128);
            line.pop();
            total + pays
        })
    }
    STAKE * extend(&mut Vec::new(), 1)
}

/// Line stakes that scatters pay over all windows.
fn scatters_pay(classes: &[Class]) -> u128 {
    classes.iter().map(|class| class.windows * u128::from(scatter_pays(class.scatters))).sum()
}

/// The feature as a Markov chain over spins left, spins awarded and multiplier: what follows a free spin depends on its
/// window only through the window's class, and the multiplier is a plain factor of what the spin pays.
struct Chain<'a> {
    classes: &'a [Class],
    /// Line stakes that one spin at multiplier 1 pays over all windows.
    spin_pays: u128,
    rounding: Rounding,
    values: HashMap<(u32, u32, u64), u128>,
}

/// Which bound of the value a chain computes.
#[derive(Clone, Copy)]
enum Rounding {
    Down,
    Up,
}

impl Chain<'_> {
    /// Fractional bits of a value. Rounding costs at most one unit a spin: 30 * 2^-64 line stakes in all.
    const FRACTION_BITS: u32 = 64;

    /// Expected line stakes that the feature pays from here to its end, in fixed point.
    fn value(&mut self, feature: &Feature) -> u128 {
        let state = (feature.spins_left, feature.spins_awarded, feature.multiplier);
        if let Some(&value) = self.values.get(&state) {
            return value;
        }
        let mut value = (u128::from(feature.multiplier) * self.spin_pays) << Self::FRACTION_BITS;
        for class in self.classes {
            if let Some(next) = feature.after(&class.wins) {
                value += class.windows * self.value(&next);
            }
        }
        let value = self.rounding.divide(value, WINDOWS);
        self.values.insert(state, value);
        value
    }

    /// Expected line stakes that the feature adds to one base spin, in fixed point.
    fn value_of_base_spin(&mut self) -> u128 {
        let mut value = 0;
        for class in self.classes {
            if let Some(feature) = Feature::opened_by(&class.wins, 1) {
                value += class.windows * self.value(&feature);
            }
        }
        self.rounding.divide(value, WINDOWS)
    }
}

impl Rounding {
    fn divide(self, dividend: u128, divisor: u128) -> u128 {
        match self {
            Self::Down => dividend / divisor,
            Self::Up => dividend.div_ceil(divisor),
        }
    }
}

/// The nearest whole number of parts per million.
fn ppm(part: u128, whole: u128) -> u128 {
    (2 * part * PPM + whole) / (2 * whole)
}

/// Most line stakes that a window of each number of scatters pays. Of the windows that begin with the same three stops,
/// only those are tried which could beat the best so far.
fn best_windows() -> [u64; REELS + 1] {
    let mut prefixes: Vec<_> = first_three_stops().map(|stops| (lines_pay_at_most(stops), stops)).collect();
    prefixes.sort_unstable_by(|a, b| b.cmp(a));
    let mut best = [0; REELS + 1];
    for (at_most, [first, second, third]) in prefixes {
        let shown = scatters_of_first_three([first, second, third]);
        let could_beat = |scatters: usize, best: &[u64]| at_most + scatter_pays(scatters) > best[scatters];
        if !(shown..=shown + 2).any(|scatters| could_beat(scatters, &best)) {
            continue;
        }
        for (fourth, fifth) in pairs_of_stops() {
            let scatters = shown + scatters(3, fourth) + scatters(4, fifth);
            if could_beat(scatters, &best) {
                let wins = Wins::of(&window([first, second, third, fourth, fifth]), 1);
                best[scatters] = best[scatters].max(wins.payout());
            }
        }
    }
    best
}

/// No window with these first three stops pays more on its lines, in line stakes: each line that wins is taken for five
/// of its symbol, and a line of wilds for five wilds, which pay best.
fn lines_pay_at_most(first_three: [usize; 3]) -> u64 {
    first_three_lines(first_three).filter_map(best_run).map(|(symbol, ..)| PAYTABLE[symbol as usize].1[2]).sum()
}

/// Most line stakes that the feature pays from here to its end.
fn best_feature(feature: &Feature, classes: &[Class], best: &[u64], known: &mut HashMap<(u32, u32, u64), u64>) -> u64 {
    let state = (feature.spins_left, feature.spins_awarded, feature.multiplier);
    if let Some(&most) = known.get(&state) {
        return most;
    }
    let mut most = 0;
    for class in classes.iter().filter(|class| class.wins.payout() > 0) {
        let rest = feature.after(&class.wins).map_or(0, |next| best_feature(&next, classes, best, known));
        most = most.max(feature.multiplier * best[class.scatters] + rest);
    }
    known.insert(state, most);
    most
}

#[test]
fn returns_exactly_what_it_states() {
    let classes = classes();
    assert_eq!(classes.iter().map(|class| class.windows).sum::<u128>(), WINDOWS);
    let (lines, scatters) = (lines_pay(), scatters_pay(&classes));
    assert_eq!((ppm(lines, STAKE * WINDOWS), ppm(scatters, STAKE * WINDOWS)), (682_079, 21_200));

    let [lower, upper] = [Rounding::Down, Rounding::Up].map(|rounding| {
        let spin_pays = lines + scatters;
        let feature = Chain { classes: &classes, spin_pays, rounding, values: HashMap::new() }.value_of_base_spin();
        let spin = rounding.divide(spin_pays << Chain::FRACTION_BITS, WINDOWS);
        let stake = STAKE << Chain::FRACTION_BITS;
        (ppm(feature, stake), ppm(spin + feature, stake))
    });
    assert_eq!(lower, upper, "the two bounds agree to the last part per million");
    assert_eq!(lower, (257_240, RTP_PPM.into()));
}

#[test]
fn wins_as_often_as_it_states() {
    let classes = classes();
    let frequency = |which: fn(&Wins) -> bool| {
        let classes = classes.iter().filter(|class| which(&class.wins));
        ppm(classes.map(|class| class.windows).sum(), WINDOWS)
    };
    assert_eq!(frequency(|wins| wins.payout() > 0), HIT_FREQUENCY_PPM.into());
    assert_eq!(frequency(|wins| wins.scatter.is_some()), 8_560, "one paid spin in 117 opens the feature");
}

#[test]
fn pays_at_most_what_it_states() {
    let (classes, best, mut known) = (classes(), best_windows(), HashMap::new());
    let round = |class: &Class| {
        let feature = Feature::opened_by(&class.wins, 1);
        best[class.scatters] + feature.map_or(0, |feature| best_feature(&feature, &classes, &best, &mut known))
    };
    let most = classes.iter().map(round).max().unwrap();
    assert_eq!(u128::from(most) * PPM, STAKE * u128::from(MAX_WIN_PPM));
    assert!(most * LINE_STAKE_MAX < 1 << 53, "no round can pay an amount that JSON clients cannot read");
}
