//! What a SCRAM-SHA-256 password is checked against, in PostgreSQL's text form
//! `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`.
//!
//! Pure but for the salt. The password cannot be read from it, only guessed.
//! Sources: RFC 5802 section 3; `src/common/scram-common.c` for the form and for passwords that SASLprep refuses.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};

/// Length of keys and hashes in bytes.
pub(crate) const KEY_LEN: usize = digest::SHA256_OUTPUT_LEN;
/// Length of a new verifier's salt in bytes.
pub(crate) const SALT_LEN: usize = 16;
/// Iterations of a new verifier, PostgreSQL's default.
pub(crate) const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).expect("not zero");
/// Longest password that is hashed, in bytes.
pub const PASSWORD_BYTES_MAX: usize = 1_024;

const PREFIX: &str = "SCRAM-SHA-256$";

/// The password cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    #[error("the password is empty")]
    Empty,
    #[error("the password is longer than {PASSWORD_BYTES_MAX} bytes")]
    Long,
    #[error("the password has a zero byte")]
    Zero,
    #[error("the system has no random bytes to give")]
    NoRandomness,
}

/// A parsed verifier.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Verifier {
    pub iterations: NonZeroU32,
    pub salt: Vec<u8>,
    pub stored_key: [u8; KEY_LEN],
    pub server_key: [u8; KEY_LEN],
}

impl fmt::Debug for Verifier {
    /// Keys are never shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// The text is no verifier of SCRAM-SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoVerifier;

/// What is kept for a password. A text that is a verifier already stays as it is, as PostgreSQL does, so that users can be
/// brought over from there.
///
/// # Errors
/// [`PasswordError`]
pub fn verifier_of(password: &str) -> Result<String, PasswordError> {
    if password.is_empty() {
        return Err(PasswordError::Empty);
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(PasswordError::Long);
    }
    if password.contains('\0') {
        // No client could send it.
        return Err(PasswordError::Zero);
    }
    if is_verifier(password) {
        return Ok(password.to_owned());
    }
    let mut salt = vec![0; SALT_LEN];
    getrandom::fill(&mut salt).map_err(|_| PasswordError::NoRandomness)?;
    Ok(Verifier::new(password, salt, ITERATIONS).to_string())
}

/// Whether a text is a verifier that a password can be checked against.
pub fn is_verifier(text: &str) -> bool {
    text.parse::<Verifier>().is_ok()
}

impl Verifier {
    /// Hashes a password: takes some milliseconds.
    pub(crate) fn new(password: &str, salt: Vec<u8>, iterations: NonZeroU32) -> Self {
        let password = prepared(password);
        let mut salted = [0; KEY_LEN];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, password.as_bytes(), &mut salted);
        let client_key = hmac(&salted, b"Client Key");
        Self { iterations, salt, stored_key: hash(&client_key), server_key: hmac(&salted, b"Server Key") }
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [salt, stored, server] =
            [&self.salt[..], &self.stored_key, &self.server_key].map(|bytes| STANDARD.encode(bytes));
        write!(f, "{PREFIX}{}:{salt}${stored}:{server}", self.iterations)
    }
}

impl FromStr for Verifier {
    type Err = NoVerifier;

    fn from_str(text: &str) -> Result<Self, NoVerifier> {
        let (head, keys) = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('$')).ok_or(NoVerifier)?;
        let (iterations, salt) = head.split_once(':').ok_or(NoVerifier)?;
        let (stored, server) = keys.split_once(':').ok_or(NoVerifier)?;
        let decode = |text| STANDARD.decode(text).map_err(|_| NoVerifier);
        let key = |text| decode(text).and_then(|bytes| bytes.try_into().map_err(|_| NoVerifier));
        let salt = decode(salt)?;
        if salt.is_empty() {
            return Err(NoVerifier);
        }
        let iterations = iterations.parse().map_err(|_| NoVerifier)?;
        Ok(Self { iterations, salt, stored_key: key(stored)?, server_key: key(server)? })
    }
}

/// SASLprep; a password that it refuses is taken as it is, on both sides.
fn prepared(password: &str) -> Cow<'_, str> {
    stringprep::saslprep(password).unwrap_or(Cow::Borrowed(password))
}

pub(crate) fn hmac(key: &[u8], data: &[u8]) -> [u8; KEY_LEN] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data);
    sized(tag.as_ref())
}

pub(crate) fn hash(data: &[u8]) -> [u8; KEY_LEN] {
    sized(digest::digest(&digest::SHA256, data).as_ref())
}

/// The library gives its outputs as slices, of the algorithm's length.
fn sized(bytes: &[u8]) -> [u8; KEY_LEN] {
    let mut out = [0; KEY_LEN];
    out.copy_from_slice(bytes);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PostgreSQL 15's own, for the password `pencil` and the salt of RFC 7677.
    const PENCIL: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

    #[test]
    fn the_text_is_postgresqls() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("base64");
        assert_eq!(Verifier::new("pencil", salt, ITERATIONS).to_string(), PENCIL);
        assert_eq!(PENCIL.parse::<Verifier>().expect("a verifier").to_string(), PENCIL);
    }

    #[test]
    fn passwords_that_look_alike_are_one_and_those_that_saslprep_refuses_are_taken_as_they_are() {
        let keys = |password| Verifier::new(password, vec![1], ITERATIONS).stored_key;
        assert_eq!(keys("I\u{ad}X"), keys("IX"), "a soft hyphen is not seen");
        assert_eq!(keys("\u{2168}"), keys("IX"), "RFC 4013, section 3");
        assert_ne!(keys("user"), keys("USER"));
        assert_ne!(keys("\u{7}"), keys(""));
    }

    #[test]
    fn a_verifier_is_kept_as_it_is_and_each_password_gets_its_own_salt() {
        assert_eq!(verifier_of(PENCIL).as_deref(), Ok(PENCIL));
        let [one, other] = ["x", "x"].map(|password| verifier_of(password).expect("a password"));
        assert_ne!(one, other);
        assert!(one.parse::<Verifier>().is_ok());
    }

    #[test]
    fn passwords_that_cannot_be_are_refused() {
        assert_eq!(verifier_of(""), Err(PasswordError::Empty));
        assert_eq!(verifier_of("a\0b"), Err(PasswordError::Zero));
        assert_eq!(verifier_of(&"x".repeat(1_025)), Err(PasswordError::Long));
    }

    #[test]
    fn broken_texts_are_no_verifiers() {
        let broken = [
            "",
            "md5d41d8cd98f00b204e9800998ecf8427e",
            "SCRAM-SHA-256$",
            "SCRAM-SHA-256$4096:W22Z$AA==:AA==",
            &PENCIL.replace("4096", "0"),
            &PENCIL.replace("4096", "-1"),
            &PENCIL.replace("4096", "99999999999"),
            &PENCIL.replace("W22ZaJ0SNY7soEsUEjb6gQ==", ""),
            &PENCIL.replace("wfPL", "w*PL"),
            &format!("{PENCIL}:x"),
        ];
        for text in broken {
            assert_eq!(text.parse::<Verifier>(), Err(NoVerifier), "{text}");
        }
        assert!(!format!("{:?}", PENCIL.parse::<Verifier>()).contains("WG5d"));
    }
}
