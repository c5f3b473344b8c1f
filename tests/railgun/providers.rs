//! Providers that fail in every way that they have.

use std::collections::BTreeSet;

use providers_stand_in::{Fault, Faults, Provider};
use serde_json::{Value, json};

use super::{
    CRM_TOKEN, Providers, SHOP_TOKEN, all_delivered, batch, config, hello, number, railgun, send, set_faults, status,
    statuses, until, wait_for_state_as,
};
use crate::harness::Host;

fn send_to(host: &Host, channel: &str, count: usize) -> Vec<String> {
    let sent = batch(host, "notify.send", (0..count).map(|number| hello(channel, number)));
    sent.iter().map(|sent| sent["notification"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_provider_that_is_down_is_left_alone_and_gets_everything_when_it_is_back() {
    const NOTIFICATIONS: usize = 300;
    let providers = Providers::with(50.0, Faults::default());
    let host = railgun(config(&providers, "", ""));
    set_faults(&providers, Provider::Email, Faults::outage());
    let names = send(&host, 0..NOTIFICATIONS);
    host.wait_for_log(&["the provider is left alone for a while", "sendgrid", "\"pause_s\":1"]);
    // The first probe has failed.
    host.wait_for_log(&["the provider is left alone for a while", "sendgrid", "\"pause_s\":2"]);
    let failed = providers.counts().email.failed;
    // Twenty in a row, what was under way with them, and the probe; not each of the 150 again and again.
    assert!((20..=60).contains(&failed), "{failed} attempts at a provider that is down");
    providers.wait_until("delivering to the others", |counts| counts.social.distinct == 150);
    set_faults(&providers, Provider::Email, Faults::default());
    host.wait_for_log(&["the provider is back", "sendgrid"]);
    assert_eq!(all_delivered(&host, &providers, &names), BTreeSet::new());
    assert!(providers.counts().email.failed <= failed + 2);
}

#[test]
fn a_provider_that_never_answers_holds_nobody_up() {
    let providers = Providers::with(50.0, Faults::default());
    let host = railgun(config(&providers, "", ""));
    set_faults(&providers, Provider::Email, Faults::of(1.0, &[Fault::Silent]));
    let names = send(&host, 0..60);
    providers.wait_until("delivering to the others", |counts| counts.social.distinct == 30);
    assert_eq!(providers.counts().email.distinct, 0);
    providers.wait_until("tried again", |counts| counts.email.attempts > 30);
    assert!(number(&host, "failed_total", "timed_out") > 0.0);
    set_faults(&providers, Provider::Email, Faults::default());
    assert_eq!(all_delivered(&host, &providers, &names), BTreeSet::new());
}

#[test]
fn a_provider_that_becomes_slow_is_asked_for_less_at_once_and_gets_everything_once() {
    let providers = Providers::with(60.0, Faults::default());
    let host = railgun(config(&providers, "", ""));
    let calls_max = || number(&host, "calls_max", "sendgrid");
    let mut names = send(&host, 0..400);
    assert_eq!(all_delivered(&host, &providers, &names), BTreeSet::new());
    let before = calls_max();
    // Nothing else is wrong with it, and its slowest calls are within the time that they are given.
    set_faults(&providers, Provider::Email, Faults::slow(10.0));
    names.extend(send(&host, 400..700));
    assert_eq!(all_delivered(&host, &providers, &names), BTreeSet::new());
    let after = calls_max();
    assert!(after < before, "{after} calls at once, and {before} before it was slow");
    assert!(providers.counts().email.in_flight_max <= 60);
    // Nobody was taken for dead: each was tried once.
    for status in statuses(&host, &names) {
        assert_eq!((&status["failures"], &status["deliveries"]), (&json!(0), &json!(1)), "{status}");
    }
    assert_eq!(providers.counts().all.attempts, names.len() as u64);
}

#[test]
fn a_provider_that_asks_for_time_is_given_it() {
    let providers = Providers::with(50.0, Faults::default());
    let host = railgun(config(&providers, "", ""));
    set_faults(&providers, Provider::Email, Faults::of(1.0, &[Fault::Throttled]));
    let names = send_to(&host, "email", 3);
    let waits = until("waiting for another attempt", || {
        let status = status(&host, &names[0]);
        (status["state"]["is"] == "waiting" && status["failures"].as_u64() > Some(0)).then_some(status)
    });
    // By itself it would wait a fifth of a second; the provider says one.
    let asked = waits["state"]["due_ms"].as_u64().unwrap() - waits["trouble"]["at_ms"].as_u64().unwrap();
    assert_eq!(asked, 1000, "{waits}");
    set_faults(&providers, Provider::Email, Faults::default());
    assert_eq!(all_delivered(&host, &providers, &names), BTreeSet::new());
    assert!(number(&host, "failed_total", "throttled") >= 3.0);
}

#[test]
fn what_breaks_off_or_makes_no_sense_is_tried_again_under_the_same_name() {
    const EACH: usize = 60;
    let faults = Faults::of(0.3, &[Fault::BrokenOff, Fault::Malformed, Fault::Internal, Fault::Unavailable]);
    let providers = Providers::with(100.0, faults);
    let host = railgun(config(&providers, "", ""));
    let names: Vec<_> =
        ["email", "social", "push", "webhook"].iter().flat_map(|channel| send_to(&host, channel, EACH)).collect();
    assert_eq!(all_delivered(&host, &providers, &names), BTreeSet::new());
    let counts = providers.counts();
    for counts in [counts.email, counts.social, counts.push, counts.webhook] {
        assert_eq!((counts.distinct, counts.accepted), (EACH as u64, EACH as u64));
        assert!(counts.failed > 0 && counts.attempts > counts.distinct, "{counts:?}");
    }
}

#[test]
fn an_answer_that_is_lost_is_the_only_way_to_be_told_twice() {
    let providers = Providers::with(100.0, Faults::of(0.2, &[Fault::AnswerLost]));
    let host = railgun(config(&providers, "", ""));
    let names = send(&host, 0..100);
    let doubled = all_delivered(&host, &providers, &names);
    // Each attempt bears the notification's name, so that a provider which heeds it delivers once.
    let counts = providers.counts().all;
    assert!(!doubled.is_empty());
    assert_eq!((doubled.len() as u64, counts.accepted - counts.distinct), (counts.doubled, counts.failed));
}

#[test]
fn what_a_provider_refuses_is_a_dead_letter_until_somebody_kicks_or_removes_it() {
    let providers = Providers::with(100.0, Faults::default());
    let host = railgun(config(&providers, "", ""));
    let refused = |number: usize| {
        let mut params = hello("email", number);
        params["recipient"]["address"] = json!(format!("refused-{number}@example.test"));
        params
    };
    let sent = batch(&host, "notify.send", (0..3).map(refused));
    let names: Vec<_> = sent.iter().map(|sent| sent["notification"].as_str().unwrap().to_owned()).collect();
    for name in &names {
        let status = super::wait_for_state(&host, name, "buried");
        assert!(status["state"]["why"].as_str().unwrap().contains("valid address"), "{status}");
    }
    let rows = |limit: u64, before: Option<&Value>| {
        let mut params = json!({ "limit": limit });
        if let Some(before) = before {
            params["before"] = before.clone();
        }
        host.notify(CRM_TOKEN, "notify.buried", params).unwrap()
    };
    let page = rows(2, None);
    let rest = rows(2, Some(&page["next"]));
    let listed: BTreeSet<_> = [&page, &rest]
        .iter()
        .flat_map(|page| page["rows"].as_array().unwrap())
        .map(|row| row["notification"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(listed, names.iter().cloned().collect());
    assert_eq!(rest.get("next"), None);

    let attempts = providers.counts().email.attempts;
    let kicked = host.notify(CRM_TOKEN, "notify.kick", json!({ "notification": names[0] })).unwrap();
    assert_eq!(kicked["failures"], 0);
    providers.wait_until("tried again", |counts| counts.email.attempts > attempts);
    super::wait_for_state(&host, &names[0], "buried");
    for name in &names {
        let removed = host.notify(CRM_TOKEN, "notify.remove", json!({ "notification": name })).unwrap();
        assert_eq!(removed, json!({ "forgotten": true }));
    }
    assert_eq!(rows(10, None)["rows"], json!([]));
    let error = host.notify(CRM_TOKEN, "notify.status", json!({ "notification": names[0] })).unwrap_err();
    assert_eq!(error["code"], -32070);
    // Three, and the one that was kicked once more.
    let is_four = |name: &str, labels: &str| (number(&host, name, labels) - 4.0).abs() < 0.5;
    assert!(is_four("refused_total", "sendgrid"));
    until("counted", || is_four("buried_total", "provider=\"sendgrid\",reason=\"refused\"").then_some(()));
}

#[test]
fn dead_letters_come_in_pages_of_no_more_than_was_asked_for_also_among_those_of_others() {
    let providers = Providers::with(100.0, Faults::default());
    let host = railgun(config(&providers, "", ""));
    let mut own = BTreeSet::new();
    for (number, token) in [CRM_TOKEN, CRM_TOKEN, SHOP_TOKEN, CRM_TOKEN, SHOP_TOKEN, CRM_TOKEN].into_iter().enumerate()
    {
        let mut params = hello("email", number);
        params["recipient"]["address"] = json!(format!("refused-{number}@example.test"));
        let sent = host.notify(token, "notify.send", params).unwrap();
        let name = sent["notification"].as_str().unwrap();
        wait_for_state_as(&host, token, name, "buried");
        if token == CRM_TOKEN {
            own.insert(name.to_owned());
        }
    }
    for limit in 1..=7 {
        let (mut listed, mut before) = (Vec::new(), None);
        loop {
            let mut params = json!({ "limit": limit });
            params.as_object_mut().unwrap().extend(before.map(|before| ("before".to_owned(), before)));
            let page = host.notify(CRM_TOKEN, "notify.buried", params).unwrap();
            let rows = page["rows"].as_array().unwrap();
            assert!(rows.len() <= limit, "{} rows of at most {limit}", rows.len());
            listed.extend(rows.iter().map(|row| row["notification"].as_str().unwrap().to_owned()));
            before = page.get("next").cloned();
            if before.is_none() {
                break;
            }
        }
        assert_eq!(listed.len(), own.len(), "{limit}: {listed:?}");
        assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), own);
    }
}
