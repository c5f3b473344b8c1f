//! `croupier simulate`

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    catalog::Playable,
    engine::{Engine, Settings},
    packaging, signals,
    simulation::{self, Ended, Identity, Plan, Progress, Report, RoundCount, State, Strategy, Subject},
};

/// Play millions of rounds of a game's component, and hold what they return against what the game declares
///
/// Tells the return with its 99 % confidence interval, volatility, hit frequency, distribution of wins, greatest wins and longest
/// droughts of every bet, and what each method of the game adds. The exit status is 0 where every bet agrees with the
/// return and the largest win that the game declares, 1 where one does not, and 2 where it could not be measured.
///
/// A game that exports 'simulation' loops by itself (the Rust SDK's `#[game(..., simulation)]`, the JavaScript SDK's `bets`). A
/// sample of its rounds is also played through the calls that players make, with the same draws: replies and money must be the
/// same, or the command fails. Any other game is played call by call, as the file of --strategy says, see below.
///
/// The same component, seed, bets and rounds always give the same report, however many threads play. Rounds come in
/// batches, each with a player who is new to the game. A run that is interrupted goes on from its --state; runs of the same
/// seed on several computers are told apart by --first-batch, and put together by --merge.
///
/// With several bets each must hold its return in an interval that is wider than its own 99 %: so wide that all of them
/// together do with 99 %. Otherwise every seventh run of fifteen bets would blame one of them.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment, after_long_help = STRATEGY_HELP)]
pub(super) struct Simulate {
    /// A component, or a game's folder, which is built first
    #[arg(value_name = "GAME")]
    game: PathBuf,
    /// Rounds of each bet, such as 100M, 250k or 1e8 [default: 10M; 100k where every call is made]
    #[arg(long)]
    rounds: Option<RoundCount>,
    /// Only this bet; may be given several times
    #[arg(long, value_name = "NAME")]
    bet: Vec<String>,
    /// What all chance comes from [default: that of --state, or else any, which is printed]
    #[arg(long)]
    seed: Option<u64>,
    /// The number of the first batch: a batch has 65,536 rounds, or 1,024 where every call is made
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    first_batch: u64,
    /// Threads that play [default: one a processor]
    #[arg(long)]
    threads: Option<usize>,
    /// Which calls to make of a game that does not play by itself, or is not to
    #[arg(long, value_name = "FILE")]
    strategy: Option<PathBuf>,
    /// Keep what was measured in this file, and go on from it where it is there
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Play nothing: report what these --state files of other runs have measured together
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["rounds", "bet", "seed", "first_batch", "threads"])]
    merge: Vec<PathBuf>,
    /// Write the report as JSON to this file; "-" for the standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report to this file as a page with plots, which needs nothing else
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// What a file of `--strategy` looks like.
const STRATEGY_HELP: &str = r#"A file of --strategy:

    [[bets]]                      # each is measured on its own
    name = "flat"
    call = "deal"                 # opens the round
    params = { stake = 100 }

    [tables.stands_on]            # what expressions look up, as it stands here
    hard = 17
    soft = 18

    [values]                      # named expressions; each may use those above
    kind = "'soft' if player.soft else 'hard'"

    # While the round is open, the first rule that holds of the last reply:
    # expressions of MiniJinja over its members.
    [[rules]]
    when = "player.total < stands_on[kind]"
    call = "hit"

    [[rules]]                     # without "when" it always holds
    call = "stand""#;

/// Of what a bet is played without --rounds.
const ROUNDS: u64 = 10_000_000;
/// See [`ROUNDS`]; where every call is made.
const ROUNDS_BY_CALL: u64 = 100_000;
/// How often the state is kept.
const KEEP_EVERY: Duration = Duration::from_secs(5);
/// A batch takes a fraction of a second; a game that needs so long has no end.
const BATCH_COMPUTE_MAX: Duration = Duration::from_secs(600);
/// Outcomes of a batch are a megabyte; a sample that is told in full has several.
const BATCH_MEMORY_BYTES_MAX: usize = 128 << 20;

