//! A load of HTTP clients: so many connections, each calling again as soon as it is answered.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use hdrhistogram::Histogram;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, StatusCode,
    body::Bytes,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use indicatif::ProgressBar;
use serde_json::Value;
use tokio::{net::TcpStream, task::JoinSet};

use super::{free_spin, spin};

/// Significant digits of a latency.
const LATENCY_DIGITS: u8 = 3;

/// Clients of one server.
pub(super) struct Load {
    address: String,
    connections: usize,
    /// The bearer tokens that calls take turns with.
    tokens: Arc<Vec<String>>,
}

/// How fast it was.
#[derive(Debug)]
pub(super) struct Figures {
    /// Calls that were answered with a result.
    pub(super) calls: u64,
    /// For how long, with what the server has put off where that is known.
    pub(super) elapsed: Duration,
    /// Microseconds from request to answer; a batch is one.
    pub(super) latency: Histogram<u64>,
}

impl Default for Figures {
    fn default() -> Self {
        let latency = Histogram::new(LATENCY_DIGITS).expect("a histogram takes up to five digits");
        Self { calls: 0, elapsed: Duration::ZERO, latency }
    }
}

impl Figures {
    /// And then these.
    pub(super) fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        self.latency.add(&other.latency)?;
        self.calls += other.calls;
        self.elapsed += other.elapsed;
        Ok(())
    }

    /// Calls a second.
    #[expect(clippy::cast_precision_loss, reason = "a number of calls is far below 2^53")]
    pub(super) fn rate(&self) -> f64 {
        self.calls as f64 / self.elapsed.as_secs_f64()
    }
}

impl Load {
    pub(super) fn new(address: &str, connections: usize, tokens: Vec<String>) -> Self {
        Self { address: address.to_owned(), connections, tokens: Arc::new(tokens) }
    }

    /// Sends the requests of these numbers, of `batch` calls each, as fast as they are answered. `name` goes into the calls'
    /// keys.
    pub(super) async fn run(
        &self,
        requests: Range<u64>,
        batch: usize,
        name: &'static str,
        progress: &ProgressBar,
    ) -> anyhow::Result<Figures> {
        self.run_while(requests.start, move |request| request < requests.end, batch, name, progress).await
    }

    /// Sends requests from this number on, of `batch` calls each, for as long as each is wanted, as fast as they are
    /// answered.
    pub(super) async fn run_while(
        &self,
        first: u64,
        wanted: impl Fn(u64) -> bool + Clone + Send + Sync + 'static,
        batch: usize,
        name: &'static str,
        progress: &ProgressBar,
    ) -> anyhow::Result<Figures> {
        let next = Arc::new(AtomicU64::new(first));
        let mut clients = JoinSet::new();
        let start = Instant::now();
        for _ in 0..self.connections {
            let mut connection = Connection::open(&self.address).await?;
            let (next, tokens, progress) = (next.clone(), self.tokens.clone(), progress.clone());
            let wanted = wanted.clone();
            clients.spawn(async move {
                let mut latency = Histogram::<u64>::new(LATENCY_DIGITS)?;
                let mut results = 0;
                loop {
                    let request = next.fetch_add(1, Ordering::Relaxed);
                    if !wanted(request) {
                        return Ok::<_, anyhow::Error>((latency, results));
                    }
                    let position = usize::try_from(request)? % tokens.len();
                    let (call, mut won) = (request * batch as u64, 0);
                    let mut next = Some(body((call..call + batch as u64).map(|call| spin(name, call))));
                    while let Some(request_body) = next {
                        let sent = Instant::now();
                        let answer = connection.post("/rpc", &tokens[position], request_body).await?;
                        latency.record(u64::try_from(sent.elapsed().as_micros())?)?;
                        let Answered { results: answered, free_spins_left } = Answered::read(&answer)?;
                        results += answered;
                        let now = free_spins_left.min(batch as u64);
                        let free_spins = (won..won + now).map(|spin| free_spin(name, request, spin));
                        next = (now > 0).then(|| body(free_spins));
                        won += now;
                    }
                    if request % 1024 == 0 {
                        progress.set_position(request - first);
                    }
                }
            });
        }
        let mut figures = Figures::default();
        while let Some(client) = clients.join_next().await {
            let (latency, results) = client??;
            figures.latency.add(latency)?;
            figures.calls += results;
        }
        figures.elapsed = start.elapsed();
        Ok(figures)
    }

