//! Tests of the state files' format: one case for each way of being malformed.

use super::{
    Kind, MAX_STATE_BYTES, load_head, load_identity, load_promotion, load_published, load_role,
};
use super::{load_tree, seal};
use super::{store_head, store_identity, store_published, store_tree};
use crate::error::{Damage, StoreError};
use crate::place::Place;
use crate::types::Published;
use proptest::prelude::*;
use sigsum_core::tree_head::Cosignature;
use sigsum_core::{CosignedTreeHead, Hash, KeyHash, Signature, SignedTreeHead, TreeHead, TreeSize};
use std::fmt::Debug;

fn place() -> Place {
    let place = Place::memory();
    place.ensure_self().unwrap();
    place
}

fn write(place: &Place, kind: Kind, bytes: &[u8]) {
    place.replace(kind.name(), bytes, 0o600).unwrap();
}

fn damage<T: Debug>(result: Result<T, StoreError>) -> Damage {
    match result.unwrap_err() {
        StoreError::Damaged { damage, .. } => damage,
        other => panic!("{other}"),
    }
}

fn signed(size: u64, byte: u8) -> SignedTreeHead {
    let tree_head = TreeHead { size: TreeSize(size), root_hash: Hash::new([byte; 32]) };
    SignedTreeHead { tree_head, signature: Signature::new([byte; 64]) }
}

#[test]
fn a_file_that_is_not_there_is_none() {
    let place = place();
    assert_eq!(load_identity(&place).unwrap(), None);
    assert_eq!(load_tree(&place).unwrap(), None);
    assert_eq!(load_head(&place).unwrap(), None);
    assert_eq!(load_published(&place).unwrap(), None);
}

#[test]
fn a_state_file_is_text_for_people() {
    let place = place();
    store_tree(&place, &TreeHead { size: TreeSize(7), root_hash: Hash::new([0xab; 32]) }).unwrap();
    let text = String::from_utf8(place.read("tree", 1000).unwrap().unwrap()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "sigsum-store tree v1");
    assert!(lines[1].starts_with("sha256="));
    assert_eq!(lines[2..], ["size=7", &format!("root_hash={}", "ab".repeat(32))]);
}

#[test]
fn a_file_of_another_kind_is_refused() {
    let place = place();
    write(&place, Kind::Tree, &seal(Kind::Head, b"size=0\n"));
    assert!(matches!(damage(load_tree(&place)), Damage::Header(line) if line.contains("tree v1")));
}

#[test]
fn a_file_of_another_version_is_refused() {
    let place = place();
    write(&place, Kind::Tree, b"sigsum-store tree v2\nsha256=00\n");
    assert!(matches!(damage(load_tree(&place)), Damage::Header(_)));
}

#[test]
fn an_empty_file_is_refused() {
    let place = place();
    write(&place, Kind::Identity, b"");
    assert!(matches!(damage(load_identity(&place)), Damage::Header(_)));
}

#[test]
fn a_file_cut_off_in_its_checksum_is_refused() {
    let place = place();
    let whole = seal(Kind::Identity, b"");
    write(&place, Kind::Identity, &whole[..whole.len() - 2]);
    assert!(matches!(damage(load_identity(&place)), Damage::Header(_)));
}

#[test]
fn a_file_with_another_checksum_is_refused() {
    let place = place();
    let mut bytes = seal(Kind::Tree, b"size=7\n");
    *bytes.last_mut().unwrap() = b' ';
    write(&place, Kind::Tree, &bytes);
    assert_eq!(damage(load_tree(&place)), Damage::Checksum);
}

#[test]
fn a_file_that_is_too_long_is_refused() {
    let place = place();
    write(&place, Kind::Published, &seal(Kind::Published, &vec![b'x'; MAX_STATE_BYTES]));
    assert!(matches!(damage(load_published(&place)), Damage::Length { .. }));
}

#[test]
fn right_checksums_around_wrong_text_are_refused() {
    let place = place();
    for text in ["", "size=7\n", "size=07\nroot_hash=00\n", "size=7\nroot_hash=00\n"] {
        write(&place, Kind::Tree, &seal(Kind::Tree, text.as_bytes()));
        assert!(matches!(damage(load_tree(&place)), Damage::Text(_)), "{text}");
    }
    write(&place, Kind::Identity, &seal(Kind::Identity, b"key_hash=zz\n"));
    assert!(matches!(damage(load_identity(&place)), Damage::Text(_)));
    let key = "5".repeat(64);
    for text in ["role=none\n", &format!("role=standby\nlog_key={key}\n"), "role=follower\n"] {
        write(&place, Kind::Role, &seal(Kind::Role, text.as_bytes()));
        assert!(matches!(damage(load_role(&place)), Damage::Text(_)), "{text}");
    }
    for text in ["", "known_size=1\n", "known_size=x\nheld_size=1\n", "held_size=1\nknown_size=1\n"]
    {
        write(&place, Kind::Promotion, &seal(Kind::Promotion, text.as_bytes()));
        assert!(matches!(damage(load_promotion(&place)), Damage::Text(_)), "{text}");
    }
    write(&place, Kind::Published, &seal(Kind::Published, b"no empty line"));
    assert!(matches!(damage(load_published(&place)), Damage::Text(_)));
}

proptest! {
    #[test]
    fn identity_tree_and_head_are_read_as_written(size in 0u64..=i64::MAX as u64, byte: u8) {
        let place = place();
        let key_hash = KeyHash::new([byte; 32]);
        store_identity(&place, &key_hash).unwrap();
        prop_assert_eq!(load_identity(&place).unwrap(), Some(key_hash));
        let head = signed(size, byte);
        store_tree(&place, &head.tree_head).unwrap();
        prop_assert_eq!(load_tree(&place).unwrap(), Some(head.tree_head));
        store_head(&place, &head).unwrap();
        prop_assert_eq!(load_head(&place).unwrap(), Some(head));
    }

    #[test]
    fn a_published_head_is_read_as_written(
        cosigners in proptest::collection::vec(any::<[u8; 32]>(), 0..5),
        checkpoint: Vec<u8>,
    ) {
        let place = place();
        let mut head = CosignedTreeHead::new(signed(9, 1));
        for key_hash in cosigners {
            let key_hash = KeyHash::new(key_hash);
            head.insert(Cosignature { key_hash, timestamp_s: 5, signature: Signature::new([2; 64]) });
        }
        let published = Published { head, checkpoint };
        store_published(&place, &published).unwrap();
        prop_assert_eq!(load_published(&place).unwrap(), Some(published));
    }

    #[test]
    fn any_flipped_byte_is_found(at in 0usize..300, bits in 1u8..) {
        let place = place();
        store_head(&place, &signed(9, 1)).unwrap();
        let mut bytes = place.read("head", 1000).unwrap().unwrap();
        let at = at % bytes.len();
        bytes[at] ^= bits;
        write(&place, Kind::Head, &bytes);
        prop_assert!(load_head(&place).is_err());
    }
}
