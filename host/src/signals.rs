//! The signals that end a server in good order.

use std::{future::Future, io};

use tokio::signal::unix::{SignalKind, signal};

/// Done at the first SIGTERM or SIGINT.
///
/// # Errors
/// Where the process cannot listen for signals.
pub fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
