//! What `[railgun]` and `[queue]` mean to the parts of the railgun.

use std::{collections::BTreeSet, num::NonZeroU32, path::PathBuf, sync::Arc, time::Duration};

use super::{Config, ConfigError, Provider, ProviderKind, Railgun};
use crate::{
    notifications::{Granted, Grants},
    providers::{self, Connection, Secret, airship, meta, sendgrid, webhook},
    queue,
    railgun::{Backend, Defaults, Retries, Route, Workload},
    register,
    rpc::Limits,
};

/// The priority of a notification whose sender does not say.
const PRIORITY: u32 = 1000;
/// A token that is shorter can be guessed.
const TOKEN_BYTES_MIN: usize = 16;
/// How long it may take to reach beanstalkd, and how long it may take to reply.
const BEANSTALKD_TIMEOUT: Duration = Duration::from_secs(3);
/// What a relay carries at once, with the notifications made of it.
const WORKER_BODY_BYTES_MAX: usize = 64 << 20;
/// What a worker needs of its lease besides the time that a provider takes.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

impl Config {
    /// Checks `[railgun]` and `[queue]`.
    ///
    /// # Errors
    /// What is wrong with which option.
    pub fn check_railgun(&self) -> Result<(), ConfigError> {
        let wrong = |option, rule| Err(ConfigError::OutOfRange { option, rule });
        let railgun = &self.railgun;
        if !(1..=3600).contains(&self.queue.lease_s) {
            return wrong("queue.lease_s", "must be in 1..=3600");
        }
        if !(1..=100).contains(&railgun.attempts_max) {
            return wrong("railgun.attempts_max", "must be in 1..=100");
        }
        if railgun.retry_wait_ms_min == 0 || railgun.retry_wait_ms_min > railgun.retry_wait_ms_max {
            return wrong("railgun.retry_wait_ms_min", "must be in 1..=railgun.retry_wait_ms_max");
        }
        if !(1..=10_000).contains(&railgun.batch_entries_max) {
            return wrong("railgun.batch_entries_max", "must be in 1..=10000");
        }
        // A host that hands over knows nothing of who delivers.
        if railgun.url.is_empty() {
            for grant in &railgun.grants {
                let has_provider =
                    |channel| railgun.providers.iter().any(|provider| provider.kind.channel() == channel);
                if let Some(channel) = grant.channels.iter().find(|channel| !has_provider(**channel)) {
                    return Err(ConfigError::Undeliverable { game: grant.game.clone(), channel: *channel });
                }
            }
        }
        Ok(())
    }

    /// Who delivers what.
    ///
    /// # Errors
    /// [`ConfigError::Provider`].
    pub fn routes(&self) -> Result<Vec<Route>, ConfigError> {
        let mut channels = BTreeSet::new();
        let mut routes = Vec::new();
        for section in &self.railgun.providers {
            let wrong = |why: String| ConfigError::Provider { name: section.name.clone(), why };
            if !channels.insert(section.kind.channel()) {
                return Err(wrong(format!("there is another provider for {}", section.kind.channel())));
            }
            let lease = Duration::from_secs(self.queue.lease_s);
            if Duration::from_millis(section.timeout_ms) + LEASE_MARGIN > lease {
                let margin = LEASE_MARGIN.as_secs();
                return Err(wrong(format!("timeout_ms must be {margin} s less than queue.lease_s, or less")));
            }
            let provider = section.open().map_err(wrong)?;
            let bulk_max = if section.bulk_max == 0 { usize::MAX } else { section.bulk_max };
            routes.push(Route::new(provider, section.calls_max, bulk_max, NonZeroU32::new(section.per_second)));
        }
        Ok(routes)
    }

