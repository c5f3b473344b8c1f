//! `croupier store`

mod export;
mod import;

use std::{path::PathBuf, sync::Arc};

use anyhow::Context as _;
use clap::{Args, Subcommand};

use crate::{
    cluster::{Safety, SetUp},
    config::{Config, StoreKind},
    data_directory::DataDirectory,
    identity::Digest,
    moving::Contents,
    store::{self, Couchbase, Embedded, Store as _},
};

/// Prepare and move where everything is kept
#[derive(Debug, Subcommand)]
pub(super) enum Store {
    Init(Init),
    Export(export::Export),
    Import(import::Import),
}

/// Make what hosts need in a Couchbase bucket, and check that it answers
///
/// Makes the scope and its collections, as a user who may. The bucket itself is made by the cluster's administrator, with the
/// replicas and the minimum durability that are wanted; it is checked as far as the user may see it, and refused where it
/// forgets documents or lets anybody write with less durability than 'couchbase.durability'. Safe to repeat: what is there
/// stays.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// The configuration file that names the cluster
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Store {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Init(init) => init.run(),
            Self::Export(export) => export.run(),
            Self::Import(import) => import.run(),
        }
    }
}

impl Init {
    fn run(self) -> anyhow::Result<()> {
        let config = Config::load(self.config.as_deref(), super::serve::environment())?;
        anyhow::ensure!(
            config.store.kind == StoreKind::Couchbase,
            "store.kind is \"embedded\", which makes what it needs by itself: set it to \"couchbase\" for a cluster"
        );
        let settings = config.couchbase();
        super::runtime()?.block_on(async {
            let store = Couchbase::connect(&settings, SetUp::Create).await?;
            store.listings().await.context("the cluster has taken the scope, and does not answer")?;
            let (bucket, scope) = (&settings.cluster.bucket, &settings.cluster.scope);
            match store.check_bucket(&settings.cluster).await? {
                Safety::Proved { replicas, durability_min } => {
                    println!("bucket '{bucket}': {replicas} replicas, minimum durability '{durability_min}'");
                    if replicas == 0 {
                        println!(
                            "without a replica nothing outlives the loss of a node: for production, have at least one"
                        );
                    }
                }
                Safety::Unknown(why) => {
                    println!("bucket '{bucket}': user '{}' may not see how it is made ({why})", settings.cluster.user);
                    println!("check its minimum durability yourself, or repeat this as an administrator");
                }
            }
            store.close().await;
            println!("scope '{scope}': ready for hosts");
            Ok(())
        })
    }
}

/// Which store is moved.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// The configuration file that names the store
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The host's directory, instead of the configuration's; of an embedded store
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<PathBuf>,
}

impl Which {
    pub(super) fn config(self) -> anyhow::Result<Config> {
        let mut config = Config::load(self.config.as_deref(), super::serve::environment())?;
        if let Some(directory) = self.data {
            anyhow::ensure!(
                config.store.kind == StoreKind::Embedded,
                "--data names the directory of an embedded store, and store.kind is \"couchbase\": leave one of them out"
            );
            config.store.directory = directory;
        }
        Ok(config)
    }

    /// As [`Self::config`], where the store must be there: one that is only read is not to be made by looking.
    pub(super) fn config_of_existing(self) -> anyhow::Result<Config> {
        let config = self.config()?;
        let directory = &config.store.directory;
        if config.store.kind == StoreKind::Embedded && !directory.join("store").is_dir() {
            anyhow::bail!(
                "{} holds no embedded store: --data names another directory, or --config a file with another store.kind",
                directory.display()
            );
        }
        Ok(config)
    }
}

/// A store that nobody serves from here.
pub(super) struct Opened {
    pub(super) store: Arc<dyn store::Store>,
    /// Held for as long as an embedded store is open.
    data: Option<DataDirectory>,
}

impl Opened {
    pub(super) async fn open(config: &Config) -> anyhow::Result<Self> {
        Ok(match config.store.kind {
            StoreKind::Embedded => {
                let data = DataDirectory::open(&config.store.directory).context("stop the host first")?;
                let store = Arc::new(Embedded::open(&config.embedded_store(data.store()))?);
                Self { store, data: Some(data) }
            }
            // Its hosts have the directories; the store itself is in none.
            StoreKind::Couchbase => {
                let store = Arc::new(Couchbase::connect(&config.couchbase(), SetUp::Verify).await?);
                Self { store, data: None }
            }
        })
    }

    /// Where its host keeps compiled releases, if that is here.
    pub(super) fn artefacts(&self) -> Option<PathBuf> {
        self.data.as_ref().map(DataDirectory::artefacts)
    }
}

/// What the store of a configuration is called in messages.
fn name(config: &Config) -> String {
    match config.store.kind {
        StoreKind::Embedded => format!("the embedded store in {}", config.store.directory.display()),
        StoreKind::Couchbase => {
            let couchbase = &config.couchbase;
            format!("bucket '{}', scope '{}' of {}", couchbase.bucket, couchbase.scope, couchbase.connection)
        }
    }
}

/// How much of everything is in a file.
fn contents(contents: &Contents, bytes: u64, digest: &Digest) -> String {
    let Contents { aggregates, records, waiting, games, acts, releases } = contents;
    format!(
        "{aggregates} aggregates, {records} records, {waiting} waiting to be carried on, {games} games, {acts} acts, \
         {releases} releases\n{bytes} bytes, digest {digest}\n"
    )
}
