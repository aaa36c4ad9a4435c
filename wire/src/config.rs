//! How the wire front end is set up: listeners, and the limits of sessions. Typed; reading files is the server's business.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

pub use crate::auth::{AddressRange, AddressRangeError};

/// Who may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Nothing was said: everybody on this machine, and therefore only on loopback addresses; or everybody with a client
    /// certificate, where the listener demands one.
    Unsaid,
    /// `auth = "trust"` was written: everybody who can reach the address.
    Trust,
    /// Users with their passwords, by SCRAM-SHA-256.
    Scram,
    /// Users whose client certificate bears their name.
    Certificate,
}

/// The files of a listener's TLS. Read when it is opened, and again by [`crate::Handle::certificates`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM: the server's certificate, then those between it and the root.
    pub cert_file: PathBuf,
    /// PEM: its private key.
    pub key_file: PathBuf,
    /// PEM: the authorities whose client certificates are accepted.
    pub ca_file: Option<PathBuf>,
    /// Only clients with a certificate signed by one of `ca_file` get in.
    pub verify_client: bool,
    /// Connections in the clear are refused. Cancel requests are not: they say nothing and older clients cannot encrypt them.
    pub required: bool,
}

/// One address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerConfig {
    /// Port 0 takes a free one, see [`crate::Handle::addresses`].
    pub address: SocketAddr,
    pub auth: Auth,
    /// None: connections are in the clear.
    pub tls: Option<TlsFiles>,
    /// Addresses that are let in; `None`: all.
    pub allow: Option<Vec<AddressRange>>,
    /// Every transaction is READ ONLY, whatever the session says (I11).
    pub read_only: bool,
    pub limits: SessionLimits,
}

/// What one client may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Sessions at once over all listeners; further ones get 53300. A session that idles takes some KiB, so this bounds
    /// file descriptors rather than memory. Default 1,000.
    pub connections_max: usize,
    /// Of these, places that only sessions with role admin may take, as PostgreSQL's `superuser_reserved_connections`.
    /// Default 3.
    pub connections_reserved: usize,
    /// Connections of one listener that have not authenticated yet. When all places are taken, a newcomer gets that of the
    /// one who came first, after a second at the earliest; a flood takes nothing from those who are in, nor from other
    /// listeners. Each costs at most some 50 KiB. Default 200.
    pub unauthenticated_max: usize,
    /// Time from the accepted connection to a started session, the TLS handshake and authentication included; then the
    /// connection is closed without a word, as a client that never speaks expects none. Default 60 s.
    pub startup_time_max: Duration,
    /// How long the answer to a wrong password waits, so that guessing is slow. Default 250 ms.
    pub authentication_failure_delay: Duration,
    /// Longest message in bytes, the bound of what one statement with its values may be: more is 08P01 and ends the session,
    /// since the stream cannot be followed without reading the message. Default 256 MiB.
    pub message_size_max: usize,
    /// Bytes of rows that a statement may return while it holds the writer, or that a suspended portal may keep: more is
    /// 54000. Other results stream and have no bound. Default 64 MiB.
    pub buffered_result_size_max: usize,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            connections_max: 1_000,
            connections_reserved: 3,
            unauthenticated_max: 200,
            startup_time_max: Duration::from_secs(60),
            authentication_failure_delay: Duration::from_millis(250),
            message_size_max: 256 << 20,
            buffered_result_size_max: 64 << 20,
        }
    }
}

/// A listener that must not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "PostgreSQL listener {address} is reachable from other machines, where everybody could read and write: \
         give it a [tls] table and auth = \"scram-sha-256\" or \"cert\", or let it listen on 127.0.0.1, or write \
         auth = \"trust\" to let in everybody"
    )]
    Open { address: SocketAddr },
    #[error(
        "PostgreSQL listener {address} is reachable from other machines and takes connections in the clear, where \
         everybody on the way could read and change them: give it a [tls] table without required = false"
    )]
    Clear { address: SocketAddr },
    #[error(
        "PostgreSQL listener {address} has auth = \"cert\" but cannot see certificates: give it a [tls] table with ca_file"
    )]
    NoAuthority { address: SocketAddr },
    #[error("PostgreSQL listener {address} has verify_client = true but nothing to verify with: name the ca_file")]
    NothingToVerify { address: SocketAddr },
    #[error(
        "PostgreSQL listener {address} demands client certificates, which connections in the clear cannot show: \
         remove required = false"
    )]
    ClearBesideCertificates { address: SocketAddr },
}

impl ListenerConfig {
    /// A listener with the default limits that serves this machine only.
    pub fn new(address: SocketAddr) -> Self {
        let limits = SessionLimits::default();
        Self { address, auth: Auth::Unsaid, tls: None, allow: None, read_only: false, limits }
    }

