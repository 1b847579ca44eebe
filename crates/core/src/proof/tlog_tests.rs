//! Tests of the `tlog-proof` format.

use super::*;
use crate::bytes::BytesError;
use crate::checkpoint::{Checkpoint, LineError, Origin};
use crate::note::NoteError;
use crate::note::testing::any_line;
use crate::tree_head::{TreeHead, TreeSize};
use crate::wire::test_values::{at, hash, integer, refused};
use proptest::prelude::*;
use std::{string::String, vec};

/// The example of `tlog-proof`, with whole signatures and extra data.
const EXAMPLE: &str = "c2sp.org/tlog-proof@v1
extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6
index 73894
gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=
EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=
RoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=
AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=

example.com/fancylog
109482
sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=

\u{2014} example.com/fancylog hI2DJwAA
\u{2014} witness1.example mJirIklj
";
const HEADER_DUE: Problem = Problem::Value("expected the header of a tlog-proof");
const INDEX: Problem = Problem::Value("expected \"index\", a space and a leaf index");

fn without_extra() -> String {
    EXAMPLE.split_inclusive('\n').filter(|line| !line.starts_with("extra")).collect()
}

fn parse(text: &str) -> Result<TlogProof, TlogProofError> {
    TlogProof::parse(text.as_bytes())
}

fn with_hashes(count: usize) -> String {
    let hash = "gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\n";
    let note = &EXAMPLE[EXAMPLE.find("example.com").unwrap()..];
    format!("{HEADER}\nindex 7\n{}\n{note}", hash.repeat(count))
}

#[test]
fn example_of_the_specification_is_read_and_written_back() {
    let proof = parse(EXAMPLE).unwrap();
    assert_eq!(proof.extra, b"age-v1.2.1-darwin-arm64.tar.gz");
    assert_eq!((proof.index, proof.path.len()), (LeafIndex(73894), 5));
    assert_eq!(proof.checkpoint.signatures.len(), 2);
    assert_eq!(String::from_utf8(proof.to_text()).unwrap(), EXAMPLE);
}

#[test]
fn proof_without_extra_data_is_read_and_written_back() {
    let proof = parse(&without_extra()).unwrap();
    assert_eq!(proof.extra, b"");
    assert_eq!(String::from_utf8(proof.to_text()).unwrap(), without_extra());
}

#[test]
fn proof_in_a_tree_of_one_entry_has_no_path() {
    let proof = parse(&with_hashes(0)).unwrap();
    assert_eq!(proof.path, []);
    assert_eq!(String::from_utf8(proof.to_text()).unwrap(), with_hashes(0));
}

#[test]
fn longest_path_is_read() {
    assert_eq!(parse(&with_hashes(63)).unwrap().path.len(), 63);
}

#[test]
fn most_extra_data_is_read() {
    let mut proof = parse(EXAMPLE).unwrap();
    proof.extra = vec![7; MAX_EXTRA_BYTES];
    assert_eq!(TlogProof::parse(&proof.to_text()), Ok(proof));
}

#[test]
fn more_extra_data_is_refused() {
    let mut proof = parse(EXAMPLE).unwrap();
    proof.extra = vec![7; MAX_EXTRA_BYTES + 1];
    let got = MAX_EXTRA_BYTES + 1;
    assert_eq!(TlogProof::parse(&proof.to_text()), Err(TlogProofError::ExtraTooLarge { got }));
}

