//! `croupier simulate`: what it measures of the shipped games, what it finds in one that lies, and that a run is the same
//! however it is cut into pieces.

use std::{
    future::{pending, ready},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Arc, LazyLock},
};

use croupier::{
    catalog::Playable,
    engine::{Engine, Settings},
    simulation::{self, Ended, Identity, Plan, Progress, State, Subject},
};
use serde_json::Value;

use crate::harness;

/// A game that declares less than it returns, with bets that are played otherwise than they are simulated.
static LOADED_DICE: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = harness::build("simulated-games", vec![harness::root().join("tests/simulated_games/loaded-dice")]);
    folder.join("loaded-dice.wasm")
});

/// What a run has said.
#[derive(Debug)]
struct Said {
    status: i32,
    stdout: String,
    stderr: String,
}

fn simulate(game: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_croupier"));
    let Output { status, stdout, stderr } = command.arg("simulate").arg(game).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { status: status.code().unwrap(), stdout: text(stdout), stderr: text(stderr) }
}

/// The report of a run, whether it agrees or not.
fn report(game: &Path, arguments: &[&str]) -> String {
    let said = simulate(game, &[arguments, &["--json", "-"]].concat());
    assert!(said.status < 2, "{}", said.stderr);
    said.stdout
}

fn shipped(game: &str) -> PathBuf {
    harness::GAMES.join(format!("{game}.wasm"))
}

#[test]
fn the_shipped_games_return_what_they_declare() {
    for (game, bets) in [("fruit-slots", 1), ("blackjack", 1), ("roulette", 16)] {
        let said = simulate(&shipped(game), &["--rounds", "70k", "--seed", "20120501", "--json", "-"]);
        assert_eq!(said.status, 0, "{}", said.stderr);
        let report: Value = serde_json::from_str(&said.stdout).unwrap();
        assert_eq!(report["agrees"], true);
        let measured = report["bets"].as_array().unwrap();
        assert_eq!(measured.len(), bets);
        assert!(measured.iter().all(|bet| bet["rounds"] == 70_000 && bet["hit_frequency"].as_f64().unwrap() > 0.0));
        assert!(said.stderr.contains("AGREES"), "{}", said.stderr);
    }
}

#[test]
fn a_run_does_not_depend_on_its_threads() {
    let of = |threads| report(&shipped("fruit-slots"), &["--rounds", "200k", "--seed", "7", "--threads", threads]);
    assert_eq!(of("1"), of("2"));
    let other = report(&shipped("fruit-slots"), &["--rounds", "200k", "--seed", "8"]);
    assert_ne!(of("1"), other);
}

#[test]
fn a_game_that_returns_another_share_than_it_declares_does_not_agree() {
    let said = simulate(&LOADED_DICE, &["--rounds", "100k", "--bet", "fair"]);
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.stdout.contains("DOES NOT AGREE with what the game declares: fair"), "{}", said.stdout);
}

#[test]
fn a_simulation_that_is_not_what_is_played_is_found() {
    for (bet, difference) in
        [("kinder", "it moves Moved"), ("forgetful", "the result is 2 in the simulation, 1 when it is called")]
    {
        let said = simulate(&LOADED_DICE, &["--rounds", "100k", "--bet", bet]);
        assert_eq!(said.status, 2, "{said:?}");
        assert!(said.stderr.contains("the game's own simulation is not what is played"), "{}", said.stderr);
        assert!(said.stderr.contains(difference), "{}", said.stderr);
    }
}

#[test]
fn what_cannot_be_measured_says_why() {
    let lost = simulate(&LOADED_DICE, &["--bet", "lost"]);
    assert_eq!(lost.status, 2);
    assert!(lost.stderr.contains("bet `lost`, round 0: the dice are lost (fault 7)"), "{}", lost.stderr);
    let unknown = simulate(&LOADED_DICE, &["--bet", "found"]);
    assert!(unknown.stderr.contains("there is no bet 'found'; there are 'fair', 'kinder'"), "{}", unknown.stderr);
}

