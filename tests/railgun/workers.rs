//! Workers in processes of their own, which deliver what another accepts.

use std::collections::BTreeSet;

use providers_stand_in::Faults;

use super::{Providers, all_delivered, config, in_beanstalkd, queued, railgun, send, until};
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
