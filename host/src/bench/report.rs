//! What was measured, in words: machine, configuration, baseline, figures.

use std::{fmt, fs, time::Duration};

use hdrhistogram::Histogram;

use super::{
    METHOD, Plan, Served, Speed,
    load::Figures,
    releases::{Loading, Releases},
};

/// The whole of a run.
#[derive(Debug)]
pub struct Report {
    pub(super) machine: Machine,
    pub(super) plan: Plan,
    pub(super) speed: Option<Speed>,
    pub(super) releases: Option<Releases>,
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
        let Self { machine, plan, speed, releases } = self;
        let build = if cfg!(debug_assertions) { "DEBUG build: the figures mean nothing" } else { "release build" };
        writeln!(f, "croupier {}, {build}", env!("CARGO_PKG_VERSION"))?;
        writeln!(f, "machine        {}, {} threads, Linux {}", machine.processor, machine.threads, machine.kernel)?;
        writeln!(
            f,
            "configuration  defaults; {} players, {} connections, {METHOD} with idempotency keys; every step durable \
             before its answer; clients on the same machine",
            plan.players, plan.connections
        )?;
        if let Some(speed) = speed {
            write_speed(f, plan, speed)?;
        }
        releases.as_ref().map_or(Ok(()), |releases| write_releases(f, releases))
    }
}

fn write_speed(f: &mut fmt::Formatter<'_>, plan: &Plan, speed: &Speed) -> fmt::Result {
    let Speed { parts, bare, hosted, untracked } = speed;
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
    writeln!(f, "\nover HTTP, work put off included   calls/s   p50 us   p99 us p99.9 us   processor us a call")?;
    write_served(f, "bare axum handler, single calls", bare)?;
    for (what, hosted) in [("croupier", hosted), ("without tracking", untracked)] {
        write_served(f, &format!("{what}, single calls"), &hosted.single)?;
        write_served(f, &format!("{what}, batches of {}", plan.batch), &hosted.batched)?;
    }
    for (what, hosted) in [("croupier", hosted), ("without tracking", untracked)] {
        let [bare, single, batched] = [bare, &hosted.single, &hosted.batched].map(|served| served.figures.rate());
        writeln!(
            f,
            "{what}: single calls are {:.1} % of the bare handler, batches {:.2} times single calls",
            100.0 * single / bare,
            batched / single
        )?;
    }
    writeln!(f)?;
    for (what, hosted) in [("croupier", hosted), ("without tracking", untracked)] {
        writeln!(
            f,
            "{what}: memory {} MiB with {} players ready ({:.1?}), {} MiB after {} rounds and {:.2} s of work put off; {} MiB on disk",
            hosted.memory_before_bytes >> 20,
            plan.players,
            hosted.set_up,
            hosted.memory_after_bytes >> 20,
            hosted.rounds(),
            hosted.put_off().as_secs_f64(),
            hosted.disk_bytes >> 20,
        )?;
    }
    Ok(())
}

fn write_releases(f: &mut fmt::Formatter<'_>, releases: &Releases) -> fmt::Result {
    writeln!(f, "\nloading a release                    bytes   compile    cached")?;
    for Loading { game, bytes, compile, cached } in &releases.loading {
        writeln!(f, "{game:<32} {bytes:>9} {:>9} {:>9}", milliseconds(*compile), milliseconds(*cached))?;
    }
    writeln!(
        f,
        "from a file to its release being live: {} for a new release, {} for one that was there before",
        milliseconds(releases.live_cold),
        milliseconds(releases.live_known)
    )?;
    let Releases { swaps, without_swaps, with_swaps, without_swaps_again, swaps_alone, .. } = releases;
    writeln!(f, "\nswaps under load                   calls/s   p50 us   p99 us p99.9 us")?;
    write_figures(f, "without swaps", without_swaps)?;
    write_figures(f, &format!("during {swaps} swaps"), with_swaps)?;
    write_figures(f, "without swaps again", without_swaps_again)?;
    let each = |elapsed: Duration| milliseconds(elapsed / (*swaps).max(1));
    writeln!(
        f,
        "one swap each {}, each {} where nobody plays; no call has failed",
        each(with_swaps.elapsed),
        each(*swaps_alone)
    )?;
    let [before, swapped, played, alone] = releases.memory_bytes.map(|bytes| bytes >> 20);
    writeln!(
        f,
        "memory {before} MiB, {swapped} MiB after {} calls with {swaps} swaps, {played} MiB after as many calls without, \
         {alone} MiB after {swaps} swaps alone",
        with_swaps.calls,
    )?;
    let many = &releases.many;
    writeln!(
        f,
        "\n{} games: first start {:.1?}, start with everything compiled {:.2?}; memory {} MiB, {} MiB with one game",
        many.games,
        many.first_start,
        many.restart,
        many.memory_bytes >> 20,
        many.memory_of_one_bytes >> 20,
    )
}

fn write_served(f: &mut fmt::Formatter<'_>, what: &str, served: &Served) -> fmt::Result {
    writeln!(f, "{} {:>21.1}", line_of_figures(what, &served.figures), served.processor_us())
}

fn write_figures(f: &mut fmt::Formatter<'_>, what: &str, figures: &Figures) -> fmt::Result {
    writeln!(f, "{}", line_of_figures(what, figures))
}

fn line_of_figures(what: &str, figures: &Figures) -> String {
    let latency = |quantile| figures.latency.value_at_quantile(quantile);
    let (p50, p99, p999) = (latency(0.5), latency(0.99), latency(0.999));
    format!("{what:<32} {:>9.0} {p50:>8} {p99:>8} {p999:>8}", figures.rate())
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a step are far below 2^53")]
fn microseconds(histogram: &Histogram<u64>, quantile: f64) -> String {
    format!("{:.1} us", histogram.value_at_quantile(quantile) as f64 / 1000.0)
}
