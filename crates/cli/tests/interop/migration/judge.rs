//! What must hold of a log that has moved.

use super::clients::{Seen, Told};
use crate::heads::get;
use sigsum_core::merkle::{CompactRange, ConsistencyClaim};
use sigsum_core::wire::log::{ConsistencyProof, GetConsistencyProof};
use sigsum_core::{Hash, Leaf, TreeHead};
use std::collections::{BTreeSet, HashSet};
use std::time::Instant;

/// Everything that the log ever published follows from what it published before, and is a
/// beginning of what it serves now.
#[track_caller]
pub(super) fn heads_are_of_one_tree(url: &str, seen: &Seen, leaves: &[Leaf]) {
    let sizes: BTreeSet<u64> = seen.heads.iter().map(|head| head.size.0).collect();
    assert_eq!(sizes.len(), seen.heads.len(), "a size with two root hashes");
    let mut tree = CompactRange::new();
    let mut heads = seen.heads.iter();
    let mut next = heads.next();
    for leaf in leaves.iter().map(Some).chain([None]) {
        while next.is_some_and(|head| head.size == tree.size()) {
            assert_eq!(next.copied(), Some(tree.tree_head()));
            next = heads.next();
        }
        leaf.into_iter().for_each(|leaf| tree.append(leaf.hash()));
    }
    assert_eq!(next, None, "the log has fewer leaves than it published");
    for pair in seen.heads.windows(2) {
        is_consistent(url, pair[0], pair[1]);
    }
}

/// The log can prove that a tree of its grew out of another one.
#[track_caller]
fn is_consistent(url: &str, old: TreeHead, new: TreeHead) {
    let mut path: Vec<Hash> = Vec::new();
    if old.size.0 > 0 {
        let asked = GetConsistencyProof { old_size: old.size, new_size: new.size };
        let (status, body) = get(url, &format!("/{}", asked.to_path())).unwrap();
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        path = ConsistencyProof::parse(&body).unwrap().path;
    }
    ConsistencyClaim { old, new, path: &path }.verify().unwrap();
}

/// What was served before stays where it was, and each leaf that was answered 200 is there, once:
/// where that was before the move, among the leaves from before.
#[track_caller]
pub(super) fn leaves_are_kept(leaves: &[Leaf], before: &[Leaf], told: &Told, moved: Instant) {
    assert_eq!(&leaves[..before.len()], before);
    let there: HashSet<[u8; Leaf::LEN]> = leaves.iter().map(Leaf::to_bytes).collect();
    assert_eq!(there.len(), leaves.len(), "a leaf is there twice");
    let early: HashSet<[u8; Leaf::LEN]> = before.iter().map(Leaf::to_bytes).collect();
    for (leaf, when) in &told.acknowledged {
        assert!(there.contains(&leaf.to_bytes()), "{leaf:?} is lost");
        assert!(*when > moved || early.contains(&leaf.to_bytes()), "{leaf:?} was not there yet");
    }
}
