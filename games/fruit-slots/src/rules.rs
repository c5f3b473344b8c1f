//! The rules of one spin: reels, lines, paytable, and what a window of symbols wins.
//! Pure integer arithmetic: it draws nothing, moves no money, and knows no host.

use schemars::JsonSchema;
use serde::Serialize;

/// Theoretical return to player in parts per million of the stake, free spins included; `par_sheet` computes it.
pub const RTP_PPM: u32 = 960_518;
/// Largest payout of one round in parts per million of its stake. It is attained: every free spin the feature can
/// have, at the best multiplier and on the best windows; `par_sheet` computes it.
pub const MAX_WIN_PPM: u64 = 50_585_000_000;

/// Paid spins that win something, in parts per million; `par_sheet` computes it.
pub const HIT_FREQUENCY_PPM: u32 = 310_654;

/// Reels of the window.
pub const REELS: usize = 5;
/// Rows of the window.
pub const ROWS: usize = 3;
/// Stops of each reel, all equally likely.
pub const STOPS: usize = 30;
/// Paylines; every spin plays them all.
pub const LINES: usize = 20;
/// Largest stake per line, in minor units.
pub const LINE_STAKE_MAX: u64 = 1_000;
/// Fewest scatters that pay and open the free spins.
pub const SCATTERS_MIN: usize = 3;

/// What a reel shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Symbol {
    /// Substitutes for every symbol but the scatter, and has prizes of its own.
    Wild,
    /// The best of those that the wild substitutes for.
    Seven,
    /// High.
    Bell,
    /// Middle.
    Melon,
    /// Middle.
    Plum,
    /// Low.
    Orange,
    /// Low.
    Lemon,
    /// Low.
    Cherry,
    /// Pays anywhere in the window and opens the free spins. No reel shows two of them.
    Scatter,
}

impl Symbol {
    /// Which symbols it can be on a line, as bits by their place: only the scatter is none.
    const fn kinds(self) -> u8 {
        match self {
            Wild => u8::MAX,
            Scatter => 0,
            symbol => 1 << symbol as u8,
        }
    }
}

use Symbol::{Bell, Cherry, Lemon, Melon, Orange, Plum, Scatter, Seven, Wild};

/// What the player sees, as rows from top to bottom, each with one symbol per reel.
pub type Window = [[Symbol; REELS]; ROWS];

/// The symbols that win on lines, and what 3, 4 and 5 of them from the left pay in line stakes.
pub const PAYTABLE: [(Symbol, [u64; 3]); 8] = [
    (Wild, [50, 250, 1_000]),
    (Seven, [30, 150, 500]),
    (Bell, [20, 75, 250]),
    (Melon, [10, 40, 150]),
    (Plum, [8, 25, 100]),
    (Orange, [5, 15, 75]),
    (Lemon, [5, 15, 50]),
    (Cherry, [5, 10, 50]),
];

/// What 3, 4 and 5 scatters pay in total stakes.
pub const SCATTER_PAYS: [u64; 3] = [2, 10, 50];

/// The row, 0 at the top, that each line crosses on each reel.
pub const PAYLINES: [[usize; REELS]; LINES] = [
    [1, 1, 1, 1, 1],
    [0, 0, 0, 0, 0],
    [2, 2, 2, 2, 2],
    [0, 1, 2, 1, 0],
    [2, 1, 0, 1, 2],
    [0, 0, 1, 2, 2],
    [2, 2, 1, 0, 0],
    [1, 0, 0, 0, 1],
    [1, 2, 2, 2, 1],
    [1, 0, 1, 2, 1],
    [1, 2, 1, 0, 1],
    [0, 1, 1, 1, 0],
    [2, 1, 1, 1, 2],
    [0, 1, 0, 1, 0],
    [2, 1, 2, 1, 2],
    [1, 1, 0, 1, 1],
    [1, 1, 2, 1, 1],
    [0, 0, 2, 0, 0],
    [2, 2, 0, 2, 2],
    [0, 2, 2, 2, 0],
];

