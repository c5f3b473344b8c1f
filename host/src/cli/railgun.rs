//! `croupier railgun`

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::serve::{environment, listen, options_help};
use crate::{config::Config, data_directory::DataDirectory, host::Notifying, signals::stop_signal, telemetry};

/// Accept notifications of backends (POST /notify) and deliver them, without any games
///
/// What is accepted is kept in the register and lost by nobody, whatever becomes of the queue. 'croupier serve' does the
/// same beside its games; this is for whoever wants notifications alone, in a directory of its own.
/// Stops on SIGTERM or SIGINT once the deliveries under way are done.
#[derive(Debug, Args)]
#[command(after_long_help = options_help())]
pub(super) struct Railgun {
    /// The configuration file; without one, defaults and the environment hold
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Railgun {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = Config::load(self.config.as_deref(), environment())?;
        telemetry::start(config.log.format, &config.log.filter)?;
        super::runtime()?.block_on(async {
            config.check_operator()?;
            config.check_railgun()?;
            let stop = stop_signal()?;
            let data = DataDirectory::open(&config.store.directory)?;
            let notifying = Notifying::start(&config, &data).await?;
            let listener = listen(&config.railgun.listen).await?;
            tracing::info!(address = %listener.local_addr()?, "listening");
            let wait_max = Duration::from_millis(config.server.shutdown_wait_ms_max);
            notifying.serve(listener, wait_max, stop).await
        })
    }
}
