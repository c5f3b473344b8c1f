//! The railgun through the real binary: what services and games may ask of it, the original load made small, and all that
//! can go wrong between a notification's being accepted and its being delivered.

mod accepting;
mod disks;
mod games;
mod kills;
mod load;
mod lost_queues;
mod providers;
mod workers;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
    thread,
    time::Instant,
};

use providers_stand_in::{Counts, Faults, Provider, Settings, StandIn};
use serde_json::{Value, json};
use tokio::runtime::{self, Runtime};

use crate::{
    harness::{Host, OPERATOR_TOKEN, Options, PATIENCE, Role, get_as, post},
    queues::server::Server,
};

const CRM_TOKEN: &str = "the-token-of-the-crm";
const SHOP_TOKEN: &str = "the-token-of-the-shop";

/// Quick enough for tests, and leases as short as the time that providers are given allows: a worker that was killed holds
/// what it had for so long. No stand-in takes half of that time unless it never answers, because what has timed out may
/// have been delivered.
const QUICK: &str = "retry_wait_ms_min = 20\nretry_wait_ms_max = 200\n";
const LEASE: &str = "lease_s = 7\n";

static TEMPLATES: LazyLock<PathBuf> = LazyLock::new(|| {
    let templates = Path::new(env!("CARGO_TARGET_TMPDIR")).join("templates");
    let hello = templates.join("hello");
    fs::create_dir_all(&hello).unwrap();
    for (file, words) in [
        ("email.en.subject.txt", "Hello {{ name }}"),
        ("email.en.txt", "Hello {{ name }}, all is well."),
        ("social.en.txt", "Hello {{ name }}!"),
        ("social.de.txt", "Hallo {{ name }}!"),
        ("push.en.txt", "Hello {{ name }}!"),
        ("webhook.json", "{\"hello\": {{ name | tojson }}}"),
    ] {
        fs::write(hello.join(file), words).unwrap();
    }
    templates
});

/// The providers, on loopback.
struct Providers {
    stand_in: StandIn,
    _runtime: Runtime,
}

impl Providers {
    fn start(settings: Settings) -> Self {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let stand_in = runtime.block_on(StandIn::start(settings)).unwrap();
        Self { stand_in, _runtime: runtime }
    }

    /// Their latencies divided by this, and their faults.
    fn with(speed: f64, faults: Faults) -> Self {
        Self::start(Settings { speed, faults, ..Settings::default() })
    }

    fn counts(&self) -> Counts {
        self.stand_in.counts()
    }

    /// Waits until this holds of what they were asked and took.
    fn wait_until(&self, what: &str, holds: impl Fn(&Counts) -> bool) {
        until(what, || holds(&self.counts()).then_some(()));
    }

    /// TOML of all four.
    fn config(&self) -> String {
        let url = self.stand_in.url();
        let provider = |name: &str, secret: &str, more: &str| {
            format!(
                "[[railgun.providers]]\nname = \"{name}\"\nkind = \"{name}\"\nsecret = \"{secret}\"\ntimeout_ms = 2000\n\
                 calls_max = 60\nbulk_max = 1\n{more}\n"
            )
        };
        let base = format!("base_url = \"{url}\"\n");
        [
            provider("sendgrid", "SG.stand-in", &format!("{base}from = \"casino@example.test\"")),
            provider("meta", "1|stand-in", &base),
            provider("airship", "master", &format!("{base}app_key = \"stand-in\"")),
            provider("webhook", "whsec", &format!("base_url = \"{}\"", self.stand_in.webhook_url())),
        ]
        .concat()
    }
}

/// Configuration of notifications: options of `[railgun]` and of `[queue]`, and sections of its own.
fn config(providers: &Providers, railgun: &str, queue: &str) -> String {
    let service = |name: &str, token: &str| format!("[[railgun.services]]\nname = \"{name}\"\ntoken = \"{token}\"\n");
    format!(
        "[queue]\n{LEASE}{queue}\n[railgun]\nlisten = \"127.0.0.1:0\"\ntemplates = {:?}\ndisk_reserve_mib = 1\n{QUICK}{railgun}\n{}{}{}",
        &*TEMPLATES,
        service("crm", CRM_TOKEN) + "contacts = true\n",
        service("shop", SHOP_TOKEN),
        providers.config(),
    )
}

/// `[queue]` for a beanstalkd.
fn in_beanstalkd(server: &Server) -> String {
    format!("kind = \"beanstalkd\"\naddress = \"{}\"\n", server.address())
}

/// Looks again and again until there is what is looked for.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "not {what}");
        thread::yield_now();
    }
}

/// A railgun without games.
fn railgun(config: String) -> Host {
    Host::start_with(Options { role: Role::Railgun, config, ..Options::default() })
}

