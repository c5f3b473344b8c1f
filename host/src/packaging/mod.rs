//! From a game's sources to a component, one file for each language. Knows nothing of running games.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

pub use self::{
    rust::componentize,
    sources::{Sources, games_at},
    workspace::Workspace,
};

mod javascript;
mod rust;
mod sources;
mod workspace;

/// A component that was built.
#[derive(Clone, Debug)]
pub struct Built {
    /// The package's name.
    pub name: String,
    /// Where the component is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: usize,
}

/// A game could not be built; the message says what to do.
#[derive(Debug, Error)]
pub enum BuildError {
    /// A program of Rust's is not there or cannot be started.
    #[error("'{program}' cannot be run: {error}. Install Rust from https://rustup.rs")]
    Rust {
        /// Which.
        program: String,
        /// Why.
        error: io::Error,
    },
    /// The Wasm target is missing and could not be added.
    #[error("the target wasm32-unknown-unknown is missing, and 'rustup target add' failed: {0}")]
    Target(String),
    /// The compiler has said why on standard error.
    #[error("cargo could not compile {0}")]
    Cargo(String),
    /// What builds games in JavaScript is not there.
    #[error(
        "a game in JavaScript is built with Node.js {node_min} or newer and npm, but {0}. \
         Install them from https://nodejs.org, or where Debian's are new enough: apt-get install nodejs npm",
        node_min = javascript::NODE_MIN
    )]
    Node(String),
    /// The packages that a game in JavaScript needs could not be installed.
    #[error("npm could not install what {path} needs: {words}")]
    Npm {
        /// The folder.
        path: PathBuf,
        /// What npm says.
        words: String,
    },
    /// A game in JavaScript does not build.
    #[error("{name} does not build: {words}")]
    JavaScript {
        /// The package.
        name: String,
        /// Why.
        words: String,
    },
    /// Not a game's folder.
    #[error("{path}: {reason}")]
    NotAGame {
        /// The folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The module does not fit the contract.
    #[error("{name} does not become a component: {reason}")]
    Component {
        /// The crate.
        name: String,
        /// Why.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// What a language's builder makes of a game.
struct Component {
    /// The package's name.
    name: String,
    bytes: Vec<u8>,
}

/// Builds the game in a folder and puts its component, `<package>.wasm`, in `output`.
///
/// # Errors
/// [`BuildError`].
pub fn build(game: &Path, output: &Path) -> Result<Built, BuildError> {
    let component = if is_rust(game) {
        rust::build(game)?
    } else if is_javascript(game) {
        javascript::build(game)?
    } else {
        return Err(not_a_game(game));
    };
    fs::create_dir_all(output).map_err(io_error(output))?;
    let path = output.join(format!("{}.wasm", component.name));
    // Written beside and renamed: a host that watches the folder never sees half a component.
    let unfinished = path.with_extension("wasm.tmp");
    fs::write(&unfinished, &component.bytes).map_err(io_error(&unfinished))?;
    fs::rename(&unfinished, &path).map_err(io_error(&path))?;
    Ok(Built { name: component.name, path, bytes: component.bytes.len() })
}

/// The name of the package in a game's folder, which its component has too.
///
/// # Errors
/// [`BuildError`].
pub fn name(game: &Path) -> Result<String, BuildError> {
    if is_rust(game) {
        rust::package_name(game)
    } else if is_javascript(game) {
        javascript::package_name(game)
    } else {
        Err(not_a_game(game))
    }
}

/// Whether a folder holds a game: a crate or a package.
#[must_use]
pub fn is_game(folder: &Path) -> bool {
    is_rust(folder) || is_javascript(folder)
}

fn not_a_game(folder: &Path) -> BuildError {
    let reason = format!("there is no game in it: neither {} nor {}", rust::FILE, javascript::FILE);
    BuildError::NotAGame { path: folder.to_owned(), reason }
}

/// The games in a folder: its subfolders that hold a crate or a package, in order.
///
/// # Errors
/// Where the folder cannot be read.
pub fn games_in(folder: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let entries = fs::read_dir(folder).map_err(io_error(folder))?;
    let mut games = Vec::new();
    for entry in entries {
        let path = entry.map_err(io_error(folder))?.path();
        if is_game(&path) {
            games.push(path);
        }
    }
    games.sort();
    Ok(games)
}

fn is_rust(game: &Path) -> bool {
    game.join(rust::FILE).is_file()
}

fn is_javascript(game: &Path) -> bool {
    game.join(javascript::FILE).is_file()
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> BuildError + use<> {
    let path = path.to_owned();
    move |error| BuildError::Io { path, error }
}
