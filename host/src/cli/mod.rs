//! The command line: one command a file.

mod bench;
mod build;
mod check;
mod client;
mod dev;
mod fair;
mod game;
mod ledger;
mod new;
mod railgun;
mod replay;
mod round;
mod serve;
mod simulate;
mod store;
mod tracking;
mod worker;

use std::{process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};

/// How long a thread for blocking work is kept that has none. They take turns, so a little work now and then would keep
/// all of them that a burst has made: each with memory of its own, and in the way of the database's bookkeeping, which
/// looks at every thread.
const IDLE_THREAD_MAX: Duration = Duration::from_millis(500);

/// A WebAssembly host for casino and betting games.
///
/// Games are sandboxed components; players' clients call them through one JSON-RPC 2.0 endpoint;
/// money, documents and chance are the host's.
#[derive(Debug, Parser)]
#[command(name = "croupier", version, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    New(new::New),
    Dev(dev::Dev),
    Serve(serve::Serve),
    Railgun(railgun::Railgun),
    Worker(worker::Worker),
    Build(build::Build),
    Check(check::Check),
    Client(client::Client),
    Simulate(simulate::Simulate),
    #[command(subcommand)]
    Game(game::Game),
    #[command(subcommand)]
    Ledger(ledger::Ledger),
    Replay(replay::Replay),
    #[command(subcommand)]
    Round(round::Round),
    #[command(subcommand)]
    Fair(fair::Fair),
    #[command(subcommand)]
    Store(store::Store),
    #[command(subcommand)]
    Tracking(tracking::Tracking),
    Bench(bench::Bench),
}

impl Cli {
    /// Does what the command line says; the status to end with.
    ///
    /// # Errors
    /// What went wrong, in words for the terminal.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let done = match self.command {
            Command::Check(check) => return Ok(check.run()),
            Command::New(new) => new.run(),
            Command::Client(client) => client.run(),
            Command::Simulate(simulate) => return Ok(simulate.run()),
            Command::Dev(dev) => dev.run(),
            Command::Serve(serve) => serve.run(),
            Command::Railgun(railgun) => railgun.run(),
            Command::Worker(worker) => worker.run(),
            Command::Build(build) => build.run(),
            Command::Game(game) => game.run(),
            Command::Ledger(ledger) => ledger.run(),
            Command::Replay(replay) => replay.run(),
            Command::Round(round) => round.run(),
            Command::Fair(fair) => fair.run(),
            Command::Store(store) => store.run(),
            Command::Tracking(tracking) => tracking.run(),
            Command::Bench(bench) => bench.run(),
        };
        done.map(|()| ExitCode::SUCCESS)
    }
}

/// A runtime for a command that serves.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().thread_keep_alive(IDLE_THREAD_MAX).build()?)
}
