//! Writes what came of attempts: first into the register, which is the truth, and then into the queue.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::metrics::Metrics;
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
    GiveBack(Duration),
}

/// Writes the reports of one channel until nobody can report any more.
pub(super) struct Reporter {
    pub(super) channel: Channel,
    pub(super) register: Arc<dyn Claiming>,
    pub(super) queue: Arc<dyn Queue>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) reports: mpsc::UnboundedReceiver<Report>,
}

impl Reporter {
    pub(super) async fn run(mut self) {
        let mut reports = Vec::new();
        while self.reports.recv_many(&mut reports, TOGETHER_MAX).await > 0 {
            self.write(&reports).await;
            reports.clear();
        }
    }

    async fn write(&self, reports: &[Report]) {
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
        let (mut done, mut back) = (Vec::new(), Vec::new());
        for (report, answer) in reports.iter().zip(answers) {
            if let (Change::Delivered { claim, .. }, Answer::Done(State::Delivered { claim: first, .. })) =
                (&report.change, &answer)
                && claim != first
            {
                let notification = report.leased.job.notification;
                tracing::warn!(%notification, "delivered twice: a worker was taken for dead that was not");
                self.metrics.doubled(self.channel);
            }
            match report.then {
                Then::Finish => done.push(report.leased.clone()),
                Then::GiveBack(wait) => back.push((report.leased.clone(), wait)),
            }
        }
        // A job that stays although it is done comes again, and the register tells that it is.
        if !done.is_empty()
            && let Err(error) = self.queue.finish(self.channel, &done).await
        {
            tracing::debug!(%error, "jobs were not finished");
        }
        if !back.is_empty()
            && let Err(error) = self.queue.give_back(self.channel, &back).await
        {
            tracing::debug!(%error, "jobs were not given back");
        }
    }
}
