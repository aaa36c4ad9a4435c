//! How the wire front end is set up: listeners, and the limits of sessions. Typed; reading files is the server's business.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Who may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Nothing was said: everybody on this machine, and therefore only on loopback addresses.
    TrustOnLoopback,
    /// `auth = "trust"` was written: everybody who can reach the address.
    Trust,
}

/// One address to listen on.
#[derive(Debug, Clone)]
pub struct ListenerConfig {
    /// Port 0 takes a free one, see [`crate::Handle::addresses`].
    pub address: SocketAddr,
    pub auth: Auth,
    pub limits: SessionLimits,
}

/// What one client may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Sessions at once over all listeners; further ones get 53300. A session that idles takes some KiB, so this bounds
    /// file descriptors rather than memory. Default 1,000.
    pub connections_max: usize,
    /// Time from the accepted connection to a started session; then the connection is closed without a word, as a client
    /// that never speaks expects none. Default 60 s.
    pub startup_time_max: Duration,
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
            startup_time_max: Duration::from_secs(60),
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
         listen on 127.0.0.1, or write auth = \"trust\" for this listener"
    )]
    UnprotectedAddress { address: SocketAddr },
}

impl ListenerConfig {
    /// A listener with the default limits that serves this machine only.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, auth: Auth::TrustOnLoopback, limits: SessionLimits::default() }
    }

    /// Refuses what would serve strangers without anybody having said so.
    ///
    /// # Errors
    /// [`ConfigError::UnprotectedAddress`]
    pub fn validate(&self) -> Result<(), ConfigError> {
        match self.auth {
            Auth::Trust => Ok(()),
            Auth::TrustOnLoopback if is_loopback(self.address.ip()) => Ok(()),
            Auth::TrustOnLoopback => Err(ConfigError::UnprotectedAddress { address: self.address }),
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

    fn check(address: &str, auth: Auth) -> bool {
        let config = ListenerConfig { auth, ..ListenerConfig::new(address.parse().expect("an address")) };
        config.validate().is_ok()
    }

    #[test]
    fn only_loopback_is_trusted_without_saying_so() {
        assert!(check("127.0.0.1:5470", Auth::TrustOnLoopback));
        assert!(check("127.3.2.1:5470", Auth::TrustOnLoopback));
        assert!(check("[::1]:5470", Auth::TrustOnLoopback));
        assert!(check("[::ffff:127.0.0.1]:5470", Auth::TrustOnLoopback));
        for address in ["0.0.0.0:5470", "[::]:5470", "192.168.0.7:5470", "[::ffff:10.0.0.1]:5470"] {
            assert!(!check(address, Auth::TrustOnLoopback), "{address}");
            assert!(check(address, Auth::Trust), "{address}");
        }
    }
}
