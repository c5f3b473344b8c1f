//! Everything that takes no job out: putting, kicking, and asking how things are.

use std::time::Duration;

use super::{
    super::{Job, Standing, body::Body},
    PIPELINE_COMMANDS_MAX,
    connection::{Connection, Trouble},
    protocol::{Commands, Reply, statistic},
};
use crate::notifications::Channel;

/// What the server says of a tube.
#[derive(Default)]
struct Tube {
    standing: Standing,
    /// Whether an operator has paused it: nothing is taken out then.
    is_paused: bool,
}

impl Connection {
    pub(super) async fn put(&mut self, channel: Channel, jobs: &[(Job, Duration)]) -> Result<(), Trouble> {
        self.select(channel).await?;
        for piece in jobs.chunks(PIPELINE_COMMANDS_MAX) {
            let mut commands = Commands::default();
            for (job, delay) in piece {
                let body = serde_json::to_vec(&Body::from(*job));
                let body = body.map_err(|error| Trouble::Broken(error.to_string()))?;
                commands.put(job.priority, *delay, self.settings.lease, &body);
            }
            let replies = self.exchange(&commands).await?;
            self.remove_buried(&replies).await?;
            if let Some(reply) = replies.into_iter().find(|reply| !matches!(reply, Reply::Inserted { .. })) {
                return Err(Trouble::Refused { command: "put", reply });
            }
        }
        Ok(())
    }

    /// Jobs that were put where the server has no memory to keep them in order are there, but buried: they are put
    /// again, and would wait beside themselves.
    async fn remove_buried(&mut self, replies: &[Reply]) -> Result<(), Trouble> {
        let mut removals = Commands::default();
        for reply in replies {
            if let Reply::Buried { job: Some(job) } = reply {
                removals.delete(*job);
            }
        }
        self.exchange(&removals).await.map(drop)
    }

    /// One by one and by name: to kick so many would wake those that are delayed, where somebody else has kicked the
    /// buried ones meanwhile.
    pub(super) async fn kick(&mut self, channel: Channel, count_max: u32) -> Result<u64, Trouble> {
        // Those that are buried now: one that is taken out and buried again is not kicked twice.
        let buried = self.tube(channel).await?.standing.buried.min(u64::from(count_max));
        self.select(channel).await?;
        let (mut kicked, mut found) = (0, None);
        loop {
            let mut commands = Commands::default();
            if let Some(job) = found {
                commands.kick_job(job);
            }
            commands.peek_buried();
            let mut replies = self.exchange(&commands).await?;
            let peeked = replies.pop();
            match replies.pop() {
                Some(Reply::Done) => kicked += 1,
                // Somebody else was faster.
                Some(Reply::NotFound) | None => {}
                Some(reply) => return Err(Trouble::Refused { command: "kick-job", reply }),
            }
            match peeked {
                Some(Reply::Job { job, .. }) if kicked < buried => found = Some(job),
                Some(Reply::Job { .. } | Reply::NotFound) | None => return Ok(kicked),
                Some(reply) => return Err(Trouble::Refused { command: "peek-buried", reply }),
            }
        }
    }

    pub(super) async fn standing(&mut self, channel: Channel) -> Result<Standing, Trouble> {
        let mut standing = self.tube(channel).await?.standing;
        if standing.ready > 0 {
            self.select(channel).await?;
            let mut commands = Commands::default();
            commands.peek_ready();
            if let Some(Reply::Job { body, .. }) = self.exchange(&commands).await?.pop() {
                standing.next_due_ms = serde_json::from_slice::<Body>(&body).ok().map(|body| Job::from(body).due_ms);
            }
        }
        Ok(standing)
    }

    /// Whether something could be taken out.
    pub(super) async fn is_ready(&mut self, channel: Channel) -> Result<bool, Trouble> {
        let tube = self.tube(channel).await?;
        Ok(tube.standing.ready > 0 && !tube.is_paused)
    }

    async fn tube(&mut self, channel: Channel) -> Result<Tube, Trouble> {
        let mut commands = Commands::default();
        commands.stats_tube(&self.settings.tube(channel));
        let text = match self.exchange(&commands).await?.pop() {
            Some(Reply::Text(text)) => text,
            // There is a tube only while there are jobs in it, or somebody looks at it.
            Some(Reply::NotFound) | None => return Ok(Tube::default()),
            Some(reply) => return Err(Trouble::Refused { command: "stats-tube", reply }),
        };
        let text = String::from_utf8_lossy(&text);
        let number = |name: &str| {
            let number = statistic(&text, name).and_then(|number| number.parse::<u64>().ok());
            number.ok_or_else(|| Trouble::Broken(format!("it does not say {name}")))
        };
        let standing = Standing {
            ready: number("current-jobs-ready")?,
            delayed: number("current-jobs-delayed")?,
            leased: number("current-jobs-reserved")?,
            buried: number("current-jobs-buried")?,
            next_due_ms: None,
        };
        Ok(Tube { standing, is_paused: number("pause-time-left")? > 0 })
    }
}
