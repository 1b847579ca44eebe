//! The logs and witnesses of a policy.

use super::text::PolicyText;
use crate::bytes::{KeyHash, PublicKey};
use crate::checkpoint::{Checkpoint, LogSignature, Origin, SignedCheckpoint};
use crate::cosignature::{CosignatureError, Timestamp, verify_line, verify_line_by_key};
use crate::note::{KeyName, NoteKey, SignatureLine, Vkey};

/// A log that a policy trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyLog {
    vkey: Vkey,
    origin: Origin,
    url: Option<PolicyText>,
    key_hash: KeyHash,
}

impl PolicyLog {
    /// A Sigsum log: its origin follows from its key.
    pub fn sigsum(key: &PublicKey, url: Option<PolicyText>) -> Self {
        Self::from_vkey(Vkey::sigsum_log(key), url)
    }

    /// A log with a vkey, whose name is its origin (`tlog-policy`, "Defining a log").
    pub fn from_vkey(vkey: Vkey, url: Option<PolicyText>) -> Self {
        Self { origin: Origin::from(&vkey.name), key_hash: vkey.key.key_hash(), vkey, url }
    }

    /// The key with its name.
    pub fn vkey(&self) -> &Vkey {
        &self.vkey
    }

    /// The Ed25519 key; `None` for an ML-DSA-44 key, which only a `tlog-policy` can have.
    pub fn public_key(&self) -> Option<&PublicKey> {
        self.vkey.key.ed25519()
    }

    /// SHA-256 of the public key.
    pub fn key_hash(&self) -> KeyHash {
        self.key_hash
    }

    /// The first line of the log's checkpoints.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether it is a Sigsum log: an Ed25519 key under the origin that follows from it.
    pub fn is_sigsum(&self) -> bool {
        self.public_key().is_some_and(|key| self.vkey == Vkey::sigsum_log(key))
    }

    /// The URL, as octets.
    pub fn url_text(&self) -> Option<&PolicyText> {
        self.url.as_ref()
    }

    /// The URL, where there is one and it is UTF-8.
    pub fn url(&self) -> Option<&str> {
        self.url.as_ref()?.as_str()
    }

    /// What a checkpoint says of this log; [`LogSignature::Missing`] where it is of another origin.
    pub fn verify(&self, signed: &SignedCheckpoint) -> LogSignature {
        if signed.checkpoint.origin == self.origin {
            signed.verify_log(&self.vkey)
        } else {
            LogSignature::Missing
        }
    }
}

/// A witness that a policy knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyWitness {
    name: PolicyText,
    key: NoteKey,
    key_name: Option<KeyName>,
    url: Option<PolicyText>,
    key_hash: KeyHash,
}

impl PolicyWitness {
    /// A witness of a Sigsum policy: an Ed25519 key under any name.
    pub fn sigsum(name: PolicyText, key: &PublicKey, url: Option<PolicyText>) -> Self {
        let key = NoteKey::CosignatureEd25519(*key);
        Self { name, key_hash: key.key_hash(), key, key_name: None, url }
    }

    /// A witness with a vkey.
    pub fn from_vkey(name: PolicyText, vkey: Vkey, url: Option<PolicyText>) -> Self {
        let key_hash = vkey.key.key_hash();
        Self { name, key: vkey.key, key_name: Some(vkey.name), url, key_hash }
    }

    /// The name in the policy, which means nothing outside of it.
    pub fn name(&self) -> &PolicyText {
        &self.name
    }

    /// The key.
    pub fn key(&self) -> &NoteKey {
        &self.key
    }

    /// The Ed25519 key; `None` for an ML-DSA-44 key.
    pub fn public_key(&self) -> Option<&PublicKey> {
        self.key.ed25519()
    }

    /// The name in the witness's signature lines; `None` where the policy does not tell it.
    pub fn key_name(&self) -> Option<&KeyName> {
        self.key_name.as_ref()
    }

    /// SHA-256 of the public key.
    pub fn key_hash(&self) -> KeyHash {
        self.key_hash
    }

    /// The URL, as octets.
    pub fn url_text(&self) -> Option<&PolicyText> {
        self.url.as_ref()
    }

    /// The URL, where there is one and it is UTF-8.
    pub fn url(&self) -> Option<&str> {
        self.url.as_ref()?.as_str()
    }

    /// Whether a signature line is of this witness: by name and key id, or, where the policy does
    /// not tell the key's name, by the key id under the line's own name.
    pub fn is_named_in(&self, line: &SignatureLine) -> bool {
        let name_fits = self.key_name.as_ref().is_none_or(|name| *name == line.name);
        name_fits && line.is_of_key(&self.key)
    }

    /// Checks a signature line and gives the time of the cosignature.
    ///
    /// # Errors
    /// [`CosignatureError`]; [`CosignatureError::OtherKey`] where the line is not of this witness.
    pub fn verify_line(
        &self,
        line: &SignatureLine,
        checkpoint: &Checkpoint,
    ) -> Result<Timestamp, CosignatureError> {
        match &self.key_name {
            Some(name) => {
                let vkey = Vkey { name: name.clone(), key: self.key.clone() };
                verify_line(line, &vkey, checkpoint)
            }
            None => verify_line_by_key(line, &self.key, checkpoint),
        }
    }
}
