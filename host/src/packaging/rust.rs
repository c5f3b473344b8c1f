//! A game in Rust: calls cargo for the Wasm target, then wraps the module in the contract.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;
use wasm_encoder::{ExportSection, Module, RawSection};
use wasmparser::{Export, Parser, Payload};
use wit_component::ComponentEncoder;

use super::{BuildError, Component, io_error};

const TARGET: &str = "wasm32-unknown-unknown";

/// How games are compiled, whatever their own manifests say: fast, reproducible, and with names for backtraces.
const PROFILE: [&str; 6] = [
    "profile.game.inherits='release'",
    "profile.game.opt-level=3",
    "profile.game.lto=true",
    "profile.game.codegen-units=1",
    "profile.game.panic='abort'",
    "profile.game.strip='debuginfo'",
];

pub(super) const FILE: &str = "Cargo.toml";

/// Builds the crate in a folder. Cargo's own lines go to standard error.
pub(super) fn build(game: &Path) -> Result<Component, BuildError> {
    let package = package(game)?;
    add_target()?;
    compile(game, &package)?;
    let module_path = package.target_directory.join(TARGET).join("game").join(format!("{}.wasm", package.library));
    let module = fs::read(&module_path).map_err(io_error(&module_path))?;
    let bytes = componentize(&package.name, &module)?;
    Ok(Component { name: package.name, bytes })
}

struct Package {
    name: String,
    /// The library's name, which its file has.
    library: String,
    target_directory: PathBuf,
    workspace_root: PathBuf,
    /// Folders outside of the workspace that the package depends on, each with the package's name there.
    outside: Vec<(PathBuf, String)>,
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
    dependencies: Vec<MetadataDependency>,
}

#[derive(Deserialize)]
struct MetadataDependency {
    name: String,
    /// Where it is, unless it comes from a registry or a repository.
    path: Option<PathBuf>,
}

#[derive(Deserialize)]
struct MetadataTarget {
    name: String,
    crate_types: Vec<String>,
}

/// The package's name.
pub(super) fn package_name(game: &Path) -> Result<String, BuildError> {
    package(game).map(|package| package.name)
}

fn package(game: &Path) -> Result<Package, BuildError> {
    let not_a_game = |reason: String| BuildError::NotAGame { path: game.to_owned(), reason };
    let manifest = game.join(FILE);
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
    let paths = package.dependencies.into_iter().filter_map(|dependency| Some((dependency.path?, dependency.name)));
    let outside = paths.filter(|(path, _)| !path.starts_with(&metadata.workspace_root)).collect();
    Ok(Package {
        outside,
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
    build.arg(game.join(FILE));
    build.args(PROFILE.iter().flat_map(|setting| ["--config", setting]));
    build.env("CARGO_ENCODED_RUSTFLAGS", flags(package));
    let status = build.status().map_err(|error| BuildError::Rust { program: "cargo".to_owned(), error })?;
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
    let prefixes = prefixes.into_iter().map(|(path, name)| (path, name.to_owned()));
    let outside = package.outside.iter().map(|(path, name)| (path.clone(), format!("/{name}")));
    let remaps = prefixes.chain(outside).map(|(path, name)| format!("--remap-path-prefix={}={name}", path.display()));
    let flags: Vec<_> = remaps.chain([STACK_SIZE.to_owned()]).collect();
    flags.join("\x1f")
}

/// Wraps a module in the contract that its own custom section describes.
///
/// # Errors
/// Where the module imports or exports what the contract does not have.
pub fn componentize(name: &str, module: &[u8]) -> Result<Vec<u8>, BuildError> {
    let encode = || ComponentEncoder::default().validate(true).module(&without_post_returns(module)?)?.encode();
    encode().map_err(|error| BuildError::Component { name: name.to_owned(), reason: format!("{error:#}") })
}

/// What frees a result once it was read begins with this, in the canonical ABI of components.
const POST_RETURN: &str = "cabi_post_";

/// The module without what frees its results: an instance is gone after one step, and each of these exports would be looked
/// up in every one.
fn without_post_returns(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut lean = Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        if let Payload::ExportSection(exports) = payload {
            let mut kept = ExportSection::new();
            for export in exports {
                let Export { name, kind, index } = export?;
                if !name.starts_with(POST_RETURN) {
                    kept.export(name, kind.into(), index);
                }
            }
            lean.section(&kept);
        } else if let Some((id, range)) = payload.as_section() {
            let range = usize::try_from(range.start)?..usize::try_from(range.end)?;
            lean.section(&RawSection { id, data: &module[range] });
        }
    }
    Ok(lean.finish())
}

/// The cargo that runs us, else the one on the path. Free of what cargo sets for the program it runs, which would
/// make a nested build differ from one by hand.
pub(super) fn cargo() -> Command {
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
    command.output().map_err(|error| BuildError::Rust { program, error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_frees_results_is_not_exported_and_everything_else_stays() {
        let with = |post_return: &str| {
            let text = format!(
                r#"(module
                    (import "host" "log" (func $log (param i32)))
                    (table 2 funcref) (memory (export "memory") 1) (global (mut i32) (i32.const 7))
                    (func (export "handle") (result i32) (call $log (i32.const 1)) (i32.const 8))
                    (func {post_return} (param i32))
                    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 16))
                    (elem (i32.const 0) func 1 2) (data (i32.const 8) "reply")
                )"#
            );
            wat::parse_str(text).unwrap()
        };
        let lean = without_post_returns(&with(r#"(export "cabi_post_handle")"#)).unwrap();
        assert_eq!(lean, with(""));
        assert_eq!(without_post_returns(&lean).unwrap(), lean);
    }
}
