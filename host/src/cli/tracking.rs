//! `croupier tracking`

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    config::Config,
    data_directory::DataDirectory,
    identity::ViewName,
    tracking::{Embedded, TrackingStore as _},
};

/// Look after the statistics
#[derive(Debug, Subcommand)]
pub(super) enum Tracking {
    Rebuild(Rebuild),
}

/// Count everything anew from the facts that are kept: the roll-ups, and every view of the configuration
///
/// No fact is changed, and no player's data is read. The host must not be running. What is interrupted goes on when the
/// host starts or this is run again. A view that is new or was changed needs no rebuild: the host counts it by itself,
/// while it serves.
#[derive(Debug, Args)]
pub(super) struct Rebuild {
    /// The configuration file that declares the views
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The host's directory, instead of the configuration's
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<PathBuf>,
    /// Only this view
    #[arg(long, value_name = "NAME")]
    view: Option<ViewName>,
}

impl Tracking {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Rebuild(rebuild) => rebuild.run(),
        }
    }
}

impl Rebuild {
    fn run(self) -> anyhow::Result<()> {
        let mut config = Config::load(self.config.as_deref(), super::serve::environment())?;
        if let Some(directory) = self.data {
            config.store.directory = directory;
        }
        config.check_views()?;
        let directory = &config.store.directory;
        if !directory.is_dir() {
            anyhow::bail!("{} is no directory of a host: --data names another", directory.display());
        }
        let data = DataDirectory::open(directory).context("stop the host first")?;
        super::runtime()?.block_on(async {
            let store = Embedded::open(&config.embedded_tracking(data.tracking()))?;
            let outcome = rebuild(&store, self.view).await;
            store.close().await;
            outcome
        })
    }
}

async fn rebuild(store: &Embedded, view: Option<ViewName>) -> anyhow::Result<()> {
    if !store.forget_counts(view.clone()).await? {
        let view = view.as_ref().map(ViewName::as_str).unwrap_or_default();
        anyhow::bail!(
            "there is no view '{view}': --config names the file that declares it as one of [[tracking.views]]"
        );
    }
    let facts = store.facts();
    let style = ProgressStyle::with_template("{msg:<20} {wide_bar} {human_pos}/{human_len} facts {per_sec} {eta}")?;
    let bar = ProgressBar::new(facts).with_style(style);
    while let Some(progress) = store.recount_some().await? {
        bar.set_message(progress.view.map_or_else(|| "roll-ups".to_owned(), |view| view.to_string()));
        bar.set_position(progress.facts);
    }
    bar.finish_and_clear();
    println!("everything is counted, of about {facts} facts");
    Ok(())
}
