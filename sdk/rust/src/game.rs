//! A game as the host sees it, and the life of one call: load the state, play, save the state.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::host::Host;
use crate::table::AnyHost;
use crate::{Documents, Fault, Table};

/// The document that holds a game's state for one player.
pub(crate) const STATE: &str = "state";

/// A game: a value kept for each player between calls, and methods that change it.
///
/// [`#[game]`](crate::game) implements it.
pub trait Game: Default + Serialize + DeserializeOwned {
    /// The version of the documents that this release reads and writes; 0 for a release that does not migrate any.
    const STATE_VERSION: u32 = 0;

    /// What the host and clients learn about this release.
    fn descriptor() -> Descriptor;

    /// Calls the method that `call` names and gives its result as JSON text.
    ///
    /// # Errors
    /// The method's own fault, or [`Fault::INVALID_PARAMS`].
    ///
    /// # Panics
    /// When the game has no such method: the host calls only what the descriptor lists.
    fn dispatch(&mut self, table: &mut Table<'_>, call: &Call) -> Result<String, Fault>;

    /// Brings one player's documents from an older version to [`Game::STATE_VERSION`]. The result replaces all of them.
    ///
    /// # Errors
    /// Why it cannot be done, for the operator. The call that needed it is refused, and nothing has changed.
    fn migrate(from: u32, documents: Documents) -> Result<Documents, String> {
        let _unread = documents;
        Err(format!("this release migrates nothing, and the documents are of version {from}"))
    }

    /// Plays one call: what a component does, and what native tests run as well.
    ///
    /// # Errors
    /// As [`Game::dispatch`]; also [`Fault::REFUSED`] when the state outgrew the host's bound for documents.
    ///
    /// # Panics
    /// When the player's stored state does not deserialise. That is a malfunction: starting over would lose the state.
    fn handle(host: &mut dyn Host, call: &Call) -> Result<Reply, Fault> {
        handle::<Self>(AnyHost::Other(host), call)
    }
}

/// As [`Game::handle`].
pub(crate) fn handle<'a, G: Game>(host: AnyHost<'a>, call: &'a Call) -> Result<Reply, Fault> {
    let (body, round_open) = step(host, call, |game: &mut G, table| game.dispatch(table, call))?;
    Ok(Reply { body, round_open })
}

/// Loads the state, plays and saves the state if it changed. Gives the result and whether the round stays open.
pub(crate) fn step<'a, G: Game, T, E: Into<Fault>>(
    host: AnyHost<'a>,
    call: &'a Call,
    play: impl FnOnce(&mut G, &mut Table<'_>) -> Result<T, E>,
) -> Result<(T, bool), Fault> {
    let mut table = Table::new(host, call);
    let stored = table.stored_state();
    let mut game = stored.as_deref().map_or_else(G::default, from_stored);
    let before = stored.unwrap_or_else(|| to_json(&game, "the game's state"));

    let result = play(&mut game, &mut table).map_err(Into::into)?;
    let round_open = table.keeps_round_open();

    let after = to_json(&game, "the game's state");
    if after != before {
        table.store_state(&after)?;
    }
    Ok((result, round_open))
}

/// The game's state from its document.
pub(crate) fn from_stored<G: Game>(json: &str) -> G {
    serde_json::from_str(json)
        .unwrap_or_else(|error| panic!("the stored state is not one of this release ({error}): {json}"))
}

/// JSON text of a value whose type the game chose; a type that has no JSON (a map with keys other than strings) is a bug in it.
pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T, what: &str) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| panic!("{what} has no JSON: {error}"))
}

/// One call of a game, as the host saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The player, stable for the player's life.
    pub player: String,
    /// ISO 4217 or the operator's own code, as in `EUR`.
    pub currency: String,
    /// BCP 47, as in `en-GB`.
    pub locale: String,
    /// The open round, or the one this call would open.
    pub round: String,
    /// How many calls of this round came before: 0 on the call that opens it.
    pub step: u32,
    /// Unix milliseconds, fixed for the whole call.
    pub now_ms: u64,
    /// One of the methods that the descriptor lists.
    pub method: String,
    /// A JSON object that has passed the method's schema, as text.
    pub params: String,
}

/// The answer to a call that did not end in a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What the client receives as `result`, as JSON text.
    pub body: String,
    /// Whether the round goes on after this call.
    pub round_open: bool,
}

/// What a release says about itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Descriptor {
    /// `[a-z][a-z0-9-]*`, the same in every release of the game.
    pub id: &'static str,
    /// The game's name for people.
    pub title: &'static str,
    /// Semantic version of this release, for people.
    pub version: &'static str,
    /// Theoretical return to player in parts per million of the stake.
    pub rtp_ppm: u32,
    /// Largest payout of one round in parts per million of its stake.
    pub max_win_ppm: u64,
    /// In the order of the source.
    pub methods: Vec<Method>,
}

/// One method that clients can call, as `<game id>.<name>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Method {
    /// `[a-z][a-z0-9_]*`.
    pub name: &'static str,
    /// The first paragraph of the method's documentation.
    pub summary: &'static str,
    /// JSON Schema 2020-12 of an object.
    pub params_schema: Value,
    /// JSON Schema 2020-12.
    pub result_schema: Value,
}
