//! Tests of the Sigsum proof format.

use super::*;
use crate::bytes::{BytesError, Hash};
use crate::tree_head::LeafIndex;
use crate::wire::test_values::{
    at, cosigned_tree_head, hash, integer, key_hash, refused, signature, upper_case_values,
    wrong_key,
};
use proptest::prelude::*;
use std::{format, vec, vec::Vec};

const KEY_HASHES: [&str; 4] = ["0a", "1b", "2c", "3d"];
const TIME: u64 = 1_700_000_000;

fn leaf_part(version: u64) -> String {
    let short = if version == 1 { "12eF " } else { "" };
    let [log, submitter, ..] = KEY_HASHES.map(|digits| digits.repeat(32));
    format!("version={version}\nlog={log}\nleaf={short}{submitter} {}\n\n", "4e".repeat(64))
}

fn head_part(size: u64) -> String {
    let [_, _, first, second] = KEY_HASHES.map(|digits| digits.repeat(32));
    format!(
        "size={size}\nroot_hash={}\nsignature={}\ncosignature={first} {TIME} {}\n\
         cosignature={second} {TIME} {}\n",
        "5f".repeat(32),
        "6a".repeat(64),
        "7b".repeat(64),
        "8c".repeat(64),
    )
}

fn inclusion_part(hashes: usize) -> String {
    format!("\nleaf_index=3\n{}", node_hashes(hashes))
}

fn node_hashes(count: usize) -> String {
    format!("node_hash={}\n", "9d".repeat(32)).repeat(count)
}

/// A proof in a tree of four leaves: lines 1 to 4, 5 to 9, 10 to 13.
fn valid() -> String {
    leaf_part(2) + &head_part(4) + &inclusion_part(2)
}

fn size_one() -> String {
    leaf_part(2) + &head_part(1)
}

fn parse(text: &str) -> Result<SigsumProof, ProofError> {
    SigsumProof::parse(text.as_bytes())
}

#[test]
fn version_2_is_read_and_written_back() {
    let proof = parse(&valid()).unwrap();
    assert_eq!(proof.to_text(), valid());
    assert_eq!(proof.version, ProofVersion::V2);
    assert_eq!(proof.log.to_hex(), KEY_HASHES[0].repeat(32));
    assert_eq!(proof.leaf.key_hash.to_hex(), KEY_HASHES[1].repeat(32));
    assert_eq!(proof.tree_head.cosignatures().len(), 2);
    assert_eq!(proof.inclusion.unwrap().path, vec![Hash::new([0x9d; 32]); 2]);
}

#[test]
fn version_1_is_read_and_written_as_version_2() {
    let old = leaf_part(1) + &head_part(4) + &inclusion_part(2);
    let proof = parse(&old).unwrap();
    assert_eq!(proof.version, ProofVersion::V1);
    assert_eq!(proof.to_text(), valid());
}

#[test]
fn short_checksum_of_version_1_is_not_compared() {
    let old = leaf_part(1) + &head_part(1);
    assert_eq!(parse(&old), parse(&old.replace("12eF", "0000")));
}

#[test]
fn tree_of_one_leaf_has_no_inclusion_part() {
    let proof = parse(&size_one()).unwrap();
    assert_eq!(proof.inclusion, None);
    assert_eq!(proof.to_text(), size_one());
}

#[test]
fn proof_without_cosignatures_is_read() {
    let text = size_one();
    let bare = text.split_inclusive("cosignature=").next().unwrap();
    let bare = bare.strip_suffix("cosignature=").unwrap();
    assert_eq!(parse(bare).unwrap().to_text(), bare);
}

#[test]
fn hex_of_any_case_is_read() {
    assert_ne!(upper_case_values(&valid()), valid());
    assert_eq!(parse(&upper_case_values(&valid())), parse(&valid()));
}

#[test]
fn index_beyond_the_tree_is_left_to_verification() {
    let proof = parse(&valid().replace("leaf_index=3", "leaf_index=4")).unwrap();
    assert_eq!(proof.inclusion.unwrap().leaf_index, LeafIndex(4));
}

#[test]
fn longest_path_is_read() {
    let text = leaf_part(2) + &head_part(4) + &inclusion_part(63);
    assert_eq!(parse(&text).unwrap().to_text(), text);
}

