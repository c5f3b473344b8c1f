//! The file while it is not whole: beside the one that was asked for, under a name of its own, so that nobody takes it
//! for one. It takes its place when everything is in it and durable.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufReader, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use super::{Flaw, MovingError, frames::Place, sections::SectionReader};

/// A file that is being written, or was and is gone on with.
#[derive(Debug)]
pub struct Part {
    whole: PathBuf,
    part: PathBuf,
    file: File,
}

impl Part {
    /// Begins the file, or finds what was begun. Locked against other exports.
    ///
    /// # Errors
    /// Where it is whole already, in use, or the disk refuses.
    pub fn open(whole: &Path) -> Result<Self, MovingError> {
        if whole.try_exists()? {
            return Err(MovingError::IsThere);
        }
        let mut part = whole.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        // Seeds, balances and sessions are nobody else's business.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&part).map_err(MovingError::of_writing)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { whole: whole.to_owned(), part, file }),
            Err(TryLockError::WouldBlock) => Err(MovingError::InUse),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// Whether anything was begun.
    ///
    /// # Errors
    /// The disk.
    pub fn is_begun(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.len() > 0)
    }

    /// What was begun, from its first byte on; nothing where not even the first line is whole.
    pub(super) fn read(&self) -> Result<Option<SectionReader<BufReader<&File>>>, MovingError> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0))?;
        match SectionReader::open(BufReader::new(file)) {
            Ok(reader) => Ok(Some(reader)),
            // Far too short for a file of anybody else's.
            Err(Flaw::Foreign) if self.file.metadata()?.len() < 32 => Ok(None),
            Err(Flaw::Foreign) => Err(MovingError::OtherStore(Flaw::Foreign.to_string())),
            Err(flaw) => Err(flaw.into()),
        }
    }

    /// Forgets what comes behind a place, or everything: what is written next follows.
    pub(super) fn cut(&self, place: Option<Place>) -> io::Result<&File> {
        let at = place.map_or(0, |place| place.at);
        self.file.set_len(at)?;
        let mut file = &self.file;
        file.seek(SeekFrom::Start(at))?;
        Ok(file)
    }

    /// It is whole: durable, and under its own name.
    ///
    /// # Errors
    /// The disk.
    pub fn finish(self) -> Result<(), MovingError> {
        self.file.sync_all().map_err(MovingError::of_writing)?;
        fs::rename(&self.part, &self.whole)?;
        let folder = self.whole.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(())
    }
}
