//! The two ways a call goes wrong without anything being broken: a fault ends it, a refusal need not.

use std::fmt;

use serde_json::{Value, json};

/// The error a client receives, in JSON-RPC 2.0's shape.
///
/// A call that ends in a fault changes nothing: no stake is taken, nothing is paid, no document is written.
/// Games rarely build one by hand: they list their errors in an enum and derive [`Faults`](crate::Faults).
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// `1..=899` are the game's own, `900..=999` the SDK's. Any other code is a malfunction of the game.
    pub code: i32,
    /// One sentence for people.
    pub message: String,
    /// Details for programs.
    pub data: Option<Value>,
}

impl Fault {
    /// The host refused something and the game did not handle it; `data.refusal` is the [`Refusal::code`].
    pub const REFUSED: i32 = 900;
    /// The params pass the method's schema and yet do not deserialise into its Rust type.
    pub const INVALID_PARAMS: i32 = 901;

    /// A fault without data.
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// The same fault with details for programs.
    #[must_use]
    pub fn with_data(self, data: Value) -> Self {
        Self { data: Some(data), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (fault {})", self.message, self.code)
    }
}

impl std::error::Error for Fault {}

/// Why the host declined a request. A refusal is an ordinary answer: nothing changed, and the call may go on.
///
/// `?` turns it into a [`Fault`] with the code [`Fault::REFUSED`], in methods that return `Result<_, Fault>`
/// and in those whose error enum has a `#[fault(transparent)]` variant for it; see [`Faults`](crate::Faults).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// `insufficient-funds`, `no-open-round`, `zero-amount`, `amount-too-large`, `too-many-transfers`,
    /// `refund-over-stake`, `too-large`, `invalid-key`, `invalid-json`, `too-many-effects`; there may be more.
    pub code: String,
    /// One sentence for people.
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::new(Self::REFUSED, refusal.message).with_data(json!({ "refusal": refusal.code }))
    }
}
