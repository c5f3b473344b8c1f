//! What games may send. The operator decides: a game that could choose its words and channels freely would speak to
//! players in the operator's name.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::Channel;
use crate::identity::{GameId, TemplateName};

/// What each game may send; nothing, where nothing is said.
pub type Grants = BTreeMap<GameId, Arc<Granted>>;

/// What one game may send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Granted {
    /// Through what.
    pub channels: BTreeSet<Channel>,
    /// With which words.
    pub templates: BTreeSet<TemplateName>,
}

impl Granted {
    /// Whether these words may be sent through this channel.
    #[must_use]
    pub fn allows(&self, channel: &str, template: &str) -> bool {
        let has_channel = Channel::named(channel).is_some_and(|channel| self.channels.contains(&channel));
        has_channel && self.templates.iter().any(|granted| granted.as_str() == template)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_granted_is_allowed() {
        let granted = Granted { channels: [Channel::Push].into(), templates: ["big-win".parse().unwrap()].into() };
        assert!(granted.allows("push", "big-win"));
        for (channel, template) in [("email", "big-win"), ("push", "bigwin"), ("Push", "big-win"), ("", "")] {
            assert!(!granted.allows(channel, template), "{channel} {template}");
        }
        assert!(!Granted::default().allows("push", "big-win"));
    }
}
