//! Public keys and lists: one case per way of being malformed.

use super::*;
use crate::wire::put_string;
use proptest::prelude::*;

const KEY: PublicKey = PublicKey::new([7; 32]);

fn encoded() -> String {
    bytes::to_base64(&public_key_blob(&KEY))
}

fn parse(text: &str) -> Result<PublicKeyLine, PublicKeyError> {
    parse_public_key(text.as_bytes())
}

fn plain() -> PublicKeyLine {
    PublicKeyLine { key: KEY, policy_name: None }
}

#[test]
fn accepts_what_openssh_writes_and_what_go_tools_accept() {
    let b64 = encoded();
    for text in [
        format!("ssh-ed25519 {b64}"),
        format!("ssh-ed25519 {b64}\n"),
        format!("ssh-ed25519 {b64}\r\n"),
        format!("ssh-ed25519 {b64} user@host\n"),
        format!("  \tssh-ed25519 \t {b64}\tseveral words # here\n"),
        format!("ssh-ed25519 {b64} first\nssh-ed25519 AAAA second\n"),
        format!("ssh-ed25519 {}\n{} broken line\n", &b64[..20], &b64[20..]),
    ] {
        assert_eq!(parse(&text), Ok(plain()), "{text}");
    }
    let latin1 = [b"ssh-ed25519 ".as_slice(), b64.as_bytes(), b" J\xf6rg\n"].concat();
    assert_eq!(parse_public_key(&latin1), Ok(plain()));
}

#[test]
fn reads_the_policy_option() {
    let b64 = encoded();
    let with = |name: &str| PublicKeyLine { key: KEY, policy_name: Some(name.to_owned()) };
    assert_eq!(parse(&format!("sigsum-policy=\"p-1\" ssh-ed25519 {b64} x")), Ok(with("p-1")));
    assert_eq!(parse(&format!("sigsum-policy=\"a,b\"\tssh-ed25519 {b64}")), Ok(with("a,b")));
}

#[test]
fn refuses_malformed_policy_options() {
    let b64 = encoded();
    for option in ["", "\"", "\"\"", "name", "\"name", "name\"", "\"a\"b\"", "\"a'b\"", "\"a\\b\""]
    {
        let got = parse(&format!("sigsum-policy={option} ssh-ed25519 {b64}"));
        assert!(matches!(got, Err(PublicKeyError::PolicyOption(_))), "{option}: {got:?}");
    }
    // A space ends the field, so the quote is not closed.
    let got = parse(&format!("sigsum-policy=\"a b\" ssh-ed25519 {b64}"));
    assert!(matches!(got, Err(PublicKeyError::PolicyOption(_))), "{got:?}");
    let got = parse_public_key(
        &[b"sigsum-policy=\"\xff\" ssh-ed25519 ".as_slice(), b64.as_bytes()].concat(),
    );
    assert!(matches!(got, Err(PublicKeyError::PolicyOption(_))), "{got:?}");
}

#[test]
fn refuses_missing_fields() {
    for text in
        ["", " ", "ssh-ed25519", "ssh-ed25519 ", "sigsum-policy=\"p\" ssh-ed25519", "AAAA\n"]
    {
        assert_eq!(parse(text), Err(PublicKeyError::Fields), "{text:?}");
    }
}

#[test]
fn refuses_other_key_types_options_and_leading_lines() {
    let b64 = encoded();
    for (text, shown) in [
        (format!("ssh-rsa {b64}"), "ssh-rsa"),
        (format!("no-pty ssh-ed25519 {b64}"), "no-pty"),
        (format!("\nssh-ed25519 {b64}"), "\\nssh-ed25519"),
        (format!("# comment\nssh-ed25519 {b64}"), "#"),
        (format!("SSH-ED25519 {b64}"), "SSH-ED25519"),
    ] {
        let error = parse(&text).unwrap_err();
        assert_eq!(error.to_string(), format!("unsupported public key type: {shown}"));
    }
}

#[test]
fn refuses_base64_that_is_not_canonical() {
    for b64 in ["!!!!", "AAA", "AA=A", "AAAA=", "AAAB=="] {
        assert_eq!(parse(&format!("ssh-ed25519 {b64}")), Err(PublicKeyError::NotBase64), "{b64}");
    }
}