/// What a service asks for; everybody is told once.
fn hello(channel: &str, number: usize) -> Value {
    let to = match channel {
        "email" => format!("player-{number}@example.test"),
        _ => format!("{}", 1_000_000 + number),
    };
    json!({
        "channel": channel,
        "recipient": { "address": to },
        "template": "hello",
        "data": { "name": format!("player {number}") },
        "idempotency_key": format!("{channel}-{number}"),
    })
}

/// Calls in one batch: the results, in order.
fn batch(host: &Host, method: &str, params: impl IntoIterator<Item = Value>) -> Vec<Value> {
    let call = |(id, params)| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
    let calls: Vec<Value> = params.into_iter().enumerate().map(call).collect();
    let (_, answer) = post(host.address(), "/notify", CRM_TOKEN, Value::from(calls).to_string().as_bytes()).unwrap();
    let mut answers: Vec<Value> = serde_json::from_str(&answer).unwrap();
    answers.sort_by_key(|answer| answer["id"].as_u64());
    let results = answers.into_iter().map(|mut answer| {
        assert!(answer.get("error").is_none(), "{answer}");
        answer["result"].take()
    });
    results.collect()
}

/// Sends one to each of these, half of them e-mail, half social: their names.
fn send(host: &Host, numbers: std::ops::Range<usize>) -> Vec<String> {
    let channel = |number: usize| if number.is_multiple_of(2) { "email" } else { "social" };
    let sent = batch(host, "notify.send", numbers.map(|number| hello(channel(number), number)));
    sent.iter().map(|sent| sent["notification"].as_str().unwrap().to_owned()).collect()
}

fn statuses(host: &Host, names: &[String]) -> Vec<Value> {
    let pages = names.chunks(500);
    pages
        .flat_map(|page| batch(host, "notify.status", page.iter().map(|name| json!({ "notification": name }))))
        .collect()
}

fn status(host: &Host, name: &str) -> Value {
    host.notify(CRM_TOKEN, "notify.status", json!({ "notification": name })).unwrap()
}

/// Waits until a notification stands so.
fn wait_for_state(host: &Host, name: &str, state: &str) -> Value {
    wait_for_state_as(host, CRM_TOKEN, name, state)
}

/// Waits until a notification that this service has sent stands so.
fn wait_for_state_as(host: &Host, token: &str, name: &str, state: &str) -> Value {
    until(state, || {
        let status = host.notify(token, "notify.status", json!({ "notification": name })).unwrap();
        (status["state"]["is"] == state).then_some(status)
    })
}

/// Waits until all of these are delivered, by their own account and the providers', and nothing is in the queue any more.
/// Those that were delivered twice.
fn all_delivered(host: &Host, providers: &Providers, names: &[String]) -> BTreeSet<String> {
    let begun = Instant::now();
    loop {
        let states: Vec<Value> =
            statuses(host, names).into_iter().map(|status| status["state"]["is"].clone()).collect();
        if states.iter().all(|state| state == "delivered") {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{:?}", tally(&states));
        assert!(!states.contains(&json!("buried")), "{}", buried(host));
    }
    until("out of the queue", || (queued(host) == 0).then_some(()));
    let accepted: HashMap<String, u64> = providers.stand_in.accepted();
    let missing: Vec<_> = names.iter().filter(|name| !accepted.contains_key(*name)).collect();
    assert!(missing.is_empty(), "lost: {missing:?}");
    assert_eq!(accepted.len(), names.len(), "the providers have taken what nobody has sent");
    let Counts { all, .. } = providers.counts();
    assert_eq!((all.renamed, all.changed, all.malformed, all.unauthorized), (0, 0, 0, 0), "{all:?}");
    assert_eq!(buried(host)["rows"], json!([]));
    accepted.into_iter().filter(|(_, times)| *times > 1).map(|(name, _)| name).collect()
}

fn tally(states: &[Value]) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for state in states {
        *tally.entry(state.to_string()).or_default() += 1;
    }
    tally
}

fn buried(host: &Host) -> Value {
    host.notify(CRM_TOKEN, "notify.buried", json!({})).unwrap()
}

/// Jobs of any kind in any channel.
fn queued(host: &Host) -> u64 {
    let queues = host.notify(CRM_TOKEN, "notify.queues", json!({})).unwrap();
    let of = |queue: &Value| ["ready", "delayed", "leased"].map(|of| queue[of].as_u64().unwrap());
    queues.as_array().unwrap().iter().flat_map(of).sum()
}

/// The sum of the numbers of a name whose labels hold this text.
fn number(host: &Host, name: &str, labels: &str) -> f64 {
    let (status, text) = get_as(OPERATOR_TOKEN, host.address(), "/metrics");
    assert_eq!(status, 200);
    let of_name = format!("croupier_notifications_{name}");
    let rows = text.lines().filter(|line| line.strip_prefix(&of_name).is_some_and(|rest| rest.starts_with(['{', ' '])));
    rows.filter(|row| row.contains(labels)).map(|row| row.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
}

fn set_faults(providers: &Providers, provider: Provider, faults: Faults) {
    providers.stand_in.set_faults_of(provider, faults);
}
