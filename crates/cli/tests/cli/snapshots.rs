//! Every `--help` and the errors that users meet, word for word. After a change on purpose:
//! `TRYCMD=overwrite cargo test -p sigsum-cli --test cli snapshots`.

#[test]
fn help_and_errors_are_as_recorded() {
    trycmd::TestCases::new()
        .env("SIGSUM_LOGSERVER_CONFIG", "")
        .env("SIGSUM_POLICY_DIR", "/nonexistent")
        .env("COLUMNS", "100")
        .case("tests/snapshots/*.trycmd");
}
