//! Who may connect, as whom, and what they may do then.
//!
//! Pure: `net` reads sockets and files, storage keeps the users. The order of checks is `net::startup`'s.

pub(crate) mod address;
pub(crate) mod certificate;
pub(crate) mod rights;
pub(crate) mod scram;
pub(crate) mod verifier;

pub use address::{AddressRange, AddressRangeError};
pub use verifier::{PASSWORD_BYTES_MAX, PasswordError, is_verifier, verifier_of};
