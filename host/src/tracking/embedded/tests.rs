//! The adapter against a plain recount: repeats, any order, crashes at any place, and counting anew in the middle.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::{
    facts::{Bucket, EntryValue, Period, Reduced, What, facts_of, samples},
    tracking::recount,
};

const DAY: u64 = Period::Day.length_ms();

fn settings(directory: &Path, views: Vec<View>) -> Settings {
    Settings { directory: directory.join("tracking"), views, disk_reserve_bytes: 0 }
}

fn view(definition: serde_json::Value) -> View {
    serde_json::from_value(definition).unwrap()
}

fn views() -> Vec<View> {
    vec![
        view(json!({ "name": "facts", "key": ["kind"], "reduce": "count" })),
        view(
            json!({ "name": "wins", "filter": { "kind": "round_closed" }, "key": ["game", "day"], "value": "paid", "reduce": "stats" }),
        ),
        view(json!({ "name": "levels", "filter": { "event": "event-1", "props": { "level": { "min": 1 } } },
            "key": ["props.level"], "value": "player", "reduce": "distinct" })),
        view(
            json!({ "name": "deposits", "filter": { "kind": "deposit" }, "key": ["source"], "value": "amount", "reduce": "sum" }),
        ),
    ]
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Every fact that is kept.
fn stored(store: &Embedded) -> Vec<Fact> {
    let facts = store.inner.tables.facts.iter().map(|entry| tables::decode(&entry.value().unwrap()).unwrap());
    facts.collect()
}

/// What the roll-ups must be, counted one bucket at a time.
fn rollups(facts: &[Fact]) -> BTreeMap<Bucket, Rollup> {
    let buckets: BTreeSet<_> = facts.iter().flat_map(Fact::buckets).collect();
    let rollup = |bucket: &Bucket| {
        let mut rollup = Rollup::default();
        let inside: Vec<_> = facts.iter().filter(|fact| is_in(fact, bucket)).collect();
        for fact in &inside {
            rollup.add(&fact.what);
        }
        let players: BTreeSet<_> = inside.iter().map(|fact| (&fact.id.source, &fact.id.aggregate)).collect();
        let sessions: BTreeSet<_> = inside.iter().map(|fact| fact.what.play().unwrap().session.as_str()).collect();
        (rollup.players, rollup.sessions) = (players.len() as u64, sessions.len() as u64);
        rollup
    };
    buckets.iter().map(|bucket| (bucket.clone(), rollup(bucket))).collect()
}

fn is_in(fact: &Fact, bucket: &Bucket) -> bool {
    let end = bucket.start_ms.saturating_add(bucket.period.length_ms());
    let game = |play: &crate::facts::Play| {
        play.game == bucket.game && bucket.release.is_none_or(|release| play.release == release)
    };
    fact.what.play().is_some_and(game) && (bucket.start_ms..end).contains(&fact.at_ms)
}

/// What a view must be.
fn groups(view: &View, facts: &[Fact]) -> BTreeMap<Vec<String>, Reduced> {
    let mut groups = BTreeMap::new();
    let mut met = BTreeSet::new();
    for entry in facts.iter().filter_map(|fact| view.entry(fact)) {
        let is_new = match &entry.value {
            EntryValue::Member(member) => met.insert((entry.key.clone(), member.clone())),
            _ => true,
        };
        if is_new {
            groups.entry(entry.key).or_insert_with(|| Reduced::nothing(view.reduce)).add(&entry.value);
        }
    }
    groups
}

/// Holds all that can be asked of the store against the facts it should have.
async fn check(store: &Embedded, facts: &[Fact], views: &[View]) {
    let expected = rollups(facts);
    let mut found = BTreeMap::new();
    for Bucket { game, release, period, .. } in expected.keys().cloned() {
        let series = Series { game: game.clone(), release, period, range: 0..u64::MAX };
        let rows = store.series(series).await.unwrap();
        assert!(rows.complete);
        let bucket = |start_ms| Bucket { game: game.clone(), release, period, start_ms };
        found.extend(rows.answer.into_iter().map(|(start_ms, rollup)| (bucket(start_ms), rollup)));
    }
    assert_eq!(found, expected);
    check_totals(store, facts, &expected).await;
    check_events(store, facts).await;
    for view in views {
        let query = ViewQuery { groups_max: usize::MAX, ..ViewQuery::default() };
        let found = store.view(view.name.clone(), query).await.unwrap().unwrap();
        let found: BTreeMap<_, _> = found.answer.into_iter().map(|group| (group.key, group.value)).collect();
        assert_eq!(found, groups(view, facts), "{}", view.name);
    }
}

async fn check_totals(store: &Embedded, facts: &[Fact], expected: &BTreeMap<Bucket, Rollup>) {
    let games: BTreeSet<_> = expected.keys().map(|bucket| bucket.game.clone()).collect();
    let ever = store.totals(None, None).await.unwrap().answer;
    let of_all_time = |bucket: &Bucket| bucket.period == Period::Ever && bucket.release.is_none();
    let rollups: Vec<_> = expected.iter().filter(|(bucket, _)| of_all_time(bucket)).map(|(_, rollup)| rollup).collect();
    assert_eq!(ever.iter().map(|total| &total.rollup).collect::<Vec<_>>(), rollups);
    let hour = Period::Hour.length_ms();
    for range in [0..DAY, 3 * hour..2 * DAY + hour, hour + 1..5 * hour] {
        for game in &games {
            let inside = facts.iter().filter(|fact| {
                fact.what.play().is_some_and(|play| play.game == *game)
                    && range.contains(&Period::Hour.start_of(fact.at_ms))
            });
            let inside: Vec<_> = inside.cloned().collect();
            let bucket = Bucket { game: game.clone(), release: None, period: Period::Ever, start_ms: 0 };
            let wanted = self::rollups(&inside).remove(&bucket).unwrap_or_default();
            let found = store.totals(Some(game.clone()), Some(range.clone())).await.unwrap().answer;
            assert_eq!(found, [Total { game: game.clone(), rollup: wanted, members_counted: true }], "{range:?}");
        }
    }
}

async fn check_events(store: &Embedded, facts: &[Fact]) {
    let mut expected = BTreeMap::<_, u64>::new();
    for fact in facts {
        if let What::Event { play, name, .. } = &fact.what {
            let day = Period::Day.start_of(fact.at_ms);
            *expected.entry((play.game.clone(), day, name.clone())).or_default() += 1;
        }
    }
    let mut found = BTreeMap::new();
    for game in ["slots", "dice"].map(|game| game.parse::<GameId>().unwrap()) {
        let series = Series { game: game.clone(), release: None, period: Period::Day, range: 0..u64::MAX };
        for row in store.events(series, None, usize::MAX).await.unwrap().answer {
            found.insert((game.clone(), row.start_ms, row.name), row.count);
        }
    }
    assert_eq!(found, expected);
}

/// What is done to a store.
#[derive(Clone, Debug)]
enum Deed {
    /// These of the facts come, whether they came before or not.
    Record(Vec<prop::sample::Index>),
    /// A piece of what is to be counted anew.
    Recount,
    /// Everything, or a view, is to be counted anew.
    Forget(bool),
    /// Closed and opened again, with the views or without.
    Reopen(bool),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        8 => prop::collection::vec(any::<prop::sample::Index>(), 0..12).prop_map(Deed::Record),
        3 => Just(Deed::Recount),
        1 => any::<bool>().prop_map(Deed::Forget),
        1 => any::<bool>().prop_map(Deed::Reopen),
    ];
    prop::collection::vec(deed, 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn facts_in_any_order_and_number_are_each_counted_once(facts in samples::facts(40), deeds in deeds()) {
        let directory = tempfile::tempdir().unwrap();
        let views = views();
        let mut given = BTreeMap::new();
        runtime().block_on(async {
            let mut store = Embedded::open(&settings(directory.path(), views.clone())).unwrap();
            for deed in deeds {
                match deed {
                    Deed::Record(chosen) if !facts.is_empty() => {
                        let batch: Vec<_> = chosen.iter().map(|index| index.get(&facts).clone()).collect();
                        given.extend(batch.iter().map(|fact| (fact.id.clone(), fact.clone())));
                        store.record(batch).await.unwrap();
                    }
                    Deed::Record(_) => {}
                    Deed::Recount => {
                        store.recount_some().await.unwrap();
                    }
                    Deed::Forget(all) => {
                        let view = (!all).then(|| views[2].name.clone());
                        store.forget_counts(view).await.unwrap();
                    }
                    Deed::Reopen(with_views) => {
                        store.close().await;
                        drop(store);
                        if !with_views {
                            let fewer = settings(directory.path(), views[..1].to_vec());
                            Embedded::open(&fewer).unwrap().close().await;
                        }
                        store = Embedded::open(&settings(directory.path(), views.clone())).unwrap();
                    }
                }
            }
            recount(&store).await.unwrap();
            let given: Vec<_> = given.into_values().collect();
            prop_assert_eq!(stored(&store).len(), given.len());
            check(&store, &given, &views).await;
            store.close().await;
            Ok(())
        })?;
    }

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
fn a_view_that_is_changed_is_counted_anew_and_one_that_is_dropped_is_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let facts: Vec<_> = (0..200).map(samples::numbered).collect();
        let open = |views: &[View]| Embedded::open(&settings(directory.path(), views.to_vec())).unwrap();
        let mut views = views();
        let store = open(&views);
        store.record(facts.clone()).await.unwrap();
        check(&store, &facts, &views).await;
        store.close().await;
        drop(store);

        views[1].key.truncate(1);
        let dropped = views.remove(3);
        let store = open(&views);
        let query = ViewQuery { groups_max: 10, ..ViewQuery::default() };
        let changed = store.view(views[1].name.clone(), query.clone()).await.unwrap().unwrap();
        assert!(!changed.complete, "it is the old one");
        assert_eq!(store.view(dropped.name.clone(), query.clone()).await.unwrap(), None);
        recount(&store).await.unwrap();
        check(&store, &facts, &views).await;
        assert!(store.view(views[1].name.clone(), query).await.unwrap().unwrap().complete);
        assert!(!store.forget_counts(Some(dropped.name)).await.unwrap());
        store.close().await;
        let refused = store.record(facts.clone()).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    });
}

