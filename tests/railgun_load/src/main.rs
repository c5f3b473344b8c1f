//! `railgun-load`: see its `--help`.

use std::{env, ffi::OsString, fs, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand, ValueEnum};
use providers_stand_in::StandIn;
use railgun_load::{Plan, Queue, StandInPlace};
use serde_json::json;

const EXAMPLES: &str = "\
A million, which means something in a release build only:
    cargo build --release -p croupier -p railgun-load && target/release/railgun-load
In a minute:
    target/release/railgun-load --notifications 20000 --speed 10";

/// Send a million notifications through 'croupier railgun', and see that each arrives once
///
/// Starts, on this computer and for itself: stand-ins of SendGrid and Meta with the original latencies (e-mail 0.5 to 5 s,
/// mean 1.7 s; social 0.3 to 3 s, mean 0.9 s) and 2 % errors (500, 503, 429 with Retry-After, connections that are closed,
/// answers that make no sense, and none), beanstalkd with a binlog, and 'croupier railgun' with a configuration for them.
/// It sends single calls first, one after the other, and then batches, each notification under an idempotency_key; waits
/// until every one is settled; and prints how long all of it took and what each process took for it.
///
/// Whether all arrived is asked of the stand-ins, which count what they take by notification: none may be missing, none may
/// have come twice, each attempt must bear the notification's name, and there must be no dead letter. If that is not so,
/// the exit status is 1.
///
/// beanstalkd must be installed (the package is called beanstalkd) unless the queue is the embedded one. Each call under
/// way is an open file here and there: 'ulimit -Hn' must be above four times --calls-max, for each worker.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Options {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    load: Load,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// The stand-in's own process, which the load starts
    #[command(hide = true)]
    StandIn {
        /// JSON with its settings
        settings: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Load {
    /// Notifications, half of them e-mail, half social
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    notifications: u64,
    /// How many of them are sent in single calls, before the others
    #[arg(long, value_name = "N", default_value_t = 1000)]
    singles: u64,
    /// Notifications of one batch
    #[arg(long, value_name = "N", default_value_t = 1000)]
    batch: usize,
    /// Connections that send batches
    #[arg(long, value_name = "N", default_value_t = 4)]
    connections: usize,
    /// Where notifications wait to be delivered
    #[arg(long, value_enum, default_value_t = QueueName::Beanstalkd)]
    queue: QueueName,
    /// What the latencies of the providers are divided by
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    speed: f64,
    /// The part of the providers' calls that fail
    #[arg(long, value_name = "PART", default_value_t = 0.02)]
    errors: f64,
    /// Which calls fail, and how
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Send as many in one call as the providers take, instead of one
    #[arg(long)]
    bulk: bool,
    /// Have N processes 'croupier worker' deliver, instead of the one that accepts
    #[arg(long, value_name = "N", default_value_t = 0)]
    workers: usize,
    /// Calls of each provider under way at once, at most, in each process that delivers
    #[arg(long, value_name = "N", default_value_t = 2000)]
    calls_max: usize,
    /// The program croupier [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    croupier: Option<PathBuf>,
    /// Where register, queue and binlog go while it runs [default: the system's folder for temporary files]
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum QueueName {
    Beanstalkd,
    Embedded,
}

impl Load {
    fn plan(self) -> anyhow::Result<Plan> {
        anyhow::ensure!(self.speed > 0.0, "--speed must be more than 0");
        anyhow::ensure!((0.0..1.0).contains(&self.errors), "--errors must be at least 0 and less than 1");
        anyhow::ensure!(self.batch > 0 && self.connections > 0, "--batch and --connections must be more than 0");
        let this = env::current_exe().context("where this program is")?;
        Ok(Plan {
            croupier: self.croupier.unwrap_or_else(|| this.with_file_name("croupier")),
            stand_in: StandInPlace::Process(vec![this.into(), OsString::from("stand-in")]),
            queue: match self.queue {
                QueueName::Beanstalkd => Queue::Beanstalkd,
                QueueName::Embedded => Queue::Embedded,
            },
            directory: self.directory.unwrap_or_else(env::temp_dir),
            notifications: self.notifications,
            singles: self.singles.min(self.notifications),
            batch: self.batch,
            connections: self.connections,
            speed: self.speed,
            error_rate: self.errors,
            seed: self.seed,
            bulk_max: usize::from(!self.bulk),
            workers: self.workers,
            calls_max: self.calls_max,
        })
    }
}

// One thread: the others are for what is measured.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    if let Some(Part::StandIn { settings }) = options.part {
        let stand_in = StandIn::start(serde_json::from_slice(&fs::read(settings)?)?).await?;
        println!("{}", json!({ "url": stand_in.url() }));
        stand_in.run().await;
        return Ok(ExitCode::SUCCESS);
    }
    let report = railgun_load::run(&options.load.plan()?).await?;
    println!("{report}");
    Ok(if report.wrongs().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
