//! The files of a new game, which `host/new_game` holds as they would be for the game `new-game`, "New Game".

use super::{Language, sdk::Dependency};
use crate::identity::GameId;

/// A file of a new game.
pub(super) struct File {
    /// Within the game's folder.
    pub(super) path: &'static str,
    text: &'static str,
}

macro_rules! files {
    ($folder:literal: $($path:literal from $source:literal),* $(,)?) => {
        &[$(File { path: $path, text: include_str!(concat!("../../new_game/", $folder, "/", $source)) }),*]
    };
}

const RUST: &[File] = files!("rust":
    ".gitignore" from "gitignore",
    "Cargo.toml" from "Cargo.toml",
    "README.md" from "README.md",
    "src/lib.rs" from "src/lib.rs",
    "src/rules.rs" from "src/rules.rs",
    "src/simulation.rs" from "src/simulation.rs",
    "src/tests.rs" from "src/tests.rs",
);

const JAVASCRIPT: &[File] = files!("js":
    ".gitignore" from "gitignore",
    ".npmrc" from "npmrc",
    "README.md" from "README.md",
    "package.json" from "package.json",
    "src/game.js" from "src/game.js",
    "src/rules.js" from "src/rules.js",
    "test/play.test.js" from "test/play.test.js",
    "test/rules.test.js" from "test/rules.test.js",
    "test/simulation.test.js" from "test/simulation.test.js",
);

pub(super) fn of(language: Language) -> &'static [File] {
    match language {
        Language::Rust => RUST,
        Language::JavaScript => JAVASCRIPT,
    }
}

impl File {
    /// Its text for a game of another name, with another SDK.
    pub(super) fn text_for(&self, name: &GameId, sdk: &Dependency) -> String {
        let text = self.text.replace(sdk.placeholder, &sdk.text);
        text.replace("new-game", name.as_str()).replace("New Game", &title(name))
    }
}

/// `lucky-seven` is called "Lucky Seven".
fn title(name: &GameId) -> String {
    let words = name.as_str().split('-').filter(|word| !word.is_empty()).map(|word| {
        let (first, rest) = word.split_at(1);
        format!("{}{rest}", first.to_uppercase())
    });
    words.collect::<Vec<_>>().join(" ")
}
