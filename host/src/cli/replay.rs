//! `croupier replay`

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::store::{Opened, Which};
use crate::{
    config::Config,
    engine::{Engine, Settings},
    identity::RoundId,
    replay::{self, Releases, Replayer, Report, RoundFile, RoundProof},
};

/// How much longer a step may compute than it may in play: what was fast enough there must not fail here.
const COMPUTE_FACTOR: u32 = 100;

/// Play recorded rounds again, on the recorded release with the recorded draws, and compare them byte for byte
///
/// Every step of a game is run once more on what its record says that the game saw, and the record that comes out is held
/// against the stored one: reply, draws, money, documents, notifications. Chains of records are proved as well, so that a
/// changed or missing one is named. Exits with 1 where anything differs, and says where.
#[derive(Debug, Args)]
pub(super) struct Replay {
    /// A round's id, as round.list and round.get show it, or a file that 'croupier round export' has written
    #[arg(value_name = "ROUND", required_unless_present = "all", conflicts_with = "all")]
    round: Option<String>,
    /// Every step of every game in the store
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    which: Which,
    /// A component that rounds were played on, where neither store nor file has it; may be repeated
    #[arg(long = "release", value_name = "FILE")]
    releases: Vec<PathBuf>,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

impl Replay {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let file = self.round.as_ref().map(PathBuf::from).filter(|path| path.is_file());
        let given = self.releases.iter().map(|path| fs::read(path).with_context(|| path.display().to_string()));
        let given = given.collect::<anyhow::Result<Vec<_>>>()?;
        super::runtime()?.block_on(async {
            match (file, self.round) {
                (Some(path), _) => {
                    let text = fs::read(&path).with_context(|| path.display().to_string())?;
                    let file = RoundFile::parse(&text).with_context(|| path.display().to_string())?;
                    let given = given.into_iter().chain(file.components()?);
                    let replayer = Replayer::new(engine(&Config::default(), None)?, Releases::new(given, None));
                    told(&file.prove(&replayer).await?, self.json)
                }
                (None, Some(round)) => {
                    let id: RoundId = round.parse().with_context(|| {
                        format!("'{round}' is neither a file nor a round's id, which is as in player/alice/42")
                    })?;
                    let config = self.which.config_of_existing()?;
                    let opened = Opened::open(&config).await?;
                    let releases = Releases::new(given, Some(opened.store.clone()));
                    let replayer = Replayer::new(engine(&config, opened.artefacts())?, releases);
                    let file = RoundFile::of_store(&*opened.store, &id, false).await?;
                    let proof = file.prove(&replayer).await;
                    opened.store.close().await;
                    told(&proof?, self.json)
                }
                (None, None) => {
                    let config = self.which.config_of_existing()?;
                    let opened = Opened::open(&config).await?;
                    let releases = Releases::new(given, Some(opened.store.clone()));
                    let replayer = Arc::new(Replayer::new(engine(&config, opened.artefacts())?, releases));
                    let progress = progress()?;
                    let report = replay::all(&replayer, &opened.store, |report| progress.set_message(counted(report)));
                    let report = report.await;
                    progress.finish_and_clear();
                    opened.store.close().await;
                    all_told(&report?, self.json)
                }
            }
        })
    }
}

/// An engine with the store's bounds on memory and with time enough.
fn engine(config: &Config, artefacts: Option<PathBuf>) -> anyhow::Result<Arc<Engine>> {
    let settings = match artefacts {
        Some(artefacts) => config.engine(artefacts),
        None => Settings { cache_directory: None, ..config.engine(PathBuf::new()) },
    };
    let step_compute_max = settings.step_compute_max * COMPUTE_FACTOR;
    Ok(Arc::new(Engine::start(Settings { step_compute_max, ..settings })?))
}

fn progress() -> anyhow::Result<ProgressBar> {
    let progress = ProgressBar::new_spinner();
    progress.set_style(ProgressStyle::with_template("{spinner} {elapsed} {msg}")?);
    progress.enable_steady_tick(Duration::from_millis(100));
    Ok(progress)
}

fn counted(report: &Report) -> String {
    let Report { aggregates, records, identical, rounds, stopped, flawed, .. } = report;
    let mut counted = format!(
        "{aggregates} aggregates, {records} records: {identical} steps of games with {rounds} whole rounds identical, byte for byte"
    );
    if *stopped > 0 {
        counted.push_str(&format!("; {stopped} not taken again, as they had been stopped for computing too long"));
    }
    if *flawed > 0 {
        counted.push_str(&format!("; {flawed} flawed"));
    }
    counted
}

fn told(proof: &RoundProof, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(proof)?);
        return Ok(());
    }
    let RoundProof { round, game, release, open, records, identical, stopped } = proof;
    let open = if *open { ", still open," } else { "" };
    println!("round {round} of {game}{open} on release {release}");
    println!("{records} records in an unbroken chain, {identical} calls identical, byte for byte");
    if *stopped > 0 {
        println!("{stopped} calls were stopped for computing too long and are not taken again");
    }
    Ok(())
}

fn all_told(report: &Report, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(report)?);
    } else {
        println!("{}", counted(report));
        for flawed in &report.flaws {
            println!("record {} of {}: {}", flawed.step, flawed.aggregate, flawed.flaw);
        }
    }
    let flawed = report.flawed;
    anyhow::ensure!(flawed == 0, "{flawed} records are not what they should be");
    Ok(())
}
