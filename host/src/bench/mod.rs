//! Benchmarks: how fast this host is on this computer, next to what bare HTTP would do in the same run.
//! Measures; asserts nothing.

mod load;
mod parts;
mod releases;
mod report;
mod server;

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

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

/// Runs the plan, with progress on standard error.
///
/// # Errors
/// Where a server does not start, or answers anything but results.
pub async fn run(plan: &Plan) -> anyhow::Result<Report> {
    let (mut speed, mut releases) = (None, None);
    if plan.part != Part::Releases {
        let parts = parts::measure(plan).await.context("in process")?;
        // Between the others each time: the machine may be faster at one time than at another.
        let bare = async || measure_bare(plan, parts.reply_bytes).await.context("the bare handler");
        let first = bare().await?;
        let hosted = measure_host(plan, &[]).await.context("the host")?;
        let second = bare().await?;
        let untracked = measure_host(plan, &[("CROUPIER_TRACKING_ENABLED", "false")]).await;
        let untracked = untracked.context("the host without tracking")?;
        let bare = first.and(&second)?.and(&bare().await?)?;
        speed = Some(Speed { parts, bare, hosted, untracked });
    }
    if plan.part != Part::Steps {
        releases = Some(releases::measure(plan).await.context("releases")?);
    }
    Ok(Report { machine: Machine::this(), plan: plan.clone(), speed, releases })
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
#[derive(Debug)]
struct Served {
    figures: Figures,
    /// Processor time of the server alone: unlike the figures it hardly depends on who else uses the machine.
    processor: Duration,
}

impl Served {
    /// Of both, one after the other.
    fn and(self, other: &Self) -> anyhow::Result<Self> {
        let Self { figures, processor } = self;
        Ok(Self { figures: figures.and(&other.figures)?, processor: processor + other.processor })
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
    /// How long it went on afterwards with what it had put off.
    put_off: Duration,
    memory_before_bytes: u64,
    memory_after_bytes: u64,
    rounds: u64,
    disk_bytes: u64,
}

async fn measure_bare(plan: &Plan, reply_bytes: usize) -> anyhow::Result<Served> {
    let server = ServerProcess::bare(reply_bytes).await?;
    let load = Load::new(server.address(), plan.connections, vec!["bare".to_owned()]);
    let bare = measure_load(plan.rounds, 1, "bare", &load, &server).await?;
    server.stop().await?;
    Ok(bare)
}

async fn measure_host(plan: &Plan, options: &[(&str, &str)]) -> anyhow::Result<Hosted> {
    let directory = tempfile::tempdir_in(&plan.directory).context("no directory for the store")?;
    let server = ServerProcess::host(&plan.components, directory.path(), options).await?;
    let start = std::time::Instant::now();
    let tokens = open_players(&server, plan).await?;
    let set_up = start.elapsed();
    // What comes of the set-up is no part of a call.
    server.rest().await?;
    let memory_before_bytes = server.memory_bytes()?;
    let load = Load::new(server.address(), plan.connections, tokens);

    let single = measure_load(plan.rounds, 1, "single", &load, &server).await?;
    let put_off = server.rest().await?;
    let batched = measure_load(plan.rounds / plan.batch as u64, plan.batch, "batch", &load, &server).await?;
    let put_off = put_off + server.rest().await?;

    let memory_after_bytes = server.memory_bytes()?;
    server.stop().await?;
    let rounds = single.figures.calls + batched.figures.calls;
    let disk_bytes = size_of(directory.path())?;
    Ok(Hosted { single, batched, set_up, put_off, memory_before_bytes, memory_after_bytes, rounds, disk_bytes })
}

async fn measure_load(
    requests: u64,
    batch: usize,
    name: &'static str,
    load: &Load,
    server: &ServerProcess,
) -> anyhow::Result<Served> {
    let progress = progress(requests, name);
    let before = server.processor_time()?;
    let figures = load.run(requests, batch, name, &progress).await?;
    let processor = server.processor_time()? - before;
    progress.finish_and_clear();
    Ok(Served { figures, processor })
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
