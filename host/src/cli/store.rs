//! `croupier store`

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use crate::{
    cluster::SetUp,
    config::{Config, StoreKind},
    store::{Couchbase, Store as _},
};

/// Prepare and move where everything is kept
#[derive(Debug, Subcommand)]
pub(super) enum Store {
    Init(Init),
}

/// Make what hosts need in a Couchbase bucket, and check that it answers
///
/// The scope and its collections are made by a user who may; the bucket itself is made by the cluster's administrator, with the
/// replicas and the minimum durability that are wanted. Safe to repeat: what is there stays.
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
            println!("bucket '{}', scope '{}': ready for hosts", settings.cluster.bucket, settings.cluster.scope);
            Ok(())
        })
    }
}
