//! What statistics must say, from the players' own rounds and payments.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use croupier::{
    facts::{Members, Period, Returns},
    money::Amount,
};
use serde_json::{Value, json};

use crate::harness::{Host, PATIENCE};

/// Views of everybody's rounds and payments, to be held against what the players' histories say.
pub(crate) const VIEWS: &str = r#"
[[tracking.views]]
name = "rounds-of-players"
filter = { kind = "round_closed" }
key = ["player", "game"]
value = "paid"
reduce = "stats"

[[tracking.views]]
name = "deposits"
filter = { kind = "deposit" }
key = ["currency"]
value = "amount"
reduce = "sum"

[[tracking.views]]
name = "depositors"
filter = { kind = "deposit" }
value = "player"
reduce = "distinct"
"#;

/// Waits until everything that was committed is counted.
pub(crate) fn wait_until_tracked(host: &Host) {
    wait_until_carried(host, "tracking");
}

/// Waits until nothing is in the outbox for there any more.
pub(crate) fn wait_until_carried(host: &Host, to: &str) {
    let begun = Instant::now();
    while host.operator("outbox.list", json!({ "to": to, "limit": 1 })).unwrap() != json!([]) {
        assert!(begun.elapsed() < PATIENCE, "steps wait to be carried on");
    }
}

/// Every group of a view, page by page.
fn all_of_view(host: &Host, name: &str) -> Vec<(Value, Value)> {
    let mut rows = Vec::new();
    loop {
        let after = rows.last().map(|(key, _): &(Value, Value)| key.clone());
        let page = view(host, &json!({ "name": name, "after": after, "limit": 1000 }));
        let is_last = page.len() < 1000;
        rows.extend(page);
        if is_last {
            return rows;
        }
    }
}

/// Waits until a view's answer is complete.
pub(crate) fn view(host: &Host, params: &Value) -> Vec<(Value, Value)> {
    let begun = Instant::now();
    loop {
        let mut answer = host.operator("stats.view", params.clone()).unwrap();
        if answer["complete"] == true {
            let rows = answer["rows"].as_array_mut().unwrap().iter_mut();
            return rows.map(|row| (row["key"].take(), row["value"].take())).collect();
        }
        assert!(begun.elapsed() < PATIENCE, "{params} is not complete");
    }
}

/// A closed round: game, release, when, stake, payout.
pub(crate) type Round = (String, String, u64, u64, u64);

/// The rounds of a player that were closed, from their records.
pub(crate) fn rounds(host: &Host, player: &str) -> Vec<Round> {
    let mut rounds = Vec::new();
    let mut before = Value::Null;
    loop {
        let page = host.operator("round.list", json!({ "player": player, "before": before, "limit": 100 })).unwrap();
        for row in page["rows"].as_array().unwrap().iter().filter(|row| row["open"] == false) {
            let text = |member: &str| row[member].as_str().unwrap().to_owned();
            let number = |member: &str| row[member].as_u64().unwrap();
            rounds.push((text("game"), text("release"), number("closed_at_ms"), number("staked"), number("paid")));
        }
        before = page["next"].clone();
        if before.is_null() {
            return rounds;
        }
    }
}

/// What the statistics must say of some rounds of these players, who have one session each.
fn counts(rounds: &[(&str, Round)]) -> Value {
    let mut returns = Returns::default();
    for (_, (_, _, _, staked, paid)) in rounds {
        returns.add(Amount::new(*staked).unwrap(), Amount::new(*paid).unwrap());
    }
    let players: BTreeSet<_> = rounds.iter().map(|(player, _)| *player).collect();
    let interval = returns.rtp_interval();
    let money = json!({
        "rounds": rounds.len(), "staked": u64::try_from(returns.staked).unwrap(), "paid": u64::try_from(returns.paid).unwrap(),
        "rtp": returns.rtp(), "rtp_low": interval.map(|interval| interval.low), "rtp_high": interval.map(|interval| interval.high),
    });
    let mut members = Members::default();
    players.iter().for_each(|player| members.meet(format!("main\0player/{player}").as_bytes()));
    let mut counts = json!({
        "rounds": rounds.len(), "currencies": { "EUR": money }, "players": members.count(), "sessions": players.len(),
        "faults": {}, "events": 0,
    });
    if members.is_estimate() {
        counts["estimated"] = json!(true);
        counts["sessions"] = Value::Null;
    }
    counts
}

/// As [`counts`] says it: sessions have random names, and an estimate of them is only about right.
fn settled(mut answer: Value, rows: &str) -> Value {
    for row in answer[rows].as_array_mut().unwrap() {
        if row["estimated"] == true {
            let [players, sessions] = ["players", "sessions"].map(|member| row[member].as_u64().unwrap());
            assert!(players.abs_diff(sessions) * 10 < players, "{players} players, {sessions} sessions");
            row["sessions"] = Value::Null;
        }
    }
    answer
}

