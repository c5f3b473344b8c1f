//! Runs games: the only importer of wasmtime. A step here is a pure function of its input; no host function does I/O,
//! and nothing a game does outlives its step or reaches beyond it.

mod artefacts;
mod configuration;
mod contract;
mod documents;
mod imports;
mod malfunction;
mod migration;
mod release;
mod simulation;
mod step_state;
mod ticker;

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use thiserror::Error;
use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime::{Store, UpdateDeadline, WasmBacktrace, component::HasSelf};

use self::{artefacts::Artefacts, configuration::TICK, malfunction::NoInstance, step_state::StepState, ticker::Ticker};
pub use self::{
    contract::CONTRACT_VERSION,
    malfunction::Malfunction,
    release::{Descriptor, LoadError, Method, Release},
    simulation::{Bet, MethodTally, Moved, SimulationError, Tally, TracedCall},
};
use crate::{
    aggregate::Documents,
    bindings::{
        CasinoGameWithEverything,
        croupier::game::types::{Call as GuestCall, Fault as GuestFault},
    },
    chance::{Chance, Draw, Seed},
    errors::ErrorReply,
    identity::{GameId, Locale, PlayerId, RoundId},
    json::Json,
    limits::REPLY_BYTES_MAX,
    money::Currency,
    notifications::Granted,
    record::{Effect, Migrated, Observed},
    rounds::RoundMoney,
};

/// What an operator may choose about running games.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Steps that compute at the same instant over all games; also the size of the instance pool.
    pub concurrent_steps_max: u32,
    /// Steps of one game that compute at the same instant, so that no game takes every place.
    pub concurrent_steps_per_game_max: u32,
    /// How long one step may compute. Time in which other steps had their turn does not count.
    pub step_compute_max: Duration,
    /// Linear memory of one step.
    pub memory_bytes_max: usize,
    /// How long a step waits for a place before it is refused.
    pub admission_wait_max: Duration,
    /// A component's size.
    pub component_bytes_max: usize,
    /// Where compiled releases are kept; nowhere if `None`.
    pub cache_directory: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            concurrent_steps_max: 64,
            concurrent_steps_per_game_max: 16,
            step_compute_max: Duration::from_millis(100),
            memory_bytes_max: 32 << 20,
            admission_wait_max: Duration::from_secs(5),
            component_bytes_max: 32 << 20,
            cache_directory: None,
        }
    }
}

/// The machine that compiles releases and runs steps. One for a process.
pub struct Engine {
    wasmtime: wasmtime::Engine,
    linker: wasmtime::component::Linker<StepState>,
    artefacts: Artefacts,
    places: Semaphore,
    /// One place: releases describe themselves one after the other, in the instance that the pool has for that.
    describing: Semaphore,
    /// Places for the steps of each game: all its releases share them, so that no game takes every place.
    places_of_games: Mutex<HashMap<GameId, Weak<Semaphore>>>,
    /// Places for compiling: half the processors, so that games are played meanwhile.
    compiling: Arc<Semaphore>,
    settings: Settings,
    ticker: Ticker,
}

/// The machine could not be set up.
#[derive(Debug, Error)]
#[error("the Wasm engine could not be started: {0}")]
pub struct StartError(String);

/// One step, before it is run.
pub struct Step {
    /// The call as the game sees it.
    pub call: Call,
    /// The player's money and the open round's.
    pub money: RoundMoney,
    /// What the game keeps for the player.
    pub documents: Documents,
    /// The version of the documents, where it is older than the release's: then they are migrated first.
    pub migrate_from: Option<u32>,
    /// What every draw comes from.
    pub seed: Seed,
    /// What the game may have told its player.
    pub may_notify: MayNotify,
}

/// What a game may have its player told.
#[derive(Clone, Debug)]
pub enum MayNotify {
    /// What the operator has granted it; nothing without.
    Granted(Option<Arc<Granted>>),
    /// All but these, by channel and template: what a step that is run again was refused.
    AllBut(Vec<(String, String)>),
}

impl MayNotify {
    fn allows(&self, channel: &str, template: &str) -> bool {
        match self {
            Self::Granted(granted) => granted.as_ref().is_some_and(|granted| granted.allows(channel, template)),
            Self::AllBut(refused) => !refused.iter().any(|refused| (&*refused.0, &*refused.1) == (channel, template)),
        }
    }
}

/// One call of a game.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who calls.
    pub player: PlayerId,
    /// The session's currency.
    pub currency: Currency,
    /// The session's language.
    pub locale: Locale,
    /// The open round, or the one that the call would open.
    pub round: RoundId,
    /// The round's calls before this one.
    pub round_calls: u32,
    /// Unix milliseconds.
    pub now_ms: u64,
    /// The game's method.
    pub method: String,
    /// Checked and canonical.
    pub params: Json,
}