    /// Who may send.
    ///
    /// # Errors
    /// [`ConfigError::Service`].
    pub fn sending_services(&self) -> Result<Vec<Backend>, ConfigError> {
        if self.worker_token()?.is_some_and(|token| token == self.operator.token) {
            return Err(ConfigError::OutOfRange {
                option: "railgun.worker_token",
                rule: "must not be the operator's, too",
            });
        }
        let mut services: Vec<Backend> = Vec::new();
        for section in &self.railgun.services {
            let wrong = |why: String| ConfigError::Service { name: section.name.clone(), why };
            let token = section.token.read().map_err(|error| wrong(format!("token: {error}")))?;
            if token.len() < TOKEN_BYTES_MIN {
                return Err(wrong(format!("its token must be {TOKEN_BYTES_MIN} characters or more")));
            }
            if token == self.operator.token
                || token == self.railgun.worker_token
                || services.iter().any(|other| other.token == token)
            {
                return Err(wrong("its token is somebody else's, too".to_owned()));
            }
            if services.iter().any(|other| other.name == section.name) {
                return Err(wrong("there are two of this name".to_owned()));
            }
            let per_second = NonZeroU32::new(section.per_second);
            let (name, may_contacts) = (section.name.clone(), section.contacts);
            services.push(Backend { name, token, per_second, may_contacts });
        }
        Ok(services)
    }

    /// Where the register is, if another process keeps it.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`].
    pub fn remote_register(&self) -> Result<Option<register::RemoteSettings>, ConfigError> {
        let Railgun { url, .. } = &self.railgun;
        if url.is_empty() {
            return Ok(None);
        }
        let token = self.worker_token()?.ok_or(ConfigError::OutOfRange {
            option: "railgun.worker_token",
            rule: "must be that of the process at railgun.url",
        })?;
        Ok(Some(register::RemoteSettings { url: url.clone(), token }))
    }

    /// What workers are known by, if there are any.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`].
    pub fn worker_token(&self) -> Result<Option<String>, ConfigError> {
        let token = &self.railgun.worker_token;
        if (1..TOKEN_BYTES_MIN).contains(&token.len()) {
            return Err(ConfigError::OutOfRange {
                option: "railgun.worker_token",
                rule: "must be 16 characters or more",
            });
        }
        Ok(Some(token.clone()).filter(|token| !token.is_empty()))
    }

    /// What bodies of services may be.
    #[must_use]
    pub fn notification_limits(&self) -> Limits {
        Limits {
            batch_entries_max: self.railgun.batch_entries_max,
            body_bytes_max: self.railgun.body_bytes_max,
            ..self.limits()
        }
    }

    /// What bodies of workers may be, and of hosts that hand over what games send: as much as a relay carries at once.
    #[must_use]
    pub fn worker_limits(&self) -> Limits {
        Limits { batch_entries_max: 1, depth_max: 126, body_bytes_max: WORKER_BODY_BYTES_MAX }
    }

    /// How attempts are repeated.
    #[must_use]
    pub fn retries(&self) -> Retries {
        Retries {
            attempts_max: self.railgun.attempts_max,
            wait_min: Duration::from_millis(self.railgun.retry_wait_ms_min),
            wait_max: Duration::from_millis(self.railgun.retry_wait_ms_max),
        }
    }

    /// What a sender need not say.
    #[must_use]
    pub fn notification_defaults(&self) -> Defaults {
        Defaults { priority: PRIORITY, expires_after_ms: self.railgun.expires_after_s.saturating_mul(1000) }
    }

    /// What games may send.
    #[must_use]
    pub fn grants(&self) -> Grants {
        // What nobody would deliver is refused, so that the game knows.
        let granted = self.railgun.grants.iter().filter(|_| self.railgun.enabled).map(|grant| {
            let (channels, templates) = (grant.channels.iter().copied(), grant.templates.iter().cloned());
            let granted = Granted { channels: channels.collect(), templates: templates.collect() };
            (grant.game.clone(), Arc::new(granted))
        });
        granted.collect()
    }

    /// How many workers are recommended.
    #[must_use]
    pub fn workload(&self) -> Workload {
        let Self { railgun, .. } = self;
        Workload {
            per_worker_second: railgun.worker_per_second,
            within: Duration::from_secs(railgun.within_s),
            workers_max: u64::from(u16::MAX),
        }
    }

