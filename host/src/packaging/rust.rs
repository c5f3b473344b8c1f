//! From a game's crate to a component: calls cargo for the Wasm target, then wraps the module in the contract.
//! Knows nothing of running games.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;
use thiserror::Error;
use wit_component::ComponentEncoder;

const TARGET: &str = "wasm32-unknown-unknown";

/// How games are compiled, whatever their own manifests say: small, reproducible, and with names for backtraces.
const PROFILE: [&str; 6] = [
    "profile.game.inherits='release'",
    "profile.game.opt-level='s'",
    "profile.game.lto=true",
    "profile.game.codegen-units=1",
    "profile.game.panic='abort'",
    "profile.game.strip='debuginfo'",
];

/// A component that was built.
#[derive(Clone, Debug)]
pub struct Built {
    /// The crate's name.
    pub name: String,
    /// Where the component is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: usize,
}

/// A game could not be built; the message says what to do.
#[derive(Debug, Error)]
pub enum BuildError {
    /// A program is not there or cannot be started.
    #[error("'{program}' cannot be run: {error}. Install Rust from https://rustup.rs")]
    Program {
        /// Which.
        program: String,
        /// Why.
        error: io::Error,
    },
    /// The Wasm target is missing and could not be added.
    #[error("the target {TARGET} is missing, and 'rustup target add {TARGET}' failed: {0}")]
    Target(String),
    /// The compiler has said why on standard error.
    #[error("cargo could not compile {0}")]
    Cargo(String),
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

/// Builds the game in a folder and puts its component, `<crate>.wasm`, in `output`.
/// Cargo's own lines go to standard error.
///
/// # Errors
/// [`BuildError`].
pub fn build(game: &Path, output: &Path) -> Result<Built, BuildError> {
    let package = package(game)?;
    add_target()?;
    compile(game, &package)?;
    let module_path = package.target_directory.join(TARGET).join("game").join(format!("{}.wasm", package.library));
    let module = fs::read(&module_path).map_err(io_error(&module_path))?;
    let component = componentize(&package.name, &module)?;
    fs::create_dir_all(output).map_err(io_error(output))?;
    let path = output.join(format!("{}.wasm", package.name));
    // Written beside and renamed: a host that watches the folder never sees half a component.
    let unfinished = path.with_extension("wasm.tmp");
    fs::write(&unfinished, &component).map_err(io_error(&unfinished))?;
    fs::rename(&unfinished, &path).map_err(io_error(&path))?;
    Ok(Built { name: package.name, path, bytes: component.len() })
}

/// The games in a folder: its subfolders that hold a crate, in order.
///
/// # Errors
/// Where the folder cannot be read.
pub fn games_in(folder: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let entries = fs::read_dir(folder).map_err(io_error(folder))?;
    let mut games = Vec::new();
    for entry in entries {
        let path = entry.map_err(io_error(folder))?.path();
        if path.join("Cargo.toml").is_file() {
            games.push(path);
        }
    }
    games.sort();
    Ok(games)
}

struct Package {
    name: String,
    /// The library's name, which its file has.
    library: String,
    target_directory: PathBuf,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    target_directory: PathBuf,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct MetadataPackage {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<MetadataTarget>,
}

#[derive(Deserialize)]
struct MetadataTarget {
    name: String,
    crate_types: Vec<String>,
}

fn package(game: &Path) -> Result<Package, BuildError> {
    let not_a_game = |reason: String| BuildError::NotAGame { path: game.to_owned(), reason };
    let manifest = game.join("Cargo.toml");
    let manifest = manifest.canonicalize().map_err(io_error(&manifest))?;
    let mut metadata = cargo();
    metadata.args(["metadata", "--format-version=1", "--no-deps", "--manifest-path"]).arg(&manifest);
    let output = run(&mut metadata)?;
    let metadata: Metadata = serde_json::from_slice(&output.stdout).map_err(|error| {
        let words = String::from_utf8_lossy(&output.stderr);
        not_a_game(format!("cargo cannot read it: {}", if words.is_empty() { error.to_string().into() } else { words }))
    })?;
    let package = metadata.packages.into_iter().find(|package| package.manifest_path == manifest);
    let package = package.ok_or_else(|| not_a_game("there is no package in it".to_owned()))?;
    let library = package.targets.into_iter().find(|target| target.crate_types.iter().any(|kind| kind == "cdylib"));
    let library = library
        .ok_or_else(|| not_a_game("its Cargo.toml needs [lib] with crate-type = [\"cdylib\", \"rlib\"]".to_owned()))?;
    Ok(Package {
        name: package.name,
        library: library.name.replace('-', "_"),
        target_directory: metadata.target_directory,
        workspace_root: metadata.workspace_root,
    })
}

/// Adds the Wasm target where rustup manages the toolchain. Other installations say what is missing themselves.
fn add_target() -> Result<(), BuildError> {
    let sysroot = run(Command::new("rustc").args(["--print", "sysroot"]))?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot.stdout).trim());
    if sysroot.join("lib/rustlib").join(TARGET).is_dir() {
        return Ok(());
    }
    let added = run(Command::new("rustup").args(["target", "add", TARGET]))?;
    if added.status.success() {
        return Ok(());
    }
    Err(BuildError::Target(String::from_utf8_lossy(&added.stderr).trim().to_owned()))
}