impl Simulate {
    /// What the exit status says is part of the answer, so whatever goes wrong has one of its own.
    pub(super) fn run(self) -> ExitCode {
        let outcome = super::runtime().and_then(|runtime| runtime.block_on(self.simulate()));
        match outcome {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::from(1),
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::from(2)
            }
        }
    }

    /// Whether what was measured agrees with what is declared.
    async fn simulate(self) -> anyhow::Result<bool> {
        let threads = self.threads.unwrap_or_else(processors).max(1);
        let subject = Arc::new(self.subject(threads).await?);
        let state = if self.merge.is_empty() { self.measure(&subject, threads).await? } else { self.merged(&subject)? };
        let report = Report::of(&state, subject.game.release.descriptor());
        self.write(&report)?;
        Ok(report.agrees())
    }

    async fn subject(&self, threads: usize) -> anyhow::Result<Subject> {
        let component = component(&self.game)?;
        let places = u32::try_from(threads)?.saturating_add(1);
        // Calls keep to what they have when players make them.
        let mut settings =
            Settings { concurrent_steps_max: places, concurrent_steps_per_game_max: places, ..Settings::default() };
        if self.strategy.is_none() {
            settings.step_compute_max = BATCH_COMPUTE_MAX;
            settings.memory_bytes_max = BATCH_MEMORY_BYTES_MAX;
        }
        let engine = Arc::new(Engine::start(settings)?);
        let strategy = match &self.strategy {
            Some(path) => {
                let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
                Some(Strategy::parse(&text).with_context(|| format!("{} is no strategy", path.display()))?)
            }
            None => None,
        };
        Ok(Subject { game: Playable::load(&engine, component).await?, engine, strategy })
    }

    fn identity(&self, subject: &Subject, seed: u64) -> Identity {
        let release = &subject.game.release;
        Identity {
            game: release.descriptor().id.clone(),
            release: release.digest(),
            strategy: subject.strategy.as_ref().map(Strategy::digest),
            seed,
            batch_rounds: subject.batch_rounds(),
        }
    }

    async fn measure(&self, subject: &Arc<Subject>, threads: usize) -> anyhow::Result<State> {
        let kept = match &self.state {
            Some(path) if path.exists() => Some((path, read(path)?)),
            _ => None,
        };
        let of_kept = kept.as_ref().map(|(_, state)| state.identity().seed);
        let seed = self.seed.or(of_kept).unwrap_or_else(|| u64::from(rand::random::<u32>()));
        let rounds = if subject.strategy.is_some() { ROUNDS_BY_CALL } else { ROUNDS };
        let plan = Plan {
            seed,
            first_batch: self.first_batch,
            rounds: self.rounds.map_or(rounds, |rounds| rounds.0),
            batch_rounds: subject.batch_rounds(),
        };
        let bets = subject.bets_named(&self.bet).await?;
        let total = plan.rounds * bets.len() as u64;
        let mut state = State::new(self.identity(subject, seed), bets);
        if let Some((path, kept)) = kept {
            let refused = || format!("{} is not gone on with: remove it, or name another file", path.display());
            state.go_on_with(kept, &plan).with_context(refused)?;
        }
        eprintln!("seed {seed}");
        let (begun, rounds_before) = (Instant::now(), state.rounds());
        let mut bars = Bars::new(total, rounds_before)?;
        let mut kept_at = Instant::now();
        let mut not_kept = None;
        let mut progress = |progress: Progress<'_>| {
            bars.show(&progress);
            if let Progress::Played(state) = progress
                && kept_at.elapsed() >= KEEP_EVERY
                && not_kept.is_none()
            {
                not_kept = self.keep(state).err();
                kept_at = Instant::now();
            }
        };
        let ended = simulation::run(subject, &plan, threads, &mut state, signals::stop_signal()?, &mut progress).await;
        bars.clear();
        self.keep(&state)?;
        if let Some(error) = not_kept {
            return Err(error);
        }
        if ended? == Ended::Stopped {
            let then =
                if self.state.is_some() { ": run it again, and it goes on" } else { "; --state would have kept it" };
            anyhow::bail!("stopped after {} of {total} rounds{then}", state.rounds());
        }
        let (rounds, seconds) = (state.rounds() - rounds_before, begun.elapsed().as_secs_f64());
        eprintln!("{rounds} rounds in {seconds:.1} s, {:.0} a second on {threads} threads", rounds as f64 / seconds);
        Ok(state)
    }

    fn merged(&self, subject: &Subject) -> anyhow::Result<State> {
        let mut merged: Option<State> = None;
        for path in &self.merge {
            let state = read(path)?;
            let expected = self.identity(subject, state.identity().seed);
            anyhow::ensure!(
                *state.identity() == expected,
                "{} was measured with another release or strategy than these",
                path.display()
            );
            match &mut merged {
                None => merged = Some(state),
                Some(merged) => merged.merge(state).with_context(|| format!("{} is not merged", path.display()))?,
            }
        }
        let merged = merged.context("--merge needs a file")?;
        self.keep(&merged)?;
        Ok(merged)
    }

    /// Written beside and renamed: whatever happens there is a whole state.
    fn keep(&self, state: &State) -> anyhow::Result<()> {
        let Some(path) = &self.state else { return Ok(()) };
        let context = || format!("{} cannot be written", path.display());
        let unfinished = path.with_added_extension("tmp");
        fs::write(&unfinished, serde_json::to_vec(state)?).with_context(context)?;
        fs::rename(&unfinished, path).with_context(context)
    }

    fn write(&self, report: &Report) -> anyhow::Result<()> {
        if let Some(path) = &self.html {
            fs::write(path, report.html()).with_context(|| format!("{} cannot be written", path.display()))?;
        }
        let json = self.json.as_deref();
        if json == Some(Path::new("-")) {
            println!("{}", serde_json::to_string_pretty(report)?);
            eprint!("{report}");
            return Ok(());
        }
        if let Some(path) = json {
            let written = fs::write(path, serde_json::to_vec_pretty(report)?);
            written.with_context(|| format!("{} cannot be written", path.display()))?;
        }
        print!("{report}");
        Ok(())
    }
}

