//! The processes of a load, each with a directory, and what each of them took.

use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
    fs,
    net::TcpListener,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use providers_stand_in::StandIn;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::{Child, Command},
    sync::oneshot,
};

use crate::{
    Plan, Queue, StandInPlace,
    machine::Usage,
    report::Busy,
    setup::{self, Neighbours, Role},
};

/// Lines of a process that are shown where the load fails.
const LINES_KEPT: usize = 30;
/// Somebody else may take the port that was free.
const PORTS_TRIED: usize = 20;

/// Everything that runs. What is still running when this is dropped is killed.
pub(crate) struct Processes {
    railgun: Process,
    railgun_address: String,
    /// Each with where it answers with its numbers.
    workers: Vec<(Process, String)>,
    beanstalkd: Option<Process>,
    stand_in: Providers,
    /// The last to go.
    _directory: TempDir,
}

/// Where the providers are.
enum Providers {
    Here(StandIn),
    Process(Process, String),
}

struct Process {
    child: Child,
    said: Said,
}

/// The newest lines that a process has written.
type Said = Arc<Mutex<VecDeque<String>>>;

impl Processes {
    pub(crate) async fn start(plan: &Plan) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new().prefix("railgun-load-").tempdir_in(&plan.directory);
        let directory = directory.with_context(|| format!("no directory in {}", plan.directory.display()))?;
        let stand_in = Providers::start(plan, directory.path()).await.context("the stand-in of the providers")?;
        let (beanstalkd, queue_address) = match plan.queue {
            Queue::Embedded => (None, "127.0.0.1:11300".to_owned()),
            Queue::Beanstalkd => {
                let (process, address) = start_beanstalkd(&directory.path().join("beanstalkd")).await?;
                (Some(process), address)
            }
        };
        let neighbours = Neighbours { providers: &stand_in.address(), queue: &queue_address };
        let config = setup::croupier(plan, directory.path(), Role::Accepts, &neighbours)?;
        let (railgun, railgun_address) = start_croupier(&plan.croupier, &["railgun"], &config).await?;
        let mut workers = Vec::new();
        for _ in 0..plan.workers {
            let config = setup::croupier(plan, directory.path(), Role::Works(&railgun_address), &neighbours)?;
            let arguments = ["worker", "--listen", "127.0.0.1:0"];
            workers.push(start_croupier(&plan.croupier, &arguments, &config).await?);
        }
        Ok(Self { railgun, railgun_address, workers, beanstalkd, stand_in, _directory: directory })
    }

    pub(crate) fn railgun_address(&self) -> &str {
        &self.railgun_address
    }

    /// Where whoever delivers has its numbers.
    pub(crate) fn delivering_addresses(&self) -> Vec<String> {
        if self.workers.is_empty() {
            return vec![self.railgun_address.clone()];
        }
        self.workers.iter().map(|(_, address)| address.clone()).collect()
    }

    pub(crate) fn providers_address(&self) -> String {
        self.stand_in.address()
    }

    /// What each has taken so far.
    pub(crate) fn usage(&self) -> anyhow::Result<Vec<Busy>> {
        let beanstalkd = self.beanstalkd.as_ref().map(|process| ("beanstalkd", process.child.id()));
        let stand_in = match &self.stand_in {
            Providers::Here(_) => ("load and stand-in", Some(std::process::id())),
            Providers::Process(process, _) => ("stand-in", process.child.id()),
        };
        let load = matches!(self.stand_in, Providers::Process(..)).then(|| ("load", Some(std::process::id())));
        let croupier = Some(("croupier", self.railgun.child.id()));
        let workers = self.workers.iter().map(|(worker, _)| ("a worker", worker.child.id()));
        let all = [croupier, beanstalkd, Some(stand_in), load].into_iter().flatten().chain(workers);
        let busy = all.map(|(name, process)| {
            let process = process.with_context(|| format!("{name} has ended"))?;
            Ok(Busy { name, usage: Usage::of(process)? })
        });
        busy.collect()
    }

    /// The error, with what became of the processes.
    pub(crate) async fn explain(&mut self, error: anyhow::Error) -> anyhow::Error {
        let mut what = Vec::new();
        let beanstalkd = self.beanstalkd.as_mut().map(|process| ("beanstalkd", process));
        let stand_in = match &mut self.stand_in {
            Providers::Here(_) => None,
            Providers::Process(process, _) => Some(("the stand-in", process)),
        };
        let workers = self.workers.iter_mut().map(|(worker, _)| ("a worker", worker));
        let croupier = Some(("croupier", &mut self.railgun));
        for (name, process) in [croupier, beanstalkd, stand_in].into_iter().flatten().chain(workers) {
            if let Ok(Some(status)) = process.child.try_wait() {
                what.push(format!("{name} has ended: {status}"));
            }
            what.extend(lines(&process.said).iter().map(|line| format!("{name}: {line}")));
        }
        error.context(what.join("\n"))
    }
}