#[test]
fn refuses_malformed_blobs() {
    let blob = |name: &[u8], key: &[u8], behind: &[u8]| {
        let mut out = Vec::new();
        put_string(&mut out, name);
        put_string(&mut out, key);
        out.extend_from_slice(behind);
        parse(&format!("ssh-ed25519 {}", bytes::to_base64(&out)))
    };
    let malformed = Err(PublicKeyError::Blob(BlobError::Malformed));
    assert_eq!(blob(ED25519, &[7; 32], b""), Ok(plain()));
    assert_eq!(blob(ED25519, &[7; 31], b""), malformed, "short key");
    assert_eq!(blob(ED25519, &[7; 33], b""), malformed, "long key");
    assert_eq!(blob(ED25519, &[7; 32], b"x"), malformed, "trailing byte");
    let other = BlobError::KeyType("ssh-rsa".to_owned());
    assert_eq!(blob(b"ssh-rsa", &[7; 32], b""), Err(PublicKeyError::Blob(other)));
    let whole = public_key_blob(&KEY);
    for bytes_kept in 0..whole.len() {
        let cut = bytes::to_base64(&whole[..bytes_kept]);
        assert!(parse(&format!("ssh-ed25519 {cut}")).is_err(), "{bytes_kept} bytes");
    }
}

#[test]
fn reads_lists_and_skips_comments_and_empty_lines() {
    let other = PublicKey::new([8; 32]);
    let text = format!("# a\n\n{}\r\n{}#b", format_public_key(&KEY), format_public_key(&other));
    let text = text.replace("key\n\r\n", "key\r\n");
    let list = parse_key_list(text.as_bytes()).unwrap();
    assert_eq!(list.keys().copied().collect::<Vec<_>>(), [KEY, other]);
    assert_eq!(list.policy_name(), Ok(None));
}

#[test]
fn list_errors_name_the_line() {
    let key = format_public_key(&KEY);
    let error = |text: String| parse_key_list(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(error(String::new()), "no public keys found");
    assert_eq!(error("# only a comment\n\n".to_owned()), "no public keys found");
    assert_eq!(error(format!("{key}#\n{key}")), "duplicate public key on line 3");
    assert_eq!(
        error(format!("{key}ssh-rsa AAAA\n")),
        "invalid public key on line 2: unsupported public key type: ssh-rsa"
    );
    assert!(error(format!("{key} \n")).starts_with("invalid public key on line 2: "));
    assert!(error(format!("{key} # indented\n")).starts_with("invalid public key on line 2: "));
}

#[test]
fn policy_names_of_a_list_must_agree() {
    let line = |byte: u8, option: &str| {
        format!("{option}{}", format_public_key(&PublicKey::new([byte; 32])))
    };
    let name = |text: String| {
        let list = parse_key_list(text.as_bytes()).unwrap();
        list.policy_name().map(|n| n.map(str::to_owned)).map_err(|e| e.to_string())
    };
    let (a, b) = ("sigsum-policy=\"a\" ", "sigsum-policy=\"b\" ");
    assert_eq!(name(line(1, a) + &line(2, a)), Ok(Some("a".to_owned())));
    assert_eq!(
        name(line(1, b) + &line(2, a)),
        Err("conflicting policy names found in pubkeys: \"a\" != \"b\"".to_owned())
    );
    assert_eq!(
        name(line(1, a) + &line(2, "")),
        Err("conflicting policy names found in pubkeys: \"\" != \"a\"".to_owned())
    );
}

proptest! {
    #[test]
    fn written_keys_read_back(bytes: [u8; 32]) {
        let key = PublicKey::new(bytes);
        let line = parse_public_key(format_public_key(&key).as_bytes());
        prop_assert_eq!(line, Ok(PublicKeyLine { key, policy_name: None }));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        let _ = parse_public_key(&bytes);
        let _ = parse_key_list(&bytes);
    }

    #[test]
    fn what_reads_writes_back_the_same_key(tail in "[ -~]{0,20}") {
        let text = format!("ssh-ed25519 {} {tail}", encoded());
        let line = parse_public_key(text.as_bytes()).unwrap();
        prop_assert_eq!(parse_public_key(format_public_key(&line.key).as_bytes()), Ok(line));
    }
}
