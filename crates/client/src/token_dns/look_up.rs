//! Look-ups for a server, which caches by itself: how long an answer holds is told.

use super::{DomainKeys, OLD_DNS_LABEL, TokenDns, TokenDnsError};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RData};
use sigsum_core::token::TOKEN_DNS_LABEL;
use std::net::SocketAddr;
use std::time::Duration;

/// Limit of one question to one server; a resolver that is near answers in a few milliseconds, and
/// one that has to ask far away in a second.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a question is asked again that was not answered: a datagram may be lost.
const QUESTION_RETRIES: usize = 1;
/// Questions on one connection at a time.
const MAX_QUESTIONS: usize = 1024;

/// What DNS says of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookedUp {
    /// It publishes records; they hold for so long.
    Found {
        /// The records.
        keys: DomainKeys,
        /// Time to live.
        ttl: Duration,
    },
    /// It publishes none; that holds for so long.
    Missing {
        /// Time to live, zero where the answer does not say.
        ttl: Duration,
    },
    /// There is no usable answer; another time there may be.
    Failed {
        /// What the resolver says.
        detail: String,
    },
}

/// What one name has.
enum Records {
    Found(Vec<Vec<u8>>, Duration),
    Missing(Duration),
}

impl TokenDns {
    /// Asks these servers, or, where there is none, those that this machine is configured for.
    /// Nothing is kept between two look-ups.
    ///
    /// # Errors
    /// [`TokenDnsError::Setup`].
    pub fn uncached(servers: &[SocketAddr]) -> Result<Self, TokenDnsError> {
        let setup = |error: NetError| TokenDnsError::Setup(error.to_string());
        let mut builder = if servers.is_empty() {
            TokioResolver::builder_tokio().map_err(setup)?
        } else {
            let servers = servers.iter().map(|address| name_server(*address)).collect();
            let config = ResolverConfig::from_name_servers(servers);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options: &mut ResolverOpts = builder.options_mut();
        options.use_hosts_file = ResolveHosts::Never;
        options.cache_size = 0;
        options.timeout = QUESTION_TIMEOUT;
        options.attempts = QUESTION_RETRIES;
        options.max_active_requests = MAX_QUESTIONS;
        Ok(Self { resolver: builder.build().map_err(setup)? })
    }

    /// The records of a domain, at the new label or, where that has none, at the old one. Search
    /// domains do not apply: whoever may submit is not the local network's to say.
    pub async fn look_up(&self, domain: &str) -> LookedUp {
        let found = |records: Vec<Vec<u8>>, ttl| {
            let keys = DomainKeys::from_records(&records);
            LookedUp::Found { keys, ttl }
        };
        let failed = |detail| LookedUp::Failed { detail };
        let ttl = match self.records_and_ttl(TOKEN_DNS_LABEL, domain).await {
            Ok(Records::Found(records, ttl)) => return found(records, ttl),
            Ok(Records::Missing(ttl)) => ttl,
            Err(detail) => return failed(detail),
        };
        match self.records_and_ttl(OLD_DNS_LABEL, domain).await {
            Ok(Records::Found(records, old)) => found(records, old.min(ttl)),
            Ok(Records::Missing(old)) => LookedUp::Missing { ttl: old.min(ttl) },
            Err(detail) => failed(detail),
        }
    }

    async fn records_and_ttl(&self, label: &str, domain: &str) -> Result<Records, String> {
        // A name that cannot be asked for has no records.
        let Ok(name) = Name::from_ascii(format!("{label}.{domain}.")) else {
            return Ok(Records::Missing(Duration::ZERO));
        };
        let lookup = match self.resolver.txt_lookup(name).await {
            Ok(lookup) => lookup,
            Err(NetError::Dns(DnsError::NoRecordsFound(nothing))) => {
                let seconds = nothing.negative_ttl.unwrap_or(0);
                return Ok(Records::Missing(Duration::from_secs(seconds.into())));
            }
            Err(error) => return Err(format!("{label}.{domain}: {error}")),
        };
        let ttl = lookup.answers().iter().map(|record| record.ttl).min().unwrap_or(0);
        let joined = |record: &RData| match record {
            RData::TXT(txt) => Some(txt.txt_data.concat()),
            _ => None,
        };
        let texts = lookup.answers().iter().filter_map(|record| joined(&record.data));
        Ok(Records::Found(texts.collect(), Duration::from_secs(ttl.into())))
    }
}

/// A server that is asked by datagrams, and by TCP where an answer is too long.
pub(super) fn name_server(address: SocketAddr) -> NameServerConfig {
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut connections {
        connection.port = address.port();
    }
    NameServerConfig::new(address.ip(), true, connections)
}
