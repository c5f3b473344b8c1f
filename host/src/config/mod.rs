//! Configuration: a TOML file, overridden by the environment. Every option has a default but the operator's token,
//! and what is not an option is refused.

mod delivery;
mod notifications;
mod sections;
mod settings;

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use toml::{Table, Value};

pub use self::notifications::{
    Grant, NoSecret, Provider, ProviderKind, Queue, QueueKind, Railgun, SecretSource, SendingService,
};
pub use self::sections::{
    Activation, Couchbase, Fairness, Games, Log, Operator, Publishing, Server, Store, StoreKind, Tracking,
    TrackingCouchbase, TrackingKind,
};
use crate::{
    facts::InvalidView,
    identity::{GameId, ProviderName, ServiceName, ViewName},
    limits::VIEWS_MAX,
    notifications::Channel,
    signing::InvalidPublisher,
};

/// What every environment variable of ours begins with: `CROUPIER_<SECTION>_<OPTION>`.
pub const ENVIRONMENT_PREFIX: &str = "CROUPIER_";

/// A host's configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Who is listened to, and how much they may send.
    pub server: Server,
    /// The operator's access.
    pub operator: Operator,
    /// Where everything is kept.
    pub store: Store,
    /// The cluster, where the store is one.
    pub couchbase: Couchbase,
    /// The games, and what one step may use.
    pub games: Games,
    /// Which games are provably fair.
    pub fairness: Fairness,
    /// Whose releases may be published.
    pub publishing: Publishing,
    /// When a new release is taken back by the host itself.
    pub activation: Activation,
    /// The statistics of what is played. Views are in the file only, as [[tracking.views]]; README has an example.
    pub tracking: Tracking,
    /// The cluster of the statistics, where they are kept in one.
    pub tracking_couchbase: TrackingCouchbase,
    /// Notifications: who may send them, and who delivers them. Services, providers and grants are in the file only.
    pub railgun: Railgun,
    /// Where notifications wait to be delivered.
    pub queue: Queue,
    /// The operator's log.
    pub log: Log,
}

