//! The macros of `croupier-sdk`, which re-exports and documents them with examples. Games do not depend on this crate.

mod faults;
mod game;

use proc_macro::TokenStream;
use syn::{DeriveInput, ItemImpl, parse_macro_input};

/// Makes a game of an inherent `impl` block: its `pub fn` items are the methods that clients call.
///
/// ```ignore
/// #[game(id = "fruit-slots", title = "Fruit Slots", rtp_ppm = rules::RTP_PPM, max_win_ppm = rules::MAX_WIN_PPM)]
/// impl FruitSlots {
///     /// Spins the reels once.
///     pub fn spin(&mut self, table: &mut Table, params: SpinParams) -> Result<Spin, Error> { /* ... */ }
///
///     /// What each symbol pays.
///     pub fn paytable(&self, table: &Table) -> Result<Paytable, Error> { /* ... */ }
/// }
/// ```
///
/// # Arguments
/// - `id`: a string literal, `[a-z][a-z0-9-]*`; the same in every release.
/// - `title`: the game's name for people, `&'static str`.
/// - `rtp_ppm`: theoretical return to player in parts per million of the stake, `u32`.
/// - `max_win_ppm`: largest payout of one round in parts per million of its stake, `u64`.
/// - `version`: optional, `&'static str`; the package's version by default.
/// - `state_version`: optional, `u32`, 1 or more; the version of what this release saves. It needs
///   `fn migrate(from: u32, documents: Documents) -> Result<Documents, String>` in the block.
/// - `simulation`: optional, without a value; the component exports the game's `Simulation`.
///
/// All but `id` may be any expression.
///
/// # Methods
/// A method takes `&mut self` or `&self`, the table and, if it has any, its params. It returns `Result<T, E>` with
/// `T: Serialize + JsonSchema` and `E: Into<Fault>`, such as an enum that derives `Faults`, or `Fault` itself.
///
/// With `table: &mut Table` it plays: the round is settled when it ends, unless it keeps it open. With `table: &Table` it
/// only looks: it can move nothing, draw nothing and send nothing, and a round that is open stays open.
///
/// Params are a struct that implements `DeserializeOwned + JsonSchema`; a method without any takes an empty object. The first paragraph
/// of a method's documentation is its summary for clients. Private and `pub(crate)` items are left alone.
///
/// # The game's type
/// It implements `Default + Serialize + DeserializeOwned`. Its value is loaded before each call and saved after each
/// call that changed it, for each player; a player who is new to the game starts with the default. A later release must be able to read
/// what an earlier one saved: give new fields `#[serde(default)]`, or write a migration.
#[proc_macro_attribute]
pub fn game(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as ItemImpl);
    game::expand(arguments.into(), &item).into()
}

/// Makes an enum the typed errors of a game: converts each variant into a `Fault` of its own code.
///
/// ```ignore
/// #[derive(Debug, Faults)]
/// pub enum Error {
///     #[fault(1, "no hand is open: call deal first")]
///     NoHand,
///     #[fault(2, "the stake must be between {min} and {max}")]
///     StakeOutOfRange { min: u64, max: u64 },
///     #[fault(transparent)]
///     Refused(Refusal),
/// }
/// ```
///
/// - `#[fault(code, "message")]`: a code of `1..=899` that no other variant has, and one sentence for people. Named fields
///   can be shown in the message as `{field}` and are the members of the fault's `data`; they implement `Serialize`.
/// - `#[fault(transparent)]`: a variant with one unnamed field, converted as its content is; `?` makes it from that content.
///   With one for `Refusal`, methods write `table.stake(amount)?`. The content implements `Into<Fault>` and `Display`,
///   as do `Refusal`, `Fault` and other enums with this derive.
///
/// Implements `Display` (the message), `From<Self> for Fault`, and `From<content>` for each transparent variant.
#[proc_macro_derive(Faults, attributes(fault))]
pub fn faults(item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as DeriveInput);
    faults::expand(&item).unwrap_or_else(syn::Error::into_compile_error).into()
}