/// The lines, as bits by their place, that cross each row of each reel.
const LINES_THROUGH: [[u32; ROWS]; REELS] = {
    let mut lines = [[0; ROWS]; REELS];
    let mut place = 0;
    while place < LINES {
        let mut reel = 0;
        while reel < REELS {
            lines[reel][PAYLINES[place][reel]] |= 1 << place;
            reel += 1;
        }
        place += 1;
    }
    lines
};

/// The symbols of each reel in the order they pass, as initials; `*` is the scatter.
pub const STRIPS: [[Symbol; STOPS]; REELS] = [
    strip(b"LPPCCPMMSMMOOOCCCLLLOO*BBBSPWC"),
    strip(b"OOCCLL*SPPBBBWMMPPPMMSWLLOOCLL"),
    strip(b"MMCCOOOPBBBCCCOSOOMMPWSPPLLL*W"),
    strip(b"WPSPPLLOBBCCOLCCCLWSMMLMMPB*OO"),
    strip(b"LLLMMOOMPCCPPOOWBBBS*PPMCCCLLS"),
];

const fn strip(initials: &[u8; STOPS]) -> [Symbol; STOPS] {
    let mut symbols = [Scatter; STOPS];
    let mut stop = 0;
    while stop < STOPS {
        symbols[stop] = symbol(initials[stop]);
        stop += 1;
    }
    symbols
}

const fn symbol(initial: u8) -> Symbol {
    match initial {
        b'W' => Wild,
        b'S' => Seven,
        b'B' => Bell,
        b'M' => Melon,
        b'P' => Plum,
        b'O' => Orange,
        b'L' => Lemon,
        b'C' => Cherry,
        b'*' => Scatter,
        _ => panic!("no symbol has this initial"),
    }
}

/// The window when each reel shows its strip from the given stop, each below [`STOPS`], downwards.
pub fn window(stops: [usize; REELS]) -> Window {
    std::array::from_fn(|row| std::array::from_fn(|reel| STRIPS[reel][(stops[reel] + row) % STOPS]))
}

/// All that a window wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Wins {
    /// The lines that win, in ascending order.
    pub lines: Vec<LineWin>,
    /// The scatters, if there are enough to pay.
    pub scatter: Option<ScatterWin>,
}

/// One line that wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LineWin {
    /// The payline, counted from 1.
    pub line: usize,
    /// The symbol that the wilds stand for, or the wild itself.
    pub symbol: Symbol,
    /// How many of it in a row, from the left: 3 to 5.
    pub count: usize,
    /// In minor units.
    pub payout: u64,
}

/// Scatters that win.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ScatterWin {
    /// How many the window shows: 3 to 5.
    pub count: usize,
    /// In minor units.
    pub payout: u64,
}

impl Wins {
    /// What a window wins when one line stake won is worth `unit` minor units: the line stake times the multiplier.
    pub fn of(window: &Window, unit: u64) -> Self {
        let (mut lines, mut candidates) = (Vec::new(), candidates(window));
        while candidates > 0 {
            let place = candidates.trailing_zeros() as usize;
            candidates &= candidates - 1;
            let [a, b, c, d, e] = PAYLINES[place];
            let line = [window[a][0], window[b][1], window[c][2], window[d][3], window[e][4]];
            if let Some((symbol, count, pays)) = best_run(line) {
                lines.push(LineWin { line: place + 1, symbol, count, payout: pays * unit });
            }
        }
        let count = window.iter().flatten().filter(|&&symbol| symbol == Scatter).count();
        let scatter = (count >= SCATTERS_MIN).then(|| {
            let payout = SCATTER_PAYS[count - SCATTERS_MIN] * LINES as u64 * unit;
            ScatterWin { count, payout }
        });
        Self { lines, scatter }
    }

    /// Everything together, in minor units.
    pub fn payout(&self) -> u64 {
        let lines: u64 = self.lines.iter().map(|line| line.payout).sum();
        lines + self.scatter.map_or(0, |scatter| scatter.payout)
    }
}

/// The lines of which the first three reels can show one symbol, as bits by their place: most windows have few, and no
/// other line wins.
fn candidates(window: &Window) -> u32 {
    let kinds = window.map(|row| [row[0].kinds(), row[1].kinds(), row[2].kinds()]);
    let mut lines = 0;
    for first in 0..ROWS {
        for second in 0..ROWS {
            let common = kinds[first][0] & kinds[second][1];
            if common == 0 {
                continue;
            }
            for third in 0..ROWS {
                if common & kinds[third][2] != 0 {
                    lines |= LINES_THROUGH[0][first] & LINES_THROUGH[1][second] & LINES_THROUGH[2][third];
                }
            }
        }
    }
    lines
}

