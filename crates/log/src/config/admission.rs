//! Who may submit how much, as configured: log-go's `rate-limit-file` and `allow-test-domain`, and
//! what is ours, `dns-resolver` and `static-keys`.

use super::FileConfigError;
use super::file::PrimaryTable;
use serde::Deserialize;
use sigsum_core::PublicKey;
use sigsum_limits::Domain;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// The port of DNS (RFC 1035 section 4.2).
const DNS_PORT: u16 = 53;

/// Settings of admission. By default nobody is limited, and tokens are checked with the machine's
/// resolver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AdmissionConfig {
    /// The file of limits; `None` for no limits.
    pub rate_limit_file: Option<PathBuf>,
    /// Whether the test domain, whose private key everybody knows, may be used.
    pub allow_test_domain: bool,
    /// Resolvers to ask; the machine's where there is none.
    pub dns_resolvers: Vec<SocketAddr>,
    /// Keys that count for a domain beside those in DNS.
    pub static_keys: HashMap<Domain, Vec<PublicKey>>,
}

/// One text or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum OneOrMore {
    /// One.
    One(String),
    /// Several.
    More(Vec<String>),
}

impl OneOrMore {
    pub(super) fn texts(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::More(texts) => texts,
        }
    }
}

/// Reads what the table says.
pub(super) fn read(table: &PrimaryTable) -> Result<AdmissionConfig, FileConfigError> {
    let is_set = |path: &&PathBuf| !path.as_os_str().is_empty();
    let resolvers = table.dns_resolver.iter().flat_map(OneOrMore::texts);
    let resolvers = resolvers.filter(|text| !text.is_empty()).map(|text| resolver(text));
    Ok(AdmissionConfig {
        rate_limit_file: table.rate_limit_file.as_ref().filter(is_set).cloned(),
        allow_test_domain: table.allow_test_domain.unwrap_or(false),
        dns_resolvers: resolvers.collect::<Result<_, _>>()?,
        static_keys: static_keys(&table.static_keys)?,
    })
}

/// An address, with a port or without.
fn resolver(text: &str) -> Result<SocketAddr, FileConfigError> {
    let with_port = text.parse::<SocketAddr>();
    let address = with_port.or_else(|_| text.parse::<IpAddr>().map(|ip| (ip, DNS_PORT).into()));
    address.map_err(|_| FileConfigError::DnsResolver(text.to_owned()))
}

fn static_keys(
    table: &BTreeMap<String, OneOrMore>,
) -> Result<HashMap<Domain, Vec<PublicKey>>, FileConfigError> {
    let mut all: HashMap<_, Vec<_>> = HashMap::new();
    for (name, texts) in table {
        let failed = |problem: String| FileConfigError::StaticKey { domain: name.clone(), problem };
        let domain = Domain::parse(name).map_err(|e| failed(format!("the name {e}")))?;
        for text in texts.texts() {
            let key = PublicKey::from_hex(text).map_err(|e| failed(e.to_string()))?;
            all.entry(domain.clone()).or_default().push(key);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FileConfig;

    fn read_text(text: &str) -> Result<AdmissionConfig, String> {
        let file = FileConfig::parse(text).map_err(|e| e.to_string())?;
        read(&file.primary).map_err(|e| e.to_string())
    }

    fn error(text: &str) -> String {
        read_text(text).expect_err(text)
    }

    #[test]
    fn nothing_configured_is_no_limit() {
        assert_eq!(read_text("").unwrap(), AdmissionConfig::default());
        let empty = "[primary]\nrate-limit-file = ''\ndns-resolver = ''\nallow-test-domain = false";
        assert_eq!(read_text(empty).unwrap(), AdmissionConfig::default());
    }

    #[test]
    fn all_of_it_is_read() {
        let (a, b) = ("0a".repeat(32), "0b".repeat(32));
        let text = format!(
            "[primary]\nrate-limit-file = 'limits'\nallow-test-domain = true\n\
             dns-resolver = ['127.0.0.1:5353', '::1', '[::1]:54']\n\
             [primary.static-keys]\n'Example.ORG' = '{a}'\n'xn--rka-qla.se' = ['{a}', '{b}']\n\
             'r\u{e4}ka.se' = '{b}'"
        );
        let config = read_text(&text).unwrap();
        assert_eq!(config.rate_limit_file, Some("limits".into()));
        assert!(config.allow_test_domain);
        let resolvers: Vec<_> = config.dns_resolvers.iter().map(ToString::to_string).collect();
        assert_eq!(resolvers, ["127.0.0.1:5353", "[::1]:53", "[::1]:54"]);
        let keys = |name: &str| config.static_keys[name].len();
        assert_eq!((keys("example.org"), keys("r\u{e4}ka.se")), (1, 3));
    }

    #[test]
    fn a_resolver_that_is_no_address_is_refused() {
        for text in ["localhost", "localhost:53", "127.0.0.1:x", "127.0.0.1:99999", "1.2.3"] {
            let said = error(&format!("[primary]\ndns-resolver = '{text}'"));
            assert!(said.contains(&format!("{text:?}")), "{said}");
        }
    }

    #[test]
    fn a_static_key_that_is_none_is_refused() {
        let key = "0a".repeat(32);
        for (name, key, problem) in [
            ("example.org", "0a", "expected 32 bytes, got 1"),
            ("example.org", "xy", "expected 32 bytes"),
            ("*.example.org", &*key, "character"),
            ("", &*key, "empty"),
        ] {
            let said = error(&format!("[primary.static-keys]\n'{name}' = ['{key}']"));
            assert!(said.starts_with(&format!("static-keys: {name:?}: ")), "{said}");
            assert!(said.contains(problem), "{said}");
        }
    }

    #[test]
    fn values_of_another_type_are_refused() {
        for text in ["rate-limit-file = 3", "allow-test-domain = 'yes'", "dns-resolver = 53"] {
            assert!(FileConfig::parse(&format!("[primary]\n{text}")).is_err(), "{text}");
        }
    }
}
