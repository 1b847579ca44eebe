//! Followers in the configuration: each way of half saying it.

use super::*;
use crate::config::FileConfig;

const KEY: &str = "1c25f8a44c635457e2e391d1efbca7d4c2951a0aef06225a881e46b98962ac6c";
const OTHER: &str = "28c92a5a3a054d317c86fc2eeb6a7ab2054d6217100d0be67ded5b74323c5806";

fn replication(primary: &str) -> Result<Replication<KeySource>, FileConfigError> {
    let file = FileConfig::parse(&format!("[primary]\n{primary}")).expect("parses");
    Ok(file.into_settings()?.replication)
}

fn error(primary: &str) -> String {
    replication(primary).expect_err("refused").to_string()
}

fn two(rest: &str) -> String {
    format!(
        "{rest}\n[[primary.followers]]\nurl = 'http://a'\nkey = '{KEY}'\n\
         [[primary.followers]]\nurl = 'http://b'\npubkey-file = 'b.pub'\n"
    )
}

#[test]
fn a_log_has_no_followers_unless_some_are_named() {
    assert!(replication("").expect("valid").is_none());
    assert!(replication("replication = ''").expect("valid").is_none());
    let file = FileConfig::parse("[primary]\nreplication = 'none'").expect("parses");
    let settings = file.into_settings().expect("valid");
    assert!(settings.replication.is_none() && settings.declared_none);
}

#[test]
fn log_gos_secondary_is_the_one_follower_that_every_leaf_needs() {
    let read = replication("secondary-url = 'http://s:6967'\nsecondary-pubkey-file = 's.pub'");
    let key = KeySource::File("s.pub".into());
    let followers = vec![Follower { url: "http://s:6967".into(), key }];
    assert_eq!(read.expect("valid"), Replication { followers, required: 1 });
    assert!(
        replication("secondary-url = ''\nsecondary-pubkey-file = ''").expect("unset").is_none()
    );
}

#[test]
fn followers_are_read_with_their_keys_and_the_number_that_is_required() {
    let read = replication(&two("required = 1")).expect("valid");
    assert_eq!(read.required, 1);
    let key = PublicKey::from_hex(KEY).expect("a key");
    assert_eq!(read.followers[0], Follower { url: "http://a".into(), key: KeySource::Key(key) });
    assert_eq!(read.followers[1].key, KeySource::File("b.pub".into()));
}

#[test]
fn half_a_secondary_is_refused() {
    assert!(error("secondary-url = 'x'").contains("without secondary-pubkey-file"));
    assert!(error("secondary-pubkey-file = 'x'").contains("without secondary-url"));
}

#[test]
fn a_secondary_beside_followers_is_refused() {
    let text = two("required = 1\nsecondary-url = 'x'\nsecondary-pubkey-file = 'x'");
    assert!(error(&text).contains("name every follower under followers"));
}

#[test]
fn none_with_followers_is_refused() {
    assert!(error(&two("replication = 'none'\nrequired = 1")).contains("remove one of the two"));
    let text = "replication = 'none'\nsecondary-url = 'x'\nsecondary-pubkey-file = 'x'";
    assert!(error(text).contains("remove one of the two"));
}

#[test]
fn another_word_for_replication_is_refused() {
    assert!(error("replication = 'off'").contains("unknown replication \"off\""));
}

#[test]
fn followers_without_a_required_number_are_refused() {
    assert!(error(&two("")).contains("set required, from 1 to 2"));
}

#[test]
fn a_required_number_without_followers_is_refused() {
    assert_eq!(error("required = 1"), "required is set, but no follower is named");
}

#[test]
fn a_required_number_that_followers_cannot_make_is_refused() {
    for number in [0, 3] {
        let text = two(&format!("required = {number}"));
        assert_eq!(error(&text), "required must be from 1 to 2");
    }
}

#[test]
fn a_follower_without_a_url_is_refused() {
    let text = format!("required = 1\n[[primary.followers]]\nkey = '{KEY}'");
    assert_eq!(error(&text), "a follower has no url");
}

#[test]
fn a_follower_without_a_key_is_refused() {
    let text = "required = 1\n[[primary.followers]]\nurl = 'http://a'";
    assert_eq!(error(text), "follower http://a has neither pubkey-file nor key");
}

#[test]
fn a_follower_with_two_keys_is_refused() {
    let text = format!(
        "required = 1\n[[primary.followers]]\nurl = 'http://a'\nkey = '{KEY}'\npubkey-file = 'f'"
    );
    assert!(error(&text).contains("has both pubkey-file and key"));
}

#[test]
fn a_follower_with_what_is_no_key_is_refused() {
    let text = "required = 1\n[[primary.followers]]\nurl = 'http://a'\nkey = '1c25'";
    assert!(error(text).starts_with("follower http://a: key: "));
}

#[test]
fn a_follower_that_is_named_twice_is_refused() {
    let follower = |key| format!("[[primary.followers]]\nurl = 'http://a'\nkey = '{key}'\n");
    let text = format!("required = 1\n{}{}", follower(KEY), follower(OTHER));
    assert_eq!(error(&text), "follower http://a is named twice");
}

#[test]
fn two_followers_with_one_key_are_refused() {
    let read = replication(&two("required = 1")).expect("valid");
    let key = PublicKey::from_hex(KEY).expect("a key");
    let read = read.with_keys(|_| Ok::<_, FileConfigError>(key)).expect("read");
    let error = read.check().expect_err("refused");
    assert!(error.to_string().contains("have the same key"), "{error}");
}

#[test]
fn an_unknown_key_of_a_follower_is_named() {
    let text = "[[primary.followers]]\nurl = 'http://a'\npubkey = 'x'";
    let error = FileConfig::parse(text).expect_err("refused").to_string();
    assert_eq!(error, "unknown keywords: [primary.followers.pubkey]");
}
