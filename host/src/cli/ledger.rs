//! `croupier ledger`

use std::{path::PathBuf, time::Duration};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    config::{Config, StoreKind},
    data_directory::DataDirectory,
    host::open_store,
    ledger,
};

/// Look after the money
#[derive(Debug, Subcommand)]
pub(super) enum Ledger {
    Check(Check),
}

/// Prove a store: every hash chain is whole, every player is what their records made them, all accounts sum to zero
///
/// Exits with 1 and names the first broken record otherwise. Reads only. On an embedded store the host must not be
/// running; a running one proves its own store through the operator's method ledger.check.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The configuration file that names the store
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The host's directory, instead of the configuration's
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl Ledger {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Check(check) => check.run(),
        }
    }
}

impl Check {
    fn run(self) -> anyhow::Result<()> {
        let mut config = Config::load(self.config.as_deref(), super::serve::environment())?;
        if let Some(directory) = self.data {
            config.store.directory = directory;
        }
        let directory = &config.store.directory;
        if config.store.kind == StoreKind::Embedded && !directory.is_dir() {
            anyhow::bail!("{} is no directory of a host: --data names another", directory.display());
        }
        let data = DataDirectory::open(directory).context("a running host proves its own store: ledger.check")?;
        super::runtime()?.block_on(async {
            let store = open_store(&config, &data).await?;
            let progress =
                ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{spinner} {elapsed} {msg}")?);
            progress.enable_steady_tick(Duration::from_millis(100));
            let outcome = ledger::check(&*store, |report| {
                progress.set_message(format!("{} aggregates, {} records", report.aggregates, report.records));
            });
            let outcome = outcome.await;
            progress.finish_and_clear();
            store.close().await;
            let report = outcome.context("the store does not prove")?;
            if self.json {
                println!("{}", serde_json::to_string(&report)?);
            } else {
                print!("{report}");
            }
            Ok(())
        })
    }
}