/// A step that was run, and what it would change. Nothing is changed yet.
pub struct Done {
    /// What the game answered, or how it failed.
    pub answer: Result<Answer, Malfunction>,
    /// The money after it.
    pub money: RoundMoney,
    /// The documents after it.
    pub documents: Documents,
    /// Which of them it wrote; `None` for those it deleted.
    pub written: BTreeMap<String, Option<Json>>,
    /// How the documents were migrated before the game was called, where that was asked for.
    pub migrated: Option<Migrated>,
    /// What the game saw.
    pub observed: Observed,
    /// What it drew.
    pub draws: Vec<Draw>,
    /// What it wants done elsewhere.
    pub effects: Vec<Effect>,
    /// Where the time went.
    pub timing: Timing,
    /// The largest linear memory that it had.
    pub memory_bytes: usize,
    /// Its own last words, where it has panicked.
    pub panic: Option<String>,
}

/// What a game says to a call that it survived.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A result for the client.
    Reply {
        /// The result.
        body: Json,
        /// Whether the round goes on.
        round_open: bool,
    },
    /// The game declines; nothing may change.
    Fault(ErrorReply),
}

/// Where a step's time went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timing {
    /// Making the instance.
    pub instantiate: Duration,
    /// In the game, host calls included.
    pub guest: Duration,
    /// In host calls; measured only where [`Engine::run_measured`] asks for it.
    pub host_calls: Duration,
}

/// Why a step has not happened. Nothing was drawn, and nothing is to be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotRun {
    /// No place for the step became free in time; the game has seen nothing.
    #[error("no place for the step became free in time")]
    NotAdmitted,
    /// The game could not bring the player's documents to its own version. Why is in the operator's log.
    #[error("the player's documents could not be migrated")]
    MigrationFailed,
}

