//! How deliveries become calls: as many to a call as a provider takes, and each by itself where it takes them together or
//! not at all, so that one that is refused does not keep the others from their recipients.

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;

use super::{Delivery, Failure, FailureKind, Outcome};
use crate::limits::PROVIDER_SINGLE_CALLS_MAX;

/// A provider's calls.
#[async_trait]
pub(super) trait Calls: Sync {
    /// A delivery in the provider's form.
    type Letter: Send + Sync;

    /// The delivery in the provider's form, or why it can have none.
    fn letter(&self, delivery: &Delivery) -> Result<Self::Letter, String>;

    /// Which letters share a call, by their places: each in one group.
    fn groups(&self, letters: &[&Self::Letter]) -> Vec<Vec<usize>>;

    /// One call for one letter.
    async fn one(&self, letter: &Self::Letter, deadline: Instant) -> Outcome;

    /// One call for several: an outcome for each, in order; `None` where it was refused because of one or another of
    /// them, and none was delivered.
    async fn several(&self, letters: &[&Self::Letter], deadline: Instant) -> Option<Vec<Outcome>>;
}

/// An outcome for each delivery, in order.
pub(super) async fn deliver<C: Calls>(calls: &C, deliveries: &[Delivery], deadline: Instant) -> Vec<Outcome> {
    let (mut outcomes, mut places, mut letters) = (Vec::new(), Vec::new(), Vec::new());
    for (place, delivery) in deliveries.iter().enumerate() {
        match calls.letter(delivery) {
            Ok(letter) => {
                outcomes.push(unanswered());
                places.push(place);
                letters.push(letter);
            }
            Err(why) => outcomes.push(Outcome::Refused { why }),
        }
    }
    let letters: Vec<_> = letters.iter().collect();
    let groups = calls.groups(&letters).into_iter();
    let groups: Vec<_> = groups
        .map(|group| {
            let letters: Vec<_> = group.iter().map(|place| letters[*place]).collect();
            async move { (group, deliver_group(calls, letters, deadline).await) }
        })
        .collect();
    let mut answers = stream::iter(groups).buffer_unordered(PROVIDER_SINGLE_CALLS_MAX);
    while let Some((group, answer)) = answers.next().await {
        for (place, outcome) in group.into_iter().zip(answer) {
            outcomes[places[place]] = outcome;
        }
    }
    outcomes
}

async fn deliver_group<C: Calls>(calls: &C, letters: Vec<&C::Letter>, deadline: Instant) -> Vec<Outcome> {
    if let [letter] = letters[..] {
        return vec![calls.one(letter, deadline).await];
    }
    if let Some(outcomes) = calls.several(&letters, deadline).await {
        return outcomes;
    }
    if letters.len() <= SINGLY_MAX {
        return singly(calls, &letters, deadline).await;
    }
    // One bad address among a thousand costs some sixty calls so, and no more than three after one another.
    let parts: Vec<_> = letters.chunks(letters.len().isqrt()).map(|part| deliver_part(calls, part, deadline)).collect();
    let outcomes: Vec<_> = stream::iter(parts).buffered(PROVIDER_SINGLE_CALLS_MAX).collect().await;
    outcomes.concat()
}

/// Refused calls for no more than these are taken apart at once.
const SINGLY_MAX: usize = 8;

async fn deliver_part<C: Calls>(calls: &C, letters: &[&C::Letter], deadline: Instant) -> Vec<Outcome> {
    if letters.len() > 1
        && let Some(outcomes) = calls.several(letters, deadline).await
    {
        return outcomes;
    }
    singly(calls, letters, deadline).await
}

async fn singly<C: Calls>(calls: &C, letters: &[&C::Letter], deadline: Instant) -> Vec<Outcome> {
    let single: Vec<_> = letters.iter().map(|letter| calls.one(letter, deadline)).collect();
    stream::iter(single).buffered(PROVIDER_SINGLE_CALLS_MAX).collect().await
}

/// As many to a group as there may be, in order.
pub(super) fn in_order(letters: usize, group_max: usize) -> Vec<Vec<usize>> {
    let places: Vec<_> = (0..letters).collect();
    places.chunks(group_max).map(<[usize]>::to_vec).collect()
}

fn unanswered() -> Outcome {
    let why = "nothing was said of it".to_owned();
    Outcome::Failed(Failure { kind: FailureKind::Unavailable, why, retry_after: None })
}

/// A message of another channel than the provider's.
pub(super) fn wrong_channel() -> String {
    "the message is of another channel than the provider".to_owned()
}
