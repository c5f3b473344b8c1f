//! Loading a release: from bytes of unknown origin to something that can be played.
//! Any doubt refuses the release, with a reason for whoever brought it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use thiserror::Error;
use tokio::sync::Semaphore;
use wasmtime::{
    AsContextMut,
    component::{ComponentExportIndex, Instance, InstancePre, TypedFunc},
};

use super::{
    CONTRACT_VERSION, Engine, Malfunction,
    contract::{self, Claims},
    step_state::StepState,
};
use crate::{
    bindings::{
        croupier::game::types::{Call as GuestCall, Fault as GuestFault, Reply as GuestReply},
        exports::croupier::game::{
            game::{self, Descriptor as GuestDescriptor},
            migration, simulation,
        },
    },
    identity::{GameId, ReleaseDigest},
    json::Json,
    limits::{DESCRIPTION_BYTES_MAX, METHODS_MAX},
};

/// How long whoever brings a release waits for it to be compiled. A game's component takes a second or two.
const COMPILE_WAIT_MAX: Duration = Duration::from_secs(60);

/// A component that has been checked and compiled, ready to be instantiated.
pub struct Release {
    digest: ReleaseDigest,
    descriptor: Descriptor,
    state_version: u32,
    linked: Linked,
    places: Arc<Semaphore>,
}

/// A compiled component with its imports, and where its exports are.
struct Linked {
    instances: InstancePre<StepState>,
    game: game::GuestIndices,
    /// The one function that every step calls: to look up the others with it costs as much as a host call.
    handle: ComponentExportIndex,
    migration: Option<migration::GuestIndices>,
    simulation: Option<simulation::GuestIndices>,
}

/// What answers calls in an instance.
pub(super) type Handle<'a> = TypedFunc<(&'a GuestCall,), (Result<GuestReply, GuestFault>,)>;

/// What a game says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The game.
    pub id: GameId,
    /// Its name for people.
    pub title: String,
    /// The designer's version.
    pub version: String,
    /// Theoretical return in parts per million of the stake.
    pub rtp_ppm: u32,
    /// Largest payout of a round in parts per million of its stake.
    pub max_win_ppm: u64,
    /// What can be called; never two of one name.
    pub methods: Vec<Method>,
}

/// A method of a game.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method {
    /// Its name within the game.
    pub name: String,
    /// What it does, for people.
    pub summary: String,
    /// JSON Schema of the params.
    pub params_schema: Json,
    /// JSON Schema of the result.
    pub result_schema: Json,
}

/// Why bytes are not taken for a release.
#[derive(Debug, Error)]
pub enum LoadError {
    /// More than the operator allows.
    #[error("it has {size} bytes; at most {size_max} are allowed")]
    TooLarge {
        /// What it has.
        size: usize,
        /// What is allowed.
        size_max: usize,
    },
    /// Compiling it takes too long.
    #[error("compiling it takes more than {} seconds: make it smaller", COMPILE_WAIT_MAX.as_secs())]
    CompileTooSlow,
    /// No WebAssembly component.
    #[error("it is no WebAssembly component: {0}")]
    NotAComponent(String),
    /// It wants more than the contract gives.
    #[error("it imports '{0}', which is no part of the contract: a game has no clock, files, sockets or entropy")]
    ForbiddenImport(String),
    /// It was built against another contract than this host speaks.
    #[error(
        "it was built against croupier:game@{built_against}, and this host speaks croupier:game@{CONTRACT_VERSION}: rebuild \
         the game with croupier-sdk {}, or have it played by a host that speaks croupier:game@{built_against}",
        env!("CARGO_PKG_VERSION")
    )]
    IncompatibleContract {
        /// Which.
        built_against: String,
    },
    /// Its shape is not the contract's.
    #[error("it does not fit the contract croupier:game@0.1: {0}")]
    ContractMismatch(String),
    /// It could not be compiled.
    #[error("it cannot be compiled: {0}")]
    NotCompiled(String),
    /// It broke down when asked to describe itself.
    #[error("it broke down while describing itself: {0}")]
    DescribeFailed(Malfunction),
    /// Its description makes no sense.
    #[error("its description is wrong: {0}")]
    BadDescriptor(String),
}

