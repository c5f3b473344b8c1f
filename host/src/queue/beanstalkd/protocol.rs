//! What is said on a connection: commands as bytes, and replies as they are understood. It does no I/O.

use std::{io::Write as _, time::Duration};

/// Commands that are sent together; each has one reply.
#[derive(Default)]
pub(super) struct Commands {
    pub(super) bytes: Vec<u8>,
    pub(super) count: usize,
}

impl Commands {
    pub(super) fn select(&mut self, tube: &str) {
        self.add(format_args!("use {tube}"));
    }

    pub(super) fn watch(&mut self, tube: &str) {
        self.add(format_args!("watch {tube}"));
    }

    pub(super) fn ignore(&mut self, tube: &str) {
        self.add(format_args!("ignore {tube}"));
    }

    pub(super) fn put(&mut self, priority: u32, delay: Duration, lease: Duration, body: &[u8]) {
        let (delay_s, lease_s, bytes) = (whole_seconds(delay), whole_seconds(lease), body.len());
        self.add(format_args!("put {priority} {delay_s} {lease_s} {bytes}"));
        self.bytes.extend(body);
        self.bytes.extend(b"\r\n");
    }

    pub(super) fn reserve(&mut self) {
        self.add(format_args!("reserve-with-timeout 0"));
    }

    pub(super) fn delete(&mut self, job: u64) {
        self.add(format_args!("delete {job}"));
    }

    pub(super) fn release(&mut self, job: u64, priority: u32, delay: Duration) {
        self.add(format_args!("release {job} {priority} {}", whole_seconds(delay)));
    }

    pub(super) fn bury(&mut self, job: u64, priority: u32) {
        self.add(format_args!("bury {job} {priority}"));
    }

    pub(super) fn touch(&mut self, job: u64) {
        self.add(format_args!("touch {job}"));
    }

    pub(super) fn peek_ready(&mut self) {
        self.add(format_args!("peek-ready"));
    }

    pub(super) fn peek_buried(&mut self) {
        self.add(format_args!("peek-buried"));
    }

    pub(super) fn kick_job(&mut self, job: u64) {
        self.add(format_args!("kick-job {job}"));
    }

    /// Asks for something that is neither here nor there.
    pub(super) fn list_tube_used(&mut self) {
        self.add(format_args!("list-tube-used"));
    }

    pub(super) fn stats(&mut self) {
        self.add(format_args!("stats"));
    }

    pub(super) fn stats_tube(&mut self, tube: &str) {
        self.add(format_args!("stats-tube {tube}"));
    }

    fn add(&mut self, command: std::fmt::Arguments<'_>) {
        self.count += 1;
        // To write to memory does not fail.
        let _written = self.bytes.write_fmt(format_args!("{command}\r\n"));
    }
}

/// What the server knows of time, rounded up.
pub(super) fn whole_seconds(duration: Duration) -> u32 {
    let seconds = duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0));
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// What the server says to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Inserted {
        job: u64,
    },
    /// To `bury`; with a job to `put`, and without one to `release`, where the server had no memory for more.
    Buried {
        job: Option<u64>,
    },
    /// `RESERVED` or `FOUND`.
    Job {
        job: u64,
        body: Vec<u8>,
    },
    TimedOut,
    DeadlineSoon,
    NotFound,
    /// `OK` with a text.
    Text(Vec<u8>),
    /// Nothing that need be told apart: `USING`, `WATCHING`, `DELETED`, `RELEASED`, `TOUCHED`, `KICKED`.
    Done,
    Refused(Refusal),
}

/// Why the server did not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    OutOfMemory,
    Draining,
    JobTooBig,
    InternalError,
    /// After these it is uncertain what the server takes for a command: `BAD_FORMAT`, `UNKNOWN_COMMAND`,
    /// `EXPECTED_CRLF`, `NOT_IGNORED`.
    Misunderstood,
}

impl Reply {
    /// What a line says, without its end, and the length of the body that follows it, if one does.
    pub(super) fn read(line: &str) -> Option<(Self, Option<u64>)> {
        let mut words = line.split(' ');
        let word = words.next()?;
        let mut numbers = words.map(str::parse::<u64>);
        let mut number = || numbers.next()?.ok();
        let reply = match word {
            "INSERTED" => Self::Inserted { job: number()? },
            "BURIED" => Self::Buried { job: number() },
            "RESERVED" | "FOUND" => {
                let (job, bytes) = (number()?, number()?);
                return Some((Self::Job { job, body: Vec::new() }, Some(bytes)));
            }
            "OK" => return Some((Self::Text(Vec::new()), Some(number()?))),
            "TIMED_OUT" => Self::TimedOut,
            "DEADLINE_SOON" => Self::DeadlineSoon,
            "NOT_FOUND" => Self::NotFound,
            "USING" | "WATCHING" | "DELETED" | "RELEASED" | "TOUCHED" | "KICKED" => Self::Done,
            "OUT_OF_MEMORY" => Self::Refused(Refusal::OutOfMemory),
            "DRAINING" => Self::Refused(Refusal::Draining),
            "JOB_TOO_BIG" => Self::Refused(Refusal::JobTooBig),
            "INTERNAL_ERROR" => Self::Refused(Refusal::InternalError),
            "BAD_FORMAT" | "UNKNOWN_COMMAND" | "EXPECTED_CRLF" | "NOT_IGNORED" => Self::Refused(Refusal::Misunderstood),
            _ => return None,
        };
        Some((reply, None))
    }

