//! The DNS check of submit tokens (`log.md` section 4.2): a domain publishes its rate-limit keys as
//! TXT records, and a token counts if one of them made it.

mod look_up;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ResolveHosts, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData};
use sigsum_core::PublicKey;
use sigsum_core::token::{SubmitToken, TOKEN_DNS_LABEL};
use std::net::SocketAddr;

pub use look_up::LookedUp;

/// The label of an earlier version of the protocol; log servers still look there.
const OLD_DNS_LABEL: &str = "_sigsum_v0";
/// Records of a domain that are tried, in the order of the answer; as many as log-go tries.
pub const MAX_DOMAIN_KEYS: usize = 10;

/// Why DNS does not confirm a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenDnsError {
    /// This machine's resolver configuration cannot be used.
    #[error("cannot read the resolver configuration: {0}")]
    Setup(String),
    /// The domain is no domain name.
    #[error("token: dns look-up failed: invalid domain name {0:?}")]
    Domain(String),
    /// The domain publishes no key.
    #[error("token: dns look-up failed: no TXT record at {name}")]
    NotFound {
        /// The name that was asked for.
        name: String,
    },
    /// There is no usable answer; another time there may be.
    #[error("token: dns look-up failed: {name}: {detail}")]
    Failed {
        /// The name that was asked for.
        name: String,
        /// What the resolver says.
        detail: String,
    },
    /// No published key made the token.
    #[error(
        "validating token signature failed, ignored keys: {ignored}, \
         syntactically bad keys: {malformed}"
    )]
    NoKeyFits {
        /// Records behind the first [`MAX_DOMAIN_KEYS`].
        ignored: usize,
        /// Records that are not 64 hex digits.
        malformed: usize,
    },
}

/// What a domain publishes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DomainKeys {
    /// The keys.
    pub keys: Vec<PublicKey>,
    /// Records behind the first [`MAX_DOMAIN_KEYS`].
    pub ignored: usize,
    /// Records that are not 64 hex digits.
    pub malformed: usize,
}

impl DomainKeys {
    /// Sorts the texts of TXT records.
    pub fn from_records<T: AsRef<[u8]>>(records: &[T]) -> Self {
        let (tried, ignored) = records.split_at(records.len().min(MAX_DOMAIN_KEYS));
        let key = |record: &T| PublicKey::from_hex(str::from_utf8(record.as_ref()).ok()?).ok();
        let keys: Vec<PublicKey> = tried.iter().filter_map(key).collect();
        let malformed = tried.len().saturating_sub(keys.len());
        Self { keys, ignored: ignored.len(), malformed }
    }

    /// Whether one of the keys made the token for this log.
    ///
    /// # Errors
    /// [`TokenDnsError::NoKeyFits`].
    pub fn check(&self, token: &SubmitToken, log_key: &PublicKey) -> Result<(), TokenDnsError> {
        if self.keys.iter().any(|key| token.verify(key, log_key)) {
            return Ok(());
        }
        Err(TokenDnsError::NoKeyFits { ignored: self.ignored, malformed: self.malformed })
    }
}

/// A DNS resolver that checks tokens; it caches answers as long as they allow.
#[derive(Clone)]
pub struct TokenDns {
    resolver: TokioResolver,
}

impl std::fmt::Debug for TokenDns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenDns")
    }
}

impl TokenDns {
    /// Asks the resolvers that this machine is configured for (`/etc/resolv.conf`).
    ///
    /// # Errors
    /// [`TokenDnsError::Setup`].
    pub fn system() -> Result<Self, TokenDnsError> {
        let setup = |error: NetError| TokenDnsError::Setup(error.to_string());
        let mut builder = TokioResolver::builder_tokio().map_err(setup)?;
        builder.options_mut().use_hosts_file = ResolveHosts::Never;
        Ok(Self { resolver: builder.build().map_err(setup)? })
    }

    /// Asks this server and no other.
    ///
    /// # Errors
    /// [`TokenDnsError::Setup`].
    pub fn with_server(address: SocketAddr) -> Result<Self, TokenDnsError> {
        let config = ResolverConfig::from_name_servers(vec![look_up::name_server(address)]);
        let provider = TokioRuntimeProvider::default();
        let mut builder = TokioResolver::builder_with_config(config, provider);
        builder.options_mut().use_hosts_file = ResolveHosts::Never;
        let resolver = builder.build().map_err(|e| TokenDnsError::Setup(e.to_string()))?;
        Ok(Self { resolver })
    }

    /// Whether a key that the token's domain publishes made the token for this log.
    ///
    /// # Errors
    /// [`TokenDnsError`], whose texts are those of log-go.
    pub async fn check(
        &self,
        token: &SubmitToken,
        log_key: &PublicKey,
    ) -> Result<(), TokenDnsError> {
        self.domain_keys(&token.domain).await?.check(token, log_key)
    }

    /// The keys that a domain publishes: at `_sigsum_v1.DOMAIN`, or, if there is nothing, at
    /// `_sigsum_v0.DOMAIN`. The domain is looked up as it is written; search domains apply.
    ///
    /// # Errors
    /// [`TokenDnsError`]; where both names fail, what was said of the first.
    pub async fn domain_keys(&self, domain: &str) -> Result<DomainKeys, TokenDnsError> {
        let records = match self.records(TOKEN_DNS_LABEL, domain).await {
            Err(error @ TokenDnsError::NotFound { .. }) => {
                self.records(OLD_DNS_LABEL, domain).await.map_err(|_| error)
            }
            other => other,
        }?;
        Ok(DomainKeys::from_records(&records))
    }

    /// The TXT records below a label, the strings of each joined.
    async fn records(&self, label: &str, domain: &str) -> Result<Vec<Vec<u8>>, TokenDnsError> {
        let text = format!("{label}.{domain}");
        let name = Name::from_ascii(&text).map_err(|_| TokenDnsError::Domain(domain.to_owned()))?;
        let lookup = self.resolver.txt_lookup(name).await.map_err(|error| {
            if error.is_no_records_found() {
                TokenDnsError::NotFound { name: text }
            } else {
                TokenDnsError::Failed { name: text, detail: error.to_string() }
            }
        })?;
        let joined = |record: &RData| match record {
            RData::TXT(txt) => Some(txt.txt_data.concat()),
            _ => None,
        };
        Ok(lookup.answers().iter().filter_map(|record| joined(&record.data)).collect())
    }
}

#[cfg(test)]
mod tests;
