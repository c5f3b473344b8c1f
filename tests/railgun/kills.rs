//! Processes that end while they deliver.

use std::collections::BTreeSet;

use providers_stand_in::Faults;
use serde_json::Value;

use super::{Providers, all_delivered, config, in_beanstalkd, railgun, send, statuses};
use crate::{harness::Host, queues::server::Server};

const TO_DELIVER: &str = "deliver = true\n";
const NOT_TO_DELIVER: &str = "deliver = false\n";

/// What a worker had that is gone: asked of a host that delivers nothing itself.
fn left_under_way(host: &mut Host, config: &dyn Fn(&str) -> String, names: &[String]) -> BTreeSet<String> {
    host.set_config(&config(NOT_TO_DELIVER));
    host.restart();
    let statuses = statuses(host, names);
    let under_way = statuses.iter().filter(|status| status["state"]["is"] == "under_way");
    let names = under_way.map(|status| status["notification"].as_str().unwrap().to_owned()).collect();
    assert!(host.terminate().0.success());
    host.set_config(&config(TO_DELIVER));
    host.restart();
    names
}

/// Kills several times, each time with some delivered, some under way and some waiting.
fn kills(queue: &str) {
    const KILLS: usize = 4;
    const BETWEEN: usize = 150;
    let providers = Providers::with(20.0, Faults::rate(0.02));
    let config = |railgun: &str| config(&providers, railgun, queue);
    let mut host = railgun(config(TO_DELIVER));
    let (mut names, mut under_way) = (Vec::new(), BTreeSet::new());
    for kill in 0..KILLS {
        let first = kill * BETWEEN;
        names.extend(send(&host, first..first + BETWEEN));
        let enough = providers.counts().all.accepted + 40;
        providers.wait_until("delivering", |counts| counts.all.accepted >= enough && counts.all.in_flight > 0);
        host.kill();
        under_way.append(&mut left_under_way(&mut host, &config, &names));
    }
    assert!(!under_way.is_empty(), "no kill was mid-delivery");
    let doubled = all_delivered(&host, &providers, &names);
    assert!(doubled.is_subset(&under_way), "doubled though nobody had it: {:?}", doubled.difference(&under_way));
    println!("{} of {} under way at {KILLS} kills, {} of those doubled", under_way.len(), names.len(), doubled.len());
}

#[test]
fn nothing_is_lost_over_kills_and_only_what_was_under_way_is_doubled_with_the_embedded_queue() {
    kills("");
}

#[test]
fn nothing_is_lost_over_kills_and_only_what_was_under_way_is_doubled_with_beanstalkd() {
    kills(&in_beanstalkd(&Server::start()));
}

#[test]
fn what_was_under_way_is_finished_and_told_of_before_a_railgun_ends() {
    let server = Server::start();
    let providers = Providers::with(10.0, Faults::default());
    let config = |railgun: &str| config(&providers, railgun, &in_beanstalkd(&server));
    let mut host = railgun(config(TO_DELIVER));
    let names = send(&host, 0..200);
    providers.wait_until("delivering", |counts| counts.all.accepted >= 10 && counts.all.in_flight > 5);
    let (status, log) = host.terminate();
    assert!(status.success() && !log.contains("did not end in time"), "{log}");
    assert_eq!(providers.counts().all.in_flight, 0);
    let delivered = providers.counts().all.accepted;
    assert!(delivered < 200, "all were delivered before the end");
    let left = left_under_way(&mut host, &config, &names);
    assert_eq!(left, BTreeSet::new(), "{log}");
    let told = statuses(&host, &names).iter().filter(|status| status["state"]["is"] == "delivered").count() as u64;
    assert!(told >= delivered);
    assert_eq!(all_delivered(&host, &providers, &names), BTreeSet::new());
}

#[test]
fn a_batch_whose_answer_was_lost_in_a_kill_is_sent_again_and_told_once() {
    let providers = Providers::with(20.0, Faults::default());
    let mut host = railgun(config(&providers, "", ""));
    let first = send(&host, 0..100);
    host.kill();
    host.restart();
    let again = send(&host, 0..100);
    assert_eq!(first, again);
    let statuses = statuses(&host, &first);
    assert!(statuses.iter().all(|status| status["sender"] == serde_json::json!({ "service": "crm" })));
    let doubled = all_delivered(&host, &providers, &first);
    let claimed: BTreeSet<_> = statuses.iter().filter(|status| status["state"]["is"] != "waiting").map(name).collect();
    assert!(doubled.is_subset(&claimed));
}

fn name(status: &Value) -> String {
    status["notification"].as_str().unwrap().to_owned()
}
