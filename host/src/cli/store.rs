//! `croupier store`

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use crate::{
    config::{Config, StoreKind},
    store::{Couchbase, Safety, SetUp, Store as _},
};

/// Prepare and move where everything is kept
#[derive(Debug, Subcommand)]
pub(super) enum Store {
    Init(Init),
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
            let (bucket, scope) = (&settings.bucket, &settings.scope);
            match store.check_bucket(&settings).await? {
                Safety::Proved { replicas, durability_min } => {
                    println!("bucket '{bucket}': {replicas} replicas, minimum durability '{durability_min}'");
                    if replicas == 0 {
                        println!(
                            "without a replica nothing outlives the loss of a node: for production, have at least one"
                        );
                    }
                }
                Safety::Unknown(why) => {
                    println!("bucket '{bucket}': user '{}' may not see how it is made ({why})", settings.user);
                    println!("check its minimum durability yourself, or repeat this as an administrator");
                }
            }
            store.close().await;
            println!("scope '{scope}': ready for hosts");
            Ok(())
        })
    }
}
