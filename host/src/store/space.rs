//! Watches the room on the store's disk. Steps are refused while there is still some left, because a log-structured
//! store that runs out in the middle of its own work cannot always go on.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use super::StoreError;

/// How long a measurement holds.
const FRESH: Duration = Duration::from_millis(200);

/// The room on the disk of one directory.
pub(super) struct Space {
    directory: PathBuf,
    reserve_bytes: u64,
    start: Instant,
    /// Milliseconds after `start` from which a new measurement is due.
    due_at_ms: AtomicU64,
    low: AtomicBool,
}

impl Space {
    pub(super) fn new(directory: &Path, reserve_bytes: u64) -> Self {
        let directory = directory.to_owned();
        Self {
            directory,
            reserve_bytes,
            start: Instant::now(),
            due_at_ms: AtomicU64::new(0),
            low: AtomicBool::new(false),
        }
    }

    /// # Errors
    /// [`StoreError::Full`] while less than the reserve is free.
    pub(super) fn check(&self) -> Result<(), StoreError> {
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
        let room = rustix::fs::statvfs(&self.directory)
            .map_err(|error| StoreError::Unavailable(format!("{}: {error}", self.directory.display())))?;
        let low = room.f_bavail.saturating_mul(room.f_frsize) < self.reserve_bytes;
        if low != self.low.swap(low, Ordering::Relaxed) {
            let directory = self.directory.display();
            if low {
                tracing::error!(%directory, "the disk is nearly full: steps are refused until there is room");
            } else {
                tracing::info!(%directory, "there is room on the disk again: steps are taken");
            }
        }
        Ok(())
    }
}