/// A configuration that cannot be used; the message says what to change.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is no TOML, or has an option that is none or does not fit.
    #[error("{origin}: {reason}")]
    Invalid {
        /// The file, or the environment.
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// An environment variable of ours that sets nothing.
    #[error("{0} is set in the environment, but there is no such option: see 'croupier serve --help'")]
    UnknownVariable(String),
    /// A value that makes no sense.
    #[error("{option} {rule}")]
    OutOfRange {
        /// Which option.
        option: &'static str,
        /// What it must be.
        rule: &'static str,
    },
    /// A publisher's key that is none.
    #[error("publishing.keys: {0}")]
    PublisherKeys(#[from] InvalidPublisher),
    /// A view that makes no sense.
    #[error("tracking.views: {0}")]
    View(#[from] InvalidView),
    /// A provider that cannot be used.
    #[error("railgun.providers: '{name}': {why}")]
    Provider {
        /// Which.
        name: ProviderName,
        /// What is wrong.
        why: String,
    },
    /// A game may send what nobody delivers.
    #[error("railgun.grants: {game} may send {channel}, which nobody delivers: declare a provider for it")]
    Undeliverable {
        /// The game.
        game: GameId,
        /// What it may send.
        channel: Channel,
    },
    /// A service that cannot be used.
    #[error("railgun.services: '{name}': {why}")]
    Service {
        /// Which.
        name: ServiceName,
        /// What is wrong.
        why: String,
    },
    /// Two views of one name.
    #[error("tracking.views: there are two views '{0}'")]
    TwoViews(ViewName),
}

impl Config {
    /// Reads the file, if there is one, and then the environment.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(file: Option<&Path>, environment: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let mut table = match file {
            Some(path) => read(path)?,
            None => Table::new(),
        };
        let origin = file.map_or_else(|| "the defaults".to_owned(), |path| path.display().to_string());
        // The file alone first: its mistakes must not be blamed on the environment.
        parse(table.clone(), &origin)?;
        for (name, value) in environment {
            if let Some(option) = name.strip_prefix(ENVIRONMENT_PREFIX) {
                override_option(&mut table, &name, option, value)?;
            }
        }
        parse(table, "the environment")
    }

    /// Checks the operator's token.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`].
    pub fn check_operator(&self) -> Result<(), ConfigError> {
        if self.operator.token.len() < 16 {
            return Err(ConfigError::OutOfRange {
                option: "operator.token",
                rule: "must be 16 characters or more: set it in the configuration, or as CROUPIER_OPERATOR_TOKEN",
            });
        }
        Ok(())
    }

    /// Checks what single values cannot tell, for a host.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`], [`ConfigError::PublisherKeys`] and what is wrong with views.
    pub fn check(&self) -> Result<(), ConfigError> {
        let wrong = |option, rule| Err(ConfigError::OutOfRange { option, rule });
        self.check_operator()?;
        if self.store.kind == StoreKind::Couchbase && self.operator.session_key.is_empty() {
            return wrong(
                "operator.session_key",
                "must be set where hosts share a store: make one with 'openssl rand -hex 32', and give it to all of them",
            );
        }
        if !self.operator.session_key.is_empty() && self.session_key().is_none() {
            return wrong("operator.session_key", "must be 64 hexadecimal digits in lower case");
        }
        if self.store.kind == StoreKind::Couchbase && !self.fairness.games.is_empty() && self.fairness.key.is_empty() {
            return wrong(
                "fairness.key",
                "must be set where hosts share a store: make one with 'openssl rand -hex 32', give it to all of them, and keep it",
            );
        }
        if !self.fairness.key.is_empty() && self.fairness_key().is_none() {
            return wrong("fairness.key", "must be 64 hexadecimal digits in lower case");
        }
        if !(10..=60_000).contains(&self.couchbase.timeout_ms) {
            return wrong("couchbase.timeout_ms", "must be in 10..=60000");
        }
        if !(10..=60_000).contains(&self.tracking_couchbase.timeout_ms) {
            return wrong("tracking_couchbase.timeout_ms", "must be in 10..=60000");
        }
        let games = &self.games;
        if !(1..=1000).contains(&games.concurrent_steps_max) {
            return wrong("games.concurrent_steps_max", "must be in 1..=1000");
        }
        if !(1..=games.concurrent_steps_max).contains(&games.concurrent_steps_per_game_max) {
            return wrong("games.concurrent_steps_per_game_max", "must be in 1..=games.concurrent_steps_max");
        }
        if !(1..=60_000).contains(&games.step_compute_ms_max) {
            return wrong("games.step_compute_ms_max", "must be in 1..=60000");
        }
        if !(1..=1024).contains(&games.step_memory_mib_max) {
            return wrong("games.step_memory_mib_max", "must be in 1..=1024");
        }
        if !(1..=100).contains(&self.server.batch_entries_max) {
            return wrong("server.batch_entries_max", "must be in 1..=100, below the window of idempotency keys");
        }
        if !(1..=1024).contains(&games.component_mib_max) {
            return wrong("games.component_mib_max", "must be in 1..=1024");
        }
        let activation = &self.activation;
        if activation.malfunction_percent_max > 100 {
            return wrong("activation.malfunction_percent_max", "must be in 0..=100");
        }
        if activation.steps_min == 0 || activation.window_s == 0 {
            return wrong("activation.steps_min and activation.window_s", "must be 1 or more");
        }
        self.publisher_keys()?;
        self.check_railgun()?;
        self.check_views()
    }

    /// Checks the views.
    ///
    /// # Errors
    /// What is wrong with one.
    pub fn check_views(&self) -> Result<(), ConfigError> {
        let views = &self.tracking.views;
        if views.len() > VIEWS_MAX {
            return Err(ConfigError::OutOfRange { option: "tracking.views", rule: "are 32 at most" });
        }
        let mut names = BTreeSet::new();
        for view in views {
            view.check()?;
            if !names.insert(&view.name) {
                return Err(ConfigError::TwoViews(view.name.clone()));
            }
        }
        Ok(())
    }

    /// Every option with its default and what it is for, as `--help` shows it.
    #[must_use]
    pub fn help() -> String {
        let defaults = Table::try_from(Self::default()).unwrap_or_default();
        let schema = schema_for!(Config).to_value();
        let mut help = String::new();
        for (section, options) in &defaults {
            let Value::Table(options) = options else { continue };
            let about = schema.pointer(&format!("/properties/{section}/description"));
            let _written =
                writeln!(help, "\n  [{section}]  {}", about.and_then(|about| about.as_str()).unwrap_or_default());
            let definition = schema.pointer(&format!("/properties/{section}/$ref")).and_then(|target| target.as_str());
            for (option, default) in options {
                let pointer = format!(
                    "{}/properties/{option}/description",
                    definition.unwrap_or_default().trim_start_matches('#')
                );
                let about = schema.pointer(&pointer).and_then(|about| about.as_str()).unwrap_or_default();
                let _written =
                    writeln!(help, "  {option} = {default}\n      {about}\n      {}", variable(section, option));
            }
        }
        help
    }
}

