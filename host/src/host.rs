//! A whole host, put together from its configuration: what `serve` and `dev` run, and what tests run in process.

mod notifying;

use std::{future::Future, sync::Arc, time::Duration};

use anyhow::Context as _;
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

pub use self::notifying::{Notifying, Working};
use crate::{
    api::{OperatorService, PlayerService},
    catalog::{Catalog, Watch},
    cluster::SetUp,
    config::{Config, StoreKind, TrackingKind},
    data_directory::DataDirectory,
    engine::Engine,
    fairness::{FairGames, FairnessKey},
    http::{self, Endpoints, Served},
    railgun::NotificationCarrier,
    record::{Destination, Destinations},
    register::{Accepting, Remote},
    relay::Relay,
    rpc::{Params, Service as _},
    steps::Steps,
    store::{Couchbase, Embedded, Store, StoreError},
    tokens::Tokens,
    tracking::{self, FactCarrier, TrackingStore},
};

/// The secret that signs session tokens, as a file of the data directory.
pub(crate) const SESSION_KEY: &str = "session.key";
/// What server seeds of fair play come from, as a file of the data directory.
pub(crate) const FAIRNESS_KEY: &str = "fairness.key";

/// A host that is ready to listen.
pub struct Host {
    endpoints: Arc<Endpoints>,
    steps: Steps,
    store: Arc<dyn Store>,
    catalog: Arc<Catalog>,
    watch: Watch,
    tracking: Option<Tracking>,
    notifying: Option<Notifying>,
    notifications: Option<Relay>,
    shutdown_wait_max: Duration,
    /// Held until the host is gone.
    _data: DataDirectory,
}

impl Host {
    /// Opens the store, loads the games and puts everything together.
    ///
    /// # Errors
    /// What is wrong, and with which file.
    pub async fn start(config: &Config) -> anyhow::Result<Self> {
        config.check()?;
        let data = DataDirectory::open(&config.store.directory)?;
        let session_key = match config.session_key() {
            Some(key) => key,
            None => data.secret(SESSION_KEY)?,
        };
        let tokens = Arc::new(Tokens::new(session_key));
        let engine = Arc::new(Engine::start(config.engine(data.artefacts()))?);
        let store = open_store(config, &data).await?;
        let catalog = Catalog::open(engine.clone(), store.clone(), config.catalog()?).await?;
        let watch = catalog.watch(&config.games.directory).await?;
        if catalog.live().is_empty() {
            let directory = config.games.directory.display();
            tracing::warn!(%directory, "there are no games: put components there, or publish them with 'croupier game publish'");
        }
        let steps = Steps::new(
            store.clone(),
            engine,
            catalog.clone(),
            Destinations { notifications: config.railgun.enabled, tracking: config.tracking.enabled },
            Arc::new(config.grants()),
            fair_games(config, &data)?,
        );
        let players = PlayerService::new(steps.clone(), catalog.clone(), tokens.clone())?;
        let secret = config.operator.token.clone();
        let tracking = Tracking::start(config, &data, &store).await?;
        let statistics = tracking.as_ref().map(|tracking| tracking.store.clone());
        let operator = OperatorService::new(steps.clone(), store.clone(), catalog.clone(), statistics, tokens, secret)?;
        let (notifying, notifications) = start_notifying(config, &data, &store).await?;
        let endpoints = Arc::new(Endpoints {
            players,
            operator,
            store: store.clone(),
            limits: config.limits(),
            operator_limits: config.operator_limits(),
        });
        let shutdown_wait_max = Duration::from_millis(config.server.shutdown_wait_ms_max);
        Ok(Self {
            endpoints,
            steps,
            store,
            catalog,
            watch,
            tracking,
            notifying,
            notifications,
            shutdown_wait_max,
            _data: data,
        })
    }

    /// The games that are played.
    #[must_use]
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// Calls a method of the operator's endpoint from within the process.
    ///
    /// # Errors
    /// The error that the operator would see.
    pub async fn operator_call(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        let Value::Object(params) = params else { anyhow::bail!("params are by name") };
        let answer = self.endpoints.operator.call(&Ok(()), method, Params::ByName(params)).await?;
        Ok(serde_json::from_str(answer.get())?)
    }

