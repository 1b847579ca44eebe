//! Writing policies in both formats.

use super::entity::{PolicyLog, PolicyWitness};
use super::text::PolicyText;
use super::{Policy, PolicyLog as Log};
use crate::bytes::PublicKey;
use crate::checkpoint::Origin;
use crate::note::{KeyName, Vkey};
use alloc::{string::ToString, vec::Vec};

/// Why a policy cannot be written in a format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyWriteError {
    /// A log's key is not Ed25519.
    #[error("log {0} has no Ed25519 key, which Sigsum policies need")]
    LogKey(Origin),
    /// A log's origin is not the one that Sigsum gives to its key.
    #[error("log {0} has an origin of its own, which Sigsum policies cannot express")]
    LogOrigin(Origin),
    /// A witness's key is not Ed25519.
    #[error("witness {0} has no Ed25519 key, which Sigsum policies need")]
    WitnessKey(PolicyText),
    /// The policy does not tell the name of a witness's key.
    #[error("the key name of witness {0} is not known, which vkeys need")]
    KeyName(PolicyText),
}

/// What to do about witnesses whose key name a policy does not tell. Sigsum policies never do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownKeyNames {
    /// Fail.
    Refuse,
    /// Take the name in the policy. The published policies name witnesses by their key names; a
    /// wrong guess makes a vkey that fits none of the witness's signature lines.
    TakePolicyName,
}

impl Policy {
    /// The policy in Sigsum's format: logs, witnesses, groups, quorum. Key names are lost.
    ///
    /// # Errors
    /// Keys that are not Ed25519, and origins that are not Sigsum's.
    pub fn to_sigsum_text(&self) -> Result<Vec<u8>, PolicyWriteError> {
        let log_key = |log: &PolicyLog| sigsum_log_key(log).map(PublicKey::to_hex);
        let witness_key = |witness: &PolicyWitness| {
            let key = witness.public_key().map(PublicKey::to_hex);
            key.ok_or_else(|| PolicyWriteError::WitnessKey(witness.name().clone()))
        };
        self.write(log_key, witness_key)
    }

    /// The policy as C2SP `tlog-policy`: logs, witnesses, groups, quorum.
    ///
    /// # Errors
    /// Witnesses whose key name is not known or, if it is to be guessed, cannot be.
    pub fn to_tlog_text(&self, unknown: UnknownKeyNames) -> Result<Vec<u8>, PolicyWriteError> {
        let log_key = |log: &PolicyLog| Ok(log.vkey().to_string());
        let witness_key = |witness: &PolicyWitness| {
            let guessed = || match unknown {
                UnknownKeyNames::Refuse => None,
                UnknownKeyNames::TakePolicyName => KeyName::new(witness.name().as_str()?).ok(),
            };
            let name = witness.key_name().cloned().or_else(guessed);
            let name = name.ok_or_else(|| PolicyWriteError::KeyName(witness.name().clone()))?;
            Ok(Vkey { name, key: witness.key().clone() }.to_string())
        };
        self.write(log_key, witness_key)
    }

    /// Writes all lines, with keys in the given forms.
    fn write<T: AsRef<[u8]>>(
        &self,
        log_key: impl Fn(&PolicyLog) -> Result<T, PolicyWriteError>,
        witness_key: impl Fn(&PolicyWitness) -> Result<T, PolicyWriteError>,
    ) -> Result<Vec<u8>, PolicyWriteError> {
        let mut out = Vec::new();
        for log in self.logs() {
            let key = log_key(log)?;
            write_line(&mut out, &[b"log", key.as_ref()], log.url_text());
        }
        for witness in self.witnesses() {
            let key = witness_key(witness)?;
            let words = [b"witness", witness.name().as_bytes(), key.as_ref()];
            write_line(&mut out, &words, witness.url_text());
        }
        for group in self.quorum().groups() {
            let threshold = group.threshold().to_string();
            let mut words = Vec::from([b"group", group.name().as_bytes(), threshold.as_bytes()]);
            words.extend(group.members().iter().map(|member| member.name.as_bytes()));
            write_line(&mut out, &words, None);
        }
        let none = PolicyText::none();
        let quorum = self.quorum().rule().map_or(&none, |member| &member.name);
        write_line(&mut out, &[b"quorum", quorum.as_bytes()], None);
        Ok(out)
    }
}

/// The key of a log that is a Sigsum log.
fn sigsum_log_key(log: &Log) -> Result<&PublicKey, PolicyWriteError> {
    let key = log.public_key().ok_or_else(|| PolicyWriteError::LogKey(log.origin().clone()))?;
    if log.is_sigsum() { Ok(key) } else { Err(PolicyWriteError::LogOrigin(log.origin().clone())) }
}

/// Words between single spaces, and a newline.
fn write_line(out: &mut Vec<u8>, words: &[&[u8]], url: Option<&PolicyText>) {
    out.extend_from_slice(&words.join(&b' '));
    if let Some(url) = url {
        out.push(b' ');
        out.extend_from_slice(url.as_bytes());
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests;