impl Providers {
    async fn start(plan: &Plan, directory: &Path) -> anyhow::Result<Self> {
        let settings = setup::stand_in(plan);
        let StandInPlace::Process(command) = &plan.stand_in else {
            return Ok(Self::Here(StandIn::start(settings).await?));
        };
        let path = directory.join("stand-in.json");
        fs::write(&path, serde_json::to_vec(&settings)?)?;
        let mut child = spawn(command.iter().map(OsString::as_os_str).chain([path.as_os_str()]), true)?;
        let mut first = String::new();
        let output = child.stdout.take().context("no output")?;
        BufReader::new(output).read_line(&mut first).await?;
        let said = keep(child.stderr.take(), |_| {});
        let about: Value = serde_json::from_str(&first).with_context(|| lines(&said).join("\n"))?;
        let url = about["url"].as_str().unwrap_or_default();
        let address = url.strip_prefix("http://").context("it does not say where it is")?.to_owned();
        Ok(Self::Process(Process { child, said }, address))
    }

    fn address(&self) -> String {
        match self {
            Self::Here(stand_in) => stand_in.address().to_string(),
            Self::Process(_, address) => address.clone(),
        }
    }
}

/// Starts a program with its arguments, with as many open files as it may have.
fn spawn<'a>(command: impl IntoIterator<Item = &'a OsStr>, listens: bool) -> anyhow::Result<Child> {
    let shell = "ulimit -n \"$(ulimit -Hn)\"; exec \"$@\"";
    let output = if listens { Stdio::piped() } else { Stdio::null() };
    let child = Command::new("sh")
        .args(["-c", shell, "sh"])
        .args(command)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    child.context("sh does not start")
}

/// Reads what a process writes, as long as it runs, so that it never waits to be read: the newest lines.
fn keep(output: Option<impl AsyncRead + Unpin + Send + 'static>, mut look: impl FnMut(&str) + Send + 'static) -> Said {
    let said = Said::default();
    let Some(output) = output else { return said };
    let kept = said.clone();
    tokio::spawn(async move {
        let mut output = BufReader::new(output).lines();
        while let Ok(Some(line)) = output.next_line().await {
            look(&line);
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == LINES_KEPT {
                kept.pop_front();
            }
            kept.push_back(line);
        }
    });
    said
}

fn lines(said: &Said) -> Vec<String> {
    said.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
}

/// Starts a command of croupier's, and waits until it says where it answers.
async fn start_croupier(program: &Path, command: &[&str], config: &Path) -> anyhow::Result<(Process, String)> {
    anyhow::ensure!(
        program.is_file(),
        "{} is not there: build it (cargo build --release -p croupier), or say where it is with --croupier",
        program.display()
    );
    let command = command.iter().map(OsStr::new);
    let arguments = [program.as_os_str()].into_iter().chain(command).chain(["--config".as_ref(), config.as_os_str()]);
    let mut child = spawn(arguments, false)?;
    let (listens, address) = oneshot::channel();
    let mut listens = Some(listens);
    let said = keep(child.stderr.take(), move |line| {
        let Ok(line) = serde_json::from_str::<Value>(line) else { return };
        let message = &line["fields"]["message"];
        if (message == "listening" || message == "working")
            && let (Some(listens), Some(address)) = (listens.take(), line["fields"]["address"].as_str())
        {
            // Whoever waited may have given up.
            let _unheard = listens.send(address.to_owned());
        }
    });
    let address = address.await;
    let address = address.map_err(|_| anyhow::anyhow!("croupier does not start:\n{}", lines(&said).join("\n")))?;
    Ok((Process { child, said }, address))
}

async fn start_beanstalkd(binlog: &Path) -> anyhow::Result<(Process, String)> {
    let version = Command::new("beanstalkd").arg("-v").output().await;
    anyhow::ensure!(
        version.is_ok_and(|version| version.status.success()),
        "beanstalkd is not there: install the package beanstalkd, or take --queue embedded"
    );
    fs::create_dir_all(binlog)?;
    for _ in 0..PORTS_TRIED {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
        let mut arguments = ["beanstalkd", "-l", "127.0.0.1", "-p", &port, "-b"].map(OsStr::new).to_vec();
        arguments.push(binlog.as_os_str());
        let mut child = spawn(arguments, false)?;
        let said = keep(child.stderr.take(), |_| {});
        let address = format!("127.0.0.1:{port}");
        while child.try_wait()?.is_none() {
            if is_answered_by(&address, child.id()).await {
                return Ok((Process { child, said }, address));
            }
            tokio::task::yield_now().await;
        }
    }
    anyhow::bail!("beanstalkd does not start")
}

/// Whether it is this process that listens.
async fn is_answered_by(address: &str, process: Option<u32>) -> bool {
    let Ok(mut stream) = TcpStream::connect(address).await else { return false };
    if stream.write_all(b"stats\r\nquit\r\n").await.is_err() {
        return false;
    }
    let mut said = String::new();
    let is_read = stream.read_to_string(&mut said).await.is_ok();
    is_read && process.is_some_and(|process| said.contains(&format!("\npid: {process}\n")))
}