    /// Answers until `shutdown` is done or the store fails; then finishes what was begun and closes the store.
    ///
    /// # Errors
    /// Where the listener or the store has failed.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()> + Send) -> anyhow::Result<()> {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let stopped = async move {
            // A dropped sender means the same: stop.
            let _dropped = stopped.await;
        };
        let served = Served {
            games: Some(self.endpoints.clone()),
            notifications: self.notifying.as_ref().map(|notifying| notifying.endpoint().clone()),
            numbers: self.notifying.as_ref().map(|notifying| notifying.numbers().clone()),
        };
        let mut server = tokio::spawn(http::serve(listener, served, stopped));
        let verifying = tokio::spawn(verify_daily(self.catalog.clone()));
        let following = tokio::spawn(self.catalog.clone().follow_others());
        let failure: Option<StoreError> = tokio::select! {
            () = shutdown => None,
            failure = self.store.failed() => Some(failure),
            ended = &mut server => {
                ended.context("the HTTP server broke down")?.context("the HTTP server ended")?;
                None
            }
        };
        tracing::info!("shutting down: no new connections, calls that were begun are finished");
        drop(stop);
        drop(self.watch);
        verifying.abort();
        following.abort();
        let drained = async {
            if !server.is_finished() {
                // What it has to say is of the connections that are being closed.
                let _closed = (&mut server).await;
            }
            self.steps.drained().await;
            if let Some(tracking) = self.tracking {
                tracking.stop().await;
            }
        };
        if tokio::time::timeout(self.shutdown_wait_max, drained).await.is_err() {
            tracing::warn!("some connections did not end in time and are cut; every step is whole or has not happened");
        }
        server.abort();
        if let Some(relay) = self.notifications {
            relay.stop().await;
        }
        if let Some(notifying) = self.notifying {
            notifying.stop(self.shutdown_wait_max).await;
        }
        self.store.close().await;
        match failure {
            Some(failure) => Err(failure).context("the store has failed; what was answered is kept, restart the host"),
            None => Ok(()),
        }
    }
}

/// The railgun, unless another process is it, and what brings the notifications of games there.
async fn start_notifying(
    config: &Config,
    data: &DataDirectory,
    store: &Arc<dyn Store>,
) -> anyhow::Result<(Option<Notifying>, Option<Relay>)> {
    if !config.railgun.enabled {
        return Ok((None, None));
    }
    let (notifying, to): (_, Arc<dyn Accepting>) = match config.remote_register()? {
        Some(remote) => (None, Arc::new(Remote::new(remote)?)),
        None => {
            let notifying = Notifying::start(config, data).await?;
            let intake = notifying.intake().clone();
            (Some(notifying), Arc::new(intake))
        }
    };
    let carrier = NotificationCarrier::new(to, config.notification_defaults());
    Ok((notifying, Some(Relay::start(store.clone(), Destination::Notifications, Arc::new(carrier)))))
}

/// The store that the configuration names.
///
/// # Errors
/// Where it cannot be opened or reached.
pub async fn open_store(config: &Config, data: &DataDirectory) -> anyhow::Result<Arc<dyn Store>> {
    Ok(match config.store.kind {
        StoreKind::Embedded => Arc::new(Embedded::open(&config.embedded_store(data.store()))?),
        StoreKind::Couchbase => Arc::new(Couchbase::connect(&config.couchbase(), SetUp::Verify).await?),
    })
}

/// The tracking store that the configuration names.
///
/// # Errors
/// Where it cannot be opened or reached.
pub async fn open_tracking(config: &Config, data: &DataDirectory) -> anyhow::Result<Arc<dyn TrackingStore>> {
    Ok(match config.tracking.kind {
        TrackingKind::Embedded => Arc::new(tracking::Embedded::open(&config.embedded_tracking(data.tracking()))?),
        TrackingKind::Couchbase => {
            let opened = tracking::Couchbase::open(&config.couchbase_tracking()).await;
            Arc::new(opened.context("the tracking store cannot be opened")?)
        }
    })
}

/// The tracking store, and what brings facts there.
struct Tracking {
    store: Arc<dyn TrackingStore>,
    relay: Relay,
    recounting: JoinHandle<()>,
}

impl Tracking {
    async fn start(config: &Config, data: &DataDirectory, store: &Arc<dyn Store>) -> anyhow::Result<Option<Self>> {
        if !config.tracking.enabled {
            return Ok(None);
        }
        let tracking = open_tracking(config, data).await?;
        if (config.store.kind, config.tracking.kind) == (StoreKind::Couchbase, TrackingKind::Embedded) {
            tracing::warn!(
                "this host counts only what it carries on itself, and no other host sees it: where several hosts share a \
                 store, tracking.kind = \"couchbase\" lets them share what they count"
            );
        }
        let carrier = FactCarrier::new(tracking.clone(), config.tracking.source.clone());
        let relay = Relay::start(store.clone(), Destination::Tracking, Arc::new(carrier));
        let recounting = tokio::spawn(recount(tracking.clone()));
        Ok(Some(Self { store: tracking, relay, recounting }))
    }

    async fn stop(self) {
        self.relay.stop().await;
        self.recounting.abort();
        self.store.close().await;
    }
}

async fn recount(store: Arc<dyn TrackingStore>) {
    if let Err(error) = tracking::recount(&*store).await {
        tracing::error!(%error, "not everything could be counted anew: it goes on at the next start");
    }
}

/// Proves the bytes of every release, now and once a day.
async fn verify_daily(catalog: Arc<Catalog>) {
    let mut days = tokio::time::interval(Duration::from_hours(24));
    loop {
        days.tick().await;
        if let Err(error) = catalog.verify(None).await {
            tracing::error!(%error, "releases could not be verified");
        }
    }
}

/// The key is made only where there is something to be fair about.
fn fair_games(config: &Config, data: &DataDirectory) -> anyhow::Result<FairGames> {
    if config.fairness.games.is_empty() {
        return Ok(FairGames::none());
    }
    let key = match config.fairness_key() {
        Some(key) => key,
        None => data.secret(FAIRNESS_KEY)?,
    };
    Ok(FairGames { games: config.fairness.games.clone(), key: FairnessKey::new(key) })
}
