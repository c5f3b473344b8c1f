//! `croupier game`: what publishers and operators do with releases. One concern a file; `keygen` and `sign` touch files
//! alone, all else asks a running host through its operator's endpoint.

mod acts;
mod answers;
mod keys;
mod operator;
mod publish;
mod table;
mod views;

use clap::Subcommand;

pub(super) use self::{
    keys::signature_path,
    table::{plain, short},
};

/// Sign, publish and look after the releases of games
///
/// A release is one build of a game, named by the SHA-256 of its component. keygen and sign work on files; the other
/// commands ask a running host, as its operator.
#[derive(Debug, Subcommand)]
pub(super) enum Game {
    Keygen(keys::Keygen),
    Sign(keys::Sign),
    Publish(publish::Publish),
    Activate(acts::Activate),
    Rollback(acts::Rollback),
    Disable(acts::Disable),
    Enable(acts::Enable),
    List(views::List),
    Releases(views::Releases),
    Verify(views::Verify),
}

impl Game {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Keygen(keygen) => keygen.run(),
            Self::Sign(sign) => sign.run(),
            Self::Publish(publish) => publish.run(),
            Self::Activate(activate) => activate.run(),
            Self::Rollback(rollback) => rollback.run(),
            Self::Disable(disable) => disable.run(),
            Self::Enable(enable) => enable.run(),
            Self::List(list) => list.run(),
            Self::Releases(releases) => releases.run(),
            Self::Verify(verify) => verify.run(),
        }
    }
}
