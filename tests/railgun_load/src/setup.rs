//! The files that the processes are started with.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use providers_stand_in::{Credentials, Faults, Settings};

use crate::{Plan, Queue};

/// Whoever sends shows this.
pub(crate) const SERVICE_TOKEN: &str = "the-load-is-a-service";
/// Whoever reads the numbers shows this.
pub(crate) const OPERATOR_TOKEN: &str = "the-loads-own-operator";
/// What is sent.
pub(crate) const TEMPLATE: &str = "big-win";

/// How long a call of a provider may take, at the speed of the original.
const TIMEOUT_MS: f64 = 10_000.0;
/// Less is not given at any speed: this computer may be busy.
const TIMEOUT_MS_MIN: f64 = 2000.0;

/// Workers show this to the process that accepts.
const WORKER_TOKEN: &str = "the-loads-own-workers";

/// What a process does.
#[derive(Clone, Copy)]
pub(crate) enum Role<'a> {
    /// Accepts, and delivers if there are no workers.
    Accepts,
    /// Delivers what the process at this address has accepted.
    Works(&'a str),
}

/// Where the others are.
pub(crate) struct Neighbours<'a> {
    pub(crate) providers: &'a str,
    pub(crate) queue: &'a str,
}

/// What the stand-in is started with.
pub(crate) fn stand_in(plan: &Plan) -> Settings {
    Settings { seed: plan.seed, speed: plan.speed, faults: Faults::rate(plan.error_rate), ..Settings::default() }
}

/// Writes templates and configuration: the path of the latter.
pub(crate) fn croupier(
    plan: &Plan,
    directory: &Path,
    role: Role<'_>,
    neighbours: &Neighbours<'_>,
) -> io::Result<PathBuf> {
    let templates = directory.join("templates");
    let words = templates.join(TEMPLATE);
    fs::create_dir_all(&words)?;
    fs::write(words.join("email.en.subject.txt"), "{{ player }}, you won {{ amount }}!")?;
    fs::write(
        words.join("email.en.txt"),
        "Well played, {{ player }}.\nYour win of {{ amount }} is on your account.\n",
    )?;
    fs::write(words.join("email.en.html"), "<p>Well played, {{ player }}. You won <b>{{ amount }}</b>.</p>\n")?;
    fs::write(words.join("social.en.txt"), "{{ player }}, you won {{ amount }}!")?;

    let Credentials { api_key, access_token, .. } = Credentials::default();
    let kind = match plan.queue {
        Queue::Embedded => "embedded",
        Queue::Beanstalkd => "beanstalkd",
    };
    let timeout_ms = (TIMEOUT_MS / plan.speed).max(TIMEOUT_MS_MIN).round();
    let Plan { bulk_max, calls_max, batch, .. } = plan;
    let data = directory.join("data");
    let Neighbours { providers, queue } = neighbours;
    let (name, role) = match role {
        Role::Accepts => ("railgun.toml", format!("deliver = {}", plan.workers == 0)),
        Role::Works(address) => ("worker.toml", format!("url = \"http://{address}\"")),
    };
    let text = format!(
        r#"[operator]
token = "{OPERATOR_TOKEN}"
[log]
format = "json"
[store]
directory = {data:?}
[queue]
kind = "{kind}"
address = "{queue}"
[railgun]
listen = "127.0.0.1:0"
templates = {templates:?}
batch_entries_max = {batch}
worker_token = "{WORKER_TOKEN}"
{role}
[[railgun.services]]
name = "load"
token = "{SERVICE_TOKEN}"
[[railgun.providers]]
name = "sendgrid"
kind = "sendgrid"
base_url = "http://{providers}"
secret = "{api_key}"
from = "casino@example.test"
timeout_ms = {timeout_ms}
calls_max = {calls_max}
bulk_max = {bulk_max}
[[railgun.providers]]
name = "meta"
kind = "meta"
base_url = "http://{providers}"
secret = "{access_token}"
timeout_ms = {timeout_ms}
calls_max = {calls_max}
bulk_max = {bulk_max}
"#
    );
    let path = directory.join(name);
    fs::write(&path, text)?;
    Ok(path)
}
