//! Plays the batches that are missing, on all the threads it may, and adds up what they come to.

use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{sync::mpsc, task::JoinSet};

use super::{
    Error, Plan, State, Statistics, Subject, plan,
    seat::{Draws, NotCalled, Seat},
    verification,
};
use crate::engine::{MethodTally, Moved, SimulationError, Tally};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All was played.
    Finished,
    /// It was asked to stop; what was played is in the state.
    Stopped,
}

/// How far a run has come.
#[derive(Debug)]
pub enum Progress<'a> {
    /// Before the batches: so many of the samples that are played through the ordinary calls too.
    Verified {
        /// Are done.
        samples: usize,
        /// There are.
        of: usize,
    },
    /// The state after each batch, and before the first one.
    Played(&'a State),
}

/// A batch of a bet.
struct Work {
    bet: String,
    batch: u64,
    rounds: u32,
}

/// What was verified, by bet and batch: staked and paid of the first rounds.
type Verified = HashMap<(String, u64), Vec<(u64, u64)>>;

/// What the workers share.
struct Shared {
    subject: Arc<Subject>,
    seed: u64,
    verified: Verified,
    waiting: Mutex<std::vec::IntoIter<Work>>,
    stopped: AtomicBool,
}

/// Plays what the plan has and the state has not, and tells `progress` how far it has come.
///
/// # Errors
/// Where a round cannot be played, or is played otherwise than it is told.
pub async fn run(
    subject: &Arc<Subject>,
    plan: &Plan,
    threads: usize,
    state: &mut State,
    stop: impl Future<Output = ()>,
    progress: &mut impl FnMut(Progress<'_>),
) -> Result<Ended, Error> {
    let mut stop = std::pin::pin!(stop);
    let missing: Vec<_> = state.missing(plan).map(|(bet, batch, rounds)| Work { bet, batch, rounds }).collect();
    let verified = if missing.is_empty() {
        Verified::new()
    } else {
        tokio::select! {
            verified = verify_samples(subject, plan, state, progress) => verified?,
            () = &mut stop => return Ok(Ended::Stopped),
        }
    };
    progress(Progress::Played(state));
    let shared = Arc::new(Shared {
        subject: subject.clone(),
        seed: plan.seed,
        verified,
        waiting: Mutex::new(missing.into_iter()),
        stopped: AtomicBool::new(false),
    });
    let (results, mut played) = mpsc::channel(threads);
    let mut workers = JoinSet::new();
    for _ in 0..threads {
        let (shared, results) = (shared.clone(), results.clone());
        workers.spawn(async move { shared.work(&results).await });
    }
    drop(results);
    let mut ended = Ended::Finished;
    loop {
        let outcome = tokio::select! {
            outcome = played.recv() => outcome,
            () = &mut stop, if ended == Ended::Finished => {
                ended = Ended::Stopped;
                shared.stopped.store(true, Ordering::Relaxed);
                continue;
            }
        };
        let Some((bet, statistics)) = outcome.transpose()? else { break };
        state.add(&bet, statistics);
        progress(Progress::Played(state));
    }
    while let Some(worker) = workers.join_next().await {
        worker.map_err(|_| Error::Worker)?;
    }
    Ok(ended)
}

async fn verify_samples(
    subject: &Subject,
    plan: &Plan,
    state: &State,
    progress: &mut impl FnMut(Progress<'_>),
) -> Result<Verified, Error> {
    let mut verified = Verified::new();
    if subject.strategy.is_some() {
        // These rounds are the ordinary calls.
        return Ok(verified);
    }
    let of_bet = |name: &str| plan.sample(name).into_iter().map(|sample| (name.to_owned(), sample)).collect::<Vec<_>>();
    let samples: Vec<_> = state.bets().flat_map(|(bet, _)| of_bet(&bet.name)).collect();
    progress(Progress::Verified { samples: 0, of: samples.len() });
    for (bet, sample) in &samples {
        let outcomes = verification::verify(subject, plan.seed, bet, *sample).await?;
        verified.insert((bet.clone(), sample.0), outcomes);
        progress(Progress::Verified { samples: verified.len(), of: samples.len() });
    }
    Ok(verified)
}

impl Shared {
    /// Plays batches until none waits.
    async fn work(&self, results: &mpsc::Sender<Result<(String, Statistics), Error>>) {
        while let Some(work) = self.next() {
            let played = self.play(&work).await;
            let failed = played.is_err();
            if failed {
                self.stopped.store(true, Ordering::Relaxed);
            }
            let sent = results.send(played.map(|statistics| (work.bet, statistics))).await;
            if failed || sent.is_err() {
                return;
            }
        }
    }

    fn next(&self) -> Option<Work> {
        if self.stopped.load(Ordering::Relaxed) {
            return None;
        }
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).next()
    }

    async fn play(&self, work: &Work) -> Result<Statistics, Error> {
        let Work { bet, batch, rounds } = work;
        let (bet, batch) = (bet.as_str(), *batch);
        let failed = |error| Error::Simulation { bet: bet.to_owned(), batch, error };
        let tally = match &self.subject.strategy {
            Some(_) => self.play_by_call(work).await?,
            None => {
                let seed = plan::batch_seed(self.seed, bet, batch);
                self.subject.engine.simulate(&self.subject.game.release, bet, seed, *rounds).await.map_err(failed)?
            }
        };
        if let Some(verified) = self.verified.get(&(bet.to_owned(), batch))
            && let Some((round, difference)) = verification::first_difference(verified, &tally.outcomes)
        {
            return Err(Error::Different { bet: bet.to_owned(), batch, round, difference });
        }
        let nonsense = |error: crate::money::AmountTooLarge| failed(SimulationError::Nonsense(error.to_string()));
        Statistics::of_batch(batch, tally).map_err(nonsense)
    }

    /// Plays a batch with the strategy, every call as a client's.
    async fn play_by_call(&self, work: &Work) -> Result<Tally, Error> {
        let Work { bet, batch, rounds } = work;
        let mut seat = Seat::new(&self.subject);
        let (mut tally, mut calls) = (Tally::default(), 0);
        for round in 0..*rounds as usize {
            let why = |why: String| Error::NotPlayed { bet: bet.clone(), batch: *batch, round, why };
            let Some(strategy) = &self.subject.strategy else { break };
            let (mut call, mut paid) = (strategy.opening(bet).map_err(why)?, 0);
            loop {
                let seed = plan::call_seed(self.seed, bet, *batch, calls);
                calls += 1;
                let called = match seat.call(&call.method, &call.params, Draws::Seed(seed)).await {
                    Ok(called) => called,
                    Err(NotCalled::NotRun(error)) => return Err(error.into()),
                    Err(NotCalled::Why(text)) => return Err(why(text)),
                };
                count(&mut tally, &call.method, called.moved, called.events);
                paid += called.moved.paid;
                if let Some(stakes) = called.settled {
                    tally.outcomes.push((stakes.staked.get(), paid));
                    break;
                }
                if !called.round_open {
                    return Err(why(format!("'{}' has staked nothing: no round was opened", call.method)));
                }
                call = strategy.next(&called.body).map_err(why)?;
            }
        }
        Ok(tally)
    }
}

fn count(tally: &mut Tally, method: &str, moved: Moved, events: Vec<String>) {
    let place = tally.methods.iter().position(|known| known.name == method).unwrap_or_else(|| {
        tally.methods.push(MethodTally { name: method.to_owned(), calls: 0, moved: Moved::default() });
        tally.methods.len() - 1
    });
    let known = &mut tally.methods[place];
    known.calls += 1;
    known.moved.staked += moved.staked;
    known.moved.refunded += moved.refunded;
    known.moved.paid += moved.paid;
    tally.events.extend(events.into_iter().map(|event| (event, 1)));
}
