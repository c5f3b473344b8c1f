//! The host's bounds, all of one call unless they say otherwise.

/// No amount or balance passes it: 2^53 - 1, which every JSON client reads exactly.
pub(crate) const AMOUNT_MAX: u64 = (1 << 53) - 1;

/// All documents of one player in one game, keys and values together.
pub(crate) const DOCUMENTS_BYTES_MAX: usize = 16 * 1024;

/// The result.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) const REPLY_BYTES_MAX: usize = 64 * 1024;

/// Stakes, payouts and refunds.
pub(crate) const TRANSFERS_MAX: usize = 256;

/// Draws; a shuffle counts once for each element.
pub(crate) const DRAWS_MAX: usize = 4096;

/// Weights of one weighted draw, and elements of one shuffle.
pub(crate) const DRAW_CHOICES_MAX: usize = 1024;

/// Notifications and events together.
pub(crate) const EFFECTS_MAX: usize = 32;

/// The JSON of one notification or event.
pub(crate) const EFFECT_BYTES_MAX: usize = 4 * 1024;
