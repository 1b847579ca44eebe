//! Private key files: one case per way of being malformed.

use super::*;
use proptest::prelude::*;

fn signer() -> Ed25519Signer {
    Ed25519Signer::from_seed(&SigningSeed::from_bytes([9; 32]))
}

/// A file in pieces that a test can alter.
struct File {
    magic: Vec<u8>,
    cipher: Vec<u8>,
    kdf: Vec<u8>,
    kdf_options: Vec<u8>,
    keys: u32,
    public_blob: Vec<u8>,
    check: [u32; 2],
    inner_blob: Vec<u8>,
    pair: Vec<u8>,
    comment: Vec<u8>,
    padding: Vec<u8>,
    behind: Vec<u8>,
}

impl File {
    fn new() -> Self {
        let public = signer().public_key();
        Self {
            magic: MAGIC.to_vec(),
            cipher: b"none".to_vec(),
            kdf: b"none".to_vec(),
            kdf_options: Vec::new(),
            keys: 1,
            public_blob: public_key_blob(&public),
            check: [5, 5],
            inner_blob: public_key_blob(&public),
            pair: [[9; 32].as_slice(), public.as_bytes()].concat(),
            comment: Vec::new(),
            padding: vec![1, 2, 3, 4, 5],
            behind: Vec::new(),
        }
    }

    fn blob(&self) -> Vec<u8> {
        let mut private = Vec::new();
        private.extend_from_slice(&self.check[0].to_be_bytes());
        private.extend_from_slice(&self.check[1].to_be_bytes());
        private.extend_from_slice(&self.inner_blob);
        put_string(&mut private, &self.pair);
        put_string(&mut private, &self.comment);
        private.extend_from_slice(&self.padding);
        let mut out = self.magic.clone();
        put_string(&mut out, &self.cipher);
        put_string(&mut out, &self.kdf);
        put_string(&mut out, &self.kdf_options);
        out.extend_from_slice(&self.keys.to_be_bytes());
        put_string(&mut out, &self.public_blob);
        put_string(&mut out, &private);
        out.extend_from_slice(&self.behind);
        out
    }

    fn parse(&self) -> Result<Ed25519Signer, PrivateKeyError> {
        parse_private_key(pem::encode(&self.blob()).as_bytes())
    }
}

fn refused(alter: impl FnOnce(&mut File)) -> PrivateKeyError {
    let mut file = File::new();
    alter(&mut file);
    file.parse().expect_err("must be refused")
}

fn key_of(text: &[u8]) -> Result<sigsum_core::PublicKey, PrivateKeyError> {
    parse_private_key(text).map(|s| s.public_key())
}

#[test]
fn accepts_the_unaltered_file_and_writes_the_same_bytes() {
    assert_eq!(File::new().parse().unwrap().public_key(), signer().public_key());
    let written = write_with_check(&signer(), [0, 0, 0, 5]);
    assert_eq!(*written, *pem::encode(&File::new().blob()));
    let lengths: Vec<usize> = written.lines().map(str::len).collect();
    assert_eq!(lengths, [35, 64, 64, 64, 64, 56, 33]);
    assert_eq!(File::new().blob().len(), FILE_BYTES);
}

#[test]
fn ignores_comment_and_padding_but_not_the_block_size() {
    let mut file = File::new();
    file.comment = b"abc".to_vec();
    file.padding = vec![0xff; 2];
    assert_eq!(file.parse().unwrap().public_key(), signer().public_key());
    assert_eq!(refused(|f| f.padding = vec![1, 2, 3, 4]), PrivateKeyError::Malformed("length"));
}

#[test]
fn check_numbers_of_two_files_differ() {
    let (a, b) = (write_private_key(&signer()).unwrap(), write_private_key(&signer()).unwrap());
    assert_ne!(*a, *b);
    assert_eq!(key_of(a.as_bytes()), key_of(b.as_bytes()));
}

#[test]
fn refuses_each_malformed_part() {
    use PrivateKeyError as E;
    let other = public_key_blob(&sigsum_core::PublicKey::new([3; 32]));
    assert_eq!(refused(|f| f.magic[0] = b'O'), E::Malformed("header"));
    assert_eq!(
        refused(|f| f.cipher = b"aes256-ctr".to_vec()),
        E::Encrypted { cipher: "aes256-ctr".to_owned() }
    );
    assert!(matches!(refused(|f| f.kdf = b"bcrypt".to_vec()), E::Encrypted { .. }));
    assert_eq!(refused(|f| f.kdf_options = vec![0]), E::Malformed("header"));
    assert_eq!(refused(|f| f.keys = 0), E::KeyCount(0));
    assert_eq!(refused(|f| f.keys = 2), E::KeyCount(2));
    assert_eq!(refused(|f| f.public_blob.truncate(50)), E::Malformed("public key"));
    assert_eq!(refused(|f| f.public_blob = other.clone()), E::PublicKey, "outer key");
    assert_eq!(refused(|f| f.check[1] = 6), E::CheckInts);
    assert_eq!(refused(|f| f.inner_blob = other.clone()), E::PublicKey, "inner key");
    assert_eq!(refused(|f| f.pair[40] ^= 1), E::PublicKey, "key behind the seed");
    assert_eq!(refused(|f| f.pair[4] ^= 1), E::PublicKey, "seed");
    assert_eq!(refused(|f| f.pair.truncate(56)), E::Malformed("private part"));
    assert_eq!(refused(|f| f.pair.extend_from_slice(&[0; 8])), E::Malformed("private part"));
    assert_eq!(refused(|f| f.pair.truncate(24)), E::Malformed("private part"));
    assert_eq!(refused(|f| f.behind = vec![0; 8]), E::Malformed("length"));
}

