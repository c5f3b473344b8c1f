//! What a load has shown, in words.

use std::{fmt, path::PathBuf, time::Duration};

use providers_stand_in::ProviderCounts;

use crate::{
    Plan, Queue,
    machine::{self, Usage},
    numbers::Numbers,
    sending::Latency,
    settling::Settled,
};

/// The whole of a run.
pub struct Report {
    machine: String,
    plan: Plan,
    times: Times,
    settled: Settled,
    busy: Vec<Busy>,
}

/// How long it took.
pub(crate) struct Times {
    /// Each single call.
    pub(crate) single: Latency,
    /// Each batch.
    pub(crate) batch: Latency,
    /// All batches.
    pub(crate) sending: Duration,
    /// From the first call to the last delivery.
    pub(crate) whole: Duration,
}

/// What one process took.
pub(crate) struct Busy {
    pub(crate) name: &'static str,
    pub(crate) usage: Usage,
}

impl Report {
    pub(crate) fn new(plan: &Plan, times: Times, settled: Settled, busy: Vec<Busy>) -> Self {
        Self { machine: machine::describe(), plan: plan.clone(), times, settled, busy }
    }

    /// What must not be; nothing where everything was delivered once.
    #[must_use]
    pub fn wrongs(&self) -> Vec<String> {
        let ProviderCounts { distinct, doubled, renamed, changed, malformed, unauthorized, .. } =
            self.settled.counts.all;
        let lost = self.plan.notifications.saturating_sub(distinct);
        let mut wrongs = Vec::new();
        for (count, what) in [
            (lost, "were never delivered"),
            (distinct.saturating_sub(self.plan.notifications), "were delivered and never sent"),
            (doubled, "were delivered more than once"),
            (renamed, "attempts came under another name than before"),
            (changed, "attempts came with other words than before"),
            (malformed, "calls were no calls of the provider's"),
            (unauthorized, "calls had wrong credentials"),
        ] {
            if count > 0 {
                wrongs.push(format!("{count} {what}"));
            }
        }
        for letter in &self.settled.buried {
            wrongs.push(format!("a dead letter: {letter}"));
        }
        wrongs
    }

    /// Calls of the providers.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.settled.counts.all.calls
    }

    /// Those of them that failed because they should.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.settled.counts.all.failed
    }

    /// The most calls that the providers had at once.
    #[must_use]
    pub fn in_flight_max(&self) -> u64 {
        self.settled.counts.all.in_flight_max
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { machine, plan, times, settled, busy } = self;
        let Plan { notifications, singles, batch, connections, speed, error_rate, bulk_max, calls_max, .. } = plan;
        let queue = match plan.queue {
            Queue::Embedded => "the embedded queue",
            Queue::Beanstalkd => "beanstalkd with a binlog",
        };
        let workers = match plan.workers {
            0 => "the process that accepts delivers".to_owned(),
            workers => format!("{workers} workers deliver"),
        };
        let bulk = match bulk_max {
            0 => "as many as the provider takes".to_owned(),
            bulk_max => bulk_max.to_string(),
        };
        writeln!(f, "machine        {machine}; everything on it")?;
        writeln!(f, "program        {}", shown(&plan.croupier))?;
        writeln!(
            f,
            "configuration  {notifications} notifications, half e-mail, half social; {queue}; {workers}; {bulk} in a call, \
             {calls_max} calls of a channel at most; latencies of the original / {speed}, {:.1} % errors",
            100.0 * error_rate
        )?;
        let Times { single, batch: batches, sending, whole } = times;
        let all = &settled.counts.all;
        writeln!(f, "\nall settled in {}, of which sending took {}", minutes(*whole), minutes(*sending))?;
        writeln!(f, "{:.0} deliveries/s", rate(all.distinct, *whole))?;
        writeln!(f, "{} attempts, {} calls failed and were tried again", all.attempts, all.failed)?;
        writeln!(f, "\naccepting                             p50 ms   p99 ms")?;
        write_latency(f, &format!("{singles} single calls, one after the other"), single)?;
        write_latency(f, &format!("batches of {batch}, {connections} connections"), batches)?;
        writeln!(f, "the original took 15 to 50 ms for a single call")?;
        write_channels(f, settled)?;
        writeln!(f, "\nprocess               memory MiB    CPU s")?;
        for Busy { name, usage } in busy {
            let (memory, cpu) = (usage.memory_bytes_max >> 20, usage.cpu.as_secs_f64());
            writeln!(f, "{name:<20} {memory:>11} {cpu:>8.1}")?;
        }
        let wrongs = self.wrongs();
        if wrongs.is_empty() {
            return writeln!(f, "\nall {notifications} delivered, none lost, none doubled, no dead letters");
        }
        writeln!(f, "\nWRONG:\n{}", wrongs.join("\n"))
    }
}

fn write_channels(f: &mut fmt::Formatter<'_>, settled: &Settled) -> fmt::Result {
    let Settled { counts, numbers, .. } = settled;
    writeln!(f, "\nchannel   delivered   in flight, most   call mean ms   p50 within   p99 within   failed")?;
    for (channel, counts) in [("email", counts.email), ("social", counts.social)] {
        let ProviderCounts { distinct, in_flight_max, failed, .. } = counts;
        let of = format!("channel=\"{channel}\"");
        let mean = 1000.0 * numbers.sum("call_seconds_sum", &of) / numbers.sum("call_seconds_count", &of);
        let [p50, p99] = [0.5, 0.99].map(|quantile| within(numbers, &of, quantile));
        writeln!(f, "{channel:<8} {distinct:>10} {in_flight_max:>17} {mean:>14.0} {p50:>12} {p99:>12} {failed:>8}")?;
    }
    Ok(())
}

fn within(numbers: &Numbers, labels: &str, quantile: f64) -> String {
    let bound = numbers.quantile("call_seconds", labels, quantile);
    bound.map_or_else(|| "-".to_owned(), |seconds| format!("{:.0}", seconds * 1000.0))
}

fn write_latency(f: &mut fmt::Formatter<'_>, what: &str, latency: &Latency) -> fmt::Result {
    let [p50, p99] = [0.5, 0.99].map(|quantile| Duration::from_micros(latency.value_at_quantile(quantile)));
    let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
    writeln!(f, "{what:<36} {:>7.2} {:>8.2}", ms(p50), ms(p99))
}

fn minutes(duration: Duration) -> String {
    format!("{:.2} min", duration.as_secs_f64() / 60.0)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn rate(count: u64, duration: Duration) -> f64 {
    count as f64 / duration.as_secs_f64()
}

fn shown(path: &PathBuf) -> String {
    path.canonicalize().as_ref().unwrap_or(path).display().to_string()
}
