//! What is kept over restarts: the account, the certificate with its key, and the times of orders.
//!
//! Each is one file that is replaced as a whole, and readable by its owner alone. The certificate and
//! its key are one file, so that no crash leaves one without the other.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use instant_acme::AccountCredentials;
use serde::{Deserialize, Serialize};
use sigsum_store::durable::{FileError, LockFile, PRIVATE_DIR, PRIVATE_FILE, SmallFile};

use super::AcmeError;
use super::config::{AcmeConfig, AcmeName};
use crate::tls::{Certificate, MAX_PEM_BYTES, TlsError, TlsFiles};

/// The account: JSON.
const ACCOUNT: &str = "account.json";
/// Behind the name of an account that the authority does not know.
const LOST: &str = ".lost";
/// Characters of an authority's URL in the name of a file, which has 255 bytes at most; the whole URL
/// is in the file.
const MAX_NAME_CHARS: usize = 200;
/// The certificate: whom it is from in a line of its own, the key and the chain in PEM.
const CERTIFICATE: &str = "certificate.pem";
/// Unix times of the last orders, one a line.
const ORDERS: &str = "orders";

/// Names who uses the directory, so that two processes do not.
const LOCK: &str = "LOCK";

/// Bytes of the certificate: an answer of the authority, and a key that is far smaller.
const MAX_CERTIFICATE_BYTES: u64 = 2 * MAX_PEM_BYTES;
/// Bytes of the account: a key, a URL, and the contacts.
const MAX_ACCOUNT_BYTES: usize = 64 * 1024;
/// Bytes of the times: those of an hour are a hundred bytes.
const MAX_ORDERS_BYTES: usize = 4 * 1024;

/// In front of the authority's URL.
const FROM: &str = "Authority: ";

/// The files in one directory.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    account: SmallFile,
    certificate: SmallFile,
    orders: SmallFile,
    _lock: Arc<LockFile>,
}

/// A certificate that was kept.
#[derive(Clone, Debug)]
pub(super) struct KeptCertificate {
    pub(super) certificate: Certificate,
    /// The directory of the authority that it is from.
    pub(super) directory_url: String,
}

impl KeptCertificate {
    /// Whether it is what the configuration asks for: another authority, or another name, is to be
    /// asked for at once.
    pub(super) fn is_for(&self, config: &AcmeConfig) -> bool {
        let covers = |name: &AcmeName| self.certificate.covers(&name.server_name());
        self.directory_url == config.directory_url && config.names.iter().all(covers)
    }
}

/// An account as it is kept.
#[derive(Deserialize, Serialize)]
struct KeptAccount {
    directory_url: String,
    contact: Vec<String>,
    credentials: AccountCredentials,
}

/// An account that was kept, and what the authority knows of it.
pub(super) struct KnownAccount {
    pub(super) credentials: AccountCredentials,
    /// Where the authority writes to.
    pub(super) contact: Vec<String>,
}

/// What is kept and cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeptError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Certificate(#[from] TlsError),
    #[error("{path}: {what}", path = path.display())]
    Content { path: PathBuf, what: String },
}

