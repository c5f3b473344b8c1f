//! Hot loading: how long until a file is live, what swaps cost those who play, and what many games take.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::{
    GAME, OPERATOR_TOKEN, Plan,
    load::{Connection, Figures, Load},
    open_players, progress,
    server::ServerProcess,
};
use crate::{catalog::Playable, config::Config, engine::Engine, identity::ReleaseDigest};

/// What was measured of releases.
#[derive(Debug)]
pub(super) struct Releases {
    pub(super) loading: Vec<Loading>,
    /// From a file written to its release being live, as a client sees it: unknown until then.
    pub(super) live_cold: Duration,
    /// The same for a release that was there before.
    pub(super) live_known: Duration,
    pub(super) swaps: u32,
    pub(super) without_swaps: Figures,
    /// Memory before each of what follows, and at the end.
    pub(super) memory_bytes: [u64; 4],
    pub(super) with_swaps: Figures,
    /// As many calls again.
    pub(super) without_swaps_again: Figures,
    /// As many swaps again, with nobody playing.
    pub(super) swaps_alone: Duration,
    pub(super) many: Many,
}

/// Loading one release.
#[derive(Debug)]
pub(super) struct Loading {
    pub(super) game: String,
    pub(super) bytes: usize,
    pub(super) compile: Duration,
    /// Compiled already: the median of some.
    pub(super) cached: Duration,
}

/// Many games on one host.
#[derive(Debug)]
pub(super) struct Many {
    pub(super) games: usize,
    /// Until the host listens, everything compiled anew.
    pub(super) first_start: Duration,
    /// Until it listens again.
    pub(super) restart: Duration,
    pub(super) memory_bytes: u64,
    /// A host with one game.
    pub(super) memory_of_one_bytes: u64,
}

pub(super) async fn measure(plan: &Plan) -> anyhow::Result<Releases> {
    let loading = measure_loading(plan).await.context("loading")?;
    let directory = tempfile::tempdir_in(&plan.directory)?;
    let games = directory.path().join("games");
    fs::create_dir(&games)?;
    let component = fs::read(plan.components.join(format!("{GAME}.wasm")))?;
    fs::write(games.join("one.wasm"), &component)?;
    let other = marked(&component);
    let server = ServerProcess::host(&games, directory.path(), &[]).await?;
    let memory_of_one_bytes = server.memory_bytes()?;
    let mut operator = Operator::open(&server).await?;

    let live_cold = operator.time_to_live(&games, &other).await?;
    let live_known = operator.time_to_live(&games, &component).await?;

    let load = Load::new(server.address(), plan.connections, open_players(&server, plan).await?);
    let bar = progress(plan.rounds, "without swaps");
    let without_swaps = load.run(0..plan.rounds, 1, "without", &bar).await?;
    bar.finish_and_clear();
    let mut memory_bytes = vec![server.memory_bytes()?];
    let pair = [component.as_slice(), &other];
    let with_swaps = swap_under_load(plan, &load, &mut operator, pair).await?;
    memory_bytes.push(server.memory_bytes()?);
    let bar = progress(with_swaps.calls, "without swaps again");
    let without_swaps_again = load.run(0..with_swaps.calls, 1, "again", &bar).await?;
    bar.finish_and_clear();
    memory_bytes.push(server.memory_bytes()?);
    let begun = Instant::now();
    let bar = progress(u64::from(plan.swaps), "swaps alone");
    operator.swap(pair, plan.swaps, &bar).await?;
    bar.finish_and_clear();
    let swaps_alone = begun.elapsed();
    memory_bytes.push(server.memory_bytes()?);
    let memory_bytes = memory_bytes.try_into().unwrap_or_default();
    server.stop().await?;
    let many = measure_many(plan, &component, memory_of_one_bytes).await.context("many games")?;
    Ok(Releases {
        loading,
        live_cold,
        live_known,
        swaps: plan.swaps,
        without_swaps,
        memory_bytes,
        with_swaps,
        without_swaps_again,
        swaps_alone,
        many,
    })
}

/// Calls without pause for as long as the swaps take.
async fn swap_under_load(
    plan: &Plan,
    load: &Load,
    operator: &mut Operator,
    pair: [&[u8]; 2],
) -> anyhow::Result<Figures> {
    let swapped = Arc::new(AtomicBool::new(false));
    let wanted = {
        let swapped = swapped.clone();
        move |_| !swapped.load(Ordering::Relaxed)
    };
    let bar = progress(u64::from(plan.swaps), "swaps under load");
    let swapping = async {
        let done = operator.swap(pair, plan.swaps, &bar).await;
        swapped.store(true, Ordering::Relaxed);
        done
    };
    let quiet = ProgressBar::hidden();
    let (figures, swapping) = tokio::join!(load.run_while(0, wanted, 1, "with", &quiet), swapping);
    bar.finish_and_clear();
    swapping?;
    figures
}

