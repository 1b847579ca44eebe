//! The certificates by which a certificate authority sees that a name leads here: TLS-ALPN-01 of
//! RFC 8737, for addresses with RFC 8738.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::config::AcmeName;
use crate::tls::provider;

/// The protocol that an authority speaks, and nobody else (RFC 8737 section 6.2).
pub(crate) const ACME_TLS_1: &[u8] = b"acme-tls/1";

/// Certificates by the name that an authority asks for; none unless an order is on its way.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    by_name: ArcSwap<BTreeMap<String, Arc<CertifiedKey>>>,
}

impl Answers {
    /// The certificate for a name in a handshake.
    pub(crate) fn for_name(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.by_name.load().get(&name.to_ascii_lowercase()).cloned()
    }

    /// Answers for a name from now on, with the digest of the key authorization.
    pub(super) fn add(&self, name: &AcmeName, digest: &[u8]) -> Result<(), AnswerError> {
        let certificate = Arc::new(certificate(name, digest)?);
        let mut answers = BTreeMap::clone(&self.by_name.load());
        answers.insert(name_in_handshake(name), certificate);
        self.by_name.store(Arc::new(answers));
        Ok(())
    }

    /// Answers nobody any more.
    pub(super) fn clear(&self) {
        self.by_name.store(Arc::default());
    }
}

/// A certificate that cannot be made. Ours to mend.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnswerError {
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    #[error("cannot use the certificate that was made: {0}")]
    Use(#[from] rustls::Error),
}

/// A certificate that says nothing but the name and the digest (RFC 8737 section 3).
fn certificate(name: &AcmeName, digest: &[u8]) -> Result<CertifiedKey, AnswerError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![name.to_string()])?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions.push(CustomExtension::new_acme_identifier(digest));
    let certificate = params.self_signed(&key)?;
    let chain = vec![certificate.der().clone()];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    // Not checked against each other: a client is to refuse it for its critical extension.
    Ok(CertifiedKey::new(chain, provider().key_provider.load_private_key(key)?))
}

/// The server name that an authority sends; of an address the one in the reverse zone (RFC 8738
/// section 6).
fn name_in_handshake(name: &AcmeName) -> String {
    match name {
        AcmeName::Dns(name) => name.as_ref().to_owned(),
        AcmeName::Ip(IpAddr::V4(address)) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        AcmeName::Ip(IpAddr::V6(address)) => {
            let mut text = String::new();
            for byte in address.octets().iter().rev() {
                let _ = write!(text, "{:x}.{:x}.", byte & 0x0f, byte >> 4); // a string takes it all
            }
            text + "ip6.arpa"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_asked_for_in_their_reverse_zone() {
        let shown = |name: &str| name_in_handshake(&name.parse().unwrap());
        assert_eq!(shown("192.0.2.17"), "17.2.0.192.in-addr.arpa");
        let zeros = "0.".repeat(22);
        assert_eq!(shown("2001:db8::a1"), format!("1.a.{zeros}8.b.d.0.1.0.0.2.ip6.arpa"));
        assert_eq!(shown("Log.Example"), "log.example");
    }

    #[test]
    fn an_answer_is_for_its_name_alone_and_goes_away() {
        let answers = Answers::default();
        answers.add(&"a.example".parse().unwrap(), &[7; 32]).unwrap();
        answers.add(&"b.example".parse().unwrap(), &[8; 32]).unwrap();
        assert!(answers.for_name("A.example").is_some());
        assert!(answers.for_name("b.example").is_some());
        assert!(answers.for_name("c.example").is_none());
        answers.clear();
        assert!(answers.for_name("a.example").is_none());
    }
}
