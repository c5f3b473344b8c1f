//! The host's directory: one process at a time, and the secret that signs session tokens.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use thiserror::Error;

/// The directory, held for as long as this lives.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

/// The directory cannot be used.
#[derive(Debug, Error)]
pub enum DataDirectoryError {
    /// Two hosts on one embedded store would each undo what the other did.
    #[error("{path} is in use by another croupier (process {process}): stop it first, or choose another directory")]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Who has it, as far as is known.
        process: String,
    },
    /// Reading or writing failed.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A key that is none.
    #[error("{0} holds no key of 64 hexadecimal digits: restore it, or remove it to end all sessions")]
    DamagedKey(PathBuf),
}

impl DataDirectory {
    /// Opens the directory, or makes it, and locks it against other processes.
    ///
    /// # Errors
    /// [`DataDirectoryError`].
    pub fn open(path: &Path) -> Result<Self, DataDirectoryError> {
        fs::create_dir_all(path).map_err(io_error(path))?;
        let lock_path = path.join("lock");
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&lock_path);
        let mut lock = options.map_err(io_error(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut process = String::new();
                lock.read_to_string(&mut process).map_err(io_error(&lock_path))?;
                return Err(DataDirectoryError::InUse { path: path.to_owned(), process: process.trim().to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(io_error(&lock_path)(error)),
        }
        lock.set_len(0).map_err(io_error(&lock_path))?;
        writeln!(lock, "{}", std::process::id()).map_err(io_error(&lock_path))?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where the embedded store keeps its files.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.path.join("store")
    }

    /// Where the embedded tracking store keeps its files, if nothing else is said.
    #[must_use]
    pub fn tracking(&self) -> PathBuf {
        self.path.join("tracking")
    }

    /// Where the embedded register of notifications keeps its files, if nothing else is said.
    #[must_use]
    pub fn register(&self) -> PathBuf {
        self.path.join("notifications")
    }

    /// Where the embedded queue keeps its files, if nothing else is said.
    #[must_use]
    pub fn queue(&self) -> PathBuf {
        self.path.join("queue")
    }

    /// Where compiled releases are kept.
    #[must_use]
    pub fn artefacts(&self) -> PathBuf {
        self.path.join("artefacts")
    }

    /// The secret of this name, made at its first use and readable by the host's own user alone.
    ///
    /// # Errors
    /// [`DataDirectoryError`].
    pub fn secret(&self, name: &str) -> Result<[u8; 32], DataDirectoryError> {
        let path = self.path.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => {
                let key = HEXLOWER.decode(text.trim().as_bytes()).ok().and_then(|key| key.try_into().ok());
                key.ok_or(DataDirectoryError::DamagedKey(path))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key: [u8; 32] = rand::random();
                write_private(&path, &format!("{}\n", HEXLOWER.encode(&key))).map_err(io_error(&path))?;
                Ok(key)
            }
            Err(error) => Err(io_error(&path)(error)),
        }
    }
}

/// Written beside, made durable and renamed: a crash leaves the whole secret or none.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let unfinished = path.with_extension("tmp");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(unfinished, path)
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> DataDirectoryError + use<> {
    let path = path.to_owned();
    move |error| DataDirectoryError::Io { path, error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_serves_one_host_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let first = DataDirectory::open(directory.path()).unwrap();
        let error = DataDirectory::open(directory.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        DataDirectory::open(directory.path()).unwrap();
    }

    #[test]
    fn a_secret_stays_the_same_and_a_damaged_one_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDirectory::open(directory.path()).unwrap();
        let secret = data.secret("session.key").unwrap();
        assert_eq!(data.secret("session.key").unwrap(), secret);
        fs::write(directory.path().join("session.key"), "0123").unwrap();
        assert!(matches!(data.secret("session.key"), Err(DataDirectoryError::DamagedKey(_))));
    }
}
