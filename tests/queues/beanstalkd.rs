//! What a beanstalkd may do: end, forget, be full, hold what is not ours; and servers that are none.

use std::{sync::Arc, time::Duration};

use croupier::{
    notifications::Channel,
    queue::{
        Queue, QueueError,
        beanstalkd::{Beanstalkd, Settings, TubePrefix},
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};

use super::{
    conformance::{LONG, SHORT, asked_again, counts, job, numbers, put, take, take_one},
    server::Server,
};
use crate::harness::PATIENCE;

const EMAIL: Channel = Channel::Email;

fn settings(address: &str, lease: Duration) -> Settings {
    Settings {
        address: address.to_owned(),
        tube_prefix: TubePrefix::default(),
        lease,
        connect_timeout: PATIENCE,
        reply_timeout: PATIENCE,
    }
}

pub(super) fn open(address: &str, lease: Duration) -> Beanstalkd {
    Beanstalkd::new(settings(address, lease))
}

fn assert_unavailable<T: std::fmt::Debug>(answer: Result<T, QueueError>, words: &str) {
    assert!(matches!(&answer, Err(QueueError::Unavailable(why)) if why.contains(words)), "{words}: {answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_forgot_is_another_incarnation() {
    let server = Server::start_forgetful();
    let queue = open(&server.address(), LONG);
    let before = queue.incarnation().await.unwrap();
    put(&queue, EMAIL, [job(1, 0), job(2, 0)]).await;
    let lost = take(&queue, EMAIL, 2).await;
    server.kill();
    server.restart();
    let after = asked_again(|| queue.incarnation()).await;
    assert_ne!(before, after);
    assert_eq!(counts(&queue, EMAIL).await, [0; 4]);
    // The new server gives the numbers of the lost jobs to others.
    put(&queue, EMAIL, [job(3, 0), job(4, 0)]).await;
    asked_again(|| queue.finish(EMAIL, &lost)).await;
    asked_again(|| queue.bury(EMAIL, &lost)).await;
    assert_eq!(counts(&queue, EMAIL).await, [2, 0, 0, 0]);
    assert_eq!(numbers(&take(&queue, EMAIL, 2).await), [3, 4]);
    queue.finish(EMAIL, &lost).await.unwrap();
    assert_eq!(counts(&queue, EMAIL).await, [0, 0, 2, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_is_named_and_waited_for() {
    let server = Server::start();
    let queue = Arc::new(open(&server.address(), LONG));
    put(&*queue, EMAIL, [job(1, 0)]).await;
    let leased = take(&*queue, EMAIL, 1).await;
    server.kill();
    for _ in 0..3 {
        let address = server.address();
        assert_unavailable(queue.put(EMAIL, vec![(job(2, 0), Duration::ZERO)]).await, &address);
        assert_unavailable(queue.take(EMAIL, 1).await, &address);
        assert_unavailable(queue.finish(EMAIL, &leased).await, &address);
        assert_unavailable(queue.standing(EMAIL).await, &address);
        assert_unavailable(queue.incarnation().await, &address);
    }
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { queue.ready(EMAIL).await }
    });
    server.restart();
    timeout(PATIENCE, waiting).await.expect("the server is not found again").unwrap();
    assert_eq!(numbers(&take(&*queue, EMAIL, 1).await), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_is_buried_once() {
    let server = Server::start();
    let queue = open(&server.address(), LONG);
    let long = "x".repeat(65_535);
    let bodies = ["hello", "", "{}", r#"{"id":"00","priority":0,"due_ms":0}"#, "\u{1}\u{2}", &long];
    let mut commands = "use croupier-email\r\n".to_owned();
    for body in bodies {
        commands += &format!("put 0 0 60 {}\r\n{body}\r\n", body.len());
    }
    assert!(server.say(&commands, 7)[1..].iter().all(|reply| reply.starts_with("INSERTED")));
    put(&queue, EMAIL, (0..10).map(|number| job(number, 1))).await;
    assert_eq!(queue.standing(EMAIL).await.unwrap().next_due_ms, None, "what comes next is none of ours");
    let taken = queue.take(EMAIL, 12).await.unwrap();
    assert_eq!(numbers(&taken), (0..10).collect::<Vec<_>>());
    assert_eq!(counts(&queue, EMAIL).await, [0, 0, 10, 6]);
    // Whoever kicks them gets them back.
    assert_eq!(queue.kick(EMAIL, 100).await, Ok(6));
    assert_eq!(queue.take(EMAIL, 12).await, Ok(Vec::new()));
    assert_eq!(counts(&queue, EMAIL).await, [0, 0, 10, 6]);
    queue.finish(EMAIL, &taken).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_memory_is_full_until_there_is_some() {
    let server = Server::start_with(false, "ulimit -v 12000;", "");
    let queue = open(&server.address(), LONG);
    // To connect takes memory.
    assert_eq!(queue.take(EMAIL, 1).await, Ok(Vec::new()));
    let mut put_so_far = 0;
    let refused = loop {
        let jobs = (0..1000).map(|number| (job(number, 0), Duration::ZERO)).collect();
        match queue.put(EMAIL, jobs).await {
            Ok(()) => put_so_far += 1000,
            Err(error) => break error,
        }
        assert!(put_so_far < 1_000_000, "its memory has no end");
    };
    assert!(matches!(&refused, QueueError::Full(why) if why.contains(&server.address())), "{refused:?}");
    let taken = take(&queue, EMAIL, 3000).await;
    queue.finish(EMAIL, &taken).await.unwrap();
    put(&queue, EMAIL, [job(1, 0)]).await;
    let [ready, _, _, buried] = counts(&queue, EMAIL).await;
    assert!(ready + 3000 > put_so_far && buried == 0, "{ready} ready, {buried} buried, {put_so_far} put");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_drained_takes_no_more_and_gives_the_rest() {
    let server = Server::start();
    let queue = open(&server.address(), LONG);
    put(&queue, EMAIL, [job(1, 0)]).await;
    server.signal("USR1");
    let refused = loop {
        match queue.put(EMAIL, vec![(job(2, 0), Duration::ZERO)]).await {
            // The signal is on its way.
            Ok(()) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(&refused, QueueError::Full(why) if why.contains("drained")), "{refused:?}");
    let leased = take_one(&queue, EMAIL).await;
    assert_eq!(leased.job, job(1, 0));
    queue.finish(EMAIL, &[leased]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_for_smaller_jobs_is_told_of() {
    let server = Server::start_with(false, "", "-z 20");
    let queue = open(&server.address(), LONG);
    for _ in 0..2 {
        let jobs = (0..3).map(|number| (job(number, 0), Duration::ZERO)).collect();
        assert_unavailable(queue.put(EMAIL, jobs).await, "-z");
        assert_eq!(counts(&queue, EMAIL).await, [0; 4]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_taken_from_a_tube_that_an_operator_has_paused() {
    let server = Server::start();
    let queue = open(&server.address(), LONG);
    put(&queue, EMAIL, [job(1, 0)]).await;
    let paused_at = std::time::Instant::now();
    assert_eq!(server.say("pause-tube croupier-email 1\r\n", 1), ["PAUSED"]);
    assert_eq!(numbers(&take(&queue, EMAIL, 1).await), [1]);
    assert!(paused_at.elapsed() >= SHORT, "after {:?}", paused_at.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn prefixes_keep_queues_apart() {
    let server = Server::start();
    let ours = open(&server.address(), LONG);
    let theirs = Settings { tube_prefix: "theirs.".parse().unwrap(), ..settings(&server.address(), LONG) };
    let theirs = Beanstalkd::new(theirs);
    put(&theirs, EMAIL, [job(1, 0)]).await;
    assert_eq!(ours.take(EMAIL, 1).await, Ok(Vec::new()));
    // Later versions put it between quotation marks.
    assert_eq!(server.say("stats-tube theirs.email\r\n", 3)[2].replace('"', ""), "name: theirs.email");
    assert_eq!(numbers(&take(&theirs, EMAIL, 1).await), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn seconds_are_the_shortest_lease() {
    for (milliseconds, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2)] {
        let queue = open("127.0.0.1:1", Duration::from_millis(milliseconds));
        assert_eq!(queue.lease(), Duration::from_secs(seconds), "{milliseconds} ms");
    }
}

/// Between a host and a server: connections through it can be cut.
async fn proxy(server: String) -> (String, watch::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (cut, is_cut) = watch::channel(());
    tokio::spawn(async move {
        while let Ok((mut host, _)) = listener.accept().await {
            let (server, mut is_cut) = (server.clone(), is_cut.clone());
            is_cut.borrow_and_update();
            tokio::spawn(async move {
                let mut server = TcpStream::connect(server).await.unwrap();
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut host, &mut server) => {}
                    _ = is_cut.changed() => {}
                }
            });
        }
    });
    (address, cut)
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_are_over_with_the_connection_and_done_is_done() {
    let server = Server::start();
    let (address, cut) = proxy(server.address()).await;
    let queue = open(&address, LONG);
    let other = open(&server.address(), LONG);
    put(&queue, EMAIL, (0..4).map(|number| job(number, 0))).await;
    let taken = take(&queue, EMAIL, 4).await;
    cut.send(()).unwrap();
    while counts(&other, EMAIL).await != [4, 0, 0, 0] {
        tokio::task::yield_now().await;
    }
    // One is somebody else's by now, one is done, one is given back too late, one is set aside too late.
    let theirs = take_one(&other, EMAIL).await;
    assert_eq!(theirs.job, taken[0].job);
    asked_again(|| queue.finish(EMAIL, &taken[..2])).await;
    let given = [(taken[2].clone(), LONG)];
    asked_again(|| queue.give_back(EMAIL, &given)).await;
    asked_again(|| queue.bury(EMAIL, &taken[3..])).await;
    assert_eq!(counts(&other, EMAIL).await, [2, 0, 1, 0]);
    assert_eq!(numbers(&take(&queue, EMAIL, 2).await), [2, 3]);
    // Even where the same host has it once more.
    queue.bury(EMAIL, &taken[2..]).await.unwrap();
    assert_eq!(counts(&other, EMAIL).await, [0, 0, 3, 0]);
}

/// Something that listens, and answers whatever comes first with this.
async fn imposter(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut connections = Vec::new();
        while let Ok((mut connection, _)) = listener.accept().await {
            let _read = connection.read(&mut [0; 100]).await;
            let _written = connection.write_all(answer.as_bytes()).await;
            if !answer.is_empty() {
                let _ended = connection.shutdown().await;
            }
            connections.push(connection);
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_beanstalkd_is_told_of() {
    for (answer, words) in [
        ("HTTP/1.1 400 Bad Request\r\n\r\n", "which is not of beanstalkd"),
        ("UNKNOWN_COMMAND\r\n", "to stats"),
        ("INTERNAL_ERROR\r\n", "to stats"),
        ("OK 10\r\nname: ours\r\n", "older than beanstalkd 1.12"),
        ("OK 5\r\nid: too long\r\n", "longer than it said"),
        ("OK 100\r\nid: ab\r\n", "end"),
        ("OK", "which is not of beanstalkd"),
        ("RESERVED 18446744073709551616 1\r\n", "which is not of beanstalkd"),
    ] {
        let queue = open(&imposter(answer).await, LONG);
        assert_unavailable(queue.put(EMAIL, vec![(job(1, 0), Duration::ZERO)]).await, words);
        assert_unavailable(queue.take(EMAIL, 1).await, words);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_is_not_waited_for() {
    let silent = imposter("").await;
    let queue = Beanstalkd::new(Settings { reply_timeout: Duration::from_millis(20), ..settings(&silent, LONG) });
    assert_unavailable(queue.take(EMAIL, 1).await, "no reply in 20ms");
    assert_unavailable(queue.standing(EMAIL).await, "no reply in 20ms");
}
