//! The server: what happens to a call, from its connection to its answer.

use std::{
    collections::HashMap,
    future, io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpSocket},
    task::{JoinHandle, JoinSet},
};

use crate::{
    Counts, Fault, Faults, Provider, Settings,
    counts::{Event, Ledger},
    dice::roll,
    latency::Distribution,
    providers::{self, Answer, Call, Rejected, Request},
};

/// Connections that wait to be accepted: thousands may come at once.
const BACKLOG: u32 = 16 * 1024;

/// All four providers, until it is dropped.
#[derive(Debug)]
pub struct StandIn {
    address: SocketAddr,
    desk: Arc<Desk>,
    accepts: JoinHandle<()>,
}

impl StandIn {
    /// Begins to listen on loopback.
    ///
    /// # Errors
    /// Where the port is taken.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind((Ipv4Addr::LOCALHOST, settings.port).into())?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        let desk = Arc::new(Desk::new(settings));
        let accepts = tokio::spawn(accept(listener, desk.clone()));
        Ok(Self { address, desk, accepts })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base address of SendGrid, Airship and Meta; the webhook's is [`Self::webhook_url`].
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address of the webhook's server.
    #[must_use]
    pub fn webhook_url(&self) -> String {
        format!("http://{}/webhook", self.address)
    }

    /// What was asked and taken so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.desk.ledger.counts()
    }

    /// The notifications that were taken, and how often each.
    #[must_use]
    pub fn accepted(&self) -> HashMap<String, u64> {
        self.desk.ledger.accepted()
    }

    /// Forgets what was asked and taken.
    pub fn reset(&self) {
        self.desk.ledger.reset();
    }

    /// What every provider does wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        for provider in Provider::ALL {
            self.desk.set_faults(provider, faults.clone());
        }
    }

    /// What one provider does wrong from now on.
    pub fn set_faults_of(&self, provider: Provider, faults: Faults) {
        self.desk.set_faults(provider, faults);
    }

    /// Runs until the process ends.
    pub async fn run(mut self) {
        // It only ends by being aborted.
        let _ = (&mut self.accepts).await;
    }
}

impl Drop for StandIn {
    /// Its connections are the task's own and go with it.
    fn drop(&mut self) {
        self.accepts.abort();
    }
}

async fn accept(listener: TcpListener, desk: Arc<Desk>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: others must close theirs first.
            tokio::task::yield_now().await;
            continue;
        };
        // An answer is one small packet.
        let _ = stream.set_nodelay(true);
        let desk = desk.clone();
        let service = service_fn(move |request| {
            let desk = desk.clone();
            async move { desk.serve(request).await }
        });
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// A connection that is closed without an answer.
fn broken_off() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

#[derive(Debug)]
struct Desk {
    settings: Settings,
    latencies: [Distribution; Provider::ALL.len()],
    faults: Mutex<[Faults; Provider::ALL.len()]>,
    ledger: Ledger,
    numbers: AtomicU64,
}

/// One more call that is being answered, however it ends.
struct InFlight<'a>(&'a Ledger, Provider);

impl<'a> InFlight<'a> {
    fn begin(ledger: &'a Ledger, provider: Provider) -> Self {
        ledger.begin(provider);
        Self(ledger, provider)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.end(self.1);
    }
}

impl Desk {
    fn new(settings: Settings) -> Self {
        Self {
            latencies: Provider::ALL.map(|provider| Distribution::of(settings.latencies.of(provider))),
            faults: Mutex::new(Provider::ALL.map(|_| settings.faults.clone())),
            ledger: Ledger::default(),
            numbers: AtomicU64::new(0),
            settings,
        }
    }

    fn set_faults(&self, provider: Provider, faults: Faults) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)[provider.place()] = faults;
    }

    async fn serve(&self, request: hyper::Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let provider = providers::of_path(&path).filter(|_| parts.method == Method::POST);
        let _in_flight = provider.map(|provider| InFlight::begin(&self.ledger, provider));
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let answer = match provider {
            Some(provider) => self.answer(provider, Request { path, headers: parts.headers, body }).await?,
            None => self.control(&parts.method, &path, &body),
        };
        let mut response = Response::builder().status(answer.status);
        for (name, value) in answer.headers {
            response = response.header(name, value);
        }
        response.body(Full::from(answer.body)).map_err(io::Error::other)
    }

    /// What is asked of the stand-in itself.
    fn control(&self, method: &Method, path: &str, body: &[u8]) -> Answer {
        match (method.as_str(), path) {
            ("GET", "/counts") => json(&self.ledger.counts()),
            ("GET", "/accepted") => json(&self.ledger.accepted()),
            ("DELETE", "/counts") => {
                self.ledger.reset();
                Answer::new(204, "")
            }
            ("PUT", path) if path.starts_with("/faults") => {
                let of = match path.strip_prefix("/faults/") {
                    Some(name) => Provider::named(name).into_iter().collect(),
                    None => Provider::ALL.to_vec(),
                };
                match serde_json::from_slice::<Faults>(body) {
                    Ok(faults) => {
                        of.into_iter().for_each(|provider| self.set_faults(provider, faults.clone()));
                        Answer::new(204, "")
                    }
                    Err(error) => Answer::new(400, error.to_string()),
                }
            }
            _ => Answer::new(404, "no such path"),
        }
    }

    async fn answer(&self, provider: Provider, request: Request) -> io::Result<Answer> {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner)[provider.place()].clone();
        if faults.outage {
            self.ledger.note(provider, Event::Failed);
            return providers::fails(provider, Fault::Unavailable).ok_or_else(broken_off);
        }
        let call = match providers::read(provider, &request, &self.settings.credentials) {
            Ok(call) => call,
            Err(rejected) => {
                let is_stranger = matches!(rejected, Rejected::Unauthorized);
                self.ledger.note(provider, if is_stranger { Event::Unauthorized } else { Event::Malformed });
                return Ok(providers::rejects(provider, &rejected));
            }
        };
        let attempt = self.ledger.attempt(provider, &call.key, &call.deliveries);
        let seed = self.settings.seed;
        let fault = faults.choose(seed, &call.key, attempt);
        if fault == Some(Fault::Silent) {
            self.ledger.note(provider, Event::Failed);
            return future::pending().await;
        }
        let roll = roll(seed, "takes", &call.key, attempt);
        let latency = self.latencies[provider.place()].draw(roll, self.settings.speed / faults.slowness);
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        match fault {
            None => Ok(self.take(&call)),
            Some(fault) => {
                self.ledger.note(provider, Event::Failed);
                if fault == Fault::AnswerLost {
                    self.take(&call);
                }
                providers::fails(provider, fault).ok_or_else(broken_off)
            }
        }
    }

    fn take(&self, call: &Call) -> Answer {
        let (answer, taken) = providers::takes(call, self.numbers.fetch_add(1, Ordering::Relaxed));
        for place in &taken {
            self.ledger.accept(call.provider, &call.deliveries[*place].notification);
        }
        // All of several are refused because of one: those come again by themselves.
        if call.deliveries.len() == 1 || !taken.is_empty() {
            self.ledger.refuse(call.provider, (call.deliveries.len() - taken.len()) as u64);
        }
        answer
    }
}

fn json(value: &impl serde::Serialize) -> Answer {
    match serde_json::to_string(value) {
        Ok(text) => Answer::new(200, text),
        Err(error) => Answer::new(500, error.to_string()),
    }
}
