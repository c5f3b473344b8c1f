//! Several writers, faults at any call, and writers that end between any two writes: every fact is counted once.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use couchbase_node::{Fault, Node, Operation};
use proptest::prelude::*;

use super::*;
use crate::{
    facts::samples,
    tracking::{
        CouchbaseSettings, recount,
        tests::{
            model::{check, views},
            node, runtime, settings,
        },
    },
};

const WRITERS: usize = 3;
/// Calls that are never answered are waited for no longer than this. A call that takes longer on a busy machine is one
/// more fault.
const TIMEOUT: Duration = Duration::from_secs(1);

/// What befalls a call.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    DropBefore,
    DropAfter,
    TemporaryFailure,
    AmbiguousWritten,
    AmbiguousNotWritten,
    HoldAnswer,
    /// The host ends here, and the call comes to the node when it is gone.
    End,
}

impl Mishap {
    fn fault(self) -> Fault {
        match self {
            Self::DropBefore => Fault::drop_before(),
            Self::DropAfter => Fault::drop_after(),
            Self::TemporaryFailure => Fault::temporary_failure(),
            Self::AmbiguousWritten => Fault::ambiguous(true),
            Self::AmbiguousNotWritten => Fault::ambiguous(false),
            Self::HoldAnswer => Fault::hold_answer(),
            Self::End => Fault::hold(),
        }
    }
}

#[derive(Clone, Debug)]
enum Deed {
    /// Some writers are handed facts, all at once; at the nth write something happens.
    Record { batches: Vec<(usize, Vec<prop::sample::Index>)>, mishap: Option<(Mishap, u64)> },
    /// A writer does a piece of counting anew.
    Recount(usize),
    /// Everything, or a view, is to be counted anew.
    Forget(usize, bool),
    /// A writer ends, and another one starts in its place.
    Restart(usize),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let mishap = prop_oneof![
        1 => Just(Mishap::DropBefore),
        1 => Just(Mishap::DropAfter),
        1 => Just(Mishap::TemporaryFailure),
        1 => Just(Mishap::AmbiguousWritten),
        1 => Just(Mishap::AmbiguousNotWritten),
        1 => Just(Mishap::HoldAnswer),
        4 => Just(Mishap::End),
    ];
    let batch = (0..WRITERS, prop::collection::vec(any::<prop::sample::Index>(), 1..12));
    let batches = prop::collection::vec(batch, 1..4);
    let record = (batches, prop::option::weighted(0.7, (mishap, 1..80_u64)));
    let deed = prop_oneof![
        8 => record.prop_map(|(batches, mishap)| Deed::Record { batches, mishap }),
        2 => (0..WRITERS).prop_map(Deed::Recount),
        1 => (0..WRITERS, any::<bool>()).prop_map(|(writer, all)| Deed::Forget(writer, all)),
        1 => (0..WRITERS).prop_map(Deed::Restart),
    ];
    prop::collection::vec(deed, 1..12)
}

async fn open(node: &Node) -> Arc<Couchbase> {
    let settings = CouchbaseSettings { views: views(), ..settings(node, TIMEOUT) };
    loop {
        // A machine that is busy may take longer than a call may.
        match Couchbase::open(&settings).await {
            Ok(store) => return Arc::new(store),
            Err(error) => println!("opened again: {error}"),
        }
    }
}

/// The writers, what they were handed, and what is to be handed over again.
struct House {
    node: Node,
    writers: Vec<Arc<Couchbase>>,
    given: BTreeMap<crate::facts::FactId, Fact>,
    again: Vec<Fact>,
}

impl House {
    async fn new() -> Self {
        let node = node().await;
        let mut writers = Vec::new();
        for _ in 0..WRITERS {
            writers.push(open(&node).await);
        }
        Self { node, writers, given: BTreeMap::new(), again: Vec::new() }
    }

    async fn record(&mut self, batches: Vec<(usize, Vec<Fact>)>, mishap: Option<(Mishap, u64)>) {
        let writes = [Operation::Insert, Operation::Replace];
        let fault = mishap.map(|(mishap, nth)| {
            let fault = writes.into_iter().fold(mishap.fault().nth(nth), Fault::on);
            self.node.faults().add(fault)
        });
        let mut recording = tokio::task::JoinSet::new();
        for (writer, facts) in batches {
            self.given.extend(facts.iter().map(|fact| (fact.id.clone(), fact.clone())));
            let store = self.writers[writer].clone();
            recording.spawn(async move { (store.record(facts.clone()).await, facts) });
        }
        let mut ended = false;
        let faults = self.node.faults();
        loop {
            tokio::select! {
                biased;
                () = async { faults.until_struck(fault.unwrap(), 1).await },
                    if !ended && matches!(mishap, Some((Mishap::End, _))) =>
                {
                    ended = true;
                    recording.abort_all();
                }
                recorded = recording.join_next() => match recorded {
                    None => break,
                    Some(Ok((Ok(()), _))) => {}
                    Some(Ok((Err(error), facts))) => {
                        println!("handed over again: {error}");
                        self.again.extend(facts);
                    }
                    // Nobody knows which, so all of them are.
                    Some(Err(_)) => self.again.extend(self.given.values().cloned()),
                },
            }
        }
        if ended {
            for writer in &mut self.writers {
                *writer = open(&self.node).await;
            }
        }
        // What was held comes now, from a host that is gone.
        self.node.faults().clear();
    }

    /// Does it, as often as it takes.
    async fn insist<T, F: Future<Output = Result<T, StoreError>>>(work: impl Fn() -> F) -> T {
        loop {
            match work().await {
                Ok(done) => return done,
                Err(error) => println!("tried again: {error}"),
            }
        }
    }
}

async fn each_counted_once(facts: &[Fact], deeds: Vec<Deed>) {
    let mut house = House::new().await;
    for deed in deeds {
        match deed {
            Deed::Record { batches, mishap } => {
                let facts =
                    |chosen: Vec<prop::sample::Index>| chosen.iter().map(|index| index.get(facts).clone()).collect();
                let batches = batches.into_iter().map(|(writer, chosen)| (writer, facts(chosen)));
                house.record(batches.collect(), mishap).await;
            }
            Deed::Recount(writer) => {
                House::insist(|| house.writers[writer].recount_some()).await;
            }
            Deed::Forget(writer, all) => {
                let view = (!all).then(|| views()[2].name.clone());
                assert!(House::insist(|| house.writers[writer].forget_counts(view.clone())).await);
            }
            Deed::Restart(writer) => house.writers[writer] = open(&house.node).await,
        }
    }
    House::insist(|| house.writers[0].record(house.again.clone())).await;
    House::insist(|| recount(&*house.writers[1])).await;
    let given: Vec<_> = house.given.into_values().collect();
    check(&*house.writers[2], &given, &views()).await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("CROUPIER_TEST_TRACKING_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(24)
    ))]

    #[test]
    fn whatever_befalls_writers_every_fact_is_counted_once(
        facts in samples::facts(40).prop_filter("some facts", |facts| !facts.is_empty()), deeds in deeds(),
    ) {
        runtime().block_on(each_counted_once(&facts, deeds));
    }
}
