//! A log that serves TLS itself, and clients that check whom they talk to.

use crate::harness::{Daemon, Network, Outcome, http};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);

const CONFIG: &str = r#"
data-dir = "log"
key-file = "log-key"
external-endpoint = "127.0.0.1:0"
internal-endpoint = "127.0.0.1:0"
tls-cert-file = "cert.pem"
tls-key-file = "cert-key.pem"

[primary]
policy-file = "log-policy"
replication = "none"
"#;

/// A log without witnesses, with a certificate of a root of its own in `root.pem`.
struct SecureLog {
    network: Network,
    issuer: Issuer<'static, KeyPair>,
    internal: String,
}

impl SecureLog {
    /// For clients that call it by `name`, with a certificate that is valid in these years.
    fn start(name: &str, years: (i32, i32)) -> Self {
        let mut network = Network::start(0, 0);
        network.log.take().unwrap().stop();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        network.sandbox.write("root.pem", params.self_signed(&key).unwrap().pem());
        network.sandbox.write("config.toml", CONFIG);
        network.sandbox.key("k");
        let issuer = Issuer::new(params, key);
        let mut this = Self { network, issuer, internal: String::new() };
        this.issue(name, years);
        let mut log = this.network.sandbox.daemon(&["log", "primary", "--config", "config.toml"]);
        assert!(log.url.starts_with("https://127.0.0.1:"), "{}", log.url);
        this.internal = log.internal_url();
        let key = this.network.sandbox.key_hex("log-key");
        this.network.sandbox.write("policy", format!("log {key} {}\nquorum none\n", log.url));
        this.network.log = Some(log);
        this
    }

    /// Writes a new certificate and its key.
    fn issue(&self, name: &str, years: (i32, i32)) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        self.network.sandbox.write("cert-key.pem", key.serialize_pem());
        self.network.sandbox.write("cert.pem", certificate.pem());
    }

    fn log(&mut self) -> &mut Daemon {
        self.network.log.as_mut().unwrap()
    }

    /// Submits as somebody who trusts the root.
    fn submit(&self, name: &str) -> Outcome {
        self.submit_within("50s", name, true)
    }

    /// Submits for a time in which a log that can be had is had.
    fn submit_in_vain(&self, name: &str, trusts_root: bool) -> Outcome {
        self.submit_within("5s", name, trusts_root)
    }

    fn submit_within(&self, timeout: &str, name: &str, trusts_root: bool) -> Outcome {
        let sandbox = &self.network.sandbox;
        sandbox.write(name, name);
        let args = ["submit", "-p", "policy", "-k", "k", "--timeout", timeout, name];
        let mut command = sandbox.command(&args);
        if trusts_root {
            command.env("SSL_CERT_FILE", sandbox.path("root.pem"));
        }
        crate::harness::run_command(command, b"")
    }

    fn is_ready(&self) -> bool {
        http(&self.internal, "GET", "/readyz", b"").0 == 200
    }

    #[track_caller]
    fn until(&self, what: &str, reached: impl Fn() -> bool) {
        let until = Instant::now() + LIMIT;
        while !reached() {
            assert!(Instant::now() < until, "not reached: {what}");
            std::thread::yield_now();
        }
    }
}

/// Beyond the life of this test.
const VALID: (i32, i32) = (2020, 2049);

#[test]
fn submitters_use_a_log_with_tls_if_they_trust_its_root() {
    let log = SecureLog::start("127.0.0.1", VALID);
    log.submit("one").ok();
    let refused = log.submit_in_vain("two", false);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("certificate"), "the reason is told: {}", refused.stderr);
    let (_, page) = http(&log.internal, "GET", "/metrics", b"");
    assert!(page.contains("sigsum_log_tls_certificate_expiry_time_seconds 2493072000"), "{page}");
}

#[test]
fn submitters_refuse_a_certificate_for_another_name() {
    let log = SecureLog::start("other.example", VALID);
    let refused = log.submit_in_vain("one", true);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("certificate"), "{}", refused.stderr);
}

#[test]
fn a_log_with_an_expired_certificate_is_not_ready_until_it_has_a_new_one() {
    let mut log = SecureLog::start("127.0.0.1", (2020, 2021));
    if !log.log().said.contains("expired since 2021-01-01") {
        log.log().until_said_all(&["[ERRO]", "expired since 2021-01-01"]);
    }
    log.until("it is not ready", || !log.is_ready());
    assert_eq!(log.submit_in_vain("one", true).code, Some(1));
    log.issue("127.0.0.1", VALID);
    log.log().until_said_all(&["read again", "tls-cert-file"]);
    log.until("ready again", || log.is_ready());
    log.submit("one").ok();
    // A certificate that clients would refuse does not replace one that they take.
    log.issue("127.0.0.1", (2020, 2021));
    log.log().until_said_all(&["refused", "cert.pem", "expired"]);
    log.network.sandbox.write("cert.pem", "nonsense");
    log.log().until_said_all(&["refused", "cert.pem", "no certificate"]);
    log.submit("two").ok();
    assert!(log.is_ready());
}

#[test]
fn a_log_does_not_start_without_its_certificate() {
    let mut log = SecureLog::start("127.0.0.1", VALID);
    log.network.log.take().unwrap().stop();
    let run = |config: &str| {
        log.network.sandbox.write("config.toml", config);
        log.network.sandbox.run(&["log", "primary", "--config", "config.toml"])
    };
    run(&CONFIG.replace("tls-key-file", "#")).fails_with("TLS needs both");
    run(&CONFIG.replace("\"cert.pem\"", "\"none.pem\"")).fails_with("none.pem");
    run(&CONFIG.replace("\"cert-key.pem\"", "\"log-key\"")).fails_with("log-key");
}
