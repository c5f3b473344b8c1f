//! `croupier round`

use std::{
    fs,
    io::{Write as _, stdout},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::store::{Opened, Which};
use crate::{identity::RoundId, replay::RoundFile};

/// Look after single rounds
#[derive(Debug, Subcommand)]
pub(super) enum Round {
    Export(Export),
}

/// Write a round into a file that proves itself: every record to the byte, with digests
///
/// 'croupier replay FILE' proves it anywhere, with the component in it (--with-release) or beside it. Reads only. On an
/// embedded store the host must not be running.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// The round's id, as round.list and round.get show it: player/alice/42
    round: RoundId,
    #[command(flatten)]
    which: Which,
    /// Where to write it; '-' is the terminal
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Put the component in as well that the round was played on
    #[arg(long)]
    with_release: bool,
}

impl Round {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Export(export) => export.run(),
        }
    }
}

impl Export {
    fn run(self) -> anyhow::Result<()> {
        let config = self.which.config_of_existing()?;
        let file = super::runtime()?.block_on(async {
            let opened = Opened::open(&config).await?;
            let file = RoundFile::of_store(&*opened.store, &self.round, self.with_release).await;
            opened.store.close().await;
            anyhow::Ok(file?)
        })?;
        let mut text = serde_json::to_vec_pretty(&file)?;
        text.push(b'\n');
        if self.output == Path::new("-") {
            return Ok(stdout().write_all(&text)?);
        }
        fs::write(&self.output, text).with_context(|| self.output.display().to_string())?;
        println!("{}: {} records of {}", self.output.display(), file.records.len(), file.game);
        Ok(())
    }
}
