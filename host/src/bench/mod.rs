//! Benchmarks: how fast this host is on this computer, next to what bare HTTP would do in the same run.
//! Measures; asserts nothing.

mod load;
mod parts;
mod releases;
mod report;
mod server;

use std::{ops::Range, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tempfile::TempDir;

use self::{
    load::{Figures, Load},
    report::Machine,
    server::ServerProcess,
};
pub use self::{report::Report, server::serve_bare};
use crate::{catalog::Playable, engine::Engine};

/// What is measured, and how much of it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The folder of components; it must have the game that is played.
    pub components: PathBuf,
    /// Where the store goes; its disk is part of what is measured.
    pub directory: PathBuf,
    /// Players that take turns.
    pub players: u32,
    /// Connections that call without pause.
    pub connections: usize,
    /// Single calls.
    pub rounds: u64,
    /// Calls of one batch.
    pub batch: usize,
    /// Steps run in process.
    pub steps: u32,
    /// Swaps between two releases under load.
    pub swaps: u32,
    /// Games that are loaded at once.
    pub games: usize,
    /// What of it.
    pub part: Part,
}

/// What is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// Everything.
    #[default]
    All,
    /// How fast steps are.
    Steps,
    /// What it takes to load and swap releases.
    Releases,
}

/// The game that is played, and the call.
const GAME: &str = "fruit-slots";
const METHOD: &str = "fruit-slots.spin";
/// What a player must call who has won free spins.
const FREE_METHOD: &str = "fruit-slots.free_spin";
/// Enough for any number of rounds: a player who runs dry would make cheaper steps.
const DEPOSIT: u64 = 1_000_000_000_000;
const OPERATOR_TOKEN: &str = "croupier-bench-operator";

/// The load comes in as many laps, each with a part of it for every server: the machine may be faster at one time than at
/// another, and that must not decide between them.
const LAPS: u64 = 5;

/// Runs the plan, with progress on standard error.
///
/// # Errors
/// Where a server does not start, or answers anything but results.
pub async fn run(plan: &Plan) -> anyhow::Result<Report> {
    let (mut speed, mut releases) = (None, None);
    if plan.part != Part::Releases {
        speed = Some(measure_speed(plan).await?);
    }
    if plan.part != Part::Steps {
        releases = Some(releases::measure(plan).await.context("releases")?);
    }
    Ok(Report { machine: Machine::this(), plan: plan.clone(), speed, releases })
}

async fn measure_speed(plan: &Plan) -> anyhow::Result<Speed> {
    let parts = parts::measure(plan).await.context("in process")?;
    let mut bare = Bare::start(plan, parts.reply_bytes).await.context("the bare handler")?;
    let mut hosted = Host::start(plan, &[]).await.context("the host")?;
    let untracked = Host::start(plan, &[("CROUPIER_TRACKING_ENABLED", "false")]).await;
    let mut untracked = untracked.context("the host without tracking")?;
    for lap in 0..LAPS {
        bare.lap(plan, lap).await.context("the bare handler")?;
        hosted.lap(plan, lap).await.context("the host")?;
        untracked.lap(plan, lap).await.context("the host without tracking")?;
    }
    let bare = bare.stop().await.context("the bare handler")?;
    let hosted = hosted.stop().await.context("the host")?;
    let untracked = untracked.stop().await.context("the host without tracking")?;
    Ok(Speed { parts, bare, hosted, untracked })
}

/// How fast steps are.
#[derive(Debug)]
struct Speed {
    parts: parts::Parts,
    bare: Served,
    hosted: Hosted,
    /// Steps alone: nothing is told to the tracking store, which otherwise takes its part of the same computer.
    untracked: Hosted,
}

/// What a server did.
#[derive(Debug, Default)]
struct Served {
    figures: Figures,
    /// Processor time of the server alone: unlike the figures it hardly depends on who else uses the machine.
    processor: Duration,
    /// How long it went on afterwards with what it had put off; a part of the figures.
    put_off: Duration,
}

impl Served {
    /// These requests too. What the server puts off is as much a part of them as what it does at once.
    async fn add(
        &mut self,
        requests: Range<u64>,
        batch: usize,
        name: &'static str,
        load: &Load,
        server: &ServerProcess,
    ) -> anyhow::Result<()> {
        let progress = progress(requests.end - requests.start, name);
        let before = server.processor_time()?;
        let figures = load.run(requests, batch, name, &progress).await?;
        let put_off = server.rest().await?;
        self.processor += server.processor_time()? - before;
        self.put_off += put_off;
        self.figures.add(&figures)?;
        self.figures.elapsed += put_off;
        progress.finish_and_clear();
        Ok(())
    }

    /// Microseconds of processor time a call.
    #[expect(clippy::cast_precision_loss, reason = "a number of calls is far below 2^53")]
    fn processor_us(&self) -> f64 {
        self.processor.as_secs_f64() * 1e6 / self.figures.calls as f64
    }
}

/// What the host did.
#[derive(Debug)]
struct Hosted {
    single: Served,
    batched: Served,
    set_up: Duration,
    memory_before_bytes: u64,
    memory_after_bytes: u64,
    disk_bytes: u64,
}

impl Hosted {
    fn rounds(&self) -> u64 {
        self.single.figures.calls + self.batched.figures.calls
    }

    fn put_off(&self) -> Duration {
        self.single.put_off + self.batched.put_off
    }
}

/// The requests of a lap, of so many in all laps.
fn of_lap(lap: u64, requests: u64) -> Range<u64> {
    requests * lap / LAPS..requests * (lap + 1) / LAPS
}

/// A bare handler under load.
struct Bare {
    server: ServerProcess,
    load: Load,
    served: Served,
}

