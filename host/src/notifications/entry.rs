//! What has become of a notification. Every change is a rule of one entry, so that whatever keeps entries needs only to
//! change one at a time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Notification, NotificationId};
use crate::identity::ProviderName;

/// A process that delivers, this time that it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct WorkerId(pub u64);

/// A notification and what has become of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// What is to be told.
    pub notification: Notification,
    /// Where it stands.
    pub state: State,
    /// How often a worker has taken it: the number of the newest claim, by which its report is known.
    #[serde(default)]
    pub claims: u32,
    /// How often it was a dead letter that somebody kicked.
    #[serde(default)]
    pub kicks: u32,
    /// Attempts that have failed since it was accepted or kicked.
    #[serde(default)]
    pub failures: u32,
    /// The newest failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
    /// Deliveries that a provider has confirmed: more than one where a worker died, or was taken for dead, after it had
    /// delivered and before that was written.
    #[serde(default)]
    pub deliveries: u32,
}

/// The putting of a notification into the queue that is due once it is accepted, and once after each kick. It has a name
/// because one may still be under way while the notification is delivered, buried, and kicked for the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Putting {
    /// Of which.
    pub notification: NotificationId,
    /// How often it had been kicked.
    pub kicks: u32,
}

impl Putting {
    /// Of what is accepted.
    #[must_use]
    pub fn first(notification: NotificationId) -> Self {
        Self { notification, kicks: 0 }
    }
}

/// Where a notification stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum State {
    /// For its time, or for a worker.
    Waiting {
        /// Not before this, in Unix milliseconds.
        due_ms: u64,
    },
    /// A worker has it.
    UnderWay {
        /// Which.
        worker: WorkerId,
        /// When it is taken for lost, in Unix milliseconds.
        until_ms: u64,
    },
    /// A provider has it.
    Delivered {
        /// Unix milliseconds.
        at_ms: u64,
        /// Which provider.
        provider: ProviderName,
        /// The provider's own name for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
        /// The claim that it was delivered under.
        claim: u32,
    },
    /// It cannot be delivered: a dead letter, until somebody kicks or removes it.
    Buried {
        /// Unix milliseconds.
        at_ms: u64,
        /// Why.
        why: String,
    },
    /// Its time was over before it was delivered.
    Expired {
        /// Unix milliseconds.
        at_ms: u64,
    },
    /// It is not wanted any more.
    Cancelled {
        /// Unix milliseconds.
        at_ms: u64,
    },
}

impl State {
    /// Whether nothing more happens to it unless somebody kicks it.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !matches!(self, Self::Waiting { .. } | Self::UnderWay { .. })
    }
}

/// A failed attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trouble {
    /// Unix milliseconds.
    pub at_ms: u64,
    /// What went wrong.
    pub why: String,
}

/// What somebody wants of a notification. Times are told as waits, because the clock of whoever wants it may be wrong:
/// what keeps the entries makes instants of them, by its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// To deliver it: whoever has claimed it may try once, and then reports with the number of the claim.
    Claim {
        /// Who.
        worker: WorkerId,
        /// After how many milliseconds it is taken for lost.
        lease_ms: u64,
    },
    /// It was delivered.
    Delivered {
        /// The claim.
        claim: u32,
        /// By which provider.
        provider: ProviderName,
        /// The provider's own name for it.
        reference: Option<String>,
    },
    /// The attempt failed and is worth another.
    Failed {
        /// The claim.
        claim: u32,
        /// How many milliseconds to wait before another.
        wait_ms: u64,
        /// Why.
        why: String,
    },
    /// It was claimed and not tried.
    GivenBack {
        /// The claim.
        claim: u32,
        /// How many milliseconds to wait before it is tried.
        wait_ms: u64,
    },
    /// It cannot be delivered.
    Buried {
        /// The claim.
        claim: u32,
        /// Why.
        why: String,
    },
    /// Its time may be over.
    Expire,
    /// It is not wanted any more.
    Cancel,
    /// A dead letter is to be delivered after all.
    Kick,
    /// A dead letter is to be forgotten.
    Remove,
}

