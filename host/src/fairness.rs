//! Provably fair play: what a player needs to prove afterwards that the host did not choose a result.
//!
//! Before a round the host commits itself to a *server seed* by its SHA-256, and the player chooses a *client seed*. Every call
//! of a fair game has a *nonce*, which counts the calls that are recorded under this pair of seeds, and the seed of its step is
//!
//! `HMAC-SHA256(server seed, "<client seed>:<nonce>")`, the nonce in decimal.
//!
//! From there on a fair step is like any other: its draws come from a ChaCha20 generator of that seed (see [`crate::chance`]).
//! When the player rotates to another pair, the server seed of the old one is revealed, and everything can be computed again.
//! The host cannot change its seed, because the commitment was known before; it cannot foretell what the player's seed
//! makes of it; it cannot leave out a nonce, because records are chained and nonces have no gaps.
//!
//! Server seeds are not kept anywhere: they are `HMAC-SHA256(the host's key, "croupier server seed\n<aggregate>\n<pair>")`, so
//! that whoever reads a store learns none that is in use.

use std::{collections::BTreeSet, fmt, str::FromStr};

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use thiserror::Error;

use crate::{
    chance::Seed,
    identity::{AggregateId, Digest, GameId},
    limits::CLIENT_SEED_BYTES_MAX,
};

/// The games of a house that are provably fair.
#[derive(Clone, Debug)]
pub struct FairGames {
    /// Which.
    pub games: BTreeSet<GameId>,
    /// What their server seeds come from.
    pub key: FairnessKey,
}

impl FairGames {
    /// A house without fair games.
    #[must_use]
    pub fn none() -> Self {
        Self { games: BTreeSet::new(), key: FairnessKey::new([0; 32]) }
    }
}

/// What all server seeds of a house come from: the same on all hosts of one store, and for ever.
#[derive(Clone)]
pub struct FairnessKey([u8; 32]);

/// The host's part of a pair of seeds: a secret until the pair is rotated.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerSeed([u8; 32]);

/// The player's part of a pair of seeds: printable ASCII.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientSeed(String);

/// The pair of seeds that an aggregate plays with, as far as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// Its number: 0 is the one that everybody begins with.
    pub number: u64,
    /// The player's part; empty until the player has chosen one.
    pub client_seed: ClientSeed,
    /// The next call's: how many are recorded under this pair.
    pub nonce: u64,
}

/// What a fair call was played with, as its record keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FairCall {
    /// The number of the pair of seeds.
    pub pair: u64,
    /// SHA-256 of the server seed.
    pub commitment: Digest,
    /// The player's seed.
    pub client_seed: ClientSeed,
    /// Which call of the pair it was: 0 for the first.
    pub nonce: u64,
}

/// A pair of seeds that is played with no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Revealed {
    /// Its number.
    pub pair: u64,
    /// SHA-256 of the server seed, as it was known before.
    pub commitment: Digest,
    /// The server seed, 64 hexadecimal digits.
    pub server_seed: ServerSeed,
    /// The player's seed.
    pub client_seed: ClientSeed,
    /// How many calls were recorded under it: their nonces are all below.
    pub nonces: u64,
}

impl FairnessKey {
    /// From 32 secret bytes.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The host's part of one of an aggregate's pairs.
    #[must_use]
    pub fn server_seed(&self, aggregate: &AggregateId, pair: u64) -> ServerSeed {
        ServerSeed(mac(&self.0, &format!("croupier server seed\n{aggregate}\n{pair}")))
    }
}

impl ServerSeed {
    /// What the host says of it before it is played with.
    #[must_use]
    pub fn commitment(&self) -> Digest {
        Digest::of(&self.0)
    }

    /// What the draws of a call come from.
    #[must_use]
    pub fn step_seed(&self, client_seed: &ClientSeed, nonce: u64) -> Seed {
        Seed::from_bytes(mac(&self.0, &format!("{client_seed}:{nonce}")))
    }
}

