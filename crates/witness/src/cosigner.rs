//! The witness's own keys, and the signature lines they make.

use sigsum_core::KeyHash;
use sigsum_core::PublicKey;
use sigsum_core::checkpoint::Checkpoint;
use sigsum_core::cosignature::{Timestamp, ed25519_line, ed25519_message};
use sigsum_core::note::{KeyName, KeyNameError, NoteKey, SignatureLine, Vkey};
use sigsum_keys::{SignError, Signer};
use std::sync::Arc;

/// Name of a Sigsum witness's cosignature lines up to its key hash, as the Go tool has it.
const SIGSUM_NAME_PREFIX: &str = "sigsum.org/v1/witness/";

/// A key of this witness, and the name of its signature lines.
#[derive(Debug, Clone)]
pub struct CosignerKey {
    name: KeyName,
    signer: Arc<dyn Signer>,
}

impl CosignerKey {
    /// A key under a name. One public key must not be used under two names
    /// (`tlog-cosignature`, "Ed25519 signed message").
    pub fn new(name: KeyName, signer: Arc<dyn Signer>) -> Self {
        Self { name, signer }
    }

    /// A key under the name that `sigsum-witness` uses: `sigsum.org/v1/witness/KEYHASH`.
    pub fn sigsum(signer: Arc<dyn Signer>) -> Self {
        let name = sigsum_name(&signer.public_key().key_hash());
        Self { name, signer }
    }

    /// A key under a name to be checked, or under the default one.
    ///
    /// # Errors
    /// [`KeyNameError`].
    pub fn named(name: Option<&str>, signer: Arc<dyn Signer>) -> Result<Self, KeyNameError> {
        match name {
            Some(name) => Ok(Self::new(KeyName::new(name)?, signer)),
            None => Ok(Self::sigsum(signer)),
        }
    }

    /// The name.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The public key.
    pub fn public_key(&self) -> PublicKey {
        self.signer.public_key()
    }

    /// What verifiers of the cosignatures are configured with: signature type 4.
    pub fn vkey(&self) -> Vkey {
        Vkey { name: self.name.clone(), key: NoteKey::CosignatureEd25519(self.public_key()) }
    }

    /// Cosigns a checkpoint, extension lines and all.
    pub(crate) async fn cosign(
        &self,
        time: Timestamp,
        checkpoint: &Checkpoint,
    ) -> Result<SignatureLine, SignError> {
        let signature = self.signer.sign(&ed25519_message(time, checkpoint)).await?;
        Ok(ed25519_line(&self.name, &self.public_key(), time, &signature))
    }
}

/// The name of the Sigsum witness with this key.
pub fn sigsum_name(key: &KeyHash) -> KeyName {
    KeyName::new(&format!("{SIGSUM_NAME_PREFIX}{key}"))
        .expect("the prefix and hex digits have no space, plus or control character")
}
