//! `croupier tracking`

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    config::{Config, TrackingKind},
    data_directory::DataDirectory,
    identity::ViewName,
    tracking::{Couchbase, Embedded, TrackingStore},
};

/// Look after the statistics
#[derive(Debug, Subcommand)]
pub(super) enum Tracking {
    Init(Init),
    Rebuild(Rebuild),
}

/// Make what hosts need in the Couchbase bucket of the statistics, and check that it answers
///
/// The scope and its collections are made by a user who may; the bucket itself is made by the cluster's administrator.
/// Safe to repeat: what is there stays.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// The configuration file that names the cluster
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Count everything anew from the facts that are kept: the roll-ups, and every view of the configuration
///
/// No fact is changed, and no player's data is read. With an embedded tracking store the host must not be running; in a
/// cluster, hosts may go on. What is interrupted goes on when a host starts or this is run again. A view that is new or was changed needs no rebuild: the host counts it by itself,
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
            Self::Init(init) => init.run(),
            Self::Rebuild(rebuild) => rebuild.run(),
        }
    }
}

impl Init {
    fn run(self) -> anyhow::Result<()> {
        let config = Config::load(self.config.as_deref(), super::serve::environment())?;
        anyhow::ensure!(
            config.tracking.kind == TrackingKind::Couchbase,
            "tracking.kind is \"embedded\", which makes what it needs by itself: set it to \"couchbase\" for a cluster"
        );
        let settings = config.couchbase_tracking().cluster;
        super::runtime()?.block_on(async {
            Couchbase::set_up(&settings).await?;
            println!("bucket '{}', scope '{}': ready to track", settings.bucket, settings.scope);
            Ok(())
        })
    }
}

impl Rebuild {
    fn run(self) -> anyhow::Result<()> {
        let mut config = Config::load(self.config.as_deref(), super::serve::environment())?;
        if let Some(directory) = self.data {
            config.store.directory = directory;
        }
        config.check_views()?;
        if config.tracking.kind == TrackingKind::Couchbase {
            return super::runtime()?.block_on(async {
                let store = Couchbase::open(&config.couchbase_tracking()).await?;
                let outcome = rebuild(&store, self.view, None).await;
                store.close().await;
                outcome
            });
        }
        let directory = &config.store.directory;
        if !directory.is_dir() {
            anyhow::bail!("{} is no directory of a host: --data names another", directory.display());
        }
        let data = DataDirectory::open(directory).context("stop the host first")?;
        super::runtime()?.block_on(async {
            let store = Embedded::open(&config.embedded_tracking(data.tracking()))?;
            let outcome = rebuild(&store, self.view, Some(store.facts()?)).await;
            store.close().await;
            outcome
        })
    }
}

/// `facts` says how many there are, where that is known.
async fn rebuild(store: &dyn TrackingStore, view: Option<ViewName>, facts: Option<u64>) -> anyhow::Result<()> {
    if !store.forget_counts(view.clone()).await? {
        let view = view.as_ref().map(ViewName::as_str).unwrap_or_default();
        anyhow::bail!(
            "there is no view '{view}': --config names the file that declares it as one of [[tracking.views]]"
        );
    }
    let bar = match facts {
        Some(facts) => ProgressBar::new(facts).with_style(ProgressStyle::with_template(
            "{msg:<20} {wide_bar} {human_pos}/{human_len} facts {per_sec} {eta}",
        )?),
        None => ProgressBar::new_spinner()
            .with_style(ProgressStyle::with_template("{msg:<20} {human_pos} facts {per_sec}")?),
    };
    while let Some(progress) = store.recount_some().await? {
        bar.set_message(progress.view.map_or_else(|| "roll-ups".to_owned(), |view| view.to_string()));
        bar.set_position(progress.facts);
    }
    bar.finish_and_clear();
    match facts {
        Some(facts) => println!("everything is counted, of {facts} facts"),
        None => println!("everything is counted"),
    }
    Ok(())
}
