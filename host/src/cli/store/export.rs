//! `croupier store export`

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use clap::Args;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use super::{Opened, Which, name};
use crate::{
    config::Config,
    host::SESSION_KEY,
    moving::{self, Contents, Exported, MovingError, Part},
};

/// Write everything that a store holds into a file, for 'croupier store import'
///
/// Players with all their records, what of them waits to be carried on, games with their listings, acts and releases.
/// Every player's records are proved on the way. Not in the file: the key that signs session tokens (the summary says what
/// to do about it), statistics (the tracking directory) and compiled games, which a host makes anew.
///
/// The file is called FILE.part until it is whole. An export that was interrupted goes on when it is run again, up to
/// the first player who was played since, from whom on it is written anew; remove FILE.part to begin anew altogether. A host that runs on an embedded store must be stopped. A
/// Couchbase store may be in use: then each player is whole as it was when it was read, and players who come later may be
/// missing. Stop its hosts to move them all.
#[derive(Debug, Args)]
pub(in crate::cli) struct Export {
    /// The file to write; "-" for the standard output, which cannot be gone on with
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    which: Which,
}

impl Export {
    pub(in crate::cli) fn run(self) -> anyhow::Result<()> {
        let config = self.which.config_of_existing()?;
        let is_piped = self.file == Path::new("-");
        let context = || format!("{} is not written", self.file.display());
        let part = if is_piped { None } else { Some(Part::open(&self.file).with_context(context)?) };
        super::super::runtime()?.block_on(async {
            let opened = Opened::open(&config).await?;
            let outcome = export(&opened, part.as_ref()).await;
            opened.store.close().await;
            let exported = outcome.with_context(context)?;
            if let Some(part) = part {
                part.finish().with_context(context)?;
            }
            let summary = summary(&config, &exported, &self.file);
            // Where the file is on the standard output, nothing else may be.
            if is_piped {
                eprint!("{summary}")
            } else {
                print!("{summary}")
            }
            Ok(())
        })
    }
}

async fn export(opened: &Opened, part: Option<&Part>) -> Result<Exported, MovingError> {
    let style = ProgressStyle::with_template("{spinner} {elapsed} {msg}").map_err(io::Error::other)?;
    let bar = ProgressBar::new_spinner().with_style(style);
    bar.enable_steady_tick(Duration::from_millis(100));
    if part.map(Part::is_begun).transpose()?.unwrap_or_default() {
        bar.set_message("looking through what was begun");
    }
    let progress = |contents: &Contents, bytes: u64| {
        let Contents { aggregates, records, .. } = contents;
        bar.set_message(format!("{aggregates} aggregates, {records} records, {}", HumanBytes(bytes)));
    };
    let outcome = match part {
        Some(part) => moving::export(&*opened.store, part, progress).await,
        None => Exported::to(&*opened.store, io::stdout().lock(), progress).await,
    };
    bar.finish_and_clear();
    outcome
}

fn summary(config: &Config, exported: &Exported, file: &Path) -> String {
    let Exported { contents, bytes, digest, report, resumed, left_out } = exported;
    let mut text = format!("{} is in {}\n", name(config), file.display());
    text += &super::contents(contents, *bytes, digest);
    if *resumed > 0 {
        text += &format!("{resumed} of the aggregates were written by an export that was interrupted\n");
    }
    text += &report.to_string();
    for release in left_out {
        text += &format!("LEFT OUT: {release}; it is out of service, and is put back by publishing its bytes again\n");
    }
    let key = match config.session_key() {
        Some(_) => "operator.session_key of this configuration".to_owned(),
        None => {
            let key = config.store.directory.join(SESSION_KEY);
            format!(
                "the content of {} as operator.session_key, or the file itself in the host's directory",
                key.display()
            )
        }
    };
    text + &format!("Sessions go on where the new hosts have the same key, which is not in the file: {key}\n")
}
