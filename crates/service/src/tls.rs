//! TLS in front of HTTP: a certificate and its key from files, exchanged while the server runs.
//!
//! # In scope
//! TLS 1.2 and 1.3 with ALPN for HTTP/1.1 and HTTP/2, one certificate for all names, its expiry in
//! metrics and readiness.
//!
//! # Out of scope
//! Client certificates. What a connection is for is told by its protocol (ALPN), in one place: a
//! bastion's back ends (`bastion/0`) would be told apart there.

mod validity;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::clock::Clock;
use crate::metrics::MetricsError;
use crate::runner::Context;

pub use validity::Validity;

/// Bytes of a file with certificates or a key: a chain of ten certificates is about 20 KiB.
pub const MAX_PEM_BYTES: u64 = 256 * 1024;

/// How often the certificate's time is looked at.
const LOOK_S: u64 = 10;

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
        let wrong = |path: &Path, what: String| TlsError::Content { path: path.to_owned(), what };
        let pem = read(&files.cert)?;
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<_, _>>()
            .map_err(|error| wrong(&files.cert, error.to_string()))?;
        let first = chain.first().ok_or_else(|| wrong(&files.cert, "no certificate".into()))?;
        let validity = Validity::of(first)
            .ok_or_else(|| wrong(&files.cert, "not an X.509 certificate".to_owned()))?;
        let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?)
            .map_err(|error| wrong(&files.key, format!("no private key: {error}")))?;
        let certified = CertifiedKey::from_der(chain, key, &provider())
            .map_err(|source| TlsError::Key { files: files.clone(), source })?;
        Ok(Self { certified: Arc::new(certified), validity, file: files.cert.clone() })
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

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
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

fn provider() -> Arc<CryptoProvider> {
    Arc::new(default_provider())
}

/// The server's side of TLS. Clones are the same.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    current: Arc<Current>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("certificate", &self.current.certificate.load())
            .finish_non_exhaustive()
    }
}

/// The certificate that is shown to clients.
#[derive(Debug)]
struct Current {
    certificate: ArcSwap<Certificate>,
    replaced: Notify,
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.certificate.load().certified))
    }
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Application {
    /// HTTP in the version that its first bytes tell.
    Http,
}

impl Application {
    /// By the protocol that was agreed on; a client that names none speaks HTTP.
    pub(crate) fn of<S>(stream: &TlsStream<S>) -> Option<Self> {
        match stream.get_ref().1.alpn_protocol() {
            None | Some(b"h2" | b"http/1.1") => Some(Self::Http),
            Some(_) => None,
        }
    }
}

impl Tls {
    /// Shows this certificate from the first connection on.
    ///
    /// # Panics
    /// Never: the versions of TLS are those that the implementation has.
    #[must_use]
    pub fn new(certificate: Certificate) -> Self {
        let current = Arc::new(Current {
            certificate: ArcSwap::from_pointee(certificate),
            replaced: Notify::new(),
        });
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider has cipher suites for the default versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Current>::clone(&current));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self { acceptor: TlsAcceptor::from(Arc::new(config)), current }
    }

    /// Shows another certificate from now on. Connections stay. Whether it is another one.
    pub fn replace(&self, certificate: Certificate) -> bool {
        let is_new = **self.current.certificate.load() != certificate;
        self.current.certificate.store(Arc::new(certificate));
        self.current.replaced.notify_one();
        is_new
    }

    /// The handshake. Safe to cancel; the connection is gone then.
    pub(crate) async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.acceptor.accept(stream).await
    }

    /// Shows when the certificate expires, as `PREFIX_tls_certificate_expiry_time_seconds`, and says
    /// that the node is not ready while clients would refuse it; for as long as the node runs. Needs
    /// a tokio runtime.
    ///
    /// # Errors
    /// The metric's name is taken.
    pub fn watch(&self, context: &Context, prefix: &str) -> Result<(), MetricsError> {
        let expiry = context.metrics.gauge(
            &format!("{prefix}_tls_certificate_expiry_time_seconds"),
            "Unix time from which on the certificate is not valid.",
        )?;
        let health = context.health.part("TLS certificate");
        let (current, clock) = (Arc::clone(&self.current), Arc::clone(&context.clock));
        let shutdown = context.shutdown.clone();
        tokio::spawn(async move {
            let mut was_told = false;
            while !shutdown.is_triggered() {
                let certificate = current.certificate.load_full();
                expiry.set(certificate.validity.not_after_s);
                match certificate.check_time(&*clock) {
                    Ok(()) => {
                        health.ready();
                        was_told = false;
                    }
                    Err(error) => {
                        health.waiting("the certificate is not valid at this time");
                        if !std::mem::replace(&mut was_told, true) {
                            tracing::error!("clients refuse the certificate: {error}");
                        }
                    }
                }
                tokio::select! {
                    () = shutdown.triggered() => {}
                    () = current.replaced.notified() => {}
                    () = tokio::time::sleep(Duration::from_secs(LOOK_S)) => {}
                }
            }
        });
        Ok(())
    }
}
