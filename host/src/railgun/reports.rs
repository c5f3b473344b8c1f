//! Writes what came of attempts: first into the register, which is the truth, and then into the queue.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, task::JoinHandle};

use super::{Route, metrics::Metrics};
use crate::{
    notifications::{Answer, Change, Channel, State},
    queue::{Leased, Queue},
    register::Claiming,
};

/// Reports that are written together.
const TOGETHER_MAX: usize = 1000;
/// How long to wait before a report is tried to be written again, and after several failures.
const RETRY_WAIT_MIN: Duration = Duration::from_millis(100);
/// See [`RETRY_WAIT_MIN`].
const RETRY_WAIT_MAX: Duration = Duration::from_secs(5);

/// What came of one attempt.
pub(super) struct Report {
    pub(super) leased: Leased,
    pub(super) change: Change,
    pub(super) then: Then,
}

/// What becomes of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Finish,
    /// As well, and the dead letter is counted.
    Bury(Reason),
    GiveBack(Duration),
}

/// Why a notification is a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The provider will never take it.
    Refused,
    /// There were too many attempts.
    GivenUp,
    /// Nobody knows how to reach the player.
    NoContact,
    /// The template cannot be filled with the data.
    NoWords,
}

/// Writes the reports of one channel until nobody can report any more.
pub(super) struct Reporter {
    pub(super) route: Route,
    pub(super) register: Arc<dyn Claiming>,
    pub(super) queue: Arc<dyn Queue>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) reports: mpsc::Receiver<Report>,
}

impl Reporter {
    pub(super) async fn run(mut self) {
        let mut reports = Vec::new();
        let mut closing = tokio::spawn(async {});
        while self.reports.recv_many(&mut reports, TOGETHER_MAX).await > 0 {
            let closed = self.write(&reports).await;
            reports.clear();
            // The register writes the next ones while the queue is told of these.
            done(closing).await;
            let (channel, queue) = (self.route.channel(), self.queue.clone());
            closing = tokio::spawn(async move { closed.tell(channel, &*queue).await });
        }
        done(closing).await;
    }

    /// Writes reports into the register: what the queue is to be told.
    async fn write(&self, reports: &[Report]) -> Closed {
        let mut wait = RETRY_WAIT_MIN;
        let answers = loop {
            let changes = reports.iter().map(|report| (report.leased.job.notification, report.change.clone()));
            match self.register.apply(changes.collect()).await {
                Ok(answers) => break answers,
                Err(error) => {
                    tracing::warn!(%error, reports = reports.len(), "what came of deliveries cannot be written yet");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(RETRY_WAIT_MAX);
                }
            }
        };
        let mut closed = Closed::default();
        for (report, answer) in reports.iter().zip(answers) {
            if let (Change::Delivered { claim, .. }, Answer::Done(State::Delivered { claim: first, .. })) =
                (&report.change, &answer)
                && claim != first
            {
                let notification = report.leased.job.notification;
                tracing::warn!(%notification, "delivered twice: a worker was taken for dead that was not");
                self.metrics.doubled(self.route.channel());
            }
            if let (Then::Bury(reason), Answer::Done(_)) = (report.then, &answer) {
                self.metrics.buried(&self.route, reason);
            }
            match report.then {
                // Of a report that came too late, somebody else has the job by now.
                Then::Finish | Then::Bury(_) if is_over(&answer) => closed.done.push(report.leased.clone()),
                Then::Finish | Then::Bury(_) => {}
                Then::GiveBack(wait) => closed.back.push((report.leased.clone(), wait)),
            }
        }
        closed
    }
}

/// Whether nothing is left to be done.
fn is_over(answer: &Answer) -> bool {
    match answer {
        Answer::Done(state) | Answer::Otherwise(state) => state.is_settled(),
        Answer::Removed | Answer::Unknown => true,
        Answer::Claimed(_) | Answer::Held { .. } | Answer::NotDue { .. } => false,
    }
}

/// Jobs that somebody is done with.
#[derive(Default)]
pub(super) struct Closed {
    pub(super) done: Vec<Leased>,
    pub(super) back: Vec<(Leased, Duration)>,
}

impl Closed {
    /// A job that stays although it is done, or comes back too soon, comes again, and the register tells what it is.
    pub(super) async fn tell(self, channel: Channel, queue: &dyn Queue) {
        if !self.done.is_empty()
            && let Err(error) = queue.finish(channel, &self.done).await
        {
            tracing::debug!(%error, "jobs were not finished");
        }
        if !self.back.is_empty()
            && let Err(error) = queue.give_back(channel, &self.back).await
        {
            tracing::debug!(%error, "jobs were not given back");
        }
    }
}

async fn done(closing: JoinHandle<()>) {
    if let Err(error) = closing.await {
        tracing::error!(%error, "the queue was not told of what is done");
    }
}
