//! Authentication: PLAIN, and SCRAM (RFC 5802) with SHA-1, SHA-256 and SHA-512.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use pbkdf2::pbkdf2_hmac;
use rand::random;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

/// What SASL_LIST_MECHS answers.
pub(crate) const MECHANISMS: &str = "SCRAM-SHA512 SCRAM-SHA256 SCRAM-SHA1 PLAIN";

/// As few as RFC 7677 allows: nothing here is secret.
const ITERATIONS: u32 = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

impl Hash {
    pub(crate) fn of_mechanism(name: &[u8]) -> Option<Self> {
        match name {
            b"SCRAM-SHA1" => Some(Self::Sha1),
            b"SCRAM-SHA256" => Some(Self::Sha256),
            b"SCRAM-SHA512" => Some(Self::Sha512),
            _ => None,
        }
    }

    fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(bytes).to_vec(),
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }

    fn hmac(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        macro_rules! hmac {
            ($hash:ty) => {{
                let mut mac = Hmac::<$hash>::new_from_slice(key).expect("HMAC takes keys of any length");
                mac.update(message);
                mac.finalize().into_bytes().to_vec()
            }};
        }
        match self {
            Self::Sha1 => hmac!(Sha1),
            Self::Sha256 => hmac!(Sha256),
            Self::Sha512 => hmac!(Sha512),
        }
    }

    fn salted(self, password: &str, salt: &[u8]) -> Vec<u8> {
        let mut salted = vec![0; self.digest(&[]).len()];
        match self {
            Self::Sha1 => pbkdf2_hmac::<Sha1>(password.as_bytes(), salt, ITERATIONS, &mut salted),
            Self::Sha256 => pbkdf2_hmac::<Sha256>(password.as_bytes(), salt, ITERATIONS, &mut salted),
            Self::Sha512 => pbkdf2_hmac::<Sha512>(password.as_bytes(), salt, ITERATIONS, &mut salted),
        }
        salted
    }
}

/// The salted passwords of those who came before, which are dear to make.
#[derive(Debug)]
pub(crate) struct Salted {
    salt: [u8; 16],
    known: Mutex<HashMap<(Hash, String), Vec<u8>>>,
}

impl Default for Salted {
    fn default() -> Self {
        Self { salt: random(), known: Mutex::default() }
    }
}

impl Salted {
    fn password(&self, hash: Hash, password: &str) -> Vec<u8> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry((hash, password.to_owned())).or_insert_with(|| hash.salted(password, &self.salt)).clone()
    }
}

/// The user's name and the password that a PLAIN message claims.
pub(crate) fn plain(message: &[u8]) -> Option<(&str, &str)> {
    let mut parts = str::from_utf8(message).ok()?.split('\0').skip(1);
    Some((parts.next()?, parts.next()?))
}

/// A SCRAM exchange after the server's first message.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    hash: Hash,
    pub(crate) user: String,
    nonce: String,
    /// What both sides sign, as far as it has been said.
    said: String,
    pub(crate) challenge: String,
}

impl Exchange {
    /// Reads a client's first message. None if that is no such message.
    pub(crate) fn begin(hash: Hash, salted: &Salted, client_first: &[u8]) -> Option<Self> {
        let bare = str::from_utf8(client_first).ok()?.strip_prefix("n,,")?;
        let (user, client_nonce) = bare.strip_prefix("n=")?.split_once(",r=")?;
        let nonce = format!("{client_nonce}{}", BASE64.encode(&random::<[u8; 18]>()));
        let challenge = format!("r={nonce},s={},i={ITERATIONS}", BASE64.encode(&salted.salt));
        let user = user.replace("=2C", ",").replace("=3D", "=");
        Some(Self { hash, user, said: format!("{bare},{challenge}"), nonce, challenge })
    }

    /// Reads a client's last message, and gives the node's, if it proves that the client knows the password.
    pub(crate) fn finish(&self, salted: &Salted, password: &str, client_final: &[u8]) -> Option<String> {
        let (unsigned, proof) = str::from_utf8(client_final).ok()?.split_once(",p=")?;
        if unsigned != format!("c=biws,r={}", self.nonce) {
            return None;
        }
        let said = format!("{},{unsigned}", self.said);
        let Self { hash, .. } = *self;
        let password = salted.password(hash, password);
        let stored_key = hash.digest(&hash.hmac(&password, b"Client Key"));
        let signature = hash.hmac(&stored_key, said.as_bytes());
        let proof = BASE64.decode(proof.as_bytes()).ok()?;
        let client_key: Vec<_> = proof.iter().zip(&signature).map(|(proof, signature)| proof ^ signature).collect();
        let is_proven = proof.len() == signature.len() && hash.digest(&client_key) == stored_key;
        let server_key = hash.hmac(&password, b"Server Key");
        is_proven.then(|| format!("v={}", BASE64.encode(&hash.hmac(&server_key, said.as_bytes()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677, section 3.
    #[test]
    fn the_rfc_s_example_is_proven() {
        let salt = BASE64.decode(b"W22ZaJ0SNY7soEsUEjb6gQ==").unwrap().try_into().unwrap();
        let salted = Salted { salt, known: Mutex::default() };
        let mut exchange = Exchange::begin(Hash::Sha256, &salted, b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
        assert_eq!(exchange.user, "user");
        exchange.nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".to_owned();
        exchange.said =
            format!("n=user,r=rOprNGfwEbeRWgbNEkqO,r={},s=W22ZaJ0SNY7soEsUEjb6gQ==,i={ITERATIONS}", exchange.nonce);
        let message = |proof| format!("c=biws,r={},p={proof}", exchange.nonce);
        let right = message("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        let last = exchange.finish(&salted, "pencil", right.as_bytes());
        assert_eq!(last.unwrap(), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        assert_eq!(exchange.finish(&salted, "crayon", right.as_bytes()), None);
        assert_eq!(exchange.finish(&salted, "pencil", message("AAAA").as_bytes()), None);
    }

    #[test]
    fn plain_messages_are_read() {
        assert_eq!(plain(b"\0user\0pencil"), Some(("user", "pencil")));
        assert_eq!(plain(b"user"), None);
    }
}
