//! The watched directory: a component that is put there is published and played, by nobody's further word.
//!
//! What counts is that a file came, not that it is there: at start, files whose release is known change nothing, so that
//! a rollback outlives a restart; and a file that goes changes nothing either. A file is read when its writer has
//! closed it or it was renamed into place, else when nothing has come for a while; one that is still half written
//! is no component, and the rest of it comes as another event.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use notify::{
    Event, EventKind, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode, ModifyKind, RenameMode},
};
use thiserror::Error;
use tokio::{
    sync::mpsc::{self, UnboundedReceiver},
    task::{AbortHandle, JoinSet},
};

use super::{Activation, Catalog, CatalogError, Published, Upload, motive, publishing::Examined};
use crate::{limits::SIGNATURE_BYTES_MAX, listing::Actor};

/// How long a file must have been left alone where nobody says that it is complete.
const QUIET: Duration = Duration::from_millis(200);
/// A component, and the signature beside it.
const COMPONENT: &str = "wasm";
/// See [`COMPONENT`]: `<component>.sig`.
const SIGNATURE: &str = "sig";

/// The directory cannot be used.
#[derive(Debug, Error)]
#[error("the directory of games {path} cannot be watched: {reason}")]
pub struct DirectoryError {
    path: PathBuf,
    reason: String,
}

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Watch {
    _watcher: notify::RecommendedWatcher,
    task: AbortHandle,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A file as it was read.
struct Found {
    path: PathBuf,
    modified: SystemTime,
    upload: Upload,
}

impl Catalog {
    /// Takes in what a directory has that is new, and from then on what comes. A file that is refused is logged with the
    /// reason, and what was played before goes on.
    ///
    /// # Errors
    /// Where the directory cannot be read or watched.
    pub async fn watch(self: &Arc<Self>, directory: &Path) -> Result<Watch, DirectoryError> {
        let failed = |reason: String| DirectoryError { path: directory.to_owned(), reason };
        let (events, coming) = mpsc::unbounded_channel();
        let mut watcher = notify::recommended_watcher(move |event| {
            // The task ends first only when the host does.
            let _ended = events.send(event);
        })
        .map_err(|error| failed(error.to_string()))?;
        // Watched before it is read: nothing comes unseen in between.
        watcher.watch(directory, RecursiveMode::NonRecursive).map_err(|error| failed(error.to_string()))?;
        self.take_in_new(directory).await.map_err(|error| failed(error.to_string()))?;
        let (catalog, directory) = (self.clone(), directory.to_owned());
        let task = tokio::spawn(async move { catalog.follow(&directory, coming).await });
        Ok(Watch { _watcher: watcher, task: task.abort_handle() })
    }

    /// What is there at start: examined side by side, taken in one after the other, the oldest file first, as it would
    /// have been had somebody watched.
    async fn take_in_new(self: &Arc<Self>, directory: &Path) -> io::Result<()> {
        let mut examining = JoinSet::new();
        for path in components(directory)? {
            let catalog = self.clone();
            examining.spawn(async move {
                let found = Found::read(&path).map_err(|error| (path.clone(), error.to_string()))?;
                let Found { path, modified, upload } = found;
                let examined = catalog.examine(upload).await.map_err(|error| (path.clone(), error.to_string()))?;
                Ok::<_, (PathBuf, String)>((modified, path, examined))
            });
        }
        let mut new = Vec::new();
        for examined in examining.join_all().await {
            match examined {
                Ok((_, _, examined)) if self.knows(&examined) => {}
                Ok(new_one) => new.push(new_one),
                Err((path, reason)) => refused(&path, &reason),
            }
        }
        new.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
        for (_, path, examined) in new {
            let taken = self.take_in(examined, Some(Activation::default()), by_file(&path)).await;
            report(&path, &taken, None);
        }
        Ok(())
    }

    fn knows(&self, examined: &Examined) -> bool {
        let live = self.live.load();
        live.get(examined.game()).is_some_and(|game| game.listing.release(&examined.release()).is_ok())
    }

    /// Takes in what comes, each file when it is complete.
    async fn follow(self: &Arc<Self>, directory: &Path, mut coming: UnboundedReceiver<notify::Result<Event>>) {
        let mut pending = BTreeMap::<PathBuf, Instant>::new();
        loop {
            let next = pending.values().min().copied();
            let wait = async {
                match next {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = coming.recv() => match event {
                    Some(Ok(event)) => note(&event, directory, &mut pending),
                    Some(Err(error)) => {
                        tracing::error!(directory = %directory.display(), %error, "the directory of games cannot be watched");
                    }
                    None => return,
                },
                () = wait => {
                    let now = Instant::now();
                    let due: Vec<_> = pending.extract_if(.., |_, due| *due <= now).map(|(path, _)| path).collect();
                    for path in due {
                        self.take_in_file(&path, now).await;
                    }
                }
            }
        }
    }

    async fn take_in_file(self: &Arc<Self>, path: &Path, came: Instant) {
        let found = match Found::read(path) {
            Ok(found) => found,
            // Renamed or removed before it was looked at: there will be another event, or nothing to say.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return refused(path, &error.to_string()),
        };
        let taken = self.publish(found.upload, Some(Activation::default()), by_file(path)).await;
        report(path, &taken, Some(came));
    }
}

impl Found {
    fn read(path: &Path) -> io::Result<Self> {
        let component = fs::read(path)?;
        let modified = fs::metadata(path)?.modified()?;
        let beside = beside(path);
        let signature = match fs::metadata(&beside) {
            // A longer file is none; what it is, is said when it is parsed.
            Ok(about) if about.len() > SIGNATURE_BYTES_MAX as u64 => Some(String::new()),
            Ok(_) => Some(fs::read_to_string(&beside)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Self { path: path.to_owned(), modified, upload: Upload { component: component.into(), signature } })
    }
}

/// `<component>.sig`
fn beside(component: &Path) -> PathBuf {
    let mut name = component.as_os_str().to_owned();
    name.push(".");
    name.push(SIGNATURE);
    name.into()
}

fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension().is_some_and(|extension| extension == wanted)
}

fn components(directory: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let paths = fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path()));
    paths.filter(|path| path.as_ref().map_or(true, |path| has_extension(path, COMPONENT))).collect()
}

