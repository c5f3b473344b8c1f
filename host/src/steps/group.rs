//! A group: requests of one aggregate, run one after the other in memory and committed as one.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::{Job, Outcome, Request};
use crate::{
    aggregate::Aggregate,
    catalog::Catalog,
    clock::now_ms,
    engine::Engine,
    errors::{ErrorReply, HostError},
    fairness::FairGames,
    identity::{AggregateId, IdempotencyKey},
    json::Json,
    limits::CONFLICT_RETRIES_MAX,
    money::Transfer,
    notifications::Grants,
    record::{Act, Destinations, EncodedRecord, FORMAT, Record, Reply},
    store::{Commit, CommitError, Store, StoreError},
};

/// Runs groups.
pub(super) struct Groups {
    pub(super) store: Arc<dyn Store>,
    pub(super) engine: Arc<Engine>,
    pub(super) catalog: Arc<Catalog>,
    /// Where records are carried on to, if they are wanted there.
    pub(super) destinations: Destinations,
    pub(super) grants: Arc<Grants>,
    pub(super) fair: FairGames,
}

/// An aggregate while a group is run: as stored, and what the group's steps have made of it so far.
pub(super) struct Draft {
    pub(super) aggregate: Arc<Aggregate>,
    pub(super) now_ms: u64,
    expected: u64,
    records: Vec<(Record, EncodedRecord)>,
}

/// Why a group was not committed.
enum Failure {
    Conflict,
    TooLarge,
    Store(ErrorReply),
}

impl Groups {
    /// Runs a group and answers it. `under_way` tells how many lanes there are.
    pub(super) async fn run(&self, id: &AggregateId, jobs: Vec<Job>, under_way: &AtomicUsize) {
        for _ in 0..=CONFLICT_RETRIES_MAX {
            match self.attempt(id, &jobs, under_way).await {
                Ok(outcomes) => return answer(jobs, outcomes),
                // Another host was first. The same requests are run again, with the same seeds, on what it left.
                Err(Failure::Conflict) => {}
                // One step too much must not fail the others.
                Err(Failure::TooLarge) if jobs.len() > 1 => {
                    for job in jobs {
                        Box::pin(self.run(id, vec![job], under_way)).await;
                    }
                    return;
                }
                Err(Failure::TooLarge) => return refuse(jobs, &HostError::PlayerTooLarge.into()),
                Err(Failure::Store(error)) => return refuse(jobs, &error),
            }
        }
        refuse(jobs, &HostError::Contended.into());
    }

    async fn attempt(&self, id: &AggregateId, jobs: &[Job], under_way: &AtomicUsize) -> Result<Vec<Outcome>, Failure> {
        let stored = self.store.load(id).await.map_err(|error| Failure::Store(store_error(id, &error)))?;
        // Once the store has a newer one, this one is freed here, and not by a thread of the store's that everybody waits for.
        let _before = stored.clone();
        let mut draft = Draft::new(id, stored);
        let mut outcomes = Vec::with_capacity(jobs.len());
        for job in jobs {
            outcomes.push(self.run_job(&mut draft, job).await);
        }
        self.conclude(draft, under_way).await.map_err(|error| match error {
            CommitError::Conflict => Failure::Conflict,
            CommitError::TooLarge { .. } => Failure::TooLarge,
            CommitError::Store(error) => Failure::Store(store_error(id, &error)),
        })?;
        Ok(outcomes)
    }

    /// Commits what there is to commit. Where nothing is, what was answered must still not be from the past.
    async fn conclude(&self, draft: Draft, under_way: &AtomicUsize) -> Result<(), CommitError> {
        if !draft.records.is_empty() {
            return self.store.commit(draft.into_commit(self.destinations, under_way.load(Ordering::Relaxed))).await;
        }
        if self.store.is_current(&draft.aggregate).await? { Ok(()) } else { Err(CommitError::Conflict) }
    }

    async fn run_job(&self, draft: &mut Draft, job: &Job) -> Outcome {
        if let Some(key) = &job.key
            && let Some(answered) = self.answered(draft, key).await?
        {
            return if job.request.is_the_one_of(&answered) {
                answered.reply.into()
            } else {
                Err(HostError::IdempotencyConflict.into())
            };
        }
        if draft.aggregate.step == 0 && !matches!(job.request, Request::Create) {
            return Err(HostError::PlayerNotFound.into());
        }
        let key = job.key.as_ref();
        match &job.request {
            Request::Create => draft.create(key),
            Request::OpenSession(request) => draft.open_session(request, job.session_entropy, key),
            Request::CloseSession(session) => draft.close_session(session, key),
            Request::Deposit(payment) => draft.deposit(payment, key),
            Request::Withdraw(payment) => draft.withdraw(payment, key),
            Request::RotateSeeds(request) => draft.rotate_seeds(request, &self.fair, key),
            Request::Play(request) => self.play(draft, request, job.seed, key).await,
            Request::View(view) => self.view(draft, view).await,
        }
    }

