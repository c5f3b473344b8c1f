//! A queue that is away, full or new. It is a means: what was accepted is in the register.

use std::collections::BTreeSet;

use providers_stand_in::Faults;
use serde_json::json;

use super::{CRM_TOKEN, Providers, all_delivered, config, in_beanstalkd, railgun, send, status};
use crate::{harness::reason, queues::server::Server};

/// The server dies while there is work, and comes back; meanwhile notifications are accepted.
fn dies(server: &Server) -> crate::harness::Host {
    let providers = Providers::with(20.0, Faults::rate(0.02));
    let host = railgun(config(&providers, "", &in_beanstalkd(server)));
    let mut names = send(&host, 0..300);
    for death in 0..2 {
        let enough = providers.counts().all.accepted + 50;
        providers.wait_until("delivering", |counts| counts.all.accepted >= enough && counts.all.in_flight > 0);
        server.kill();
        let first = 300 + death * 100;
        names.extend(send(&host, first..first + 100));
        server.restart();
    }
    assert_eq!(all_delivered(&host, &providers, &names), BTreeSet::new());
    host
}

#[test]
fn a_beanstalkd_that_dies_with_its_binlog_costs_nothing_and_doubles_nothing() {
    dies(&Server::start());
}

#[test]
fn a_beanstalkd_that_dies_and_forgets_everything_is_filled_again_and_doubles_nothing() {
    let host = dies(&Server::start_forgetful());
    host.wait_for_log(&["the queue is another than before"]);
}

#[test]
fn notifications_are_accepted_without_a_queue_and_delivered_when_it_is_there() {
    let server = Server::start();
    server.kill();
    let providers = Providers::with(50.0, Faults::default());
    let host = railgun(config(&providers, "", &in_beanstalkd(&server)));
    let names = send(&host, 0..20);
    host.wait_for_log(&["notifications are accepted and cannot be put into the queue"]);
    assert_eq!(status(&host, &names[0])["state"]["is"], "waiting");
    let error = host.notify(CRM_TOKEN, "notify.queues", json!({})).unwrap_err();
    assert_eq!((&error["code"], reason(&error)), (&json!(-32078), "queue_unavailable"));
    assert_eq!(providers.counts().all.calls, 0);
    server.restart();
    assert_eq!(all_delivered(&host, &providers, &names), BTreeSet::new());
    host.wait_for_log(&["the queue is filled again"]);
}

#[test]
fn notifications_are_accepted_while_the_queue_takes_none() {
    let server = Server::start();
    let providers = Providers::with(50.0, Faults::default());
    let host = railgun(config(&providers, "", &in_beanstalkd(&server)));
    let mut names = send(&host, 0..10);
    // A server that is being drained stays so until it ends.
    server.signal("USR1");
    names.extend(send(&host, 10..30));
    host.wait_for_log(&["cannot be put into the queue", "the queue is full"]);
    server.kill();
    server.restart();
    assert_eq!(all_delivered(&host, &providers, &names), BTreeSet::new());
}