    /// The reply with the body that followed its line.
    pub(super) fn with_body(self, bytes: Vec<u8>) -> Self {
        match self {
            Self::Job { job, .. } => Self::Job { job, body: bytes },
            Self::Text(_) => Self::Text(bytes),
            other => other,
        }
    }
}

/// A value of the lines `name: value` that statistics come in.
pub(super) fn statistic<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut values = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    values.next().map(|value| value.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reply_is_understood() {
        let refused = |refusal| Some((Reply::Refused(refusal), None));
        let job = |body_bytes| Some((Reply::Job { job: 7, body: Vec::new() }, Some(body_bytes)));
        for (line, expected) in [
            ("INSERTED 7", Some((Reply::Inserted { job: 7 }, None))),
            ("BURIED 7", Some((Reply::Buried { job: Some(7) }, None))),
            ("BURIED", Some((Reply::Buried { job: None }, None))),
            ("RESERVED 7 90", job(90)),
            ("FOUND 7 0", job(0)),
            ("OK 12", Some((Reply::Text(Vec::new()), Some(12)))),
            ("TIMED_OUT", Some((Reply::TimedOut, None))),
            ("DEADLINE_SOON", Some((Reply::DeadlineSoon, None))),
            ("NOT_FOUND", Some((Reply::NotFound, None))),
            ("USING email", Some((Reply::Done, None))),
            ("WATCHING 2", Some((Reply::Done, None))),
            ("DELETED", Some((Reply::Done, None))),
            ("RELEASED", Some((Reply::Done, None))),
            ("TOUCHED", Some((Reply::Done, None))),
            ("KICKED", Some((Reply::Done, None))),
            ("OUT_OF_MEMORY", refused(Refusal::OutOfMemory)),
            ("DRAINING", refused(Refusal::Draining)),
            ("JOB_TOO_BIG", refused(Refusal::JobTooBig)),
            ("INTERNAL_ERROR", refused(Refusal::InternalError)),
            ("BAD_FORMAT", refused(Refusal::Misunderstood)),
            ("UNKNOWN_COMMAND", refused(Refusal::Misunderstood)),
            ("EXPECTED_CRLF", refused(Refusal::Misunderstood)),
            ("NOT_IGNORED", refused(Refusal::Misunderstood)),
            ("", None),
            ("INSERTED", None),
            ("RESERVED 7", None),
            ("RESERVED 7 many", None),
            ("OK", None),
            ("HTTP/1.1 400 Bad Request", None),
        ] {
            assert_eq!(Reply::read(line), expected, "{line}");
        }
    }

    #[test]
    fn commands_are_written_as_the_protocol_has_them() {
        let mut commands = Commands::default();
        commands.select("t");
        commands.put(3, Duration::from_millis(1), Duration::from_secs(60), b"body");
        commands.release(7, 0, Duration::ZERO);
        commands.bury(8, u32::MAX);
        commands.reserve();
        assert_eq!(commands.count, 5);
        let expected =
            "use t\r\nput 3 1 60 4\r\nbody\r\nrelease 7 0 0\r\nbury 8 4294967295\r\nreserve-with-timeout 0\r\n";
        assert_eq!(String::from_utf8(commands.bytes).unwrap(), expected);
    }

    #[test]
    fn seconds_are_rounded_up() {
        for (milliseconds, seconds) in [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2), (u64::MAX, u32::MAX)] {
            assert_eq!(whole_seconds(Duration::from_millis(milliseconds)), seconds, "{milliseconds} ms");
        }
    }

    #[test]
    fn statistics_are_found_by_their_whole_name() {
        let text = "---\nname: t\ncurrent-jobs-ready: 12\npause: 5\nid: \"ab01\"\npause-time-left: 3\n";
        assert_eq!(statistic(text, "current-jobs-ready"), Some("12"));
        assert_eq!(statistic(text, "pause"), Some("5"));
        assert_eq!(statistic(text, "id"), Some("ab01"));
        assert_eq!(statistic(text, "current-jobs"), None);
    }
}
