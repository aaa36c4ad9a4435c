//! A listener's certificates: read from their files at start, and again when the operator says so.
//!
//! A reload that fails leaves what was served before. Sessions are not resumed and get no tickets: each connection shows its
//! certificate anew, so that one which is no longer accepted opens nothing.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

use crate::auth::certificate;
use crate::config::TlsFiles;

/// The protocol's name in ALPN. Source: <https://www.postgresql.org/docs/17/protocol-flow.html#PROTOCOL-FLOW-SSL>
pub(crate) const PROTOCOL: &[u8] = b"postgresql";

/// A listener's TLS files are not what they should be.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("read {what} {path}: check that it exists and that this process may read it")]
    Read {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{what} {path} is no PEM file: {reason}")]
    Pem { what: &'static str, path: PathBuf, reason: String },
    #[error("{what} {path} holds no {wanted}: it must begin with `-----BEGIN {label}`")]
    Empty { what: &'static str, path: PathBuf, wanted: &'static str, label: &'static str },
    #[error("certificate {cert_file} and private key {key_file} cannot be used together: are they a pair?")]
    Pair {
        cert_file: PathBuf,
        key_file: PathBuf,
        #[source]
        source: rustls::Error,
    },
    #[error("authority file {path} cannot be used: {reason}")]
    Authority { path: PathBuf, reason: String },
}

/// A listener's certificates as they are now.
pub(crate) struct Tls {
    files: TlsFiles,
    current: RwLock<Loaded>,
}

/// What one handshake uses.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub config: Arc<ServerConfig>,
    /// The channel binding of the certificate, if it has one.
    pub end_point: Option<Arc<[u8]>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Tls {
    pub(crate) fn open(files: &TlsFiles, demand: Demand) -> Result<Self, TlsError> {
        let current = load(files, demand)?;
        Ok(Self { files: files.clone(), current: RwLock::new(current) })
    }

    pub(crate) fn current(&self) -> Loaded {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the files again; connections from now on are served with them.
    pub(crate) fn reload(&self, demand: Demand) -> Result<(), TlsError> {
        let loaded = load(&self.files, demand)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(())
    }

    pub(crate) fn is_required(&self) -> bool {
        self.files.required
    }
}

/// Whether clients are asked for certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    Nothing,
    /// A wrong one ends the handshake; a missing one is refused after it, with an error that clients show.
    Certificate,
}

fn load(files: &TlsFiles, demand: Demand) -> Result<Loaded, TlsError> {
    let chain = certificates("certificate", &files.cert_file)?;
    let key = private_key(&files.key_file)?;
    let end_point = chain.first().and_then(|first| certificate::end_point(first)).map(Arc::from);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let pair = |source| TlsError::Pair { cert_file: files.cert_file.clone(), key_file: files.key_file.clone(), source };
    let builder =
        ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().map_err(pair)?;
    let builder = match (demand, &files.ca_file) {
        (Demand::Certificate, Some(ca_file)) => builder.with_client_cert_verifier(verifier(ca_file, provider)?),
        (Demand::Certificate | Demand::Nothing, _) => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(pair)?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Loaded { config: Arc::new(config), end_point })
}

fn verifier(
    path: &Path,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let refused = |reason: String| TlsError::Authority { path: path.to_owned(), reason };
    let mut roots = RootCertStore::empty();
    for authority in certificates("authority file", path)? {
        roots.add(authority).map_err(|error| refused(error.to_string()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .allow_unauthenticated()
        .build()
        .map_err(|error| refused(error.to_string()))
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(what, path)?;
    let found = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| broken(what, path, &error))?;
    if found.is_empty() {
        let path = path.to_owned();
        return Err(TlsError::Empty { what, path, wanted: "certificate", label: "CERTIFICATE" });
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let what = "private key";
    let text = read(what, path)?;
    warn_if_open(path);
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) => {
            Err(TlsError::Empty { what, path: path.to_owned(), wanted: "private key", label: "PRIVATE KEY" })
        }
        Err(error) => Err(broken(what, path, &error)),
    }
}

/// Some orchestrators cannot mount a key otherwise, so it is told and not refused.
fn warn_if_open(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    if std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o007 != 0) {
        tracing::warn!(path = %path.display(), "every user of this machine may read the private key: chmod it to 0640 or less");
    }
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read { what, path: path.to_owned(), source })
}

fn broken(what: &'static str, path: &Path, error: &pem::Error) -> TlsError {
    TlsError::Pem { what, path: path.to_owned(), reason: format!("{error:?}") }
}
