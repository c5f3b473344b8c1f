//! A player's documents on their way from the release that wrote them to the one that reads them.

use std::collections::{BTreeMap, btree_map};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::game::{STATE, to_json};

/// All that a game keeps for one player, as JSON by key: what a migration gets, and what it gives back.
///
/// The game's state is one of them. What a migration leaves alone stays as it is, byte for byte.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Documents(BTreeMap<String, String>);

impl Documents {
    /// The game's state, as an older release kept it; `None` if it never did.
    ///
    /// # Errors
    /// Where it is not one of type `T`.
    pub fn state<T: DeserializeOwned>(&self) -> Result<Option<T>, String> {
        self.get(STATE)
    }

    /// Replaces the game's state.
    pub fn set_state<T: Serialize + ?Sized>(&mut self, state: &T) {
        self.put(STATE, state);
    }

    /// A document, if there is one of this key.
    ///
    /// # Errors
    /// Where it is not one of type `T`.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, String> {
        let read = |json: &String| {
            serde_json::from_str(json).map_err(|error| format!("the document `{key}` does not read: {error}"))
        };
        self.0.get(key).map(read).transpose()
    }

    /// Puts a document there, in the place of another of this key.
    ///
    /// # Panics
    /// When the document has no JSON.
    pub fn put<T: Serialize + ?Sized>(&mut self, key: &str, document: &T) {
        self.0.insert(key.to_owned(), to_json(document, "a document"));
    }

    /// Removes a document, if there is one of this key.
    pub fn delete(&mut self, key: &str) {
        self.0.remove(key);
    }

    /// All keys in ascending order, the state's included.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Keys with their JSON text.
impl FromIterator<(String, String)> for Documents {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(documents: I) -> Self {
        Self(documents.into_iter().collect())
    }
}

/// Keys with their JSON text, in ascending order.
impl IntoIterator for Documents {
    type Item = (String, String);
    type IntoIter = btree_map::IntoIter<String, String>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
