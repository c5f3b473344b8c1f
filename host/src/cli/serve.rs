//! `croupier serve`

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use tokio::net::TcpListener;

use crate::{config::Config, host::Host, signals::stop_signal, telemetry};

/// Serve games to players' clients (POST /rpc) and to the operator (POST /operator)
///
/// Stops on SIGTERM or SIGINT once the calls that were begun are answered.
/// Options come from a TOML file and from the environment, which comes first; unknown ones are refused.
#[derive(Debug, Args)]
#[command(after_long_help = options_help())]
pub(super) struct Serve {
    /// The configuration file; without one, defaults and the environment hold
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn options_help() -> String {
    format!("Options of the configuration, with their defaults and environment variables:\n{}", Config::help())
}

impl Serve {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = Config::load(self.config.as_deref(), environment())?;
        telemetry::start(config.log.format, &config.log.filter)?;
        super::runtime()?.block_on(async {
            // Before anybody can be told that it listens, and stop it.
            let stop = stop_signal()?;
            let host = Host::start(&config).await?;
            let listener = listen(&config.server.listen).await?;
            tracing::info!(address = %listener.local_addr()?, "listening");
            host.serve(listener, stop).await
        })
    }
}

/// Names the host that commands ask. It begins like the variables of options, and is none of a host's own.
pub(super) const HOST_VARIABLE: &str = "CROUPIER_HOST";

/// The environment's variables that are text; ours all are.
pub(super) fn environment() -> impl Iterator<Item = (String, String)> {
    let variables = std::env::vars_os();
    let variables = variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    variables.filter(|(name, _)| name != HOST_VARIABLE)
}

pub(super) async fn listen(address: &str) -> anyhow::Result<TcpListener> {
    let context = || format!("cannot listen on {address}: is another host running? server.listen chooses another port");
    TcpListener::bind(address).await.with_context(context)
}
