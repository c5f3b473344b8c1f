//! `croupier store import`

use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Opened, Which, name};
use crate::{
    config::Config,
    host::SESSION_KEY,
    moving::{self, Imported, Stage},
};

const BUFFER_BYTES: usize = 1 << 20;

/// Write everything that is in a file of 'croupier store export' into a store, of whichever kind
///
/// The store must be empty (for Couchbase, 'croupier store init' makes one), or have a part of the same file: an import that
/// was interrupted goes on when it is run again. No host may be at work on it. The file is looked through as a whole before
/// anything is written, every player's records are proved, and in the end the whole store is. What the store holds already
/// is compared and never written over; where it differs the import says so and ends.
///
/// Not in the file: the key that signs session tokens, statistics (the tracking directory) and compiled games.
#[derive(Debug, Args)]
pub(in crate::cli) struct Import {
    /// The file to read
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    which: Which,
}

impl Import {
    pub(in crate::cli) fn run(self) -> anyhow::Result<()> {
        let config = self.which.config()?;
        let context = || self.file.display().to_string();
        let file = File::open(&self.file).with_context(context)?;
        let metadata = file.metadata().with_context(context)?;
        anyhow::ensure!(metadata.is_file(), "{} is no file: an import reads it twice, so no pipe will do", context());
        super::super::runtime()?.block_on(async {
            let opened = Opened::open(&config).await?;
            let outcome = import(&opened, BufReader::with_capacity(BUFFER_BYTES, file), metadata.len()).await;
            opened.store.close().await;
            let imported = outcome.with_context(|| format!("{} is not in {}", self.file.display(), name(&config)))?;
            print!("{}", summary(&config, &imported, &self.file));
            Ok(())
        })
    }
}

async fn import(opened: &Opened, file: BufReader<File>, bytes: u64) -> anyhow::Result<Imported> {
    let style = ProgressStyle::with_template("{msg:<16} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}")?;
    let bar = ProgressBar::new(bytes).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(100));
    let outcome = moving::import(opened.store.clone(), file, |stage, at| {
        bar.set_message(match stage {
            Stage::Looking => "looking through",
            Stage::Writing => "writing",
            Stage::Proving => "proving",
        });
        bar.set_position(at);
    });
    let outcome = outcome.await;
    bar.finish_and_clear();
    Ok(outcome?)
}

fn summary(config: &Config, imported: &Imported, file: &Path) -> String {
    let Imported { contents, bytes, digest, were_there, of_file, of_store } = imported;
    let mut text = format!("{} is in {}\n", file.display(), name(config));
    text += &super::contents(contents, *bytes, digest);
    if *were_there > 0 {
        text += &format!("{were_there} of the aggregates were there already and are the same\n");
    }
    text += &format!("The file: {of_file}The store: {of_store}");
    let key = match config.session_key() {
        Some(_) => "operator.session_key must be that of the store's former hosts".to_owned(),
        None => {
            let key = config.store.directory.join(SESSION_KEY);
            format!("operator.session_key, or {} of an embedded store, must be that of its former hosts", key.display())
        }
    };
    text + &format!("For sessions to go on, {key}\n")
}
