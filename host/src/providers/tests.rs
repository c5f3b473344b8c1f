//! A server that answers as it is told and keeps what it was asked.

mod stand_in;

use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::body::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle};

use super::*;

/// A notification of this number.
pub(super) fn id(number: u8) -> NotificationId {
    NotificationId::from_entropy([number; 16])
}

pub(super) fn refused(why: &str) -> Outcome {
    Outcome::Refused { why: why.to_owned() }
}

pub(super) fn failure(outcome: &Outcome) -> (FailureKind, String) {
    let Outcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
    (failure.kind, failure.why.clone())
}

/// What a server was asked.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) method: String,
    /// With what follows it.
    pub(super) path: String,
    headers: hyper::HeaderMap,
    pub(super) body: String,
}

impl Call {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}")).to_str().unwrap()
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// How a server answers.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    Answer { status: u16, headers: Vec<(&'static str, &'static str)>, body: String },
    BrokenOff,
    Silence,
}

impl Reply {
    pub(super) fn new(status: u16, body: &str) -> Self {
        Self::Answer { status, headers: Vec::new(), body: body.to_owned() }
    }

    pub(super) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name, value));
        }
        self
    }

    pub(super) fn broken_off() -> Self {
        Self::BrokenOff
    }

    pub(super) fn silence() -> Self {
        Self::Silence
    }

    async fn response(self) -> io::Result<Response<Full<Bytes>>> {
        match self {
            Self::Answer { status, headers, body } => {
                let mut response = Response::builder().status(status);
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                Ok(response.body(Full::from(body)).unwrap())
            }
            Self::BrokenOff => Err(io::ErrorKind::ConnectionReset.into()),
            Self::Silence => std::future::pending().await,
        }
    }
}

/// Gone when it is dropped.
pub(super) struct Server {
    url: String,
    calls: Arc<Mutex<Vec<Call>>>,
    accepts: JoinHandle<Infallible>,
}

impl Server {
    /// Answers with these, in order.
    pub(super) async fn start<const N: usize>(replies: [Reply; N]) -> Self {
        let replies = Mutex::new(VecDeque::from(replies));
        Self::answering(move |call| replies.lock().unwrap().pop_front().unwrap_or_else(|| panic!("{call:?}"))).await
    }

    pub(super) async fn answering(answer: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (calls, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let kept = calls.clone();
        let accepts = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (kept, answer) = (kept.clone(), answer.clone());
                let service = service_fn(move |request| {
                    let (kept, answer) = (kept.clone(), answer.clone());
                    async move {
                        let call = read(request).await;
                        kept.lock().unwrap().push(call.clone());
                        answer(&call).response().await
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { url, calls, accepts }
    }

    pub(super) fn connection(&self, name: &str) -> Connection {
        let mut connection = Connection::new(name.parse().unwrap(), self.url.clone());
        // No test waits for it.
        connection.timeout = Duration::from_secs(600);
        connection
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    pub(super) fn only_call(&self) -> Call {
        let mut calls = self.calls();
        assert_eq!(calls.len(), 1);
        calls.remove(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepts.abort();
    }
}

async fn read(request: Request<Incoming>) -> Call {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Call {
        method: parts.method.to_string(),
        path: parts.uri.path_and_query().unwrap().to_string(),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}