refused! { TlogProof::parse;
    empty_file_is_refused: "" => at(1, HEADER_DUE).into();
    other_version_is_refused: EXAMPLE.replace("@v1", "@v2") => at(1, HEADER_DUE).into();
    header_with_a_trailing_space_is_refused:
        EXAMPLE.replace("@v1", "@v1 ") => at(1, HEADER_DUE).into();
    missing_header_is_refused:
        EXAMPLE.replace("c2sp.org/tlog-proof@v1\n", "") => at(1, HEADER_DUE).into();
    sigsum_proof_is_refused: "version=2\n" => at(1, HEADER_DUE).into();
    crlf_is_refused: EXAMPLE.replace('\n', "\r\n") => at(1, Problem::InvalidByte).into();
    missing_index_is_refused:
        EXAMPLE.replace("index 73894\n", "") => at(3, INDEX).into();
    missing_index_without_extra_is_refused:
        without_extra().replace("index 73894\n", "") => at(2, INDEX).into();
    extra_without_data_is_refused:
        without_extra().replace("index", "extra \nindex")
        => at(2, Problem::Value("an extra line without data must be left out")).into();
    extra_without_space_is_refused:
        without_extra().replace("index", "extra\nindex") => at(2, INDEX).into();
    extra_that_is_not_base64_is_refused:
        EXAMPLE.replace("extra YW", "extra Y-")
        => at(2, Problem::Bytes(BytesError::NotBase64)).into();
    extra_with_stray_bits_is_refused:
        EXAMPLE.replace("Lmd6", "LmdoAAB=") => at(2, Problem::Bytes(BytesError::NotBase64)).into();
    second_extra_is_refused:
        EXAMPLE.replace("index", "extra AAAA\nindex") => at(3, INDEX).into();
    extra_behind_the_index_is_refused:
        without_extra().replace("73894\n", "73894\nextra AAAA\n")
        => at(3, Problem::Bytes(BytesError::NotBase64)).into();
    second_index_is_refused:
        without_extra().replace("73894\n", "73894\nindex 73894\n")
        => at(3, Problem::Bytes(BytesError::NotBase64)).into();
    index_with_a_leading_zero_is_refused:
        without_extra().replace("73894", "073894") => at(2, Problem::Integer).into();
    index_with_a_plus_is_refused:
        without_extra().replace("73894", "+73894") => at(2, Problem::Integer).into();
    index_with_a_trailing_space_is_refused:
        without_extra().replace("73894", "73894 ") => at(2, Problem::Integer).into();
    index_of_2_to_the_63_is_refused:
        without_extra().replace("73894", "9223372036854775808") => at(2, Problem::Integer).into();
    path_of_64_hashes_is_refused: with_hashes(64) => at(66, Problem::TooManyLines).into();
    path_line_without_padding_is_refused:
        without_extra().replace("PlQ=", "PlQ") => at(3, Problem::Bytes(BytesError::NotBase64)).into();
    path_line_of_3_bytes_is_refused:
        without_extra().replace("gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=", "AAAA")
        => at(3, Problem::Bytes(BytesError::Length { expected: 32, got: 3 })).into();
    missing_empty_line_is_refused:
        without_extra().replacen("\n\n", "\n", 1)
        => at(8, Problem::Bytes(BytesError::NotBase64)).into();
    second_empty_line_is_refused:
        without_extra().replacen("\n\n", "\n\n\n", 1)
        => CheckpointError::Origin(LineError::Empty).into();
    file_cut_in_the_path_is_refused: &EXAMPLE.as_bytes()[..10] => at(1, Problem::NoNewline).into();
    missing_checkpoint_is_refused:
        format!("{HEADER}\nindex 7\n\n")
        => CheckpointError::Note(NoteError::NoFinalNewline).into();
    checkpoint_without_signatures_is_refused:
        EXAMPLE.split_inclusive('\n').take(13).collect::<String>()
        => CheckpointError::Note(NoteError::NoSignatures).into();
    checkpoint_size_with_a_leading_zero_is_refused:
        EXAMPLE.replace("\n109482\n", "\n0109482\n") => CheckpointError::Size.into();
    missing_final_newline_is_refused:
        EXAMPLE.trim_end() => CheckpointError::Note(NoteError::NoFinalNewline).into();
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        extra in prop::collection::vec(any::<u8>(), 0..200), index in integer(),
        path in prop::collection::vec(hash(), 0..=63), size in integer(), root_hash in hash(),
        signatures in prop::collection::vec(any_line(), 1..4),
    ) {
        let tree_head = TreeHead { size: TreeSize(size), root_hash };
        let checkpoint = Checkpoint::new(Origin::new("example.org/log").unwrap(), tree_head);
        let checkpoint = SignedCheckpoint { checkpoint, signatures };
        let proof = TlogProof { extra, index: LeafIndex(index), path, checkpoint };
        prop_assert_eq!(TlogProof::parse(&proof.to_text()), Ok(proof));
    }

    #[test]
    fn what_is_read_is_written_back(at in 0..EXAMPLE.len(), byte in any::<u8>()) {
        let mut text = EXAMPLE.as_bytes().to_vec();
        text[at] = byte;
        if let Ok(proof) = TlogProof::parse(&text) {
            prop_assert_eq!(proof.to_text(), text);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(text in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = TlogProof::parse(&text);
        let start = format!("{HEADER}\nindex 0\n\n").into_bytes();
        let _ = TlogProof::parse(&[start, text].concat());
    }
}