fn read(path: &Path) -> Result<Table, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
    text.parse().map_err(|error: toml::de::Error| invalid(&path.display().to_string(), &error))
}

fn parse(table: Table, origin: &str) -> Result<Config, ConfigError> {
    table.try_into().map_err(|error| invalid(origin, &error))
}

fn invalid(origin: &str, error: &toml::de::Error) -> ConfigError {
    ConfigError::Invalid { origin: origin.to_owned(), reason: error.to_string().trim().to_owned() }
}

fn variable(section: &str, option: &str) -> String {
    format!("{ENVIRONMENT_PREFIX}{}_{}", section.to_uppercase(), option.to_uppercase())
}

/// Variables under this are the test suite's and name no option.
const TEST_VARIABLES: &str = "TEST_";

fn override_option(table: &mut Table, name: &str, option: &str, value: String) -> Result<(), ConfigError> {
    if option.starts_with(TEST_VARIABLES) {
        return Ok(());
    }
    let defaults = Table::try_from(Config::default()).unwrap_or_default();
    let known = defaults.iter().find_map(|(section, options)| {
        let options = options.as_table()?;
        options.iter().find(|(key, _)| variable(section, key) == name).map(|(key, default)| (section, key, default))
    });
    let (section, key, default) = known.ok_or_else(|| ConfigError::UnknownVariable(name.to_owned()))?;
    let value =
        value_like(default, value).map_err(|reason| ConfigError::Invalid { origin: name.to_owned(), reason })?;
    let options = table.entry(section.clone()).or_insert_with(|| Table::new().into());
    if let Value::Table(options) = options {
        options.insert(key.clone(), value);
    }
    Ok(())
}

