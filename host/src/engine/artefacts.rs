//! Compiled releases on disk, so that a restart does not compile again.
//!
//! An artefact is native code: only files that this module wrote are ever loaded. The directory is the host's alone,
//! and every file begins with a checksum over its content, the release's digest and the engine's own fingerprint, so that a
//! torn, decayed, confused or outdated file is compiled anew and never run. Against somebody who can write there no checksum helps.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use wasmtime::{Engine, component::Component};
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

use crate::identity::ReleaseDigest;

const SEAL_BYTES: usize = 16;

/// The directory of compiled releases, or none.
pub(super) struct Artefacts {
    directory: Option<PathBuf>,
    /// Version, settings and processor features of the engine: what an artefact must have been made with.
    fingerprint: u64,
}

impl Artefacts {
    pub(super) fn open(directory: Option<&Path>, engine: &Engine) -> io::Result<Self> {
        if let Some(directory) = directory {
            fs::create_dir_all(directory)
                .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", directory.display())))?;
        }
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self { directory: directory.map(Path::to_owned), fingerprint: hasher.finish() })
    }

    /// The compiled release: read where it is kept, else compiled and kept.
    ///
    /// # Errors
    /// Where the bytes are no component that the engine accepts. Trouble with the cache itself is logged and no error.
    pub(super) fn component(
        &self,
        engine: &Engine,
        digest: ReleaseDigest,
        bytes: &[u8],
    ) -> wasmtime::Result<Component> {
        let Some(path) = self.path(digest) else { return Component::new(engine, bytes) };
        if let Some(component) = self.read(engine, digest, &path) {
            return Ok(component);
        }
        let artefact = engine.precompile_component(bytes)?;
        let component = load(engine, &artefact)?;
        if let Err(error) = self.write(digest, &path, &artefact) {
            tracing::warn!(path = %path.display(), %error, "a compiled release could not be kept");
        }
        Ok(component)
    }

    fn path(&self, digest: ReleaseDigest) -> Option<PathBuf> {
        self.directory.as_ref().map(|directory| directory.join(format!("{digest}-{:016x}.cwasm", self.fingerprint)))
    }

    fn read(&self, engine: &Engine, digest: ReleaseDigest, path: &Path) -> Option<Component> {
        let file = fs::read(path).ok()?;
        let (seal, artefact) = file.split_at_checked(SEAL_BYTES)?;
        if seal != self.seal(digest, artefact) {
            tracing::warn!(path = %path.display(), "a compiled release is damaged and is compiled again");
            return None;
        }
        load(engine, artefact)
            .inspect_err(|error| tracing::warn!(path = %path.display(), %error, "a compiled release is compiled again"))
            .ok()
    }

    /// Written beside and renamed, so that no reader ever sees half a file.
    fn write(&self, digest: ReleaseDigest, path: &Path, artefact: &[u8]) -> io::Result<()> {
        let unfinished = path.with_extension("cwasm.tmp");
        let mut file = fs::File::create(&unfinished)?;
        file.write_all(&self.seal(digest, artefact))?;
        file.write_all(artefact)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    }

    fn seal(&self, digest: ReleaseDigest, artefact: &[u8]) -> [u8; SEAL_BYTES] {
        let release = xxh3_64_with_seed(digest.as_bytes(), self.fingerprint);
        xxh3_128_with_seed(artefact, release).to_le_bytes()
    }
}

#[expect(unsafe_code, reason = "loading native code is what a cache of compiled releases is for")]
fn load(engine: &Engine, artefact: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes come from this engine's own compiler, a moment ago or through a file in the host's private
    // directory whose seal was just checked; wasmtime checks its version and settings once more.
    unsafe { Component::deserialize(engine, artefact) }
}