impl Kept {
    /// The files of this directory, which is made where it is missing.
    pub(super) fn open(dir: &Path) -> Result<Self, AcmeError> {
        let made = DirBuilder::new().mode(PRIVATE_DIR).create(dir);
        match made {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(AcmeError::Directory { path: dir.to_owned(), source: error });
            }
            _ => {}
        }
        let file = |name| SmallFile::new(dir.join(name));
        let kept = Self {
            account: file(ACCOUNT),
            certificate: file(CERTIFICATE),
            orders: file(ORDERS),
            _lock: Arc::new(LockFile::acquire(&dir.join(LOCK))?),
        };
        // A directory that cannot be written is better found now than in two months.
        kept.keep_orders(&kept.orders())?;
        Ok(kept)
    }

    /// The certificate, where there is one.
    pub(super) fn certificate(&self) -> Result<Option<KeptCertificate>, KeptError> {
        let path = self.certificate.path();
        let limit = usize::try_from(MAX_CERTIFICATE_BYTES).unwrap_or(usize::MAX);
        let Some(bytes) = self.certificate.read(limit)? else { return Ok(None) };
        let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let from = std::str::from_utf8(first).ok().and_then(|line| line.strip_prefix(FROM));
        let content = |what: &str| KeptError::Content { path: path.to_owned(), what: what.into() };
        let from = from.ok_or_else(|| content("it does not begin with whom it is from"))?;
        let files = TlsFiles { cert: path.to_owned(), key: path.to_owned() };
        let certificate = Certificate::of_pem(&files, &bytes, &bytes)?;
        Ok(Some(KeptCertificate { certificate, directory_url: from.to_owned() }))
    }

    /// Reads what is to be kept, as it will be read.
    pub(super) fn check(
        &self,
        directory_url: &str,
        key_pem: &str,
        chain_pem: &str,
    ) -> Result<KeptCertificate, TlsError> {
        let path = self.certificate.path().to_owned();
        let files = TlsFiles { cert: path.clone(), key: path };
        let certificate = Certificate::of_pem(&files, chain_pem.as_bytes(), key_pem.as_bytes())?;
        Ok(KeptCertificate { certificate, directory_url: directory_url.to_owned() })
    }

    /// Keeps a certificate and its key.
    pub(super) fn keep_certificate(
        &self,
        directory_url: &str,
        key_pem: &str,
        chain_pem: &str,
    ) -> Result<(), FileError> {
        let text = format!("{FROM}{directory_url}\n{key_pem}{chain_pem}");
        self.certificate.replace(text.as_bytes(), PRIVATE_FILE)
    }

    /// The account at this authority, where there is one: that of [`ACCOUNT`], or one that was put
    /// aside for another authority's and takes its place again.
    pub(super) fn account(&self, directory_url: &str) -> Result<Option<KnownAccount>, KeptError> {
        let current = Self::read_account(&self.account)?;
        let known = match current.filter(|(kept, _)| kept.directory_url == directory_url) {
            Some((kept, _)) => Some(kept),
            None => match Self::read_account(&self.aside(directory_url))? {
                Some((kept, bytes)) if kept.directory_url == directory_url => {
                    self.put_aside(directory_url)?;
                    self.account.replace(&bytes, PRIVATE_FILE)?;
                    Some(kept)
                }
                _ => None,
            },
        };
        Ok(known.map(|kept| KnownAccount { credentials: kept.credentials, contact: kept.contact }))
    }

    fn read_account(file: &SmallFile) -> Result<Option<(KeptAccount, Vec<u8>)>, KeptError> {
        let Some(bytes) = file.read(MAX_ACCOUNT_BYTES)? else { return Ok(None) };
        // What the parser says may have bytes of the key in it.
        let kept = serde_json::from_slice(&bytes).map_err(|_| KeptError::Content {
            path: file.path().to_owned(),
            what: "not an account; remove it to have a new one made".to_owned(),
        })?;
        Ok(Some((kept, bytes)))
    }

    /// Where the account at an authority is kept while another is asked.
    fn aside(&self, directory_url: &str) -> SmallFile {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let name: String = directory_url.chars().map(plain).take(MAX_NAME_CHARS).collect();
        self.account.beside(&format!(".{name}"))
    }

    /// Puts the account of any other authority aside: names may be bound to it, and it alone can
    /// revoke what it got.
    fn put_aside(&self, directory_url: &str) -> Result<(), KeptError> {
        match Self::read_account(&self.account)? {
            Some((other, bytes)) if other.directory_url != directory_url => {
                Ok(self.aside(&other.directory_url).replace(&bytes, PRIVATE_FILE)?)
            }
            _ => Ok(()),
        }
    }

    /// Keeps an account.
    pub(super) fn keep_account(
        &self,
        config: &AcmeConfig,
        credentials: AccountCredentials,
    ) -> Result<(), KeptError> {
        self.put_aside(&config.directory_url)?;
        let (directory_url, contact) = (config.directory_url.clone(), config.contact.clone());
        let kept = KeptAccount { directory_url, contact, credentials };
        let bytes = serde_json::to_vec(&kept).expect("texts and a key have a form in JSON");
        Ok(self.account.replace(&bytes, PRIVATE_FILE)?)
    }

    /// Forgets an account that the authority does not know, or says that it does not: its key stays
    /// in a file beside.
    pub(super) fn forget_account(&self) -> Result<(), FileError> {
        if let Some(bytes) = self.account.read(MAX_ACCOUNT_BYTES)? {
            self.account.beside(LOST).replace(&bytes, PRIVATE_FILE)?;
        }
        self.account.remove()
    }

    /// Unix times of the last orders; none where they cannot be read, which costs one order at most.
    pub(super) fn orders(&self) -> Vec<u64> {
        let bytes = self.orders.read(MAX_ORDERS_BYTES).ok().flatten().unwrap_or_default();
        String::from_utf8_lossy(&bytes).lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Keeps the times of orders.
    pub(super) fn keep_orders(&self, times_s: &[u64]) -> Result<(), FileError> {
        let text: String = times_s.iter().map(|time_s| format!("{time_s}\n")).collect();
        self.orders.replace(text.as_bytes(), PRIVATE_FILE)
    }
}

#[cfg(test)]
#[path = "kept_tests.rs"]
mod tests;
