//! Tests of the proof bodies.

use super::*;
use crate::bytes::BytesError;
use crate::wire::test_values::{at, hash, integer, refused, upper_case_values, wrong_key};
use proptest::prelude::*;
use std::format;

/// The example of `log.md` section 3.2.
const INCLUSION: &str = "leaf_index=2
node_hash=35fd6eb70d46d60679775c346225688e6e84c02c3c7978e5c51daf8decc22d2f
node_hash=11a2b46fb34efed4abbd144f8666bda8b83ee2ee6f7685062ed5cd68d616412a
";

/// The example of `log.md` section 3.3.
const CONSISTENCY: &str =
    "node_hash=3f94ccfa9482768b2ab42805df9c7612773bcb35c286a91d5aec5fbf42f50fec
node_hash=b4e2ff9fb485b20e63b3406ee5a17ddfe6287dd7614549debdca34fefb7334e7
";

fn node_hashes(count: usize) -> String {
    format!("node_hash={}\n", "0f".repeat(32)).repeat(count)
}

#[test]
fn examples_of_the_specification_are_read_and_written_back() {
    let inclusion = InclusionProof::parse(INCLUSION.as_bytes()).unwrap();
    assert_eq!((inclusion.leaf_index.0, inclusion.path.len()), (2, 2));
    assert_eq!(inclusion.to_body(), INCLUSION);
    let consistency = ConsistencyProof::parse(CONSISTENCY.as_bytes()).unwrap();
    assert_eq!(consistency.path.len(), 2);
    assert_eq!(consistency.to_body(), CONSISTENCY);
}

#[test]
fn hex_of_any_case_is_read() {
    let upper = upper_case_values(INCLUSION);
    assert_ne!(upper, INCLUSION);
    let read = InclusionProof::parse(upper.as_bytes());
    assert_eq!(read, InclusionProof::parse(INCLUSION.as_bytes()));
}

#[test]
fn longest_proofs_reach_the_limits_and_are_read() {
    let body = format!("leaf_index={}\n{}", crate::ascii::MAX_INTEGER, node_hashes(63));
    assert_eq!(body.len(), MAX_INCLUSION_PROOF_BODY_BYTES);
    assert_eq!(InclusionProof::parse(body.as_bytes()).unwrap().to_body(), body);
    let body = node_hashes(63);
    assert_eq!(body.len(), MAX_CONSISTENCY_PROOF_BODY_BYTES);
    assert_eq!(ConsistencyProof::parse(body.as_bytes()).unwrap().to_body(), body);
}

refused! { InclusionProof::parse;
    empty_inclusion_proof_is_refused: "" => at(1, Problem::UnexpectedEnd("leaf_index"));
    inclusion_proof_without_index_is_refused:
        CONSISTENCY => wrong_key(1, "leaf_index", "node_hash=3f94ccfa9482768b2ab428");
    inclusion_proof_without_hashes_is_refused:
        "leaf_index=2\n" => at(2, Problem::UnexpectedEnd("node_hash"));
    inclusion_proof_of_64_hashes_is_refused:
        format!("leaf_index=2\n{}", node_hashes(64)) => at(65, Problem::TooManyLines);
    second_index_is_refused:
        format!("leaf_index=2\n{INCLUSION}") => wrong_key(2, "node_hash", "leaf_index=2");
    index_behind_the_hashes_is_refused:
        format!("{CONSISTENCY}leaf_index=2\n")
        => wrong_key(1, "leaf_index", "node_hash=3f94ccfa9482768b2ab428");
    index_with_a_plus_is_refused: INCLUSION.replace("=2\n", "=+2\n") => at(1, Problem::Integer);
    negative_index_is_refused: INCLUSION.replace("=2\n", "=-2\n") => at(1, Problem::Integer);
    index_with_a_leading_zero_is_refused:
        INCLUSION.replace("=2\n", "=02\n") => at(1, Problem::Integer);
    empty_index_is_refused: INCLUSION.replace("=2\n", "=\n") => at(1, Problem::Integer);
    hexadecimal_index_is_refused: INCLUSION.replace("=2\n", "=0x2\n") => at(1, Problem::Integer);
    index_with_a_space_is_refused: INCLUSION.replace("=2\n", "= 2\n") => at(1, Problem::Integer);
    index_of_2_to_the_63_is_refused:
        INCLUSION.replace("=2\n", "=9223372036854775808\n") => at(1, Problem::Integer);
    index_of_2_to_the_64_is_refused:
        INCLUSION.replace("=2\n", "=18446744073709551616\n") => at(1, Problem::Integer);
    crlf_is_refused: INCLUSION.replace('\n', "\r\n") => at(1, Problem::InvalidByte);
    missing_final_newline_is_refused: INCLUSION.trim_end() => at(3, Problem::NoNewline);
    trailing_empty_line_is_refused: format!("{INCLUSION}\n") => at(4, Problem::Trailing);
    trailing_bytes_are_refused: format!("{INCLUSION}x") => at(4, Problem::Trailing);
    odd_number_of_digits_is_refused:
        INCLUSION.replace("412a\n", "412\n") => at(3, Problem::Bytes(BytesError::NotHex));
    hash_of_31_bytes_is_refused:
        INCLUSION.replace("412a\n", "41\n")
        => at(3, Problem::Bytes(BytesError::Length { expected: 32, got: 31 }));
    letter_that_is_no_hex_digit_is_refused:
        INCLUSION.replace("412a\n", "412g\n") => at(3, Problem::Bytes(BytesError::NotHex));
    two_hashes_on_a_line_are_refused:
        INCLUSION.replace("2d2f\nnode_hash=", "2d2f ") => at(2, Problem::Bytes(BytesError::NotHex));
}

refused! { ConsistencyProof::parse;
    empty_consistency_proof_is_refused: "" => at(1, Problem::UnexpectedEnd("node_hash"));
    consistency_proof_of_64_hashes_is_refused: node_hashes(64) => at(64, Problem::TooManyLines);
    consistency_proof_with_an_index_is_refused:
        INCLUSION => wrong_key(1, "node_hash", "leaf_index=2");
    trailing_line_of_a_consistency_proof_is_refused:
        format!("{CONSISTENCY}leaf_index=2\n") => at(3, Problem::Trailing);
    consistency_proof_without_final_newline_is_refused:
        CONSISTENCY.trim_end() => at(2, Problem::NoNewline);
}

proptest! {
    #[test]
    fn written_inclusion_proof_is_read_back(
        leaf_index in integer(), path in prop::collection::vec(hash(), 1..=63),
    ) {
        let proof = InclusionProof { leaf_index: LeafIndex(leaf_index), path };
        prop_assert_eq!(InclusionProof::parse(proof.to_body().as_bytes()), Ok(proof));
    }

    #[test]
    fn written_consistency_proof_is_read_back(path in prop::collection::vec(hash(), 1..=63)) {
        let proof = ConsistencyProof { path };
        prop_assert_eq!(ConsistencyProof::parse(proof.to_body().as_bytes()), Ok(proof));
    }

    #[test]
    fn what_is_read_is_written_back(at in 0..INCLUSION.len(), byte in any::<u8>()) {
        let mut body = INCLUSION.as_bytes().to_vec();
        body[at] = byte;
        if let Ok(proof) = InclusionProof::parse(&body) {
            prop_assert_eq!(proof.to_body().into_bytes(), body.to_ascii_lowercase());
        }
    }
}
