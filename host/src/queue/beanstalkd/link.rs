//! A connection that is made again after it was lost.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    super::QueueError,
    Settings,
    connection::{Connection, Trouble},
    protocol::{Refusal, Reply},
};

/// How long a server that could not be reached is left alone; doubled with every time.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

pub(super) struct Link {
    settings: Arc<Settings>,
    connection: Option<Connection>,
    /// How many connections were asked for.
    connections: u64,
    failure: Option<Failure>,
    is_closed: bool,
}

/// The server could not be reached.
struct Failure {
    error: QueueError,
    at: Instant,
    pause: Duration,
}

impl Link {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        Self { settings, connection: None, connections: 0, failure: None, is_closed: false }
    }

    /// The connection, which is made if there is none. While a server that is away is left alone, the same is answered
    /// as before, at once.
    pub(super) async fn connected(&mut self) -> Result<&mut Connection, QueueError> {
        if self.is_closed {
            return Err(QueueError::Unavailable("it is closed".to_owned()));
        }
        // A server that was restarted while nothing was asked is not found out about by a call that fails.
        let connection = self.connection.take().filter(Connection::is_alive);
        let connection = match connection {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        Ok(self.connection.insert(connection))
    }

    async fn connect(&mut self) -> Result<Connection, QueueError> {
        let pause = match &self.failure {
            Some(failure) if failure.at.elapsed() < failure.pause => return Err(failure.error.clone()),
            Some(failure) => PAUSE_MAX.min(failure.pause * 2),
            None => PAUSE_MIN,
        };
        self.connections += 1;
        let opened = Connection::open(&self.settings, self.connections).await;
        if opened.is_ok() && self.failure.is_some() {
            tracing::info!(address = self.settings.address, "beanstalkd is there again");
        }
        match opened {
            Ok(connection) => {
                self.failure = None;
                Ok(connection)
            }
            Err(why) => {
                let error = self.unavailable(&why);
                if self.failure.is_none() {
                    tracing::warn!(%error, "beanstalkd is away; the connection is made again when it is back");
                }
                self.failure = Some(Failure { error: error.clone(), at: Instant::now(), pause });
                Err(error)
            }
        }
    }

    /// What came of something that was done on the connection.
    pub(super) fn outcome<T>(&mut self, outcome: Result<T, Trouble>) -> Result<T, QueueError> {
        outcome.map_err(|trouble| match trouble {
            Trouble::Broken(why) => {
                self.connection = None;
                self.unavailable(&why)
            }
            Trouble::Refused { command, reply } => self.refused(command, &reply),
        })
    }

    fn refused(&mut self, command: &str, reply: &Reply) -> QueueError {
        let address = &self.settings.address;
        match reply {
            Reply::Refused(Refusal::OutOfMemory) | Reply::Buried { .. } => QueueError::Full(format!(
                "beanstalkd at {address} has no memory, or no room on its disk, for {command}"
            )),
            Reply::Refused(Refusal::Draining) => {
                QueueError::Full(format!("beanstalkd at {address} is being drained and takes no more jobs"))
            }
            Reply::Refused(Refusal::JobTooBig) => {
                self.unavailable("it takes no jobs of 128 bytes: it was started with a smaller -z")
            }
            Reply::Refused(Refusal::InternalError) => self.unavailable(&format!("it has failed at {command}")),
            other => {
                // Commands and replies may not belong together any more.
                self.connection = None;
                self.unavailable(&format!("it answers {other:?} to {command}"))
            }
        }
    }

    /// Lets go of the connection, for good.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
        self.connection = None;
    }

    fn unavailable(&self, why: &str) -> QueueError {
        QueueError::Unavailable(format!("beanstalkd at {}: {why}", self.settings.address))
    }
}
