//! JSON-RPC 2.0: bytes of a body in, bytes of its answer out, whatever the bytes are.
//! It must never know what the methods do, what runs them or what carries the bytes: no Wasm, no store, no HTTP.

mod envelope;
mod error;
pub mod openrpc;
mod params;
mod schema;
#[cfg(test)]
mod tests;

use std::{future::Future, sync::Arc};

use futures_util::future::join_all;
use serde_json::value::RawValue;

pub use error::{Error, INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR};
pub use params::Params;
pub use schema::{ParamsSchema, Schema, SchemaError, Violation};

use envelope::{Body, Entry};

/// JSON text, known to be well-formed, and cheap to keep beside the answer.
pub type RawJson = Arc<RawValue>;

/// Bounds on what a client may send. Beyond them it gets one error, and nothing is called.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Entries of one batch. 100 by default.
    pub batch_entries_max: usize,
    /// Nesting of one call's params, themselves included. 32 by default; above 126 it means 126.
    pub depth_max: usize,
    /// Bytes of one body. 1 MiB by default.
    pub body_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { batch_entries_max: 100, depth_max: 32, body_bytes_max: 1 << 20 }
    }
}

/// The methods behind an endpoint.
pub trait Service: Sync {
    /// Whom a call comes from, as the transport has found out.
    type Caller: Sync;

    /// Answers one call, or refuses it.
    ///
    /// The calls of one batch run concurrently, but each is polled once, in the batch's order, before any is polled
    /// again. So a service that must keep an order among them submits its work before its first await.
    /// A future may be dropped when its client hangs up: what must be finished belongs in a task of its own.
    fn call<'a>(
        &'a self,
        caller: &'a Self::Caller,
        method: &'a str,
        params: Params,
    ) -> impl Future<Output = Result<RawJson, Error>> + Send + 'a;
}

/// Answers a body. None means that nothing is to be sent: it held notifications only.
///
/// The first of these to fail decides the error: size, UTF-8 and grammar of the body, number of entries, shape of the
/// request, reading of its params; then it is the service's. Notifications are called and awaited, so that a client
/// cannot have more work under way than connections.
pub async fn answer<S: Service>(body: &[u8], limits: &Limits, service: &S, caller: &S::Caller) -> Option<Vec<u8>> {
    match envelope::parse(body, limits) {
        Err(error) => Some(error.to_response()),
        Ok(Body::Single(entry)) => {
            let response = respond(entry, limits, service, caller).await?;
            let mut out = String::with_capacity(response.bytes());
            response.write(&mut out);
            Some(out.into_bytes())
        }
        Ok(Body::Batch(entries)) => {
            // `join_all` polls in the order of its items: the promise `Service::call` makes.
            let calls = entries.into_iter().map(|entry| respond(entry, limits, service, caller));
            let responses: Vec<_> = join_all(calls).await.into_iter().flatten().collect();
            (!responses.is_empty()).then(|| write_batch(&responses))
        }
    }
}

async fn respond<'a, S: Service>(
    entry: Entry<'a>,
    limits: &Limits,
    service: &S,
    caller: &S::Caller,
) -> Option<Response<'a>> {
    let request = match entry {
        Ok(request) => request,
        Err(refusal) => return Some(Response { id: refusal.id, outcome: Err(refusal.error) }),
    };
    let outcome = match Params::read(request.params, limits.depth_max) {
        Ok(params) => service.call(caller, &request.method, params).await,
        Err(error) => Err(error),
    };
    if let (None, Err(error)) = (request.id, &outcome) {
        tracing::debug!(method = &*request.method, %error, "a notification failed");
    }
    Some(Response { id: request.id?, outcome })
}

struct Response<'a> {
    id: &'a RawValue,
    outcome: Result<RawJson, Error>,
}

impl Response<'_> {
    const RESULT_OVERHEAD_BYTES: usize = r#"{"jsonrpc":"2.0","id":,"result":},"#.len();

    /// How many bytes it takes to write a result; for an error, a fair start.
    fn bytes(&self) -> usize {
        let outcome = self.outcome.as_ref().map_or(256, |result| result.get().len());
        Self::RESULT_OVERHEAD_BYTES + self.id.get().len() + outcome
    }

    fn write(&self, out: &mut String) {
        match &self.outcome {
            Ok(result) => {
                out.extend([r#"{"jsonrpc":"2.0","id":"#, self.id.get(), r#","result":"#, result.get(), "}"]);
            }
            Err(error) => error.write_response(self.id, out),
        }
    }
}

fn write_batch(responses: &[Response<'_>]) -> Vec<u8> {
    let mut out = String::with_capacity(2 + responses.iter().map(Response::bytes).sum::<usize>());
    for (index, response) in responses.iter().enumerate() {
        out.push(if index == 0 { '[' } else { ',' });
        response.write(&mut out);
    }
    out.push(']');
    out.into_bytes()
}