#[test]
fn a_run_that_is_gone_on_with_or_merged_is_the_run_in_one_piece() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let game = shipped("fruit-slots");
    let whole = report(&game, &["--seed", "7", "--rounds", "196608"]);

    let kept = path("kept");
    report(&game, &["--seed", "7", "--rounds", "131072", "--state", &kept]);
    assert_eq!(report(&game, &["--rounds", "196608", "--state", &kept]), whole, "the seed is the state's");
    assert_eq!(report(&game, &["--rounds", "196608", "--state", &kept]), whole, "there is nothing left to play");

    let (first, second) = (path("first"), path("second"));
    report(&game, &["--seed", "7", "--rounds", "65536", "--state", &first]);
    report(&game, &["--seed", "7", "--rounds", "131072", "--first-batch", "1", "--state", &second]);
    assert_eq!(report(&game, &["--merge", &second, &first]), whole);

    let twice = simulate(&game, &["--merge", &first, &kept]);
    assert!(twice.stderr.contains("both have batch 0 of bet 'spin'"), "{}", twice.stderr);
    let other = simulate(&shipped("blackjack"), &["--rounds", "10k", "--state", &first]);
    assert_eq!(other.status, 2);
    assert!(other.stderr.contains("it was measured with another game"), "{}", other.stderr);
}

#[tokio::test]
async fn a_run_tells_how_far_it_has_come_and_can_be_stopped_while_samples_are_verified() {
    let engine = Arc::new(Engine::start(Settings::default()).unwrap());
    let component = std::fs::read(shipped("roulette")).unwrap();
    let subject = Arc::new(Subject { game: Playable::load(&engine, component).await.unwrap(), engine, strategy: None });
    let plan = Plan { seed: 1, first_batch: 0, rounds: 3_000, batch_rounds: 1_000 };
    let bets = subject.bets_named(&["red".to_owned(), "straight".to_owned()]).await.unwrap();
    let release = &subject.game.release;
    let identity = Identity {
        game: release.descriptor().id.clone(),
        release: release.digest(),
        strategy: None,
        seed: plan.seed,
        batch_rounds: plan.batch_rounds,
    };
    let mut state = State::new(identity, bets);
    let mut played = Vec::new();
    let mut progress = |progress: Progress<'_>| {
        if let Progress::Played(state) = progress {
            played.push(state.rounds());
        }
    };
    let ended = simulation::run(&subject, &plan, 1, &mut state, ready(()), &mut progress).await.unwrap();
    assert_eq!((ended, played), (Ended::Stopped, vec![]));

    let (mut verified, mut played) = (Vec::new(), Vec::new());
    let mut progress = |progress: Progress<'_>| match progress {
        Progress::Verified { samples, of } => {
            assert!(played.is_empty());
            verified.push((samples, of));
        }
        Progress::Played(state) => played.push(state.rounds()),
    };
    let ended = simulation::run(&subject, &plan, 1, &mut state, pending(), &mut progress).await.unwrap();
    assert_eq!(ended, Ended::Finished);
    let samples = verified.last().unwrap().1;
    assert_eq!(verified, (0..=samples).map(|done| (done, samples)).collect::<Vec<_>>());
    assert_eq!(played, (0..=6).map(|batches| batches * 1_000).collect::<Vec<_>>());
}

/// By the calls that players make: hands of blackjack that stand on everything.
#[test]
fn a_strategy_chooses_the_calls() {
    let folder = tempfile::tempdir().unwrap();
    let strategy = folder.path().join("strategy.toml");
    let text = "[[bets]]\nname = \"stand\"\ncall = \"deal\"\nparams = { stake = 10 }\n\
                [[rules]]\nwhen = \"'double' in actions and hands[0].total == 11\"\ncall = \"double\"\n\
                [[rules]]\ncall = \"stand\"\n";
    std::fs::write(&strategy, text).unwrap();
    let strategy = strategy.to_str().unwrap();
    let said =
        simulate(&shipped("blackjack"), &["--strategy", strategy, "--rounds", "3k", "--seed", "1", "--json", "-"]);
    assert!(said.status < 2, "{}", said.stderr);
    let report: Value = serde_json::from_str(&said.stdout).unwrap();
    let methods: Vec<_> =
        report["bets"][0]["methods"].as_array().unwrap().iter().map(|method| &method["name"]).collect();
    assert_eq!(methods, ["deal", "double", "stand"]);
    assert_eq!(report["bets"][0]["rounds"], 3_000);

    // The shipped one, whose every decision is the game's own, returns what the game declares.
    let basic = harness::root().join("games/blackjack/basic-strategy.toml");
    let basic = ["--strategy", basic.to_str().unwrap(), "--rounds", "10k", "--seed", "1"];
    let said = simulate(&shipped("blackjack"), &basic);
    assert!(said.status == 0 && said.stdout.contains("AGREES"), "{said:?}");

    let silent = folder.path().join("silent.toml");
    std::fs::write(&silent, &text[..text.find("[[rules]]").unwrap()]).unwrap();
    let said = simulate(&shipped("blackjack"), &["--strategy", silent.to_str().unwrap()]);
    assert!(said.stderr.contains("no rule says what to do after {"), "{}", said.stderr);
}