    /// Whether a client certificate is demanded.
    pub(crate) fn demands_certificate(&self) -> bool {
        self.auth == Auth::Certificate || self.tls.as_ref().is_some_and(|tls| tls.verify_client)
    }

    /// Refuses what would serve strangers without anybody having said so.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn validate(&self) -> Result<(), ConfigError> {
        let address = self.address;
        let has_authority = self.tls.as_ref().is_some_and(|tls| tls.ca_file.is_some());
        if self.auth == Auth::Certificate && !has_authority {
            return Err(ConfigError::NoAuthority { address });
        }
        if self.demands_certificate() && !has_authority {
            return Err(ConfigError::NothingToVerify { address });
        }
        let is_encrypted = self.tls.as_ref().is_some_and(|tls| tls.required);
        if self.demands_certificate() && !is_encrypted {
            return Err(ConfigError::ClearBesideCertificates { address });
        }
        if is_loopback(address.ip()) {
            return Ok(());
        }
        match self.auth {
            Auth::Trust => Ok(()),
            Auth::Unsaid if !self.demands_certificate() => Err(ConfigError::Open { address }),
            Auth::Unsaid | Auth::Scram | Auth::Certificate if !is_encrypted => Err(ConfigError::Clear { address }),
            Auth::Unsaid | Auth::Scram | Auth::Certificate => Ok(()),
        }
    }
}

/// `::ffff:127.0.0.1` is loopback too.
fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(address: &str, auth: Auth) -> ListenerConfig {
        ListenerConfig { auth, ..ListenerConfig::new(address.parse().expect("an address")) }
    }

    fn tls(words: &str) -> TlsFiles {
        TlsFiles {
            cert_file: "c".into(),
            key_file: "k".into(),
            ca_file: words.contains("ca").then(|| "a".into()),
            verify_client: words.contains("verify"),
            required: !words.contains("optional"),
        }
    }

    fn check(address: &str, auth: Auth, words: Option<&str>) -> &'static str {
        let config = ListenerConfig { tls: words.map(tls), ..listener(address, auth) };
        match config.validate() {
            Ok(()) => "ok",
            Err(ConfigError::Open { .. }) => "open",
            Err(ConfigError::Clear { .. }) => "clear",
            Err(ConfigError::NoAuthority { .. }) => "no authority",
            Err(ConfigError::NothingToVerify { .. }) => "nothing to verify",
            Err(ConfigError::ClearBesideCertificates { .. }) => "clear beside certificates",
        }
    }

    #[test]
    fn only_loopback_is_trusted_without_saying_so() {
        for address in ["127.0.0.1:5470", "127.3.2.1:5470", "[::1]:5470", "[::ffff:127.0.0.1]:5470"] {
            assert_eq!(check(address, Auth::Unsaid, None), "ok", "{address}");
        }
        for address in ["0.0.0.0:5470", "[::]:5470", "192.168.0.7:5470", "[::ffff:10.0.0.1]:5470"] {
            assert_eq!(check(address, Auth::Unsaid, None), "open", "{address}");
            assert_eq!(check(address, Auth::Unsaid, Some("")), "open", "{address}: encrypted strangers are strangers");
            assert_eq!(check(address, Auth::Trust, None), "ok", "{address}");
        }
    }

    #[test]
    fn off_loopback_passwords_and_certificates_need_encryption() {
        for (auth, words, expected) in [
            (Auth::Scram, None, "clear"),
            (Auth::Scram, Some("optional"), "clear"),
            (Auth::Scram, Some(""), "ok"),
            (Auth::Unsaid, Some("verify ca"), "ok"),
            (Auth::Scram, Some("verify ca"), "ok"),
            (Auth::Certificate, Some("ca"), "ok"),
            (Auth::Certificate, Some("optional ca"), "clear beside certificates"),
            (Auth::Trust, Some("optional"), "ok"),
        ] {
            assert_eq!(check("10.0.0.1:5470", auth, words), expected, "{auth:?} {words:?}");
        }
        assert_eq!(check("127.0.0.1:5470", Auth::Scram, None), "ok");
        assert_eq!(check("127.0.0.1:5470", Auth::Scram, Some("optional")), "ok");
    }

    #[test]
    fn certificates_need_an_authority() {
        assert_eq!(check("127.0.0.1:5470", Auth::Certificate, None), "no authority");
        assert_eq!(check("127.0.0.1:5470", Auth::Certificate, Some("")), "no authority");
        assert_eq!(check("127.0.0.1:5470", Auth::Scram, Some("verify")), "nothing to verify");
        assert_eq!(check("127.0.0.1:5470", Auth::Unsaid, Some("verify ca optional")), "clear beside certificates");
    }
}
