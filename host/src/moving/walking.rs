//! A walk through a store beside a file, which has the same order: what comes next is looked at before it is passed.

use std::collections::VecDeque;

use crate::store::{Standing, Store, StoreError, Walk};

pub(super) struct Walking<'a> {
    walk: Box<dyn Walk + 'a>,
    page: VecDeque<Standing>,
}

impl<'a> Walking<'a> {
    pub(super) fn begin(store: &'a dyn Store) -> Self {
        Self { walk: store.walk(None), page: VecDeque::new() }
    }

    /// What comes next; none at the end.
    pub(super) async fn peek(&mut self) -> Result<Option<&Standing>, StoreError> {
        if self.page.is_empty() {
            self.page = self.walk.next().await?.into();
        }
        Ok(self.page.front())
    }

    /// Passes what was looked at.
    pub(super) fn step(&mut self) {
        self.page.pop_front();
    }
}
