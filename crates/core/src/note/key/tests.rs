//! Key names and vkeys: every way of being malformed, write-read-compare.

use super::super::testing::{any_vkey, mldsa_key, public_key, vkey};
use super::*;
use alloc::{string::ToString, vec};
use proptest::prelude::*;

const EXAMPLE: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

fn refused(text: &str) -> VkeyError {
    Vkey::parse(text).unwrap_err()
}

/// A vkey text with any key bytes and the id that belongs to them.
fn with_key_bytes(key: &[u8]) -> String {
    let [a, b, c, d, ..] = crate::crypto::sha256_parts(&[b"name\n", key]);
    format!("name+{}+{}", KeyId([a, b, c, d]), bytes::to_base64(key))
}

#[test]
fn example_of_the_specification_is_read_and_written() {
    let vkey = Vkey::parse(EXAMPLE).unwrap();
    assert_eq!(vkey.name.as_str(), "example.com/foo");
    assert_eq!(vkey.key_id().to_string(), "530d903a");
    assert_eq!(vkey.key.signature_type(), SignatureType::Ed25519);
    assert_eq!(vkey.to_string(), EXAMPLE);
}

#[test]
fn names_with_other_characters_are_names() {
    for name in ["a", "example.com/log42", "caf\u{e9}", "\u{7f}", "-", "\u{2014}", "\u{200b}"] {
        assert_eq!(KeyName::new(name).unwrap().as_str(), name);
    }
}

#[test]
fn empty_name_is_refused() {
    assert_eq!(KeyName::new(""), Err(KeyNameError::Empty));
}

#[test]
fn name_with_a_space_is_refused() {
    assert_eq!(KeyName::new("a b"), Err(KeyNameError::Character(' ')));
}

#[test]
fn name_with_a_unicode_space_is_refused() {
    for space in ['\u{85}', '\u{a0}', '\u{1680}', '\u{2003}', '\u{2028}', '\u{202f}', '\u{3000}'] {
        let name = format!("a{space}b");
        assert_eq!(KeyName::new(&name), Err(KeyNameError::Character(space)));
    }
}

#[test]
fn name_with_a_plus_is_refused() {
    assert_eq!(KeyName::new("a+b"), Err(KeyNameError::Character('+')));
}

#[test]
fn name_with_a_control_character_is_refused() {
    assert_eq!(KeyName::new("a\0b"), Err(KeyNameError::Character('\0')));
    assert_eq!(KeyName::new("a\x1bb"), Err(KeyNameError::Character('\x1b')));
    assert_eq!(KeyName::new("a\nb"), Err(KeyNameError::Character('\n')));
}

#[test]
fn vkey_of_one_or_two_parts_is_refused() {
    assert_eq!(refused(""), VkeyError::Form);
    assert_eq!(refused("name"), VkeyError::Form);
    assert_eq!(refused("name+530d903a"), VkeyError::Form);
}

#[test]
fn vkey_without_a_name_is_refused() {
    assert_eq!(refused("+530d903a+AQ=="), VkeyError::Name(KeyNameError::Empty));
}

#[test]
fn vkey_with_a_space_in_its_name_is_refused() {
    let text = EXAMPLE.replace("com", "c m");
    assert_eq!(refused(&text), VkeyError::Name(KeyNameError::Character(' ')));
}

#[test]
fn vkey_with_a_short_key_id_is_refused() {
    let length = BytesError::Length { expected: 4, got: 3 };
    assert_eq!(refused(&EXAMPLE.replace("530d90", "530d")), VkeyError::KeyId(length));
    let text = EXAMPLE.replace("530d903a", "530d903");
    assert_eq!(refused(&text), VkeyError::KeyId(BytesError::NotHex));
}

#[test]
fn vkey_with_a_key_id_that_is_not_hex_is_refused() {
    let text = EXAMPLE.replace("530d903a", "530d903g");
    assert_eq!(refused(&text), VkeyError::KeyId(BytesError::NotHex));
}

#[test]
fn vkey_with_the_key_id_of_another_name_is_refused() {
    let error = refused(&EXAMPLE.replace("/foo", "/bar"));
    let written = KeyId([0x53, 0x0d, 0x90, 0x3a]);
    assert!(matches!(error, VkeyError::KeyIdMismatch { written: w, .. } if w == written));
}

