//! Tests of the byte strings and their encodings.

use super::{
    BytesError, Checksum, Hash, KeyHash, Message, PublicKey, Signature, from_base64, to_base64,
    to_hex,
};
use proptest::prelude::*;
use std::string::ToString as _;

#[test]
fn hex_is_written_in_lowercase() {
    let hash = Hash::new([0xAB; 32]);
    assert_eq!(hash.to_string(), "ab".repeat(32));
    assert_eq!(hash.to_hex(), "ab".repeat(32));
    assert_eq!(std::format!("{hash:?}"), std::format!("Hash({hash})"));
    assert_eq!("AB".repeat(32).parse(), Ok(hash));
}

#[test]
fn hex_of_odd_length() {
    assert_eq!(Hash::from_hex(&"a".repeat(63)), Err(BytesError::NotHex));
    assert_eq!(Hash::from_hex(&"a".repeat(65)), Err(BytesError::NotHex));
}

#[test]
fn hex_too_short() {
    let refused = Err(BytesError::Length { expected: 64, got: 63 });
    assert_eq!(Signature::from_hex(&"aa".repeat(63)), refused);
}

#[test]
fn hex_too_long() {
    let refused = Err(BytesError::Length { expected: 32, got: 33 });
    assert_eq!(Hash::from_hex(&"aa".repeat(33)), refused);
}

#[test]
fn hex_with_another_letter() {
    let at = |at: usize| {
        let mut text = "a".repeat(64).into_bytes();
        text[at] = b'g';
        Hash::from_hex(std::str::from_utf8(&text).unwrap())
    };
    for place in 0..64 {
        assert_eq!(at(place), Err(BytesError::NotHex), "{place}");
    }
}

#[test]
fn hex_with_a_character_of_two_bytes() {
    let text = std::format!("{}\u{e9}", "a".repeat(62));
    assert_eq!(Hash::from_hex(&text), Err(BytesError::NotHex));
}

#[test]
fn hex_with_white_space() {
    assert_eq!(Hash::from_hex(&std::format!("{}\n", "a".repeat(63))), Err(BytesError::NotHex));
    assert_eq!(Hash::from_hex(&std::format!(" {}", "a".repeat(63))), Err(BytesError::NotHex));
}

#[test]
fn slices_of_another_length() {
    assert_eq!(Hash::from_slice(&[]), Err(BytesError::Length { expected: 32, got: 0 }));
    assert_eq!(Hash::from_slice(&[0; 31]), Err(BytesError::Length { expected: 32, got: 31 }));
    assert_eq!(Signature::from_slice(&[0; 65]), Err(BytesError::Length { expected: 64, got: 65 }));
}

#[test]
fn base64_of_the_rfc() {
    // RFC 4648 section 10.
    for (bytes, text) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ] {
        assert_eq!(to_base64(bytes.as_bytes()), text);
        assert_eq!(from_base64(text), Ok(bytes.as_bytes().to_vec()));
    }
}

#[test]
fn base64_forms() {
    for (name, text) in [
        ("no padding", "Zg"),
        ("half of the padding", "Zg="),
        ("too much padding", "Zg==="),
        ("padding alone", "===="),
        ("padding inside", "Zg==Zg=="),
        ("bits behind one byte", "Zh=="),
        ("bits behind two bytes", "Zm9="),
        ("one character", "Z"),
        ("URL alphabet", "__--"),
        ("space in front", " Zm9v"),
        ("space inside", "Zm 9v"),
        ("newline behind", "Zm9v\n"),
        ("carriage return", "Zm9v\r\n"),
        ("NUL", "Zm9\0"),
        ("other script", "Zm9\u{e9}"),
    ] {
        assert_eq!(from_base64(text), Err(BytesError::NotBase64), "{name}");
    }
}

#[test]
fn base64_of_another_length() {
    let refused = Err(BytesError::Length { expected: 32, got: 3 });
    assert_eq!(Hash::from_base64("Zm9v"), refused);
}

#[test]
fn the_empty_tree_is_the_hash_of_nothing() {
    let expected = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(Hash::empty_tree().to_hex(), expected);
}

#[test]
fn a_checksum_is_the_hash_of_the_hash_of_the_data() {
    let message = Message::of_data(b"abc");
    let once = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let twice = "4f8b42c22dd3729b519ba6f68d2da7cc5b2d606d05daed5ad5128cc03e6c6358";
    assert_eq!(message.to_hex(), once);
    assert_eq!(message.checksum(), Checksum::from_hex(twice).unwrap());
}

#[test]
fn a_key_hash_is_the_hash_of_the_key() {
    // SHA-256 of 32 zero bytes.
    let key = PublicKey::from_hex(&"00".repeat(32)).unwrap();
    let expected = "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925";
    assert_eq!(key.key_hash(), KeyHash::from_hex(expected).unwrap());
}

proptest! {
    #[test]
    fn written_hex_is_read_back(bytes: [u8; 32]) {
        let hash = Hash::new(bytes);
        prop_assert_eq!(Hash::from_hex(&hash.to_hex()), Ok(hash));
        prop_assert_eq!(Hash::from_hex(&hash.to_hex().to_uppercase()), Ok(hash));
        prop_assert_eq!(to_hex(&bytes), hash.to_hex());
    }

    #[test]
    fn written_base64_is_read_back(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(from_base64(&to_base64(&bytes)), Ok(bytes));
    }

    #[test]
    fn base64_that_is_read_is_written_back(text in "[A-Za-z0-9+/]{0,12}={0,3}") {
        if let Ok(bytes) = from_base64(&text) {
            prop_assert_eq!(to_base64(&bytes), text);
        }
    }

    #[test]
    fn slices_are_taken_as_they_are(bytes in prop::collection::vec(any::<u8>(), 64)) {
        let signature = Signature::from_slice(&bytes).unwrap();
        prop_assert_eq!(signature.as_ref(), &bytes[..]);
        prop_assert_eq!(Signature::from_base64(&signature.to_base64()), Ok(signature));
    }
}
