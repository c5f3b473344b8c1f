//! Credentials, and the words of others that might repeat them.

use std::fmt;

use crate::limits::PROVIDER_WORDS_CHARACTERS_MAX;

/// A key, a token or a password: in no log and in no error.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret of this text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

/// Makes a provider's words fit to be kept and shown: short, of one line, and without our credentials, should it repeat
/// them.
pub(super) struct Words {
    secrets: Vec<String>,
}

impl Words {
    /// With every form in which the credentials are sent.
    pub(super) fn without(secrets: Vec<String>) -> Self {
        Self { secrets: secrets.into_iter().filter(|secret| !secret.is_empty()).collect() }
    }

    pub(super) fn quote(&self, text: &str) -> String {
        let spaced = text.chars().map(|character| if character.is_whitespace() { ' ' } else { character });
        let mut quoted: String = spaced.filter(|character| !character.is_control()).collect();
        // Before it is cut, or half of a secret could be left.
        for secret in &self.secrets {
            quoted = quoted.replace(secret, "..");
        }
        quoted = quoted.trim().to_owned();
        if let Some((end, _)) = quoted.char_indices().nth(PROVIDER_WORDS_CHARACTERS_MAX) {
            quoted.truncate(end);
            quoted.push_str("..");
        }
        quoted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_short_of_one_line_and_without_secrets() {
        let words = Words::without(vec!["k-123".to_owned(), String::new()]);
        assert_eq!(words.quote("no key\u{7}\r\n'k-123'!  "), "no key  '..'!");
        assert_eq!(words.quote("k-\u{0}123"), "..");
        let long = "é".repeat(198) + "k-123 and more";
        assert_eq!(words.quote(&long), "é".repeat(198) + "....");
        assert_eq!(format!("{:?}", Secret::new("k-123".to_owned())), "..");
    }
}