#[test]
fn groups_of_a_view_come_in_pages() {
    let directory = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let by_game_and_day =
            view(json!({ "name": "rounds", "filter": { "kind": "round_closed" }, "key": ["game", "day"], "reduce": "count" }));
        let store = Embedded::open(&settings(directory.path(), vec![by_game_and_day.clone()])).unwrap();
        let facts: Vec<_> = (0..300).map(samples::numbered).collect();
        store.record(facts.clone()).await.unwrap();
        let all: Vec<_> = groups(&by_game_and_day, &facts).into_iter().collect();
        for (prefix, page) in [(vec![], 1), (vec![], 3), (vec!["\"slots\"".to_owned()], 2), (vec!["\"none\"".to_owned()], 2)] {
            let wanted: Vec<_> = all.iter().filter(|(key, _)| key.starts_with(&prefix)).cloned().collect();
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let query = ViewQuery { prefix: prefix.clone(), after: after.take(), groups_max: page };
                let groups = store.view(by_game_and_day.name.clone(), query).await.unwrap().unwrap().answer;
                let is_last = groups.len() < page;
                found.extend(groups.into_iter().map(|group| (group.key, group.value)));
                if is_last {
                    break;
                }
                after = found.last().map(|(key, _)| key.clone());
            }
            assert_eq!(found, wanted, "{prefix:?}");
        }
        store.close().await;
    });
}

#[test]
fn nothing_is_taken_while_the_disk_is_nearly_full() {
    let directory = tempfile::tempdir().unwrap();
    let facts = facts_of(
        &"main".parse().unwrap(),
        &samples::record(json!({ "deposited": { "currency": "EUR", "amount": 5 } })),
    );
    runtime().block_on(async {
        let full = Settings { disk_reserve_bytes: u64::MAX, ..settings(directory.path(), vec![]) };
        let store = Embedded::open(&full).unwrap();
        assert!(matches!(store.record(facts.clone()).await, Err(StoreError::Full(_))));
        assert_eq!(stored(&store), []);
        store.close().await;
    });
}
