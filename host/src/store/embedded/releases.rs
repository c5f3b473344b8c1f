//! The bytes of releases, each a file under its digest. They are megabytes: in the database's journal every step would
//! wait for them. What fails here concerns one release, and the database not at all.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{sync::Semaphore, task};

use super::{StoreError, closed};
use crate::identity::ReleaseDigest;

/// Within the store's directory; the database leaves folders alone that it does not know.
const FOLDER: &str = "releases";
/// What the name of an unfinished file ends with.
const UNFINISHED: &str = ".tmp";
/// Releases that are written at the same time: each is in memory once more meanwhile.
const WRITERS_MAX: u32 = 4;

/// The folder of releases.
pub(super) struct Releases {
    folder: Arc<Path>,
    /// A writer has a permit of these until its file is durable; there are none after closing.
    writers: Arc<Semaphore>,
}

impl Releases {
    /// Opens the folder of a store, or makes it, and removes what a crash has left unfinished. Nobody else may be using
    /// it.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        let folder = directory.join(FOLDER);
        fs::create_dir_all(&folder)?;
        sync(directory)?;
        remove_unfinished(&folder)?;
        Ok(Self { folder: folder.into(), writers: Arc::new(Semaphore::new(WRITERS_MAX as usize)) })
    }

    /// Once begun it is carried on to its end, also where whoever asked has gone.
    pub(super) async fn put(&self, release: &ReleaseDigest, bytes: &[u8]) -> Result<(), StoreError> {
        let permit = self.writers.clone().acquire_owned().await.map_err(|_| closed())?;
        let (path, bytes) = (self.path(release), bytes.to_vec());
        blocking(path, move |path| {
            let _permit = permit;
            write(path, &bytes)
        })
        .await
    }

    pub(super) async fn get(&self, release: &ReleaseDigest) -> Result<Option<Vec<u8>>, StoreError> {
        blocking(self.path(release), |path| match fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    /// Waits for what is being written; what is put later is refused.
    pub(super) async fn close(&self) {
        // It fails where it was closed before.
        let _all_ended = self.writers.acquire_many(WRITERS_MAX).await;
        self.writers.close();
    }

    fn path(&self, release: &ReleaseDigest) -> PathBuf {
        self.folder.join(format!("{release}.wasm"))
    }
}

/// On a thread that may wait for the disk, unlike those that serve players.
async fn blocking<T: Send + 'static>(
    path: PathBuf,
    act: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    let outcome = task::spawn_blocking(move || act(&path).map_err(|error| failed(&path, &error))).await;
    outcome.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
}

fn remove_unfinished(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().ends_with(UNFINISHED.as_bytes()) && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Written beside, made durable and renamed: a crash leaves the file of before or the whole new one. What fails on the
/// way is removed.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::NotFound)?;
    let mut file = tempfile::Builder::new().suffix(UNFINISHED).tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    sync(folder)
}

/// Makes the names in a folder durable.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn failed(path: &Path, error: &io::Error) -> StoreError {
    let reason = format!("{}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full(reason),
        _ => StoreError::Unavailable(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn bytes_are_kept_replaced_and_there_after_a_reopening() {
        let directory = tempfile::tempdir().unwrap();
        let (first, second) = (ReleaseDigest::of(b"first"), ReleaseDigest::of(b"second"));
        let releases = Releases::open(directory.path()).unwrap();
        assert_eq!(releases.get(&first).await, Ok(None));
        for bytes in [b"damaged".as_slice(), b"", b"first"] {
            releases.put(&first, bytes).await.unwrap();
            assert_eq!(releases.get(&first).await.unwrap().unwrap(), bytes);
        }
        releases.put(&second, b"second").await.unwrap();
        releases.close().await;
        assert_eq!(releases.put(&second, b"late").await, Err(closed()));
        releases.close().await;

        let releases = Releases::open(directory.path()).unwrap();
        assert_eq!(releases.get(&first).await.unwrap().unwrap(), b"first");
        assert_eq!(releases.get(&second).await.unwrap().unwrap(), b"second");
        assert_eq!(names(&releases.folder).len(), 2);
    }

    #[tokio::test]
    async fn whoever_writes_the_same_release_at_once_leaves_one_whole_file() {
        let directory = tempfile::tempdir().unwrap();
        let release = ReleaseDigest::of(b"release");
        let releases = Arc::new(Releases::open(directory.path()).unwrap());
        let writers = (0..4 * u8::try_from(WRITERS_MAX).unwrap()).map(|mark| {
            let releases = releases.clone();
            tokio::spawn(async move { releases.put(&release, &vec![mark; 100_000]).await })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap().unwrap();
        }
        let bytes = releases.get(&release).await.unwrap().unwrap();
        assert_eq!(bytes, vec![bytes[0]; 100_000]);
        assert_eq!(names(&releases.folder), [format!("{release}.wasm")]);
    }

    #[tokio::test]
    async fn unfinished_files_are_removed_at_opening_and_others_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let release = ReleaseDigest::of(b"release");
        let releases = Releases::open(directory.path()).unwrap();
        releases.put(&release, b"release").await.unwrap();
        fs::write(releases.folder.join(".tmpAbCdEf.tmp"), "rele").unwrap();
        fs::write(releases.folder.join("notes.txt"), "an operator's").unwrap();
        let releases = Releases::open(directory.path()).unwrap();
        assert_eq!(names(&releases.folder), [format!("{release}.wasm"), "notes.txt".to_owned()]);
    }

    #[tokio::test]
    async fn what_fails_names_the_file_and_leaves_none() {
        let directory = tempfile::tempdir().unwrap();
        let release = ReleaseDigest::of(b"release");
        let releases = Releases::open(directory.path()).unwrap();
        let path = releases.path(&release);
        // A folder in its place: the bytes can be written, but not renamed.
        fs::create_dir(&path).unwrap();
        for failure in [releases.put(&release, b"release").await, releases.get(&release).await.map(drop)] {
            let Err(StoreError::Unavailable(reason)) = failure else { panic!("{failure:?}") };
            assert!(reason.starts_with(path.to_str().unwrap()), "{reason}");
        }
        assert_eq!(names(&releases.folder), [format!("{release}.wasm")]);
        assert_eq!(names(&path), Vec::<String>::new());
        fs::remove_dir(&path).unwrap();
        releases.put(&release, b"release").await.unwrap();
    }

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        for (kind, is_full) in full.map(|kind| (kind, true)).into_iter().chain([(io::ErrorKind::Other, false)]) {
            let failure = failed(Path::new("/releases/one.wasm"), &kind.into());
            assert_eq!(matches!(failure, StoreError::Full(_)), is_full, "{kind}");
            assert_eq!(matches!(failure, StoreError::Unavailable(_)), !is_full, "{kind}");
        }
    }
}
