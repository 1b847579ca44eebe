//! Bodies of the fuzz targets in `fuzz/`: one function for every parser of bytes from outside.
//!
//! A body panics where the parser breaks its promise. For canonical formats that is: what was
//! accepted is written back byte for byte (hex digits in lowercase); for the others: what is
//! written is read back as the same value. Ordinary tests run the bodies on the seeds too.

mod merkle;
#[cfg(test)]
mod tests;

pub use merkle::merkle_proofs;

use crate::ascii::{Reader, Writer};
use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::cosignature;
use crate::leaf::Leaf;
use crate::merkle::tile::{Tile, bundle};
use crate::note::{NoteKey, SignatureLine, SignedNote, Vkey};
use crate::policy::{Policy, UnknownKeyNames};
use crate::proof::{ProofVersion, SigsumProof, TlogProof};
use crate::token::SubmitToken;
use crate::verify::{Input, verify_sigsum};
use crate::wire::log::{
    AddLeafRequest, ConsistencyProof, GetConsistencyProof, GetInclusionProof, GetLeaves,
    InclusionProof, leaves_body, parse_leaves, parse_signed_tree_head, parse_tree_head,
    signed_tree_head_body, tree_head_body,
};
use crate::wire::witness::{
    AddCheckpointRequest, SignSubtreeRequest, conflict_body, parse_conflict, parse_signature_lines,
    signature_lines_body,
};
use alloc::string::ToString as _;
use alloc::vec::Vec;

/// The text must be what was read.
#[track_caller]
fn same(written: impl AsRef<[u8]>, read: &[u8]) {
    assert_eq!(written.as_ref().escape_ascii().to_string(), read.escape_ascii().to_string());
}

/// The text must be what was read, but for the case of hex digits.
#[track_caller]
fn same_hex(written: impl AsRef<[u8]>, read: &[u8]) {
    same(written, &read.to_ascii_lowercase());
}

/// Bytes that are text; others are no input of that parser.
fn text(data: &[u8]) -> &str {
    core::str::from_utf8(data).unwrap_or_default()
}

/// Lines of the `key=value` format with integers, words and hex.
pub fn ascii_lines(data: &[u8]) {
    let Ok(mut reader) = Reader::new(data) else { return };
    let mut writer = Writer::new();
    loop {
        if reader.next_is("size") {
            let Ok(size) = reader.integer("size") else { return };
            writer.integer("size", size);
        } else if reader.next_is("words") {
            let Ok(words) = reader.words::<3>("words") else { return };
            writer.words("words", &words);
        } else if reader.next_is("leaf") {
            let Ok(leaf) = Leaf::read(&mut reader) else { return };
            assert_eq!(Leaf::from_bytes(&leaf.to_bytes()), Ok(leaf));
            writer.text("leaf", "");
        } else if reader.empty_line().is_ok() {
            writer.empty_line();
        } else {
            break;
        }
    }
    let written = writer.finish();
    if reader.end().is_ok() && !written.contains("leaf=") {
        same(written, data);
    }
}

/// get-tree-head response and the older heads without cosignatures.
pub fn tree_head(data: &[u8]) {
    if let Ok(head) = parse_tree_head(data) {
        same_hex(tree_head_body(&head), data);
    }
    if let Ok(head) = parse_signed_tree_head(data) {
        same_hex(signed_tree_head_body(&head), data);
    }
}

/// add-leaf request.
pub fn add_leaf(data: &[u8]) {
    if let Ok(request) = AddLeafRequest::parse(data) {
        same_hex(request.to_body(), data);
        let _ = request.verify();
    }
}

/// get-inclusion-proof response.
pub fn inclusion_proof(data: &[u8]) {
    if let Ok(proof) = InclusionProof::parse(data) {
        same_hex(proof.to_body(), data);
    }
}

/// get-consistency-proof response.
pub fn consistency_proof(data: &[u8]) {
    if let Ok(proof) = ConsistencyProof::parse(data) {
        same_hex(proof.to_body(), data);
    }
}

/// get-leaves response.
pub fn leaves(data: &[u8]) {
    if let Ok(leaves) = parse_leaves(data, 8) {
        same_hex(leaves_body(&leaves), data);
    }
}

/// Parameters in the paths of the three GET requests that have some.
pub fn request_path(data: &[u8]) {
    let path = text(data);
    if let Ok(request) = GetInclusionProof::parse(path) {
        assert!(request.to_path().ends_with(&path.to_ascii_lowercase()));
    }
    if let Ok(request) = GetConsistencyProof::parse(path) {
        assert!(request.to_path().ends_with(path));
    }
    if let Ok(request) = GetLeaves::parse(path) {
        assert!(request.to_path().ends_with(path));
    }
}

/// Submit token header.
pub fn token(data: &[u8]) {
    if let Ok(token) = SubmitToken::from_header(text(data)) {
        assert_eq!(SubmitToken::from_header(&token.to_header()), Ok(token));
    }
}

/// Path of a tile.
pub fn tile_path(data: &[u8]) {
    if let Ok(tile) = Tile::parse(text(data)) {
        same(tile.path(), data);
    }
}

