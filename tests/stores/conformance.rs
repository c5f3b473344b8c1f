//! What every store promises, as tests of the port alone. [`conformance`] makes a test of each rule for a subject; what
//! a rule needs of a store's inside is asked of the [`Subject`].

pub(crate) mod acts;
pub(super) mod aggregates;
pub(super) mod closing;
pub(super) mod commits;
pub(super) mod crowds;
pub(super) mod hosts;
pub(super) mod model;
pub(crate) mod outbox;
pub(crate) mod players;
pub(super) mod records;
pub(super) mod releases;
pub(super) mod walks;

use std::sync::Arc;

use async_trait::async_trait;
use croupier::store::Store;

/// A place for a store, empty at first and used by one rule alone.
#[async_trait]
pub(crate) trait Subject: Send + Sync {
    /// Opens what is stored there. What was open before was closed and dropped, unless there may be several hosts.
    async fn open(&self) -> Arc<dyn Store>;

    /// Whether several hosts may have it open at the same time.
    fn has_several_hosts(&self) -> bool;

    /// The largest document of an aggregate that it was told to take.
    fn aggregate_bytes_max(&self) -> usize;
}

/// As many hosts as there may be, two at most.
async fn open_hosts(subject: &dyn Subject) -> Vec<Arc<dyn Store>> {
    let mut hosts = vec![subject.open().await];
    if subject.has_several_hosts() {
        hosts.push(subject.open().await);
    }
    hosts
}

/// As after a restart of the only host.
async fn reopened(subject: &dyn Subject, store: Arc<dyn Store>) -> Arc<dyn Store> {
    store.close().await;
    drop(store);
    subject.open().await
}

/// A module of this name with a test of every rule, each on a subject of its own.
macro_rules! conformance {
    ($name:ident, $subject:expr) => {
        $crate::stores::conformance::conformance! { $name, $subject;
            aggregates {
                nothing_is_found_where_nothing_was_stored
                pages_show_every_aggregate_once
                pages_may_be_of_any_size
                newcomers_hide_nobody_from_pages
            }
            commits {
                the_first_commit_expects_that_nothing_is_there
                a_commit_on_another_version_is_a_conflict_and_leaves_nothing
                of_commits_on_one_version_exactly_one_is_taken
                groups_of_steps_are_stored_whole
                an_aggregate_that_grew_too_large_is_refused_and_leaves_nothing
                after_a_conflict_what_is_stored_is_loaded
                what_was_answered_is_loaded_whoever_else_loads
            }
            records {
                any_range_is_read_byte_for_byte
                large_records_are_read_byte_for_byte
                records_outlive_a_restart
                a_reader_beside_a_writer_sees_whole_commits
                a_step_that_is_seen_has_its_record
                all_records_are_listed_or_none
            }
            hosts {
                what_nobody_took_further_is_current
                what_another_host_took_further_is_not_current
                what_one_host_stores_the_other_sees
                what_one_host_acts_the_other_is_told
                hosts_that_take_turns_make_one_chain
            }
            walks {
                an_empty_store_ends_at_once
                a_walk_shows_all_in_the_order_of_ids_with_what_waits
                a_walk_begins_behind_any_id
                a_walk_shows_what_waits_with_whichever_host
                what_was_not_carried_on_is_never_left_out
                a_walk_beside_a_writer_sees_whole_commits
            }
            outbox {
                effects_wait_until_they_were_carried
                what_waits_is_handed_out_in_portions
                what_waits_outlives_a_restart
                who_waits_for_steps_is_woken
                carrying_on_is_no_step
            }
            acts {
                an_act_needs_the_version_before_and_a_refused_one_leaves_nothing
                acts_of_one_commit_are_there_together
                of_acts_on_one_version_exactly_one_is_taken
                a_listing_that_is_seen_has_its_acts
                acts_are_read_by_number_and_game
                listings_come_in_the_order_of_ids
                listings_and_acts_outlive_a_restart
            }
            releases {
                a_release_is_kept_as_it_was_put
                the_newest_bytes_take_the_place_of_others
                releases_outlive_a_restart
            }
            closing {
                an_open_store_is_healthy
                a_closed_store_refuses_changes
                closing_loses_nothing_that_was_answered
                a_commit_that_nobody_waits_for_is_whole_or_not_there
            }
            crowds {
                fifty_writers_lose_and_double_nothing
            }
            model {
                any_sequence_of_deeds_leaves_what_the_model_says
            }
        }
    };
    ($name:ident, $subject:expr; $($part:ident { $($rule:ident)* })*) => {
        mod $name {
            $(mod $part {
                use super::super::*;

                $(#[tokio::test(flavor = "multi_thread")]
                async fn $rule() {
                    $crate::stores::conformance::$part::$rule(&$subject).await;
                })*
            })*
        }
    };
}

pub(crate) use conformance;
