//! `croupier new`

use std::path::Path;

use clap::{Args, ValueEnum};

use crate::scaffold::{self, Language, Sdk};

/// Make a new game: a folder with a small one that builds, tests and plays, to be made into your own
#[derive(Debug, Args)]
pub(super) struct New {
    /// The game's id, and its folder: a-z, 0-9 and '-'
    name: String,
    /// What it is written in
    #[arg(long, value_enum, default_value = "rust")]
    lang: Lang,
    /// Where it has its SDK from: a folder, a git repository or a version
    /// [default: the repository that this program was built from, or else the program's own version]
    #[arg(long, value_name = "PATH|URL|VERSION", verbatim_doc_comment)]
    sdk: Option<Sdk>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Lang {
    Rust,
    Js,
}

impl New {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (language, test) = match self.lang {
            Lang::Rust => (Language::Rust, "cargo test"),
            Lang::Js => (Language::JavaScript, "npm install && npm test"),
        };
        let sdk = self.sdk.unwrap_or_else(Sdk::of_this_build);
        let folder = scaffold::new_game(Path::new(""), &self.name, language, &sdk)?;
        let folder = folder.display();
        println!("made {folder}: its README.md says what is where. Go on with\n\ncd {folder}\n{test}\ncroupier dev");
        Ok(())
    }
}