/// What came of a change. Waits are counted from the answer on, as in [`Change`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It may be tried, as its newest claim.
    Claimed(Box<Entry>),
    /// It stands so now.
    Done(State),
    /// A worker has it.
    Held {
        /// After how many milliseconds the worker is taken for lost; 1 or more.
        wait_ms: u64,
    },
    /// It waits for its time.
    NotDue {
        /// After how many milliseconds it is due; 1 or more.
        wait_ms: u64,
    },
    /// It stands so, which this does not change.
    Otherwise(State),
    /// It is to be forgotten.
    Removed,
    /// There is no such notification.
    Unknown,
}

/// What a worker has to say that never did.
const SILENT: &str = "the worker that had it never reported; it may have been delivered";

impl Entry {
    /// A notification as it begins.
    #[must_use]
    pub fn new(notification: Notification) -> Self {
        let state = State::Waiting { due_ms: notification.due_ms };
        Self { notification, state, claims: 0, kicks: 0, failures: 0, trouble: None, deliveries: 0 }
    }

    /// Its newest putting into the queue.
    #[must_use]
    pub fn putting(&self) -> Putting {
        Putting { notification: self.notification.id, kicks: self.kicks }
    }

    /// Changes it, if the rules allow. Whoever keeps entries writes it where it is another than before. A change that is
    /// asked for again, because nobody knows whether it was done, changes nothing more.
    pub fn apply(&mut self, change: Change, now_ms: u64) -> Answer {
        match change {
            Change::Claim { worker, lease_ms } => self.claim(worker, lease_ms, now_ms),
            Change::Delivered { claim, provider, reference } => self.delivered(claim, provider, reference, now_ms),
            Change::Failed { claim, wait_ms, why } => self.report(claim, |entry| {
                entry.fail(why, now_ms);
                State::Waiting { due_ms: now_ms.saturating_add(wait_ms) }
            }),
            Change::GivenBack { claim, wait_ms } => {
                self.report(claim, |_| State::Waiting { due_ms: now_ms.saturating_add(wait_ms) })
            }
            Change::Buried { claim, why } => self.report(claim, |entry| {
                entry.fail(why.clone(), now_ms);
                State::Buried { at_ms: now_ms, why }
            }),
            Change::Expire => self.expire(now_ms),
            Change::Cancel => self.cancel(now_ms),
            Change::Kick => self.kick(now_ms),
            Change::Remove => match &self.state {
                State::Buried { .. } => Answer::Removed,
                state => Answer::Otherwise(state.clone()),
            },
        }
    }

