//! Tests of the sign-subtree request.

use super::*;
use crate::bytes::BytesError;
use crate::checkpoint::{Checkpoint, CheckpointError, Origin};
use crate::merkle::MerkleError;
use crate::note::NoteError;
use crate::note::testing::any_line;
use crate::tree_head::{TreeHead, TreeSize};
use crate::wire::test_values::{at, hash, refused};
use proptest::prelude::*;
use std::string::String;

/// The example of `tlog-witness`, section "sign-subtree", with a whole signature.
const EXAMPLE: &str = "subtree 8 13
mbsQCg+dEIMGlpqeGgk94JutQwKKS2Lo5IuDhKmDjiU=
CD82D2LDm0phY0+xKbHyZfq3Hw21lVkuV7Zis5EFg0k=
h/ghL5nyaXTIBAklqDnisM+SFdbA3izoGZ5oRYMZzc0=
8qtnAAU9sTKQx/zt3E4v8Jt2a9IMQUf0QUawvePF9y0=
KuO5BNOmginG34Lm5G3e2GuiWliGo3K0ebzGpvI0fEg=

example.com/behind-the-sofa
14
/CcKVZM9n65aH7jLaIZuUB4/MSlEFQ4+ldwUC21rDHM=

\u{2014} witness.example/w1 LijDAFSpKvDUj+ZtaJ4lUVcn
";
const RANGE: Problem =
    Problem::Value("expected \"subtree\", a start and an end, separated by single spaces");
const HASH: Problem = Problem::Value("expected the hash of the subtree");

fn with_range(range: &str) -> String {
    EXAMPLE.replacen("8 13", range, 1)
}

#[test]
fn example_of_the_specification_is_read_and_written_back() {
    let request = SignSubtreeRequest::parse(EXAMPLE.as_bytes()).unwrap();
    assert_eq!((request.subtree.start(), request.subtree.end()), (8, 13));
    assert_eq!(request.hash.to_base64(), "mbsQCg+dEIMGlpqeGgk94JutQwKKS2Lo5IuDhKmDjiU=");
    assert_eq!(request.proof.len(), 4);
    assert_eq!(String::from_utf8(request.to_body()).unwrap(), EXAMPLE);
}

#[test]
fn subtree_up_to_the_end_of_the_checkpoint_is_read() {
    assert!(SignSubtreeRequest::parse(with_range("8 14").as_bytes()).is_ok());
    assert!(SignSubtreeRequest::parse(with_range("0 14").as_bytes()).is_ok());
}

refused! { SignSubtreeRequest::parse;
    empty_body_is_refused: "" => at(1, RANGE).into();
    other_keyword_is_refused: EXAMPLE.replacen("subtree", "old", 1) => at(1, RANGE).into();
    range_without_end_is_refused: with_range("8") => at(1, RANGE).into();
    range_with_a_third_value_is_refused: with_range("8 13 14") => at(1, Problem::Integer).into();
    range_with_two_spaces_is_refused: with_range("8  13") => at(1, Problem::Integer).into();
    start_with_a_leading_zero_is_refused: with_range("08 13") => at(1, Problem::Integer).into();
    end_with_a_plus_is_refused: with_range("8 +13") => at(1, Problem::Integer).into();
    end_of_2_to_the_63_is_refused:
        with_range("8 9223372036854775808") => at(1, Problem::Integer).into();
    reversed_range_is_refused:
        with_range("13 8")
        => WitnessBodyError::Subtree(MerkleError::NotASubtree { start: 13, end: 8 });
    unaligned_range_is_refused:
        with_range("7 13")
        => WitnessBodyError::Subtree(MerkleError::NotASubtree { start: 7, end: 13 });
    subtree_behind_the_checkpoint_is_refused:
        with_range("8 15")
        => WitnessBodyError::SubtreeBehindCheckpoint { end: 15, size: TreeSize(14) };
    missing_hash_is_refused: "subtree 8 13\n" => at(2, HASH).into();
    empty_hash_is_refused:
        "subtree 8 13\n\n"
        => at(2, Problem::Bytes(BytesError::Length { expected: 32, got: 0 })).into();
    hash_that_is_not_base64_is_refused:
        EXAMPLE.replacen("jiU=", "jiU", 1) => at(2, Problem::Bytes(BytesError::NotBase64)).into();
    short_proof_line_is_refused:
        EXAMPLE.replacen("KuO5BNOmginG34Lm5G3e2GuiWliGo3K0ebzGpvI0fEg=", "AAAA", 1)
        => at(6, Problem::Bytes(BytesError::Length { expected: 32, got: 3 })).into();
    sixty_four_proof_lines_are_refused:
        EXAMPLE.replacen("\n\n", &format!("\n{}\n", "/CcKVZM9n65aH7jLaIZuUB4/MSlEFQ4+ldwUC21rDHM=\n".repeat(60)), 1)
        => at(66, Problem::TooManyLines).into();
    crlf_is_refused: EXAMPLE.replace('\n', "\r\n") => at(1, Problem::InvalidByte).into();
    body_cut_in_the_proof_is_refused: &EXAMPLE[..80] => at(3, Problem::NoNewline).into();
    missing_final_newline_is_refused:
        EXAMPLE.trim_end() => CheckpointError::Note(NoteError::NoFinalNewline).into();
    checkpoint_without_signatures_is_refused:
        &EXAMPLE[..EXAMPLE.find('\u{2014}').unwrap()]
        => CheckpointError::Note(NoteError::NoSignatures).into();
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        level in 0..20_u32, index in 0..1000_u64, more in 0..1000_u64,
        hash in hash(), root_hash in hash(),
        proof in prop::collection::vec(hash(), 0..=63),
        signatures in prop::collection::vec(any_line(), 1..3),
    ) {
        let (start, end) = (index << level, (index + 1) << level);
        let tree_head = TreeHead { size: TreeSize(end + more), root_hash };
        let checkpoint = Checkpoint::new(Origin::new("example.org/log").unwrap(), tree_head);
        let request = SignSubtreeRequest {
            subtree: Subtree::new(start, end).unwrap(),
            hash,
            proof,
            checkpoint: SignedCheckpoint { checkpoint, signatures },
        };
        prop_assert_eq!(SignSubtreeRequest::parse(&request.to_body()), Ok(request));
    }

    #[test]
    fn what_is_read_is_written_back(at in 0..EXAMPLE.len(), byte in any::<u8>()) {
        let mut body = EXAMPLE.as_bytes().to_vec();
        body[at] = byte;
        if let Ok(request) = SignSubtreeRequest::parse(&body) {
            prop_assert_eq!(request.to_body(), body);
        }
    }
}
