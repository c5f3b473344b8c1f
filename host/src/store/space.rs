//! Watches the room on the store's disk. Steps are refused while there is still some left, because a log-structured
//! store that runs out in the middle of its own work cannot always go on.

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use super::StoreError;

/// How long a measurement holds.
const FRESH: Duration = Duration::from_millis(200);

/// The room on the disk of one directory.
pub(crate) struct Space {
    directory: PathBuf,
    measure: Measure,
    reserve_bytes: u64,
    consequence: &'static str,
    start: Instant,
    /// Milliseconds after `start` from which a new measurement is due.
    due_at_ms: AtomicU64,
    low: AtomicBool,
}

/// Free bytes on the disk of a directory.
type Measure = Box<dyn Fn(&Path) -> io::Result<u64> + Send + Sync>;

impl Space {
    /// `consequence` says what happens, or does not, while there is too little.
    pub(crate) fn new(directory: &Path, reserve_bytes: u64, consequence: &'static str) -> Self {
        Self::measured_by(Box::new(free_bytes), directory, reserve_bytes, consequence)
    }

    fn measured_by(measure: Measure, directory: &Path, reserve_bytes: u64, consequence: &'static str) -> Self {
        let directory = directory.to_owned();
        Self {
            directory,
            measure,
            reserve_bytes,
            consequence,
            start: Instant::now(),
            due_at_ms: AtomicU64::new(0),
            low: AtomicBool::new(false),
        }
    }

    /// # Errors
    /// [`StoreError::Full`] while less than the reserve is free.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let now_ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        if now_ms >= self.due_at_ms.load(Ordering::Relaxed) {
            self.due_at_ms.store(now_ms + u64::try_from(FRESH.as_millis()).unwrap_or(0), Ordering::Relaxed);
            self.measure()?;
        }
        if self.low.load(Ordering::Relaxed) {
            return Err(StoreError::Full(format!(
                "less than {} MiB are free in {}",
                self.reserve_bytes >> 20,
                self.directory.display()
            )));
        }
        Ok(())
    }

    fn measure(&self) -> Result<(), StoreError> {
        let free = (self.measure)(&self.directory)
            .map_err(|error| StoreError::Unavailable(format!("{}: {error}", self.directory.display())))?;
        let low = free < self.reserve_bytes;
        if low != self.low.swap(low, Ordering::Relaxed) {
            let directory = self.directory.display();
            if low {
                let consequence = self.consequence;
                tracing::error!(%directory, "the disk is nearly full: {consequence} until there is room");
            } else {
                tracing::info!(%directory, "there is room on the disk again");
            }
        }
        Ok(())
    }
}

fn free_bytes(directory: &Path) -> io::Result<u64> {
    let room = rustix::fs::statvfs(directory)?;
    Ok(room.f_bavail.saturating_mul(room.f_frsize))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn steps_are_refused_while_there_is_too_little_room_and_taken_again_when_there_is_more() {
        let free = Arc::new(AtomicU64::new(100));
        let measured = free.clone();
        let measure = move |_: &Path| match measured.load(Ordering::Relaxed) {
            u64::MAX => Err(io::Error::other("gone")),
            free => Ok(free),
        };
        let space = Space::measured_by(Box::new(measure), Path::new("/store"), 50, "steps are refused");
        let now = || {
            space.due_at_ms.store(0, Ordering::Relaxed);
            space.check()
        };
        assert_eq!(now(), Ok(()));
        for (bytes, full) in [(49, true), (0, true), (50, false), (49, true), (51, false)] {
            free.store(bytes, Ordering::Relaxed);
            assert_eq!(matches!(now(), Err(StoreError::Full(_))), full, "{bytes} bytes are free");
        }
        free.store(u64::MAX, Ordering::Relaxed);
        assert!(matches!(now(), Err(StoreError::Unavailable(_))));
        free.store(50, Ordering::Relaxed);
        assert_eq!(now(), Ok(()));
    }

    #[test]
    fn a_measurement_holds_for_a_while() {
        let free = Arc::new(AtomicU64::new(100));
        let measured = free.clone();
        let space = Space::measured_by(
            Box::new(move |_| Ok(measured.load(Ordering::Relaxed))),
            Path::new("/store"),
            50,
            "steps are refused",
        );
        space.check().unwrap();
        space.due_at_ms.store(u64::MAX, Ordering::Relaxed);
        free.store(0, Ordering::Relaxed);
        assert_eq!(space.check(), Ok(()));
    }

    #[test]
    fn the_disk_of_a_directory_is_measured() {
        let directory = tempfile::tempdir().unwrap();
        assert!(free_bytes(directory.path()).unwrap() > 0);
        assert!(free_bytes(&directory.path().join("absent")).is_err());
    }
}
