//! Disks that fail.

use providers_stand_in::Faults;
use serde_json::json;

use super::{CRM_TOKEN, Providers, config, hello, send, statuses};
use crate::harness::{Host, Options, Role, get, reason};

/// Does not get smaller when it is written.
fn long(number: usize) -> String {
    (0..1000)
        .map(|part: u64| format!("{:x}", (part + 1000 * number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        .collect()
}

#[test]
fn a_register_that_cannot_be_written_makes_a_host_unready_and_loses_nothing_that_was_answered() {
    for role in [Role::Serve, Role::Railgun] {
        let providers = Providers::with(50.0, Faults::default());
        let config = config(&providers, "deliver = false\n", "");
        let mut host = Host::start_with(Options { role, config, ..Options::default() });
        let mut names = send(&host, 0..10);
        host.kill();
        host.limit_files();
        host.restart();
        assert_eq!(get(host.address(), "/readyz"), (200, "ready\n".to_owned()));
        let refused = loop {
            let mut params = hello("email", names.len());
            params["data"]["more"] = json!(long(names.len()));
            match host.notify(CRM_TOKEN, "notify.send", params) {
                Ok(sent) => names.push(sent["notification"].as_str().unwrap().to_owned()),
                Err(error) => break error,
            }
        };
        assert_eq!(reason(&refused), "register_unavailable");
        host.wait_for_log(&["the register has failed"]);
        let (status, body) = get(host.address(), "/readyz");
        assert_eq!(status, 503, "{body}");
        assert!(body.starts_with("the register of notifications: "), "{body}");
        assert_eq!(get(host.address(), "/healthz").0, 200);

        host.kill();
        host.set_prelude("");
        host.restart();
        assert_eq!(get(host.address(), "/readyz").0, 200);
        assert!(statuses(&host, &names).iter().all(|status| status["state"]["is"] == "waiting"));
    }
}
