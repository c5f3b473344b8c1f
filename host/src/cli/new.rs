//! `croupier new`

use std::path::Path;

use clap::{Args, ValueEnum};

use crate::{
    packaging::Workspace,
    scaffold::{self, Language, ScaffoldError, Sdk},
};

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
        let standing = place(&folder, language)?;
        let folder = folder.display();
        println!("made {folder}: its README.md says what is where. Go on with\n\ncd {folder}\n{test}\ncroupier dev");
        match standing {
            Standing::Alone => {}
            Standing::Member(workspace) => {
                println!("\nIt is a member of the workspace {}.", workspace.manifest.display())
            }
            Standing::Unfit { workspace, name, complaint } => eprintln!(
                "\nwarning: the workspace {} counts it among its members, and it cannot be one. Add \"{name}\" to the \
                 'exclude' of its [workspace]. Cargo says:\n{complaint}",
                workspace.manifest.display()
            ),
        }
        Ok(())
    }
}

/// What a game is to the workspace of Cargo's that it lies in.
enum Standing {
    /// Nothing, or there is none.
    Alone,
    Member(Workspace),
    /// It is to be a member, by a glob say, and Cargo can read the workspace no more.
    Unfit {
        workspace: Workspace,
        name: String,
        complaint: String,
    },
}

/// Has a new game build at once, and the workspace around it go on.
fn place(game: &Path, language: Language) -> Result<Standing, ScaffoldError> {
    let Some(workspace) = Workspace::around(game) else { return Ok(Standing::Alone) };
    let Some(mut complaint) = workspace.complaint_about(game) else { return Ok(Standing::Alone) };
    if language == Language::Rust {
        scaffold::make_member(game, true)?;
        match workspace.complaint_about(game) {
            None => return Ok(Standing::Member(workspace)),
            Some(of_member) => complaint = of_member,
        }
        scaffold::make_member(game, false)?;
    }
    let name = workspace.name_of(game).display().to_string();
    Ok(Standing::Unfit { workspace, name, complaint })
}
