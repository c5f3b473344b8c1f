//! What is done on the one connection that takes jobs out.

use std::time::{Duration, Instant};

use super::{
    super::{Leased, QueueError, body::Body},
    PIPELINE_COMMANDS_MAX,
    connection::{Connection, Trouble},
    leases::Leases,
    link::Link,
    protocol::{Commands, Reply},
};
use crate::notifications::Channel;

/// How many jobs are asked for at first, while it is not known whether there are that many; doubled from there.
const FIRST_PIECE: usize = 8;

pub(super) struct Taking {
    pub(super) link: Link,
    leases: Leases,
}

impl Taking {
    pub(super) fn new(link: Link) -> Self {
        Self { link, leases: Leases::default() }
    }

    pub(super) async fn take(&mut self, channel: Channel, count_max: usize) -> Result<Vec<Leased>, QueueError> {
        let connection = self.link.connected().await?;
        self.leases.follow(connection.number, &connection.incarnation);
        let outcome = connection.take(channel, count_max, &mut self.leases).await;
        self.link.outcome(outcome)
    }

    pub(super) async fn touch(&mut self, jobs: &[Leased]) -> Result<(), QueueError> {
        let connection = self.link.connected().await?;
        self.leases.follow(connection.number, &connection.incarnation);
        let mut commands = Commands::default();
        for Leased { lease, .. } in jobs {
            if self.leases.touch(*lease, connection.settings.lease) {
                commands.touch(lease.job);
            }
        }
        let outcome = connection.do_all("touch", &commands).await;
        self.link.outcome(outcome)
    }

    /// A job whose lease is over is deleted too, if it is still this server's and nobody else has it: its notification is
    /// done, and the register would only find that out once more.
    pub(super) async fn finish(&mut self, jobs: &[Leased]) -> Result<(), QueueError> {
        let connection = self.link.connected().await?;
        self.leases.follow(connection.number, &connection.incarnation);
        let mut commands = Commands::default();
        for Leased { lease, .. } in jobs {
            if self.leases.is_of_this_server(*lease) {
                commands.delete(lease.job);
                self.leases.end(*lease);
            }
        }
        let outcome = connection.do_all("delete", &commands).await;
        self.link.outcome(outcome)
    }

    pub(super) async fn give_back(&mut self, jobs: &[(Leased, Duration)]) -> Result<(), QueueError> {
        let connection = self.link.connected().await?;
        self.leases.follow(connection.number, &connection.incarnation);
        let mut commands = Commands::default();
        for (Leased { lease, job }, delay) in jobs {
            if self.leases.end(*lease) {
                commands.release(lease.job, job.priority, *delay);
            }
        }
        let outcome = connection.do_all("release", &commands).await;
        self.link.outcome(outcome)
    }

    pub(super) async fn bury(&mut self, jobs: &[Leased]) -> Result<(), QueueError> {
        let connection = self.link.connected().await?;
        self.leases.follow(connection.number, &connection.incarnation);
        let mut commands = Commands::default();
        for Leased { lease, job } in jobs {
            if self.leases.end(*lease) {
                commands.bury(lease.job, job.priority);
            }
        }
        let outcome = connection.do_all("bury", &commands).await;
        self.link.outcome(outcome)
    }

    /// Says something while leases may be over. The server (up to 1.13 at least, see its issues 262 and 380) forgets to
    /// end the leases of a connection if it looks at them in the very microsecond in which one is over, which it often
    /// does, and remembers with the connection's next command.
    pub(super) async fn nudge(&mut self) -> Result<(), QueueError> {
        if !self.leases.is_any_over() {
            return Ok(());
        }
        let connection = self.link.connected().await?;
        self.leases.follow(connection.number, &connection.incarnation);
        let mut commands = Commands::default();
        commands.list_tube_used();
        let outcome = connection.do_all("list-tube-used", &commands).await;
        self.link.outcome(outcome)
    }
}

impl Connection {
    async fn take(&mut self, channel: Channel, count_max: usize, leases: &mut Leases) -> Result<Vec<Leased>, Trouble> {
        self.watch(channel).await?;
        let mut taken = Vec::new();
        let mut piece = FIRST_PIECE;
        let mut is_more = true;
        while is_more && taken.len() < count_max {
            let mut commands = Commands::default();
            (0..piece.min(count_max - taken.len())).for_each(|_| commands.reserve());
            // The server counts from a little later.
            let until = Instant::now() + self.settings.lease;
            let mut foreign = Commands::default();
            for reply in self.exchange(&commands).await? {
                match reply {
                    Reply::Job { job, body } => match serde_json::from_slice::<Body>(&body) {
                        Ok(body) => taken.push(leases.begin(job, body.into(), until)),
                        Err(error) => {
                            tracing::warn!(job, %channel, %error, "a job in the queue is none of ours: it is buried");
                            foreign.bury(job, u32::MAX);
                        }
                    },
                    // The second is said to who has a job for almost too long, and only where there is none ready.
                    Reply::TimedOut | Reply::DeadlineSoon => is_more = false,
                    reply => return Err(Trouble::Refused { command: "reserve-with-timeout", reply }),
                }
            }
            match self.do_all("bury", &foreign).await {
                // Not a reason to keep from our jobs: when its lease is over it comes again.
                Err(Trouble::Refused { reply, .. }) => tracing::warn!(?reply, "it is not buried"),
                outcome => outcome?,
            }
            piece = PIPELINE_COMMANDS_MAX.min(piece * 2);
        }
        Ok(taken)
    }
}
