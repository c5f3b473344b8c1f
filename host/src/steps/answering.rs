//! Waiting for an answer, and running the lane meanwhile where nobody else does.

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::FutureExt as _;
use tokio::{runtime::Handle, sync::oneshot};

use super::Outcome;
use crate::errors::ErrorReply;

/// A job's answer. The first of a lane runs it in the caller's own task, which spares a task and the way to it; once it is
/// dropped, with its answer or without, a task of its own runs what is left.
pub(super) struct Answering {
    run: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    answered: oneshot::Receiver<Outcome>,
    /// Whether others had their turn to enter the lane.
    is_begun: bool,
}

impl Answering {
    /// `run` runs the lane, where that is for this caller to do.
    pub(super) fn new(
        run: Option<impl Future<Output = ()> + Send + 'static>,
        answered: oneshot::Receiver<Outcome>,
    ) -> Self {
        // A panic is told as it would be in a task: whoever waits loses their job, and what it was is in the log.
        let run = run.map(|run| AssertUnwindSafe(run).catch_unwind().map(drop));
        Self { run: run.map(|run| Box::pin(run) as _), answered, is_begun: false }
    }
}

impl Future for Answering {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let this = &mut *self;
        if let Some(run) = &mut this.run {
            if !this.is_begun {
                // Calls of one batch are each polled once before any of them runs, and are committed as one.
                this.is_begun = true;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            if run.as_mut().poll(context).is_ready() {
                this.run = None;
            }
        }
        let answer = ready!(this.answered.poll_unpin(context));
        Poll::Ready(answer.unwrap_or_else(|_| Err(ErrorReply::internal())))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if let (Some(run), Ok(runtime)) = (self.run.take(), Handle::try_current()) {
            runtime.spawn(run);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;
    use crate::{
        identity::AggregateId,
        steps::{Request, Steps, lane},
        store::Store as _,
    };

    fn player(name: &str) -> AggregateId {
        format!("player/{name}").parse().unwrap()
    }

    /// However far it has come: before it has run at all, while it waits for its commit, or with its answer.
    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_submitted_is_done_whenever_its_caller_goes_away() {
        let directory = tempfile::tempdir().unwrap();
        let (lanes, store) = lane::tests::lanes(directory.path()).await;
        let steps = Steps { lanes };
        for polls in 0..4 {
            let id = player(&format!("alice-{polls}"));
            let first = steps.submit(&id, Request::Create, Some("first".parse().unwrap()));
            let second = steps.submit(&id, Request::Create, Some("second".parse().unwrap()));
            {
                let mut first = Box::pin(first);
                for _ in 0..polls {
                    if poll!(&mut first).is_ready() {
                        break;
                    }
                }
            }
            assert_eq!(second.await.unwrap().as_str(), format!(r#"{{"player":"alice-{polls}"}}"#));
            steps.drained().await;
            assert_eq!(store.load(&id).await.unwrap().unwrap().step, 1, "the player came into being once");
        }
        store.close().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_enters_a_lane_first_is_not_kept_by_those_behind() {
        let directory = tempfile::tempdir().unwrap();
        let (lanes, store) = lane::tests::lanes(directory.path()).await;
        let steps = Steps { lanes };
        let id = player("alice");
        let mut first = Box::pin(steps.submit(&id, Request::Create, None));
        assert!(poll!(&mut first).is_pending(), "others may enter");
        // Its group is on the way to the disk, and nobody else runs the lane: these come too late for it.
        let answered = poll!(&mut first);
        let others: Vec<_> = (0..10).map(|_| steps.submit(&id, Request::Create, None)).collect();
        match answered {
            Poll::Ready(outcome) => outcome.unwrap(),
            Poll::Pending => first.await.unwrap(),
        };
        for other in others {
            other.await.unwrap();
        }
        steps.drained().await;
        store.close().await;
    }

    #[tokio::test]
    async fn a_lane_that_panics_loses_its_jobs_and_no_others() {
        let (answer, answered) = oneshot::channel::<Outcome>();
        let run = async move {
            let _answer = answer;
            panic!("as it was meant to");
        };
        assert_eq!(Answering::new(Some(run), answered).await.unwrap_err().code, ErrorReply::internal().code);
    }
}
