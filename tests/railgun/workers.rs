//! Workers in processes of their own, which deliver what another accepts.

use std::collections::BTreeSet;

use providers_stand_in::Faults;

use super::{Providers, all_delivered, config, in_beanstalkd, number, queued, railgun, send, statuses, until};
use crate::{
    harness::{Host, Options, Role},
    queues::server::Server,
};

/// What accepts, and what its workers are started with.
fn accepting(providers: &Providers, server: &Server) -> (Host, Options) {
    let token = "worker_token = \"the-token-of-the-workers\"\n";
    let config = |railgun: &str| config(providers, &format!("{railgun}{token}"), &in_beanstalkd(server));
    let host = railgun(config("deliver = false\n"));
    let worker = config(&format!("url = \"http://{}\"\n", host.address()));
    (host, Options { role: Role::Worker, config: worker, ..Options::default() })
}

#[test]
fn a_worker_that_is_never_to_be_idle_delivers_what_is_ready_and_ends() {
    let (providers, server) = (Providers::with(50.0, Faults::default()), Server::start());
    let (host, worker) = accepting(&providers, &server);
    let worker = Options { arguments: "--exit-when-idle 0".to_owned(), ..worker };
    let ends = || {
        let (status, log) = Host::start_with(worker.clone()).wait();
        assert!(status.success() && log.contains("nothing is left to do"), "{log}");
    };
    ends();
    let names = send(&host, 0..200);
    until("queued", || (queued(&host) == 200).then_some(()));
    ends();
    assert_eq!(all_delivered(&host, &providers, &names), BTreeSet::new());
}

#[test]
fn nothing_is_lost_over_kills_of_workers_and_only_what_they_had_under_way_is_doubled() {
    const KILLS: usize = 4;
    let (providers, server) = (Providers::with(10.0, Faults::default()), Server::start());
    let (host, worker) = accepting(&providers, &server);
    let mut workers = [worker.clone(), worker].map(Host::start_with);
    let mut names = Vec::new();
    for kill in 0..KILLS {
        let victim = &mut workers[kill % 2];
        // However fast the other is, it has room for so many only.
        until("delivering", || {
            let sent = names.len();
            names.extend(send(&host, sent..sent + 50));
            (number(victim, "in_flight", "") > 5.0).then_some(())
        });
        victim.kill();
        victim.restart();
    }
    let doubled = all_delivered(&host, &providers, &names);
    // The register knows by the leases that ended without a report what a worker had that is gone.
    let had: BTreeSet<_> = statuses(&host, &names)
        .iter()
        .filter(|status| status["trouble"]["why"].as_str().is_some_and(|why| why.contains("never reported")))
        .map(|status| status["notification"].as_str().unwrap().to_owned())
        .collect();
    assert!(!had.is_empty(), "no kill was mid-delivery");
    assert!(doubled.is_subset(&had), "doubled though no worker had died of it: {:?}", doubled.difference(&had));
    println!("{} of {} under way at {KILLS} kills, {} of those doubled", had.len(), names.len(), doubled.len());
}
