//! What the SDK makes of each fault.

use std::time::Duration;

use couchbase::{
    error::ErrorKind,
    options::kv_options::{ReplaceOptions, UpsertOptions},
};
use couchbase_node::{Fault, Operation, Settings, Status};
use tokio::time::timeout;

use crate::{MOMENT, Table, kind, once, within_patience};

async fn table() -> Table {
    let table = Table::open(Settings::default()).await;
    table.collection.insert("k", 0, None).await.unwrap();
    table
}

/// A replacement that is not tried again, and why it failed.
async fn replaced(table: &Table, fault: Fault) -> ErrorKind {
    let fault = table.node.faults().add(fault.on(Operation::Replace));
    let options = ReplaceOptions::new().retry_strategy(once());
    let kind = kind(table.collection.replace("k", 1, options).await);
    assert_eq!(table.node.faults().struck(fault), 1);
    kind
}

/// Reads the document. What is asked for right after a connection broke, the SDK may write to that connection, and then
/// it waits for ever.
async fn read_again(table: &Table) -> Vec<u8> {
    loop {
        if let Ok(read) = timeout(MOMENT, table.collection.get("k", None)).await {
            return read.unwrap().content_as_raw().0.to_vec();
        }
    }
}

#[test]
fn a_connection_that_is_dropped_leaves_it_open_whether_the_write_happened() {
    within_patience(async {
        for (fault, value) in [(Fault::drop_before(), "0"), (Fault::drop_after(), "1")] {
            let table = table().await;
            // The SDK has no kind for this.
            let dropped = replaced(&table, fault).await;
            assert!(
                matches!(&dropped, ErrorKind::OtherFailure(why) if why.contains("Closed in flight")),
                "{dropped:?}"
            );
            assert_eq!(read_again(&table).await, value.as_bytes());
        }
    });
}

#[test]
fn an_ambiguous_write_happened_or_did_not() {
    within_patience(async {
        for (applied, value) in [(false, "0"), (true, "1")] {
            let table = table().await;
            assert_eq!(replaced(&table, Fault::ambiguous(applied)).await, ErrorKind::DurabilityAmbiguous);
            assert_eq!(table.value("k"), value);
        }
    });
}

#[test]
fn answers_are_what_they_are_told_to_be() {
    within_patience(async {
        let table = table().await;
        let cases = [
            (Fault::temporary_failure(), ErrorKind::TemporaryFailure),
            (Fault::answer(Status::SyncWriteInProgress), ErrorKind::DurabilityWriteInProgress),
            (Fault::answer(Status::DurabilityImpossible), ErrorKind::DurabilityImpossible),
            (Fault::answer(Status::NoAccess), ErrorKind::AuthenticationFailure),
            (Fault::answer(Status::Locked), ErrorKind::DocumentLocked),
        ];
        for (fault, expected) in cases {
            assert_eq!(replaced(&table, fault).await, expected);
        }
        let out_of_memory = replaced(&table, Fault::out_of_memory()).await;
        assert!(matches!(out_of_memory, ErrorKind::OtherFailure(_)), "{out_of_memory:?}");
        assert_eq!(table.value("k"), "0");
    });
}

#[test]
fn what_is_temporary_is_tried_again_without_end_unless_told_otherwise() {
    within_patience(async {
        let table = table().await;
        let before = table.node.counts();
        table.node.faults().add(Fault::temporary_failure().first(3));
        table.collection.upsert("k", 1, None).await.unwrap();
        table.node.faults().add(Fault::out_of_memory());
        table.collection.upsert("k", 2, None).await.unwrap();
        assert_eq!(table.node.counts().since(&before).of(Operation::Upsert), 6);
    });
}

#[test]
fn the_right_node_is_found_whatever_the_retry_strategy_says() {
    within_patience(async {
        let table = table().await;
        let before = table.node.counts();
        table.node.faults().add(Fault::not_my_vbucket());
        table.collection.upsert("k", 1, UpsertOptions::new().retry_strategy(once())).await.unwrap();
        assert_eq!(table.node.counts().since(&before).of(Operation::Upsert), 2);
    });
}

#[test]
fn a_write_that_is_held_comes_late_even_if_its_client_gave_up() {
    within_patience(async {
        let table = table().await;
        let held = table.node.faults().add(Fault::hold().on(Operation::Replace));
        tokio::select! {
            _ = table.collection.replace("k", 1, None) => panic!("should be held"),
            () = table.node.faults().until_struck(held, 1) => {}
        }
        // Others are not kept waiting.
        assert_eq!(table.collection.get("k", None).await.unwrap().content_as_raw().0, b"0");
        table.node.faults().remove(held);
        while table.value("k") != "1" {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn an_answer_that_is_held_comes_when_it_is_let_go() {
    within_patience(async {
        let table = table().await;
        let held = table.node.faults().add(Fault::hold_answer().on(Operation::Replace));
        let replacing = table.collection.replace("k", 1, None);
        let letting_go = async {
            table.node.faults().until_struck(held, 1).await;
            while table.value("k") != "1" {
                tokio::task::yield_now().await;
            }
            table.node.faults().remove(held);
        };
        let (replaced, ()) = tokio::join!(replacing, letting_go);
        replaced.unwrap();
    });
}

#[test]
fn what_is_delayed_is_done() {
    within_patience(async {
        let table = table().await;
        for fault in [Fault::delay(Duration::from_millis(5)), Fault::delay_answer(Duration::from_millis(5))] {
            table.node.faults().add(fault);
            table.collection.upsert("k", 1, None).await.unwrap();
        }
    });
}
