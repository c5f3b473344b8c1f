//! What the configuration means to the parts of the host.

use std::{path::PathBuf, time::Duration};

use data_encoding::HEXLOWER;

use super::{Activation, Config, ConfigError, Couchbase, Tracking, TrackingCouchbase};
use crate::{
    catalog::{self, ProbationRule},
    cluster::{self, Advice},
    engine,
    rpc::Limits,
    signing::PublisherKeys,
    store::{CouchbaseSettings, EmbeddedSettings},
    tracking,
};

impl Config {
    /// What JSON-RPC bodies may be.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            batch_entries_max: self.server.batch_entries_max,
            depth_max: self.server.params_depth_max,
            body_bytes_max: self.server.body_bytes_max,
        }
    }

    /// What the operator's endpoint may be sent: a component in Base64 must get through.
    #[must_use]
    pub fn operator_limits(&self) -> Limits {
        let limits = self.limits();
        let component_bytes_max = (self.games.component_mib_max << 20) / 3 * 4 + (64 << 10);
        Limits { body_bytes_max: limits.body_bytes_max.max(component_bytes_max), ..limits }
    }

    /// How releases come into the catalog, and out of play.
    ///
    /// # Errors
    /// [`ConfigError::PublisherKeys`].
    pub fn catalog(&self) -> Result<catalog::Settings, ConfigError> {
        let Activation { malfunction_percent_max, steps_min, players_min, window_s, probation_s } = self.activation;
        let probation = ProbationRule {
            malfunction_percent_max,
            steps_min,
            players_min,
            window: Duration::from_secs(window_s),
            length: Duration::from_secs(probation_s),
        };
        Ok(catalog::Settings {
            publishers: self.publisher_keys()?,
            require_signed: self.publishing.require_signed,
            probation,
        })
    }

    /// How games are run.
    #[must_use]
    pub fn engine(&self, cache_directory: PathBuf) -> engine::Settings {
        engine::Settings {
            concurrent_steps_max: self.games.concurrent_steps_max,
            concurrent_steps_per_game_max: self.games.concurrent_steps_per_game_max,
            step_compute_max: Duration::from_millis(self.games.step_compute_ms_max),
            memory_bytes_max: self.games.step_memory_mib_max << 20,
            admission_wait_max: Duration::from_millis(self.games.admission_wait_ms_max),
            component_bytes_max: self.games.component_mib_max << 20,
            cache_directory: Some(cache_directory),
        }
    }

    /// Whose signatures are trusted.
    ///
    /// # Errors
    /// [`ConfigError::PublisherKeys`].
    pub fn publisher_keys(&self) -> Result<PublisherKeys, ConfigError> {
        Ok(PublisherKeys::parse(self.publishing.keys.iter().map(String::as_str))?)
    }

    /// How the embedded tracking store is kept, in this directory if the configuration names none.
    #[must_use]
    pub fn embedded_tracking(&self, directory: PathBuf) -> tracking::Settings {
        let Tracking { directory: chosen, views, disk_reserve_mib, .. } = &self.tracking;
        tracking::Settings {
            directory: if chosen.as_os_str().is_empty() { directory } else { chosen.clone() },
            views: views.clone(),
            disk_reserve_bytes: disk_reserve_mib << 20,
        }
    }

    /// How the embedded store is kept.
    #[must_use]
    pub fn embedded_store(&self, directory: PathBuf) -> EmbeddedSettings {
        EmbeddedSettings {
            directory,
            cache_bytes: self.store.cache_mib << 20,
            aggregate_bytes_max: self.store.player_kib_max << 10,
            disk_reserve_bytes: self.store.disk_reserve_mib << 20,
        }
    }

    /// The key of session tokens, where it is configured.
    #[must_use]
    pub fn session_key(&self) -> Option<[u8; 32]> {
        HEXLOWER.decode(self.operator.session_key.as_bytes()).ok()?.try_into().ok()
    }

    /// The key of fair play, where it is configured.
    #[must_use]
    pub fn fairness_key(&self) -> Option<[u8; 32]> {
        HEXLOWER.decode(self.fairness.key.as_bytes()).ok()?.try_into().ok()
    }

    /// How the tracking store in a cluster is kept.
    #[must_use]
    pub fn couchbase_tracking(&self) -> tracking::CouchbaseSettings {
        let TrackingCouchbase { connection, user, password, bucket, scope, certificates, durability, timeout_ms } =
            self.tracking_couchbase.clone();
        let section = Couchbase { connection, user, password, bucket, scope, certificates, durability, timeout_ms };
        let cluster = section.cluster(Advice {
            credentials: "tracking_couchbase.user, and the password in CROUPIER_TRACKING_COUCHBASE_PASSWORD",
            collections: "make it with 'croupier tracking init', by a user who may",
        });
        tracking::CouchbaseSettings { cluster, views: self.tracking.views.clone() }
    }

    /// The cluster.
    #[must_use]
    pub fn couchbase(&self) -> CouchbaseSettings {
        let cluster = self.couchbase.clone().cluster(Advice {
            credentials: "couchbase.user, and the password in CROUPIER_COUCHBASE_PASSWORD",
            collections: "make it with 'croupier store init', by a user who may",
        });
        CouchbaseSettings {
            cluster,
            cache_bytes: self.store.cache_mib << 20,
            aggregate_bytes_max: self.store.player_kib_max << 10,
        }
    }
}

impl Couchbase {
    fn cluster(self, advice: Advice) -> cluster::Settings {
        let Self { connection, user, password, bucket, scope, certificates, durability, timeout_ms } = self;
        cluster::Settings {
            connection,
            user,
            password,
            bucket,
            scope,
            certificates: Some(certificates).filter(|path| !path.as_os_str().is_empty()),
            durability,
            timeout: Duration::from_millis(timeout_ms),
            advice,
        }
    }
}
