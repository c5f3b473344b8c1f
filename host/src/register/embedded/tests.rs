//! The register against a model, and over restarts.

use std::{collections::BTreeMap, fs};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::notifications::{State, WorkerId, example as notification};

fn open(directory: &TempDir) -> Embedded {
    Embedded::open(&Settings { directory: directory.path().join("register"), disk_reserve_bytes: 0 }).unwrap()
}

fn names(entries: &[Entry]) -> Vec<u8> {
    entries.iter().map(|entry| entry.notification.id.as_bytes()[0]).collect()
}

async fn claim(register: &Embedded, number: u8) -> Answer {
    let change = Change::Claim { worker: WorkerId(1), lease_ms: u64::MAX };
    register.apply(vec![(notification(number).id, change)]).await.unwrap().remove(0)
}

fn delivered(claim: u32) -> Change {
    Change::Delivered { claim, provider: "mail".parse().unwrap(), reference: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_is_there_after_a_restart_and_is_accepted_once() {
    let directory = tempfile::tempdir().unwrap();
    let register = open(&directory);
    assert_eq!(register.accept(vec![notification(1), notification(2)]).await.unwrap(), [Accepted::New, Accepted::New]);
    register.were_put(vec![Putting::first(notification(1).id)]).await.unwrap();
    register.set_queue("q1".to_owned()).await.unwrap();
    register.set_contacts("alice".parse().unwrap(), Some(Contacts::default())).await.unwrap();
    register.close().await;
    assert!(register.accept(vec![notification(3)]).await.is_err());
    drop(register);

    let register = open(&directory);
    let again = register.accept(vec![notification(2), notification(3), notification(3)]).await.unwrap();
    assert!(matches!(again.as_slice(), [Accepted::Known(_), Accepted::New, Accepted::Known(_)]), "{again:?}");
    assert_eq!(names(&register.unput(None, 10).await.unwrap()), [2, 3]);
    assert_eq!(names(&register.unsettled(Some(notification(1).id), 10).await.unwrap()), [2, 3]);
    assert_eq!(register.queue().await.unwrap().as_deref(), Some("q1"));
    let players = vec!["alice".parse().unwrap(), "bob".parse().unwrap()];
    assert_eq!(register.contacts(players).await.unwrap(), [Some(Contacts::default()), None]);
    register.set_contacts("alice".parse().unwrap(), None).await.unwrap();
    assert_eq!(register.contacts(vec!["alice".parse().unwrap()]).await.unwrap(), [None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_and_what_is_over_is_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let register = open(&directory);
    register.accept((1..=4).map(notification).collect()).await.unwrap();
    register.were_put((1..=4).map(|number| Putting::first(notification(number).id)).collect()).await.unwrap();
    for number in 1..=3 {
        assert!(matches!(claim(&register, number).await, Answer::Claimed(_)));
    }
    let bury = |number| (notification(number).id, Change::Buried { claim: 1, why: "no".to_owned() });
    register.apply(vec![bury(1)]).await.unwrap();
    register.apply(vec![bury(2), (notification(3).id, delivered(1))]).await.unwrap();
    let mut buried = names(&register.buried(None, 10).await.unwrap());
    buried.sort_unstable();
    assert_eq!(buried, [1, 2]);
    // A kicked one has to be put again, a removed one is gone.
    let answers = register.apply(vec![(notification(1).id, Change::Kick), (notification(2).id, Change::Remove)]).await;
    assert!(matches!(answers.unwrap().as_slice(), [Answer::Done(State::Waiting { .. }), Answer::Removed]));
    assert_eq!(names(&register.unput(None, 10).await.unwrap()), [1]);
    assert_eq!(register.buried(None, 10).await.unwrap(), []);
    assert_eq!(register.find(vec![notification(2).id]).await.unwrap(), [None]);
    assert_eq!(register.forget(u64::MAX, 10).await.unwrap(), 1);
    assert_eq!(register.find(vec![notification(3).id]).await.unwrap(), [None]);
    assert_eq!(names(&register.unsettled(None, 10).await.unwrap()), [1, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_register_whose_disk_fails_says_so_and_has_what_it_answered_when_it_is_opened_anew() {
    let directory = tempfile::tempdir().unwrap();
    let register = open(&directory);
    assert_eq!(register.health(), Ok(()));
    register.accept(vec![notification(0)]).await.unwrap();
    let folder = register.tables.entries.path().join("tables");
    let moved = directory.path().join("moved");
    fs::rename(&folder, &moved).unwrap();
    fs::write(&folder, "not a folder").unwrap();
    register.tables.entries.rotate_memtable().unwrap();
    // The flush happens some time after; what is changed until then is answered, and nothing from then on.
    let contacts = |language: &str| Contacts { locale: Some(language.parse().unwrap()), ..Contacts::default() };
    let failure = loop {
        if let Err(failure) = register.set_contacts("alice".parse().unwrap(), Some(contacts("en"))).await {
            break failure;
        }
    };
    assert!(matches!(failure, StoreError::Unavailable(_)), "{failure}");
    assert_eq!(register.health(), Err(failure.clone()));
    assert_eq!(register.accept(vec![notification(1)]).await, Err(failure.clone()));
    assert_eq!(register.set_contacts("alice".parse().unwrap(), None).await, Err(failure));
    assert_eq!(names(&register.unsettled(None, 10).await.unwrap()), [0]);
    register.close().await;
    drop(register);

    fs::remove_file(&folder).unwrap();
    fs::rename(&moved, &folder).unwrap();
    let register = open(&directory);
    assert_eq!(register.health(), Ok(()));
    assert_eq!(names(&register.unsettled(None, 10).await.unwrap()), [0]);
    register.accept(vec![notification(1)]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_is_kicked_is_put_again_although_its_first_putting_is_noted_only_then() {
    let directory = tempfile::tempdir().unwrap();
    let register = open(&directory);
    register.accept(vec![notification(1), notification(2)]).await.unwrap();
    let puttings = async |register: &Embedded| -> Vec<Putting> {
        register.unput(None, 10).await.unwrap().iter().map(Entry::putting).collect()
    };
    let first = puttings(&register).await;
    // Somebody takes the job of one and is done with it before it is noted that it was put.
    assert!(matches!(claim(&register, 1).await, Answer::Claimed(_)));
    let bury = Change::Buried { claim: 1, why: "no".to_owned() };
    register.apply(vec![(notification(1).id, bury)]).await.unwrap();
    register.apply(vec![(notification(1).id, Change::Kick)]).await.unwrap();
    register.were_put(first).await.unwrap();
    let second = puttings(&register).await;
    assert_eq!(second, [Putting { notification: notification(1).id, kicks: 1 }]);
    // The page after its name is the next name's, however often it was kicked.
    register.accept(vec![notification(3)]).await.unwrap();
    assert_eq!(names(&register.unput(Some(notification(1).id), 10).await.unwrap()), [3]);
    register.were_put(second).await.unwrap();
    assert_eq!(names(&register.unput(None, 10).await.unwrap()), [3]);
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => Just(Change::Claim { worker: WorkerId(1), lease_ms: 0 }),
        2 => (1_u32..4).prop_map(delivered),
        2 => (1_u32..4).prop_map(|claim| Change::Failed { claim, wait_ms: 0, why: "x".to_owned() }),
        2 => (1_u32..4).prop_map(|claim| Change::Buried { claim, why: "x".to_owned() }),
        1 => Just(Change::Cancel),
        2 => Just(Change::Kick),
        1 => Just(Change::Remove),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// However changes are grouped, entries are what their rules make of them, and each is listed where it belongs.
    #[test]
    fn entries_and_lists_agree(
        requests in prop::collection::vec(prop::collection::vec((0_u8..4, any_change()), 1..6), 1..12)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let register = open(&directory);
            register.accept((0..4).map(notification).collect()).await.unwrap();
            let mut model: BTreeMap<u8, Entry> = (0..4).map(|number| (number, Entry::new(notification(number)))).collect();
            // All at once, so that the writer groups them as it likes.
            let requests: Vec<Vec<(u8, Change)>> = requests;
            let applied = requests.iter().map(|changes| {
                register.apply(changes.iter().map(|(number, change)| (notification(*number).id, change.clone())).collect())
            });
            let applied = futures_util::future::join_all(applied).await;
            for (changes, answers) in requests.into_iter().zip(applied) {
                for ((number, change), answer) in changes.into_iter().zip(answers.unwrap()) {
                    let Some(entry) = model.get_mut(&number) else {
                        assert_eq!(answer, Answer::Unknown);
                        continue;
                    };
                    let expected = entry.apply(change, 1);
                    assert_eq!(std::mem::discriminant(&answer), std::mem::discriminant(&expected));
                    if expected == Answer::Removed {
                        model.remove(&number);
                    }
                }
            }
            let listed = |is: fn(&State) -> bool| {
                model.iter().filter(|(_, entry)| is(&entry.state)).map(|(number, _)| *number).collect::<Vec<_>>()
            };
            assert_eq!(
                names(&register.unsettled(None, 10).await.unwrap()),
                listed(|state| matches!(state, State::Waiting { .. } | State::UnderWay { .. }))
            );
            // Nothing was put.
            assert_eq!(register.unput(None, 10).await.unwrap(), register.unsettled(None, 10).await.unwrap());
            let mut buried = names(&register.buried(None, 10).await.unwrap());
            buried.sort_unstable();
            assert_eq!(buried, listed(|state| matches!(state, State::Buried { .. })));
            let over = listed(|state| {
                matches!(state, State::Delivered { .. } | State::Cancelled { .. } | State::Expired { .. })
            });
            assert_eq!(register.forget(u64::MAX, 10).await.unwrap(), over.len());
        });
    }
}