impl Engine {
    /// Loads a release: parse, import check, compile, link, and a first call of `describe`.
    /// Compiling happens on a thread for blocking work.
    ///
    /// # Errors
    /// [`LoadError`] says what is wrong with it.
    pub async fn load(self: &Arc<Self>, bytes: impl Into<Arc<[u8]>>) -> Result<Release, LoadError> {
        let bytes = bytes.into();
        let engine = self.clone();
        // Compiling cannot be stopped: its place stays taken until it has ended, however long that takes.
        let place = self.compiling.clone().acquire_owned().await;
        let preparing = tokio::task::spawn_blocking(move || {
            let _place = place;
            engine.prepare(&bytes)
        });
        let prepared =
            tokio::time::timeout(COMPILE_WAIT_MAX, preparing).await.map_err(|_| LoadError::CompileTooSlow)?;
        let (digest, linked) = prepared.map_err(|panic| LoadError::NotCompiled(panic.to_string()))??;
        let (descriptor, state_version) = self.describe(&linked).await?;
        let places = self.places_of(&descriptor.id);
        Ok(Release { digest, descriptor, state_version, linked, places })
    }

    /// Whether a component of this size may be taken in. What was taken in is loaded whatever its size: the bound may have
    /// been another.
    ///
    /// # Errors
    /// [`LoadError::TooLarge`].
    pub fn check_size(&self, size: usize) -> Result<(), LoadError> {
        let size_max = self.settings.component_bytes_max;
        if size > size_max { Err(LoadError::TooLarge { size, size_max }) } else { Ok(()) }
    }

    fn prepare(&self, bytes: &[u8]) -> Result<(ReleaseDigest, Linked), LoadError> {
        check_preamble(bytes)?;
        let digest = ReleaseDigest::of(bytes);
        let start = std::time::Instant::now();
        let component = self
            .artefacts
            .component(&self.wasmtime, digest, bytes)
            .map_err(|error| LoadError::NotCompiled(format!("{error:#}")))?;
        tracing::debug!(release = %digest, elapsed = ?start.elapsed(), "compiled or read from the cache");
        let claims = Claims::of(&component, &self.wasmtime);
        claims.check()?;
        let linked = self.linker.instantiate_pre(&component).and_then(|instances| Linked::new(instances, &claims));
        let mismatch = |error| claims.mismatch(|| LoadError::ContractMismatch(format!("{error:#}")));
        Ok((digest, linked.map_err(mismatch)?))
    }

    /// What the component says of itself, and the version of the documents that it reads and writes.
    async fn describe(&self, linked: &Linked) -> Result<(Descriptor, u32), LoadError> {
        let _place = self.describing.acquire().await;
        let mut store = self.store(StepState::describing(&self.settings));
        let described = async {
            let instance = linked.instances.instantiate_async(&mut store).await?;
            let game = linked.game.load(&mut store, &instance)?;
            let descriptor = game.call_describe(&mut store).await?;
            let Some(migration) = &linked.migration else { return Ok((descriptor, None)) };
            let version = migration.load(&mut store, &instance)?.call_version(&mut store).await?;
            Ok((descriptor, Some(version)))
        };
        // A game that computes is stopped by its ticks; this bounds the waiting on a crowded machine.
        let (descriptor, version) = tokio::time::timeout(Duration::from_secs(30), described)
            .await
            .map_err(|_| LoadError::DescribeFailed(Malfunction::Timeout))?
            .map_err(|error: wasmtime::Error| match (Malfunction::from_error(&error), store.data().panic_message()) {
                (Malfunction::Trapped(_), Some(panic)) => Malfunction::Trapped(panic.to_owned()),
                (malfunction, _) => malfunction,
            })
            .map_err(LoadError::DescribeFailed)?;
        if version == Some(0) {
            return Err(LoadError::BadDescriptor("its state version is 0, which is that of no migration".to_owned()));
        }
        Ok((checked(descriptor)?, version.unwrap_or(0)))
    }
}

impl Linked {
    fn new(instances: InstancePre<StepState>, claims: &Claims) -> wasmtime::Result<Self> {
        let game = game::GuestIndices::new(&instances)?;
        let migration = claims.migrates().then(|| migration::GuestIndices::new(&instances)).transpose()?;
        let simulation = claims.simulates().then(|| simulation::GuestIndices::new(&instances)).transpose()?;
        let component = instances.component();
        let exports = component.get_export_index(None, contract::interface("game"));
        let handle = exports.and_then(|exports| component.get_export_index(Some(&exports), "handle"));
        let handle = handle.ok_or_else(|| wasmtime::Error::msg("it exports no `handle`"))?;
        Ok(Self { instances, game, handle, migration, simulation })
    }
}

