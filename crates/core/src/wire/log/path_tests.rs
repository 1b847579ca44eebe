//! Tests of the request parameters.

use super::*;
use crate::ascii::MAX_INTEGER;
use crate::wire::test_values::hash;
use proptest::prelude::*;
use std::string::ToString as _;

const HASH: &str = "241fd4538d0a35c2d0394e4710ea9e6916854d08f62602fb03b55221dcdac90f";

fn behind<'a>(path: &'a str, endpoint: &str) -> &'a str {
    path.strip_prefix(endpoint).unwrap()
}

#[test]
fn examples_of_the_specification_are_read() {
    let inclusion = GetInclusionProof::parse(&format!("4/{HASH}")).unwrap();
    assert_eq!(inclusion.size, TreeSize(4));
    assert_eq!(inclusion.leaf_hash.to_hex(), HASH);
    let consistency = GetConsistencyProof::parse("2/5").unwrap();
    assert_eq!((consistency.old_size, consistency.new_size), (TreeSize(2), TreeSize(5)));
    let leaves = GetLeaves::parse("2/5").unwrap();
    assert_eq!((leaves.start, leaves.end, leaves.len()), (LeafIndex(2), LeafIndex(5), 3));
    assert!(!leaves.is_empty());
}

#[test]
fn leaf_hash_of_any_case_is_read() {
    let upper = GetInclusionProof::parse(&format!("4/{}", HASH.to_ascii_uppercase()));
    assert_eq!(upper, GetInclusionProof::parse(&format!("4/{HASH}")));
}

#[test]
fn longest_parameters_reach_the_limit() {
    let longest = format!("{MAX_INTEGER}/{HASH}");
    assert_eq!(longest.len(), MAX_PATH_BYTES);
    assert!(GetInclusionProof::parse(&longest).is_ok());
}

macro_rules! refused {
    ($($name:ident: $kind:ident $parameters:expr => $error:expr;)+) => {
        $(
            #[test]
            fn $name() {
                let parameters: String = $parameters.into();
                assert_eq!($kind::parse(&parameters).unwrap_err(), $error);
            }
        )+
    };
}

refused! {
    no_parameters_are_refused: GetLeaves "" => PathError::Parameters;
    one_parameter_is_refused: GetLeaves "5" => PathError::Parameters;
    three_parameters_are_refused: GetLeaves "1/2/3" => PathError::Parameters;
    final_slash_is_refused: GetLeaves "1/2/" => PathError::Parameters;
    empty_start_is_refused: GetLeaves "/2" => PathError::Integer("start_index");
    empty_end_is_refused: GetLeaves "1/" => PathError::Integer("end_index");
    start_with_a_plus_is_refused: GetLeaves "+1/2" => PathError::Integer("start_index");
    end_with_a_leading_zero_is_refused: GetLeaves "1/02" => PathError::Integer("end_index");
    negative_start_is_refused: GetLeaves "-1/2" => PathError::Integer("start_index");
    end_of_2_to_the_63_is_refused:
        GetLeaves "1/9223372036854775808" => PathError::Integer("end_index");
    letters_are_refused: GetLeaves "a/b" => PathError::Integer("start_index");
    digits_that_are_not_ascii_are_refused: GetLeaves "١/٢" => PathError::Integer("start_index");
    empty_range_is_refused:
        GetLeaves "5/5" => PathError::RangeOrder { start: LeafIndex(5), end: LeafIndex(5) };
    reversed_range_is_refused:
        GetLeaves "6/5" => PathError::RangeOrder { start: LeafIndex(6), end: LeafIndex(5) };
    old_size_zero_is_refused: GetConsistencyProof "0/5" => PathError::OldSizeZero;
    equal_sizes_are_refused:
        GetConsistencyProof "5/5"
        => PathError::SizeOrder { old_size: TreeSize(5), new_size: TreeSize(5) };
    shrinking_sizes_are_refused:
        GetConsistencyProof "6/5"
        => PathError::SizeOrder { old_size: TreeSize(6), new_size: TreeSize(5) };
    old_size_with_a_leading_zero_is_refused:
        GetConsistencyProof "01/5" => PathError::Integer("old_size");
    new_size_of_2_to_the_63_is_refused:
        GetConsistencyProof "1/9223372036854775808" => PathError::Integer("new_size");
    inclusion_in_the_empty_tree_is_refused:
        GetInclusionProof format!("0/{HASH}") => PathError::SizeBelowTwo(TreeSize(0));
    inclusion_in_a_tree_of_one_leaf_is_refused:
        GetInclusionProof format!("1/{HASH}") => PathError::SizeBelowTwo(TreeSize(1));
    size_with_a_leading_zero_is_refused:
        GetInclusionProof format!("04/{HASH}") => PathError::Integer("size");
    short_leaf_hash_is_refused:
        GetInclusionProof format!("4/{}", &HASH[2..])
        => PathError::Hash(BytesError::Length { expected: 32, got: 31 });
    odd_leaf_hash_is_refused:
        GetInclusionProof format!("4/{}", &HASH[1..]) => PathError::Hash(BytesError::NotHex);
    leaf_hash_with_another_letter_is_refused:
        GetInclusionProof format!("4/g{}", &HASH[1..]) => PathError::Hash(BytesError::NotHex);
}

#[test]
fn refusals_say_what_log_go_says() {
    let leaves = |text| GetLeaves::parse(text).unwrap_err().to_string();
    assert_eq!(leaves("6/5"), "start_index(6) must be less than end_index(5)");
    let size = GetInclusionProof::parse(&format!("1/{HASH}")).unwrap_err().to_string();
    assert_eq!(size, "size(1) must be larger than one");
}

proptest! {
    #[test]
    fn written_paths_are_read_back(
        small in 1..MAX_INTEGER, more in 1..MAX_INTEGER, leaf_hash in hash(),
    ) {
        let large = small.saturating_add(more).min(MAX_INTEGER);
        let leaves = GetLeaves { start: LeafIndex(small), end: LeafIndex(large) };
        prop_assert_eq!(GetLeaves::parse(behind(&leaves.to_path(), "get-leaves/")), Ok(leaves));
        let sizes = GetConsistencyProof { old_size: TreeSize(small), new_size: TreeSize(large) };
        let path = sizes.to_path();
        prop_assert_eq!(
            GetConsistencyProof::parse(behind(&path, "get-consistency-proof/")), Ok(sizes)
        );
        let inclusion = GetInclusionProof { size: TreeSize(large), leaf_hash };
        let path = inclusion.to_path();
        prop_assert_eq!(
            GetInclusionProof::parse(behind(&path, "get-inclusion-proof/")), Ok(inclusion)
        );
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,100}") {
        let _ = GetLeaves::parse(&text);
        let _ = GetConsistencyProof::parse(&text);
        let _ = GetInclusionProof::parse(&text);
    }
}
