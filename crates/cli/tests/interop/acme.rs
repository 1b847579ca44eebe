//! A log that gets its certificate by ACME from pebble, the test authority of Let's Encrypt.

use crate::acme_rig::{BLOCKED, Client, NAME, Rig, get, get_and_stay, shown, until};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Ninety days, as at Let's Encrypt.
const LONG_S: u64 = 90 * 86_400;

/// So short that it is renewed after 38 seconds at most, with 20 left for it.
const SHORT_S: u64 = 60;

#[test]
fn a_certificate_is_had_served_and_kept_over_a_restart_without_the_authority() {
    let Some(mut rig) = Rig::new(LONG_S) else { return };
    // One request in five is refused for its nonce.
    rig.start_pebble(20);
    let address = rig.address.ip().to_string();
    rig.configure(&[NAME, &address]);
    rig.start_log();
    rig.until_ready();
    let client = rig.root();
    rig.submit("one").ok();
    let certificate = shown(&client.connect(rig.address, NAME).unwrap());
    assert_eq!(shown(&client.connect(rig.address, &address).unwrap()), certificate);
    assert!(client.connect(rig.address, "other.example").is_err(), "the name is checked");
    assert_eq!(rig.metric("sigsum_log_acme_failing"), 0);
    assert!(rig.metric("sigsum_log_acme_orders_total") >= 1);
    assert!(rig.metric("sigsum_log_tls_certificate_expiry_time_seconds") > 1_700_000_000);
    for (name, mode) in [("", 0o700), ("account.json", 0o600), ("certificate.pem", 0o600)] {
        let path = rig.sandbox().path("acme").join(name);
        let bits = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(bits, mode, "{}", path.display());
    }

    rig.kill_pebble();
    rig.stop_log();
    rig.start_log();
    rig.until_ready();
    assert_eq!(shown(&client.connect(rig.address, NAME).unwrap()), certificate);
    rig.submit("two").ok();
    assert_eq!(rig.metric("sigsum_log_acme_orders_total"), 0);
    assert_eq!(rig.metric("sigsum_log_acme_failing"), 0, "nobody was asked");
}

#[test]
fn a_log_runs_without_its_authority_and_is_served_once_that_appears() {
    let Some(mut rig) = Rig::new(LONG_S) else { return };
    rig.configure(&[NAME, &rig.address.ip().to_string()]);
    rig.start_log();
    rig.until_said("cannot get a certificate");
    rig.until("it says what it waits for", |rig| {
        rig.page("/readyz").contains("TLS certificate: there is no certificate yet")
    });
    assert_eq!(rig.metric("sigsum_log_acme_failing"), 1);
    assert_eq!(rig.metric("sigsum_log_acme_orders_total"), 0, "no order reached anybody");
    assert_eq!(rig.metric("sigsum_log_tls_certificate_expiry_time_seconds"), 0);
    rig.until("heads are made", |rig| rig.page("/get-tree-head").contains("size=0"));

    rig.start_pebble(5);
    rig.until_said("there is a new certificate");
    rig.until_ready();
    let client = rig.root();
    client.connect(rig.address, NAME).unwrap();
    rig.submit("one").ok();
    assert_eq!(rig.metric("sigsum_log_acme_failing"), 0);
}

#[test]
fn a_refusal_is_told_with_the_authoritys_reason_and_the_log_runs() {
    let Some(mut rig) = Rig::new(LONG_S) else { return };
    rig.start_pebble(0);
    rig.configure(&[NAME, BLOCKED]);
    rig.start_log();
    rig.until_said("rejectedIdentifier");
    assert!(rig.root().connect(rig.address, NAME).is_err(), "there is no certificate");
    assert!(rig.page("/readyz").contains("TLS certificate"));
    rig.stop_log();

    // An address at which nobody answers.
    let elsewhere = crate::peers::free_address().ip().to_string();
    rig.configure(&[NAME, &elsewhere]);
    rig.start_log();
    rig.until_said("Failed to connect to");
    assert_eq!(rig.metric("sigsum_log_acme_failing"), 1);
    rig.stop_log();

    // With names that are its own it has a certificate at once: two of five orders were used.
    rig.configure(&[NAME, &rig.address.ip().to_string()]);
    rig.start_log();
    rig.until_ready();
    rig.root().connect(rig.address, NAME).unwrap();
}