/// The best prize of a line from the left, as symbol, count and line stakes: either its leading wilds on their own,
/// or the first other symbol with all wilds before and among it.
pub fn best_run(line: [Symbol; REELS]) -> Option<(Symbol, usize, u64)> {
    let wilds = run(&line, Wild);
    let symbol = line.get(wilds).map_or(Wild, |&first| first);
    let count = run(&line, symbol);
    if count < 3 {
        // Wilds of their own are among the run.
        return None;
    }
    let (of_wilds, of_symbol) = (line_pays(Wild, wilds), line_pays(symbol, count));
    let best = if of_wilds > of_symbol { (Wild, wilds, of_wilds) } else { (symbol, count, of_symbol) };
    (best.2 > 0).then_some(best)
}

/// How many reels from the left show `symbol` or a wild for it.
fn run(line: &[Symbol], symbol: Symbol) -> usize {
    line.iter().position(|&shown| shown != symbol && shown != Wild).unwrap_or(line.len())
}

/// What `count` of a symbol pay, in line stakes.
fn line_pays(symbol: Symbol, count: usize) -> u64 {
    match PAYTABLE.get(symbol as usize) {
        Some((_, pays)) if count >= 3 => pays[count - 3],
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paytable_is_in_the_order_of_the_symbols() {
        for (place, (symbol, pays)) in PAYTABLE.iter().enumerate() {
            assert_eq!(*symbol as usize, place);
            assert!(pays.is_sorted(), "more of a symbol never pay less");
        }
    }

    #[test]
    fn the_lines_differ_and_run_within_the_window() {
        for (place, rows) in PAYLINES.iter().enumerate() {
            assert!(rows.iter().all(|&row| row < ROWS));
            assert!(!PAYLINES[..place].contains(rows), "line {} is there twice", place + 1);
        }
    }

    #[test]
    fn a_line_pays_its_best_run_from_the_left() {
        let cases = [
            ("CCCLO", Some((Cherry, 3, 5))),
            ("CCCCC", Some((Cherry, 5, 50))),
            ("CCLCC", None),
            ("LCCCC", None),
            ("WCCLO", Some((Cherry, 3, 5))),
            ("CWCWC", Some((Cherry, 5, 50))),
            ("SWWLL", Some((Seven, 3, 30))),
            ("WWCLL", Some((Cherry, 3, 5))),
            ("WWWCL", Some((Wild, 3, 50))),
            ("WWWCC", Some((Cherry, 5, 50))),
            ("WWWWC", Some((Wild, 4, 250))),
            ("WWWWS", Some((Seven, 5, 500))),
            ("WWWWW", Some((Wild, 5, 1_000))),
            ("WW*WW", None),
            ("WWW*W", Some((Wild, 3, 50))),
            ("CC*CC", None),
            ("***CC", None),
            ("*****", None),
        ];
        for (initials, expected) in cases {
            let symbols: Vec<_> = initials.bytes().map(symbol).collect();
            assert_eq!(best_run(symbols.try_into().unwrap()), expected, "{initials}");
        }
    }

    #[test]
    fn a_reel_wraps_around() {
        let column: Vec<_> = window([29, 0, 0, 0, 0]).iter().map(|row| row[0]).collect();
        assert_eq!(column, [Cherry, Lemon, Plum]);
    }

    #[test]
    fn scatters_pay_wherever_they_are() {
        let mut window = [[Cherry, Lemon, Orange, Plum, Melon]; ROWS];
        let expected = [None, None, Some((3, 400)), Some((4, 2_000)), Some((5, 10_000))];
        for (reel, expected) in expected.into_iter().enumerate() {
            window[reel % ROWS][reel] = Scatter;
            let wins = Wins::of(&window, 10);
            assert_eq!(wins.scatter.map(|scatter| (scatter.count, scatter.payout)), expected);
            assert_eq!(wins.payout(), expected.map_or(0, |(_, payout)| payout));
        }
    }
}
