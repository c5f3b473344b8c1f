//! The servers that are measured, each in a process of its own: the host as it is shipped, and a bare handler.

use std::{
    collections::VecDeque,
    fs,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use axum::{Router, body::Bytes, http::header, response::IntoResponse, routing::post, serve::ListenerExt as _};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpListener,
    process::{Child, Command},
};

use super::OPERATOR_TOKEN;

/// What the kernel counts processor time in, as it shows it: hundredths of a second on every kind of processor we run on.
const TICK_MS: u64 = 10;

/// For how long a server that rests must have done nothing.
const REST: Duration = Duration::from_millis(200);
/// What a server that has nothing to do may take of the processor meanwhile: its clocks go on.
const AT_REST_MAX: Duration = Duration::from_millis(20);
/// How often it is looked at.
const REST_LOOKS: u32 = 10;
/// How long a server may go on with what it has put off.
const REST_WAIT_MAX: Duration = Duration::from_mins(5);

/// A server in a process of its own.
pub(super) struct ServerProcess {
    child: Child,
    address: String,
}

impl ServerProcess {
    /// The host with this directory, and with its defaults but for these options' environment variables.
    pub(super) async fn host(components: &Path, directory: &Path, options: &[(&str, &str)]) -> anyhow::Result<Self> {
        let config = directory.join("croupier.toml");
        fs::write(&config, "")?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", "--config"]).arg(&config);
        command.env("CROUPIER_SERVER_LISTEN", "127.0.0.1:0");
        command.env("CROUPIER_OPERATOR_TOKEN", OPERATOR_TOKEN);
        command.env("CROUPIER_GAMES_DIRECTORY", components.canonicalize()?);
        command.env("CROUPIER_STORE_DIRECTORY", directory.join("data"));
        command.env("CROUPIER_LOG_FORMAT", "json");
        command.env("CROUPIER_LOG_FILTER", "warn,croupier::cli=info");
        command.envs(options.iter().copied());
        Self::start(command, "\"address\":\"").await
    }

    /// A handler that does nothing but parse a request and answer with so many bytes.
    pub(super) async fn bare(reply_bytes: usize) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bench", "--bare-server", &reply_bytes.to_string()]);
        Self::start(command, "\"address\":\"").await
    }

    async fn start(mut command: Command, marker: &str) -> anyhow::Result<Self> {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).kill_on_drop(true).spawn()?;
        let mut lines = BufReader::new(child.stderr.take().context("the server has no standard error")?).lines();
        let mut said = String::new();
        while let Some(line) = lines.next_line().await? {
            if let Some((_, rest)) = line.split_once(marker) {
                let address = rest.split('"').next().unwrap_or_default().to_owned();
                tokio::spawn(async move {
                    while let Ok(Some(line)) = lines.next_line().await {
                        eprintln!("{line}");
                    }
                });
                return Ok(Self { child, address });
            }
            said.push_str(&line);
            said.push('\n');
        }
        anyhow::bail!("the server did not start:\n{said}")
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Resident memory.
    pub(super) fn memory_bytes(&self) -> anyhow::Result<u64> {
        let id = self.child.id().context("the server has ended")?;
        let status = fs::read_to_string(format!("/proc/{id}/status")).context("memory is read from /proc")?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = resident.trim().trim_end_matches(" kB").parse()?;
        Ok(kib << 10)
    }

    /// Processor time that it has taken so far, of all its threads and of the kernel for it.
    pub(super) fn processor_time(&self) -> anyhow::Result<Duration> {
        let id = self.child.id().context("the server has ended")?;
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).context("processor time is read from /proc")?;
        // Behind the name, which may have spaces: `utime` and `stime` are the 14th and 15th field of the line.
        let (_, fields) = stat.rsplit_once(')').context("no name of a process")?;
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
        let ticks = ticks.sum::<Result<u64, _>>()?;
        Ok(Duration::from_millis(ticks * TICK_MS))
    }

    /// Waits until it has done what it had put off: tables to write, facts to count. How long it has worked on that.
    pub(super) async fn rest(&self) -> anyhow::Result<Duration> {
        let start = Instant::now();
        let mut looks = VecDeque::from([(Duration::ZERO, self.processor_time()?)]);
        loop {
            tokio::time::sleep(REST / REST_LOOKS).await;
            let (waited, taken) = (start.elapsed(), self.processor_time()?);
            anyhow::ensure!(waited < REST_WAIT_MAX, "the server does not come to rest");
            looks.push_back((waited, taken));
            if looks.len() > REST_LOOKS as usize
                && let Some((worked, taken_before)) = looks.pop_front()
                && taken - taken_before <= AT_REST_MAX
            {
                return Ok(worked);
            }
        }
    }

    /// Ends it in good order.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        let id = self.child.id().context("the server has ended by itself")?;
        let stopped = Command::new("kill").args(["-TERM", &id.to_string()]).status().await?;
        anyhow::ensure!(stopped.success(), "the server cannot be stopped");
        let status = tokio::time::timeout(Duration::from_secs(60), self.child.wait()).await??;
        anyhow::ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }
}

/// What a bare server reads of a request.
#[derive(Deserialize)]
struct BareRequest<'a> {
    jsonrpc: &'a str,
    #[serde(borrow)]
    id: &'a RawValue,
    method: &'a str,
    #[serde(borrow)]
    params: &'a RawValue,
}

/// Serves `POST /rpc` as barely as axum can: parse the request, answer with a result of so many bytes.
///
/// # Errors
/// Where it cannot listen.
pub async fn serve_bare(reply_bytes: usize) -> anyhow::Result<()> {
    let result = format!("\"{}\"", "x".repeat(reply_bytes.saturating_sub(2)));
    let handler = async move |body: Bytes| match serde_json::from_slice::<BareRequest<'_>>(&body) {
        Ok(request) if request.jsonrpc == "2.0" && !request.method.is_empty() && !request.params.get().is_empty() => {
            let id = request.id.get();
            let answer = ["{\"jsonrpc\":\"2.0\",\"id\":", id, ",\"result\":", &result, "}"].concat();
            ([(header::CONTENT_TYPE, "application/json")], answer).into_response()
        }
        _ => axum::http::StatusCode::BAD_REQUEST.into_response(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    eprintln!("{{\"address\":\"{}\"}}", listener.local_addr()?);
    let listener = listener.tap_io(|connection| {
        // Without it the baseline would be slower, and the comparison too kind to us.
        connection.set_nodelay(true).unwrap_or_default();
    });
    axum::serve(listener, Router::new().route("/rpc", post(handler)))
        .with_graceful_shutdown(crate::signals::stop_signal()?)
        .await?;
    Ok(())
}
