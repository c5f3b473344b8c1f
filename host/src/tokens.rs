//! Session tokens: what a player's client shows to be let in. A token only says which session it is, and that we said
//! so; whether the session is still open is in the player's aggregate, where it expires and can be closed.
//!
//! `cs1.<player>.<session>.<HMAC-SHA256 of all before, base64url>`

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::identity::{PlayerId, SessionId};

const PREFIX: &str = "cs1";

/// Signs and reads tokens.
pub struct Tokens {
    key: [u8; 32],
}

impl Tokens {
    /// Tokens under this key. Another key makes all tokens invalid.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The token of a session.
    #[must_use]
    pub fn sign(&self, player: &PlayerId, session: &SessionId) -> String {
        let claim = format!("{PREFIX}.{player}.{session}");
        let seal = BASE64URL_NOPAD.encode(&self.mac(&claim).finalize().into_bytes());
        format!("{claim}.{seal}")
    }

    /// Whose session a token is of; `None` where we did not sign it.
    #[must_use]
    pub fn read(&self, token: &str) -> Option<(PlayerId, SessionId)> {
        let (claim, seal) = token.rsplit_once('.')?;
        let seal = BASE64URL_NOPAD.decode(seal.as_bytes()).ok()?;
        self.mac(claim).verify_slice(&seal).ok()?;
        // A player's id may have dots; the other parts have none.
        let (player, session) = claim.strip_prefix(PREFIX)?.strip_prefix('.')?.rsplit_once('.')?;
        Some((player.parse().ok()?, session.parse().ok()?))
    }

    fn mac(&self, claim: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(claim.as_bytes());
        mac
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_untouched_tokens_are_read() {
        let tokens = Tokens::new([7; 32]);
        let (player, session) = ("a.b-c".parse().unwrap(), SessionId::from_entropy([3; 16]));
        let token = tokens.sign(&player, &session);
        assert_eq!(tokens.read(&token), Some((player.clone(), session.clone())));
        assert_eq!(Tokens::new([8; 32]).read(&token), None);
        for position in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[position] ^= 1;
            assert_eq!(tokens.read(&String::from_utf8_lossy(&forged)), None, "byte {position}");
        }
        for text in ["", "cs1", "cs1...", &token[..token.len() - 1], &token.replacen("cs1", "cs2", 1)] {
            assert_eq!(tokens.read(text), None, "{text}");
        }
    }
}
