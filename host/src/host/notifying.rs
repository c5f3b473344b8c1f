//! The railgun, put together from its configuration: as a part of a host, or by itself.

use std::{future::Future, sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::net::TcpListener;

use crate::{
    api::{NotificationParts, NotificationService},
    config::{Config, QueueKind},
    data_directory::DataDirectory,
    http::{self, NotificationEndpoint, Served},
    queue::{self, Queue},
    railgun::{Intake, Intaking, Metrics, Route, Workers},
    register::{self, Register},
    templates::Templates,
};

/// What accepts notifications and, if the configuration says so, delivers them.
pub struct Notifying {
    endpoint: Arc<NotificationEndpoint>,
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
        let services = config.sending_services()?;
        let register = open_register(config, data)?;
        let queue = open_queue(config, data)?;
        let keep = Duration::from_secs(config.railgun.keep_s);
        let intaking = Intaking::start(register.clone(), queue.clone(), keep);
        let metrics = Arc::new(Metrics::default());
        let workers = config
            .railgun
            .deliver
            .then(|| Workers::start(&register, &queue, &templates, routes, config.retries(), &metrics));
        let parts = NotificationParts {
            intake: intaking.intake().clone(),
            queue: queue.clone(),
            templates,
            channels,
            defaults: config.notification_defaults(),
            metrics,
            workload: config.workload(),
        };
        let service = NotificationService::new(parts, services, &config.operator.token)?;
        let endpoint = Arc::new(NotificationEndpoint { service, limits: config.notification_limits() });
        Ok(Self { endpoint, intaking, workers, register, queue })
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
        let served = Served { games: None, notifications: Some(self.endpoint.clone()) };
        http::serve(listener, served, shutdown).await.context("the HTTP server ended")?;
        self.stop(wait_max).await;
        Ok(())
    }

    /// Finishes what is under way, as far as that can be done in time, and closes everything.
    pub async fn stop(self, wait_max: Duration) {
        let Self { intaking, workers, register, queue, .. } = self;
        if let Some(workers) = workers
            && tokio::time::timeout(wait_max, workers.stop()).await.is_err()
        {
            tracing::warn!("some deliveries did not end in time: they are tried again, and may arrive twice");
        }
        intaking.stop().await;
        queue.close().await;
        register.close().await;
    }
}

/// The register that the configuration names.
///
/// # Errors
/// Where it cannot be opened.
fn open_register(config: &Config, data: &DataDirectory) -> anyhow::Result<Arc<dyn Register>> {
    Ok(Arc::new(register::Embedded::open(&config.embedded_register(data.register()))?))
}

/// The queue that the configuration names. A server that does not answer yet is waited for.
///
/// # Errors
/// Where it cannot be opened.
fn open_queue(config: &Config, data: &DataDirectory) -> anyhow::Result<Arc<dyn Queue>> {
    Ok(match config.queue.kind {
        QueueKind::Embedded => Arc::new(queue::embedded::Embedded::open(&config.embedded_queue(data.queue()))?),
        QueueKind::Beanstalkd => Arc::new(queue::beanstalkd::Beanstalkd::new(config.beanstalkd()?)),
    })
}

/// The templates that the configuration names.
///
/// # Errors
/// Where they cannot be read, or one is none.
fn open_templates(config: &Config) -> anyhow::Result<Templates> {
    Ok(Templates::load(&config.railgun.templates, config.railgun.locale.clone())?)
}
