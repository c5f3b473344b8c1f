//! `croupier client`

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::serve::environment;
use crate::{
    api,
    catalog::Playable,
    client,
    config::Config,
    engine::{self, Engine},
};

/// What a host has to answer within.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(60);

/// Write a client: typed calls of every method that a host, a document or some games have
///
/// It is one file, which needs nothing else. Write it anew when games change.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("source").required(true))]
pub(super) struct Client {
    /// What to write: a client in TypeScript, or the OpenRPC document that it is written from
    #[arg(long, value_enum, default_value = "ts")]
    lang: Lang,
    /// Of what a running host plays now
    #[arg(long, value_name = "URL", group = "source")]
    host: Option<String>,
    /// Of an OpenRPC document
    #[arg(long, value_name = "FILE", group = "source")]
    openrpc: Option<PathBuf>,
    /// Of these components, on a host that plays nothing else
    #[arg(value_name = "COMPONENT", group = "source")]
    components: Vec<PathBuf>,
    /// Where it goes [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Lang {
    Ts,
    Openrpc,
}

impl Client {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let document = match (&self.host, &self.openrpc) {
            (Some(host), _) => of_host(host).with_context(|| format!("{host} does not say what can be called"))?,
            (_, Some(file)) => of_file(file).with_context(|| file.display().to_string())?,
            _ => of_components(&self.components)?,
        };
        let text = match self.lang {
            Lang::Ts => client::typescript(&document)?,
            Lang::Openrpc => format!("{document:#}\n"),
        };
        match &self.output {
            Some(file) => fs::write(file, text).with_context(|| file.display().to_string())?,
            None => print!("{text}"),
        }
        Ok(())
    }
}

fn of_host(host: &str) -> anyhow::Result<Value> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "rpc.discover" });
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(ANSWER_WAIT_MAX)).build().into();
    let request = agent.post(format!("{}/rpc", host.trim_end_matches('/')));
    let mut answer = request.header("Content-Type", "application/json").send(body.to_string())?;
    let mut answer: Value = serde_json::from_str(&answer.body_mut().read_to_string()?)?;
    anyhow::ensure!(answer["error"].is_null(), "{}", answer["error"]);
    Ok(answer["result"].take())
}

fn of_file(file: &Path) -> anyhow::Result<Value> {
    Ok(serde_json::from_slice(&fs::read(file)?)?)
}

fn of_components(components: &[PathBuf]) -> anyhow::Result<Value> {
    let config = Config::load(None, environment())?;
    let settings = engine::Settings { cache_directory: None, ..config.engine(PathBuf::new()) };
    let engine = Arc::new(Engine::start(settings)?);
    let loaded = super::runtime()?.block_on(async {
        let mut games = Vec::new();
        for path in components {
            let load = async { anyhow::Ok(Playable::load(&engine, fs::read(path)?).await?) };
            games.push(Arc::new(load.await.with_context(|| path.display().to_string())?));
        }
        anyhow::Ok(games)
    });
    Ok(serde_json::from_str(api::player_document(&loaded?)?.as_str())?)
}
