//! TLS in front of HTTP: a certificate and its key, from files or by [ACME](crate::acme), exchanged
//! while the server runs.
//!
//! # In scope
//! TLS 1.2 and 1.3 with ALPN for HTTP/1.1 and HTTP/2, one certificate for all names, its expiry in
//! metrics and readiness.
//!
//! # Out of scope
//! Client certificates. What a connection is for is told by its protocol (ALPN), in one place: a
//! bastion's back ends (`bastion/0`) would be told apart there.

mod certificate;
mod validity;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::acme::{ACME_TLS_1, Acme, AcmeConfig, Answers};
use crate::metrics::MetricsError;
use crate::runner::Context;

pub(crate) use certificate::read;
pub use certificate::{Certificate, MAX_PEM_BYTES, TlsError, TlsFiles};
pub use validity::Validity;

/// How often the certificate's time is looked at.
const LOOK_S: u64 = 10;

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsSource {
    /// Files that somebody else keeps up.
    Files(TlsFiles),
    /// A certificate authority, which is asked in time.
    Acme(AcmeConfig),
}

impl TlsSource {
    /// The files, where they are somebody else's.
    #[must_use]
    pub fn files(&self) -> Option<&TlsFiles> {
        match self {
            Self::Files(files) => Some(files),
            Self::Acme(_) => None,
        }
    }
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(default_provider())
}

/// The server's side of TLS. Clones are the same.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    current: Arc<Current>,
    acme: Option<Arc<Acme>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("certificate", &self.current.certificate.load())
            .finish_non_exhaustive()
    }
}

/// The certificate that is shown to clients, and those that are shown to a certificate authority.
#[derive(Debug)]
pub(crate) struct Current {
    certificate: ArcSwapOption<Certificate>,
    answers: Answers,
    replaced: Notify,
}

impl Current {
    fn new(certificate: Option<Certificate>) -> Self {
        let certificate = ArcSwapOption::from_pointee(certificate);
        Self { certificate, answers: Answers::default(), replaced: Notify::new() }
    }

    /// Shows another certificate from now on. Whether it is another one.
    pub(crate) fn replace(&self, certificate: Certificate) -> bool {
        let is_new = self.certificate.load().as_deref() != Some(&certificate);
        self.certificate.store(Some(Arc::new(certificate)));
        self.replaced.notify_one();
        is_new
    }

    /// The certificate that clients see.
    pub(crate) fn certificate(&self) -> Option<Arc<Certificate>> {
        self.certificate.load_full()
    }

    /// What a certificate authority is shown.
    pub(crate) fn answers(&self) -> &Answers {
        &self.answers
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // An authority speaks this protocol and no other (RFC 8737 section 3).
        if hello.alpn().is_some_and(|names| names.eq([ACME_TLS_1])) {
            return self.answers.for_name(hello.server_name()?);
        }
        self.certificate.load().as_ref().map(|certificate| certificate.certified())
    }
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Application {
    /// HTTP in the version that its first bytes tell.
    Http,
    /// A certificate authority that has seen what it came for.
    Acme,
}

impl Application {
    /// By the protocol that was agreed on; a client that names none speaks HTTP.
    pub(crate) fn of<S>(stream: &TlsStream<S>) -> Option<Self> {
        match stream.get_ref().1.alpn_protocol() {
            None | Some(b"h2" | b"http/1.1") => Some(Self::Http),
            Some(ACME_TLS_1) => Some(Self::Acme),
            Some(_) => None,
        }
    }
}

impl Tls {
    /// With what the source has: files must hold a certificate, a certificate authority may be asked
    /// later, by [`Tls::watch`].
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn open(source: &TlsSource) -> Result<Self, TlsError> {
        match source {
            TlsSource::Files(files) => Certificate::read(files).map(Self::new),
            TlsSource::Acme(config) => {
                let (acme, certificate) = Acme::open(config)?;
                Ok(Self::build(certificate, Some(Arc::new(acme))))
            }
        }
    }

    /// Shows this certificate from the first connection on.
    #[must_use]
    pub fn new(certificate: Certificate) -> Self {
        Self::build(Some(certificate), None)
    }

    fn build(certificate: Option<Certificate>, acme: Option<Arc<Acme>>) -> Self {
        let current = Arc::new(Current::new(certificate));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider has cipher suites for the default versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Current>::clone(&current));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        if acme.is_some() {
            config.alpn_protocols.push(ACME_TLS_1.to_vec());
        }
        Self { acceptor: TlsAcceptor::from(Arc::new(config)), current, acme }
    }

    /// Shows another certificate from now on. Connections stay. Whether it is another one.
    pub fn replace(&self, certificate: Certificate) -> bool {
        self.current.replace(certificate)
    }

    /// The handshake. Safe to cancel; the connection is gone then.
    pub(crate) async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.acceptor.accept(stream).await
    }

    /// Shows when the certificate expires, as `PREFIX_tls_certificate_expiry_time_seconds` (0 while
    /// there is none), and says that the node is not ready while clients would refuse it; for as long
    /// as the node runs. Where the certificate comes from an authority, that is asked in time. Needs a
    /// tokio runtime.
    ///
    /// # Errors
    /// The metric's name is taken.
    pub fn watch(&self, context: &Context, prefix: &str) -> Result<(), MetricsError> {
        let expiry = context.metrics.gauge(
            &format!("{prefix}_tls_certificate_expiry_time_seconds"),
            "Unix time from which on the certificate is not valid; 0 while there is none.",
        )?;
        if let Some(acme) = &self.acme {
            Arc::clone(acme).keep_up(Arc::clone(&self.current), context, prefix)?;
        }
        let health = context.health.part("TLS certificate");
        let (current, clock) = (Arc::clone(&self.current), Arc::clone(&context.clock));
        let shutdown = context.shutdown.clone();
        tokio::spawn(async move {
            let mut was_told = false;
            while !shutdown.is_triggered() {
                let certificate = current.certificate();
                expiry.set(certificate.as_ref().map_or(0, |it| it.validity().not_after_s));
                match certificate.map(|it| it.check_time(&*clock)) {
                    None => health.waiting("there is no certificate yet"),
                    Some(Ok(())) => {
                        health.ready();
                        was_told = false;
                    }
                    Some(Err(error)) => {
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
