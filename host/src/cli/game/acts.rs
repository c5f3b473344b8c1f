//! `croupier game activate`, `rollback`, `disable` and `enable`: which release is played, and whether.

use std::str::FromStr;

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::{
    answers::{GameReleases, GameState, Release},
    operator::Operator,
    table::short,
};
use crate::identity::{GameId, ReleaseDigest};

/// Let new rounds be played on a release that was published
///
/// Open rounds finish on the release that opened them.
#[derive(Debug, Args)]
pub(in crate::cli) struct Activate {
    /// The game's id, as in fruit-slots
    game: GameId,
    /// The release's digest, or enough of its beginning
    release: ReleasePrefix,
    /// As a candidate, for N percent only
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100))]
    percent: Option<u8>,
    #[command(flatten)]
    act: Act,
}

/// Go back to the release that was active before
#[derive(Debug, Args)]
pub(in crate::cli) struct Rollback {
    /// The game's id, as in fruit-slots
    game: GameId,
    #[command(flatten)]
    act: Act,
}

/// Take a game out of play: no new rounds
#[derive(Debug, Args)]
pub(in crate::cli) struct Disable {
    /// The game's id, as in fruit-slots
    game: GameId,
    #[command(flatten)]
    act: Act,
}

/// Put a disabled game back into play
#[derive(Debug, Args)]
pub(in crate::cli) struct Enable {
    /// The game's id, as in fruit-slots
    game: GameId,
    #[command(flatten)]
    act: Act,
}

#[derive(Debug, Args)]
struct Act {
    /// The reason, for the game's history
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    #[command(flatten)]
    operator: Operator,
}

/// Params of all these methods.
#[derive(Serialize)]
struct Params<'a> {
    game: &'a GameId,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<ReleaseDigest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
}

impl Activate {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let release = match self.release.whole() {
            Some(release) => release,
            None => {
                let answer = self.act.operator.call("game.releases", json!({ "game": self.game }))?;
                self.release.find(&self.game, &answer.read::<GameReleases>()?.releases)?
            }
        };
        self.act.run("game.activate", &self.game, Some(release), self.percent)
    }
}

impl Rollback {
    pub(super) fn run(self) -> anyhow::Result<()> {
        self.act.run("game.rollback", &self.game, None, None)
    }
}

impl Disable {
    pub(super) fn run(self) -> anyhow::Result<()> {
        self.act.run("game.disable", &self.game, None, None)
    }
}

impl Enable {
    pub(super) fn run(self) -> anyhow::Result<()> {
        self.act.run("game.enable", &self.game, None, None)
    }
}

impl Act {
    fn run(
        &self,
        method: &'static str,
        game: &GameId,
        release: Option<ReleaseDigest>,
        percent: Option<u8>,
    ) -> anyhow::Result<()> {
        let answer = self.operator.call(method, Params { game, release, percent, why: self.why.as_deref() })?;
        self.operator.show(&answer, |state: &GameState| GameState::table(std::slice::from_ref(state)))
    }
}

/// The first digits of a release's digest, or all of them.
#[derive(Clone, Debug)]
struct ReleasePrefix(String);

impl FromStr for ReleasePrefix {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err("a release is named by up to 64 hexadecimal digits")
        }
    }
}

impl ReleasePrefix {
    fn whole(&self) -> Option<ReleaseDigest> {
        self.0.parse().ok()
    }

    fn find(&self, game: &GameId, releases: &[Release]) -> anyhow::Result<ReleaseDigest> {
        let digests = releases.iter().map(|release| release.release);
        let found: Vec<_> = digests.filter(|digest| digest.to_string().starts_with(&self.0)).collect();
        match found[..] {
            [] => anyhow::bail!("no release of {game} begins with {}: see 'croupier game releases {game}'", self.0),
            [release] => Ok(release),
            _ => {
                let found: Vec<_> = found.iter().map(short).collect();
                anyhow::bail!("{} releases of {game} begin with {}: {}", found.len(), self.0, found.join(", "))
            }
        }
    }
}
