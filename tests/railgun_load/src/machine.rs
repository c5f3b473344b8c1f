//! The computer, and what processes take of it.

use std::{fs, time::Duration};

use anyhow::Context as _;

/// Processor, threads and kernel, in words.
pub(crate) fn describe() -> String {
    let line = |path: &str, prefix: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let found = text.lines().find_map(|line| line.strip_prefix(prefix));
        found.map_or_else(|| "unknown".to_owned(), |rest| rest.trim_start_matches([':', ' ', '\t']).to_owned())
    };
    let threads = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{}, {threads} threads, Linux {}",
        line("/proc/cpuinfo", "model name"),
        line("/proc/sys/kernel/osrelease", "")
    )
}

/// How many files a child may have open, once it has asked for as many as it may.
pub(crate) fn open_files_max() -> u64 {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    // The hard limit; not a number where there is none.
    let hard = line.and_then(|line| line.split_whitespace().nth(1));
    hard.and_then(|hard| hard.parse().ok()).unwrap_or(u64::MAX)
}

/// What a process has taken so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// The most memory that it had, in bytes.
    pub(crate) memory_bytes_max: u64,
    /// How long it computed, by itself and by the kernel for it.
    pub(crate) cpu: Duration,
}

impl Usage {
    pub(crate) fn of(process: u32) -> anyhow::Result<Self> {
        let read = |name: &str| {
            let path = format!("/proc/{process}/{name}");
            fs::read_to_string(&path).with_context(|| format!("{path}: the process is gone"))
        };
        let status = read("status")?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        let kib: u64 = peak.trim().trim_end_matches("kB").trim().parse().context("no VmHWM")?;
        // The name, which may have blanks in it, ends with the last parenthesis. User and system time are the 14th and
        // the 15th field of proc(5), and the third is the first after the name.
        let stat = read("stat")?;
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
        let ticks = fields.skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>().context("no CPU time")?;
        let cpu = Duration::from_secs(ticks) / u32::try_from(rustix::param::clock_ticks_per_second())?;
        Ok(Self { memory_bytes_max: kib << 10, cpu })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_takes_memory_and_time() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.memory_bytes_max > 1 << 20, "{usage:?}");
        assert!(usage.cpu < Duration::from_secs(3600), "{usage:?}");
        assert!(open_files_max() > 100);
    }
}
