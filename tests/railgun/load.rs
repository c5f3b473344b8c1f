//! The original load, made small: the same program that runs it whole.

use std::path::Path;

use railgun_load::{Plan, Queue, StandInPlace};

fn plan(queue: Queue) -> Plan {
    Plan {
        croupier: Path::new(env!("CARGO_BIN_EXE_croupier")).to_owned(),
        stand_in: StandInPlace::Here,
        queue,
        directory: std::env::temp_dir(),
        notifications: 3000,
        singles: 100,
        batch: 500,
        connections: 2,
        speed: 50.0,
        error_rate: 0.02,
        seed: 5,
        bulk_max: 1,
        workers: 0,
        calls_max: 300,
    }
}

async fn run(plan: &Plan) {
    let report = railgun_load::run(plan).await.unwrap();
    println!("{report}");
    assert_eq!(report.wrongs(), Vec::<String>::new());
    assert!(report.failures() > 0, "nothing has failed that should");
    assert!(report.in_flight_max() > 50, "{} in flight at most", report.in_flight_max());
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_are_delivered_once_through_beanstalkd() {
    run(&plan(Queue::Beanstalkd)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_are_delivered_once_through_the_embedded_queue() {
    run(&plan(Queue::Embedded)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_are_delivered_once_by_several_workers() {
    run(&Plan { workers: 2, calls_max: 150, ..plan(Queue::Beanstalkd) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_go_in_one_call_where_the_provider_takes_many() {
    let report = railgun_load::run(&Plan { bulk_max: 0, ..plan(Queue::Embedded) }).await.unwrap();
    assert_eq!(report.wrongs(), Vec::<String>::new());
    assert!(report.calls() < 3000, "{} calls", report.calls());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_there_is_named() {
    let error = railgun_load::run(&Plan { croupier: "/none/croupier".into(), ..plan(Queue::Embedded) }).await;
    let said = format!("{:#}", error.err().unwrap());
    assert!(said.contains("/none/croupier") && said.contains("--croupier"), "{said}");
}
