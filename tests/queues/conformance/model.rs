//! Deeds at random, on a queue and on the simplest model of one.

use std::{collections::BTreeMap, time::Duration};

use croupier::{notifications::Channel, queue::Leased};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{LONG, Subject, counts, job, put, put_delayed};

const PUSH: Channel = Channel::Push;
const DEEDS: u32 = 400;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Ready,
    Delayed,
    Leased,
    Buried,
}

/// Priority and place of each job, by number.
#[derive(Default)]
struct Model(BTreeMap<u32, (u32, Place)>);

impl Model {
    fn of(&self, place: Place) -> impl Iterator<Item = (u32, u32)> {
        self.0.iter().filter(move |(_, (_, there))| *there == place).map(|(number, (priority, _))| (*priority, *number))
    }

    fn counts(&self) -> [u64; 4] {
        [Place::Ready, Place::Delayed, Place::Leased, Place::Buried].map(|place| self.of(place).count() as u64)
    }

    fn take(&mut self, count_max: usize) -> Vec<u32> {
        let mut ready: Vec<_> = self.of(Place::Ready).collect();
        ready.sort_unstable();
        let taken: Vec<_> = ready.into_iter().take(count_max).map(|(_, number)| number).collect();
        taken.iter().for_each(|number| self.move_to(*number, Place::Leased));
        taken
    }

    fn move_to(&mut self, number: u32, place: Place) {
        self.0.get_mut(&number).unwrap().1 = place;
    }
}

pub(crate) async fn any_sequence_of_deeds_leaves_what_the_model_says(subject: &dyn Subject) {
    let queue = subject.open(LONG).await;
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let (mut model, mut leased) = (Model::default(), Vec::<Leased>::new());
    for number in 0..DEEDS {
        let deed = random.random_range(0..9);
        let some = random.random_range(0..=leased.len().min(4));
        match deed {
            0..=2 => {
                let priority = random.random_range(0..3);
                let is_delayed = random.random_range(0..5) == 0;
                let delay = if is_delayed { LONG } else { Duration::ZERO };
                put_delayed(&*queue, PUSH, delay, [job(number, priority)]).await;
                model.0.insert(number, (priority, if is_delayed { Place::Delayed } else { Place::Ready }));
            }
            3 | 4 => {
                let count_max = random.random_range(0..4);
                let taken = queue.take(PUSH, count_max).await.unwrap();
                let numbers: Vec<_> = taken.iter().map(|leased| leased.job.due_ms).collect();
                let expected: Vec<_> = model.take(count_max).into_iter().map(u64::from).collect();
                assert_eq!(numbers, expected, "deed {number}");
                leased.extend(taken);
            }
            5 => {
                let done: Vec<_> = leased.drain(..some).collect();
                queue.finish(PUSH, &done).await.unwrap();
                done.iter().for_each(|leased| assert!(model.0.remove(&number_of(leased)).is_some()));
            }
            6 => {
                let delays = [(Duration::ZERO, Place::Ready), (LONG, Place::Delayed)];
                let (delay, place) = delays[random.random_range(0..2)];
                let given: Vec<_> = leased.drain(..some).map(|leased| (leased, delay)).collect();
                queue.give_back(PUSH, &given).await.unwrap();
                given.iter().for_each(|(leased, _)| model.move_to(number_of(leased), place));
            }
            7 => {
                let buried: Vec<_> = leased.drain(..some).collect();
                queue.bury(PUSH, &buried).await.unwrap();
                buried.iter().for_each(|leased| model.move_to(number_of(leased), Place::Buried));
            }
            _ => {
                let buried: Vec<_> = model.of(Place::Buried).map(|(_, number)| number).collect();
                assert_eq!(queue.kick(PUSH, u32::MAX).await, Ok(buried.len() as u64), "deed {number}");
                buried.into_iter().for_each(|number| model.move_to(number, Place::Ready));
            }
        }
        assert_eq!(counts(&*queue, PUSH).await, model.counts(), "deed {number}, {deed}");
    }
    put(&*queue, PUSH, [job(DEEDS, 9)]).await;
}

fn number_of(leased: &Leased) -> u32 {
    u32::try_from(leased.job.due_ms).unwrap()
}