fn with(mut counts: Value, member: &str, value: Value) -> Value {
    counts[member] = value;
    counts
}

/// Holds every roll-up, and the views of [`VIEWS`], against what the players' records say.
pub(crate) fn prove(host: &Host, players: &[&str]) -> usize {
    wait_until_tracked(host);
    let all: Vec<_> =
        players.iter().flat_map(|player| rounds(host, player).into_iter().map(|round| (*player, round))).collect();
    let mut by_game = BTreeMap::<_, Vec<_>>::new();
    let mut by_player = BTreeMap::<_, Vec<_>>::new();
    for (player, round) in &all {
        by_game.entry(round.0.clone()).or_default().push((*player, round.clone()));
        by_player.entry(json!([player, round.0]).to_string()).or_default().push(round.4);
    }
    let expected = by_game.iter().map(|(game, rounds)| with(counts(rounds), "game", json!(game)));
    let found = settled(host.operator("stats.games", json!({})).unwrap(), "games");
    assert_eq!(found, json!({ "games": expected.collect::<Vec<_>>(), "complete": true }));
    for (game, rounds) in &by_game {
        for (by, period) in [("hour", Period::Hour), ("day", Period::Day)] {
            prove_rollup(host, game, None, by, period, rounds);
            let releases: BTreeSet<_> = rounds.iter().map(|(_, round)| round.1.clone()).collect();
            for release in releases {
                let of_release: Vec<_> = rounds.iter().filter(|(_, round)| round.1 == release).cloned().collect();
                prove_rollup(host, game, Some(&release), by, period, &of_release);
            }
        }
    }
    prove_views(host, players, &by_player);
    all.len()
}

fn prove_rollup(host: &Host, game: &str, release: Option<&str>, by: &str, period: Period, rounds: &[(&str, Round)]) {
    let mut buckets = BTreeMap::<_, Vec<_>>::new();
    for round in rounds {
        buckets.entry(period.start_of(round.1.2)).or_default().push(round.clone());
    }
    let (from, to) = (*buckets.first_key_value().unwrap().0, buckets.last_key_value().unwrap().0 + 1);
    let expected: Vec<_> = buckets.iter().map(|(from, rounds)| with(counts(rounds), "from", json!(from))).collect();
    let params = json!({ "game": game, "release": release, "by": by, "from": from, "to": to });
    let found = settled(host.operator("stats.rollup", params.clone()).unwrap(), "rows");
    assert_eq!(found, json!({ "rows": expected, "complete": true }), "{params}");
    // The same range as one.
    let range = json!({ "game": game, "from": from, "to": to - 1 + period.length_ms() });
    let total = settled(host.operator("stats.games", range).unwrap(), "games");
    if release.is_none() {
        assert_eq!(total["games"], json!([with(counts(rounds), "game", json!(game))]));
    }
}

fn prove_views(host: &Host, players: &[&str], by_player: &BTreeMap<String, Vec<u64>>) {
    let expected = by_player.iter().map(|(key, paid)| {
        let squares: u128 = paid.iter().map(|paid| u128::from(*paid).pow(2)).sum();
        let stats = json!({
            "count": paid.len(), "sum": paid.iter().sum::<u64>(), "min": paid.iter().min(), "max": paid.iter().max(),
            "squares": u64::try_from(squares).unwrap(),
        });
        (serde_json::from_str(key).unwrap(), stats)
    });
    let expected: Vec<_> = expected.collect();
    let mut found = all_of_view(host, "rounds-of-players");
    found.sort_by_key(|(key, _)| key.to_string());
    assert_eq!(found, expected);
    let mut deposits = 0;
    for player in players {
        let mut before = Value::Null;
        loop {
            let page =
                host.operator("wallet.history", json!({ "player": player, "before": before, "limit": 100 })).unwrap();
            let rows = page["rows"].as_array().unwrap().iter().filter(|row| row["kind"] == "deposit");
            deposits += rows.map(|row| row["change"].as_u64().unwrap()).sum::<u64>();
            before = page["next"].clone();
            if before.is_null() {
                break;
            }
        }
    }
    assert_eq!(view(host, &json!({ "name": "deposits" })), [(json!(["EUR"]), json!(deposits))]);
    let mut depositors = Members::default();
    players.iter().for_each(|player| depositors.meet(json!(player).to_string().as_bytes()));
    assert_eq!(view(host, &json!({ "name": "depositors" })), [(json!([]), json!(depositors.count()))]);
}
