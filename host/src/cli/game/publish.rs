//! `croupier game publish`

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;
use data_encoding::BASE64;
use serde::Serialize;

use super::{answers::Published, keys::signature_path, operator::Operator};
use crate::{identity::ReleaseDigest, signing::Signature};

/// Hand releases to a running host, which checks, compiles and keeps them
///
/// Players come to play a release once it is active. A FILE.sig beside a component goes with it.
#[derive(Debug, Args)]
pub(in crate::cli) struct Publish {
    /// Components, as 'croupier build' makes them
    #[arg(required = true, value_name = "FILE")]
    components: Vec<PathBuf>,
    /// The component's signature [default: FILE.sig, if it is there]
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// Let new rounds be played on it at once
    #[arg(long)]
    activate: bool,
    /// As a candidate, for the new rounds of N percent of the players
    #[arg(long, value_name = "N", requires = "activate", value_parser = clap::value_parser!(u8).range(1..=100))]
    percent: Option<u8>,
    /// The reason, for the game's history
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    #[command(flatten)]
    operator: Operator,
}

/// Params of `game.publish`.
#[derive(Serialize)]
struct Params<'a> {
    component: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
    activate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
}

impl Publish {
    pub(super) fn run(self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.signature.is_none() || self.components.len() == 1,
            "--signature is of one component: put FILE.sig beside each of several"
        );
        for component in &self.components {
            self.publish(component).with_context(|| component.display().to_string())?;
        }
        Ok(())
    }

    fn publish(&self, path: &Path) -> anyhow::Result<()> {
        let component = fs::read(path)?;
        let release = ReleaseDigest::of(&component);
        let params = Params {
            component: BASE64.encode(&component),
            signature: self.signature(path, &release)?,
            activate: self.activate,
            percent: self.percent,
            why: self.why.as_deref(),
        };
        let answer = self.operator.call("game.publish", params)?;
        let published: Published = answer.read()?;
        anyhow::ensure!(
            published.release == release,
            "the host has got other bytes: it names them {}",
            published.release
        );
        self.operator.show(&answer, |published: &Published| published.words(self.percent))
    }

    /// The text of the component's signature. Proved here already, so that a signature left over from the build
    /// before is seen before anything is sent.
    fn signature(&self, component: &Path, release: &ReleaseDigest) -> anyhow::Result<Option<String>> {
        let path = match &self.signature {
            Some(path) => path.clone(),
            None => signature_path(component),
        };
        if self.signature.is_none() && !path.exists() {
            return Ok(None);
        }
        let read = || {
            let text = fs::read_to_string(&path)?;
            Signature::parse(&text)?.verify(release)?;
            anyhow::Ok(text)
        };
        read().map(Some).with_context(|| path.display().to_string())
    }
}