/// Entry bundle; its first byte is the width less one.
pub fn tile_bundle(data: &[u8]) {
    let Some((width, data)) = data.split_first() else { return };
    let Ok(entries) = bundle::read(data, u16::from(*width).saturating_add(1)) else { return };
    let mut written = Vec::new();
    for entry in entries {
        assert_eq!(bundle::push(&mut written, entry), Ok(()));
    }
    same(written, data);
}

/// Signed note.
pub fn note(data: &[u8]) {
    if let Ok(note) = SignedNote::parse(data) {
        same(note.to_string(), data);
    }
}

/// Verifier key; the key id may be in capitals, as Go's tools let it.
pub fn vkey(data: &[u8]) {
    if let Ok(vkey) = Vkey::parse(text(data)) {
        let written = vkey.to_string();
        assert!(written.as_bytes().eq_ignore_ascii_case(data));
        assert_eq!(Vkey::parse(&written), Ok(vkey));
    }
}

/// Checkpoint, bare and signed.
pub fn checkpoint(data: &[u8]) {
    if let Ok(checkpoint) = Checkpoint::parse(text(data)) {
        same(checkpoint.to_text(), data);
    }
    if let Ok(signed) = SignedCheckpoint::parse(data) {
        same(signed.to_bytes(), data);
    }
}

/// Signature line as a cosignature: of a log's checkpoint by a key of each type.
pub fn cosignature_line(data: &[u8]) {
    let Ok(line) = SignatureLine::parse(text(data)) else { return };
    same(line.to_string(), data);
    let key = crate::PublicKey::new([0x58; 32]);
    let head = crate::TreeHead::empty();
    let checkpoint = Checkpoint::new(crate::checkpoint::Origin::sigsum(&key.key_hash()), head);
    if let Some(cosignature) = cosignature::from_line(&line, &key) {
        assert_eq!(cosignature.key_hash, key.key_hash());
    }
    for key in [NoteKey::Ed25519(key), NoteKey::CosignatureEd25519(key)] {
        let _ = cosignature::verify_line_by_key(&line, &key, &checkpoint);
    }
}

/// Policy in the Sigsum format.
pub fn policy_sigsum(data: &[u8]) {
    let Ok(policy) = Policy::parse_sigsum(data) else { return };
    let written = policy.to_sigsum_text();
    let read = written.as_ref().map(|text| Policy::parse_sigsum(text));
    assert_eq!(read, Ok(Ok(policy)));
}

/// Policy in the C2SP format.
pub fn policy_tlog(data: &[u8]) {
    let Ok(policy) = Policy::parse_tlog(data) else { return };
    let written = policy.to_tlog_text(UnknownKeyNames::Refuse);
    let read = written.as_ref().map(|text| Policy::parse_tlog(text));
    assert_eq!(read, Ok(Ok(policy)));
}

/// Sigsum proof, of either version.
pub fn proof_sigsum(data: &[u8]) {
    let Ok(proof) = SigsumProof::parse(data) else { return };
    let written = proof.to_text();
    if proof.version == ProofVersion::V2 {
        same_hex(&written, data);
        assert_eq!(SigsumProof::parse(written.as_bytes()), Ok(proof));
    } else {
        let as_v2 = SigsumProof { version: ProofVersion::V2, ..proof };
        assert_eq!(SigsumProof::parse(written.as_bytes()), Ok(as_v2));
    }
}

/// Proof in the C2SP format.
pub fn proof_tlog(data: &[u8]) {
    if let Ok(proof) = TlogProof::parse(data) {
        same(proof.to_text(), data);
    }
}

/// The whole verification: a policy and a proof, with a NUL between them. No verdict may accept
/// what it names a failure of, and the other way round.
pub fn verify(data: &[u8]) {
    let mut parts = data.splitn(2, |b| *b == 0);
    let (Some(policy), Some(proof)) = (parts.next(), parts.next()) else { return };
    let (Ok(policy), Ok(proof)) = (Policy::parse_sigsum(policy), SigsumProof::parse(proof)) else {
        return;
    };
    let verdict = verify_sigsum(&Input::data(b"fuzz"), &[], &policy, &proof);
    assert_eq!(verdict.is_accepted(), verdict.first_failure().is_none());
    assert!(!verdict.is_accepted(), "accepted without any key");
    assert!(!verdict.to_string().is_empty());
}

/// add-checkpoint request.
pub fn add_checkpoint(data: &[u8]) {
    if let Ok(request) = AddCheckpointRequest::parse(data) {
        same(request.to_body(), data);
    }
}

/// sign-subtree request.
pub fn sign_subtree(data: &[u8]) {
    if let Ok(request) = SignSubtreeRequest::parse(data) {
        same(request.to_body(), data);
    }
}

/// Response of a witness: signature lines, or the size in a 409.
pub fn witness_response(data: &[u8]) {
    if let Ok(lines) = parse_signature_lines(data) {
        same(signature_lines_body(&lines), data);
    }
    if let Ok(size) = parse_conflict(data) {
        same(conflict_body(size), data);
    }
}