    /// How the embedded register is kept, in this directory if the configuration names none.
    #[must_use]
    pub fn embedded_register(&self, directory: PathBuf) -> register::EmbeddedSettings {
        let chosen = &self.railgun.directory;
        register::EmbeddedSettings {
            directory: if chosen.as_os_str().is_empty() { directory } else { chosen.clone() },
            disk_reserve_bytes: self.railgun.disk_reserve_mib << 20,
        }
    }

    /// How the embedded queue is kept, in this directory if the configuration names none.
    #[must_use]
    pub fn embedded_queue(&self, directory: PathBuf) -> queue::embedded::Settings {
        let chosen = &self.queue.directory;
        queue::embedded::Settings {
            directory: if chosen.as_os_str().is_empty() { directory } else { chosen.clone() },
            lease: Duration::from_secs(self.queue.lease_s),
            disk_reserve_bytes: self.railgun.disk_reserve_mib << 20,
        }
    }

    /// The beanstalkd.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`].
    pub fn beanstalkd(&self) -> Result<queue::beanstalkd::Settings, ConfigError> {
        let tube_prefix = self.queue.tube_prefix.parse().map_err(|_| ConfigError::OutOfRange {
            option: "queue.tube_prefix",
            rule: "must be letters, digits and '-', and short",
        })?;
        Ok(queue::beanstalkd::Settings {
            address: self.queue.address.clone(),
            tube_prefix,
            lease: Duration::from_secs(self.queue.lease_s),
            connect_timeout: BEANSTALKD_TIMEOUT,
            reply_timeout: BEANSTALKD_TIMEOUT,
        })
    }
}