#[test]
fn refuses_a_public_key_that_is_consistent_but_of_another_private_key() {
    let other = sigsum_core::PublicKey::new([3; 32]);
    let error = refused(|f| {
        f.public_blob = public_key_blob(&other);
        f.inner_blob = public_key_blob(&other);
        f.pair[32..].copy_from_slice(other.as_bytes());
    });
    assert_eq!(error, PrivateKeyError::PublicKey);
}

#[test]
fn refuses_other_key_types_by_name() {
    let error = refused(|f| {
        let mut blob = Vec::new();
        put_string(&mut blob, b"ecdsa-sha2-nistp256");
        f.public_blob = blob;
    });
    assert_eq!(error, PrivateKeyError::KeyType("ecdsa-sha2-nistp256".to_owned()));
}

#[test]
fn refuses_every_truncation() {
    let blob = File::new().blob();
    for bytes_kept in 0..blob.len() {
        assert!(key_of(pem::encode(&blob[..bytes_kept]).as_bytes()).is_err(), "{bytes_kept}");
    }
}

#[test]
fn pem_armour_is_found_between_other_text() {
    let pem = write_with_check(&signer(), [0; 4]);
    let key = Ok(signer().public_key());
    assert_eq!(key_of(pem.as_bytes()), key);
    assert_eq!(key_of(format!("note\n\n{}\nmore\n", *pem).as_bytes()), key);
    assert_eq!(key_of(pem.replace('\n', "\r\n").as_bytes()), key);
    assert_eq!(key_of(pem.trim_end().as_bytes()), key, "no newline at the end");
}

#[test]
fn refuses_malformed_pem() {
    let pem = write_with_check(&signer(), [0; 4]);
    let end = "-----END OPENSSH PRIVATE KEY-----\n";
    assert_eq!(key_of(pem.replace(end, "").as_bytes()), Err(PrivateKeyError::Pem));
    assert_eq!(key_of(pem.replace("AAAA", "AA*A").as_bytes()), Err(PrivateKeyError::Pem));
    let rsa = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    assert_eq!(
        key_of(rsa.as_bytes()),
        Err(PrivateKeyError::PemLabel("RSA PRIVATE KEY".to_owned()))
    );
}

#[test]
fn accepts_a_hex_seed_of_any_case_with_white_space_around() {
    let key = Ok(Ed25519Signer::from_seed(&SigningSeed::from_bytes([0xab; 32])).public_key());
    assert_eq!(key_of("ab".repeat(32).as_bytes()), key);
    assert_eq!(key_of(format!(" {}\n", "aB".repeat(32)).as_bytes()), key);
}

#[test]
fn refuses_text_that_is_neither_pem_nor_hex() {
    for text in [
        String::new(),
        "ab".repeat(31),
        "ab".repeat(33),
        "a".repeat(63),
        format!("{}xx", "ab".repeat(31)),
        format!("0x{}", "ab".repeat(31)),
        format!("{} {}", "ab".repeat(16), "ab".repeat(16)),
    ] {
        assert_eq!(key_of(text.as_bytes()), Err(PrivateKeyError::NotAKey), "{text}");
    }
}

#[test]
fn errors_show_no_secret() {
    let mut file = File::new();
    file.pair[40] ^= 1;
    let error = file.parse().unwrap_err();
    let hex = "nothex".to_owned() + &"9".repeat(58);
    let other = key_of(hex.as_bytes()).unwrap_err();
    let text = format!("{error} {error:?} {other} {other:?}");
    assert!(!text.contains("9999") && !text.contains("0909"), "{text}");
}

proptest! {
    #[test]
    fn written_keys_read_back(seed: [u8; 32]) {
        let signer = Ed25519Signer::from_seed(&SigningSeed::from_bytes(seed));
        let read = parse_private_key(write_private_key(&signer).unwrap().as_bytes()).unwrap();
        prop_assert_eq!(read.public_key(), signer.public_key());
        prop_assert_eq!(read.seed().expose(), &seed);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        let _ = parse_private_key(&bytes);
        let _ = parse_private_key(pem::encode(&bytes).as_bytes());
    }

    #[test]
    fn an_altered_byte_gives_the_same_key_or_an_error(at in 0..FILE_BYTES, by in 1u8..) {
        let mut blob = File::new().blob();
        blob[at] ^= by;
        if let Ok(key) = key_of(pem::encode(&blob).as_bytes()) {
            prop_assert_eq!(key, signer().public_key());
        }
    }
}
