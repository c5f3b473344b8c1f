//! From an address to documents: connecting within bounds, and making or checking what must be there.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use couchbase::{
    authenticator::PasswordAuthenticator,
    bucket::Bucket,
    durability_level::DurabilityLevel,
    error::ErrorKind,
    management::{
        buckets::bucket_settings::{BucketSettings, BucketType},
        collections::collection_settings::CreateCollectionSettings,
    },
    options::cluster_options::{ClusterOptions, TlsOptions},
};
use futures_util::future::BoxFuture;
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use thiserror::Error;

use super::{
    Cluster, Settings,
    client::{Client, Kind},
};

/// How long a start waits for the cluster.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long collections may take to be there on every node.
const CREATE_WAIT_MAX: Duration = Duration::from_secs(30);
const CREATE_LOOK: Duration = Duration::from_millis(100);

/// The cluster cannot be used; the message says what to do.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// Nobody answers, or not in time.
    #[error("the Couchbase cluster {connection} cannot be reached: {reason}")]
    Unreachable {
        /// Where.
        connection: String,
        /// Why.
        reason: String,
    },
    /// It does not know the user, or not this password.
    #[error("the Couchbase cluster {connection} refuses user '{user}': check {advice}")]
    Refused {
        /// Where.
        connection: String,
        /// Who.
        user: String,
        /// What to look at.
        advice: &'static str,
    },
    /// A bucket, scope or collection is missing.
    #[error("{what} is missing in the Couchbase cluster: {advice}")]
    Missing {
        /// What.
        what: String,
        /// What to do.
        advice: &'static str,
    },
    /// The bucket keeps less than was asked for.
    #[error("bucket '{bucket}' is not safe for money: {flaw}")]
    Unsafe {
        /// Which.
        bucket: String,
        /// What is wrong, and what to do.
        flaw: String,
    },
    /// A certificate's file.
    #[error("{path}: {reason}")]
    Certificate {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// What could be found out about a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Safety {
    /// It keeps what was asked for.
    Proved {
        /// Copies of each document beside the first.
        replicas: u32,
        /// What the bucket makes of writes that ask for less, in the cluster's words.
        durability_min: String,
    },
    /// The user may not look, as the cluster says.
    Unknown(String),
}

/// Whether what is missing is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetUp {
    /// It is refused.
    Verify,
    /// Scope and collections are made; the bucket is the cluster's administrator's.
    Create,
}

impl Cluster {
    /// Connects, within seconds or not at all, and checks or makes what must be there.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub(crate) async fn connect(settings: &Settings, set_up: SetUp, kinds: &[impl Kind]) -> Result<Self, ConnectError> {
        let unreachable =
            |reason: String| ConnectError::Unreachable { connection: settings.connection.clone(), reason };
        let refused = || ConnectError::Refused {
            connection: settings.connection.clone(),
            user: settings.user.clone(),
            advice: settings.advice.credentials,
        };
        // Behind a pointer, as in the client: it is deep.
        let connecting: BoxFuture<'_, Result<_, ConnectError>> = Box::pin(async {
            let cluster = couchbase::cluster::Cluster::connect(&settings.connection, options(settings)?).await;
            let cluster = cluster.map_err(|error| match error.kind() {
                ErrorKind::AuthenticationFailure => refused(),
                _ => unreachable(error.to_string()),
            })?;
            let bucket = cluster.bucket(&settings.bucket);
            bucket.wait_until_ready(None).await.map_err(|error| match error.kind() {
                ErrorKind::AuthenticationFailure => refused(),
                ErrorKind::BucketNotFound => ConnectError::Missing {
                    what: format!("bucket '{}'", settings.bucket),
                    advice: "its administrator makes it, with the replicas and the minimum durability that are wanted",
                },
                _ => unreachable(error.to_string()),
            })?;
            Ok((cluster, bucket))
        });
        let in_time = tokio::time::timeout(CONNECT_WAIT_MAX, connecting).await;
        let (cluster, bucket) = in_time.map_err(|_| {
            let reason = format!(
                "it was not ready within {CONNECT_WAIT_MAX:?}: check its address, {}, and that bucket '{}' exists",
                settings.advice.credentials, settings.bucket
            );
            unreachable(reason)
        })??;
        if set_up == SetUp::Create {
            let creating: BoxFuture<'_, Result<(), String>> = Box::pin(create(&bucket, &settings.scope, kinds));
            creating.await.map_err(unreachable)?;
        }
        let client = Client::new(bucket, settings.scope.clone(), settings.timeout, settings.durability.level());
        verify(&client, settings, set_up, kinds).await?;
        Ok(Self { client: Arc::new(client), cluster })
    }
}