    /// Posts every body once: the answers, in the order of the bodies.
    pub(super) async fn post_all(
        &self,
        path: &'static str,
        bodies: Vec<String>,
        progress: &ProgressBar,
        weight: u64,
    ) -> anyhow::Result<Vec<Bytes>> {
        let bodies = Arc::new(bodies);
        let next = Arc::new(AtomicU64::new(0));
        let mut clients = JoinSet::new();
        for _ in 0..self.connections.min(bodies.len()) {
            let mut connection = Connection::open(&self.address).await?;
            let (next, tokens, bodies) = (next.clone(), self.tokens.clone(), bodies.clone());
            let progress = progress.clone();
            clients.spawn(async move {
                let mut answers = Vec::new();
                loop {
                    let position = usize::try_from(next.fetch_add(1, Ordering::Relaxed))?;
                    let Some(body) = bodies.get(position) else { return Ok::<_, anyhow::Error>(answers) };
                    let answer = connection.post(path, &tokens[position % tokens.len()], body.clone()).await?;
                    answers.push((position, answer));
                    progress.inc(weight);
                }
            });
        }
        let mut answers = Vec::with_capacity(bodies.len());
        while let Some(client) = clients.join_next().await {
            answers.extend(client??);
        }
        answers.sort_by_key(|(position, _)| *position);
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    }
}

/// One call is sent as it is, more are a batch.
fn body(calls: impl Iterator<Item = Value>) -> String {
    let mut calls: Vec<_> = calls.collect();
    match calls.pop() {
        Some(call) if calls.is_empty() => call.to_string(),
        last => Value::from_iter(calls.into_iter().chain(last)).to_string(),
    }
}

/// What came back. A benchmark of errors would be worth nothing: the one that belongs to the game is that a player
/// has won free spins, which are calls like any other and are played next; any other ends the run.
struct Answered {
    results: u64,
    /// As the last call told them.
    free_spins_left: u64,
}

impl Answered {
    fn read(answer: &[u8]) -> anyhow::Result<Self> {
        const LEFT: &[u8] = b"\"free_spins_left\":";
        let results = count(answer, b"\"result\":");
        let waiting = count(answer, b"\"error\":{\"code\":1,");
        let errors = count(answer, b"\"error\":");
        anyhow::ensure!(errors == waiting, "an error came back: {}", String::from_utf8_lossy(answer));
        let left = memchr::memmem::rfind(answer, LEFT).map_or(&[][..], |place| &answer[place + LEFT.len()..]);
        let digits = left.iter().take_while(|digit| digit.is_ascii_digit());
        let free_spins_left = digits.fold(0, |number, digit| 10 * number + u64::from(digit - b'0'));
        Ok(Self { results, free_spins_left })
    }
}

fn count(text: &[u8], word: &[u8]) -> u64 {
    memchr::memmem::find_iter(text, word).count() as u64
}

/// One connection that is kept open.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    pub(super) async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("no connection to {address}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Its errors come back through the sender.
        tokio::spawn(connection);
        Ok(Self { sender, host: address.to_owned() })
    }

    pub(super) async fn post(&mut self, path: &str, token: &str, body: String) -> anyhow::Result<Bytes> {
        let request = Request::post(path)
            .header("Host", &self.host)
            .header("Authorization", format!("Bearer {token}"))
            .header("Content-Type", "application/json")
            .body(Full::new(Bytes::from(body)))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        anyhow::ensure!(status == StatusCode::OK, "{status}: {}", String::from_utf8_lossy(&answer));
        Ok(answer)
    }
}