fn component(game: &Path) -> anyhow::Result<Vec<u8>> {
    if !game.is_dir() {
        return fs::read(game).with_context(|| format!("{} cannot be read", game.display()));
    }
    let output = tempfile::tempdir()?;
    let built = packaging::build(game, output.path())?;
    Ok(fs::read(built.path)?)
}

fn read(path: &Path) -> anyhow::Result<State> {
    let text = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no state of a simulation", path.display()))
}

/// What a terminal shows: one bar until the samples are verified, then one of the rounds.
struct Bars {
    samples: ProgressBar,
    rounds: ProgressBar,
}

impl Bars {
    fn new(rounds: u64, before: u64) -> anyhow::Result<Self> {
        let of_samples = "{wide_bar} {pos}/{len} samples verified";
        let of_rounds = "{wide_bar} {human_pos}/{human_len} rounds {per_sec} {eta}";
        let bar =
            |length, template| anyhow::Ok(ProgressBar::new(length).with_style(ProgressStyle::with_template(template)?));
        Ok(Self { samples: bar(0, of_samples)?, rounds: bar(rounds, of_rounds)?.with_position(before) })
    }

    fn show(&mut self, progress: &Progress<'_>) {
        match progress {
            Progress::Verified { samples, of } => {
                self.samples.set_length(*of as u64);
                self.samples.set_position(*samples as u64);
            }
            Progress::Played(state) => {
                if !self.samples.is_finished() {
                    self.samples.finish_and_clear();
                    // Rounds of an earlier run, and the time that the samples took, say nothing of what is still to come.
                    self.rounds.reset_eta();
                }
                self.rounds.set_position(state.rounds());
            }
        }
    }

    fn clear(self) {
        self.samples.finish_and_clear();
        self.rounds.finish_and_clear();
    }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_help_shows_is_a_strategy() {
        let (_, file) = STRATEGY_HELP.split_once('\n').unwrap();
        Strategy::parse(file).unwrap();
        assert!(file.lines().all(|line| line.len() < 80), "a line that a terminal breaks cannot be pasted");
    }
}
