//! Proofs: the fixed one, and random ones, most of which are valid as they are made.

use super::random::Random;
use super::{DATA, LOGS, SUBMITTERS, WITNESSES, signer};
use sigsum_core::leaf::leaf_signing_bytes;
use sigsum_core::merkle::{NodeId, NodeReader, hash_children, hash_leaf, prove_inclusion, root};
use sigsum_core::proof::{ProofLeaf, ProofVersion, SigsumProof};
use sigsum_core::tree_head::{Cosignature, sigsum_origin};
use sigsum_core::wire::log::InclusionProof;
use sigsum_core::{CosignedTreeHead, Hash, Leaf, LeafIndex, Message, SignedTreeHead, TreeHead};
use sigsum_core::{Signature, TreeSize};
use std::convert::Infallible;

/// Sizes of trees: one leaf, full ones, and ones with ragged edges.
const SIZES: [u64; 6] = [1, 2, 3, 8, 17, 100];
/// Times of cosignatures, up to the last that is allowed.
const TIMES_S: [u64; 5] = [0, 1, 1_700_000_000, 4_102_444_800, i64::MAX.cast_unsigned()];

/// A tree whose leaves are all there.
struct Tree(Vec<Vec<Hash>>);

impl NodeReader for Tree {
    type Error = Infallible;
    fn node(&self, NodeId { level, index }: NodeId) -> Result<Hash, Infallible> {
        Ok(self.0[usize::from(level)][usize::try_from(index).unwrap()])
    }
}

impl Tree {
    fn new(size: u64, index: u64, leaf: &Leaf) -> Self {
        let other = |n: u64| hash_leaf(&n.to_be_bytes());
        let hash = |n| if n == index { leaf.hash() } else { other(n) };
        let mut levels = vec![(0..size).map(hash).collect::<Vec<_>>()];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let pairs = below.chunks_exact(2);
            levels.push(pairs.map(|pair| hash_children(&pair[0], &pair[1])).collect());
        }
        Self(levels)
    }
}

/// What a proof is made of.
struct Plan {
    submitter: u8,
    log: u8,
    size: u64,
    index: u64,
    /// Witness and time.
    cosignatures: Vec<(u8, u64)>,
}

/// The proof that every policy is tried with: cosigned by all witnesses but the last.
pub(super) fn fixed() -> String {
    let cosignatures = WITNESSES[..4].iter().map(|number| (*number, TIMES_S[2])).collect();
    make(&Plan { submitter: SUBMITTERS[0], log: LOGS[0], size: 17, index: 5, cosignatures })
        .to_text()
}

fn make(plan: &Plan) -> SigsumProof {
    let submitter = signer(plan.submitter);
    let checksum = Message::of_data(DATA).checksum();
    let signature = submitter.sign_now(&leaf_signing_bytes(&checksum));
    let leaf = Leaf { checksum, signature, key_hash: submitter.public_key().key_hash() };
    let tree = Tree::new(plan.size, plan.index, &leaf);
    let size = TreeSize(plan.size);
    let tree_head = TreeHead { size, root_hash: root(&tree, size).unwrap() };
    let log = signer(plan.log).public_key().key_hash();
    let signature = signer(plan.log).sign_now(&tree_head.sigsum_signing_bytes(&log));
    let mut head = CosignedTreeHead::new(SignedTreeHead { tree_head, signature });
    let text = tree_head.checkpoint_text(&sigsum_origin(&log));
    for (witness, timestamp_s) in &plan.cosignatures {
        let message = Cosignature::signing_bytes(*timestamp_s, &text);
        let key_hash = signer(*witness).public_key().key_hash();
        let signature = signer(*witness).sign_now(&message);
        head.insert(Cosignature { key_hash, timestamp_s: *timestamp_s, signature });
    }
    let leaf_index = LeafIndex(plan.index);
    let path = prove_inclusion(&tree, leaf_index, size).unwrap();
    let inclusion = (plan.size > 1).then_some(InclusionProof { leaf_index, path });
    let leaf = ProofLeaf::from(&leaf);
    SigsumProof { version: ProofVersion::V2, log, leaf, tree_head: head, inclusion }
}

/// A proof of version 2 or 1.
pub(super) fn random(random: &mut Random) -> Vec<u8> {
    let size = *random.pick(&SIZES);
    let index = u64::try_from(random.below(usize::try_from(size).unwrap())).unwrap();
    let mut witnesses = WITNESSES.to_vec();
    witnesses.retain(|_| !random.one_in(6));
    random.shuffle(&mut witnesses);
    let cosignatures = witnesses.iter().map(|number| (*number, *random.pick(&TIMES_S))).collect();
    let submitter = SUBMITTERS[usize::from(random.one_in(20))];
    let log = LOGS[usize::from(random.one_in(20))];
    let mut proof = make(&Plan { submitter, log, size, index, cosignatures });
    if random.one_in(8) {
        spoil(random, &mut proof);
    }
    let text = proof.to_text();
    if random.one_in(3) {
        return version_1(random, &text).into_bytes();
    }
    text.into_bytes()
}

/// A proof that says something else than was signed, in a well-formed way.
fn spoil(random: &mut Random, proof: &mut SigsumProof) {
    let other = Signature::new([7; 64]);
    let inclusion = proof.inclusion.as_mut();
    match (random.below(6), inclusion) {
        (0, Some(inclusion)) => inclusion.leaf_index.0 ^= 1,
        (1, Some(inclusion)) => inclusion.path.push(Hash::new([7; 32])),
        (2, Some(inclusion)) => inclusion.path[0] = Hash::new([7; 32]),
        (3, _) => proof.leaf.signature = other,
        (4, _) => proof.tree_head.signed.signature = other,
        _ => {
            let cosigned = proof.tree_head.cosignatures().first().copied();
            if let Some(cosignature) = cosigned {
                proof.tree_head.insert(Cosignature { signature: other, ..cosignature });
            }
        }
    }
}

/// With four digits of some checksum.
fn version_1(random: &mut Random, text: &str) -> String {
    let digits = *random.pick(&["0000", "abcd", "FFFF"]);
    text.replacen("version=2\n", "version=1\n", 1).replacen("leaf=", &format!("leaf={digits} "), 1)
}