#[test]
fn largest_proof_reaches_the_limit() {
    let mut text = leaf_part(1) + &head_part(crate::ascii::MAX_INTEGER);
    let cosignatures = text.find("cosignature").unwrap();
    text.truncate(cosignatures);
    for i in 0..CosignedTreeHead::MAX_COSIGNATURES {
        let time = crate::ascii::MAX_INTEGER;
        text += &format!("cosignature={i:064x} {time} {}\n", "7b".repeat(64));
    }
    text += &inclusion_part(63).replace("=3\n", &format!("={}\n", crate::ascii::MAX_INTEGER));
    assert_eq!(text.len(), MAX_SIGSUM_PROOF_BYTES);
    assert!(parse(&text).is_ok());
}

refused! { SigsumProof::parse;
    empty_file_is_refused: "" => at(1, Problem::UnexpectedEnd("version")).into();
    unknown_version_is_refused:
        valid().replace("version=2", "version=3") => ProofError::Version(3);
    version_zero_is_refused: valid().replace("version=2", "version=0") => ProofError::Version(0);
    version_with_a_leading_zero_is_refused:
        valid().replace("version=2", "version=02") => at(1, Problem::Integer).into();
    version_with_a_plus_is_refused:
        valid().replace("version=2", "version=+2") => at(1, Problem::Integer).into();
    missing_version_is_refused:
        valid().replace("version=2\n", "")
        => wrong_key(1, "version", &format!("log={}", "0a".repeat(14))).into();
    byte_order_mark_is_refused:
        format!("\u{feff}{}", valid()) => at(1, Problem::InvalidByte).into();
    version_2_with_a_short_checksum_is_refused:
        valid().replace("leaf=", "leaf=12ef ") => at(3, Problem::WordCount { expected: 2 }).into();
    version_1_without_a_short_checksum_is_refused:
        valid().replace("version=2", "version=1")
        => at(3, Problem::WordCount { expected: 3 }).into();
    short_checksum_that_is_not_hex_is_refused:
        (leaf_part(1) + &head_part(1)).replace("12eF", "12eg")
        => at(3, Problem::Bytes(BytesError::NotHex)).into();
    short_checksum_of_six_digits_is_refused:
        (leaf_part(1) + &head_part(1)).replace("12eF", "12eF00")
        => at(3, Problem::Bytes(BytesError::Length { expected: 2, got: 3 })).into();
    missing_log_is_refused:
        valid().lines().filter(|l| !l.starts_with("log")).fold(String::new(), |a, l| a + l + "\n")
        => wrong_key(2, "log", &format!("leaf={}1", "1b".repeat(13))).into();
    missing_leaf_is_refused:
        valid().lines().filter(|l| !l.starts_with("leaf=")).fold(String::new(), |a, l| a + l + "\n")
        => wrong_key(3, "leaf", "").into();
    short_log_key_hash_is_refused:
        valid().replacen("0a0a", "0a", 1)
        => at(2, Problem::Bytes(BytesError::Length { expected: 32, got: 31 })).into();
    odd_leaf_signature_is_refused:
        valid().replacen("4e4e", "4e4", 1) => at(3, Problem::Bytes(BytesError::NotHex)).into();
    missing_empty_line_before_the_tree_head_is_refused:
        valid().replacen("\n\nsize", "\nsize", 1) => at(4, Problem::NotEmptyLine).into();
    two_empty_lines_before_the_tree_head_are_refused:
        valid().replacen("\n\nsize", "\n\n\nsize", 1) => wrong_key(5, "size", "").into();
    missing_tree_head_is_refused:
        leaf_part(2) => at(5, Problem::UnexpectedEnd("size")).into();
    size_zero_is_refused: leaf_part(2) + &head_part(0) => ProofError::EmptyTree;
    size_zero_with_a_path_is_refused:
        leaf_part(2) + &head_part(0) + &inclusion_part(1) => ProofError::EmptyTree;
    size_one_with_a_path_is_refused:
        leaf_part(2) + &head_part(1) + &inclusion_part(1)
        => ProofError::UnexpectedInclusion { line: 10 };
    size_one_with_a_trailing_empty_line_is_refused:
        size_one() + "\n" => ProofError::UnexpectedInclusion { line: 10 };
    size_one_with_trailing_bytes_is_refused:
        size_one() + "x" => ProofError::UnexpectedInclusion { line: 10 };
    size_above_one_without_an_inclusion_part_is_refused:
        leaf_part(2) + &head_part(2) => ProofError::MissingInclusion;
    empty_line_without_an_inclusion_part_is_refused:
        leaf_part(2) + &head_part(2) + "\n"
        => at(11, Problem::UnexpectedEnd("leaf_index")).into();
    missing_empty_line_before_the_inclusion_part_is_refused:
        valid().replace("\n\nleaf_index", "\nleaf_index") => at(10, Problem::NotEmptyLine).into();
    index_without_hashes_is_refused:
        leaf_part(2) + &head_part(2) + &inclusion_part(0)
        => at(12, Problem::UnexpectedEnd("node_hash")).into();
    path_of_64_hashes_is_refused:
        leaf_part(2) + &head_part(2) + &inclusion_part(64) => at(75, Problem::TooManyLines).into();
    index_with_a_leading_zero_is_refused:
        valid().replace("leaf_index=3", "leaf_index=03") => at(11, Problem::Integer).into();
    index_of_2_to_the_63_is_refused:
        valid().replace("leaf_index=3", "leaf_index=9223372036854775808")
        => at(11, Problem::Integer).into();
    size_of_2_to_the_63_is_refused:
        valid().replace("size=4", "size=9223372036854775808") => at(5, Problem::Integer).into();
    duplicate_cosignature_is_refused:
        valid().replace("3d3d", "2c2c") => at(9, Problem::DuplicateCosignature).into();
    cosignature_without_time_is_refused:
        valid().replacen(&format!(" {TIME} 7b"), " 7b", 1)
        => at(8, Problem::WordCount { expected: 3 }).into();
    negative_time_is_refused:
        valid().replacen(&format!(" {TIME} 7b"), " -1 7b", 1) => at(8, Problem::Integer).into();
    second_tree_head_is_refused:
        leaf_part(2) + &head_part(4) + &head_part(4) => at(10, Problem::NotEmptyLine).into();
    crlf_is_refused: valid().replace('\n', "\r\n") => at(1, Problem::InvalidByte).into();
    missing_final_newline_is_refused:
        String::from(valid().trim_end()) => at(13, Problem::NoNewline).into();
    trailing_empty_line_is_refused: valid() + "\n" => at(14, Problem::Trailing).into();
    trailing_line_is_refused: valid() + "x=y\n" => at(14, Problem::Trailing).into();
    trailing_bytes_are_refused: valid() + "x" => at(14, Problem::Trailing).into();
    trailing_space_is_refused:
        valid().replacen("9d\n", "9d \n", 1) => at(12, Problem::Bytes(BytesError::NotHex)).into();
}

