//! Where the certificate of the public endpoint comes from, as configured: ours, log-go has no TLS.

use super::FileConfigError;
use super::admission::OneOrMore;
use serde::Deserialize;
use serde::de::IgnoredAny;
use sigsum_service::acme::{AcmeConfig, LETS_ENCRYPT};
use sigsum_service::tls::{TlsFiles, TlsSource};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// `[acme]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AcmeTable {
    /// What clients call the log.
    pub names: Option<OneOrMore>,
    /// Where account and certificate are kept.
    pub dir: Option<PathBuf>,
    /// Whether the operator agrees to the authority's terms.
    pub agree_to_terms: Option<bool>,
    /// Where the authority writes to.
    pub contact: Option<OneOrMore>,
    /// The authority, if not Let's Encrypt.
    pub directory_url: Option<String>,
    /// Roots of the authority's own web server, if not the system's.
    pub ca_file: Option<PathBuf>,
    /// What is left.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, IgnoredAny>,
}

/// Reads what the file says.
pub(super) fn read(
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    acme: Option<&AcmeTable>,
) -> Result<Option<TlsSource>, FileConfigError> {
    match (cert, key, acme) {
        (None, None, None) => Ok(None),
        (None, None, Some(table)) => Ok(Some(TlsSource::Acme(acme_config(table)?))),
        (Some(cert), Some(key), None) => Ok(Some(TlsSource::Files(TlsFiles { cert, key }))),
        (_, _, Some(_)) => Err(FileConfigError::TlsTwice),
        _ => Err(FileConfigError::HalfTls),
    }
}

fn acme_config(table: &AcmeTable) -> Result<AcmeConfig, FileConfigError> {
    let missing = |key, needed| FileConfigError::AcmeIncomplete { key, needed };
    let names = table.names.as_ref().map(OneOrMore::texts).unwrap_or_default();
    if names.is_empty() {
        return Err(missing("names", "what clients call the log, such as log.example.org"));
    }
    let dir = table.dir.clone().filter(|dir| !dir.as_os_str().is_empty());
    let needed = "a directory of the log's user, in which account and certificate outlast restarts";
    let dir = dir.ok_or_else(|| missing("dir", needed))?;
    if table.agree_to_terms != Some(true) {
        return Err(FileConfigError::AcmeTerms);
    }
    let config = AcmeConfig {
        names: names.iter().map(|name| name.parse()).collect::<Result<_, _>>()?,
        dir,
        contact: table.contact.as_ref().map(|it| it.texts().to_vec()).unwrap_or_default(),
        directory_url: table.directory_url.clone().unwrap_or_else(|| LETS_ENCRYPT.into()),
        ca_file: table.ca_file.clone(),
    };
    config.check()?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FileConfig;

    const GOOD: &str = "names = \"log.example.org\"\ndir = \"acme\"\nagree-to-terms = true\n";

    fn settings(text: &str) -> Result<Option<TlsSource>, FileConfigError> {
        FileConfig::parse(text)?.into_settings().map(|settings| settings.config.tls)
    }

    #[test]
    fn a_name_a_directory_and_consent_are_enough() {
        let Some(TlsSource::Acme(config)) = settings(&format!("[acme]\n{GOOD}")).unwrap() else {
            panic!("no certificate by ACME");
        };
        assert_eq!(config.names, ["log.example.org".parse().unwrap()]);
        assert_eq!(config.directory_url, LETS_ENCRYPT);
        assert_eq!((config.contact.len(), config.ca_file), (0, None));
    }

    #[test]
    fn everything_can_be_said() {
        let text = "[acme]\nnames = [\"a.example\", \"192.0.2.1\"]\ndir = \"d\"\n\
                    agree-to-terms = true\ncontact = \"mailto:a@example.org\"\n\
                    directory-url = \"https://ca.example/dir\"\nca-file = \"ca.pem\"\n";
        let Some(TlsSource::Acme(config)) = settings(text).unwrap() else { panic!("no ACME") };
        assert_eq!((config.names.len(), config.contact.len()), (2, 1));
        assert_eq!(config.directory_url, "https://ca.example/dir");
        assert_eq!(config.ca_file, Some("ca.pem".into()));
    }

    #[test]
    fn what_is_half_or_wrong_is_refused_with_a_remedy() {
        let cases = [
            (GOOD.replace("names", "#"), "acme.names is not set"),
            (GOOD.replace("\"log.example.org\"", "[]"), "acme.names is not set"),
            (GOOD.replace("dir =", "#"), "acme.dir is not set"),
            (GOOD.replace("agree", "#"), "acme.agree-to-terms is not true"),
            (GOOD.replace("true", "false"), "acme.agree-to-terms is not true"),
            (GOOD.replace("log.", "*."), "name each host"),
            (GOOD.replace("log.", "log/"), "neither the name of a host"),
            (GOOD.to_owned() + "contact = \"me\"\n", "mailto:operator@example.org"),
            (GOOD.to_owned() + "directory-url = \"http://ca.example\"\n", "no https URL"),
            (GOOD.to_owned() + "domain = \"a\"\n", "unknown keywords: [acme.domain]"),
            (GOOD.to_owned() + "names = 7\n", "duplicate key"),
        ];
        for (table, reason) in cases {
            let error = settings(&format!("[acme]\n{table}")).unwrap_err().to_string();
            assert!(error.contains(reason), "{table}: {error}");
        }
    }

    #[test]
    fn files_and_an_authority_are_one_too_many() {
        for files in ["tls-cert-file = \"a\"\ntls-key-file = \"b\"\n", "tls-key-file = \"b\"\n"] {
            let error = settings(&format!("{files}[acme]\n{GOOD}")).unwrap_err();
            assert_eq!(error, FileConfigError::TlsTwice);
        }
    }
}
