//! The sources of games, watched: which games are to be built again.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::Duration,
};

use notify::{
    Event, EventKind, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode, ModifyKind},
};

use super::{BuildError, games_in, io_error, is_game};

/// How long sources must have been left alone: editors save in bursts, and a checkout changes many files.
const QUIET: Duration = Duration::from_millis(200);

/// Folders in which what is built and installed lies. Hidden ones are as little sources.
const NO_SOURCES: [&str; 3] = ["target", "node_modules", "dist"];

/// Files that building writes.
const WRITTEN: [&str; 2] = ["Cargo.lock", "package-lock.json"];

/// The sources of a game or of a folder of games, from now on.
pub struct Sources {
    folder: PathBuf,
    events: Receiver<notify::Result<Event>>,
    watcher: notify::RecommendedWatcher,
}

/// The games that a folder is or holds.
///
/// # Errors
/// Where there are none.
pub fn games_at(folder: &Path) -> Result<Vec<PathBuf>, BuildError> {
    if is_game(folder) {
        return Ok(vec![folder.to_owned()]);
    }
    let games = games_in(folder)?;
    if games.is_empty() {
        let reason = "it is neither a game's folder nor one whose subfolders are games".to_owned();
        return Err(BuildError::NotAGame { path: folder.to_owned(), reason });
    }
    Ok(games)
}

impl Sources {
    /// Watches a game's folder, or one whose subfolders are games.
    ///
    /// # Errors
    /// Where the folder cannot be read or watched.
    pub fn watch(folder: &Path) -> Result<Self, BuildError> {
        let folder = folder.canonicalize().map_err(io_error(folder))?;
        let (send, events) = mpsc::channel();
        let watching = notify::recommended_watcher(move |event| {
            // Whoever wanted to know has ended, and this ends with it.
            let _ended = send.send(event);
        });
        let failed = |error: notify::Error| io_error(&folder)(io::Error::other(error));
        let watcher = watching.map_err(failed)?;
        let mut sources = Self { folder: folder.clone(), events, watcher };
        sources.watcher.watch(&folder, RecursiveMode::NonRecursive).map_err(failed)?;
        sources.watch_subfolders(&folder);
        Ok(sources)
    }

    /// Waits until sources have changed and were left alone since: the games whose they are, or nothing once
    /// nothing more will come.
    pub fn changed(&mut self) -> Option<BTreeSet<PathBuf>> {
        let mut games = BTreeSet::new();
        loop {
            let event = if games.is_empty() {
                self.events.recv().ok()?
            } else {
                match self.events.recv_timeout(QUIET) {
                    Ok(event) => event,
                    Err(RecvTimeoutError::Timeout) => return Some(games),
                    Err(RecvTimeoutError::Disconnected) => return None,
                }
            };
            match event {
                Ok(event) if !event.need_rescan() => games.extend(self.games_of(&event)),
                // Something was missed: anything may have changed.
                _ => {
                    self.watch_subfolders(&self.folder.clone());
                    games.extend(games_at(&self.folder).unwrap_or_default());
                }
            }
        }
    }

    /// One by one, and not those where what is built lies: it may be thousands.
    fn watch_subfolders(&mut self, folder: &Path) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.is_dir() && !path.is_symlink() && path.file_name().is_some_and(is_source) {
                // One that has just gone has no sources any more.
                let _gone = self.watcher.watch(&path, RecursiveMode::NonRecursive);
                self.watch_subfolders(&path);
            }
        }
    }

    fn games_of(&mut self, event: &Event) -> Vec<PathBuf> {
        if !is_change(event.kind) {
            return Vec::new();
        }
        let is_new = |path: &&PathBuf| {
            let within = path.strip_prefix(&self.folder).ok();
            path.is_dir() && !path.is_symlink() && within.is_some_and(|within| within.iter().all(is_source))
        };
        for path in event.paths.iter().filter(is_new).cloned().collect::<Vec<_>>() {
            let _gone = self.watcher.watch(&path, RecursiveMode::NonRecursive);
            self.watch_subfolders(&path);
        }
        event.paths.iter().filter_map(|path| game_of(&self.folder, path)).collect()
    }
}