    /// Whether nothing more happens to it unless somebody kicks it.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.state.is_settled()
    }

    fn claim(&mut self, worker: WorkerId, lease_ms: u64, now_ms: u64) -> Answer {
        if self.is_settled() {
            return Answer::Otherwise(self.state.clone());
        }
        match self.state {
            State::UnderWay { until_ms, .. } if until_ms > now_ms => {
                return Answer::Held { wait_ms: until_ms - now_ms };
            }
            State::UnderWay { .. } => self.fail(SILENT.to_owned(), now_ms),
            State::Waiting { due_ms } if due_ms > now_ms => return Answer::NotDue { wait_ms: due_ms - now_ms },
            _ => {}
        }
        if self.notification.expires_ms <= now_ms {
            self.state = State::Expired { at_ms: now_ms };
            return Answer::Otherwise(self.state.clone());
        }
        self.claims += 1;
        self.state = State::UnderWay { worker, until_ms: now_ms.saturating_add(lease_ms) };
        Answer::Claimed(Box::new(self.clone()))
    }

    /// What was delivered was delivered, whatever else was decided meanwhile.
    fn delivered(&mut self, claim: u32, provider: ProviderName, reference: Option<String>, now_ms: u64) -> Answer {
        match self.state {
            State::Delivered { claim: before, .. } if before == claim => {}
            State::Delivered { .. } => self.deliveries += 1,
            _ => {
                self.deliveries += 1;
                self.state = State::Delivered { at_ms: now_ms, provider, reference, claim };
            }
        }
        Answer::Done(self.state.clone())
    }

    /// Only the newest claim has a say.
    fn report(&mut self, claim: u32, becomes: impl FnOnce(&mut Self) -> State) -> Answer {
        if claim != self.claims || !matches!(self.state, State::UnderWay { .. }) {
            return Answer::Otherwise(self.state.clone());
        }
        self.state = becomes(self);
        Answer::Done(self.state.clone())
    }

    fn expire(&mut self, now_ms: u64) -> Answer {
        match self.state {
            State::UnderWay { until_ms, .. } if until_ms > now_ms => Answer::Held { wait_ms: until_ms - now_ms },
            State::Waiting { .. } | State::UnderWay { .. } if self.notification.expires_ms <= now_ms => {
                self.state = State::Expired { at_ms: now_ms };
                Answer::Done(self.state.clone())
            }
            _ => Answer::Otherwise(self.state.clone()),
        }
    }

    fn cancel(&mut self, now_ms: u64) -> Answer {
        match self.state {
            State::UnderWay { until_ms, .. } if until_ms > now_ms => Answer::Held { wait_ms: until_ms - now_ms },
            State::Waiting { .. } | State::UnderWay { .. } => {
                self.state = State::Cancelled { at_ms: now_ms };
                Answer::Done(self.state.clone())
            }
            _ => Answer::Otherwise(self.state.clone()),
        }
    }

    fn kick(&mut self, now_ms: u64) -> Answer {
        match self.state {
            State::Buried { .. } if self.notification.expires_ms > now_ms => {
                self.kicks += 1;
                self.failures = 0;
                self.state = State::Waiting { due_ms: now_ms };
                Answer::Done(self.state.clone())
            }
            _ => Answer::Otherwise(self.state.clone()),
        }
    }

    fn fail(&mut self, why: String, now_ms: u64) {
        self.failures += 1;
        self.trouble = Some(Trouble { at_ms: now_ms, why });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::notifications::example;

    fn entry(due_ms: u64, expires_ms: u64) -> Entry {
        Entry::new(Notification { due_ms, expires_ms, ..example(7) })
    }

    fn claim(worker: u64, lease_ms: u64) -> Change {
        Change::Claim { worker: WorkerId(worker), lease_ms }
    }

    fn delivered(claim: u32) -> Change {
        Change::Delivered { claim, provider: "mail".parse().unwrap(), reference: None }
    }

    fn claims(answer: &Answer) -> Option<u32> {
        if let Answer::Claimed(entry) = answer { Some(entry.claims) } else { None }
    }

    #[test]
    fn it_is_delivered_once_by_the_one_worker_that_claims_it_when_it_is_due() {
        let mut entry = entry(10, 1000);
        assert_eq!(entry.apply(claim(1, 40), 7), Answer::NotDue { wait_ms: 3 });
        assert_eq!(claims(&entry.apply(claim(1, 40), 10)), Some(1));
        assert_eq!(entry.apply(claim(2, 60), 11), Answer::Held { wait_ms: 39 });
        // A job may come twice to the same worker, too.
        assert_eq!(entry.apply(claim(1, 60), 49), Answer::Held { wait_ms: 1 });
        assert!(matches!(entry.apply(delivered(1), 50), Answer::Done(State::Delivered { at_ms: 50, .. })));
        // The report is repeated where its answer was lost.
        entry.apply(delivered(1), 51);
        assert_eq!(entry.deliveries, 1);
        assert!(matches!(entry.apply(claim(2, 60), 52), Answer::Otherwise(State::Delivered { .. })));
        assert!(matches!(entry.apply(Change::Cancel, 52), Answer::Otherwise(State::Delivered { .. })));
    }

    #[test]
    fn a_worker_that_never_reports_loses_it_to_the_next_and_a_second_delivery_is_counted() {
        let mut entry = entry(0, 1000);
        entry.apply(claim(1, 50), 0);
        assert_eq!(claims(&entry.apply(claim(2, 50), 50)), Some(2));
        assert_eq!((entry.failures, entry.trouble.as_ref().unwrap().at_ms), (1, 50));
        let failed = Change::Failed { claim: 1, wait_ms: 9, why: "late".to_owned() };
        assert!(matches!(entry.apply(failed, 51), Answer::Otherwise(State::UnderWay { .. })));
        entry.apply(delivered(1), 52);
        entry.apply(delivered(2), 53);
        assert_eq!(entry.deliveries, 2);
    }

    #[test]
    fn what_fails_waits_and_what_cannot_be_is_buried_and_can_be_kicked() {
        let mut entry = entry(0, 1000);
        entry.apply(claim(1, 50), 0);
        entry.apply(Change::Failed { claim: 1, wait_ms: 25, why: "503".to_owned() }, 5);
        assert_eq!((&entry.state, entry.failures), (&State::Waiting { due_ms: 30 }, 1));
        entry.apply(claim(1, 50), 30);
        entry.apply(Change::GivenBack { claim: 2, wait_ms: 1 }, 30);
        assert_eq!((&entry.state, entry.failures), (&State::Waiting { due_ms: 31 }, 1));
        entry.apply(claim(1, 50), 31);
        entry.apply(Change::Buried { claim: 3, why: "no such address".to_owned() }, 32);
        assert!(entry.is_settled());
        let putting = entry.putting();
        assert_eq!(entry.apply(Change::Kick, 40), Answer::Done(State::Waiting { due_ms: 40 }));
        assert_eq!(entry.failures, 0);
        assert_ne!(entry.putting(), putting, "it is to be put once more");
        assert!(matches!(entry.apply(Change::Remove, 41), Answer::Otherwise(State::Waiting { .. })));
        assert_eq!(entry.apply(Change::Cancel, 41), Answer::Done(State::Cancelled { at_ms: 41 }));
    }

    #[test]
    fn what_is_over_its_time_is_not_delivered_any_more() {
        let mut entry = entry(0, 100);
        assert_eq!(entry.apply(claim(1, 100), 100), Answer::Otherwise(State::Expired { at_ms: 100 }));
        assert!(entry.is_settled());
        // Also where nobody ever takes it.
        let mut entry = self::entry(0, 100);
        assert!(matches!(entry.apply(Change::Expire, 99), Answer::Otherwise(State::Waiting { .. })));
        entry.apply(claim(1, 11), 99);
        assert_eq!(entry.apply(Change::Expire, 100), Answer::Held { wait_ms: 10 });
        assert_eq!(entry.apply(Change::Expire, 110), Answer::Done(State::Expired { at_ms: 110 }));
    }

    fn any_change() -> impl Strategy<Value = Change> {
        let claims = 0_u32..6;
        prop_oneof![
            4 => (0_u64..3, 0_u64..20).prop_map(|(worker, lease_ms)| claim(worker, lease_ms)),
            2 => claims.clone().prop_map(delivered),
            2 => (claims.clone(), 0_u64..20)
                .prop_map(|(claim, wait_ms)| Change::Failed { claim, wait_ms, why: "x".to_owned() }),
            1 => (claims.clone(), 0_u64..20).prop_map(|(claim, wait_ms)| Change::GivenBack { claim, wait_ms }),
            1 => claims.prop_map(|claim| Change::Buried { claim, why: "x".to_owned() }),
            1 => Just(Change::Expire),
            1 => Just(Change::Cancel),
            1 => Just(Change::Kick),
            1 => Just(Change::Remove),
        ]
    }

    proptest! {
        /// At one instant at most one claim may be tried; what a provider has confirmed stays so; and a change that is
        /// repeated at once does nothing more, unless it is a claim.
        #[test]
        fn the_rules_hold_whatever_is_asked(changes in prop::collection::vec((any_change(), 0_u64..4), 1..60)) {
            let (mut entry, mut now_ms, mut tried_until) = (entry(3, 90), 0, 0);
            for (change, wait) in changes {
                now_ms += wait;
                let was_delivered = matches!(entry.state, State::Delivered { .. });
                let answer = entry.apply(change.clone(), now_ms);
                if let Answer::Claimed(claimed) = &answer {
                    prop_assert!(tried_until <= now_ms, "two at once");
                    prop_assert!(claimed.notification.expires_ms > now_ms && claimed.notification.due_ms <= now_ms);
                }
                tried_until = if let State::UnderWay { until_ms, .. } = entry.state { until_ms } else { 0 };
                let is_delivered = matches!(entry.state, State::Delivered { .. });
                prop_assert!(is_delivered || !was_delivered);
                prop_assert_eq!(entry.deliveries > 0, is_delivered);
                if !matches!(change, Change::Claim { .. } | Change::Delivered { .. } | Change::Kick) {
                    let before = entry.clone();
                    entry.apply(change, now_ms);
                    prop_assert_eq!(&entry, &before);
                }
            }
        }
    }
}
