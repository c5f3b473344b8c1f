//! One connection's state: what was agreed on, who speaks, about which bucket; and the operations that make it so.

use crate::{
    cluster::Cluster,
    protocol::{Feature, Features, Operation, Request, Response, Status, error_map},
    sasl::{self, Exchange, Hash, Salted},
    settings::Role,
};

/// One connection's state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    pub(crate) features: Features,
    pub(crate) role: Option<Role>,
    pub(crate) bucket: Option<String>,
    exchange: Option<Exchange>,
}

impl Session {
    /// Answers an operation that is about no document. None for one that is.
    pub(crate) fn answer(
        &mut self,
        cluster: &mut Cluster,
        salted: &Salted,
        operation: Operation,
        request: &Request,
    ) -> Option<Response> {
        Some(match operation {
            Operation::Hello => {
                self.features = Features::agreed(request.value.clone());
                Response::of(self.features.encoded())
            }
            Operation::ErrorMap => match request.value[..] {
                [high, low] => Response::of(error_map(u16::from_be_bytes([high, low])).to_string()),
                _ => Status::InvalidArguments.into(),
            },
            Operation::Noop => Status::Success.into(),
            Operation::SaslMechanisms => Response::of(sasl::MECHANISMS),
            Operation::SaslStart => self.start_sasl(cluster, salted, request),
            Operation::SaslStep => self.finish_sasl(cluster, salted, request),
            _ if self.role.is_none() => Status::NoAccess.into(),
            Operation::SelectBucket => self.select(cluster, &request.key),
            Operation::ClusterConfig => self.config(cluster, request),
            Operation::CollectionsManifest => self.manifest(cluster),
            Operation::CollectionId => self.collection_id(cluster, request),
            _ => return None,
        })
    }

    fn start_sasl(&mut self, cluster: &Cluster, salted: &Salted, request: &Request) -> Response {
        (self.role, self.exchange) = (None, None);
        if request.key[..] == *b"PLAIN" {
            let Some((name, password)) = sasl::plain(&request.value) else { return Status::InvalidArguments.into() };
            self.role = cluster.user(name).filter(|user| user.password == password).map(|user| user.role.clone());
            return if self.role.is_some() { Status::Success } else { Status::AuthError }.into();
        }
        let Some(hash) = Hash::of_mechanism(&request.key) else { return Status::NotSupported.into() };
        let Some(exchange) = Exchange::begin(hash, salted, &request.value) else {
            return Status::InvalidArguments.into();
        };
        let challenge = Response { status: Status::AuthContinue, ..Response::of(exchange.challenge.clone()) };
        self.exchange = Some(exchange);
        challenge
    }

    /// Who does not exist fails here as well, so that nobody learns which names there are.
    fn finish_sasl(&mut self, cluster: &Cluster, salted: &Salted, request: &Request) -> Response {
        let Some(exchange) = self.exchange.take() else { return Status::InvalidArguments.into() };
        let Some(user) = cluster.user(&exchange.user) else { return Status::AuthError.into() };
        match exchange.finish(salted, &user.password, &request.value) {
            Some(last) => {
                self.role = Some(user.role.clone());
                Response::of(last)
            }
            None => Status::AuthError.into(),
        }
    }

    fn select(&mut self, cluster: &Cluster, name: &[u8]) -> Response {
        let name = String::from_utf8_lossy(name).into_owned();
        if !self.role.as_ref().is_some_and(|role| role.may_read(&name)) {
            return Status::NoAccess.into();
        }
        if !cluster.buckets.contains_key(&name) {
            return Status::KeyNotFound.into();
        }
        self.bucket = Some(name);
        Status::Success.into()
    }

    /// With nothing in it for a client that has this one or a newer one.
    fn config(&self, cluster: &Cluster, request: &Request) -> Response {
        if let (true, [epoch, revision]) = (self.features.has(Feature::KnownConfig), request.extras.as_chunks::<8>().0)
        {
            let known = (u64::from_be_bytes(*epoch), u64::from_be_bytes(*revision));
            if known >= (1, cluster.revision) {
                return Status::Success.into();
            }
        }
        let config = match &self.bucket {
            Some(bucket) => cluster.bucket_config(bucket),
            None => Some(cluster.config()),
        };
        match config {
            Some(config) => Response { is_json: self.features.has(Feature::Json), ..Response::of(config.to_string()) },
            None => Status::KeyNotFound.into(),
        }
    }

    fn manifest(&self, cluster: &mut Cluster) -> Response {
        match self.bucket.as_ref().map(|bucket| cluster.bucket(bucket)) {
            Some(Ok(bucket)) => {
                let manifest = Response::of(bucket.collections.manifest().to_string());
                Response { is_json: self.features.has(Feature::Json), ..manifest }
            }
            Some(Err(status)) => status.into(),
            None => Status::NoBucket.into(),
        }
    }

    /// Asks with `scope.collection`; answered with the manifest's revision and the collection's number.
    fn collection_id(&self, cluster: &mut Cluster, request: &Request) -> Response {
        let Some(name) = &self.bucket else { return Status::NoBucket.into() };
        let Ok(bucket) = cluster.bucket(name) else { return Status::NoBucket.into() };
        let Some((scope, collection)) = str::from_utf8(&request.value).ok().and_then(|path| path.split_once('.'))
        else {
            return Status::InvalidArguments.into();
        };
        let or_default = |name| if str::is_empty(name) { "_default" } else { name };
        match bucket.collections.number(or_default(scope), or_default(collection)) {
            Ok(number) => {
                let revision = bucket.collections.revision().to_be_bytes();
                Response::from(Status::Success).with_extras([&revision[..], &number.to_be_bytes()].concat())
            }
            Err(refused) => unknown_collection(refused.status(), &bucket.collections.revision_hex()),
        }
    }
}

/// Says which manifest the node has, for clients to see whether theirs is older.
pub(crate) fn unknown_collection(status: Status, revision: &str) -> Response {
    let context = serde_json::json!({"manifest_uid": revision}).to_string();
    Response { status, ..Response::of(context) }
}
