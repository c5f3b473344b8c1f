//! Who answers for a release: Ed25519 signatures over its digest, the files that carry them, and whose key is whose.
//! Pure: reads no files, and never shows a secret in an error.
//!
//! What is signed is the message `croupier release v1`, a zero byte, and the 32 bytes of the release's digest. The words
//! before the digest keep the signature from meaning anything else anywhere. All bytes are written as hexadecimal digits
//! in lower case, so that each key and each signature has one text only:
//!
//! - a public key: `ed25519:<64 digits>`,
//! - a secret key's file: one line, `croupier-secret-key-1:<64 digits>`,
//! - a signature's file: the JSON object
//!   `{"format": "croupier-signature-1", "release": <64 digits>, "public_key": "ed25519:...", "signature": <128 digits>}`.

use std::{collections::BTreeMap, fmt, str::FromStr};

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    identity::{InvalidName, PublisherName, ReleaseDigest},
    limits::SIGNATURE_BYTES_MAX,
};

const MESSAGE_PREFIX: &[u8; 20] = b"croupier release v1\0";
const PUBLIC_KEY_PREFIX: &str = "ed25519:";
const SECRET_KEY_PREFIX: &str = "croupier-secret-key-1:";
const SIGNATURE_FORMAT: &str = "croupier-signature-1";

/// A text that is no key of its kind. The text itself is not repeated: it may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidKey {
    /// Not `ed25519:<64 digits>`.
    #[error("a public key is '{PUBLIC_KEY_PREFIX}' and 64 hexadecimal digits in lower case")]
    NoPublicKey,
    /// The right form, but not a point that anything could be signed for.
    #[error("these are the digits of no usable Ed25519 public key: a digit may be wrong")]
    NoPoint,
    /// A secret key where a public one belongs.
    #[error("this is a secret key: the public key belongs here. Whoever could read it can sign, so make a new pair")]
    Secret,
    /// Not `croupier-secret-key-1:<64 digits>`.
    #[error(
        "a secret key is one line, '{SECRET_KEY_PREFIX}' and 64 hexadecimal digits: 'croupier game keygen' makes one"
    )]
    NoSecretKey,
}

/// The key that proves a signature: `ed25519:<64 digits>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl FromStr for PublicKey {
    type Err = InvalidKey;
    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        if text.starts_with(SECRET_KEY_PREFIX) {
            return Err(InvalidKey::Secret);
        }
        let bytes = digits(text, PUBLIC_KEY_PREFIX).ok_or(InvalidKey::NoPublicKey)?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| InvalidKey::NoPoint)?;
        // For a point of small order, signatures can be made without any secret.
        if key.is_weak() { Err(InvalidKey::NoPoint) } else { Ok(Self(bytes)) }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC_KEY_PREFIX}{}", HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The key that signs. Cleared from memory when it goes.
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// A key nobody else has, if nobody else has the entropy.
    #[must_use]
    pub fn from_entropy(entropy: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(entropy))
    }

    /// What a secret key's file holds.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{SECRET_KEY_PREFIX}{}\n", HEXLOWER.encode(self.0.as_bytes()))
    }

    /// The key that proves what this one signs.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs a release.
    #[must_use]
    pub fn sign(&self, release: &ReleaseDigest) -> Signature {
        Signature { release: *release, public_key: self.public_key(), seal: self.0.sign(&message(release)) }
    }
}

impl FromStr for SecretKey {
    type Err = InvalidKey;
    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let entropy = digits(text.trim(), SECRET_KEY_PREFIX).ok_or(InvalidKey::NoSecretKey)?;
        Ok(Self::from_entropy(&entropy))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public_key())
    }
}

fn digits<const BYTES: usize>(text: &str, prefix: &str) -> Option<[u8; BYTES]> {
    HEXLOWER.decode(text.strip_prefix(prefix)?.as_bytes()).ok()?.try_into().ok()
}

fn message(release: &ReleaseDigest) -> [u8; 52] {
    let mut message = [0; 52];
    message[..20].copy_from_slice(MESSAGE_PREFIX);
    message[20..].copy_from_slice(release.as_bytes());
    message
}

/// One publisher's word for one release, not yet proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    release: ReleaseDigest,
    public_key: PublicKey,
    seal: ed25519_dalek::Signature,
}