fn compile(game: &Path, package: &Package) -> Result<(), BuildError> {
    let mut build = cargo();
    build.args(["build", "--lib", "--target", TARGET, "--profile", "game", "--manifest-path"]);
    build.arg(game.join("Cargo.toml"));
    build.args(PROFILE.iter().flat_map(|setting| ["--config", setting]));
    build.env("CARGO_ENCODED_RUSTFLAGS", flags(package));
    let status = build.status().map_err(|error| BuildError::Program { program: "cargo".to_owned(), error })?;
    if status.success() { Ok(()) } else { Err(BuildError::Cargo(package.name.clone())) }
}

/// A stack of 64 KiB instead of 1 MiB: less memory to map for each fresh instance halves the cost of a call.
const STACK_SIZE: &str = "-Clink-arg=-zstack-size=65536";

/// The compiler's flags: the stack's size, and what keeps this computer's paths out of the component, so that the same
/// sources give the same bytes anywhere.
fn flags(package: &Package) -> String {
    let home = |variable: &str, fallback: &str| {
        let default = || Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(fallback);
        std::env::var_os(variable).map_or_else(default, PathBuf::from)
    };
    let prefixes = [
        (home("CARGO_HOME", ".cargo"), "/cargo"),
        (home("RUSTUP_HOME", ".rustup"), "/rustup"),
        (package.workspace_root.clone(), "/game"),
    ];
    let remaps = prefixes.map(|(path, name)| format!("--remap-path-prefix={}={name}", path.display()));
    let flags: Vec<_> = remaps.into_iter().chain([STACK_SIZE.to_owned()]).collect();
    flags.join("\x1f")
}

/// Wraps a module in the contract that its own custom section describes.
///
/// # Errors
/// Where the module imports or exports what the contract does not have.
pub fn componentize(name: &str, module: &[u8]) -> Result<Vec<u8>, BuildError> {
    let encode = || ComponentEncoder::default().validate(true).module(module)?.encode();
    encode().map_err(|error| BuildError::Component { name: name.to_owned(), reason: format!("{error:#}") })
}

/// The cargo that runs us, else the one on the path. Free of what cargo sets for the program it runs, which would
/// make a nested build differ from one by hand.
fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").as_deref().unwrap_or(OsStr::new("cargo")));
    for (name, _) in std::env::vars_os() {
        let is_of_outer_build = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_BIN_") || name.starts_with("CARGO_MANIFEST_")
        });
        if is_of_outer_build || name == "RUSTFLAGS" {
            command.env_remove(&name);
        }
    }
    command
}

fn run(command: &mut Command) -> Result<std::process::Output, BuildError> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.output().map_err(|error| BuildError::Program { program, error })
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> BuildError + use<> {
    let path = path.to_owned();
    move |error| BuildError::Io { path, error }
}
