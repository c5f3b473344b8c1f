//! Releases that come and go while they are played.

mod candidates;
mod commands;
mod directory;
mod kills;
mod rounds;
mod uploads;
mod verification;

use std::fs;

use croupier::identity::ReleaseDigest;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    harness::{GAMES, Host, Options},
    hostile::components::Handmade,
};

/// A release of `handmade` that answers with this word.
fn saying(word: &str) -> Vec<u8> {
    Handmade { body: format!("\"{word}\""), ..Handmade::default() }.component()
}

/// A release of `handmade` that breaks down whenever it is called.
fn broken() -> Vec<u8> {
    Handmade { handle: "(unreachable)", ..Handmade::default() }.component()
}

/// The component of a shipped game.
fn shipped(game: &str) -> Vec<u8> {
    fs::read(GAMES.join(format!("{game}.wasm"))).unwrap()
}

/// Another release of the same rules: the component with a section that means nothing.
fn marked(component: &[u8], mark: &str) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).unwrap();
    let section = [&[4][..], b"mark", mark.as_bytes()].concat();
    assert!(section.len() < 128);
    [component, &[0, length(mark) + 5], &section].concat()
}

fn digest(component: &[u8]) -> String {
    ReleaseDigest::of(component).to_string()
}

/// A host with a folder of its own for games.
struct House {
    host: Host,
    games: TempDir,
}

impl House {
    fn open(config: &str) -> Self {
        let games = tempfile::tempdir().unwrap();
        let options = Options { games: Some(games.path().to_owned()), config: config.to_owned(), ..Options::default() };
        Self { host: Host::start_with(options), games }
    }

    /// One whose game `handmade` answers with this word.
    fn saying(word: &str) -> Self {
        let house = Self::open("");
        house.host.publish(&saying(word)).unwrap();
        house
    }

    fn restart(&mut self) {
        let (status, log) = self.host.terminate();
        assert!(status.success(), "{log}");
        self.host.restart();
    }

    /// Restarts with another configuration.
    fn restart_with(&mut self, config: &str) {
        self.host.set_config(config);
        self.restart();
    }

    /// What the game answers to this player.
    fn said(&self, token: &str) -> Value {
        self.host.call(token, "handmade.play", json!({})).unwrap_or_else(|error| error)
    }

    fn act(&self, act: &str, mut params: Value) -> Result<Value, Value> {
        if params.get("game").is_none() {
            params["game"] = "handmade".into();
        }
        self.host.operator(&format!("game.{act}"), params)
    }

    fn history(&self, game: &str) -> Vec<Value> {
        let releases = self.act("releases", json!({ "game": game, "limit": 1000 })).unwrap();
        releases["history"].as_array().unwrap().clone()
    }

    fn deeds(&self) -> Vec<String> {
        self.history("handmade").iter().map(|act| act["act"].as_str().unwrap().to_owned()).collect()
    }
}