/// Why a release cannot be taken for a publisher's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// The text is no signature file.
    #[error("this is no signature: {0}")]
    Malformed(String),
    /// Made by a host with other rules.
    #[error("the signature has the format '{0}', and this version of croupier reads '{SIGNATURE_FORMAT}'")]
    UnknownFormat(String),
    /// A good signature perhaps, but of something else.
    #[error("the signature is for another release, {signed}; this one is {release}")]
    OtherRelease {
        /// What the signature names.
        signed: ReleaseDigest,
        /// What it was shown with.
        release: ReleaseDigest,
    },
    /// Not made with the secret of its key.
    #[error("the signature does not verify: {public_key} has not signed release {release}")]
    DoesNotVerify {
        /// The key that the signature names.
        public_key: PublicKey,
        /// The release.
        release: ReleaseDigest,
    },
    /// A good signature by someone the operator does not know.
    #[error(
        "the signature is by {0}, which is no known publisher's key: to trust it, add \"<publisher>={0}\" to keys in \
         [publishing] of the host's configuration"
    )]
    UnknownKey(PublicKey),
}

/// A signature's file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureFile {
    format: String,
    release: ReleaseDigest,
    public_key: String,
    signature: String,
}

/// The part that files of all formats have.
#[derive(Deserialize)]
struct AnyFormat {
    format: String,
}

impl Signature {
    /// Reads a signature's file.
    ///
    /// # Errors
    /// [`SignatureError::Malformed`] and [`SignatureError::UnknownFormat`].
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        if text.len() > SIGNATURE_BYTES_MAX {
            return Err(SignatureError::Malformed(format!("it has more than {SIGNATURE_BYTES_MAX} bytes")));
        }
        let malformed = |error: serde_json::Error| SignatureError::Malformed(error.to_string());
        let AnyFormat { format } = serde_json::from_str(text).map_err(malformed)?;
        if format != SIGNATURE_FORMAT {
            return Err(SignatureError::UnknownFormat(format.chars().take(80).collect()));
        }
        let file: SignatureFile = serde_json::from_str(text).map_err(malformed)?;
        let public_key = file.public_key.parse();
        let public_key = public_key.map_err(|error| SignatureError::Malformed(format!("public_key: {error}")))?;
        let seal = digits(&file.signature, "").ok_or_else(|| {
            SignatureError::Malformed("signature: it is 128 hexadecimal digits in lower case".to_owned())
        })?;
        Ok(Self { release: file.release, public_key, seal: ed25519_dalek::Signature::from_bytes(&seal) })
    }

    /// What the signature claims to be for.
    #[must_use]
    pub fn release(&self) -> &ReleaseDigest {
        &self.release
    }

    /// Proves that the holder of the key it names has signed this release: that key. Whose it is, and whether
    /// anyone trusts it, is for [`PublisherKeys`] to say.
    ///
    /// # Errors
    /// [`SignatureError::OtherRelease`] and [`SignatureError::DoesNotVerify`].
    pub fn verify(&self, release: &ReleaseDigest) -> Result<PublicKey, SignatureError> {
        let Self { release: signed, public_key, seal } = self;
        if signed != release {
            return Err(SignatureError::OtherRelease { signed: *signed, release: *release });
        }
        // Strictly: what other libraries might read otherwise is no signature here.
        let verified =
            VerifyingKey::from_bytes(&public_key.0).and_then(|key| key.verify_strict(&message(release), seal));
        verified.map_err(|_| SignatureError::DoesNotVerify { public_key: *public_key, release: *release })?;
        Ok(*public_key)
    }
}

/// What a signature's file holds.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = SignatureFile {
            format: SIGNATURE_FORMAT.to_owned(),
            release: self.release,
            public_key: self.public_key.to_string(),
            signature: HEXLOWER.encode(&self.seal.to_bytes()),
        };
        writeln!(f, "{}", serde_json::to_string_pretty(&file).map_err(|_| fmt::Error)?)
    }
}

/// Whose key is whose. A publisher may have several, so that one can follow another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublisherKeys(BTreeMap<PublicKey, PublisherName>);

/// An entry of the configuration's keys that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidPublisher {
    /// No `=` in it.
    #[error("entry {0} is not of the form \"<publisher>=<public key>\", as in \"acme={PUBLIC_KEY_PREFIX}...\"")]
    NoPair(usize),
    /// The part before the `=`.
    #[error("entry {0}: {1}")]
    Name(usize, InvalidName),
    /// The part after it.
    #[error("the key of '{0}': {1}")]
    Key(PublisherName, InvalidKey),
    /// One key in two entries, so that it could not be told who has signed.
    #[error("{0} is there twice, for '{1}' and for '{2}'")]
    Twice(PublicKey, PublisherName, PublisherName),
}

