//! What is counted, in one document that all hosts agree on: the roll-ups, and every view that the configuration
//! declares. What is counted anew gets a new generation of documents, which new facts count in from the start; the
//! generation before answers until it is done.
//!
//! Every batch says for good in which generations it counts, by a plan that was read after the batch was there. So
//! whoever makes a new generation, and then looks at all batches, meets every one that does not count in it by itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    facts::View,
    identity::{Digest, ViewName},
};

/// Changes when the same facts come to make other roll-ups: then they are counted anew.
const ROLLUP_RULES: &[u8] = b"rollups/1";
/// The roll-ups; no view has this name.
const ROLLUPS: &str = "";

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// The newest.
    generation: u64,
    /// By the view's name, or none.
    scopes: BTreeMap<String, Scope>,
}

/// Something that is counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Scope {
    /// What answers; none while it is counted for the first time.
    whole: Option<Generation>,
    /// What is counted anew.
    next: Option<Generation>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Generation {
    pub(super) number: u64,
    digest: Digest,
    /// None for the roll-ups.
    pub(super) view: Option<View>,
}

impl Scope {
    /// What is answered from, and whether it is all.
    pub(super) fn answers(&self) -> Option<(&Generation, bool)> {
        let generation = self.whole.as_ref().or(self.next.as_ref())?;
        Some((generation, self.next.is_none()))
    }
}

impl Plan {
    /// With these views and no others. Where there are no facts yet, nothing waits to be counted.
    pub(super) fn declaring(&self, views: &[View], is_empty: bool) -> Self {
        let mut plan = self.clone();
        let declared = std::iter::once((ROLLUPS.to_owned(), None, Digest::of(ROLLUP_RULES)))
            .chain(views.iter().map(|view| (view.name.to_string(), Some(view.clone()), view.digest())));
        plan.scopes.clear();
        for (name, view, digest) in declared {
            let mut scope = self.scopes.get(&name).cloned().unwrap_or_default();
            if scope.whole.as_ref().is_some_and(|whole| whole.digest == digest) {
                // What others have declared meanwhile is not wanted any more, and this was counted on all the time.
                scope.next = scope.next.filter(|next| next.digest == digest);
            }
            if scope.next.as_ref().or(scope.whole.as_ref()).is_none_or(|newest| newest.digest != digest) {
                plan.generation += 1;
                let generation = Generation { number: plan.generation, digest, view };
                if is_empty {
                    scope = Scope { whole: Some(generation), next: None };
                } else {
                    scope.next = Some(generation);
                }
            }
            plan.scopes.insert(name, scope);
        }
        plan
    }

    /// With everything, or one view, to be counted anew; `None` where there is no such view.
    pub(super) fn counting_anew(&self, view: Option<&ViewName>) -> Option<Self> {
        let mut plan = self.clone();
        let mut found = false;
        for (name, scope) in &mut plan.scopes {
            if view.is_none_or(|view| view.as_str() == name) {
                found = true;
                plan.generation += 1;
                let like = scope.next.take().or_else(|| scope.whole.clone());
                scope.next = like.map(|like| Generation { number: plan.generation, ..like });
            }
        }
        found.then_some(plan)
    }

    /// With a generation that is counted as a whole from now on; `None` where it is not wanted any more.
    pub(super) fn finishing(&self, number: u64) -> Option<Self> {
        let mut plan = self.clone();
        let is_it = |scope: &&mut Scope| scope.next.as_ref().is_some_and(|next| next.number == number);
        let scope = plan.scopes.values_mut().find(is_it)?;
        scope.whole = scope.next.take();
        Some(plan)
    }

    pub(super) fn scope(&self, view: Option<&ViewName>) -> Option<&Scope> {
        self.scopes.get(view.map_or(ROLLUPS, ViewName::as_str))
    }

    /// All that new facts count in.
    pub(super) fn generations(&self) -> impl Iterator<Item = &Generation> {
        self.scopes.values().flat_map(|scope| scope.whole.iter().chain(&scope.next))
    }

    /// What is to be counted anew first.
    pub(super) fn waiting(&self) -> Option<&Generation> {
        self.scopes.values().find_map(|scope| scope.next.as_ref())
    }
}