async fn measure_loading(plan: &Plan) -> anyhow::Result<Vec<Loading>> {
    const LOADS: usize = 21;
    let directory = tempfile::tempdir_in(&plan.directory)?;
    let engine = Arc::new(Engine::start(Config::default().engine(directory.path().to_owned()))?);
    let mut paths =
        fs::read_dir(&plan.components)?.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<PathBuf>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    paths.sort();
    let mut rows = Vec::new();
    for path in paths {
        let component: Arc<[u8]> = fs::read(&path)?.into();
        let begun = Instant::now();
        let game = Playable::load(&engine, component.clone()).await?.release.descriptor().id.to_string();
        let compile = begun.elapsed();
        let mut cached = Vec::new();
        for _ in 0..LOADS {
            let begun = Instant::now();
            Playable::load(&engine, component.clone()).await?;
            cached.push(begun.elapsed());
        }
        cached.sort_unstable();
        rows.push(Loading { game, bytes: component.len(), compile, cached: cached[LOADS / 2] });
    }
    Ok(rows)
}

/// Starts a host with many games for the first time and again.
async fn measure_many(plan: &Plan, component: &[u8], memory_of_one_bytes: u64) -> anyhow::Result<Many> {
    let directory = tempfile::tempdir_in(&plan.directory)?;
    let games = directory.path().join("games");
    fs::create_dir(&games)?;
    for number in 0..plan.games {
        fs::write(games.join(format!("{number}.wasm")), renamed(component, number))?;
    }
    let spinner = progress(2, "starts with many games");
    let begun = Instant::now();
    let server = ServerProcess::host(&games, directory.path(), &[]).await?;
    let first_start = begun.elapsed();
    spinner.inc(1);
    let listed = Operator::open(&server).await?.call("game.list", json!({})).await?;
    let found = listed.as_array().map_or(0, Vec::len);
    anyhow::ensure!(found == plan.games, "{found} of {} games were loaded", plan.games);
    server.stop().await?;
    let begun = Instant::now();
    let server = ServerProcess::host(&games, directory.path(), &[]).await?;
    let restart = begun.elapsed();
    let memory_bytes = server.memory_bytes()?;
    server.stop().await?;
    spinner.finish_and_clear();
    Ok(Many { games: plan.games, first_start, restart, memory_bytes, memory_of_one_bytes })
}

/// The operator of a host.
struct Operator {
    connection: Connection,
}

impl Operator {
    async fn open(server: &ServerProcess) -> anyhow::Result<Self> {
        Ok(Self { connection: Connection::open(server.address()).await? })
    }

    async fn call(&mut self, method: &str, params: Value) -> anyhow::Result<Value> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let answer = self.connection.post("/operator", OPERATOR_TOKEN, body).await?;
        let mut answer: Value = serde_json::from_slice(&answer)?;
        anyhow::ensure!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        Ok(answer["result"].take())
    }

    /// Swaps between two releases, the first of them being active.
    async fn swap(&mut self, pair: [&[u8]; 2], swaps: u32, progress: &ProgressBar) -> anyhow::Result<()> {
        let releases = pair.map(ReleaseDigest::of);
        for (_, release) in (0..swaps).zip(releases.iter().cycle().skip(1)) {
            self.call("game.activate", json!({ "game": GAME, "release": release })).await?;
            progress.inc(1);
        }
        Ok(())
    }

    /// Puts a file into the directory and asks until its release is live.
    async fn time_to_live(&mut self, games: &Path, component: &[u8]) -> anyhow::Result<Duration> {
        let release = serde_json::to_value(ReleaseDigest::of(component))?;
        let beside = games.join("beside");
        fs::write(&beside, component)?;
        let begun = Instant::now();
        fs::rename(beside, games.join("one.wasm"))?;
        while self.call("game.list", json!({})).await?[0]["active"] != release {
            anyhow::ensure!(begun.elapsed() < Duration::from_secs(60), "the file has not become live");
        }
        Ok(begun.elapsed())
    }
}

/// Another release of the same rules: a custom section that means nothing is added.
fn marked(component: &[u8]) -> Vec<u8> {
    [component, b"\0\x06\x04markB"].concat()
}

/// Another game of the same rules: its id, wherever the component has it, is replaced by one of the same length.
fn renamed(component: &[u8], number: usize) -> Vec<u8> {
    let id = format!("slots-{number:05}");
    debug_assert_eq!(id.len(), GAME.len());
    let mut component = component.to_vec();
    let places: Vec<usize> = memchr::memmem::find_iter(&component, GAME.as_bytes()).collect();
    for at in places {
        component[at..at + GAME.len()].copy_from_slice(id.as_bytes());
    }
    component
}