#[test]
fn refusals_of_whole_parts_say_what_the_go_tools_say() {
    let text = |text: &str| format!("{}", parse(text).unwrap_err());
    let version = valid().replace("version=2", "version=7");
    assert_eq!(text(&version), "unknown version 7, wanted 1 or 2");
    assert_eq!(text(&(leaf_part(2) + &head_part(0))), "invalid tree: empty");
    assert_eq!(text(&(leaf_part(2) + &head_part(2))), "missing inclusion proof part");
}

#[test]
fn every_cut_is_refused() {
    let text = valid();
    for end in 0..text.len() {
        // Behind the first of two hashes it is a proof again, of a wrong length.
        let whole = text[..end].ends_with('\n') && text[..end].matches("node_hash").count() == 1;
        assert_eq!(parse(&text[..end]).is_ok(), whole, "cut at {end}");
    }
}

/// Any proof in a tree of any size.
fn any_proof() -> impl Strategy<Value = SigsumProof> {
    let size = prop_oneof![Just(1), 2..=crate::ascii::MAX_INTEGER];
    let path = prop::collection::vec(hash(), 1..=63);
    (key_hash(), key_hash(), signature(), cosigned_tree_head(size), integer(), path).prop_map(
        |(log, key_hash, signature, tree_head, index, path)| SigsumProof {
            version: ProofVersion::V2,
            log,
            leaf: ProofLeaf { key_hash, signature },
            inclusion: (tree_head.signed.tree_head.size.0 > 1)
                .then_some(InclusionProof { leaf_index: LeafIndex(index), path }),
            tree_head,
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(proof in any_proof()) {
        prop_assert_eq!(parse(&proof.to_text()), Ok(proof));
    }

    #[test]
    fn what_is_read_is_written_back(at in 0..1000_usize, byte in any::<u8>()) {
        let mut text: Vec<u8> = valid().into();
        let at = at % text.len();
        text[at] = byte;
        if let Ok(proof) = SigsumProof::parse(&text) {
            prop_assert_eq!(proof.to_text().into_bytes(), text.to_ascii_lowercase());
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(text in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = SigsumProof::parse(&text);
    }
}
