//! The railgun, put together from its configuration: as a part of a host, by itself, or only its workers.

use std::{future::Future, sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::net::TcpListener;

use crate::{
    api::{NotificationParts, NotificationService, Numbers},
    config::{Config, QueueKind},
    data_directory::DataDirectory,
    http::{self, NotificationEndpoint, Served},
    queue::{self, Queue},
    railgun::{Intake, Intaking, Metrics, Route, Workers},
    register::{self, Claiming, Register, Remote},
    templates::Templates,
};

/// What accepts notifications and, if the configuration says so, delivers them.
pub struct Notifying {
    endpoint: Arc<NotificationEndpoint>,
    numbers: Arc<Numbers>,
    intaking: Intaking,
    workers: Option<Workers>,
    register: Arc<dyn Register>,
    queue: Arc<dyn Queue>,
}

impl Notifying {
    /// Opens register and queue, and begins.
    ///
    /// # Errors
    /// What is wrong, and with which option or file.
    pub async fn start(config: &Config, data: &DataDirectory) -> anyhow::Result<Self> {
        let routes = config.routes()?;
        let channels = routes.iter().map(Route::channel).collect();
        let templates = Arc::new(open_templates(config)?);
        let (services, worker_token) = (config.sending_services()?, config.worker_token()?);
        let register: Arc<dyn Register> =
            Arc::new(register::Embedded::open(&config.embedded_register(data.register()))?);
        let queue: Arc<dyn Queue> = match config.queue.kind {
            QueueKind::Embedded => Arc::new(queue::embedded::Embedded::open(&config.embedded_queue(data.queue()))?),
            QueueKind::Beanstalkd => Arc::new(queue::beanstalkd::Beanstalkd::new(config.beanstalkd()?)),
        };
        let keep = Duration::from_secs(config.railgun.keep_s);
        let intaking = Intaking::start(register.clone(), queue.clone(), keep);
        let metrics = Arc::new(Metrics::default());
        let claims: Arc<dyn Claiming> = register.clone();
        let workers = config
            .railgun
            .deliver
            .then(|| Workers::start(&claims, &queue, &templates, routes, config.retries(), &metrics));
        let operator_token = &config.operator.token;
        let numbers = Arc::new(Numbers::new(metrics.clone(), queue.clone(), operator_token));
        let parts = NotificationParts {
            intake: intaking.intake().clone(),
            queue: queue.clone(),
            templates,
            channels,
            defaults: config.notification_defaults(),
            metrics,
            workload: config.workload(),
        };
        let service = NotificationService::new(parts, services, operator_token, worker_token.as_deref())?;
        let (limits, worker_limits) = (config.notification_limits(), config.worker_limits());
        let endpoint = Arc::new(NotificationEndpoint { service, limits, worker_limits });
        Ok(Self { endpoint, numbers, intaking, workers, register, queue })
    }

    /// Where notifications come in.
    #[must_use]
    pub fn intake(&self) -> &Intake {
        self.intaking.intake()
    }

    /// What answers over HTTP.
    #[must_use]
    pub fn endpoint(&self) -> &Arc<NotificationEndpoint> {
        &self.endpoint
    }

    /// What it does, in numbers.
    #[must_use]
    pub fn numbers(&self) -> &Arc<Numbers> {
        &self.numbers
    }

    /// Answers until `shutdown` is done, without any games; then finishes what is under way.
    ///
    /// # Errors
    /// Where the listener fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        wait_max: Duration,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<()> {
        let (notifications, numbers) = (Some(self.endpoint.clone()), Some(self.numbers.clone()));
        let served = Served { games: None, notifications, numbers };
        let (stopping, mut stopped) = tokio::sync::watch::channel(false);
        let shutdown = async move {
            shutdown.await;
            stopping.send_replace(true);
        };
        // A client that never hears its answer must not keep deliveries from ending in good order.
        let late = async {
            let _stopped = stopped.wait_for(|stopped| *stopped).await;
            tokio::time::sleep(wait_max).await;
        };
        let ended = tokio::select! {
            ended = http::serve(listener, served, shutdown) => ended.context("the HTTP server ended"),
            () = late => Ok(()),
        };
        self.stop(wait_max).await;
        ended
    }

    /// Finishes what is under way, as far as that can be done in time, and closes everything.
    pub async fn stop(self, wait_max: Duration) {
        let Self { intaking, workers, register, queue, .. } = self;
        if let Some(workers) = workers {
            stop_workers(workers, wait_max).await;
        }
        intaking.stop().await;
        queue.close().await;
        register.close().await;
    }
}

/// A worker: it delivers what is in the queue, for a register that another process keeps.
pub struct Working {
    workers: Workers,
    queue: Arc<dyn Queue>,
    numbers: Arc<Numbers>,
}

impl Working {
    /// Begins.
    ///
    /// # Errors
    /// What is wrong, and with which option or file.
    pub async fn start(config: &Config) -> anyhow::Result<Self> {
        anyhow::ensure!(
            config.queue.kind == QueueKind::Beanstalkd,
            "queue.kind is \"embedded\", which is within one process: a worker needs \"beanstalkd\""
        );
        let remote = config.remote_register()?;
        let remote = remote.context("railgun.url must be the address of the process that accepts notifications")?;
        let register: Arc<dyn Claiming> = Arc::new(Remote::new(remote)?);
        let routes = config.routes()?;
        anyhow::ensure!(!routes.is_empty(), "there is nobody to deliver: declare providers as [[railgun.providers]]");
        let templates = Arc::new(open_templates(config)?);
        let queue: Arc<dyn Queue> = Arc::new(queue::beanstalkd::Beanstalkd::new(config.beanstalkd()?));
        let metrics = Arc::new(Metrics::default());
        let workers = Workers::start(&register, &queue, &templates, routes, config.retries(), &metrics);
        let numbers = Arc::new(Numbers::new(metrics, queue.clone(), &config.operator.token));
        Ok(Self { workers, queue, numbers })
    }

    /// Delivers until `shutdown` is done, or until nothing was to be done for so long; then finishes what is under way.
    /// Meanwhile it answers with numbers at the listener, if there is one.
    ///
    /// # Errors
    /// Where the listener fails.
    pub async fn work(
        self,
        listener: Option<TcpListener>,
        idle_max: Option<Duration>,
        wait_max: Duration,
        shutdown: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        let served = Served { games: None, notifications: None, numbers: Some(self.numbers) };
        let serving = async {
            match listener {
                Some(listener) => http::serve(listener, served, std::future::pending()).await,
                None => std::future::pending().await,
            }
        };
        let idle = async {
            match idle_max {
                Some(for_long) => self.workers.idle(for_long).await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            () = shutdown => Ok(()),
            () = idle => {
                tracing::info!("nothing is left to do");
                Ok(())
            }
            ended = serving => ended.context("the HTTP server ended"),
        };
        stop_workers(self.workers, wait_max).await;
        self.queue.close().await;
        ended
    }
}

async fn stop_workers(workers: Workers, wait_max: Duration) {
    if tokio::time::timeout(wait_max, workers.stop()).await.is_err() {
        tracing::warn!("some deliveries did not end in time: they are tried again, and may arrive twice");
    }
}

/// The templates that the configuration names.
fn open_templates(config: &Config) -> anyhow::Result<Templates> {
    Ok(Templates::load(&config.railgun.templates, config.railgun.locale.clone())?)
}