impl Provider {
    fn open(&self) -> Result<Arc<dyn providers::Provider>, String> {
        let secret = Secret::new(self.secret.read().map_err(|error| format!("secret: {error}"))?);
        let needed = |option: &str, value: &Option<String>| {
            value.clone().ok_or_else(|| format!("{option} is needed for {}", self.kind.channel()))
        };
        let connection = |usual: Option<&str>| -> Result<Connection, String> {
            let base_url = match usual {
                Some(usual) => self.base_url.clone().unwrap_or_else(|| usual.to_owned()),
                None => needed("base_url", &self.base_url)?,
            };
            let timeout = Duration::from_millis(self.timeout_ms);
            Ok(Connection { timeout, ..Connection::new(self.name.clone(), base_url) })
        };
        let opened = match self.kind {
            ProviderKind::Sendgrid => sendgrid::open(sendgrid::Settings {
                connection: connection(Some(sendgrid::BASE_URL))?,
                api_key: secret,
                from: self.from.clone().ok_or("from is needed: a sender's address that SendGrid has verified")?,
                from_name: self.from_name.clone(),
            }),
            ProviderKind::Meta => meta::open(meta::Settings {
                connection: connection(Some(meta::BASE_URL))?,
                version: meta::VERSION.to_owned(),
                access_token: secret,
                app_link: self.app_link.clone(),
            }),
            ProviderKind::Airship => airship::open(airship::Settings {
                connection: connection(Some(airship::BASE_URL))?,
                app_key: needed("app_key", &self.app_key)?,
                credentials: airship::Credentials::MasterSecret(secret),
                devices: airship::Device::ALL.to_vec(),
            }),
            ProviderKind::Webhook => webhook::open(webhook::Settings { connection: connection(None)?, secret }),
        };
        opened.map_err(|error| error.why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notifications::Channel;

    const MAIL: &str =
        "[[railgun.providers]]\nname = \"mail\"\nkind = \"sendgrid\"\nsecret = \"s\"\nfrom = \"a@b.c\"\n";
    const CRM: &str = "[[railgun.services]]\nname = \"crm\"\ntoken = \"0123456789abcdef\"\n";

    fn load(text: &str) -> Result<Config, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let environment = [("CROUPIER_OPERATOR_TOKEN".to_owned(), "the operator's token".to_owned())];
        Config::load(Some(file.path()), environment.into_iter()).map_err(|error| error.to_string())
    }

    /// What is wrong with it, wherever that is found out.
    fn flaw(text: &str) -> String {
        let config = match load(text) {
            Ok(config) => config,
            Err(flaw) => return flaw,
        };
        let found = config.check().err().or(config.routes().err()).or(config.sending_services().err());
        found.or(config.remote_register().err()).or(config.beanstalkd().err()).map(|flaw| flaw.to_string()).unwrap()
    }

    #[tokio::test]
    async fn who_sends_and_who_delivers_come_from_the_file_and_secrets_from_where_they_are() {
        let secret = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(secret.path(), "  another service's token\n").unwrap();
        let path = secret.path().display();
        let text = format!(
            "{MAIL}{CRM}per_second = 5\n[[railgun.services]]\nname = \"shop\"\ntoken = {{ file = \"{path}\" }}\n\
             [[railgun.grants]]\ngame = \"slots\"\nchannels = [\"email\"]\ntemplates = [\"big-win\"]\n"
        );
        let config = load(&text).unwrap();
        config.check().unwrap();
        let routes = config.routes().unwrap();
        assert_eq!(routes.iter().map(Route::channel).collect::<Vec<_>>(), [Channel::Email]);
        let services = config.sending_services().unwrap();
        assert_eq!(services[0].per_second.unwrap().get(), 5);
        assert_eq!((services[1].token.as_str(), services[1].per_second), ("another service's token", None));
        assert!(config.grants()[&"slots".parse().unwrap()].allows("email", "big-win"));
        assert!(!format!("{config:?}").contains("0123456789abcdef"));
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        for (text, words) in [
            (format!("{MAIL}{MAIL}"), "'mail': there is another provider for email"),
            (MAIL.replace("from", "#"), "'mail': from is needed"),
            (MAIL.replace("\"s\"", "{ env = \"CROUPIER_TEST_NOT_SET\" }"), "CROUPIER_TEST_NOT_SET is not set"),
            (MAIL.replace("\"s\"", "{ file = \"/nowhere\" }"), "/nowhere"),
            (MAIL.replace("\"s\"", "\"\""), "'mail': secret: it is empty"),
            (format!("{MAIL}timeout_ms = 60000\n"), "timeout_ms must be 5 s less than queue.lease_s"),
            (MAIL.replace("sendgrid", "pigeon"), "pigeon"),
            (format!("{MAIL}base_url = \"nonsense\"\n"), "'mail'"),
            (CRM.replace("0123456789abcdef", "short"), "'crm': its token must be 16 characters or more"),
            (format!("{CRM}{CRM}"), "'crm': its token is somebody else's, too"),
            (CRM.replace("0123456789abcdef", "the operator's token"), "somebody else's"),
            (
                "[[railgun.grants]]\ngame = \"slots\"\nchannels = [\"push\"]\ntemplates = []\n".to_owned(),
                "slots may send push, which nobody delivers",
            ),
            ("[railgun]\nurl = \"http://127.0.0.1:1\"\n".to_owned(), "railgun.worker_token must be that of"),
            ("[railgun]\nworker_token = \"short\"\nurl = \"http://a\"\n".to_owned(), "railgun.worker_token must be 16"),
            ("[railgun]\nworker_token = \"the operator's token\"\n".to_owned(), "must not be the operator's"),
            ("[railgun]\nretry_wait_ms_min = 0\n".to_owned(), "railgun.retry_wait_ms_min"),
            ("[railgun]\nattempts_max = 0\n".to_owned(), "railgun.attempts_max"),
            ("[queue]\nlease_s = 0\n".to_owned(), "queue.lease_s"),
            ("[queue]\ntube_prefix = \"a b\"\n".to_owned(), "queue.tube_prefix"),
        ] {
            let found = flaw(&text);
            assert!(found.contains(words), "{text}: {found}");
        }
    }
}
