//! Certificates by ACME (RFC 8555): had from a certificate authority, kept, and renewed in time.
//!
//! # In scope
//! Names are proven by TLS-ALPN-01 (RFC 8737, RFC 8738) on the port that is served, so that nothing
//! else has to be reachable. Account and certificate are kept in one directory, and used after a
//! restart without asking anybody. While there is no certificate, handshakes fail and all else runs;
//! one that cannot be renewed is served on.
//!
//! # Out of scope
//! Wildcards and other challenges, external account binding, renewal information (RFC 9773),
//! revocation.

mod answers;
mod ca;
mod config;
mod kept;
mod order;
mod renewal;
mod schedule;

use std::path::PathBuf;
use std::sync::Arc;

use sigsum_store::durable::{FileError, LockError};

use self::ca::CaClient;
use self::kept::Kept;
use self::renewal::Renewal;
use crate::metrics::MetricsError;
use crate::runner::Context;
use crate::tls::{Certificate, Current};

pub(crate) use answers::{ACME_TLS_1, Answers};
pub use config::{AcmeConfig, AcmeConfigError, AcmeName, LETS_ENCRYPT, MAX_NAMES};

/// Why certificates cannot be had at all. The operator's to mend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcmeError {
    /// The directory in which the account and the certificate are kept.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another process uses the directory.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The directory cannot be made.
    #[error("{path}: {source}", path = path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The file with the authority's own roots.
    #[error("{path}: {what}", path = path.display())]
    Roots {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// HTTP over TLS cannot be set up, as where a machine has no roots at all.
    #[error("cannot ask {url} for certificates: {what}")]
    Client {
        /// The directory's URL.
        url: String,
        /// What the implementation says.
        what: String,
    },
}

/// What it takes to ask an authority.
#[derive(Debug)]
pub(crate) struct Acme {
    config: AcmeConfig,
    kept: Kept,
    ca: CaClient,
}

impl Acme {
    /// Reads what is kept: the certificate, where there is one. Whether it is valid now is not asked:
    /// the clock may be what is wrong, and clients have their own.
    pub(crate) fn open(config: &AcmeConfig) -> Result<(Self, Option<Certificate>), AcmeError> {
        let ca = CaClient::new(config)?;
        let kept = Kept::open(&config.dir)?;
        let certificate = match kept.certificate() {
            Ok(certificate) => certificate,
            Err(why) => {
                tracing::warn!("the certificate that was kept is of no use: {why}");
                None
            }
        };
        let certificate = certificate.map(|kept| kept.certificate);
        Ok((Self { config: config.clone(), kept, ca }, certificate))
    }

    /// Asks for certificates as they are needed, for as long as the node runs.
    pub(crate) fn keep_up(
        self: Arc<Self>,
        current: Arc<Current>,
        context: &Context,
        prefix: &str,
    ) -> Result<(), MetricsError> {
        let renewal = Renewal::new(self, current, context, prefix)?;
        tokio::spawn(renewal.run());
        Ok(())
    }
}
