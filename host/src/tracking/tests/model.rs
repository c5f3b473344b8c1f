//! What a tracking store must say of some facts, from a plain recount.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::{
    facts::{Bucket, EntryValue, Fact, Period, Play, Reduced, Rollup, View, What},
    identity::GameId,
    tracking::{Series, Total, TrackingStore, ViewQuery},
};

const DAY: u64 = Period::Day.length_ms();
/// Behind all samples of facts.
const END_MS: u64 = 3 * DAY;

pub(crate) fn view(definition: serde_json::Value) -> View {
    serde_json::from_value(definition).unwrap()
}

pub(crate) fn views() -> Vec<View> {
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
    let game = |play: &Play| play.game == bucket.game && bucket.release.is_none_or(|release| play.release == release);
    fact.what.play().is_some_and(game) && (bucket.start_ms..end).contains(&fact.at_ms)
}

/// What a view must be.
pub(crate) fn groups(view: &View, facts: &[Fact]) -> BTreeMap<Vec<String>, Reduced> {
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
pub(crate) async fn check(store: &dyn TrackingStore, facts: &[Fact], views: &[View]) {
    let expected = rollups(facts);
    let mut found = BTreeMap::new();
    for Bucket { game, release, period, .. } in expected.keys().cloned() {
        let series = Series { game: game.clone(), release, period, range: 0..END_MS };
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
        assert!(found.complete, "{}", view.name);
        let found: BTreeMap<_, _> = found.answer.into_iter().map(|group| (group.key, group.value)).collect();
        assert_eq!(found, groups(view, facts), "{}", view.name);
    }
}

async fn check_totals(store: &dyn TrackingStore, facts: &[Fact], expected: &BTreeMap<Bucket, Rollup>) {
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

async fn check_events(store: &dyn TrackingStore, facts: &[Fact]) {
    let mut expected = BTreeMap::<_, u64>::new();
    for fact in facts {
        if let What::Event { play, name, .. } = &fact.what {
            let day = Period::Day.start_of(fact.at_ms);
            *expected.entry((play.game.clone(), day, name.clone())).or_default() += 1;
        }
    }
    let mut found = BTreeMap::new();
    for game in ["slots", "dice"].map(|game| game.parse::<GameId>().unwrap()) {
        let series = Series { game: game.clone(), release: None, period: Period::Day, range: 0..END_MS };
        for row in store.events(series, None, usize::MAX).await.unwrap().answer {
            found.insert((game.clone(), row.start_ms, row.name), row.count);
        }
    }
    assert_eq!(found, expected);
}
