//! What a configuration may and may not say.

use super::*;
use crate::testing::{TestLog, signer};

fn key() -> PublicKey {
    signer(9).public_key()
}

fn with(logs: Vec<LogConfig>) -> Config {
    Config { data_dir: Some("d".into()), logs, ..Config::default() }
}

fn log(seed: u8) -> LogConfig {
    TestLog::new(seed).config()
}

#[test]
fn a_file_with_everything_is_read() {
    let vkey = TestLog::new(1).vkey();
    let text = format!(
        "listen = '127.0.0.1:7380'\ninternal-listen = '127.0.0.1:7381'\nurl-prefix = 'w'\n\
         data-dir = '/d'\nmax-in-flight = 5\nrequest-deadline-ms = 100\n\
         [[logs]]\nsigsum-key = '{}'\n[[logs]]\norigin = 'example.org/log'\nvkeys = ['{vkey}']\n",
        TestLog::new(2).signer.public_key(),
    );
    let config: Config = toml::from_str(&text).unwrap();
    let specs = config.check(&[key()]).unwrap();
    assert_eq!(config.max_in_flight, 5);
    assert_eq!(specs[0].origin, TestLog::new(2).origin());
    assert_eq!(specs[1].origin.as_str(), "example.org/log");
    assert_eq!(specs[1].vkeys, [vkey]);
}

#[test]
fn an_unknown_word_is_refused() {
    assert!(toml::from_str::<Config>("data-dir = 'd'\nmax-inflight = 5\n").is_err());
    assert!(toml::from_str::<Config>("[[logs]]\nsigsum-keys = 'x'\n").is_err());
}

#[test]
fn accepting_a_restored_state_is_not_part_of_a_file() {
    assert!(toml::from_str::<Config>("accept-state = true\n").is_err());
}

#[test]
fn a_log_that_is_there_twice_is_refused() {
    let error = with(vec![log(1), log(2), log(1)]).check(&[key()]).unwrap_err();
    assert_eq!(error, ConfigError::DuplicateOrigin(TestLog::new(1).origin()));
}

#[test]
fn a_log_by_key_and_by_vkey_is_there_twice() {
    let logs = vec![log(1), LogConfig::vkey(&TestLog::new(1).vkey())];
    assert!(matches!(with(logs).check(&[key()]), Err(ConfigError::DuplicateOrigin(_))));
}

#[test]
fn a_log_with_key_and_vkeys_is_refused() {
    let both = LogConfig { vkeys: vec![TestLog::new(1).vkey().to_string()], ..log(1) };
    assert_eq!(both.read(), Err(ConfigError::LogForm));
}

#[test]
fn a_log_with_key_and_origin_is_refused() {
    let both = LogConfig { origin: Some("o".into()), ..log(1) };
    assert_eq!(both.read(), Err(ConfigError::LogForm));
}

#[test]
fn a_log_with_an_origin_alone_is_refused() {
    let origin = LogConfig { origin: Some("o".into()), ..LogConfig::default() };
    assert_eq!(origin.read(), Err(ConfigError::LogForm));
}

#[test]
fn a_key_that_is_not_hex_is_refused_by_name() {
    let log = LogConfig { sigsum_key: Some("zz".into()), ..LogConfig::default() };
    assert_eq!(log.read().unwrap_err().to_string(), "sigsum-key \"zz\": expected 32 bytes, got 1");
}

#[test]
fn a_vkey_that_is_none_is_refused_by_name() {
    let log = LogConfig { vkeys: vec!["a+b".into()], ..LogConfig::default() };
    assert_eq!(log.read().unwrap_err().to_string(), "vkey \"a+b\": expected NAME+KEYID+KEY");
}

#[test]
fn an_origin_with_a_newline_is_refused() {
    let vkey = TestLog::new(1).vkey();
    let log = LogConfig { origin: Some("a\nb".into()), ..LogConfig::vkey(&vkey) };
    assert!(matches!(log.read(), Err(ConfigError::Origin { .. })));
}

#[test]
fn neither_and_both_of_data_directory_and_state_file_are_refused() {
    let neither = Config { logs: vec![log(1)], ..Config::default() };
    assert_eq!(neither.check(&[key()]), Err(ConfigError::Storage));
    let both = Config { state_file: Some("s".into()), ..with(vec![log(1)]) };
    assert_eq!(both.check(&[key()]), Err(ConfigError::Storage));
}

#[test]
fn a_state_file_takes_one_sigsum_log_and_one_key() {
    let with = |logs| Config { state_file: Some("s".into()), logs, ..Config::default() };
    assert!(with(vec![log(1)]).check(&[key()]).is_ok());
    assert_eq!(with(vec![]).check(&[key()]), Err(ConfigError::StateFileLogs));
    assert_eq!(with(vec![log(1), log(2)]).check(&[key()]), Err(ConfigError::StateFileLogs));
    let by_vkey = LogConfig::vkey(&TestLog::new(1).vkey());
    assert_eq!(with(vec![by_vkey]).check(&[key()]), Err(ConfigError::StateFileLogs));
    let two = [key(), signer(8).public_key()];
    assert_eq!(with(vec![log(1)]).check(&two), Err(ConfigError::StateFileKeys));
}

#[test]
fn no_key_and_one_key_twice_are_refused() {
    assert_eq!(with(vec![]).check(&[]), Err(ConfigError::NoKey));
    assert_eq!(with(vec![]).check(&[key(), key()]), Err(ConfigError::DuplicateKey(key())));
}

#[test]
fn limits_of_zero_are_refused() {
    let none = Config { max_in_flight: 0, ..with(vec![]) };
    assert_eq!(none.check(&[key()]), Err(ConfigError::Zero("max-in-flight")));
    let never = Config { request_deadline_ms: 0, ..with(vec![]) };
    assert_eq!(never.check(&[key()]), Err(ConfigError::Zero("request-deadline-ms")));
}
