//! A running host's operator endpoint, called over HTTP.

use std::{fmt, time::Duration};

use anyhow::Context as _;
use clap::Args;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json, value::RawValue};

use super::{super::serve::HOST_VARIABLE, table::plain};

const CONNECT_WAIT_MAX: Duration = Duration::from_secs(10);
/// Compiling a large game, or proving every release of a host, takes its time.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(600);
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// Which host is asked, and how its answer is shown.
#[derive(Args)]
pub(super) struct Operator {
    /// The host that is asked
    #[arg(long, env = HOST_VARIABLE, default_value = "http://127.0.0.1:7070", value_name = "URL", value_parser = url)]
    host: String,
    /// The operator's token, operator.token of the host's configuration
    #[arg(long, env = "CROUPIER_OPERATOR_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: String,
    /// Print the host's answer as it is, in JSON
    #[arg(long)]
    json: bool,
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator").field("host", &self.host).finish_non_exhaustive()
    }
}

fn url(text: &str) -> Result<String, &'static str> {
    if text.starts_with("http://") || text.starts_with("https://") {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err("a URL begins with http:// or https://")
    }
}

/// What a host has answered.
pub(super) struct Answer {
    method: &'static str,
    result: Box<RawValue>,
}

#[derive(Deserialize)]
struct Response {
    result: Option<Box<RawValue>>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: i64,
    message: String,
    #[serde(default)]
    data: Value,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&plain(&self.message))?;
        if let Some(pointer) = self.data["pointer"].as_str() {
            write!(f, ", at {}", plain(pointer))?;
        }
        match self.data["reason"].as_str() {
            Some(reason) => write!(f, " ({})", plain(reason)),
            None => write!(f, " ({})", self.code),
        }
    }
}

impl Operator {
    /// Calls a method.
    pub(super) fn call(&self, method: &'static str, params: impl Serialize) -> anyhow::Result<Answer> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": serde_json::to_value(params)? });
        let (status, text) = self.post(&body.to_string()).with_context(|| {
            format!("the host at {} cannot be reached: is it running? --host names another", self.host)
        })?;
        let response: Response = serde_json::from_str(&text).with_context(|| {
            format!("{}/operator answers with status {status} and no JSON-RPC: is it a croupier?", self.host)
        })?;
        match response {
            Response { error: Some(refusal), .. } => anyhow::bail!("{method}: {refusal}"),
            Response { result: Some(result), .. } => Ok(Answer { method, result }),
            Response { .. } => anyhow::bail!("{method}: the host's answer has neither a result nor an error"),
        }
    }

    fn post(&self, body: &str) -> Result<(u16, String), ureq::Error> {
        // A token goes to the host that was named, and nowhere that it points to.
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_WAIT_MAX))
            .timeout_global(Some(ANSWER_WAIT_MAX))
            .build()
            .into();
        let request = agent.post(format!("{}/operator", self.host));
        let request = request.header("Authorization", format!("Bearer {}", self.token));
        let mut answer = request.header("Content-Type", "application/json").send(body)?;
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string()?;
        Ok((answer.status().as_u16(), text))
    }

    /// Prints an answer: as it is, or in words.
    pub(super) fn show<T: DeserializeOwned>(
        &self,
        answer: &Answer,
        words: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        if self.json {
            println!("{}", answer.result);
        } else {
            print!("{}", words(&answer.read()?));
        }
        Ok(())
    }
}

impl Answer {
    /// The answer as its type. Members that a later host has added are left out.
    pub(super) fn read<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        serde_json::from_str(self.result.get()).with_context(|| {
            format!("{}: the host's answer is not as expected: is it of another version? --json shows it", self.method)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_why_and_where() {
        for (error, words) in [
            (json!({ "code": -32601, "message": "method not found" }), "method not found (-32601)"),
            (
                json!({ "code": -32602, "message": "no", "data": { "pointer": "/percent", "reason": "bad" } }),
                "no, at /percent (bad)",
            ),
            (json!({ "code": -32040, "message": "a\u{1b}[2Jb\nc", "data": null }), "a [2Jb c (-32040)"),
        ] {
            let refusal: Refusal = serde_json::from_value(error).unwrap();
            assert_eq!(refusal.to_string(), words);
        }
    }

    #[test]
    fn a_host_is_named_by_its_url() {
        assert_eq!(url("https://host.example/croupier/"), Ok("https://host.example/croupier".to_owned()));
        assert!(url("127.0.0.1:7070").is_err());
    }

    #[test]
    fn the_token_is_not_shown() {
        let operator = Operator { host: "http://h".to_owned(), token: "the-secret".to_owned(), json: false };
        assert!(!format!("{operator:?}").contains("the-secret"));
    }
}
