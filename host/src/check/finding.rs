//! What a check finds: each with a code that stays the same, and with what to do.

use std::fmt;

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The game must not be played like this.
    Error,
    /// It can be played, and somebody will regret it.
    Warning,
    /// Good to know.
    Note,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which kind of thing it is: a word for programs, which never changes its meaning.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The method that it is about, unless it is about the whole game.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// What was seen.
    pub seen: String,
    /// What to do.
    pub advice: &'static str,
}

impl Finding {
    pub(super) fn error(code: &'static str, seen: impl Into<String>, advice: &'static str) -> Self {
        Self { code, severity: Severity::Error, method: None, seen: seen.into(), advice }
    }

    pub(super) fn warning(code: &'static str, seen: impl Into<String>, advice: &'static str) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, seen, advice) }
    }

    pub(super) fn note(code: &'static str, seen: impl Into<String>, advice: &'static str) -> Self {
        Self { severity: Severity::Note, ..Self::error(code, seen, advice) }
    }

    /// About one method.
    pub(super) fn of(self, method: &str) -> Self {
        Self { method: Some(method.to_owned()), ..self }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}
