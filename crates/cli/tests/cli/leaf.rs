//! Leaves by number.

use sigsum_core::Message;
use sigsum_core::leaf::leaf_signing_bytes;
use sigsum_core::wire::log::AddLeafRequest;
use sigsum_keys::Ed25519Signer;

/// The add-leaf request of a number.
pub(crate) fn add_leaf_request(signer: &Ed25519Signer, number: u64) -> AddLeafRequest {
    let message = Message::of_data(&number.to_be_bytes());
    let signature = signer.sign_now(&leaf_signing_bytes(&message.checksum()));
    AddLeafRequest { message, signature, public_key: signer.public_key() }
}