impl Release {
    /// Its name.
    #[must_use]
    pub fn digest(&self) -> ReleaseDigest {
        self.digest
    }

    /// What the game says of itself.
    #[must_use]
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// The version of the documents that it reads and writes; 0 for a release that migrates none.
    #[must_use]
    pub fn state_version(&self) -> u32 {
        self.state_version
    }

    /// Whether it plays rounds by itself, for [`Engine::simulate`].
    #[must_use]
    pub fn simulates(&self) -> bool {
        self.linked.simulation.is_some()
    }

    /// Places for steps of the game.
    pub(super) fn places(&self) -> &Semaphore {
        &self.places
    }

    pub(super) async fn instantiate(&self, store: impl AsContextMut<Data = StepState>) -> wasmtime::Result<Instance> {
        self.linked.instances.instantiate_async(store).await
    }

    /// What answers calls in an instance of this release.
    pub(super) fn handle<'a>(
        &self,
        store: impl AsContextMut<Data = StepState>,
        instance: &Instance,
    ) -> wasmtime::Result<Handle<'a>> {
        instance.get_typed_func(store, self.linked.handle)
    }

    /// The migration of an instance of this release.
    pub(super) fn migration(
        &self,
        store: impl AsContextMut<Data = StepState>,
        instance: &Instance,
    ) -> wasmtime::Result<migration::Guest> {
        let indices = self.linked.migration.as_ref();
        indices.ok_or_else(|| wasmtime::Error::msg("the release has no migration"))?.load(store, instance)
    }

    /// The simulation of an instance of this release.
    pub(super) fn simulation(
        &self,
        store: impl AsContextMut<Data = StepState>,
        instance: &Instance,
    ) -> wasmtime::Result<simulation::Guest> {
        let indices = self.linked.simulation.as_ref();
        indices.ok_or_else(|| wasmtime::Error::msg("the release exports no simulation"))?.load(store, instance)
    }
}

impl std::fmt::Debug for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Release")
            .field("digest", &self.digest)
            .field("descriptor", &self.descriptor)
            .field("state_version", &self.state_version)
            .finish_non_exhaustive()
    }
}

/// The first eight bytes tell a component from a core module, which is what a forgotten build step leaves.
fn check_preamble(bytes: &[u8]) -> Result<(), LoadError> {
    const MAGIC: &[u8] = b"\0asm";
    const CORE_MODULE: [u8; 4] = [1, 0, 0, 0];
    const COMPONENT: [u8; 4] = [0x0d, 0, 1, 0];
    match bytes.strip_prefix(MAGIC).and_then(<[u8]>::first_chunk::<4>) {
        Some(&COMPONENT) => Ok(()),
        Some(&CORE_MODULE) => {
            Err(LoadError::NotAComponent("it is a core module: build it with 'croupier build'".to_owned()))
        }
        Some(_) => Err(LoadError::NotAComponent("its version is unknown".to_owned())),
        None => Err(LoadError::NotAComponent("it does not begin like WebAssembly".to_owned())),
    }
}

