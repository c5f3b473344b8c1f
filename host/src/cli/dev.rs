//! `croupier dev`

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use super::{
    build::build_all,
    serve::{environment, listen},
};
use crate::{
    catalog::{Activation, Upload, motive},
    config::Config,
    data_directory::DataDirectory,
    host::Host,
    identity::ReleaseDigest,
    listing::Actor,
    signals::stop_signal,
    telemetry,
};

/// Build the games, start a host and play: everything on this computer, with a demo player who has money
///
/// The player keeps money and rounds in the data directory until it is removed.
#[derive(Debug, Args)]
pub(super) struct Dev {
    /// The folder whose subfolders are games
    #[arg(long, default_value = "games", value_name = "DIRECTORY")]
    games: PathBuf,
    /// The host's directory
    #[arg(long, default_value = ".croupier", value_name = "DIRECTORY")]
    data: PathBuf,
    /// Address and port for HTTP
    #[arg(long, default_value = "127.0.0.1:7070", value_name = "ADDRESS")]
    listen: String,
    /// Play the components in this folder instead of building any
    #[arg(long, value_name = "DIRECTORY")]
    components: Option<PathBuf>,
}

impl Dev {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut config = Config::load(None, environment())?;
        telemetry::start(config.log.format, &config.log.filter)?;
        config.games.directory = match &self.components {
            Some(components) => components.clone(),
            None => build_games(&self.games, &self.data.join("components"))?,
        };
        config.store.directory = self.data.clone();
        config.server.listen = self.listen;
        config.operator.token = operator_token(&self.data)?;
        super::runtime()?.block_on(async {
            let host = Host::start(&config).await?;
            activate_built(&host, &config.games.directory).await?;
            let listener = listen(&config.server.listen).await?;
            let address = format!("http://{}", listener.local_addr()?);
            let demo = Demo::prepare(&host).await?;
            demo.print(&address, &config.operator.token, &host);
            host.serve(listener, stop_signal()?).await
        })
    }
}

fn build_games(games: &Path, output: &Path) -> anyhow::Result<PathBuf> {
    // What is no longer a game must not be played on.
    if output.is_dir() {
        std::fs::remove_dir_all(output).with_context(|| output.display().to_string())?;
    }
    build_all(games, output, |line| println!("{line}"))?;
    Ok(output.to_owned())
}

/// Plays what was built, and nothing else, whatever was done in this data directory before.
async fn activate_built(host: &Host, components: &Path) -> anyhow::Result<()> {
    let catalog = host.catalog();
    let mut built = BTreeSet::new();
    for path in files_with_extension(components, "wasm")? {
        let component = std::fs::read(&path)?;
        let release = ReleaseDigest::of(&component);
        let live = catalog.live();
        let known = live.values().find(|game| game.listing.release(&release).is_ok());
        let motive = motive(Actor::Croupier, Some("it was built".to_owned()));
        let game = match known {
            Some(known) => {
                let activated = catalog.activate(&known.listing.game, release, Activation::default(), motive);
                activated.await.with_context(|| path.display().to_string())?
            }
            None => {
                let upload = Upload { component: component.into(), signature: None };
                let published = catalog.publish(upload, Some(Activation::default()), motive);
                published.await.with_context(|| path.display().to_string())?.game
            }
        };
        built.insert(game.listing.game.clone());
    }
    for (game, live) in catalog.live().iter() {
        let disabled = !built.contains(game);
        if live.listing.disabled != disabled {
            let why = if disabled { "it was not built" } else { "it was built" };
            catalog.set_disabled(game, disabled, motive(Actor::Croupier, Some(why.to_owned()))).await?;
        }
    }
    Ok(())
}

fn files_with_extension(directory: &Path, extension: &str) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    Ok(paths.into_iter().filter(|path| path.extension().is_some_and(|found| found == extension)).collect())
}