impl Pair {
    /// Whether it is the one that everybody begins with, and nothing was played with it.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        *self == Self::default()
    }

    /// What the next call of a fair game is played with, and its seed.
    #[must_use]
    pub fn next_call(&self, key: &FairnessKey, aggregate: &AggregateId) -> (FairCall, Seed) {
        let server_seed = key.server_seed(aggregate, self.number);
        let Self { number, client_seed, nonce } = self.clone();
        let seed = server_seed.step_seed(&client_seed, nonce);
        (FairCall { pair: number, commitment: server_seed.commitment(), client_seed, nonce }, seed)
    }

    /// A call was recorded under it.
    pub fn advance(&mut self) {
        self.nonce += 1;
    }

    /// The pair after it, with this seed of the player's.
    #[must_use]
    pub fn after(&self, client_seed: ClientSeed) -> Self {
        Self { number: self.number + 1, client_seed, nonce: 0 }
    }

    /// What can be told of it once the next one is played with.
    #[must_use]
    pub fn revealed(&self, key: &FairnessKey, aggregate: &AggregateId) -> Revealed {
        let server_seed = key.server_seed(aggregate, self.number);
        let Self { number, client_seed, nonce } = self.clone();
        Revealed { pair: number, commitment: server_seed.commitment(), server_seed, client_seed, nonces: nonce }
    }
}

impl FairCall {
    /// Proves that a call's seed is the one that follows from a revealed server seed.
    ///
    /// # Errors
    /// [`Unfair`]: what does not fit.
    pub fn prove(&self, server_seed: &ServerSeed, seed: Seed) -> Result<(), Unfair> {
        if server_seed.commitment() != self.commitment {
            return Err(Unfair::OtherCommitment { committed: self.commitment, revealed: server_seed.commitment() });
        }
        if server_seed.step_seed(&self.client_seed, self.nonce) == seed { Ok(()) } else { Err(Unfair::OtherSeed) }
    }
}

/// A call was not played with what was committed to.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unfair {
    /// The server seed is not the one that was committed to.
    #[error("it was played under the commitment {committed}, and this server seed's is {revealed}")]
    OtherCommitment {
        /// What was said before.
        committed: Digest,
        /// What follows from the seed.
        revealed: Digest,
    },
    /// The draws came from something else.
    #[error("its draws do not come from this server seed, its client seed and its nonce")]
    OtherSeed,
}

/// HMAC-SHA256 (RFC 2104).
fn mac(key: &[u8; 32], text: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

impl fmt::Debug for FairnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FairnessKey(..)")
    }
}

impl fmt::Debug for ServerSeed {
    /// Says nothing: it may be one that is in use.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerSeed(..)")
    }
}

/// The text is no server seed.
#[derive(Debug, Error)]
#[error("a server seed is 64 hexadecimal digits in lower case")]
pub struct InvalidServerSeed;

impl FromStr for ServerSeed {
    type Err = InvalidServerSeed;
    fn from_str(text: &str) -> Result<Self, InvalidServerSeed> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(InvalidServerSeed)
    }
}

impl TryFrom<String> for ServerSeed {
    type Error = InvalidServerSeed;
    fn try_from(text: String) -> Result<Self, InvalidServerSeed> {
        text.parse()
    }
}

impl From<ServerSeed> for String {
    fn from(seed: ServerSeed) -> Self {
        HEXLOWER.encode(&seed.0)
    }
}

/// The text is no client seed.
#[derive(Debug, Error)]
#[error("a client seed has at most {CLIENT_SEED_BYTES_MAX} characters, all of them printable ASCII")]
pub struct InvalidClientSeed;

impl TryFrom<String> for ClientSeed {
    type Error = InvalidClientSeed;
    fn try_from(text: String) -> Result<Self, InvalidClientSeed> {
        let is_printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if text.len() <= CLIENT_SEED_BYTES_MAX && is_printable { Ok(Self(text)) } else { Err(InvalidClientSeed) }
    }
}

impl From<ClientSeed> for String {
    fn from(seed: ClientSeed) -> Self {
        seed.0
    }
}