impl Engine {
    /// Starts the machine and its ticker thread.
    ///
    /// # Errors
    /// Where the configuration does not suit this computer, or the cache directory cannot be used.
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        let start_error = |error: wasmtime::Error| StartError(format!("{error:#}"));
        let wasmtime = wasmtime::Engine::new(&configuration::configuration(&settings)).map_err(start_error)?;
        let mut linker = wasmtime::component::Linker::new(&wasmtime);
        CasinoGameWithEverything::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state).map_err(start_error)?;
        let artefacts = Artefacts::open(settings.cache_directory.as_deref(), &wasmtime)
            .map_err(|error| StartError(error.to_string()))?;
        // Held weakly: the thread must not keep it alive.
        let ticked = wasmtime.weak();
        let tick = move || {
            ticked.upgrade().is_some_and(|engine| {
                engine.increment_epoch();
                true
            })
        };
        let ticker = Ticker::start(TICK, tick).map_err(|error| StartError(error.to_string()))?;
        let places = Semaphore::new(settings.concurrent_steps_max as usize);
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let compiling = Arc::new(Semaphore::new((processors / 2).max(1)));
        let describing = Semaphore::new(1);
        let places_of_games = Mutex::default();
        Ok(Self { wasmtime, linker, artefacts, places, places_of_games, describing, compiling, settings, ticker })
    }

    /// What its operator has chosen.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Runs one step of a release.
    ///
    /// # Errors
    /// [`NotRun`]: the machine is full, or a migration has failed.
    pub async fn run(&self, release: &Release, step: Step) -> Result<Done, NotRun> {
        let chance = Chance::new(step.seed);
        self.run_step(release, step, chance, false).await
    }

    /// As [`Self::run`], with draws that are given in place of those that the seed would give.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn run_scripted(&self, release: &Release, step: Step, draws: Vec<Draw>) -> Result<Done, NotRun> {
        self.run_step(release, step, Chance::scripted(draws), false).await
    }

    /// As [`Self::run`], and measures the time in host calls too.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn run_measured(&self, release: &Release, step: Step) -> Result<Done, NotRun> {
        let chance = Chance::new(step.seed);
        self.run_step(release, step, chance, true).await
    }

    async fn run_step(&self, release: &Release, step: Step, chance: Chance, measured: bool) -> Result<Done, NotRun> {
        let _place_of_game = self.place(release.places()).await?;
        let _place = self.place(&self.places).await?;
        let Step { call, money, documents, migrate_from, may_notify, seed: _ } = step;
        let method = call.method.clone();
        let mut store =
            self.store(StepState::playing((money, documents), chance, may_notify, &self.settings, measured));
        let mut timing = Timing::default();
        let outcome = handle(&mut store, release, call, migrate_from, &mut timing).await;
        let mut state = store.into_data();
        if let Some(error) = outcome.as_ref().err().filter(|error| NoInstance::is(error)) {
            tracing::error!(release = %release.digest(), method, error = format!("{error:#}"), "a step could not begin");
            return Err(NotRun::NotAdmitted);
        }
        if let Some(error) = outcome.as_ref().err().filter(|error| error.is::<migration::Failed>()) {
            migration::log_failure(release, &method, error, state.panic_message());
            state.flush_log(release, &method);
            return Err(NotRun::MigrationFailed);
        }
        let backtrace = outcome.as_ref().err().and_then(|error| error.downcast_ref()).map(WasmBacktrace::to_string);
        let answer = answer(outcome);
        if let Err(malfunction) = &answer {
            malfunction.log(release, &method, backtrace, state.panic_message());
        }
        state.flush_log(release, &method);
        timing.host_calls = state.host_time();
        Ok(state.finish(answer, timing))
    }

    fn places_of(&self, game: &GameId) -> Arc<Semaphore> {
        let mut places = self.places_of_games.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|_, places| places.strong_count() > 0);
        if let Some(places) = places.get(game).and_then(Weak::upgrade) {
            return places;
        }
        let new = Arc::new(Semaphore::new(self.settings.concurrent_steps_per_game_max as usize));
        places.insert(game.clone(), Arc::downgrade(&new));
        new
    }

    async fn place<'a>(&self, places: &'a Semaphore) -> Result<SemaphorePermit<'a>, NotRun> {
        if let Ok(place) = places.try_acquire() {
            return Ok(place);
        }
        let waited = tokio::time::timeout(self.settings.admission_wait_max, places.acquire()).await;
        waited.map_err(|_| NotRun::NotAdmitted)?.map_err(|_| NotRun::NotAdmitted)
    }

    /// A store for one step. The deadline is the next tick; from then on the step goes tick by tick, gives way
    /// to others after each, and ends when its budget of ticks does.
    fn store(&self, state: StepState) -> Store<StepState> {
        let mut store = Store::new(&self.wasmtime, state);
        store.limiter(|state| state);
        store.set_hostcall_fuel(configuration::HOST_CALL_BYTES_MAX);
        store.set_max_component_handles(configuration::COMPONENT_HANDLES_MAX);
        store.set_epoch_deadline(1);
        let running = self.ticker.run();
        store.epoch_deadline_callback(move |mut context| {
            let _ticks_until_the_store_is_dropped = &running;
            context.data_mut().spend_tick()?;
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        store
    }
}

type GuestOutcome = wasmtime::Result<Result<crate::bindings::croupier::game::types::Reply, GuestFault>>;

async fn handle(
    store: &mut Store<StepState>,
    release: &Release,
    call: Call,
    migrate_from: Option<u32>,
    timing: &mut Timing,
) -> GuestOutcome {
    if migrate_from.is_some() {
        store.data_mut().begin_migration();
    }
    let start = std::time::Instant::now();
    let instance = release.instantiate(&mut *store).await.map_err(NoInstance::unless_by_game)?;
    let handle = release.handle(&mut *store, &instance).map_err(NoInstance::unless_by_game)?;
    timing.instantiate = start.elapsed();
    if let Some(from) = migrate_from {
        migration::migrate(store, release, &instance, from).await?;
    }
    let call = GuestCall {
        player: call.player.into(),
        currency: call.currency.into(),
        locale: call.locale.into(),
        round: call.round.into(),
        step: call.round_calls,
        now: call.now_ms,
        method: call.method,
        params: call.params.as_str().to_owned(),
    };
    let outcome = handle.call_async(&mut *store, (&call,)).await.map(|(outcome,)| outcome);
    timing.guest = start.elapsed() - timing.instantiate;
    outcome
}

/// Codes of a game's own faults; the contract leaves the rest to the host.
const FAULT_CODES: std::ops::RangeInclusive<i32> = 1..=999;

fn answer(outcome: GuestOutcome) -> Result<Answer, Malfunction> {
    let answer = match outcome {
        Ok(Ok(reply)) => {
            let body = Json::parse(reply.body)
                .map_err(|error| Malfunction::InvalidReply(format!("the reply is not JSON: {error}")))?;
            Answer::Reply { body, round_open: reply.round_open }
        }
        Ok(Err(fault)) => Answer::Fault(fault_reply(fault)?),
        Err(error) => return Err(Malfunction::from_error(&error)),
    };
    within_bounds(answer)
}

fn fault_reply(fault: GuestFault) -> Result<ErrorReply, Malfunction> {
    if !FAULT_CODES.contains(&fault.code) {
        return Err(Malfunction::InvalidReply(format!("{} is no code of a fault", fault.code)));
    }
    let data = fault.data.map(Json::parse).transpose();
    let data = data.map_err(|error| Malfunction::InvalidReply(format!("the fault's data is not JSON: {error}")))?;
    Ok(ErrorReply { code: fault.code, message: fault.message, data })
}

fn within_bounds(answer: Answer) -> Result<Answer, Malfunction> {
    let size = match &answer {
        Answer::Reply { body, .. } => body.as_str().len(),
        Answer::Fault(fault) => fault.message.len() + fault.data.as_ref().map_or(0, |data| data.as_str().len()),
    };
    if size > REPLY_BYTES_MAX {
        return Err(Malfunction::TooMuchData(format!("a reply of {size} bytes; {REPLY_BYTES_MAX} are allowed")));
    }
    Ok(answer)
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("settings", &self.settings).finish_non_exhaustive()
    }
}
