//! A lane as it ends; and lanes for the tests of others.

use std::path::Path;

use tokio::sync::oneshot;

use super::*;
use crate::{
    catalog::Catalog,
    chance::Seed,
    config::Config,
    engine::Engine,
    fairness::FairGames,
    record::Destinations,
    steps::Request,
    store::{Embedded, Store as _},
};

/// Lanes over a store in this directory, without games.
pub(in crate::steps) async fn lanes(directory: &Path) -> (Arc<Lanes>, Arc<Embedded>) {
    let config = Config::default();
    let store = Arc::new(Embedded::open(&config.embedded_store(directory.join("store"))).unwrap());
    let engine = Arc::new(Engine::start(config.engine(directory.join("artefacts"))).unwrap());
    let catalog = Catalog::open(engine.clone(), store.clone(), config.catalog().unwrap()).await.unwrap();
    let lanes = Arc::new(Lanes::new(Groups {
        store: store.clone(),
        engine,
        catalog,
        destinations: Destinations::default(),
        grants: Arc::default(),
        fair: FairGames::none(),
    }));
    (lanes, store)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_as_its_lane_ends_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (lanes, store) = lanes(directory.path()).await;
    let id: AggregateId = "player/alice".parse().unwrap();
    lanes.queues(&id).insert(id.clone(), VecDeque::new());
    lanes.count.store(1, Ordering::Relaxed);
    let mut ending = Run { lanes: lanes.clone(), id: id.clone(), is_over: false };
    assert!(ending.next_group().is_none());
    ending.is_over = true;
    // Another lane of the same name begins before the one that has ended is dropped.
    let (answer, answered) = oneshot::channel();
    let job = Job { request: Request::Create, key: None, seed: Seed::fresh(), session_entropy: [0; 16], answer };
    lanes.queues(&id).insert(id.clone(), VecDeque::from([job]));
    let next = Run { lanes: lanes.clone(), id, is_over: false };
    drop(ending);
    next.run().await;
    assert_eq!(answered.await.unwrap().unwrap().as_str(), r#"{"player":"alice"}"#);
    lanes.drained().await;
    store.close().await;
}
