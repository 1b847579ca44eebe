//! Key files, signers and the ssh-agent client of Sigsum.
//!
//! # In scope
//! OpenSSH private keys (Ed25519, not encrypted), OpenSSH public keys with the
//! `sigsum-policy="NAME"` option, lists of them, raw hex seeds (deprecated), new keys, signing in
//! memory and through an ssh-agent. The formats are OpenSSH's `PROTOCOL.key`, the public key
//! format of `sshd(8)` and `draft-miller-ssh-agent`.
//!
//! # Out of scope
//! Encrypted key files (add them to an ssh-agent instead), other key types, signature checks (core
//! does them).
//!
//! The accepted key file is one fixed layout, so the parser is ours: a general SSH key library
//! reads more than may be accepted here, and its errors could not say what these files need.
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::expect_used)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::expect_used,
        reason = "a test that goes wrong may panic"
    )
)]

mod agent;
mod generate;
mod load;
mod pem;
mod private;
mod public;
mod seed;
mod signer;
mod wire;

pub use agent::{
    AgentClient, AgentError, AgentSigner, Identity, MAX_AGENT_RESPONSE_BYTES,
    MAX_SIGN_RESPONSE_BYTES, MAX_SIGNED_MESSAGE_BYTES, parse_identities, parse_signature,
};
pub use generate::{Existing, write_key_pair};
pub use load::{
    KeyFileError, LoadedSigner, MAX_KEY_FILE_BYTES, SignerSource, load_service_signer, load_signer,
    os_text, read_key_list, read_private_key, read_public_key,
};
pub use private::{PrivateKeyError, parse_private_key, write_private_key};
pub use public::{
    KeyList, KeyListError, PublicKeyError, PublicKeyLine, common_policy_name, format_public_key,
    parse_key_list, parse_public_key,
};
pub use seed::{RandomError, SigningSeed, random_u64};
pub use signer::{Ed25519Signer, PublicOnlySigner, SignError, Signer};
pub use wire::BlobError;
