//! The embedded queue: its directory, and the death of its process.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use croupier::{
    notifications::Channel,
    queue::{
        Queue, QueueError,
        embedded::{Embedded, Settings},
    },
};

use tokio::time::timeout;

use super::conformance::{LONG, counts, job, numbers, put, take};
use crate::harness::PATIENCE;

const EMAIL: Channel = Channel::Email;
/// Tells a test that it is the process to be killed.
const VICTIM: &str = "CROUPIER_TEST_QUEUE_VICTIM";

fn settings(directory: &Path, lease: Duration) -> Settings {
    Settings { directory: directory.join("queue"), lease, disk_reserve_bytes: 0 }
}

pub(super) fn open(directory: &Path, lease: Duration) -> Embedded {
    Embedded::open(&settings(directory, lease)).unwrap()
}

/// Puts jobs of two channels and finishes those of one, forever; says so after each.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a process for another test to kill"]
async fn victim() {
    let directory = env::var_os(VICTIM).expect("another test starts this");
    let queue = open(Path::new(&directory), LONG);
    let mut output = std::io::stdout();
    for number in 0.. {
        put(&queue, EMAIL, [job(number, 0)]).await;
        put(&queue, Channel::Push, [job(number, 0)]).await;
        let taken = take(&queue, Channel::Push, 1).await;
        queue.finish(Channel::Push, &taken).await.unwrap();
        writeln!(output, "\nput {number}").unwrap();
        output.flush().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_and_done_survives_kill_9() {
    let directory = tempfile::tempdir().unwrap();
    for enough in [1, 40, 200] {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["queues::embedded::victim", "--exact", "--ignored", "--nocapture"])
            .env(VICTIM, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let said = lines.filter_map(|line| line.strip_prefix("put ")?.parse::<u64>().ok());
        let last = said.take(enough).last().expect("it puts nothing");
        child.kill().unwrap();
        child.wait().unwrap();
        let queue = open(directory.path(), LONG);
        let [ready, ..] = counts(&queue, EMAIL).await;
        assert!(ready > last, "{ready} of more than {last}");
        let taken = take(&queue, EMAIL, usize::try_from(ready).unwrap()).await;
        assert_eq!(numbers(&taken), (0..ready).collect::<Vec<_>>());
        // The last may have been under way.
        let undone = queue.take(Channel::Push, 10).await.unwrap();
        assert!(undone.len() <= 1 && numbers(&undone).iter().all(|number| *number > last), "{undone:?}");
        queue.finish(EMAIL, &taken).await.unwrap();
        queue.finish(Channel::Push, &undone).await.unwrap();
        queue.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_jobs_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let queue = open(directory.path(), LONG);
    put(&queue, EMAIL, [job(1, 0), job(2, 0), job(3, 0)]).await;
    queue.close().await;
    drop(queue);
    let full = Settings { disk_reserve_bytes: u64::MAX, ..settings(directory.path(), LONG) };
    let queue = Embedded::open(&full).unwrap();
    let refused = queue.put(EMAIL, vec![(job(4, 0), Duration::ZERO)]).await;
    assert!(matches!(&refused, Err(QueueError::Full(why)) if why.contains("MiB are free")), "{refused:?}");
    let taken = take(&queue, EMAIL, 3).await;
    queue.finish(EMAIL, &taken[..1]).await.unwrap();
    queue.bury(EMAIL, &taken[1..2]).await.unwrap();
    queue.give_back(EMAIL, &[(taken[2].clone(), Duration::ZERO)]).await.unwrap();
    assert_eq!(counts(&queue, EMAIL).await, [1, 0, 0, 1]);
    queue.close().await;
    drop(queue);
    let queue = open(directory.path(), LONG);
    put(&queue, EMAIL, [job(5, 0)]).await;
    assert_eq!(numbers(&take(&queue, EMAIL, 2).await), [3, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_one_queues_and_has_a_name() {
    let (directory, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let queue = open(directory.path(), LONG);
    let second = Embedded::open(&settings(directory.path(), LONG)).err().unwrap().to_string();
    assert!(second.contains("another process is using it"), "{second}");
    let incarnation = queue.incarnation().await.unwrap();
    assert_ne!(open(other.path(), LONG).incarnation().await, Ok(incarnation));
    // Closing lets go of the files, whoever still has the queue.
    queue.close().await;
    open(directory.path(), LONG);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_dropped_lets_go_of_its_files_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let queue = open(directory.path(), LONG);
    put(&queue, EMAIL, [job(1, 0)]).await;
    drop(queue);
    let opened = async {
        loop {
            match Embedded::open(&settings(directory.path(), LONG)) {
                Ok(queue) => return queue,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let queue = timeout(PATIENCE, opened).await.expect("the files are held");
    assert_eq!(counts(&queue, EMAIL).await, [1, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_does_not_read_back_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("queue");
    {
        let database = fjall::Database::builder(&path).open().unwrap();
        let jobs = database.keyspace("jobs", fjall::KeyspaceCreateOptions::default).unwrap();
        jobs.insert(7_u64.to_be_bytes(), "{}").unwrap();
        database.persist(fjall::PersistMode::SyncAll).unwrap();
    }
    let error = Embedded::open(&settings(directory.path(), LONG)).err().unwrap().to_string();
    assert!(error.contains("job 7") && error.contains("begins anew"), "{error}");
}