/// The same at every start on the same directory, so that pasted lines keep working.
fn operator_token(data: &Path) -> anyhow::Result<String> {
    let secret = DataDirectory::open(data)?.secret("operator.token")?;
    Ok(HEXLOWER.encode(&secret[..16]))
}

/// A player with money and a session.
struct Demo {
    token: String,
    balance: Value,
}

impl Demo {
    const PLAYER: &str = "demo";
    const CURRENCY: &str = "EUR";

    async fn prepare(host: &Host) -> anyhow::Result<Self> {
        let call = async |method: &str, params: Value| -> anyhow::Result<Value> {
            host.operator_call(method, params).await.with_context(|| format!("the demo player: {method}"))
        };
        call("player.create", json!({ "player": Self::PLAYER })).await?;
        let welcome = json!({
            "player": Self::PLAYER, "currency": Self::CURRENCY, "amount": 1_000_000,
            "reason": "welcome", "idempotency_key": "welcome",
        });
        let player = call("player.get", json!({ "player": Self::PLAYER })).await?;
        if player["balances"].get(Self::CURRENCY).is_none() {
            call("wallet.deposit", welcome).await?;
        }
        let session = json!({ "player": Self::PLAYER, "currency": Self::CURRENCY, "ttl_s": 30 * 24 * 60 * 60 });
        let session = call("session.open", session).await?;
        let player = call("player.get", json!({ "player": Self::PLAYER })).await?;
        let token = session["token"].as_str().context("a session has a token")?.to_owned();
        Ok(Self { token, balance: player["balances"][Self::CURRENCY].clone() })
    }

    fn print(&self, address: &str, operator_token: &str, host: &Host) {
        let games: Vec<_> =
            host.catalog().playables().iter().map(|game| game.release.descriptor().id.to_string()).collect();
        println!("\nplaying {} on {address} (Ctrl-C stops)", games.join(", "));
        println!("player '{}' has {} minor units of {}. Paste these:\n", Self::PLAYER, self.balance, Self::CURRENCY);
        println!("TOKEN={}\nOPERATOR={operator_token}\n", self.token);
        let lines = [
            ("TOKEN", "/rpc", "fruit-slots.spin", json!({ "line_stake": 5, "idempotency_key": "spin-1" })),
            ("TOKEN", "/rpc", "blackjack.deal", json!({ "stake": 100 })),
            ("TOKEN", "/rpc", "blackjack.stand", json!({})),
            ("TOKEN", "/rpc", "roulette.spin", json!({ "bets": [{ "kind": "red", "stake": 100 }] })),
            ("TOKEN", "/rpc", "plinko.drop", json!({ "stake": 100, "risk": "high", "balls": 3 })),
            ("TOKEN", "/rpc", "wallet.balance", json!({})),
            ("TOKEN", "/rpc", "round.list", json!({ "limit": 5 })),
            ("TOKEN", "/rpc", "rpc.discover", json!({})),
            ("OPERATOR", "/operator", "ledger.check", json!({})),
            ("OPERATOR", "/operator", "stats.games", json!({})),
        ];
        for (token, path, method, params) in lines {
            if !method_is_there(host, method) {
                continue;
            }
            let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
            println!("curl -s {address}{path} -H \"Authorization: Bearer ${token}\" -d '{body}'");
        }
        println!();
    }
}

/// The host's own methods are always there, a game's where the game is.
fn method_is_there(host: &Host, method: &str) -> bool {
    let Some((game, name)) = method.split_once('.') else { return false };
    let methods_of = |game: &crate::engine::Descriptor| game.methods.iter().any(|method| method.name == name);
    let playables = host.catalog().playables();
    match playables.iter().map(|game| game.release.descriptor()).find(|descriptor| descriptor.id.as_str() == game) {
        Some(descriptor) => methods_of(descriptor),
        None => matches!(game, "wallet" | "round" | "rpc" | "ledger" | "stats"),
    }
}
