//! What a workspace of Cargo's makes of a folder below it. Cargo is asked: its rules of members and globs are its own.

use std::path::{Path, PathBuf};

use super::rust::cargo;

/// A workspace, or a package alone, that lies around a folder.
pub struct Workspace {
    /// Its Cargo.toml.
    pub manifest: PathBuf,
}

impl Workspace {
    /// The one around this folder; none where there is none, or no Cargo that could mind.
    #[must_use]
    pub fn around(folder: &Path) -> Option<Self> {
        let folder = folder.canonicalize().ok()?;
        let mut locate = cargo();
        locate.args(["locate-project", "--workspace", "--message-format", "plain"]).current_dir(folder.parent()?);
        let located = locate.output().ok().filter(|output| output.status.success())?;
        Some(Self { manifest: String::from_utf8(located.stdout).ok()?.trim().into() })
    }

    /// Why Cargo cannot read the workspace any more because of the folder, in its words.
    #[must_use]
    pub fn complaint_about(&self, folder: &Path) -> Option<String> {
        let mut metadata = cargo();
        metadata
            .args(["metadata", "--format-version=1", "--no-deps", "--offline", "--manifest-path"])
            .arg(&self.manifest);
        let output = metadata.output().ok().filter(|output| !output.status.success())?;
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        names(&words, folder.canonicalize().ok()?.to_str()?).then_some(words)
    }

    /// The folder as the workspace's manifest would name it.
    #[must_use]
    pub fn name_of(&self, folder: &Path) -> PathBuf {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let below = self.manifest.parent().and_then(|root| folder.strip_prefix(root).ok());
        below.map(Path::to_owned).unwrap_or(folder)
    }
}

/// Whether words are about a path or what is in it, and not about one that begins like it.
fn names(words: &str, path: &str) -> bool {
    let is_of_name = |next: char| next.is_ascii_alphanumeric() || next == '-' || next == '_';
    words.match_indices(path).any(|(at, _)| !words[at + path.len()..].starts_with(is_of_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_not_one_that_begins_like_it() {
        assert!(names("roots:\n  /games/dice\n  /games", "/games/dice"));
        assert!(names("failed to read `/games/dice/Cargo.toml`", "/games/dice"));
        assert!(!names("failed to read `/games/dice-2/Cargo.toml`", "/games/dice"));
    }
}