fn is_change(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Create(_)
            | EventKind::Remove(_)
            | EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Name(_) | ModifyKind::Any)
            | EventKind::Access(AccessKind::Close(AccessMode::Write))
    )
}

/// The game that a path is a source of.
fn game_of(folder: &Path, path: &Path) -> Option<PathBuf> {
    let within = path.strip_prefix(folder).ok()?;
    if !within.iter().all(is_source) {
        return None;
    }
    let game = if is_game(folder) { folder.to_owned() } else { folder.join(within.iter().next()?) };
    is_game(&game).then_some(game)
}

fn is_source(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return true };
    let is_written = WRITTEN.contains(&name) || name.ends_with(".wasm") || name.ends_with(".wasm.sig");
    // What editors put beside a file while they save it ends like this.
    let is_of_editor = name.ends_with('~') || name.ends_with(".tmp");
    !(name.starts_with('.') || NO_SOURCES.contains(&name) || is_written || is_of_editor)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these files, which are empty.
    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let file = folder.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        folder
    }

    #[test]
    fn a_path_belongs_to_the_game_whose_source_it_is() {
        let games = folder(&["dice/Cargo.toml", "cards/package.json", "notes/README.md"]);
        let of = |path: &str| {
            let game = game_of(games.path(), &games.path().join(path))?;
            Some(game.file_name().unwrap().to_str().unwrap().to_owned())
        };
        for (path, game) in [
            ("dice/src/lib.rs", Some("dice")),
            ("dice/Cargo.toml", Some("dice")),
            ("cards/src/deep/er/game.js", Some("cards")),
            ("dice/target/debug/lib.rs", None),
            ("cards/node_modules/croupier-sdk/src/index.js", None),
            ("cards/dist/game.js", None),
            ("dice/.git/index", None),
            ("dice/Cargo.lock", None),
            ("dice/dice.wasm", None),
            ("dice/src/lib.rs~", None),
            ("notes/README.md", None),
            ("README.md", None),
        ] {
            assert_eq!(of(path).as_deref(), game, "{path}");
        }
        let single = folder(&["Cargo.toml"]);
        assert_eq!(game_of(single.path(), &single.path().join("src/lib.rs")).as_deref(), Some(single.path()));
    }

    /// Waits until these have changed, and nothing else.
    fn wait_for(sources: &mut Sources, games: &[PathBuf]) {
        let expected: BTreeSet<_> = games.iter().cloned().collect();
        let mut changed = BTreeSet::new();
        while changed != expected {
            changed.extend(sources.changed().unwrap());
            assert!(changed.is_subset(&expected), "{changed:?}");
        }
    }

    #[test]
    fn changes_are_told_by_game_and_new_folders_are_seen() {
        let games = folder(&["dice/Cargo.toml", "dice/src/lib.rs", "cards/package.json", "dice/target/old"]);
        let root = games.path().canonicalize().unwrap();
        let mut sources = Sources::watch(&root).unwrap();
        for _ in 0..20 {
            fs::write(root.join("dice/target/old"), "built").unwrap();
            fs::write(root.join("cards/game.js"), "new").unwrap();
        }
        wait_for(&mut sources, &[root.join("cards")]);
        fs::create_dir(root.join("dice/src/rules")).unwrap();
        wait_for(&mut sources, &[root.join("dice")]);
        fs::write(root.join("dice/src/rules/mod.rs"), "new").unwrap();
        wait_for(&mut sources, &[root.join("dice")]);
        // A game that comes is watched like the others.
        fs::create_dir(root.join("wheel")).unwrap();
        fs::write(root.join("wheel/package.json"), "{}").unwrap();
        wait_for(&mut sources, &[root.join("wheel")]);
    }

    #[test]
    fn a_folder_without_games_says_so() {
        let none = folder(&["notes/README.md"]);
        let refused = games_at(none.path()).unwrap_err().to_string();
        assert!(refused.contains("neither a game's folder nor one whose subfolders are games"), "{refused}");
    }
}
