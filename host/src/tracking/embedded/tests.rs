//! What the embedded adapter promises beyond the port: whole batches after a crash, and a reserve on the disk.

use std::{fs, path::Path};

use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::{
    facts::{facts_of, samples},
    tracking::{
        recount,
        tests::{
            model::{check, views},
            runtime,
        },
    },
};

pub(crate) fn settings(directory: &Path, views: Vec<View>) -> Settings {
    Settings { directory: directory.join("tracking"), views, disk_reserve_bytes: 0 }
}

/// Every fact that is kept.
fn stored(store: &Embedded) -> Vec<Fact> {
    store.inner.tables.facts_after(0).flat_map(Result::unwrap).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    /// The journal as it is after a crash ends anywhere in a batch: the batch is not there, and those before it are.
    #[test]
    fn a_crash_anywhere_in_the_journal_leaves_whole_batches(
        facts in samples::facts(30), size in 1..8usize, cut in any::<prop::sample::Index>(),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(directory.path(), views());
        runtime().block_on(async {
            let store = Embedded::open(&settings).unwrap();
            for batch in facts.chunks(size) {
                store.record(batch.to_vec()).await.unwrap();
            }
            let crashed = crashed_copy(&settings.directory, cut);
            let after = Settings { directory: crashed.path().join("tracking"), ..settings };
            let survivor = Embedded::open(&after).unwrap();
            recount(&survivor).await.unwrap();
            let kept = stored(&survivor);
            prop_assert!(kept.len() == facts.len() || kept.len().is_multiple_of(size), "{} of {}", kept.len(), facts.len());
            check(&survivor, &kept, &after.views).await;
            // The relay hands everything over again.
            survivor.record(facts.clone()).await.unwrap();
            check(&survivor, &facts, &after.views).await;
            survivor.close().await;
            store.close().await;
            Ok(())
        })?;
    }
}

/// The journal that is written to.
fn journal(directory: &Path) -> PathBuf {
    let mut journals: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jnl"))
        .collect();
    journals.sort();
    journals.pop().expect("a journal")
}

/// The store as it would be found had nothing of the journal reached the disk behind some place in it.
fn crashed_copy(directory: &Path, cut: prop::sample::Index) -> TempDir {
    let journal = journal(directory);
    let mut written = fs::read(&journal).unwrap();
    // It was made longer ahead, with zeroes.
    let pages = written.chunks(4096).rposition(|page| page != &[0; 4096][..page.len()]);
    written.truncate(pages.map_or(0, |last| (last + 1) * 4096));
    written.truncate(cut.index(written.len() + 1));
    let copy = tempfile::tempdir().unwrap();
    let target = copy.path().join("tracking");
    copy_folder(directory, &target, &journal);
    fs::write(target.join(journal.file_name().unwrap()), written).unwrap();
    copy
}

/// All but one file.
fn copy_folder(from: &Path, to: &Path, but: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target, but);
        } else if entry.path() != but {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn nothing_is_taken_while_the_disk_is_nearly_full() {
    let directory = tempfile::tempdir().unwrap();
    let record = samples::record(json!({ "deposited": { "currency": "EUR", "amount": 5 } }));
    let facts = facts_of(&"main".parse().unwrap(), &record.into());
    runtime().block_on(async {
        let full = Settings { disk_reserve_bytes: u64::MAX, ..settings(directory.path(), vec![]) };
        let store = Embedded::open(&full).unwrap();
        assert!(matches!(store.record(facts.clone()).await, Err(StoreError::Full(_))));
        assert_eq!(stored(&store), []);
        store.close().await;
    });
}

#[test]
fn what_comes_while_facts_are_counted_anew_is_counted_in_its_turn() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path(), views());
    let facts: Vec<_> = (0..7000).map(samples::numbered).collect();
    runtime().block_on(async {
        let store = Embedded::open(&settings).unwrap();
        store.record(facts[..5500].to_vec()).await.unwrap();
        store.forget_counts(None).await.unwrap();
        let counted = async |facts| {
            while store.recount_some().await.unwrap() != Some(Progress { view: None, facts }) {}
        };
        counted(5000).await;
        store.record(facts[4000..6000].to_vec()).await.unwrap();
        assert_eq!(store.facts().unwrap(), 6000);
        store.close().await;
        drop(store);

        // As after a crash it goes on where it was.
        let store = Embedded::open(&settings).unwrap();
        assert_eq!(
            store.recount_some().await.unwrap(),
            Some(Progress { view: None, facts: 0 }),
            "the roll-ups are whole"
        );
        store.record(facts[5000..].to_vec()).await.unwrap();
        recount(&store).await.unwrap();
        assert_eq!(stored(&store).len(), 7000);
        check(&store, &facts, &settings.views).await;
        store.close().await;
    });
}

#[test]
fn facts_that_are_missing_are_not_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let store = Embedded::open(&settings(directory.path(), vec![])).unwrap();
        for batch in 0..3 {
            store.record((4 * batch..4 * batch + 4).map(samples::numbered).collect()).await.unwrap();
        }
        store.inner.tables.batches.remove(4_u64.to_be_bytes()).unwrap();
        store.forget_counts(None).await.unwrap();
        let stopped = recount(&store).await.unwrap_err().to_string();
        assert!(stopped.contains("facts 4 to 8"), "{stopped}");
        store.close().await;
    });
}

#[test]
fn a_store_of_another_form_is_not_taken_for_an_empty_one() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path(), vec![]);
    let database = fjall::Database::builder(&settings.directory).open().unwrap();
    database.keyspace("facts", fjall::KeyspaceCreateOptions::default).unwrap();
    drop(database);
    let refused = Embedded::open(&settings).map(drop).unwrap_err().to_string();
    assert!(refused.contains("move it away"), "{refused}");
}