impl PublisherKeys {
    /// Reads entries of the form `<publisher>=<public key>`.
    ///
    /// # Errors
    /// [`InvalidPublisher`], for the first that cannot be used.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidPublisher> {
        let mut keys = BTreeMap::new();
        for (index, entry) in entries.into_iter().enumerate() {
            let number = index + 1;
            let (name, key) = entry.split_once('=').ok_or(InvalidPublisher::NoPair(number))?;
            let name: PublisherName = name.trim().parse().map_err(|error| InvalidPublisher::Name(number, error))?;
            let key: PublicKey = match key.trim().parse() {
                Ok(key) => key,
                Err(error) => return Err(InvalidPublisher::Key(name, error)),
            };
            if let Some(first) = keys.insert(key, name.clone()) {
                return Err(InvalidPublisher::Twice(key, first, name));
            }
        }
        Ok(Self(keys))
    }

    /// Whose key this is.
    #[must_use]
    pub fn publisher_of(&self, key: &PublicKey) -> Option<&PublisherName> {
        self.0.get(key)
    }

    /// The publisher who has signed a release.
    ///
    /// # Errors
    /// What [`Signature::verify`] says, and [`SignatureError::UnknownKey`] for a key that is nobody's.
    pub fn signer(&self, signature: &Signature, release: &ReleaseDigest) -> Result<&PublisherName, SignatureError> {
        let key = signature.verify(release)?;
        self.publisher_of(&key).ok_or(SignatureError::UnknownKey(key))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn secret(number: u8) -> SecretKey {
        SecretKey::from_entropy(&[number; 32])
    }

    fn release(text: &str) -> ReleaseDigest {
        ReleaseDigest::of(text.as_bytes())
    }

    /// A signature's file with one member set.
    fn file_with(member: &str, value: impl Into<Value>) -> String {
        let mut file: Value = serde_json::from_str(&secret(1).sign(&release("one")).to_string()).unwrap();
        file[member] = value.into();
        file.to_string()
    }

    #[test]
    fn the_signer_of_a_release_is_found_among_the_publishers() {
        let (old, new) = (secret(1).public_key(), secret(2).public_key());
        let entries = [format!("acme={old}"), format!(" acme = {new} "), format!("other={}", secret(3).public_key())];
        let keys = PublisherKeys::parse(entries.iter().map(String::as_str)).unwrap();
        for (number, publisher) in [(1, "acme"), (2, "acme"), (3, "other")] {
            let signature = Signature::parse(&secret(number).sign(&release("one")).to_string()).unwrap();
            assert_eq!(keys.signer(&signature, &release("one")).unwrap().as_str(), publisher);
        }
        let stranger = secret(4);
        let error = keys.signer(&stranger.sign(&release("one")), &release("one")).unwrap_err();
        assert_eq!(error, SignatureError::UnknownKey(stranger.public_key()));
        let line = format!("\"<publisher>={}\" to keys in [publishing]", stranger.public_key());
        assert!(error.to_string().contains(&line), "{error}");
    }

    #[test]
    fn a_signature_of_another_release_names_it() {
        let error = secret(1).sign(&release("one")).verify(&release("two")).unwrap_err().to_string();
        for digest in [release("one"), release("two")] {
            assert!(error.contains(&digest.to_string()), "{error}");
        }
        let claimed = Signature::parse(&file_with("release", release("two").to_string())).unwrap();
        assert!(matches!(claimed.verify(&release("two")), Err(SignatureError::DoesNotVerify { .. })));
    }

    #[test]
    fn what_is_signed_is_no_bare_digest() {
        let mut signature = secret(1).sign(&release("one"));
        signature.seal = secret(1).0.sign(release("one").as_bytes());
        assert!(matches!(signature.verify(&release("one")), Err(SignatureError::DoesNotVerify { .. })));
    }

    #[test]
    fn the_formats_stay_as_they_are() {
        let key = secret(7);
        assert_eq!(key.to_text(), format!("croupier-secret-key-1:{}\n", "07".repeat(32)));
        assert_eq!(
            key.public_key().to_string(),
            "ed25519:ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c"
        );
        let file: Value = serde_json::from_str(&key.sign(&release("one")).to_string()).unwrap();
        let expected = json!({
            "format": "croupier-signature-1",
            "release": "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed",
            "public_key": "ed25519:ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c",
            "signature": SIGNED_BY_SEVEN,
        });
        assert_eq!(file, expected);
    }

    /// As OpenSSL makes it of the same secret and message.
    const SIGNED_BY_SEVEN: &str = "f1fc78cf69c3f9dc9dffa01d78195e194c646dd2611e9ad04b57ab99ae2992d5\
                                   7da7d9a157e4ea1c1e99d04dc4328429aa4c4cca16a0beda7232baf69d98c10a";

    #[test]
    fn malformed_signatures_are_refused_with_what_is_wrong() {
        for (text, word) in [
            ("", "no signature"),
            ("[]", "no signature"),
            ("{}", "format"),
            (&file_with("format", "croupier-signature-2"), "croupier-signature-2"),
            (&file_with("release", "abc"), "digest"),
            (&file_with("public_key", "abc"), "public_key"),
            (&file_with("public_key", secret(1).to_text().trim()), "this is a secret key"),
            (&file_with("signature", "abc"), "128"),
            (&file_with("more", 1), "more"),
            (&" ".repeat(SIGNATURE_BYTES_MAX + 1), "more than"),
        ] {
            let error = Signature::parse(text).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
            assert!(!error.contains(&"01".repeat(32)), "a secret is shown: {error}");
        }
    }

    #[test]
    fn malformed_keys_are_refused_and_not_repeated() {
        let weak = format!("ed25519:01{}", "00".repeat(31));
        for (text, expected) in [
            ("", InvalidKey::NoPublicKey),
            ("ed25519:", InvalidKey::NoPublicKey),
            (&secret(1).public_key().to_string().to_uppercase(), InvalidKey::NoPublicKey),
            (&weak, InvalidKey::NoPoint),
            (&format!("ed25519:02{}", "00".repeat(31)), InvalidKey::NoPoint),
            (&secret(1).to_text(), InvalidKey::Secret),
        ] {
            assert_eq!(text.parse::<PublicKey>(), Err(expected), "{text}");
        }
        for text in ["", "croupier-secret-key-1:", &secret(1).public_key().to_string()] {
            assert_eq!(text.parse::<SecretKey>().unwrap_err(), InvalidKey::NoSecretKey, "{text}");
        }
        assert!(!format!("{:?}", secret(1)).contains(&"01".repeat(32)));
    }

    #[test]
    fn entries_of_publishers_are_refused_by_their_place_or_name() {
        let key = secret(1).public_key();
        for (entries, word) in [
            (vec![format!("acme={key}"), "acme".to_owned()], "entry 2"),
            (vec![format!("Acme={key}")], "entry 1: 'Acme' is no publisher"),
            (vec!["acme=ed25519:12".to_owned()], "the key of 'acme'"),
            (vec![format!("acme={}", secret(1).to_text())], "secret key"),
            (vec![format!("acme={key}"), format!("other={key}")], "for 'acme' and for 'other'"),
        ] {
            let error = PublisherKeys::parse(entries.iter().map(String::as_str)).unwrap_err().to_string();
            assert!(error.contains(word), "{entries:?}: {error}");
        }
    }

    fn flipped<const BYTES: usize>(mut bytes: [u8; BYTES], bit: usize) -> [u8; BYTES] {
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    }

    proptest! {
        #[test]
        fn keys_and_signatures_survive_their_text(entropy: [u8; 32], component: Vec<u8>) {
            let (key, release) = (SecretKey::from_entropy(&entropy), ReleaseDigest::of(&component));
            prop_assert_eq!(key.public_key().to_string().parse(), Ok(key.public_key()));
            let read: SecretKey = key.to_text().parse().unwrap();
            prop_assert_eq!(read.0.as_bytes(), &entropy);
            let signature = key.sign(&release);
            prop_assert_eq!(Signature::parse(&signature.to_string()), Ok(signature.clone()));
            prop_assert_eq!(signature.verify(&release), Ok(key.public_key()));
        }

        #[test]
        fn no_flipped_bit_goes_unseen(entropy: [u8; 32], seal_bit in 0..512_usize, bit in 0..256_usize) {
            let (key, release) = (SecretKey::from_entropy(&entropy), release("one"));
            let signature = key.sign(&release);
            let text = signature.to_string();
            let seal = flipped(signature.seal.to_bytes(), seal_bit);
            let public_key = flipped(signature.public_key.0, bit);
            let digest = flipped(*release.as_bytes(), bit);
            for (right, wrong) in [
                (HEXLOWER.encode(&signature.seal.to_bytes()), HEXLOWER.encode(&seal)),
                (signature.public_key.to_string(), format!("ed25519:{}", HEXLOWER.encode(&public_key))),
                (release.to_string(), HEXLOWER.encode(&digest)),
            ] {
                let forged = Signature::parse(&text.replace(&right, &wrong));
                prop_assert!(forged.and_then(|forged| forged.verify(&release)).is_err(), "{} -> {}", right, wrong);
            }
            let other: ReleaseDigest = HEXLOWER.encode(&digest).parse().unwrap();
            prop_assert!(signature.verify(&other).is_err());
            let claimed = Signature { release: other, ..signature };
            prop_assert!(claimed.verify(&other).is_err());
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _read = (Signature::parse(&text), text.parse::<PublicKey>(), text.parse::<SecretKey>());
            let _read = PublisherKeys::parse([text.as_str()]);
        }

        #[test]
        fn any_change_of_a_file_is_read_or_refused(at: prop::sample::Index, change in any::<char>()) {
            let mut text: Vec<_> = secret(1).sign(&release("one")).to_string().chars().collect();
            let at = at.index(text.len());
            text[at] = change;
            let _read = Signature::parse(&String::from_iter(text));
        }
    }
}