impl fmt::Display for ClientSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for ServerSeed {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ServerSeed".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })
    }
}

impl JsonSchema for ClientSeed {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ClientSeed".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[ -~]*$", "maxLength": CLIENT_SEED_BYTES_MAX })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: FairnessKey = FairnessKey::new([7; 32]);

    fn alice() -> AggregateId {
        "player/alice".parse().unwrap()
    }

    fn client_seed(text: &str) -> ClientSeed {
        text.to_owned().try_into().unwrap()
    }

    /// As any other tool computes them: `openssl dgst -sha256 -mac HMAC`.
    #[test]
    fn seeds_are_those_of_the_formula() {
        let server_seed: ServerSeed = "0b".repeat(32).parse().unwrap();
        assert_eq!(
            server_seed.commitment().to_string(),
            "f0e38b830ebd8a506615ecd154330ec07ff6bf5030447b44e297db1d4b7514ac"
        );
        assert_eq!(
            serde_json::to_value(server_seed.step_seed(&client_seed("lucky"), 3)).unwrap(),
            "c652bfec81820090c5a4ca824e99eb524ca52e5fd9c8f284f7511e2dbfbce62f"
        );
    }

    #[test]
    fn a_pair_is_revealed_when_the_next_one_is_played_with() {
        let mut pair = Pair::default();
        let (first, seed) = pair.next_call(&KEY, &alice());
        assert_eq!((first.pair, first.nonce), (0, 0));
        pair.advance();
        let (second, other) = pair.next_call(&KEY, &alice());
        assert_eq!((second.nonce, second.commitment), (1, first.commitment));
        assert_ne!(seed, other);
        pair.advance();

        let revealed = pair.revealed(&KEY, &alice());
        let pair = pair.after(client_seed("mine"));
        assert_eq!((revealed.pair, revealed.nonces, revealed.commitment), (0, 2, first.commitment));
        assert_eq!(first.prove(&revealed.server_seed, seed), Ok(()));
        assert_eq!(second.prove(&revealed.server_seed, other), Ok(()));
        assert_eq!(second.prove(&revealed.server_seed, seed), Err(Unfair::OtherSeed));

        let (third, seed) = pair.next_call(&KEY, &alice());
        assert_eq!((third.pair, third.nonce, &third.client_seed), (1, 0, &client_seed("mine")));
        assert_ne!(third.commitment, first.commitment);
        assert!(matches!(third.prove(&revealed.server_seed, seed), Err(Unfair::OtherCommitment { .. })));
    }

    #[test]
    fn players_and_houses_have_server_seeds_of_their_own() {
        let bob: AggregateId = "player/bob".parse().unwrap();
        let seeds = [
            KEY.server_seed(&alice(), 0),
            KEY.server_seed(&alice(), 1),
            KEY.server_seed(&bob, 0),
            FairnessKey::new([8; 32]).server_seed(&alice(), 0),
        ];
        for (place, seed) in seeds.iter().enumerate() {
            assert!(!seeds[..place].contains(seed));
        }
    }

    #[test]
    fn client_seeds_are_short_and_printable() {
        for good in ["", "a", "two words: and more", &"x".repeat(CLIENT_SEED_BYTES_MAX)] {
            assert!(ClientSeed::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["ä", "a\nb", "\u{7f}", &"x".repeat(CLIENT_SEED_BYTES_MAX + 1)] {
            assert!(ClientSeed::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    proptest! {
        /// Whatever the player chooses: no two calls of a pair share a seed, and a client seed cannot pass for another's nonce.
        #[test]
        fn no_two_calls_share_a_seed(a in "[ -~]{0,12}", b in "[ -~]{0,12}", m in 0..20u64, n in 0..20u64) {
            let server_seed = KEY.server_seed(&alice(), 0);
            let same = server_seed.step_seed(&client_seed(&a), m) == server_seed.step_seed(&client_seed(&b), n);
            prop_assert_eq!(same, a == b && m == n);
        }
    }
}
