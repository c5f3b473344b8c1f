//! `croupier dev`

mod building;
mod demo;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;
use data_encoding::HEXLOWER;

use self::{building::Building, demo::Demo};
use super::serve::{environment, listen};
use crate::{
    catalog::{Activation, Upload, motive},
    config::Config,
    data_directory::DataDirectory,
    host::Host,
    identity::{GameId, ReleaseDigest},
    listing::Actor,
    signals::stop_signal,
    telemetry,
};

/// Build games, start a host and play: everything on this computer, with a demo player who has money
///
/// Whatever changes in the games' sources is built again and played at once. Where it does not build, what was built before is
/// played on. The player keeps money, state and open rounds in the data directory until it is removed.
#[derive(Debug, Args)]
pub(super) struct Dev {
    /// A game's folder, or one whose subfolders are games [default: 'games' where there is such a folder, or else this one]
    #[arg(value_name = "FOLDER")]
    games: Option<PathBuf>,
    /// The host's directory
    #[arg(long, default_value = ".croupier", value_name = "DIRECTORY")]
    data: PathBuf,
    /// Address and port for HTTP
    #[arg(long, env = "CROUPIER_SERVER_LISTEN", default_value = "127.0.0.1:7070", value_name = "ADDRESS")]
    listen: String,
    /// Play the components in this folder instead of building any
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "games")]
    components: Option<PathBuf>,
}

impl Dev {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut config = Config::load(None, environment())?;
        if config.log.filter == Config::default().log.filter {
            // What games log is what their designers want to read.
            config.log.filter.push_str(",game=debug");
        }
        telemetry::start(config.log.format, &config.log.filter)?;
        let building = match &self.components {
            Some(_) => None,
            None => Some(Building::begin(self.games.as_deref(), &self.data.join("components"))?),
        };
        config.games.directory = self.components.unwrap_or_else(|| self.data.join("components"));
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
            if let Some(building) = building {
                building.go_on()?;
            }
            host.serve(listener, stop_signal()?).await
        })
    }
}

/// Plays what was built, and nothing else, whatever was done in this data directory before. What is refused says why, and
/// then what was played before may be what it is to replace: all of that is played on.
async fn activate_built(host: &Host, components: &Path) -> anyhow::Result<()> {
    let mut built = BTreeSet::new();
    let mut is_all = true;
    for path in files_with_extension(components, "wasm")? {
        match activate(host, &path).await {
            Ok(game) => drop(built.insert(game)),
            Err(error) => {
                eprintln!("{}: {error:#}", path.display());
                is_all = false;
            }
        }
    }
    let catalog = host.catalog();
    for (game, live) in catalog.live().iter() {
        let disabled = is_all && !built.contains(game);
        if live.listing.disabled != disabled {
            let why = if disabled { "it was not built" } else { "it was built" };
            catalog.set_disabled(game, disabled, motive(Actor::Croupier, Some(why.to_owned()))).await?;
        }
    }
    Ok(())
}

async fn activate(host: &Host, component: &Path) -> anyhow::Result<GameId> {
    let catalog = host.catalog();
    let component = std::fs::read(component)?;
    let release = ReleaseDigest::of(&component);
    let live = catalog.live();
    let known = live.values().find(|game| game.listing.release(&release).is_ok());
    let motive = motive(Actor::Croupier, Some("it was built".to_owned()));
    let game = match known {
        Some(known) => catalog.activate(&known.listing.game, release, Activation::default(), motive).await?,
        None => {
            let upload = Upload { component: component.into(), signature: None };
            catalog.publish(upload, Some(Activation::default()), motive).await?.game
        }
    };
    Ok(game.listing.game.clone())
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
