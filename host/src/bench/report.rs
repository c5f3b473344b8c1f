//! What was measured, in words: machine, configuration, baseline, figures.

use std::{fmt, fs};

use hdrhistogram::Histogram;

use super::{Hosted, METHOD, Plan, load::Figures, parts::Parts};

/// The whole of a run.
#[derive(Debug)]
pub struct Report {
    pub(super) machine: Machine,
    pub(super) plan: Plan,
    pub(super) parts: Parts,
    pub(super) bare: Figures,
    pub(super) hosted: Hosted,
}

/// The computer it was measured on.
#[derive(Debug)]
pub(super) struct Machine {
    processor: String,
    threads: usize,
    kernel: String,
}

impl Machine {
    pub(super) fn this() -> Self {
        let line = |path: &str, prefix: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let found = text.lines().find_map(|line| line.strip_prefix(prefix));
            found.map_or_else(|| "unknown".to_owned(), |rest| rest.trim_start_matches([':', ' ', '\t']).to_owned())
        };
        Self {
            processor: line("/proc/cpuinfo", "model name"),
            threads: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: line("/proc/sys/kernel/osrelease", ""),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { machine, plan, parts, bare, hosted } = self;
        let build = if cfg!(debug_assertions) { "DEBUG build: the figures mean nothing" } else { "release build" };
        writeln!(f, "croupier {}, {build}", env!("CARGO_PKG_VERSION"))?;
        writeln!(f, "machine        {}, {} threads, Linux {}", machine.processor, machine.threads, machine.kernel)?;
        writeln!(
            f,
            "configuration  defaults; {} players, {} connections, {METHOD} with idempotency keys; every step durable \
             before its answer; clients on the same machine",
            plan.players, plan.connections
        )?;
        writeln!(f, "\nin process, without HTTP and store   median       p99")?;
        for (what, histogram) in [
            ("step", &parts.step),
            ("  instantiate", &parts.instantiate),
            ("  game", &parts.guest),
            ("  host calls", &parts.host_calls),
            ("step with its own durable commit", &parts.committed),
        ] {
            writeln!(f, "{what:<34} {:>8} {:>9}", microseconds(histogram, 0.5), microseconds(histogram, 0.99))?;
        }
        writeln!(f, "compile the release {:?}, load it compiled {:?}", parts.compile, parts.load_compiled)?;

        writeln!(f, "\nover HTTP                          calls/s   p50 us   p99 us p99.9 us")?;
        for (what, figures) in [
            ("bare axum handler, single calls", bare),
            ("croupier, single calls", &hosted.single),
            (&format!("croupier, batches of {}", plan.batch), &hosted.batched),
        ] {
            let latency = |quantile| figures.latency.value_at_quantile(quantile);
            let (p50, p99, p999) = (latency(0.5), latency(0.99), latency(0.999));
            writeln!(f, "{what:<32} {:>9.0} {p50:>8} {p99:>8} {p999:>8}", figures.rate())?;
        }
        writeln!(f, "single calls are {:.1} % of the bare handler", 100.0 * hosted.single.rate() / bare.rate())?;
        writeln!(f, "batches are {:.2} times single calls", hosted.batched.rate() / hosted.single.rate())?;
        writeln!(
            f,
            "\nmemory {} MiB with {} players ready ({:.1?}), {} MiB after {} rounds; {} MiB on disk",
            hosted.memory_before_bytes >> 20,
            plan.players,
            hosted.set_up,
            hosted.memory_after_bytes >> 20,
            hosted.rounds,
            hosted.disk_bytes >> 20,
        )
    }
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a step are far below 2^53")]
fn microseconds(histogram: &Histogram<u64>, quantile: f64) -> String {
    format!("{:.1} us", histogram.value_at_quantile(quantile) as f64 / 1000.0)
}