/// A variable's text as a value of the default's type. The elements of a list stand between commas.
fn value_like(default: &Value, text: String) -> Result<Value, String> {
    let word = text.trim();
    match default {
        Value::Integer(_) => {
            word.parse().map(Value::Integer).map_err(|error| format!("'{text}' is no number: {error}"))
        }
        Value::Boolean(_) => {
            word.parse().map(Value::Boolean).map_err(|_| format!("'{text}' is neither true nor false"))
        }
        Value::Array(_) => {
            let elements = word.split(',').map(str::trim).filter(|element| !element.is_empty());
            Ok(Value::Array(elements.map(|element| Value::String(element.to_owned())).collect()))
        }
        _ => Ok(Value::String(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::SecretKey;
    use crate::telemetry::Format;

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::load(Some(file.path()), environment).map_err(|error| error.to_string())
    }

    #[test]
    fn the_environment_overrides_the_file_and_the_file_the_defaults() {
        let config = load(
            "[server]\nlisten = \"0.0.0.0:1\"\n[log]\nformat = \"json\"",
            &[
                ("CROUPIER_SERVER_LISTEN", "127.0.0.1:2"),
                ("CROUPIER_GAMES_STEP_COMPUTE_MS_MAX", "7"),
                ("CROUPIER_TEST_ANYTHING", "x"),
                ("PATH", "/bin"),
            ],
        );
        let config = config.unwrap();
        assert_eq!(config.server.listen, "127.0.0.1:2");
        assert_eq!(config.log.format, Format::Json);
        assert_eq!(config.games.step_compute_ms_max, 7);
        assert_eq!(config.store, Store::default());
    }

    #[test]
    fn publishers_come_from_the_file_or_the_environment() {
        let keys = [1, 2].map(|number| SecretKey::from_entropy(&[number; 32]).public_key());
        let publishers = |text: &str, environment: &[(&str, &str)]| {
            let config = load(text, environment).unwrap();
            let known = config.publisher_keys().unwrap();
            (config.publishing.require_signed, keys.map(|key| known.publisher_of(&key).map(ToString::to_string)))
        };
        assert_eq!(publishers("", &[]), (false, [None, None]));
        let file = format!("[publishing]\nrequire_signed = true\nkeys = [\"acme={}\"]", keys[0]);
        assert_eq!(publishers(&file, &[]), (true, [Some("acme".to_owned()), None]));
        let environment = [
            ("CROUPIER_PUBLISHING_REQUIRE_SIGNED", " false "),
            ("CROUPIER_PUBLISHING_KEYS", &format!("acme={}, other={},", keys[0], keys[1])),
        ];
        assert_eq!(publishers(&file, &environment), (false, [Some("acme".to_owned()), Some("other".to_owned())]));
        assert_eq!(publishers(&file, &[("CROUPIER_PUBLISHING_KEYS", "")]), (true, [None, None]));
    }

    #[test]
    fn what_is_no_option_is_refused_by_name() {
        for (text, environment, word) in [
            ("[server]\nlisen = \"x\"", [].as_slice(), "lisen"),
            ("[servers]", &[], "servers"),
            ("[server]\nbody_bytes_max = \"many\"", &[], "body_bytes_max"),
            ("nonsense", &[], "expected"),
            ("", &[("CROUPIER_SERVER_LISEN", "x")], "CROUPIER_SERVER_LISEN"),
            ("", &[("CROUPIER_SERVER_BODY_BYTES_MAX", "many")], "many"),
            ("[log]\nformat = \"xml\"", &[], "xml"),
            ("[publishing]\nkeys = \"acme\"", &[], "keys"),
            ("", &[("CROUPIER_PUBLISHING_REQUIRE_SIGNED", "yes")], "'yes' is neither true nor false"),
        ] {
            let error = load(text, environment).unwrap_err();
            assert!(error.contains(word), "{text} {environment:?}: {error}");
        }
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let token = "[operator]\ntoken = \"0123456789abcdef\"\n";
        load(token, &[]).unwrap().check().unwrap();
        for (text, option) in [
            ("", "operator.token"),
            (&format!("{token}[games]\nconcurrent_steps_max = 0"), "concurrent_steps_max"),
            (&format!("{token}[games]\nconcurrent_steps_per_game_max = 65"), "concurrent_steps_per_game_max"),
            (&format!("{token}[games]\nstep_compute_ms_max = 0"), "step_compute_ms_max"),
            (&format!("{token}[server]\nbatch_entries_max = 1000"), "batch_entries_max"),
            (&format!("{token}[publishing]\nkeys = [\"acme\"]"), "publishing.keys: entry 1"),
        ] {
            let error = load(text, &[]).unwrap().check().unwrap_err().to_string();
            assert!(error.contains(option), "{text}: {error}");
        }
    }

    #[test]
    fn the_configuration_that_is_deployed_is_one() {
        let secrets = [
            ("CROUPIER_OPERATOR_TOKEN", "0123456789abcdef"),
            ("CROUPIER_OPERATOR_SESSION_KEY", &"0f".repeat(32)),
            ("CROUPIER_RAILGUN_WORKER_TOKEN", "0123456789abcdef"),
        ];
        let config = load(include_str!("../../../deploy/croupier.toml"), &secrets).unwrap();
        config.check().unwrap();
        assert!(config.remote_register().unwrap().is_some());
        config.beanstalkd().unwrap();
    }

    #[test]
    fn views_come_from_the_file_and_wrong_ones_are_refused() {
        let view = |name: &str, rest: &str| format!("[[tracking.views]]\nname = \"{name}\"\n{rest}\n");
        let good = view("rounds", "filter = { kind = \"round_closed\" }\nkey = [\"game\"]\nreduce = \"count\"");
        let config = load(&format!("[tracking]\nsource = \"berlin\"\n{good}"), &[]).unwrap();
        config.check_views().unwrap();
        assert_eq!(config.tracking.source.as_str(), "berlin");
        assert_eq!(config.tracking.views.iter().map(|view| view.name.as_str()).collect::<Vec<_>>(), ["rounds"]);
        for (text, words) in [
            (view("rounds", "reduce = \"count\"\nkey = [\"gme\"]"), "there is no field 'gme'"),
            (view("rounds", ""), "missing field `reduce`"),
            (view("Rounds", "reduce = \"count\""), "a-z, 0-9 and '-'"),
            (view("rounds", "reduce = \"sum\""), "tracking.views: view rounds: sum, stats and distinct need a value"),
            (format!("{good}{good}"), "tracking.views: there are two views 'rounds'"),
            ((0..33).map(|number| view(&format!("view-{number}"), "reduce = \"count\"")).collect(), "tracking.views"),
            ("[tracking]\nsource = \"Berlin 1\"".to_owned(), "a-z, 0-9 and '-'"),
        ] {
            let loaded = load(&text, &[]);
            let error = loaded.and_then(|config| config.check_views().map_err(|error| error.to_string())).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn help_explains_every_option() {
        let help = Config::help();
        let defaults = Table::try_from(Config::default()).unwrap();
        for (section, options) in defaults {
            for option in options.as_table().unwrap().keys() {
                assert!(help.contains(&variable(&section, option)), "{section}.{option} is not in:\n{help}");
            }
        }
        let lines: Vec<_> = help.lines().map(str::trim).collect();
        assert!(!lines.windows(2).any(|pair| pair[0].contains(" = ") && pair[1].is_empty()), "{help}");
    }
}
