//! A game in JavaScript or TypeScript: installs its packages with npm, and lets its SDK make the component.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output},
    time::SystemTime,
};

use serde::Deserialize;

use super::{BuildError, Component, io_error};

pub(super) const FILE: &str = "package.json";

/// The oldest Node.js that the SDK runs on.
pub(super) const NODE_MIN: u32 = 20;

/// The package that games are written with, and that builds them.
const SDK: &str = "croupier-sdk";

/// The contract that this host speaks.
const CONTRACT: &str = include_str!("../../../wit/game.wit");

/// Builds the package in a folder.
pub(super) fn build(game: &Path) -> Result<Component, BuildError> {
    check_node()?;
    let game = game.canonicalize().map_err(io_error(game))?;
    let name = package_name(&game)?;
    install(&game)?;
    let sdk = install_sdk(&game)?;

    let directory = tempfile::tempdir().map_err(io_error(&std::env::temp_dir()))?;
    let contract = directory.path().join("game.wit");
    fs::write(&contract, CONTRACT).map_err(io_error(&contract))?;
    let component = directory.path().join("game.wasm");
    let mut node = Command::new("node");
    node.arg(sdk.join("build/main.js")).args([&game, &contract, &component]);
    let output = run(&mut node)?;
    if !output.status.success() {
        return Err(BuildError::JavaScript { name, words: words(&output) });
    }
    let bytes = fs::read(&component).map_err(io_error(&component))?;
    Ok(Component { name, bytes })
}

fn check_node() -> Result<(), BuildError> {
    let version = run(Command::new("node").arg("--version"))?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    let major = version.strip_prefix('v').and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    if major.is_none_or(|major| major < NODE_MIN) {
        return Err(BuildError::Node(format!("'node --version' says '{version}'")));
    }
    run(Command::new("npm").arg("--version")).map(drop)
}

#[derive(Deserialize)]
struct Package {
    name: String,
}

/// The package's name without its scope.
pub(super) fn package_name(game: &Path) -> Result<String, BuildError> {
    let file = game.join(FILE);
    let text = fs::read(&file).map_err(io_error(&file))?;
    let package: Package = serde_json::from_slice(&text)
        .map_err(|error| BuildError::NotAGame { path: file, reason: format!("it has no name: {error}") })?;
    Ok(package.name.rsplit('/').next().unwrap_or_default().to_owned())
}

/// The SDK's folder, ready to build. One that is linked, because it is being worked on, brings its packages itself.
fn install_sdk(game: &Path) -> Result<PathBuf, BuildError> {
    let sdk = game.join("node_modules").join(SDK).canonicalize().map_err(|_| {
        let reason = format!("its package.json needs '{SDK}' among its dependencies");
        BuildError::NotAGame { path: game.to_owned(), reason }
    })?;
    let is_linked = !sdk.components().any(|folder| folder.as_os_str() == "node_modules");
    if is_linked {
        install(&sdk)?;
    }
    Ok(sdk)
}

/// Installs a package's dependencies where they are missing or older than what it asks for.
fn install(folder: &Path) -> Result<(), BuildError> {
    let package = folder.join(FILE);
    // Builds that run at once may need the same folder; the lock goes with the handle.
    let turn = File::open(&package).map_err(io_error(&package))?;
    turn.lock().map_err(io_error(&package))?;
    if is_installed(folder) {
        return Ok(());
    }
    // Not 'npm ci': it fails where a package for another platform was never published. The versions are those of the
    // lockfile all the same, and it stays as it is.
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(folder);
    let output = run(&mut npm)?;
    if output.status.success() {
        return Ok(());
    }
    Err(BuildError::Npm { path: folder.to_owned(), words: words(&output) })
}

fn is_installed(folder: &Path) -> bool {
    let changed = |file: &str| -> Option<SystemTime> { fs::metadata(folder.join(file)).ok()?.modified().ok() };
    // What npm leaves when it is done.
    let Some(installed) = changed("node_modules/.package-lock.json") else { return false };
    [FILE, "package-lock.json"].into_iter().filter_map(changed).all(|changed| changed <= installed)
}

fn run(command: &mut Command) -> Result<Output, BuildError> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.output().map_err(|error| BuildError::Node(format!("'{program}' cannot be run: {error}")))
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}