/// Notes which components an event is about, and when each can be read.
fn note(event: &Event, directory: &Path, pending: &mut BTreeMap<PathBuf, Instant>) {
    if event.need_rescan() {
        // Events were lost: whatever is there may be new.
        for path in components(directory).unwrap_or_default() {
            pending.insert(path, Instant::now() + QUIET);
        }
        return;
    }
    let due = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both)) => Instant::now(),
        EventKind::Create(_) | EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any) => Instant::now() + QUIET,
        _ => return,
    };
    for path in &event.paths {
        let component = if has_extension(path, SIGNATURE) { path.with_extension("") } else { path.clone() };
        if has_extension(&component, COMPONENT) && component.is_file() {
            pending.insert(component, due);
        }
    }
}

fn by_file(path: &Path) -> crate::listing::Motive {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    motive(Actor::Directory, Some(format!("the file {name}")))
}

fn report(path: &Path, taken: &Result<Published, CatalogError>, came: Option<Instant>) {
    match taken {
        Ok(Published { release, new, game, .. }) => {
            let elapsed_ms = came.map(|came| came.elapsed().as_millis());
            tracing::info!(path = %path.display(), game = %game.listing.game, %release, new, elapsed_ms, "a file is live");
        }
        Err(error) => refused(path, &error.to_string()),
    }
}

fn refused(path: &Path, reason: &str) {
    tracing::error!(path = %path.display(), reason, "a file is refused; what was played before goes on");
}