#[test]
fn vkey_with_an_uppercase_key_id_is_read_and_written_in_lowercase() {
    let vkey = Vkey::parse(&EXAMPLE.replace("530d903a", "530D903A")).unwrap();
    assert_eq!(vkey.to_string(), EXAMPLE);
}

#[test]
fn vkey_with_a_key_that_is_not_base64_is_refused() {
    let url_alphabet = EXAMPLE.replace("Aeky", "A_ky");
    for text in [format!("{EXAMPLE}="), format!("{EXAMPLE}\n"), format!("{EXAMPLE} "), url_alphabet]
    {
        assert_eq!(refused(&text), VkeyError::Key(BytesError::NotBase64), "{text}");
    }
}

#[test]
fn vkey_with_stray_bits_in_its_base64_is_refused() {
    assert_eq!(refused("name+00000000+AR=="), VkeyError::Key(BytesError::NotBase64));
}

#[test]
fn vkey_without_a_key_is_refused() {
    assert_eq!(refused("name+00000000+"), VkeyError::NoKey);
}

#[test]
fn vkey_of_another_type_is_refused() {
    for kind in [0x00, 0x02, 0x03, 0x05, 0x07, 0xfa, 0xff] {
        let key = [&[kind], public_key(1).as_bytes().as_slice()].concat();
        assert_eq!(refused(&with_key_bytes(&key)), VkeyError::Type(kind));
    }
}

#[test]
fn vkey_with_a_key_of_another_length_is_refused() {
    for (kind, expected) in [(0x01, 32), (0x04, 32), (0x06, 1312)] {
        for got in [0, 31, 33, 1311, 1313] {
            let key = [vec![kind], vec![7; got]].concat();
            let error = VkeyError::KeyLength { expected, got };
            assert_eq!(refused(&with_key_bytes(&key)), error);
        }
    }
}

#[test]
fn wrong_type_byte_changes_the_key_id() {
    let text = vkey("name", 1).to_string();
    let (front, key) = text.rsplit_once('+').unwrap();
    let mut key = bytes::from_base64(key).unwrap();
    key[0] = 0x04;
    let text = format!("{front}+{}", bytes::to_base64(&key));
    assert!(matches!(refused(&text), VkeyError::KeyIdMismatch { .. }));
}

#[test]
fn same_key_has_another_id_for_each_name_and_type() {
    let key = public_key(1);
    let (a, b) = (KeyName::new("a").unwrap(), KeyName::new("b").unwrap());
    let ids = [
        NoteKey::Ed25519(key).key_id(&a),
        NoteKey::CosignatureEd25519(key).key_id(&a),
        NoteKey::CosignatureEd25519(key).key_id(&b),
    ];
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
}

#[test]
fn key_hash_is_that_of_the_public_key_alone() {
    let key = public_key(1);
    assert_eq!(NoteKey::Ed25519(key).key_hash(), key.key_hash());
    assert_eq!(NoteKey::CosignatureEd25519(key).key_hash(), key.key_hash());
    let long = NoteKey::CosignatureMlDsa44(Box::new(mldsa_key(1)));
    assert_eq!(long.public_key_bytes().len(), 1312);
    assert_eq!(long.ed25519(), None);
}

#[test]
fn sigsum_log_signs_under_its_origin() {
    let key = public_key(1);
    let name = format!("sigsum.org/v1/tree/{}", key.key_hash());
    assert_eq!(Vkey::sigsum_log(&key).name.as_str(), name);
}

proptest! {
    #[test]
    fn written_vkeys_are_read_back(vkey in any_vkey()) {
        prop_assert_eq!(Vkey::parse(&vkey.to_string()).unwrap(), vkey);
    }

    #[test]
    fn vkeys_that_are_read_are_written_back(text in "\\PC{1,8}\\+[0-9a-f]{8}\\+A[QRe][A-Za-z]{42}") {
        if let Ok(vkey) = Vkey::parse(&text) {
            prop_assert_eq!(vkey.to_string(), text);
        }
    }
}
