//! What the node holds: users, buckets, its clock, and the cluster's configuration as clients read it.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use rand::random;
use serde_json::{Value, json};

use crate::{
    bucket::{Bucket, Moment, Stored},
    clock::Clock,
    protocol::Status,
    settings::{Durability, Settings, User},
};

/// Keys are spread over so many vbuckets, as on a server for desktops.
pub(crate) const VBUCKETS: u16 = 64;

/// By which clients know the node.
pub(crate) const HOST: &str = "127.0.0.1";

/// Where clients find the node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) kv: u16,
    pub(crate) management: u16,
    /// In front of `kv`, with TLS.
    pub(crate) kv_tls: u16,
    /// In front of `management`, with TLS.
    pub(crate) management_tls: u16,
}

/// Everything that outlives a connection.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) replicas_up: u32,
    pub(crate) buckets: BTreeMap<String, Bucket>,
    pub(crate) ports: Ports,
    /// Counts changes of the configuration, from 1.
    pub(crate) revision: u64,
    uuid: u64,
    last_cas: u64,
}

impl Cluster {
    pub(crate) fn new(settings: Settings, ports: Ports) -> Self {
        let buckets = settings.buckets.iter().map(|name| (name.clone(), Bucket::new(random(), &settings))).collect();
        Self {
            clock: Clock::default(),
            replicas_up: settings.replicas,
            settings,
            buckets,
            ports,
            revision: 1,
            uuid: random(),
            last_cas: 0,
        }
    }

    pub(crate) fn user(&self, name: &str) -> Option<&User> {
        self.settings.users.iter().find(|user| user.name == name)
    }

    /// The moment of the operation that is about to run. A CAS is a time, as the server's are, and larger than any before.
    pub(crate) fn moment(&mut self) -> Moment {
        self.last_cas = self.clock.nanoseconds().max(self.last_cas + 1);
        Moment { now: self.clock.now(), cas: self.last_cas }
    }

    pub(crate) fn bucket(&mut self, name: &str) -> Result<&mut Bucket, Status> {
        self.buckets.get_mut(name).ok_or(Status::NoBucket)
    }

    /// The configuration without a bucket.
    pub(crate) fn config(&self) -> Value {
        let Ports { kv, management, kv_tls, management_tls } = self.ports;
        let services = json!({ "kv": kv, "mgmt": management, "kvSSL": kv_tls, "mgmtSSL": management_tls });
        json!({
            "rev": self.revision,
            "revEpoch": 1,
            // With its host's name, like the nodes of a larger cluster: the Rust SDK takes no configuration without names
            // from NOT_MY_VBUCKET.
            "nodesExt": [{"hostname": HOST, "thisNode": true, "services": services}],
            "clusterCapabilitiesVer": [1, 0],
            "clusterCapabilities": {},
            "clusterUUID": format!("{:032x}", self.uuid),
            "clusterName": "couchbase-node",
        })
    }

    /// The configuration with this bucket, in the terse form.
    pub(crate) fn bucket_config(&self, name: &str) -> Option<Value> {
        let bucket = self.buckets.get(name)?;
        let Ports { kv, management, .. } = self.ports;
        let mut chain = vec![-1; bucket.replicas as usize + 1];
        chain[0] = 0;
        let mut config = self.config();
        let of_bucket = json!({
            "name": name,
            "uuid": bucket.uuid_hex(),
            "uri": format!("/pools/default/buckets/{name}"),
            "streamingUri": format!("/pools/default/bucketsStreaming/{name}"),
            "nodeLocator": "vbucket",
            "bucketCapabilitiesVer": "",
            "bucketCapabilities": ["collections", "durableWrite", "touch", "cccp", "nodesExt", "cbhello"],
            "collectionsManifestUid": bucket.collections.revision_hex(),
            "ddocs": {"uri": format!("/pools/default/buckets/{name}/ddocs")},
            "nodes": [{"hostname": format!("{HOST}:{management}"), "ports": {"direct": kv}}],
            "vBucketServerMap": {
                "hashAlgorithm": "CRC",
                "numReplicas": bucket.replicas,
                "serverList": [format!("{HOST}:{kv}")],
                "vBucketMap": vec![chain; VBUCKETS.into()],
            },
        });
        if let (Value::Object(config), Value::Object(of_bucket)) = (&mut config, of_bucket) {
            config.extend(of_bucket);
        }
        Some(config)
    }

    /// The documents of a bucket that are not gone, in order of collection and key; none if there is no such bucket.
    pub(crate) fn documents(&self, bucket: &str) -> Vec<Document> {
        let now = self.clock.now();
        let Some(bucket) = self.buckets.get(bucket) else { return Vec::new() };
        let documents = bucket.documents(now);
        documents.map(|((number, key), stored)| Document::new(bucket, *number, key, stored)).collect()
    }
}

/// A document, as a test sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// `scope.collection`.
    pub collection: String,
    /// As text; what is no UTF-8 is replaced.
    pub key: String,
    /// As the client sent it.
    pub value: Bytes,
    /// The client's flags, by which SDKs mark formats.
    pub flags: u32,
    /// Changes with every write.
    pub cas: u64,
    /// When it is gone.
    pub expires_at: Option<SystemTime>,
    /// With which its last write was made.
    pub durability: Durability,
}

impl Document {
    fn new(bucket: &Bucket, number: u32, key: &Bytes, stored: &Stored) -> Self {
        let second = |second: u32| SystemTime::UNIX_EPOCH + Duration::from_secs(second.into());
        Self {
            collection: bucket.collections.path(number).unwrap_or_default(),
            key: String::from_utf8_lossy(key).into_owned(),
            value: stored.value.clone(),
            flags: stored.flags,
            cas: stored.cas,
            expires_at: stored.expires_at.map(second),
            durability: stored.durability,
        }
    }
}
