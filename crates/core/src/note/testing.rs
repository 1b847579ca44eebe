//! Keys, signatures and generated values for tests of notes, checkpoints, cosignatures, policies.

use super::{KeyName, MlDsa44PublicKey, MlDsa44Signature, NoteKey, SignatureLine, Vkey};
use crate::bytes::{PublicKey, Signature};
use alloc::{boxed::Box, string::String, vec::Vec};
use ed25519_dalek::Signer as _;
use ml_dsa::MlDsa44;
use proptest::prelude::*;
use std::{env, fs, path::Path, println};

/// The test key with this number.
pub(crate) fn public_key(number: u8) -> PublicKey {
    PublicKey::new(signing_key(number).verifying_key().to_bytes())
}

/// A signature of the test key with this number.
pub(crate) fn sign(number: u8, message: &[u8]) -> Signature {
    Signature::new(signing_key(number).sign(message).to_bytes())
}

fn signing_key(number: u8) -> ed25519_dalek::SigningKey {
    ed25519_dalek::SigningKey::from_bytes(&[number; 32])
}

/// The ML-DSA-44 test key with this number.
pub(crate) fn mldsa_key(number: u8) -> MlDsa44PublicKey {
    let key = mldsa_signing_key(&[number; 32]).expanded_key().verifying_key();
    MlDsa44PublicKey::from_slice(&key.encode()).unwrap()
}

/// A signature of the ML-DSA-44 test key with this number.
pub(crate) fn mldsa_sign(number: u8, message: &[u8]) -> MlDsa44Signature {
    let key = mldsa_signing_key(&[number; 32]);
    let signature = key.expanded_key().sign_deterministic(message, b"").unwrap();
    MlDsa44Signature::from_slice(&signature.encode()).unwrap()
}

/// An ML-DSA-44 signing key from its seed.
pub(crate) fn mldsa_signing_key(seed: &[u8; 32]) -> ml_dsa::SigningKey<MlDsa44> {
    ml_dsa::SigningKey::from_seed(seed.into())
}

/// A key name that is one.
pub(crate) fn name(name: &str) -> KeyName {
    KeyName::new(name).unwrap()
}

/// A type 1 vkey of the test key with this number.
pub(crate) fn vkey(key_name: &str, number: u8) -> Vkey {
    Vkey { name: name(key_name), key: NoteKey::Ed25519(public_key(number)) }
}

/// A type 4 vkey of the test key with this number.
pub(crate) fn cosigner(key_name: &str, number: u8) -> Vkey {
    Vkey { name: name(key_name), key: NoteKey::CosignatureEd25519(public_key(number)) }
}

/// A type 6 vkey of the ML-DSA-44 test key with this number.
pub(crate) fn mldsa_cosigner(key_name: &str, number: u8) -> Vkey {
    let key = NoteKey::CosignatureMlDsa44(Box::new(mldsa_key(number)));
    Vkey { name: name(key_name), key }
}

/// A file of the shared test data: in `SIGSUM_TESTDATA`, or beside the repository. Says so and
/// gives `None` where there is no test data.
pub(crate) fn testdata(file: &str) -> Option<Vec<u8>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/testdata");
    let directory = env::var_os("SIGSUM_TESTDATA").map_or(beside, Into::into);
    let read = fs::read(directory.join(file));
    if read.is_err() {
        println!("skipped: no test data {file}; set SIGSUM_TESTDATA");
    }
    read.ok()
}

/// Any key name.
pub(crate) fn any_name() -> impl Strategy<Value = KeyName> {
    let ascii = "[!-*,-~]{1,40}";
    prop_oneof![ascii, "[a-z0-9./-]{1,255}", "\\PC{1,20}"]
        .prop_filter_map("not a key name", |name: String| KeyName::new(&name).ok())
}

/// Any signature line: of any size.
pub(crate) fn any_line() -> impl Strategy<Value = SignatureLine> {
    let bytes = prop::collection::vec(any::<u8>(), 1..3000);
    (any_name(), any::<[u8; 4]>(), bytes).prop_map(|(name, key_id, signature)| SignatureLine {
        name,
        key_id: super::KeyId(key_id),
        signature,
    })
}

/// Any vkey; Ed25519 keys need not be points.
pub(crate) fn any_vkey() -> impl Strategy<Value = Vkey> {
    let ed25519 = any::<[u8; 32]>().prop_map(PublicKey::new);
    let key = (0..3_u8, ed25519, any::<u8>()).prop_map(|(kind, key, byte)| match kind {
        0 => NoteKey::Ed25519(key),
        1 => NoteKey::CosignatureEd25519(key),
        _ => NoteKey::CosignatureMlDsa44(Box::new(MlDsa44PublicKey::new([byte; 1312]))),
    });
    (any_name(), key).prop_map(|(name, key)| Vkey { name, key })
}
