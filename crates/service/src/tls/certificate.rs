//! A certificate with its key: read from files, and checked before it is shown.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;

use super::{Validity, provider};
use crate::acme::AcmeError;
use crate::clock::Clock;

/// Bytes of a file with certificates or a key: a chain of ten certificates is about 20 KiB.
pub const MAX_PEM_BYTES: u64 = 256 * 1024;

/// A certificate file and its key file, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate first, then those that lead to a root.
    pub cert: PathBuf,
    /// The key of the first.
    pub key: PathBuf,
}

/// Why a certificate cannot be used. The operator's to mend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A file that holds something else.
    #[error("{path}: {what}", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The key is of another certificate, or of a kind that cannot be used.
    #[error("{key} is not a key for {cert}: {source}", key = files.key.display(), cert = files.cert.display())]
    Key {
        /// Both files.
        files: TlsFiles,
        /// What the TLS implementation says.
        source: rustls::Error,
    },
    /// The certificate is not valid at this time.
    #[error("{path}: the certificate is {how}", path = path.display())]
    Time {
        /// The file.
        path: PathBuf,
        /// Expired, or not valid yet.
        how: String,
    },
    /// The certificate is to come from an authority.
    #[error(transparent)]
    Acme(#[from] AcmeError),
}

/// A certificate with its key, ready to be used.
#[derive(Clone)]
pub struct Certificate {
    certified: Arc<CertifiedKey>,
    validity: Validity,
    file: PathBuf,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("file", &self.file).finish_non_exhaustive()
    }
}

impl PartialEq for Certificate {
    /// The same chain; then the key is the same too.
    fn eq(&self, other: &Self) -> bool {
        self.certified.cert == other.certified.cert
    }
}

impl Certificate {
    /// Reads both files. Whether the certificate is valid at this time is for
    /// [`Certificate::check_time`].
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        Self::of_pem(files, &read(&files.cert)?, &read(&files.key)?)
    }

    /// The same with what is to be in the files.
    pub(crate) fn of_pem(files: &TlsFiles, cert: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let wrong = |path: &Path, what: String| TlsError::Content { path: path.to_owned(), what };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(cert)
            .collect::<Result<_, _>>()
            .map_err(|error| wrong(&files.cert, error.to_string()))?;
        let first = chain.first().ok_or_else(|| wrong(&files.cert, "no certificate".into()))?;
        let validity = Validity::of(first)
            .ok_or_else(|| wrong(&files.cert, "not an X.509 certificate".to_owned()))?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| wrong(&files.key, format!("no private key: {error}")))?;
        let certified = CertifiedKey::from_der(chain, key, &provider())
            .map_err(|source| TlsError::Key { files: files.clone(), source })?;
        Ok(Self { certified: Arc::new(certified), validity, file: files.cert.clone() })
    }

    /// What is shown in a handshake.
    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }

    /// From when until when clients take it.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// Whether clients take it for a server of this name.
    #[must_use]
    pub fn covers(&self, name: &ServerName<'_>) -> bool {
        let parsed = self.certified.cert.first().map(ParsedCertificate::try_from);
        parsed.is_some_and(|it| it.is_ok_and(|it| verify_server_name(&it, name).is_ok()))
    }

    /// Refuses a certificate that clients would refuse at this time.
    ///
    /// # Errors
    /// [`TlsError::Time`].
    pub fn check_time(&self, clock: &dyn Clock) -> Result<(), TlsError> {
        let problem = self.validity.problem(clock.now_s());
        problem.map_or(Ok(()), |how| Err(TlsError::Time { path: self.file.clone(), how }))
    }
}

/// The bytes of a file of the size that such files have.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    use std::io::Read as _;
    let failed = |source| TlsError::File { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_PEM_BYTES.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_PEM_BYTES) {
        return Ok(bytes);
    }
    let what = format!("larger than {MAX_PEM_BYTES} bytes");
    Err(TlsError::Content { path: path.to_owned(), what })
}
