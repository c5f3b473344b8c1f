//! The watched directory: a component that is put there is published and played, by nobody's further word.
//!
//! What counts is that a file came, not that it is there: at start, files whose release is known change nothing, so that
//! a rollback outlives a restart; and a file that goes changes nothing either. A file is read when its writer has
//! closed it or it was renamed into place, else when nothing has come for a while; one that is still half written
//! is no component, and the rest of it comes as another event.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use futures_util::{StreamExt as _, stream};
use notify::{
    Event, EventKind, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode, ModifyKind, RemoveKind, RenameMode},
};
use thiserror::Error;
use tokio::{
    sync::mpsc::{self, UnboundedReceiver},
    task::AbortHandle,
};

use super::{Activation, Catalog, CatalogError, Published, Upload, at_once, motive, publishing::digest};
use crate::{
    engine::LoadError,
    limits::SIGNATURE_BYTES_MAX,
    listing::{Actor, Motive},
};

/// How long a file must have been left alone where nobody says that it is complete.
const QUIET: Duration = Duration::from_millis(200);
/// How long until a directory that has gone is looked for again.
const REWATCH_PAUSE: Duration = Duration::from_secs(1);
const COMPONENT: &str = "wasm";
/// A signature lies beside its component: `<component>.sig`.
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
    task: AbortHandle,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Events of a directory, for as long as it is there.
struct Events {
    coming: UnboundedReceiver<notify::Result<Event>>,
    _watcher: notify::RecommendedWatcher,
}

impl Events {
    fn of(directory: &Path) -> notify::Result<Self> {
        let (events, coming) = mpsc::unbounded_channel();
        let mut watcher = notify::recommended_watcher(move |event| {
            // Whoever watched has ended, and this ends with it.
            let _ended = events.send(event);
        })?;
        watcher.watch(directory, RecursiveMode::NonRecursive)?;
        Ok(Self { coming, _watcher: watcher })
    }
}

/// What an event asks for.
enum Wanted {
    Nothing,
    /// Look at this component, at this time.
    File(PathBuf, Instant),
    /// Events were lost: whatever is there may be new.
    Rescan,
    /// The directory itself has gone.
    Gone,
}

impl Catalog {
    /// Takes in what a directory has that is new, and from then on what comes. A file that is refused is logged with the
    /// reason, and what was played before goes on. The directory is made if there is none.
    ///
    /// # Errors
    /// Where the directory cannot be read or watched.
    pub async fn watch(self: &Arc<Self>, directory: &Path) -> Result<Watch, DirectoryError> {
        let failed = |reason: String| DirectoryError { path: directory.to_owned(), reason };
        fs::create_dir_all(directory).map_err(|error| failed(error.to_string()))?;
        // Watched before it is read: nothing comes unseen in between.
        let events = Events::of(directory).map_err(|error| failed(error.to_string()))?;
        self.take_in_new(directory).await.map_err(|error| failed(error.to_string()))?;
        let (catalog, directory) = (self.clone(), directory.to_owned());
        let task = tokio::spawn(async move {
            catalog.follow(&directory, events).await;
            loop {
                tracing::error!(directory = %directory.display(), "the directory of games has gone, and is looked for again");
                let events = watch_again(&directory).await;
                tracing::info!(directory = %directory.display(), "the directory of games is there again");
                catalog.rescan(&directory).await;
                catalog.follow(&directory, events).await;
            }
        });
        Ok(Watch { task: task.abort_handle() })
    }

    /// Takes in the files whose release is unknown: read side by side, and taken in one after the other, the oldest file
    /// first, as they would have been had somebody watched.
    async fn take_in_new(self: &Arc<Self>, directory: &Path) -> io::Result<()> {
        let mut files = components(directory)?;
        files.sort();
        let examining = files.into_iter().map(|(_, path)| async move {
            let upload = match self.read(&path).await {
                Ok(upload) if self.knows(&upload).await => return None,
                Ok(upload) => upload,
                Err(error) => return Some((path, Err(error))),
            };
            let examined = self.examine(upload).await.map_err(|error| error.to_string());
            Some((path, examined))
        });
        let mut examined = stream::iter(examining).buffered(at_once()).filter_map(std::future::ready);
        while let Some((path, examined)) = examined.next().await {
            match examined {
                Ok(examined) => {
                    report(&path, &self.take_in(examined, Some(Activation::default()), by_file(&path)).await, None);
                }
                Err(reason) => refused(&path, &reason),
            }
        }
        Ok(())
    }

    async fn rescan(self: &Arc<Self>, directory: &Path) {
        if let Err(error) = self.take_in_new(directory).await {
            tracing::error!(directory = %directory.display(), %error, "the directory of games cannot be read");
        }
    }

    async fn knows(&self, upload: &Upload) -> bool {
        let release = digest(&upload.component).await;
        self.live.load().values().any(|game| game.listing.release(&release).is_ok())
    }

