//! Builds games: all of them first, then those whose sources change, while the host plays.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::Instant,
};

use anyhow::Context as _;

use crate::packaging::{self, BuildError, Sources};

/// Games that are watched, and where their components go.
pub(super) struct Building {
    sources: Sources,
    output: PathBuf,
}

impl Building {
    /// Builds every game that there is. One that does not build says why and keeps the component of the last time.
    pub(super) fn begin(games: Option<&Path>, output: &Path) -> anyhow::Result<Self> {
        let folder = match games {
            Some(folder) => folder,
            // First, because a folder around games may have a manifest too: that of their workspace.
            None if Path::new("games").is_dir() => Path::new("games"),
            None => Path::new("."),
        };
        let games = packaging::games_at(folder)
            .context("run it in a game's folder or where the folder 'games' is, or name the folder")?;
        // Watched before it is built: what is changed meanwhile is built again.
        let sources = Sources::watch(folder)?;
        let mut left_out = Vec::new();
        for game in &games {
            match build(game, output) {
                Err(missing @ BuildError::Node(_)) => left_out.push((game.display().to_string(), missing)),
                other => report(game, other),
            }
        }
        if let Some((_, why)) = left_out.first() {
            let games: Vec<_> = left_out.iter().map(|(game, _)| game.as_str()).collect();
            println!("left out {}: {why}", games.join(", "));
        }
        remove_others(&games, output).with_context(|| output.display().to_string())?;
        Ok(Self { sources, output: output.to_owned() })
    }

    /// Builds again what changes, until the process ends. The host watches the folder of components, and plays what comes.
    pub(super) fn go_on(mut self) -> io::Result<()> {
        let builds = move || {
            while let Some(games) = self.sources.changed() {
                for game in games {
                    println!("building {} again", game.display());
                    report(&game, build(&game, &self.output));
                }
            }
        };
        thread::Builder::new().name("builds".to_owned()).spawn(builds).map(drop)
    }
}

/// What to say of a game that was built.
fn build(game: &Path, output: &Path) -> Result<String, BuildError> {
    let begun = Instant::now();
    let built = packaging::build(game, output)?;
    let (kilobytes, elapsed) = (built.bytes.div_ceil(1000), begun.elapsed().as_secs_f64());
    Ok(format!("built {} ({kilobytes} kB) in {elapsed:.1} s", built.name))
}

fn report(game: &Path, built: Result<String, BuildError>) {
    match built {
        Ok(words) => println!("{words}"),
        // Cargo has said what is wrong on the terminal already; others' words are in the error.
        Err(error) => eprintln!("not built: {}: {error}\nwhat was built before is played on", game.display()),
    }
}

/// Removes the components of what is no game any more: it must not be played on.
fn remove_others(games: &[PathBuf], output: &Path) -> io::Result<()> {
    fs::create_dir_all(output)?;
    let mut names = BTreeSet::new();
    for game in games {
        match packaging::name(game) {
            Ok(name) => drop(names.insert(OsString::from(format!("{name}.wasm")))),
            // Its manifest cannot be read just now: one of the components may be its own.
            Err(_) => return Ok(()),
        }
    }
    for entry in fs::read_dir(output)? {
        let entry = entry?;
        if entry.file_type()?.is_file() && !names.contains(&entry.file_name()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
