//! Leaves, keys and heads for tests, and the tree by its definition.

use ed25519_dalek::{Signer as _, SigningKey};
use sigsum_core::merkle::{InclusionClaim, hash_children};
use sigsum_core::tree_head::sigsum_origin;
use sigsum_core::{
    Checksum, CosignedTreeHead, Hash, KeyHash, Leaf, LeafIndex, PublicKey, Signature,
    SignedTreeHead, TreeHead, TreeSize,
};
use sigsum_store::{LeafLog as _, Place, Published, Store, TreeReader as _};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, OnceLock};

/// Leaf number `n`, unlike all others.
pub(crate) fn leaf(n: u64) -> Leaf {
    known()[usize::try_from(n).unwrap()].0
}

/// Many leaves and their hashes; making them takes longer than what they test.
fn known() -> &'static [(Leaf, Hash)] {
    static KNOWN: OnceLock<Vec<(Leaf, Hash)>> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let leaves = (0..KNOWN_LEAVES).map(make_leaf);
        leaves.map(|leaf| (leaf, leaf.hash())).collect()
    })
}

/// Enough for three levels of tiles.
const KNOWN_LEAVES: u64 = 70_000;

fn make_leaf(n: u64) -> Leaf {
    let word = |tag: u8| sigsum_core::crypto::sha256(&[&[tag], &n.to_be_bytes()[..]].concat());
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&word(1));
    signature[32..].copy_from_slice(&word(2));
    Leaf {
        checksum: Checksum::new(word(0)),
        signature: Signature::new(signature),
        key_hash: KeyHash::new(word(3)),
    }
}

pub(crate) fn leaves(range: Range<u64>) -> Vec<Leaf> {
    range.map(leaf).collect()
}

pub(crate) fn hashes(size: u64) -> Vec<Hash> {
    known()[..usize::try_from(size).unwrap()].iter().map(|(_, hash)| *hash).collect()
}

/// RFC 6962 section 2.1, word by word.
pub(crate) fn naive_root(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => Hash::empty_tree(),
        [one] => *one,
        _ => {
            let split = hashes.len().next_power_of_two() / 2;
            hash_children(&naive_root(&hashes[..split]), &naive_root(&hashes[split..]))
        }
    }
}

/// The tree of the first `size` leaves.
pub(crate) fn tree(size: u64) -> TreeHead {
    static TREES: Mutex<BTreeMap<u64, TreeHead>> = Mutex::new(BTreeMap::new());
    let make = || TreeHead { size: TreeSize(size), root_hash: naive_root(&hashes(size)) };
    *TREES.lock().unwrap().entry(size).or_insert_with(make)
}

fn signing_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// The key of the log in these tests.
pub(crate) fn log_key() -> PublicKey {
    PublicKey::new(signing_key().verifying_key().to_bytes())
}

pub(crate) fn sign(tree_head: TreeHead) -> SignedTreeHead {
    let bytes = tree_head.sigsum_signing_bytes(&log_key().key_hash());
    let signature = Signature::new(signing_key().sign(&bytes).to_bytes());
    SignedTreeHead { tree_head, signature }
}

pub(crate) fn publish(head: SignedTreeHead) -> Published {
    let text = head.tree_head.checkpoint_text(&sigsum_origin(&log_key().key_hash()));
    let checkpoint = format!("{text}\n\u{2014} some.witness AAAA\n").into_bytes();
    Published { head: CosignedTreeHead::new(head), checkpoint }
}

/// A new store, its index built.
pub(crate) fn fresh(place: &Place) -> Store {
    Store::init(place, &log_key()).unwrap();
    reopen(place)
}

pub(crate) fn reopen(place: &Place) -> Store {
    let store = Store::open(place, &log_key()).unwrap();
    store.wait_for_index().unwrap();
    store
}

/// Commits these leaves, all of which must be new.
pub(crate) fn commit(store: &Store, range: Range<u64>) {
    let committed = store.commit(&leaves(range.clone())).unwrap();
    for (n, committed) in range.zip(committed) {
        assert_eq!((committed.index, committed.is_new), (LeafIndex(n), true));
    }
}

/// Whether the store has exactly the first `size` leaves, of which `integrated` are in the tree.
pub(crate) fn check(store: &Store, size: u64, integrated: u64) {
    assert_eq!(store.committed_size(), TreeSize(size));
    assert_eq!(store.leaves(LeafIndex(0), LeafIndex(size)).unwrap(), leaves(0..size));
    assert_eq!(store.integrated(), tree(integrated));
    assert_eq!(store.compact_range().tree_head(), tree(integrated));
    for n in 0..size {
        assert_eq!(store.index_of(&leaf(n).hash()).unwrap(), Some(LeafIndex(n)));
    }
    for n in size..size + 3 {
        assert!(!store.contains(&leaf(n).hash()).unwrap());
    }
}

/// Whether the inclusion proof of a leaf verifies.
pub(crate) fn check_inclusion(store: &Store, index: u64, tree: TreeHead) {
    let path = store.inclusion_proof(LeafIndex(index), tree.size).unwrap();
    let leaf_hash = leaf(index).hash();
    let claim = InclusionClaim { leaf_hash, leaf_index: LeafIndex(index), tree, path: &path };
    claim.verify().unwrap_or_else(|error| panic!("leaf {index} in {}: {error}", tree.size));
}
