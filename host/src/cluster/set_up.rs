//! From an address to documents: connecting within bounds, and making or checking what must be there.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use couchbase::{
    authenticator::PasswordAuthenticator,
    bucket::Bucket,
    error::ErrorKind,
    management::collections::collection_settings::CreateCollectionSettings,
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
    /// A certificate's file.
    #[error("{path}: {reason}")]
    Certificate {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
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
                "it was not ready within {CONNECT_WAIT_MAX:?}: check its address, and that bucket '{}' exists",
                settings.bucket
            );
            unreachable(reason)
        })??;
        if set_up == SetUp::Create {
            let creating: BoxFuture<'_, Result<(), String>> = Box::pin(create(&bucket, &settings.scope, kinds));
            creating.await.map_err(unreachable)?;
        }
        let client = Client::new(bucket, settings.scope.clone(), settings.timeout, settings.durability.level());
        verify(&client, settings, set_up, kinds).await?;
        Ok(Self { client: Arc::new(client), _cluster: cluster })
    }
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