impl Bare {
    async fn start(plan: &Plan, reply_bytes: usize) -> anyhow::Result<Self> {
        let server = ServerProcess::bare(reply_bytes).await?;
        let load = Load::new(server.address(), plan.connections, vec!["bare".to_owned()]);
        Ok(Self { server, load, served: Served::default() })
    }

    async fn lap(&mut self, plan: &Plan, lap: u64) -> anyhow::Result<()> {
        self.served.add(of_lap(lap, plan.rounds), 1, "bare", &self.load, &self.server).await
    }

    async fn stop(self) -> anyhow::Result<Served> {
        self.server.stop().await?;
        Ok(self.served)
    }
}

/// A host under load.
struct Host {
    server: ServerProcess,
    load: Load,
    directory: TempDir,
    set_up: Duration,
    memory_before_bytes: u64,
    single: Served,
    batched: Served,
}

impl Host {
    async fn start(plan: &Plan, options: &[(&str, &str)]) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir_in(&plan.directory).context("no directory for the store")?;
        let server = ServerProcess::host(&plan.components, directory.path(), options).await?;
        let start = std::time::Instant::now();
        let tokens = open_players(&server, plan).await?;
        let set_up = start.elapsed();
        // What comes of the set-up is no part of a call.
        server.rest().await?;
        let memory_before_bytes = server.memory_bytes()?;
        let load = Load::new(server.address(), plan.connections, tokens);
        let (single, batched) = (Served::default(), Served::default());
        Ok(Self { server, load, directory, set_up, memory_before_bytes, single, batched })
    }

    async fn lap(&mut self, plan: &Plan, lap: u64) -> anyhow::Result<()> {
        let Self { server, load, single, batched, .. } = self;
        single.add(of_lap(lap, plan.rounds), 1, "single", load, server).await?;
        let batches = plan.rounds / plan.batch as u64;
        batched.add(of_lap(lap, batches), plan.batch, "batch", load, server).await
    }

    async fn stop(self) -> anyhow::Result<Hosted> {
        let Self { server, load: _, directory, set_up, memory_before_bytes, single, batched } = self;
        let memory_after_bytes = server.memory_bytes()?;
        server.stop().await?;
        let disk_bytes = size_of(directory.path())?;
        Ok(Hosted { single, batched, set_up, memory_before_bytes, memory_after_bytes, disk_bytes })
    }
}

/// Every call is another round, and carries a key of its own as a careful client's does.
fn spin(run: &str, call: u64) -> Value {
    let params = json!({ "line_stake": 5, "idempotency_key": format!("{run}-{call}") });
    json!({ "jsonrpc": "2.0", "id": call, "method": METHOD, "params": params })
}

/// One of the free spins that a request has won.
fn free_spin(run: &str, request: u64, number: u64) -> Value {
    let params = json!({ "idempotency_key": format!("{run}-{request}-free-{number}") });
    json!({ "jsonrpc": "2.0", "id": number, "method": FREE_METHOD, "params": params })
}

/// Creates the players, with money and a session each: their tokens.
async fn open_players(server: &ServerProcess, plan: &Plan) -> anyhow::Result<Vec<String>> {
    const PLAYERS_PER_BATCH: u32 = 30;
    let progress = progress(u64::from(plan.players), "players");
    let batches: Vec<String> = (0..plan.players)
        .step_by(PLAYERS_PER_BATCH as usize)
        .map(|first| {
            let players = first..plan.players.min(first + PLAYERS_PER_BATCH);
            let calls: Vec<Value> = players.flat_map(open_player).collect();
            Value::from(calls).to_string()
        })
        .collect();
    let operator = Load::new(server.address(), plan.connections, vec![OPERATOR_TOKEN.to_owned()]);
    let answers = operator.post_all("/operator", batches, &progress, u64::from(PLAYERS_PER_BATCH)).await?;
    progress.finish_and_clear();
    let mut tokens = Vec::with_capacity(plan.players as usize);
    for answer in answers {
        for opened in serde_json::from_slice::<Vec<Value>>(&answer)? {
            if let Some(token) = opened["result"]["token"].as_str() {
                tokens.push(token.to_owned());
            }
        }
    }
    anyhow::ensure!(
        tokens.len() == plan.players as usize,
        "{} of {} players came into being",
        tokens.len(),
        plan.players
    );
    Ok(tokens)
}

fn open_player(number: u32) -> [Value; 3] {
    let player = format!("player-{number}");
    let call = |method: &str, params: Value| json!({ "jsonrpc": "2.0", "id": 0, "method": method, "params": params });
    let deposit = json!({ "player": player, "currency": "EUR", "amount": DEPOSIT, "idempotency_key": "deposit" });
    [
        call("player.create", json!({ "player": player })),
        call("wallet.deposit", deposit),
        call("session.open", json!({ "player": player, "currency": "EUR" })),
    ]
}

fn progress(total: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:<20} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}");
    let bar = ProgressBar::new(total).with_message(what);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn size_of(directory: &std::path::Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() { size_of(&entry.path())? } else { about.len() };
    }
    Ok(bytes)
}

/// The component of the game that is played, for the parts measured in process.
fn component(plan: &Plan) -> anyhow::Result<Arc<[u8]>> {
    let path = plan.components.join(format!("{GAME}.wasm"));
    let bytes = std::fs::read(&path).with_context(|| format!("{} is needed: build it first", path.display()))?;
    Ok(bytes.into())
}

/// Its release.
async fn game(plan: &Plan, engine: &Arc<Engine>) -> anyhow::Result<Playable> {
    Ok(Playable::load(engine, component(plan)?).await?)
}
