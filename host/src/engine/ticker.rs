//! The clock that interrupts games: a thread of its own, because tasks of the runtime may all be busy. It rests where no
//! game is run.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, Thread},
    time::Duration,
};

/// Ticks in a row at which nothing runs, after which the clock rests: on a busy host nobody has to wake it.
const QUIET_TICKS_MAX: u32 = 100;

/// Ticks while something runs, until it is dropped.
pub(super) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Default)]
struct Shared {
    running: AtomicUsize,
    rests: AtomicBool,
    is_over: AtomicBool,
}

/// Something that runs, until it is dropped.
pub(super) struct Running(Arc<Shared>);

impl Ticker {
    /// `tick` says whether anybody still wants to be ticked.
    pub(super) fn start(period: Duration, tick: impl FnMut() -> bool + Send + 'static) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let clock = shared.clone();
        let thread = thread::Builder::new().name("engine-ticker".to_owned()).spawn(move || clock.run(period, tick))?;
        Ok(Self { shared, thread: thread.thread().clone() })
    }

    /// From now on it ticks.
    pub(super) fn run(&self) -> Running {
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        if self.shared.rests.swap(false, Ordering::SeqCst) {
            self.thread.unpark();
        }
        Running(self.shared.clone())
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shared {
    fn run(&self, period: Duration, mut tick: impl FnMut() -> bool) {
        let mut quiet_ticks = 0;
        while !self.is_over.load(Ordering::SeqCst) {
            thread::park_timeout(period);
            if !tick() {
                return;
            }
            quiet_ticks = if self.nothing_runs() { quiet_ticks + 1 } else { 0 };
            if quiet_ticks >= QUIET_TICKS_MAX {
                self.rest();
                quiet_ticks = 0;
            }
        }
    }

    /// Until something runs or nobody is left.
    fn rest(&self) {
        self.rests.store(true, Ordering::SeqCst);
        // What has begun before it was known that the clock rests will not wake it.
        if !self.nothing_runs() {
            self.rests.store(false, Ordering::SeqCst);
        }
        while self.rests.load(Ordering::SeqCst) && !self.is_over.load(Ordering::SeqCst) {
            thread::park();
        }
    }

    fn nothing_runs(&self) -> bool {
        self.running.load(Ordering::SeqCst) == 0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn it_ticks_while_something_runs_and_rests_while_nothing_does() {
        let (ticked, ticks) = mpsc::sync_channel(0);
        let ticker = Ticker::start(Duration::from_millis(1), move || ticked.send(()).is_ok()).unwrap();
        for _ in 0..3 {
            let running = ticker.run();
            // More than those after which it would rest.
            (0..2 * QUIET_TICKS_MAX).for_each(|_| ticks.recv().unwrap());
            assert!(!ticker.shared.rests.load(Ordering::SeqCst));
            drop(running);
            while !ticker.shared.rests.load(Ordering::SeqCst) {
                let _tick = ticks.try_recv();
                thread::yield_now();
            }
        }
        drop(ticker);
        while ticks.recv().is_ok() {}
    }

    #[test]
    fn it_ends_with_whoever_is_ticked() {
        let (ticked, ticks) = mpsc::channel::<()>();
        let ticker = Ticker::start(Duration::from_millis(1), move || {
            let _told = &ticked;
            false
        })
        .unwrap();
        assert!(ticks.recv().is_err(), "its thread is gone");
        drop(ticker.run());
    }
}
