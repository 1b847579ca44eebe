//! Configuration files of log-go and of ours.

use super::*;
use std::path::Path;
use std::time::Duration;

/// A file as log-go's operators have it.
const LOG_GO: &str = r#"
url-prefix = "barreleye"
timeout = "10s"
interval = "30s"
log-level = "info"
external-endpoint = "localhost:4711"
internal-endpoint = "localhost:4712"
trillian-rpc-server = "localhost:6962"
trillian-tree-id-file = "/var/lib/sigsum-log/tree-id"
key-file = "/etc/sigsum/key"

[primary]
policy-file = "/etc/sigsum/policy"
allow-test-domain = true
sth-file = "/var/lib/sigsum-log/sth"
max-range = 4096

[secondary]
primary-url = "http://localhost:4712"
"#;

fn settings(text: &str) -> Result<Settings, FileConfigError> {
    FileConfig::parse(text)?.into_settings()
}

fn data_dir(settings: &Settings) -> Option<&Path> {
    match &settings.config.storage {
        Storage::DataDir(dir) => Some(dir),
        Storage::Ephemeral | Storage::Place(_) => None,
    }
}

fn error(text: &str) -> String {
    settings(text).expect_err("refused").to_string()
}

#[test]
fn a_file_of_log_go_is_read() {
    let read = settings(LOG_GO).expect("valid");
    assert_eq!(read.config.interval, Duration::from_secs(30));
    assert_eq!(read.config.max_range, 4096);
    assert_eq!(read.config.url_prefix, "barreleye");
    assert_eq!(read.config.external, "localhost:4711");
    assert_eq!(data_dir(&read), Some(Path::new(DEFAULT_DATA_DIR)));
    assert_eq!(read.config.sth_file.as_deref(), Some(Path::new("/var/lib/sigsum-log/sth")));
    assert_eq!(read.policy_file.as_deref(), Some(Path::new("/etc/sigsum/policy")));
}

#[test]
fn an_empty_file_has_the_defaults_of_log_go() {
    let read = settings("").expect("valid");
    assert_eq!(read.config.external, "localhost:6965");
    assert_eq!(read.config.internal.as_deref(), Some("localhost:6967"));
    assert_eq!(read.config.interval, Duration::from_secs(10));
    assert_eq!(read.config.timeout, Duration::from_secs(10));
    assert_eq!(read.config.max_range, 512);
    assert_eq!(read.config.sth_file.as_deref(), Some(Path::new(DEFAULT_STH_FILE)));
    assert!(!read.config.publish_without_quorum);
}

#[test]
fn our_own_keys_are_read() {
    let text = "data-dir = '/srv/log'\n[primary]\nmin-interval = '1s'\nwitness-requests-per-day = 8640\npublish-without-quorum = true";
    let read = settings(text).expect("valid");
    assert_eq!(data_dir(&read), Some(Path::new("/srv/log")));
    assert_eq!(read.config.sth_file, None, "log-go's default file is not ours");
    assert_eq!(read.config.min_interval, Duration::from_secs(1));
    assert_eq!(read.config.witness_requests_per_day, Some(8640));
    assert!(read.config.publish_without_quorum);
}

#[test]
fn the_ephemeral_backend_has_no_directory() {
    let read = settings("backend = 'ephemeral'").expect("valid");
    assert!(matches!(read.config.storage, Storage::Ephemeral));
}

#[test]
fn unknown_keys_are_named_with_their_table() {
    let text = "intervall = '1s'\n[primary]\nrate-limit-config = 'x'\n[secondary]\nmax-range = 1";
    assert_eq!(
        error(text),
        "unknown keywords: [intervall primary.rate-limit-config secondary.max-range]"
    );
}

#[test]
fn an_unknown_backend_is_refused() {
    assert_eq!(
        error("backend = 'mysql'"),
        "unknown backend \"mysql\", must be empty (the data directory) or \"ephemeral\""
    );
}

#[test]
fn a_trillian_backend_is_refused_with_the_way_out() {
    assert!(error("backend = 'trillian'").contains("see \"Coming from log-go\" in docs/log.md"));
}

#[test]
fn numbers_and_times_out_of_range_are_refused() {
    assert_eq!(error("[primary]\nmax-range = 0"), "max-range must be from 1 to 8192");
    assert_eq!(error("[primary]\nmax-range = 8193"), "max-range must be from 1 to 8192");
    assert!(error("[primary]\nwitness-requests-per-day = 0").starts_with("witness-requests"));
    assert!(error("interval = '0s'").starts_with("interval"));
    assert!(error("timeout = '0'").starts_with("timeout"));
}

#[test]
fn a_duration_without_a_unit_is_refused() {
    assert!(error("interval = '30'").contains("missing unit in duration"));
}

#[test]
fn a_value_of_another_type_is_refused() {
    assert!(error("interval = 30").contains("interval"));
    assert!(error("[primary]\nmax-range = 'many'").contains("max-range"));
}

#[test]
fn what_is_no_toml_is_refused() {
    assert!(matches!(settings("interval"), Err(FileConfigError::Toml(_))));
    // As a template of a deployment tool is known to write it.
    assert!(matches!(
        settings("[primary]\nallow-test-domain = True"),
        Err(FileConfigError::Toml(_))
    ));
}