    /// The step that answered this key, where the window still knows it.
    async fn answered(&self, draft: &Draft, key: &IdempotencyKey) -> Result<Option<Record>, ErrorReply> {
        for step in draft.aggregate.answered.candidates(key) {
            let record = match draft.record(step) {
                Some(record) => record.clone(),
                None => self.record(&draft.aggregate.id, step).await?,
            };
            if record.key.as_ref() == Some(key) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// The committed record of a step that was taken.
    async fn record(&self, id: &AggregateId, step: u64) -> Result<Record, ErrorReply> {
        let records = self.records(id, step, step).await?;
        let missing = || StoreError::Corrupt(format!("the record of step {step} of {id} is missing"));
        records.into_iter().next().ok_or_else(|| store_error(id, &missing()))
    }

    /// The committed records of a range of steps.
    pub(super) async fn records(&self, id: &AggregateId, first: u64, last: u64) -> Result<Vec<Record>, ErrorReply> {
        let records = self.store.records(id, first..=last).await.map_err(|error| store_error(id, &error))?;
        let decoded = records.iter().map(|(step, bytes)| {
            Record::decode(bytes).map_err(|error| {
                store_error(id, &StoreError::Corrupt(format!("the record of step {step} of {id}: {error}")))
            })
        });
        decoded.collect()
    }
}

impl Draft {
    fn new(id: &AggregateId, stored: Option<Arc<Aggregate>>) -> Self {
        let aggregate = stored.unwrap_or_else(|| Arc::new(Aggregate::new(id.clone())));
        Self { expected: aggregate.step, aggregate, now_ms: now_ms(), records: Vec::new() }
    }

    /// What a recorded step has started from.
    pub(super) fn before(aggregate: Aggregate, at_ms: u64) -> Self {
        Self { expected: aggregate.step, aggregate: Arc::new(aggregate), now_ms: at_ms, records: Vec::new() }
    }

    /// The newest of the steps that were taken, as it would be stored.
    pub(super) fn into_newest(mut self) -> Option<EncodedRecord> {
        self.records.pop().map(|(_, encoded)| encoded)
    }

    /// The number that the next step will have.
    pub(super) fn next_step(&self) -> u64 {
        self.aggregate.step + 1
    }

    /// Takes a step: `change` makes the aggregate what it is after it, and the record says what was done.
    pub(super) fn take_step(
        &mut self,
        key: Option<&IdempotencyKey>,
        act: Act,
        transfers: Vec<Transfer>,
        reply: Reply,
        change: impl FnOnce(&mut Aggregate),
    ) -> Outcome {
        let record = Record {
            format: FORMAT,
            aggregate: self.aggregate.id.clone(),
            step: self.next_step(),
            previous: self.aggregate.head,
            at_ms: self.now_ms,
            key: key.cloned(),
            act,
            transfers,
            reply,
        };
        let (encoded, digest) = record.encode().map_err(|error| {
            tracing::error!(%error, "a record has no JSON");
            ErrorReply::internal()
        })?;
        let aggregate = Arc::make_mut(&mut self.aggregate);
        change(aggregate);
        if let Act::Played(play) = &record.act
            && play.fair.is_some()
        {
            aggregate.fairness.advance();
        }
        aggregate.step = record.step;
        aggregate.head = digest;
        if let Some(key) = key {
            aggregate.answered.remember(key, record.step);
        }
        let outcome = record.reply.clone().into();
        self.records.push((record, encoded));
        outcome
    }

    /// A step of this very group.
    fn record(&self, step: u64) -> Option<&Record> {
        self.records.iter().map(|(record, _)| record).find(|record| record.step == step)
    }

    fn into_commit(self, destinations: Destinations, under_way: usize) -> Commit {
        let records = self.records.into_iter().map(|(record, encoded)| {
            let destinations = encoded.destinations.and(destinations);
            let is_carried = destinations != Destinations::default();
            EncodedRecord { destinations, told: is_carried.then(|| Arc::new(record.into())), ..encoded }
        });
        Commit { expected: self.expected, aggregate: self.aggregate, records: records.collect(), under_way }
    }
}

impl Request {
    /// Whether a recorded step is this request's: the same act with the same params.
    fn is_the_one_of(&self, record: &Record) -> bool {
        match (self, &record.act) {
            (Self::Create, Act::Created {}) => true,
            (Self::OpenSession(request), Act::SessionOpened(session)) => request.is_the_one_of(session),
            (Self::CloseSession(session), Act::SessionClosed { session: closed }) => session == closed,
            (Self::RotateSeeds(request), Act::SeedsRotated { client_seed, .. }) => request.client_seed == *client_seed,
            (Self::Deposit(request), Act::Deposited(payment)) => request.is_the_one_of(payment),
            (Self::Withdraw(request), Act::Withdrawn(payment)) => request.is_the_one_of(payment),
            (Self::Play(request), Act::Played(play)) => request.is_the_one_of(play),
            _ => false,
        }
    }

    /// Whether it looks at committed records, and so cannot share a group with steps that are not.
    pub(super) fn reads_records(&self) -> bool {
        matches!(self, Self::View(view) if view.reads_records())
    }
}

fn answer(jobs: Vec<Job>, outcomes: Vec<Result<Json, ErrorReply>>) {
    for (job, outcome) in jobs.into_iter().zip(outcomes) {
        // Whoever asked may have gone; the step stands all the same.
        let _gone = job.answer.send(outcome);
    }
}

fn refuse(jobs: Vec<Job>, error: &ErrorReply) {
    let outcomes = vec![Err(error.clone()); jobs.len()];
    answer(jobs, outcomes);
}

fn store_error(id: &AggregateId, error: &StoreError) -> ErrorReply {
    tracing::error!(aggregate = %id, %error, "a step was refused");
    match error {
        StoreError::Full(_) => HostError::StoreFull.into(),
        StoreError::Unavailable(_) => HostError::StoreUnavailable.into(),
        StoreError::Corrupt(_) => HostError::StoreCorrupt.into(),
    }
}
