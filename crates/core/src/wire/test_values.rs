//! Values and strategies that the tests of several formats share.

use crate::bytes::{Checksum, Hash, KeyHash, Message, PublicKey, Signature};
use crate::leaf::Leaf;
use crate::tree_head::{Cosignature, CosignedTreeHead, SignedTreeHead, TreeHead, TreeSize};
use proptest::prelude::*;
use std::string::String;

/// Makes one test per way of being malformed: a name, the bytes, the error they must give.
macro_rules! refused {
    ($parse:expr; $($name:ident: $bytes:expr => $error:expr;)+) => {
        $(
            #[test]
            fn $name() {
                let bytes = $bytes;
                let bytes: &[u8] = bytes.as_ref();
                assert_eq!($parse(bytes).unwrap_err(), $error);
            }
        )+
    };
}
pub(crate) use refused;

/// A refused line.
pub(crate) fn at(line: usize, problem: crate::ascii::Problem) -> crate::ascii::AsciiError {
    crate::ascii::AsciiError { line, problem }
}

/// The error for a line with another key than the one that is due.
pub(crate) fn wrong_key(
    line: usize,
    expected: &'static str,
    found: &str,
) -> crate::ascii::AsciiError {
    at(line, crate::ascii::Problem::WrongKey { expected, found: found.into() })
}

pub(crate) fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash::new)
}

pub(crate) fn key_hash() -> impl Strategy<Value = KeyHash> {
    any::<[u8; 32]>().prop_map(KeyHash::new)
}

pub(crate) fn message() -> impl Strategy<Value = Message> {
    any::<[u8; 32]>().prop_map(Message::new)
}

pub(crate) fn public_key() -> impl Strategy<Value = PublicKey> {
    any::<[u8; 32]>().prop_map(PublicKey::new)
}

pub(crate) fn signature() -> impl Strategy<Value = Signature> {
    (any::<[u8; 32]>(), any::<[u8; 32]>())
        .prop_map(|(r, s)| Signature::from_slice(&[r, s].concat()).unwrap())
}

/// All integers of the wire, with the ends often.
pub(crate) fn integer() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(1), Just(crate::ascii::MAX_INTEGER), 0..=crate::ascii::MAX_INTEGER]
}

pub(crate) fn leaf() -> impl Strategy<Value = Leaf> {
    (any::<[u8; 32]>(), signature(), key_hash()).prop_map(|(checksum, signature, key_hash)| Leaf {
        checksum: Checksum::new(checksum),
        signature,
        key_hash,
    })
}

/// A signed head of a tree of that size.
pub(crate) fn signed_tree_head(
    size: impl Strategy<Value = u64>,
) -> impl Strategy<Value = SignedTreeHead> {
    (size, hash(), signature()).prop_map(|(size, root_hash, signature)| SignedTreeHead {
        tree_head: TreeHead { size: TreeSize(size), root_hash },
        signature,
    })
}

/// A head of a tree of that size with up to four cosignatures.
pub(crate) fn cosigned_tree_head(
    size: impl Strategy<Value = u64>,
) -> impl Strategy<Value = CosignedTreeHead> {
    let cosignature =
        (key_hash(), integer(), signature()).prop_map(|(key_hash, timestamp_s, signature)| {
            Cosignature { key_hash, timestamp_s, signature }
        });
    (signed_tree_head(size), prop::collection::vec(cosignature, 0..4)).prop_map(
        |(signed, cosignatures)| {
            let mut head = CosignedTreeHead::new(signed);
            cosignatures.into_iter().for_each(|c| head.insert(c));
            head
        },
    )
}

/// The same `key=value` lines with the hex digits of their values in upper case.
pub(crate) fn upper_case_values(text: &str) -> String {
    let upper = |line: &str| match line.split_once('=') {
        Some((key, value)) => std::format!("{key}={}\n", value.to_ascii_uppercase()),
        None => std::format!("{line}\n"),
    };
    text.lines().map(upper).collect()
}
