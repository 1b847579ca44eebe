//! What the operator says about certificates by ACME.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use instant_acme::{Identifier, LetsEncrypt};
use rustls::pki_types::{DnsName, ServerName};

/// The directory that is asked unless another is configured.
pub const LETS_ENCRYPT: &str = LetsEncrypt::Production.url();

/// Names in one certificate: as many as Let's Encrypt takes.
pub const MAX_NAMES: usize = 100;

/// Bytes of a URL or contact: longer ones are refused by servers.
const MAX_TEXT_BYTES: usize = 2048;

/// Certificates by ACME, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeConfig {
    /// What clients call the server; at least one.
    pub names: Vec<AcmeName>,
    /// Where the account, the certificate with its key, and the times of orders are kept.
    pub dir: PathBuf,
    /// Where the authority writes to: `mailto:` URLs.
    pub contact: Vec<String>,
    /// The authority: the URL of its directory, with `https`.
    pub directory_url: String,
    /// Roots of the directory's own certificate, in PEM; `None` for the system's.
    pub ca_file: Option<PathBuf>,
}

/// Why a configuration was refused; always the operator's to mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcmeConfigError {
    /// No name.
    #[error("no name to certify")]
    NoName,
    /// More names than fit into one certificate.
    #[error("{0} names; one certificate has at most {MAX_NAMES}")]
    ManyNames(usize),
    /// One name twice.
    #[error("the name {0} stands twice")]
    SameName(String),
    /// What is no name.
    #[error(
        "{0:?} is neither the name of a host (in Punycode where it is not ASCII) nor an IP address"
    )]
    Name(String),
    /// What this way of proving a name cannot prove.
    #[error("{0:?}: a wildcard cannot be proven by a TLS server; name each host")]
    Wildcard(String),
    /// A contact that is no URL.
    #[error("contact {0:?} is no URL, such as mailto:operator@example.org")]
    Contact(String),
    /// A directory that would be asked without TLS, or not at all.
    #[error("directory-url {0:?} is no https URL, such as {LETS_ENCRYPT}")]
    DirectoryUrl(String),
}

impl AcmeConfig {
    /// Refuses what no authority could be asked with.
    ///
    /// # Errors
    /// [`AcmeConfigError`].
    pub fn check(&self) -> Result<(), AcmeConfigError> {
        if self.names.is_empty() {
            return Err(AcmeConfigError::NoName);
        }
        if self.names.len() > MAX_NAMES {
            return Err(AcmeConfigError::ManyNames(self.names.len()));
        }
        let mut seen = std::collections::BTreeSet::new();
        if let Some(name) = self.names.iter().find(|name| !seen.insert(name.to_string())) {
            return Err(AcmeConfigError::SameName(name.to_string()));
        }
        let is_contact = |text: &str| {
            let address = text.strip_prefix("mailto:").unwrap_or_default();
            address.split_once('@').is_some_and(|(who, host)| !who.is_empty() && !host.is_empty())
                && is_plain(text)
        };
        if let Some(contact) = self.contact.iter().find(|text| !is_contact(text)) {
            return Err(AcmeConfigError::Contact(contact.clone()));
        }
        // As two libraries read it, of which one forgives a missing slash.
        let url = reqwest::Url::parse(&self.directory_url);
        let uri = self.directory_url.parse::<http::Uri>();
        if !url.is_ok_and(|url| url.scheme() == "https" && url.has_host())
            || !uri.is_ok_and(|uri| uri.scheme_str() == Some("https") && uri.host().is_some())
            || !is_plain(&self.directory_url)
        {
            return Err(AcmeConfigError::DirectoryUrl(self.directory_url.clone()));
        }
        Ok(())
    }
}

/// Without what would end a line of a file.
fn is_plain(text: &str) -> bool {
    text.len() <= MAX_TEXT_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A name that a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AcmeName {
    /// A host in DNS, in lower case.
    Dns(DnsName<'static>),
    /// An address (RFC 8738).
    Ip(IpAddr),
}

impl AcmeName {
    /// As an authority is told.
    pub(super) fn identifier(&self) -> Identifier {
        match self {
            Self::Dns(name) => Identifier::Dns(name.as_ref().to_owned()),
            Self::Ip(address) => Identifier::Ip(*address),
        }
    }

    /// As a client names the server.
    pub(super) fn server_name(&self) -> ServerName<'static> {
        match self {
            Self::Dns(name) => ServerName::DnsName(name.clone()),
            Self::Ip(address) => ServerName::IpAddress((*address).into()),
        }
    }
}

impl FromStr for AcmeName {
    type Err = AcmeConfigError;

    fn from_str(text: &str) -> Result<Self, AcmeConfigError> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Ip(address));
        }
        if text.starts_with("*.") {
            return Err(AcmeConfigError::Wildcard(text.to_owned()));
        }
        let name = DnsName::try_from(text.to_ascii_lowercase());
        name.map(Self::Dns).map_err(|_| AcmeConfigError::Name(text.to_owned()))
    }
}

impl fmt::Display for AcmeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name.as_ref()),
            Self::Ip(address) => write!(f, "{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(names: &[&str]) -> AcmeConfig {
        AcmeConfig {
            names: names.iter().map(|name| name.parse().unwrap()).collect(),
            dir: "acme".into(),
            contact: vec!["mailto:a@example.org".to_owned()],
            directory_url: LETS_ENCRYPT.to_owned(),
            ca_file: None,
        }
    }

    #[test]
    fn hosts_and_addresses_are_names() {
        let good =
            config(&["Log.Example.org.", "192.0.2.1", "2001:db8::1", "xn--bcher-kva.example"]);
        good.check().unwrap();
        let names: Vec<_> = good.names.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["log.example.org", "192.0.2.1", "2001:db8::1", "xn--bcher-kva.example"]);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for bad in ["", " ", "a b", "bücher.example", "https://a.example", "a:443"] {
            let error = bad.parse::<AcmeName>().unwrap_err();
            assert_eq!(error, AcmeConfigError::Name(bad.to_owned()));
        }
        let error = "*.example.org".parse::<AcmeName>().unwrap_err();
        assert!(matches!(error, AcmeConfigError::Wildcard(_)));
    }

    #[test]
    fn each_other_fault_is_named() {
        let refusal = |change: fn(&mut AcmeConfig)| {
            let mut config = config(&["a.example"]);
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert_eq!(refusal(|it| it.names.clear()), "no name to certify");
        assert!(refusal(|it| it.names.push("A.example".parse().unwrap())).contains("twice"));
        let many = |it: &mut AcmeConfig| {
            it.names = (0..=100).map(|n| format!("h{n}.example").parse().unwrap()).collect();
        };
        assert!(refusal(many).starts_with("101 names"));
        for contact in ["a@example.org", "mailto:", "mailto:a", "mailto:a@b\nc", "mailto:@"] {
            let mut config = config(&["a.example"]);
            config.contact = vec![contact.to_owned()];
            assert_eq!(config.check(), Err(AcmeConfigError::Contact(contact.to_owned())));
        }
        for url in [
            "",
            "http://ca.example/",
            "ca.example",
            "https://",
            "https://a/\nb",
            "file:///x",
            "https:/a/",
        ] {
            let mut config = config(&["a.example"]);
            config.directory_url = url.to_owned();
            assert_eq!(config.check(), Err(AcmeConfigError::DirectoryUrl(url.to_owned())));
        }
    }
}