impl Cluster {
    /// Finds out whether the bucket itself keeps what the settings ask for: a host asks for its durability with every
    /// write, but whoever else writes there, by hand or by mistake, need not.
    ///
    /// # Errors
    /// [`ConnectError::Unsafe`], and where the cluster does not answer.
    pub(crate) async fn check_bucket(&self, settings: &Settings) -> Result<Safety, ConnectError> {
        let buckets = self.cluster.buckets();
        let looking: BoxFuture<'_, _> = Box::pin(buckets.get_bucket(&settings.bucket, None));
        match tokio::time::timeout(CONNECT_WAIT_MAX, looking).await {
            Ok(Ok(found)) => judge(&found, settings),
            // Only a user who may manage buckets may see how they are made.
            Ok(Err(error)) => Ok(Safety::Unknown(error.to_string())),
            Err(_) => Err(ConnectError::Unreachable {
                connection: settings.connection.clone(),
                reason: format!("its management has not answered within {CONNECT_WAIT_MAX:?}"),
            }),
        }
    }
}

fn judge(found: &BucketSettings, settings: &Settings) -> Result<Safety, ConnectError> {
    let flawed = |flaw: String| Err(ConnectError::Unsafe { bucket: settings.bucket.clone(), flaw });
    if found.bucket_type == Some(BucketType::EPHEMERAL) {
        return flawed(
            "it is ephemeral, and forgets everything when its nodes restart: make one of type Couchbase".into(),
        );
    }
    if let Some(expiry) = found.max_expiry.filter(|expiry| !expiry.is_zero()) {
        return flawed(format!("it forgets documents after {expiry:?}: set its maximum time to live to 0"));
    }
    let wanted = settings.durability.level();
    let durability_min = found.minimum_durability_level.clone().unwrap_or(DurabilityLevel::NONE);
    if durability_min < wanted {
        return flawed(format!(
            "its minimum durability is '{durability_min}', and couchbase.durability asks for '{wanted}': set the \
             bucket's minimum durability to '{wanted}', so that nobody can write with less"
        ));
    }
    Ok(Safety::Proved { replicas: found.num_replicas.unwrap_or(0), durability_min: durability_min.to_string() })
}

fn options(settings: &Settings) -> Result<ClusterOptions, ConnectError> {
    let authenticator = PasswordAuthenticator::new(settings.user.clone(), settings.password.clone());
    let options = ClusterOptions::new(authenticator.into());
    let Some(path) = &settings.certificates else { return Ok(options) };
    let wrong = |reason: String| ConnectError::Certificate { path: path.clone(), reason };
    let pem = fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| wrong(format!("{error:?}")))?;
    if certificates.is_empty() {
        return Err(wrong("there is no certificate in it".to_owned()));
    }
    Ok(options.tls_options(TlsOptions::new().add_ca_certificates(certificates)))
}

/// Makes the scope and its collections; what is there stays.
async fn create(bucket: &Bucket, scope: &str, kinds: &[impl Kind]) -> Result<(), String> {
    let collections = bucket.collections();
    match collections.create_scope(scope, None).await {
        Ok(()) => {}
        Err(error) if *error.kind() == ErrorKind::ScopeExists => {}
        Err(error) => return Err(format!("scope '{scope}' cannot be made: {error}")),
    }
    for name in kinds.iter().map(|kind| kind.name()) {
        match collections.create_collection(scope, name, CreateCollectionSettings::new(), None).await {
            Ok(()) => {}
            Err(error) if *error.kind() == ErrorKind::CollectionExists => {}
            Err(error) => return Err(format!("collection '{scope}.{name}' cannot be made: {error}")),
        }
    }
    Ok(())
}

/// Looks into every collection. Those that were just made take a while to be known everywhere.
async fn verify(client: &Client, settings: &Settings, set_up: SetUp, kinds: &[impl Kind]) -> Result<(), ConnectError> {
    let deadline = tokio::time::Instant::now() + CREATE_WAIT_MAX;
    for &collection in kinds {
        while let Err(error) = client.get(collection, "croupier").await {
            if set_up == SetUp::Verify || tokio::time::Instant::now() > deadline {
                let name = collection.name();
                let what = format!("collection '{}.{}.{name}' ({error})", settings.bucket, settings.scope);
                let advice = settings.advice.collections;
                return Err(ConnectError::Missing { what, advice });
            }
            tokio::time::sleep(CREATE_LOOK).await;
        }
    }
    Ok(())
}
