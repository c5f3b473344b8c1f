//! The clock that interrupts games: a thread of its own, because tasks of the runtime may all be busy.

use std::{
    io,
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread,
    time::Duration,
};

use wasmtime::EngineWeak;

/// Ticks until it is dropped.
pub(super) struct Ticker {
    /// Dropped with the ticker, which ends the thread.
    _stop: Sender<()>,
}

impl Ticker {
    /// The engine is held weakly: the thread must not keep it alive.
    pub(super) fn start(engine: EngineWeak, tick: Duration) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<()>();
        thread::Builder::new().name("engine-ticker".to_owned()).spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(tick) {
                let Some(engine) = engine.upgrade() else { break };
                engine.increment_epoch();
            }
        })?;
        Ok(Self { _stop: stop })
    }
}
