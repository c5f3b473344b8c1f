//! Where a new game has its SDK from: a folder, a git repository, or a registry.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

use serde_json::json;
use thiserror::Error;

use super::Language;

/// Where a game has its SDK from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sdk {
    /// A folder: this repository's, or that of one language's SDK.
    Folder(PathBuf),
    /// A git repository.
    Git(String),
    /// A version of the package.
    Version(String),
}

/// The SDK cannot be had like this.
#[derive(Debug, Error)]
pub enum InvalidSdk {
    /// There is none.
    #[error(
        "there is no SDK in {}: name the folder of Croupier's repository, a URL of it, or a version such as {}",
        .0.display(),
        env!("CARGO_PKG_VERSION")
    )]
    NoneInFolder(PathBuf),
    /// npm installs a repository's top folder alone.
    #[error("npm cannot install a package from within {0}: clone it, and name the folder with --sdk")]
    GitForNpm(String),
}

/// How a manifest names the SDK.
pub(super) struct Dependency {
    /// What stands in the files of `host/new_game`.
    pub(super) placeholder: &'static str,
    /// What takes its place.
    pub(super) text: String,
}

impl Sdk {
    /// The repository that this program was built from, while it is there; else the package of the program's version.
    #[must_use]
    pub fn of_this_build() -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default();
        if repository.join("sdk").is_dir() {
            Self::Folder(repository)
        } else {
            Self::Version(env!("CARGO_PKG_VERSION").to_owned())
        }
    }

    pub(super) fn dependency(&self, language: Language) -> Result<Dependency, InvalidSdk> {
        match language {
            Language::Rust => self.for_cargo(),
            Language::JavaScript => self.for_npm(),
        }
    }

    fn for_cargo(&self) -> Result<Dependency, InvalidSdk> {
        let source = match self {
            Self::Folder(folder) => format!("{{ path = {} }}", quoted(&sdk_folder(folder, "sdk/rust", "Cargo.toml")?)),
            Self::Git(url) => format!("{{ git = {} }}", json!(url)),
            Self::Version(version) => json!(version).to_string(),
        };
        Ok(Dependency { placeholder: "{ path = \"../../../sdk/rust\" }", text: source })
    }

    fn for_npm(&self) -> Result<Dependency, InvalidSdk> {
        let source = match self {
            Self::Folder(folder) => {
                json!(format!("file:{}", sdk_folder(folder, "sdk/js", "package.json")?.display())).to_string()
            }
            Self::Git(url) => return Err(InvalidSdk::GitForNpm(url.clone())),
            Self::Version(version) => json!(version).to_string(),
        };
        Ok(Dependency { placeholder: "\"file:../../../sdk/js\"", text: source })
    }
}

/// As both JSON and TOML have it.
fn quoted(path: &Path) -> String {
    json!(path.display().to_string()).to_string()
}

/// The folder of a language's SDK: it may have been named itself, or the repository around it.
fn sdk_folder(named: &Path, within: &str, manifest: &str) -> Result<PathBuf, InvalidSdk> {
    let folders = [named.join(within), named.to_owned()];
    let is_sdk = |folder: &PathBuf| {
        let text = std::fs::read_to_string(folder.join(manifest)).unwrap_or_default();
        text.lines().any(|line| line.contains("name") && line.contains("\"croupier-sdk\""))
    };
    let found = folders.iter().find(|folder| is_sdk(folder)).and_then(|folder| folder.canonicalize().ok());
    found.ok_or_else(|| InvalidSdk::NoneInFolder(named.to_owned()))
}

impl FromStr for Sdk {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_version = text.starts_with(|first: char| first.is_ascii_digit())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+'))
            && !Path::new(text).exists();
        let is_url = text.contains("://") || text.starts_with("git@");
        Ok(match (is_url, is_version) {
            (true, _) => Self::Git(text.to_owned()),
            (_, true) => Self::Version(text.to_owned()),
            _ => Self::Folder(text.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_names_it_in_its_own_way() {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().canonicalize().unwrap();
        let rust = repository.join("sdk/rust");
        let text = |sdk: &str, language| sdk.parse::<Sdk>().unwrap().dependency(language).map(|sdk| sdk.text);
        for named in [&repository, &rust] {
            let cargo = text(named.to_str().unwrap(), Language::Rust).unwrap();
            assert_eq!(cargo, format!("{{ path = \"{}\" }}", rust.display()));
        }
        let npm = text(repository.to_str().unwrap(), Language::JavaScript).unwrap();
        assert_eq!(npm, format!("\"file:{}\"", repository.join("sdk/js").display()));
        assert_eq!(text("0.1", Language::Rust).unwrap(), "\"0.1\"");
        assert_eq!(text("0.1.0-rc.1", Language::JavaScript).unwrap(), "\"0.1.0-rc.1\"");
        let git = "https://example.com/croupier.git";
        assert_eq!(text(git, Language::Rust).unwrap(), format!("{{ git = \"{git}\" }}"));
        assert!(text(git, Language::JavaScript).unwrap_err().to_string().contains("clone it"));
        let nowhere = text("./no/such/folder", Language::Rust).unwrap_err().to_string();
        assert!(nowhere.contains("there is no SDK in ./no/such/folder"), "{nowhere}");
    }

    #[test]
    fn the_repository_of_this_build_is_the_default() {
        assert!(Sdk::of_this_build().dependency(Language::Rust).unwrap().text.contains("sdk/rust"));
    }
}
