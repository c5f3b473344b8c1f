use super::{
    super::{Identity, State, Statistics},
    *,
};
use crate::{
    engine::{Bet, Tally},
    identity::Digest,
};

fn descriptor(rtp_ppm: u32, max_win_ppm: u64) -> Descriptor {
    Descriptor {
        id: "dice".parse().unwrap(),
        title: "Dice <1>".to_owned(),
        version: "1.0.0".to_owned(),
        rtp_ppm,
        max_win_ppm,
        methods: Vec::new(),
    }
}

/// Every round stakes 10; half of them pay 19.
fn state(bets: usize) -> State {
    let identity = Identity {
        game: "dice".parse().unwrap(),
        release: Digest::of(b"dice"),
        strategy: None,
        seed: 1,
        batch_rounds: 1_000,
    };
    let names: Vec<_> = (0..bets).map(|bet| format!("bet-{bet}")).collect();
    let bet = |name: &String| Bet { name: name.clone(), summary: "A roll".to_owned() };
    let mut state = State::new(identity, names.iter().map(bet).collect());
    for name in &names {
        for batch in 0..3 {
            let outcomes = (0..1_000).map(|round| (10, 19 * (round % 2))).collect();
            let tally = Tally { outcomes, ..Tally::default() };
            state.add(name, Statistics::of_batch(batch, tally).unwrap());
        }
    }
    state
}

#[test]
fn a_return_within_the_interval_and_wins_within_the_bound_agree() {
    let agrees = |rtp_ppm, max_win_ppm| Report::of(&state(1), &descriptor(rtp_ppm, max_win_ppm)).agrees();
    // The standard error is 0.95 / sqrt(3000) = 0.01734.
    assert!(agrees(950_000, 1_900_000));
    assert!(agrees(950_000 + 44_000, 1_900_000));
    assert!(!agrees(950_000 + 45_000, 1_900_000));
    assert!(!agrees(950_000 - 45_000, 1_900_000));
    assert!(!agrees(950_000, 1_899_999));
}

#[test]
fn several_bets_are_judged_together() {
    let report = Report::of(&state(15), &descriptor(950_000 + 50_000, 1_900_000));
    assert!(report.agrees(), "{report}");
    assert!(report.bets[0].interval.high < 1.0 && report.bets[0].joint_interval.high > 1.0);
}

#[test]
fn quantiles_of_the_normal_distribution_are_near_enough() {
    for (share, expected) in [(0.005, 2.575_829), (0.025, 1.959_964), (0.000_5, 3.290_527)] {
        assert!((upper_quantile_of_normal(share) - expected).abs() < 4.5e-4, "{share}");
    }
}

#[test]
fn wins_are_told_by_class_and_the_return_as_it_settles() {
    let report = Report::of(&state(1), &descriptor(950_000, 1_900_000));
    let bet = &report.bets[0];
    let classes: Vec<_> = bet.distribution.iter().map(|class| (class.from, class.rounds)).collect();
    assert_eq!(classes, [(0.0, 0), (0.2, 0), (0.5, 0), (1.0, 1_500)]);
    assert!((bet.distribution[3].share_of_return - 1.0).abs() < 1e-12);
    let points: Vec<_> = bet.convergence.iter().map(|point| (point.rounds, point.rtp)).collect();
    assert_eq!(points, [(1_000, 0.95), (2_000, 0.95), (3_000, 0.95)]);
}

#[test]
fn the_text_says_what_was_measured_and_whether_it_agrees() {
    let text = Report::of(&state(1), &descriptor(950_000, 1_900_000)).to_string();
    for words in ["Dice <1>", "3,000 rounds from seed 1", "return             95.0000 %", "AGREES"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(Report::of(&state(1), &descriptor(1, 1)).to_string().contains("DOES NOT AGREE"));
}

#[test]
fn the_page_loads_nothing_and_takes_no_ones_words_for_its_own() {
    let page = Report::of(&state(2), &descriptor(950_000, 1_900_000)).html();
    for words in ["Dice &lt;1&gt;", "agrees with what the game declares", "prefers-color-scheme", "<svg", "bet-1"] {
        assert!(page.contains(words), "{words}");
    }
    for words in ["Dice <1>", "http", "src=", "url(", "@import", "<script", "NaN", "inf"] {
        assert!(!page.contains(words), "{words}");
    }
}

#[test]
fn the_rarest_share_fits_beside_the_axis() {
    let mut report = Report::of(&state(1), &descriptor(950_000, 1_900_000));
    report.bets[0].distribution[3].share = 2e-8;
    let plot = plots::distribution(&report.bets[0]);
    assert!(plot.contains(">100 %</text>") && plot.contains(">1e-6 %</text>"), "{plot}");
}
