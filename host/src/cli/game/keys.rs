//! `croupier game keygen` and `sign`: a publisher's keys and signatures, as files.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;

use crate::{
    identity::{PublisherName, ReleaseDigest},
    signing::{PublicKey, SecretKey},
};

/// Make a publisher's pair of keys
///
/// The secret key goes to a file that only its owner may read; an existing file is never overwritten. The public key
/// is printed with the lines that make a host trust it. To change keys, add the new one beside the old.
#[derive(Debug, Args)]
pub(in crate::cli) struct Keygen {
    /// Where the secret key goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The publisher's name in the host's configuration [default: the file's name without its ending]
    #[arg(long, value_name = "NAME")]
    publisher: Option<PublisherName>,
}

impl Keygen {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let publisher = self.publisher()?;
        let key = SecretKey::from_entropy(&rand::random());
        write_secret(&self.out, &key.to_text()).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                anyhow::anyhow!("{} exists and is left as it is: a key that is overwritten is lost", self.out.display())
            }
            _ => anyhow::anyhow!("{}: {error}", self.out.display()),
        })?;
        println!("The secret key is in {}. Whoever has it can sign releases as you.", self.out.display());
        print!("{}", trust(&publisher, &key.public_key()));
        Ok(())
    }

    fn publisher(&self) -> anyhow::Result<PublisherName> {
        let of_file = || self.out.file_stem().unwrap_or_default().to_string_lossy().parse();
        self.publisher.clone().map_or_else(of_file, Ok).context("--publisher NAME says whose key it is")
    }
}

fn trust(publisher: &PublisherName, key: &PublicKey) -> String {
    format!(
        "The public key is {key}\n\nA host trusts it with this in its configuration:\n\n[publishing]\nkeys = \
         [\"{publisher}={key}\"]\n\nor in its environment:\n\nCROUPIER_PUBLISHING_KEYS={publisher}={key}\n"
    )
}

/// For the owner's eyes only, from the first byte on.
fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Sign releases: FILE.sig goes beside each component
///
/// The signature is for the digest of the component's bytes, so a component that is built anew must be signed anew.
#[derive(Debug, Args)]
pub(in crate::cli) struct Sign {
    /// The secret key that 'croupier game keygen' made
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Components, as 'croupier build' makes them
    #[arg(required = true, value_name = "FILE")]
    components: Vec<PathBuf>,
}

impl Sign {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let name = |path: &Path| path.display().to_string();
        let text = fs::read_to_string(&self.key).with_context(|| name(&self.key))?;
        let key: SecretKey = text.parse().with_context(|| name(&self.key))?;
        for component in &self.components {
            let release = ReleaseDigest::of(&fs::read(component).with_context(|| name(component))?);
            let path = signature_path(component);
            fs::write(&path, key.sign(&release).to_string()).with_context(|| name(&path))?;
            println!("{}: release {release}, signed by {}", path.display(), key.public_key());
        }
        Ok(())
    }
}

/// Where a component's signature is looked for.
pub(in crate::cli) fn signature_path(component: &Path) -> PathBuf {
    let mut path = component.as_os_str().to_owned();
    path.push(".sig");
    path.into()
}