#[test]
fn a_new_name_is_asked_for_at_once_even_where_the_authority_lost_the_account() {
    let Some(mut rig) = Rig::new(LONG_S) else { return };
    rig.start_pebble(5);
    rig.configure(&[NAME]);
    rig.start_log();
    rig.until_ready();
    let old = rig.root();
    let first = shown(&old.connect(rig.address, NAME).unwrap());
    rig.kill_pebble();
    rig.stop_log();

    rig.configure(&[NAME, "second.example"]);
    rig.start_log();
    rig.until_said("cannot renew the certificate; the old one stays");
    assert_eq!(shown(&old.connect(rig.address, NAME).unwrap()), first);
    rig.start_pebble(5);
    rig.until_said("there is a new certificate");
    let new = rig.root();
    let second = shown(&new.connect(rig.address, "second.example").unwrap());
    assert_ne!(first, second);
    assert_eq!(shown(&new.connect(rig.address, NAME).unwrap()), second);
}

/// Somebody who asks without end.
struct Load {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// Over a new connection each time, and over one that stays.
    fn start(client: &Client, address: SocketAddr) -> Self {
        let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let anew = client.clone();
        let over_new_connections = move || {
            let answer = get(&mut anew.connect(address, NAME)?, "/get-tree-head")?;
            Ok(answer.lines().next().unwrap_or_default().to_owned())
        };
        let mut stream = client.connect(address, NAME).unwrap();
        let over_one = move || get_and_stay(&mut stream, "/get-tree-head");
        let threads =
            vec![ask(over_new_connections, &stop, &answers), ask(over_one, &stop, &answers)];
        Self { stop, answers, threads }
    }

    /// What did not go well.
    fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        self.threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    }
}

fn ask(
    mut once: impl FnMut() -> std::io::Result<String> + Send + 'static,
    stop: &Arc<AtomicBool>,
    answers: &Arc<AtomicU64>,
) -> JoinHandle<Vec<String>> {
    let (stop, answers) = (stop.clone(), answers.clone());
    std::thread::spawn(move || {
        let mut failures = Vec::new();
        while !stop.load(Ordering::SeqCst) && failures.len() < 10 {
            match once() {
                Ok(status) if status == "HTTP/1.1 200 OK" => {}
                Ok(status) => failures.push(status),
                Err(error) => failures.push(error.to_string()),
            }
            answers.fetch_add(1, Ordering::SeqCst);
            // Others need the processor too.
            std::thread::park_timeout(Duration::from_millis(5));
        }
        failures
    })
}

#[test]
fn a_certificate_is_renewed_under_load_without_a_failed_request() {
    let Some(mut rig) = Rig::new(SHORT_S) else { return };
    rig.start_pebble(5);
    rig.configure(&[NAME]);
    rig.start_log();
    rig.until_ready();
    let client = rig.root();
    rig.until("a head is served", |rig| {
        let answer = get(&mut client.connect(rig.address, NAME).unwrap(), "/get-tree-head");
        answer.unwrap().starts_with("HTTP/1.1 200")
    });
    let expiry = || rig.metric("sigsum_log_tls_certificate_expiry_time_seconds");
    let before = expiry();
    let load = Load::start(&client, rig.address);
    until(2 * Duration::from_secs(SHORT_S), "it is renewed", || expiry() > before);
    let asked = load.answers.load(Ordering::SeqCst);
    until(Duration::from_secs(20), "asked on", || load.answers.load(Ordering::SeqCst) > asked + 20);
    let count = load.answers.load(Ordering::SeqCst);
    assert_eq!(load.end(), Vec::<String>::new(), "of {count} requests");
    assert!(count > 100, "{count}");
}
