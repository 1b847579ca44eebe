//! The keys whose leaves are reported.

use sigsum_core::crypto::VerifyingKey;
use sigsum_core::leaf::leaf_signing_bytes;
use sigsum_core::{KeyHash, Leaf, PublicKey};
use std::collections::HashMap;

/// What a leaf is to the watcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sighting {
    /// Not a watched key.
    Other,
    /// A watched key, and the signature verifies.
    Signed,
    /// Any key is watched, so the leaf is reported; its signature cannot be checked without the key.
    Unchecked,
    /// A watched key hash, but the signature does not verify: the log accepted what it must not.
    Forged,
}

/// Keys to watch: given ones, or every key.
#[derive(Debug, Clone)]
pub enum WatchList {
    /// Every leaf is reported, without a check of its signature.
    Everything,
    /// Leaves of these keys are reported; `None` where the bytes are no curve point.
    Keys(HashMap<KeyHash, Option<VerifyingKey>>),
}

impl WatchList {
    /// Watches these keys, or everything where there are none (as sigsum-monitor does).
    pub fn new(keys: &[PublicKey]) -> Self {
        if keys.is_empty() {
            return Self::Everything;
        }
        Self::Keys(keys.iter().map(|k| (k.key_hash(), VerifyingKey::new(k))).collect())
    }

    /// What this leaf is.
    pub fn sight(&self, leaf: &Leaf) -> Sighting {
        let keys = match self {
            Self::Everything => return Sighting::Unchecked,
            Self::Keys(keys) => keys,
        };
        let Some(key) = keys.get(&leaf.key_hash) else { return Sighting::Other };
        let bytes = leaf_signing_bytes(&leaf.checksum);
        match key {
            Some(key) if key.verify(&bytes, &leaf.signature) => Sighting::Signed,
            _ => Sighting::Forged,
        }
    }

    /// One line a key hash in hex, sorted; or `*` for everything. Kept beside the state, because a
    /// key that is added later was not looked for in the leaves already read.
    pub fn to_lines(&self) -> String {
        let keys = match self {
            Self::Everything => return "*\n".to_owned(),
            Self::Keys(keys) => keys,
        };
        let mut lines: Vec<String> = keys.keys().map(|k| format!("{k}\n")).collect();
        lines.sort();
        lines.concat()
    }

    /// Whether all that this list watches was watched already under the stored lines.
    pub fn is_covered_by(&self, stored: &str) -> bool {
        let stored: Vec<&str> = stored.lines().collect();
        stored.contains(&"*") || self.to_lines().lines().all(|line| stored.contains(&line))
    }
}