    /// Takes in what comes, each file when it is complete, until the directory has gone.
    async fn follow(self: &Arc<Self>, directory: &Path, mut events: Events) {
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
                event = events.coming.recv() => match event {
                    Some(Ok(event)) => for wanted in wanted_by(&event, directory) {
                        match wanted {
                            Wanted::Nothing => {}
                            Wanted::File(path, due) => drop(pending.insert(path, due)),
                            Wanted::Rescan => self.rescan(directory).await,
                            Wanted::Gone => return,
                        }
                    },
                    Some(Err(error)) => {
                        tracing::error!(directory = %directory.display(), %error, "watching the directory of games");
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
        match self.read(path).await {
            Ok(upload) => {
                let taken = self.publish(upload, Some(Activation::default()), by_file(path)).await;
                report(path, &taken, Some(came));
            }
            // Renamed or removed before it was looked at: there will be another event, or nothing to say.
            Err(_) if !path.exists() => {}
            Err(reason) => refused(path, &reason),
        }
    }

    /// A component and its signature, as far as they may be read: whatever has the name may lie there.
    async fn read(self: &Arc<Self>, path: &Path) -> Result<Upload, String> {
        let (catalog, path) = (self.clone(), path.to_owned());
        let reading = tokio::task::spawn_blocking(move || {
            let size = fs::metadata(&path).map_err(|error| error.to_string())?.len();
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            catalog.engine.check_size(size).map_err(|error: LoadError| error.to_string())?;
            let component = read_file(&path, size).map_err(|error| error.to_string())?;
            let signature_path = beside(&path);
            // One byte more than there may be: then it is refused as too long.
            let signature = match read_file(&signature_path, SIGNATURE_BYTES_MAX + 1) {
                Ok(text) => Some(String::from_utf8_lossy(&text).into_owned()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(format!("{}: {error}", signature_path.display())),
            };
            Ok(Upload { component: component.into(), signature })
        });
        reading.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }
}

async fn watch_again(directory: &Path) -> Events {
    loop {
        tokio::time::sleep(REWATCH_PAUSE).await;
        if let Ok(events) = Events::of(directory) {
            return events;
        }
    }
}

/// At most so many bytes of a file, and only of a file: a pipe or a device would never end.
fn read_file(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(bytes_max as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
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

/// The components of a directory, each with the time at which it was written.
fn components(directory: &Path) -> io::Result<Vec<(SystemTime, PathBuf)>> {
    let mut components = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        // What has no such time is refused when it is read, with the reason.
        let modified = fs::metadata(&path).and_then(|about| about.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        if has_extension(&path, COMPONENT) {
            components.push((modified, path));
        }
    }
    Ok(components)
}

/// What is to be done about an event.
fn wanted_by(event: &Event, directory: &Path) -> Vec<Wanted> {
    if event.need_rescan() {
        return vec![Wanted::Rescan];
    }
    let wanted = |path: &PathBuf| {
        let is_directory = path == directory;
        let due = match event.kind {
            EventKind::Remove(RemoveKind::Folder | RemoveKind::Any | RemoveKind::Other)
            | EventKind::Modify(ModifyKind::Name(RenameMode::From))
                if is_directory =>
            {
                return Wanted::Gone;
            }
            EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both)) => Instant::now(),
            EventKind::Create(_) | EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any) => Instant::now() + QUIET,
            _ => return Wanted::Nothing,
        };
        let component = if has_extension(path, SIGNATURE) { path.with_extension("") } else { path.clone() };
        // Of a signature that comes first, the component is still to come.
        if has_extension(&component, COMPONENT) && component.exists() {
            Wanted::File(component, due)
        } else {
            Wanted::Nothing
        }
    };
    event.paths.iter().map(wanted).collect()
}

fn by_file(path: &Path) -> Motive {
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

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange, Flag, MetadataKind};

    use super::*;

    #[test]
    fn events_ask_for_what_they_are_about() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        for name in ["dice.wasm", "dice.wasm.sig", "notes.txt"] {
            fs::write(directory.join(name), "").unwrap();
        }
        let words = |kind: EventKind, name: &str| -> String {
            let event =
                Event::new(kind).add_path(if name.is_empty() { directory.to_owned() } else { directory.join(name) });
            let [wanted] = <[Wanted; 1]>::try_from(wanted_by(&event, directory)).ok().unwrap();
            match wanted {
                Wanted::Nothing => "nothing".to_owned(),
                Wanted::File(path, due) => {
                    let when = if due > Instant::now() { "later" } else { "now" };
                    format!("{} {when}", path.file_name().unwrap().display())
                }
                Wanted::Rescan => "rescan".to_owned(),
                Wanted::Gone => "gone".to_owned(),
            }
        };
        let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let renamed = |mode| EventKind::Modify(ModifyKind::Name(mode));
        let written = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        for (kind, name, expected) in [
            (closed, "dice.wasm", "dice.wasm now"),
            (closed, "dice.wasm.sig", "dice.wasm now"),
            (closed, "other.wasm.sig", "nothing"),
            (closed, "notes.txt", "nothing"),
            (renamed(RenameMode::To), "dice.wasm", "dice.wasm now"),
            (renamed(RenameMode::From), "dice.wasm", "nothing"),
            (written, "dice.wasm", "dice.wasm later"),
            (EventKind::Create(CreateKind::File), "dice.wasm", "dice.wasm later"),
            (EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)), "dice.wasm", "nothing"),
            (EventKind::Remove(RemoveKind::File), "dice.wasm", "nothing"),
            (EventKind::Remove(RemoveKind::Folder), "", "gone"),
            (renamed(RenameMode::From), "", "gone"),
        ] {
            assert_eq!(words(kind, name), expected, "{kind:?} {name}");
        }
        let lost = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        assert!(matches!(wanted_by(&lost, directory)[..], [Wanted::Rescan]));
    }

    #[test]
    fn only_files_are_read_and_no_more_of_them_than_is_wanted() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("dice.wasm");
        fs::write(&file, "0123456789").unwrap();
        assert_eq!(read_file(&file, 4).unwrap(), b"0123");
        let device = directory.path().join("endless.wasm");
        std::os::unix::fs::symlink("/dev/zero", &device).unwrap();
        for path in [directory.path(), &device] {
            assert_eq!(read_file(path, 4).unwrap_err().to_string(), "it is no file");
        }
    }
}
