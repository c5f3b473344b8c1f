//! The original load of notifications: e-mails and social messages in equal parts, in bulk, against stand-ins of the
//! providers with the original latencies and errors. Every process it takes is started here, and measured by itself.
//!
//! It ends when every notification is settled, and then holds the railgun to its word: all delivered, none twice, each
//! always under the same name.

mod calls;
mod machine;
mod numbers;
mod processes;
mod report;
mod sending;
mod settling;
mod setup;

use std::{ffi::OsString, path::PathBuf, time::Instant};

use anyhow::Context as _;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

pub use self::report::Report;
use self::{
    processes::Processes,
    report::{Busy, Times},
    sending::Sending,
    settling::Settling,
};

/// What waits where until it is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// In the railgun's own directory.
    Embedded,
    /// In a beanstalkd with a binlog.
    Beanstalkd,
}

/// Where the providers are stood in for.
#[derive(Clone, Debug)]
pub enum StandInPlace {
    /// In this process, which then is measured with it.
    Here,
    /// In a process of its own: a program with its arguments, to which the path of the settings is added.
    Process(Vec<OsString>),
}

/// What is sent, and through what.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program `croupier`.
    pub croupier: PathBuf,
    /// The providers.
    pub stand_in: StandInPlace,
    /// The queue.
    pub queue: Queue,
    /// Where the directories of all processes go; their disk is part of what is measured.
    pub directory: PathBuf,
    /// How many, half of them e-mails.
    pub notifications: u64,
    /// How many of them are sent in calls of their own, one after the other, before the others.
    pub singles: u64,
    /// Notifications of one batch.
    pub batch: usize,
    /// Connections that send without pause.
    pub connections: usize,
    /// What the latencies of the providers, and the time they are given, are divided by.
    pub speed: f64,
    /// The part of the providers' calls that fail, 0 to 1.
    pub error_rate: f64,
    /// Which calls fail.
    pub seed: u64,
    /// Notifications of one call of a provider; 0 for as many as it takes.
    pub bulk_max: usize,
    /// Processes that deliver; the one that accepts does, where there are none.
    pub workers: usize,
    /// Calls of each provider that may be under way at once, in each process that delivers.
    pub calls_max: usize,
}

/// Runs the plan, with progress on standard error.
///
/// # Errors
/// Where a process does not start or ends, a notification is refused, or nothing moves any more. That notifications are
/// lost or doubled is no error but in the report.
pub async fn run(plan: &Plan) -> anyhow::Result<Report> {
    let files_max = machine::open_files_max();
    // Both ends of a call may be in one process.
    let files = 4 * (plan.calls_max * plan.workers.max(1)) as u64 + 200;
    anyhow::ensure!(
        plan.workers == 0 || plan.queue == Queue::Beanstalkd,
        "the embedded queue is within one process: workers need beanstalkd"
    );
    anyhow::ensure!(
        files_max >= files,
        "{files} open files may be needed for --calls-max {}, and {files_max} are allowed: raise the hard limit, ulimit -Hn",
        plan.calls_max
    );
    let mut processes = Processes::start(plan).await?;
    let work = async {
        let sending = Sending::new(plan, processes.railgun_address());
        let begun = Instant::now();
        let single = sending.singly(&progress(plan.singles, "single calls")).await.context("single calls")?;
        let batches_begun = Instant::now();
        let settling = Settling::new(plan, &processes);
        let bars = MultiProgress::new();
        let [accepted, delivered] =
            [(plan.notifications - plan.singles, "accepted"), (plan.notifications, "delivered")]
                .map(|(total, what)| bars.add(progress(total, what)));
        let send = async {
            let batch = sending.in_batches(&accepted).await?;
            Ok((batch, batches_begun.elapsed()))
        };
        let ((batch, sending), settled) = tokio::try_join!(send, settling.wait(&delivered))?;
        let times = Times { single, batch, sending, whole: begun.elapsed() };
        anyhow::Ok((times, settled))
    };
    let (times, settled) = match work.await {
        Ok(done) => done,
        Err(error) => return Err(processes.explain(error).await),
    };
    let busy: Vec<Busy> = processes.usage()?;
    Ok(Report::new(plan, times, settled, busy))
}

fn progress(total: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:<14} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}");
    let bar = ProgressBar::new(total).with_message(what);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
