//! A new game's folder: the files of `host/new_game`, which are a game that builds, tests and plays, with the game's own name in
//! them. Never writes over anything.

mod files;
mod sdk;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

pub use self::sdk::{InvalidSdk, Sdk};
use crate::identity::{GameId, InvalidName};

/// What a game is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// A crate on `sdk/rust`.
    Rust,
    /// An npm package on `sdk/js`.
    JavaScript,
}

/// Why no game was made.
#[derive(Debug, Error)]
pub enum ScaffoldError {
    /// No game can have this name.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// The name is somebody else's.
    #[error("'{name}' cannot be a game's name: {reason}")]
    Taken {
        /// Which.
        name: GameId,
        /// Whose it is.
        reason: &'static str,
    },
    /// The folder has something in it.
    #[error("{0} is there and not empty: nothing was written")]
    NotEmpty(PathBuf),
    /// The SDK cannot be used like this.
    #[error(transparent)]
    Sdk(#[from] InvalidSdk),
    /// A file cannot be written.
    #[error("{path}: {error}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Names that a crate cannot have, or not beside what it depends on.
const TAKEN_BY_RUST: [&str; 45] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn", "else", "enum",
    "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move",
    "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true", "try",
    "type", "use", "where", "while",
];
/// See [`TAKEN_BY_RUST`].
const TAKEN_BY_PACKAGES: [&str; 9] =
    ["alloc", "core", "croupier-sdk", "proc-macro", "schemars", "serde", "serde-json", "std", "test"];

/// Makes the folder `name` within `parent`, with a game of that name, and answers with its path.
///
/// # Errors
/// [`ScaffoldError`]; a file that cannot be written may leave others behind.
pub fn new_game(parent: &Path, name: &str, language: Language, sdk: &Sdk) -> Result<PathBuf, ScaffoldError> {
    let name = checked_name(name)?;
    let dependency = sdk.dependency(language)?;
    let folder = parent.join(name.as_str());
    if fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some()) || folder.is_file() {
        return Err(ScaffoldError::NotEmpty(folder));
    }
    for file in files::of(language) {
        let path = folder.join(file.path);
        let written = fs::create_dir_all(path.parent().unwrap_or(&folder))
            .and_then(|()| fs::write(&path, file.text_for(&name, &dependency)));
        written.map_err(|error| ScaffoldError::Io { path, error })?;
    }
    Ok(folder)
}

/// What the manifest of a game in Rust ends with, so that it builds below any workspace.
const OWN_WORKSPACE: &str = "
# A workspace of its own, whatever it lies in. Take this out where a workspace around it counts it among its members.
[workspace]
";

/// Has a game in Rust be a member of the workspace around it, or have one of its own, as it has at first.
///
/// # Errors
/// Where its manifest cannot be read or written.
pub fn make_member(game: &Path, is_member: bool) -> Result<(), ScaffoldError> {
    let path = game.join("Cargo.toml");
    let change = || {
        let package = fs::read_to_string(&path)?.replace(OWN_WORKSPACE, "");
        fs::write(&path, if is_member { package } else { package + OWN_WORKSPACE })
    };
    change().map_err(|error| ScaffoldError::Io { path: path.clone(), error })
}

fn checked_name(name: &str) -> Result<GameId, ScaffoldError> {
    let name: GameId = name.parse()?;
    let taken = |reason| Err(ScaffoldError::Taken { name: name.clone(), reason });
    if name.is_of_host() {
        return taken("the host's own methods are called by it");
    }
    if TAKEN_BY_RUST.contains(&name.as_str()) {
        return taken("it is a word of the language Rust");
    }
    if TAKEN_BY_PACKAGES.contains(&name.as_str()) {
        return taken("a package that games are built with has it");
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(name: &str, language: Language) -> (tempfile::TempDir, Result<PathBuf, ScaffoldError>) {
        let parent = tempfile::tempdir().unwrap();
        let made = new_game(parent.path(), name, language, &"9.8.7".parse().unwrap());
        (parent, made)
    }

    #[test]
    fn a_game_has_its_own_name_everywhere() {
        for language in [Language::Rust, Language::JavaScript] {
            let (_parent, folder) = made("lucky-seven", language);
            let folder = folder.unwrap();
            let mut texts = String::new();
            for file in files::of(language) {
                texts += &fs::read_to_string(folder.join(file.path)).unwrap();
            }
            assert!(texts.contains("lucky-seven") && texts.contains("Lucky Seven"), "{texts}");
            for left_over in ["new-game", "New Game", "newGame", "../"] {
                assert!(!texts.replace("from \"../src/", "").contains(left_over), "{left_over} in {language:?}");
            }
            assert!(texts.contains("9.8.7"));
            assert!(folder.join(".gitignore").is_file());
        }
    }

    #[test]
    fn a_member_has_no_workspace_of_its_own() {
        let (_parent, game) = made("dice", Language::Rust);
        let game = game.unwrap();
        let manifest = || fs::read_to_string(game.join("Cargo.toml")).unwrap();
        let at_first = manifest();
        make_member(&game, true).unwrap();
        assert!(!manifest().contains("workspace"), "{}", manifest());
        make_member(&game, false).unwrap();
        assert_eq!(manifest(), at_first);
    }

    #[test]
    fn what_is_there_stays_as_it_is() {
        let (parent, first) = made("dice", Language::Rust);
        first.unwrap();
        let manifest = parent.path().join("dice/Cargo.toml");
        fs::write(&manifest, "mine").unwrap();
        let again = new_game(parent.path(), "dice", Language::Rust, &"1".parse().unwrap());
        assert!(matches!(again, Err(ScaffoldError::NotEmpty(_))));
        assert_eq!(fs::read_to_string(manifest).unwrap(), "mine");
        fs::create_dir(parent.path().join("empty")).unwrap();
        new_game(parent.path(), "empty", Language::Rust, &"1".parse().unwrap()).unwrap();
    }

    #[test]
    fn a_name_that_cannot_be_says_why() {
        for (name, words) in [
            ("Lucky", "is no game id: 1 to 64 of a-z, 0-9 and '-'"),
            ("../up", "is no game id"),
            ("", "is no game id"),
            ("wallet", "the host's own methods"),
            ("match", "a word of the language"),
            ("serde", "a package that games are built with"),
        ] {
            let (parent, refused) = made(name, Language::Rust);
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains(words), "{refused}");
            assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
        }
    }
}