fn checked(descriptor: GuestDescriptor) -> Result<Descriptor, LoadError> {
    let bad = |what: String| LoadError::BadDescriptor(what);
    let id = descriptor.id.parse::<GameId>().map_err(|error| bad(error.to_string()))?;
    if id.is_of_host() {
        return Err(bad(format!("'{id}' is the host's own: its methods are called by that name")));
    }
    if descriptor.methods.is_empty() {
        return Err(bad("it has no methods".to_owned()));
    }
    if descriptor.methods.len() > METHODS_MAX {
        return Err(bad(format!("it has {} methods; {METHODS_MAX} are allowed", descriptor.methods.len())));
    }
    let summaries = descriptor.methods.iter().map(|method| ("a summary", &method.summary));
    for (what, text) in
        [("its title", &descriptor.title), ("its version", &descriptor.version)].into_iter().chain(summaries)
    {
        if text.len() > DESCRIPTION_BYTES_MAX {
            return Err(bad(format!("{what} has {} bytes; {DESCRIPTION_BYTES_MAX} are allowed", text.len())));
        }
    }
    let mut names = BTreeSet::new();
    let methods = descriptor.methods.into_iter().map(|method| {
        let name = method.name;
        if !is_method_name(&name) {
            return Err(bad(format!("'{name}' is no method name: a-z, then a-z, 0-9 and '_'")));
        }
        if !names.insert(name.clone()) {
            return Err(bad(format!("method '{name}' is there twice")));
        }
        let schema = |which: &str, text: String| {
            Json::parse(text).map_err(|error| bad(format!("the {which} schema of '{name}' is not JSON: {error}")))
        };
        let params_schema = schema("params", method.params_schema)?;
        let result_schema = schema("result", method.result_schema)?;
        Ok(Method { params_schema, result_schema, summary: method.summary, name })
    });
    let methods = methods.collect::<Result<_, _>>()?;
    Ok(Descriptor {
        id,
        title: descriptor.title,
        version: descriptor.version,
        rtp_ppm: descriptor.rtp_ppm,
        max_win_ppm: descriptor.max_win_ppm,
        methods,
    })
}

fn is_method_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

    use super::*;
    use crate::{
        engine::{Call, MayNotify, NotRun, Settings, Step},
        identity::{AggregateId, RoundId},
        money::Ledger,
        rounds::RoundMoney,
    };

    /// A game that fails whenever it is called.
    fn failing_game(engine: &Engine) -> Release {
        let text = r#"(module
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
            (func (export "croupier:game/game@0.1.0#describe") (result i32) unreachable)
            (func (export "croupier:game/game@0.1.0#handle")
                (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32 i32 i32) (result i32) unreachable))"#;
        let mut module = wat::parse_str(text).unwrap();
        let mut contract = wit_parser::Resolve::default();
        let package = contract.push_str("game.wit", include_str!("../../../wit/released/game-0.1.0.wit")).unwrap();
        let world = contract.select_world(&[package], Some("casino-game")).unwrap();
        embed_component_metadata(&mut module, &contract, world, StringEncoding::UTF8, false).unwrap();
        let component = ComponentEncoder::default().module(&module).unwrap().encode().unwrap();
        let (digest, linked) = engine.prepare(&component).unwrap();
        let descriptor = Descriptor {
            id: "failing".parse().unwrap(),
            title: String::new(),
            version: String::new(),
            rtp_ppm: 0,
            max_win_ppm: 0,
            methods: Vec::new(),
        };
        Release { digest, descriptor, state_version: 0, linked, places: Arc::new(Semaphore::new(1)) }
    }

    fn step() -> Step {
        let currency = "EUR".parse().unwrap();
        let aggregate: AggregateId = "player/alice".parse().unwrap();
        let call = Call {
            player: "alice".parse().unwrap(),
            currency,
            locale: "en".parse().unwrap(),
            round: RoundId { aggregate, opened_by: 1 },
            round_calls: 0,
            now_ms: 0,
            method: "play".to_owned(),
            params: Json::parse("{}".to_owned()).unwrap(),
        };
        let money = RoundMoney::new("failing".parse().unwrap(), currency, Ledger::default(), None);
        let seed = crate::chance::Seed::from_bytes([0; 32]);
        let (documents, may_notify) = (crate::aggregate::Documents::default(), MayNotify::Granted(None));
        Step { call, money, documents, migrate_from: None, seed, may_notify }
    }

    /// It is not for the game to answer for, and so no void step.
    #[tokio::test]
    async fn a_host_without_instances_turns_steps_away() {
        let settings = Settings { concurrent_steps_max: 1, concurrent_steps_per_game_max: 1, ..Settings::default() };
        let engine = Arc::new(Engine::start(settings).unwrap());
        let release = failing_game(&engine);
        let mut taken = Vec::new();
        loop {
            let mut store = engine.store(StepState::describing(&engine.settings));
            if release.instantiate(&mut store).await.is_err() {
                break;
            }
            taken.push(store);
        }
        assert_eq!(taken.len(), 2);
        assert_eq!(engine.run(&release, step()).await.err(), Some(NotRun::NotAdmitted));
        taken.clear();
        let done = engine.run(&release, step()).await.unwrap();
        assert!(matches!(done.answer, Err(Malfunction::Trapped(_))), "{:?}", done.answer);
    }
}
