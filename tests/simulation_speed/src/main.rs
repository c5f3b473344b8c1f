//! `cargo run --release -p simulation-speed`: rounds a second of the shipped games, as components and compiled natively, in
//! turns and in one run. Measures; asserts nothing.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use croupier::{
    engine::{Engine, Release, Settings},
    packaging,
};
use croupier_sdk::simulation::{Simulation, simulate};

/// As many as a batch of `croupier simulate` has.
const BATCH: u32 = 1 << 16;
/// Of each way, after one that is not counted.
const BATCHES: u64 = 12;

type Native = fn(&str, u64) -> u64;

fn main() -> anyhow::Result<()> {
    let threads = std::thread::available_parallelism()?.get();
    println!(
        "{:<12} {:<16} {:>12} {:>12} {:>7} {:>14}",
        "game",
        "bet",
        "native/s",
        "component/s",
        "share",
        format!("on {threads} cores/s")
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_time().build()?;
    runtime.block_on(async {
        let settings = Settings { step_compute_max: Duration::from_secs(60), ..Settings::default() };
        let engine = Arc::new(Engine::start(settings)?);
        for (game, bet, native) in [
            ("fruit-slots", "spin", played::<fruit_slots::FruitSlots> as Native),
            ("blackjack", "basic-strategy", played::<blackjack::Blackjack>),
            ("roulette", "red", played::<roulette::Roulette>),
            ("roulette", "all-kinds", played::<roulette::Roulette>),
        ] {
            measure(&engine, threads, game, bet, native).await?;
        }
        Ok(())
    })
}

async fn measure(
    engine: &Arc<Engine>,
    threads: usize,
    game: &str,
    bet: &'static str,
    native: Native,
) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let built = packaging::build(&Path::new("games").join(game), folder.path())?;
    let release = Arc::new(engine.load(std::fs::read(built.path)?).await?);
    let (mut natively, mut as_component) = (Duration::ZERO, Duration::ZERO);
    for batch in 0..=BATCHES {
        let begun = Instant::now();
        let paid = native(bet, batch);
        let native_took = begun.elapsed();
        let begun = Instant::now();
        let same = in_component(engine, &release, bet, batch).await?;
        anyhow::ensure!(paid == same, "{game} pays {paid} natively and {same} as a component");
        if batch > 0 {
            natively += native_took;
            as_component += begun.elapsed();
        }
    }
    let begun = Instant::now();
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..threads as u64 {
        let (engine, release) = (engine.clone(), release.clone());
        workers.spawn(async move {
            for batch in 0..BATCHES {
                in_component(&engine, &release, bet, worker * BATCHES + batch).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker??;
    }
    let rate = |batches: u64, took: Duration| (batches * u64::from(BATCH)) as f64 / took.as_secs_f64();
    let (native, component) = (rate(BATCHES, natively), rate(BATCHES, as_component));
    let together = rate(BATCHES * threads as u64, begun.elapsed());
    println!(
        "{game:<12} {bet:<16} {native:>12.0} {component:>12.0} {:>6.0}% {together:>14.0}",
        100.0 * component / native
    );
    Ok(())
}

fn seed(batch: u64) -> (u64, u64, u64, u64) {
    (batch, 1, 2, 3)
}

/// What a batch pays that is compiled natively.
fn played<G: Simulation>(bet: &str, batch: u64) -> u64 {
    let tally = simulate::<G>(bet, seed(batch).into(), BATCH);
    tally.map_or(0, |tally| tally.outcomes.iter().map(|outcome| outcome.paid).sum())
}

/// What the same batch pays in the component.
async fn in_component(engine: &Engine, release: &Release, bet: &str, batch: u64) -> anyhow::Result<u64> {
    let tally = engine.simulate(release, bet, seed(batch), BATCH).await?;
    Ok(tally.outcomes.iter().map(|(_, paid)| paid).sum())
}
