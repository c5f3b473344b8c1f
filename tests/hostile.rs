//! Hostile and broken games: each gets its own error, moves no money, and leaves the host and its other games as they were.

pub(crate) mod components;
mod loading;
pub(crate) mod observation;
mod playing;

use std::{fs, path::PathBuf, sync::LazyLock};

use crate::harness;

/// A folder with games that misbehave when they are played, and two honest ones.
static GAMES: LazyLock<PathBuf> = LazyLock::new(|| {
    let root = harness::root();
    let games = ["tests/hostile_games/misbehaving", "games/fruit-slots", "games/roulette"];
    let folder = harness::build("hostile", games.map(|game| root.join(game)).to_vec());
    for (name, component) in components::broken_when_played() {
        fs::write(folder.join(format!("{name}.wasm")), component).unwrap();
    }
    folder
});

/// The component of the game that misbehaves in many ways.
pub(crate) fn misbehaving() -> Vec<u8> {
    fs::read(GAMES.join("misbehaving.wasm")).unwrap()
}
