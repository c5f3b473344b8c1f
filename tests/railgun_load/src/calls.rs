//! HTTP calls on a connection that is kept open.

use anyhow::Context as _;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, StatusCode,
    body::Bytes,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpStream;

pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    token: String,
}

impl Connection {
    /// Calls on it show this token.
    pub(crate) async fn open(address: &str, token: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("no connection to {address}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Its errors come back through the sender.
        tokio::spawn(connection);
        Ok(Self { sender, host: address.to_owned(), token: token.to_owned() })
    }

    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<Bytes> {
        self.call(Request::get(path), String::new()).await
    }

    pub(crate) async fn get_json<T: DeserializeOwned>(&mut self, path: &str) -> anyhow::Result<T> {
        Ok(serde_json::from_slice(&self.get(path).await?)?)
    }

    pub(crate) async fn post(&mut self, path: &str, body: String) -> anyhow::Result<Bytes> {
        self.call(Request::post(path).header("Content-Type", "application/json"), body).await
    }

    /// One call of a method of `/notify`: its result.
    pub(crate) async fn notify(&mut self, method: &str, params: Value) -> anyhow::Result<Value> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer = self.post("/notify", body.to_string()).await?;
        let mut answer: Value = serde_json::from_slice(&answer)?;
        anyhow::ensure!(answer.get("error").is_none(), "{method}: {answer}");
        Ok(answer["result"].take())
    }

    async fn call(&mut self, request: hyper::http::request::Builder, body: String) -> anyhow::Result<Bytes> {
        let request = request
            .header("Host", &self.host)
            .header("Authorization", format!("Bearer {}", self.token))
            .body(Full::new(Bytes::from(body)))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        anyhow::ensure!(status == StatusCode::OK, "{status}: {}", String::from_utf8_lossy(&answer));
        Ok(answer)
    }
}
