//! `croupier worker`

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::serve::{environment, listen, options_help};
use crate::{config::Config, host::Working, signals::stop_signal, telemetry};

/// Deliver the notifications that wait in a beanstalkd
///
/// Any number of workers may run. Each claims what it delivers from the process at railgun.url, which keeps the register,
/// so nothing is delivered twice; what a worker that dies had taken is delivered by another once its lease is over.
/// Stops on SIGTERM or SIGINT once the deliveries under way are done.
#[derive(Debug, Args)]
#[command(after_long_help = options_help())]
pub(super) struct Worker {
    /// The configuration file; without one, defaults and the environment hold
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// End once nothing was ready or under way for so many seconds, with 0 as soon as nothing is; what waits for its time is
    /// left to others
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "10")]
    exit_when_idle: Option<u64>,
    /// Answer GET /metrics (with the operator's token) and GET /healthz at this address and port
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
}

impl Worker {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = Config::load(self.config.as_deref(), environment())?;
        telemetry::start(config.log.format, &config.log.filter)?;
        super::runtime()?.block_on(async {
            config.check_railgun()?;
            if self.listen.is_some() {
                config.check_operator()?;
            }
            let stop = stop_signal()?;
            let working = Working::start(&config).await?;
            let listener = match &self.listen {
                Some(address) => Some(listen(address).await?),
                None => None,
            };
            match &listener {
                Some(listener) => tracing::info!(address = %listener.local_addr()?, "working"),
                None => tracing::info!("working"),
            }
            let wait_max = Duration::from_millis(config.server.shutdown_wait_ms_max);
            working.work(listener, self.exit_when_idle.map(Duration::from_secs), wait_max, stop).await
        })
    }
}
