//! Names of TypeScript from those of methods and schemas.

use std::collections::BTreeSet;

/// `fruit-slots.free_spin` is `FruitSlotsFreeSpin`.
pub(super) fn pascal(name: &str) -> String {
    let words = name.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let capitalised = words.map(|word| {
        let (first, rest) = word.split_at(1);
        format!("{}{rest}", first.to_ascii_uppercase())
    });
    let joined: String = capitalised.collect();
    if joined.starts_with(|first: char| first.is_ascii_alphabetic()) { joined } else { format!("T{joined}") }
}

/// `free_spin` is `freeSpin`.
pub(super) fn camel(name: &str) -> String {
    let pascal = pascal(name);
    let (first, rest) = pascal.split_at(1);
    format!("{}{rest}", first.to_ascii_lowercase())
}

/// A member as it is written: in quotes, unless it is a word.
pub(super) fn member(name: &str) -> String {
    let is_word = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_word { name.to_owned() } else { serde_json::Value::from(name).to_string() }
}

/// Names that are given once.
#[derive(Default)]
pub(super) struct Given(BTreeSet<String>);

impl Given {
    /// The name, or where another has it, one like it.
    pub(super) fn give(&mut self, name: String) -> String {
        let mut given = name.clone();
        let mut count = 1;
        while !self.0.insert(given.clone()) {
            count += 1;
            given = format!("{name}{count}");
        }
        given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_of_typescript() {
        assert_eq!(pascal("fruit-slots.free_spin.result.Wins"), "FruitSlotsFreeSpinResultWins");
        assert_eq!((camel("fruit-slots").as_str(), camel("free_spin").as_str()), ("fruitSlots", "freeSpin"));
        assert_eq!((pascal("7up").as_str(), camel("7up").as_str()), ("T7up", "t7up"));
        assert_eq!((member("line_stake").as_str(), member("a-b").as_str()), ("line_stake", "\"a-b\""));
        let mut given = Given::default();
        let names = ["Wins", "Wins", "Win"].map(|name| given.give(name.to_owned()));
        assert_eq!(names, ["Wins", "Wins2", "Win"]);
    }
}
