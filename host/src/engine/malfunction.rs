//! How a game can fail, and what the client and the operator hear of it.

use thiserror::Error;
use wasmtime::{PoolConcurrencyLimitError, Trap};

use super::Release;
use crate::{chance::DrawError, errors::HostError};

/// A game broke down. Its step is void.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Malfunction {
    /// It computed longer than a step may.
    #[error("it computed longer than a step may")]
    Timeout,
    /// It wanted more memory or larger tables than a step may have.
    #[error("it wanted more memory than a step may have")]
    OutOfMemory,
    /// Its call stack ran out.
    #[error("its call stack ran out")]
    StackOverflow,
    /// It called the host without end.
    #[error("it called the host too often")]
    TooManyHostCalls,
    /// It made handles without end.
    #[error("it made too many handles")]
    TooManyHandles,
    /// It asked for a draw that cannot be made.
    #[error(transparent)]
    InvalidDraw(#[from] DrawError),
    /// It handed over more data than one call may.
    #[error("it handed over too much data: {0}")]
    TooMuchData(String),
    /// What it answered breaks the contract.
    #[error("{0}")]
    InvalidReply(String),
    /// It called the host while it described itself.
    #[error("it called an import outside of a call")]
    ImportOutsideCall,
    /// It trapped, as a panic does.
    #[error("it trapped: {0}")]
    Trapped(String),
}

impl Malfunction {
    /// Which of them an error of wasmtime's is.
    pub(super) fn from_error(error: &wasmtime::Error) -> Self {
        if let Some(malfunction) = Self::from_game(error) {
            return malfunction;
        }
        let root = error.root_cause().to_string();
        // These two have no type of their own in wasmtime's interface; tests hold their words.
        if root.contains("fuel allocated for hostcalls") {
            return Self::TooMuchData(root);
        }
        if root.contains("handle") && root.contains("limit") {
            return Self::TooManyHandles;
        }
        // What is left are values that do not read: strings and lists beyond the game's memory, text that is no UTF-8,
        // cases that no variant has, handles that were never given.
        Self::InvalidReply(root)
    }

    /// What the game's own code has come to.
    fn from_game(error: &wasmtime::Error) -> Option<Self> {
        error
            .downcast_ref::<Self>()
            .cloned()
            .or_else(|| error.downcast_ref::<Trap>().map(|trap| Self::from_trap(*trap)))
    }

    fn from_trap(trap: Trap) -> Self {
        match trap {
            Trap::StackOverflow => Self::StackOverflow,
            Trap::Interrupt | Trap::OutOfFuel => Self::Timeout,
            Trap::AllocationTooLarge => Self::OutOfMemory,
            // Text or lists that lie outside of the game's memory: a broken or hostile encoder.
            Trap::StringOutOfBounds | Trap::ListOutOfBounds | Trap::InvalidChar => Self::InvalidReply(trap.to_string()),
            // Everything else, what later versions add included, is the game's own failure.
            _ => Self::Trapped(trap.to_string()),
        }
    }

    /// What the client is told. Never the game's own words: they may say what is not for players.
    #[must_use]
    pub fn to_host_error(&self) -> HostError {
        match self {
            Self::Timeout => HostError::GameTimeout,
            Self::OutOfMemory => HostError::GameOutOfMemory,
            Self::StackOverflow => HostError::GameStackOverflow,
            Self::TooManyHostCalls => HostError::GameTooManyHostCalls,
            Self::TooManyHandles => HostError::GameTooManyHandles,
            Self::InvalidDraw(_) => HostError::GameInvalidDraw,
            Self::TooMuchData(_) => HostError::GameTooMuchData,
            Self::InvalidReply(_) => HostError::GameInvalidReply,
            Self::ImportOutsideCall | Self::Trapped(_) => HostError::GameTrapped,
        }
    }

    /// Tells the operator, with the game's own panic message and where it was, where it has left them.
    pub(super) fn log(&self, release: &Release, method: &str, backtrace: Option<String>, panic: Option<&str>) {
        tracing::error!(
            target: "game",
            game = %release.descriptor().id,
            release = %release.digest(),
            method,
            panic = panic.unwrap_or_default(),
            backtrace = backtrace.unwrap_or_default(),
            "the game broke down: {self}"
        );
    }
}

/// The host had no instance for the step. That is no failure of the game's.
#[derive(Clone, Copy, Debug, Error)]
#[error("no instance could be made")]
pub(super) struct NoInstance;

impl NoInstance {
    /// Why an instance was not made: the game's own start has failed, or else the host is short of something.
    pub(super) fn unless_by_game(error: wasmtime::Error) -> wasmtime::Error {
        if Malfunction::from_game(&error).is_some() { error } else { error.context(Self) }
    }

    /// Whether an error says that the host is short of something.
    pub(super) fn is(error: &wasmtime::Error) -> bool {
        error.is::<Self>() || error.is::<PoolConcurrencyLimitError>()
    }
}
