//! `croupier check`

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context as _;
use clap::Args;

use super::{
    game::{plain, short},
    serve::environment,
};
use crate::{
    catalog::Upload,
    check::{self, Measured, Plan, Report, Severity},
    config::Config,
    engine::{self, Engine},
    packaging,
};

/// The status of a check that could not be made.
const NOT_CHECKED: u8 = 2;

/// Check games before they are published: what a host would refuse, and what operators and players would regret
///
/// Every component goes through all that publishing checks, and is then played for some thousand calls that follow from a seed.
/// What is found has a code that stays the same. Ends with 0 where there is no error, with 1 where there is one, and with 2
/// where something could not be checked.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// Components, folders of components, or games' folders, which are built first
    #[arg(required = true, value_name = "FILE|FOLDER")]
    games: Vec<PathBuf>,
    /// Calls of each game
    #[arg(long, default_value_t = 4000, value_parser = clap::value_parser!(u32).range(4..=10_000_000))]
    calls: u32,
    /// What the calls follow from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print what was found as JSON, one line for each component
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn run(self) -> ExitCode {
        match self.reports() {
            Ok(errors) => ExitCode::from(u8::from(errors > 0)),
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::from(NOT_CHECKED)
            }
        }
    }

    /// Prints a report of each component; how many errors they have together.
    fn reports(self) -> anyhow::Result<usize> {
        let config = Config::load(None, environment())?;
        let built = tempfile::tempdir()?;
        // What was checked once is seldom checked again.
        let settings = engine::Settings { cache_directory: None, ..config.engine(PathBuf::new()) };
        let engine = Arc::new(Engine::start(settings)?);
        let plan = Plan { calls: self.calls, seed: self.seed };
        let mut components = Vec::new();
        for game in &self.games {
            components.extend(components_of(game, built.path())?);
        }
        let runtime = super::runtime()?;
        let mut errors = 0;
        for path in &components {
            let upload = read(path)?;
            let report = runtime.block_on(check::check(&engine, &upload, plan));
            let report = report.with_context(|| path.display().to_string())?;
            errors += report.count(Severity::Error);
            if self.json {
                println!("{}", serde_json::to_string(&report)?);
            } else {
                print!("{}", in_words(path, &report));
            }
        }
        Ok(errors)
    }
}

/// What a path means: itself, what it holds, or what is built from it.
fn components_of(path: &Path, built: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    if packaging::is_game(path) {
        return Ok(vec![packaging::build(path, built)?.path]);
    }
    let entries = fs::read_dir(path).with_context(|| path.display().to_string())?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    let mut components: Vec<_> =
        paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "wasm")).collect();
    if components.is_empty() {
        let games = packaging::games_at(path).context("there are no components in it either")?;
        for game in games {
            components.push(packaging::build(&game, built)?.path);
        }
    }
    components.sort();
    Ok(components)
}

/// A component with the signature beside it.
fn read(path: &Path) -> anyhow::Result<Upload> {
    let component = fs::read(path).with_context(|| path.display().to_string())?;
    let signature = super::game::signature_path(path);
    let signature = signature.exists().then(|| fs::read_to_string(&signature)).transpose()?;
    Ok(Upload { component: component.into(), signature })
}

fn in_words(path: &Path, report: &Report) -> String {
    let name = match (&report.game, &report.version) {
        (Some(game), Some(version)) => format!("{game} {}", plain(version)),
        _ => path.display().to_string(),
    };
    let Plan { calls, seed } = report.plan;
    let mut text = format!("{name}, release {}: {calls} calls from seed {seed}\n", short(&report.release));
    text += &report.measured.as_ref().map(measured).unwrap_or_default();
    for finding in &report.findings {
        let about = finding.method.as_ref().map(|method| format!(" in {method}")).unwrap_or_default();
        let (severity, seen) = (finding.severity, plain(&finding.seen));
        text += &format!("  {severity} {}{about}: {seen}\n    {}\n", finding.code, finding.advice);
    }
    let [errors, warnings, notes] =
        [Severity::Error, Severity::Warning, Severity::Note].map(|severity| report.count(severity));
    let verdict = if errors > 0 { "FAILED" } else { "passed" };
    text + &format!("{verdict}: {name} has {errors} errors, {warnings} warnings, {notes} notes\n")
}

fn measured(measured: &Measured) -> String {
    let Measured {
        replies,
        faults,
        methods,
        rounds,
        returned,
        largest_win,
        declared,
        step_us,
        memory,
        reply,
        documents,
    } = measured;
    let methods = methods
        .iter()
        .map(|(name, answered)| format!("{name} {} of {}", answered.replies, answered.replies + answered.faults));
    let methods = methods.collect::<Vec<_>>().join(", ");
    let returned = returned.as_deref().unwrap_or("nothing");
    let milliseconds = |us: u64| us as f64 / 1000.0;
    let mebibytes = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    let kibibytes = |bytes: usize| bytes as f64 / 1024.0;
    format!(
        "  {replies} replies, {faults} faults, {rounds} rounds; they returned {returned}, {:.2} % is declared\n  \
         calls that were played: {methods}\n  \
         the largest win was {largest_win:.2} times its stake, {:.2} is declared\n  \
         a step takes {:.3} ms (p50), {:.3} ms (p99), {:.3} ms at most, of {:.0} ms; {:.1} of {:.0} MiB; \
         a reply {:.1} of {:.0} KiB; documents {:.1} of {:.0} KiB\n",
        declared.rtp * 100.0,
        declared.max_win,
        milliseconds(step_us.p50),
        milliseconds(step_us.p99),
        milliseconds(step_us.max),
        milliseconds(step_us.allowed),
        mebibytes(memory.most),
        mebibytes(memory.allowed),
        kibibytes(reply.most),
        kibibytes(reply.allowed),
        kibibytes(documents.most),
        kibibytes(documents.allowed),
    )
}
