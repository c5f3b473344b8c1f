//! What games send: through the outbox, with what the operator grants them.

use std::{path::PathBuf, sync::LazyLock};

use providers_stand_in::Faults;
use serde_json::{Value, json};

use super::{Providers, config, queued, until};
use crate::{
    harness::{self, Host, OPERATOR_TOKEN, Options},
    tracking::recount::wait_until_carried,
};

static GAMES: LazyLock<PathBuf> =
    LazyLock::new(|| harness::build("greeting", vec![harness::root().join("tests/telling_games/teller")]));

fn host(providers: &Providers, grants: &str) -> Host {
    let config = config(providers, "", "");
    Host::start_with(Options { games: Some(GAMES.clone()), config: format!("{config}{grants}"), ..Options::default() })
}

const GRANT: &str = "[[railgun.grants]]\ngame = \"teller\"\nchannels = [\"push\"]\ntemplates = [\"hello\"]\n";

fn outbox(host: &Host) -> Value {
    host.operator("outbox.list", json!({ "to": "notifications" })).unwrap()
}

#[test]
fn what_a_game_sends_reaches_the_player_once_over_kills() {
    const GREETINGS: u64 = 12;
    let providers = Providers::with(50.0, Faults::default());
    let mut host = host(&providers, GRANT);
    let contacts = json!({ "player": "alice", "contacts": { "push": "alices-phone" } });
    host.notify(OPERATOR_TOKEN, "contacts.set", contacts).unwrap();
    for player in ["alice", "bob"] {
        let token = host.player(player, 0);
        for _ in 0..GREETINGS / 2 {
            host.call(&token, "teller.greet", json!({})).unwrap();
        }
    }
    // Steps that were carried on without its being written are carried on again.
    host.kill();
    host.restart();
    wait_until_carried(&host, "notifications");
    providers.wait_until("greeting alice", |counts| counts.push.distinct == GREETINGS / 2);
    // Nobody knows where bob is: his are dead letters.
    let dead = || host.notify(OPERATOR_TOKEN, "notify.buried", json!({})).unwrap();
    let is_half = |dead: &Value| dead["rows"].as_array().unwrap().len() as u64 == GREETINGS / 2;
    let letters = until("dead letters", || Some(dead()).filter(is_half));
    assert_eq!(letters["rows"][0]["sender"], json!({ "game": "teller" }));
    assert!(letters["rows"][0]["state"]["why"].as_str().unwrap().contains("contacts.set"), "{letters}");
    let contacts = json!({ "player": "bob", "contacts": { "push": "bobs-phone" } });
    host.notify(OPERATOR_TOKEN, "contacts.set", contacts).unwrap();
    for row in letters["rows"].as_array().unwrap() {
        host.notify(OPERATOR_TOKEN, "notify.kick", json!({ "notification": row["notification"] })).unwrap();
    }
    providers.wait_until("greeting bob", |counts| counts.push.distinct == GREETINGS);
    until("all kicked letters delivered", || (dead()["rows"] == json!([])).then_some(()));
    host.check_ledger();
}

#[test]
fn a_game_is_refused_what_is_not_granted_and_goes_on() {
    let providers = Providers::with(50.0, Faults::default());
    for grants in ["", &GRANT.replace("push", "email"), &GRANT.replace("hello", "goodbye")] {
        let host = host(&providers, grants);
        let token = host.player("alice", 1000);
        let error = host.call(&token, "teller.greet", json!({})).unwrap_err();
        assert!(error.to_string().contains("not-granted"), "{error}");
        host.call(&token, "teller.play", json!({ "stake": 100, "pay": 50 })).unwrap();
        assert_eq!((outbox(&host), queued(&host)), (json!([]), 0));
        host.check_ledger();
    }
    assert_eq!(providers.counts().all.calls, 0);
}
