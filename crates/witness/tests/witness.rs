//! A whole witness over real sockets: start, restart, reload, stop.
#![allow(clippy::unwrap_used, reason = "a test that goes wrong may panic")]

use sigsum_api::{AddCheckpointError, WitnessApi as _};
use sigsum_core::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use sigsum_core::merkle::CompactRange;
use sigsum_core::note::{SignatureLine, Vkey};
use sigsum_core::wire::witness::AddCheckpointRequest;
use sigsum_core::{TreeHead, TreeSize};
use sigsum_keys::Ed25519Signer;
use sigsum_service::clock::ManualClock;
use sigsum_service::runner::Context;
use sigsum_witness::{Config, CosignerKey, Handle, LogConfig, StartError, admin, start};
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

fn context() -> Context {
    Context::new(Arc::new(ManualClock::at_s(1_700_000_000)))
}

fn config(dir: &Path, logs: Vec<LogConfig>) -> Config {
    Config { data_dir: Some(dir.to_owned()), logs, ..Config::default() }
}

async fn run(config: Config, key: &Ed25519Signer) -> Result<Handle, StartError> {
    start(config, vec![CosignerKey::sigsum(Arc::new(key.clone()))], context()).await
}

/// The first checkpoint of a log with that many leaves.
fn request(log: &Ed25519Signer, leaves: u8) -> AddCheckpointRequest {
    let mut tree = CompactRange::new();
    (0..leaves).for_each(|i| tree.append(sigsum_core::merkle::hash_leaf(&[i])));
    let head: TreeHead = tree.tree_head();
    let checkpoint = Checkpoint::new(Origin::sigsum(&log.public_key().key_hash()), head);
    let signature = log.sign_now(checkpoint.to_text().as_bytes()).as_bytes().to_vec();
    let line = SignatureLine::new(&Vkey::sigsum_log(&log.public_key()), signature);
    let checkpoint = SignedCheckpoint { checkpoint, signatures: vec![line] };
    AddCheckpointRequest { old_size: TreeSize(0), proof: Vec::new(), checkpoint }
}

/// Sends one HTTP request and gives the whole answer.
async fn http(address: &str, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let head = format!(
        "{head} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn keys() -> (Ed25519Signer, Ed25519Signer) {
    (Ed25519Signer::generate().unwrap(), Ed25519Signer::generate().unwrap())
}

#[tokio::test]
async fn serves_under_its_prefix_and_remembers_over_a_restart() {
    let (dir, (own, log)) = (tempfile::tempdir().unwrap(), keys());
    admin::init(dir.path(), &[own.public_key()]).unwrap();
    let logs = vec![LogConfig::sigsum(&log.public_key())];
    let config = Config { url_prefix: "w".into(), ..config(dir.path(), logs) };
    let first = run(config.clone(), &own).await.unwrap();
    let address = first.address().to_string();
    assert_eq!(first.url(), Some(format!("http://{address}/w")));
    let body = request(&log, 5).to_body();
    let answer = http(&address, "POST /w/add-checkpoint", &body).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    first.stop().await;
    let second = run(config, &own).await.unwrap();
    let answer = http(&second.address().to_string(), "POST /w/add-checkpoint", &body).await;
    assert!(answer.starts_with("HTTP/1.1 409 Conflict\r\n") && answer.ends_with("\r\n\r\n5\n"));
    second.stop().await;
}

#[tokio::test]
async fn metrics_are_on_the_internal_listener_alone() {
    let (dir, (own, log)) = (tempfile::tempdir().unwrap(), keys());
    admin::init(dir.path(), &[own.public_key()]).unwrap();
    let logs = vec![LogConfig::sigsum(&log.public_key())];
    let internal_listen = Some("127.0.0.1:0".to_owned());
    let handle = run(Config { internal_listen, ..config(dir.path(), logs) }, &own).await.unwrap();
    let address = handle.address().to_string();
    http(&address, "POST /add-checkpoint", &request(&log, 5).to_body()).await;
    let internal = handle.internal_address().unwrap().to_string();
    let page = http(&internal, "GET /metrics", b"").await;
    for line in [
        "sigsum_witness_http_rsp{endpoint=\"add-checkpoint\",status=\"200\"} 1",
        "sigsum_witness_logs 1",
        "sigsum_witness_in_flight 0",
        "sigsum_witness_store_heads_total 1",
        "sigsum_witness_signing_seconds_count 1",
    ] {
        assert!(page.contains(line), "{line} in {page}");
    }
    assert!(http(&address, "GET /metrics", b"").await.starts_with("HTTP/1.1 404"));
    handle.stop().await;
}

#[tokio::test]
async fn logs_added_beside_it_are_served_after_a_reload_and_after_a_restart() {
    let (dir, (own, log)) = (tempfile::tempdir().unwrap(), keys());
    admin::init(dir.path(), &[own.public_key()]).unwrap();
    let handle = run(config(dir.path(), vec![]), &own).await.unwrap();
    let request = request(&log, 5);
    let unknown = handle.witness().add_checkpoint(&request).await;
    assert_eq!(unknown, Err(AddCheckpointError::UnknownOrigin));
    let added = admin::add_log(dir.path(), &LogConfig::sigsum(&log.public_key())).unwrap();
    assert!(added.is_new && added.new_keys == 1);
    assert_eq!(handle.reload().await.unwrap(), 1);
    assert_eq!(handle.reload().await.unwrap(), 0);
    handle.witness().add_checkpoint(&request).await.unwrap();
    handle.stop().await;
    let listed = admin::list_logs(dir.path()).unwrap();
    assert_eq!((listed.len(), listed[0].tree_head.size), (1, TreeSize(5)));
    assert_eq!(listed[0].vkeys, [Vkey::sigsum_log(&log.public_key()).to_string()]);
    let again = run(config(dir.path(), vec![]), &own).await.unwrap();
    assert_eq!(again.witness().logs().len(), 1);
    again.stop().await;
}

#[tokio::test]
async fn a_second_key_of_a_log_is_trusted_after_a_reload() {
    let (dir, (own, log)) = (tempfile::tempdir().unwrap(), keys());
    let second = Ed25519Signer::generate().unwrap();
    admin::init(dir.path(), &[own.public_key()]).unwrap();
    admin::add_log(dir.path(), &LogConfig::sigsum(&log.public_key())).unwrap();
    let handle = run(config(dir.path(), vec![]), &own).await.unwrap();
    let mut request = request(&log, 5);
    let text = request.checkpoint.text();
    let vkey = Vkey::sigsum_log(&second.public_key());
    let signature = second.sign_now(text.as_bytes()).as_bytes().to_vec();
    request.checkpoint.signatures = vec![SignatureLine::new(&vkey, signature)];
    let forbidden = handle.witness().add_checkpoint(&request).await;
    assert!(matches!(forbidden, Err(AddCheckpointError::Forbidden(_))));
    let origin = Some(request.checkpoint.checkpoint.origin.to_string());
    let rotated = LogConfig { origin, ..LogConfig::vkey(&vkey) };
    let added = admin::add_log(dir.path(), &rotated).unwrap();
    assert!(!added.is_new && added.new_keys == 1);
    assert_eq!(handle.reload().await.unwrap(), 0);
    handle.witness().add_checkpoint(&request).await.unwrap();
    handle.stop().await;
}

#[tokio::test]
async fn starts_only_on_the_state_it_left_behind() {
    let (dir, (own, other)) = (tempfile::tempdir().unwrap(), keys());
    let missing = run(config(dir.path(), vec![]), &own).await.unwrap_err().to_string();
    assert!(missing.starts_with("no witness state in "), "{missing}");
    admin::init(dir.path(), &[own.public_key()]).unwrap();
    let wrong = run(config(dir.path(), vec![]), &other).await.unwrap_err().to_string();
    assert!(wrong.contains(&other.public_key().to_hex()), "{wrong}");
    let running = run(config(dir.path(), vec![]), &own).await.unwrap();
    assert!(run(config(dir.path(), vec![]), &own).await.is_err(), "two at once");
    running.stop().await;
    let elsewhere = tempfile::tempdir().unwrap();
    for name in ["witness.sqlite", "starts"] {
        std::fs::copy(dir.path().join(name), elsewhere.path().join(name)).unwrap();
    }
    let copied = run(config(elsewhere.path(), vec![]), &own).await.unwrap_err().to_string();
    assert!(copied.contains("was copied or restored"), "{copied}");
    let accept = Config { accept_state: true, ..config(elsewhere.path(), vec![]) };
    run(accept, &own).await.unwrap().stop().await;
}

#[tokio::test]
async fn a_state_file_is_written_before_the_answer_and_taken_up_again() {
    let (dir, (own, log)) = (tempfile::tempdir().unwrap(), keys());
    let path = dir.path().join("state");
    let logs = vec![LogConfig::sigsum(&log.public_key())];
    let config = Config { state_file: Some(path.clone()), logs, ..Config::default() };
    let first = run(config.clone(), &own).await.unwrap();
    let request = request(&log, 5);
    let lines = first.witness().add_checkpoint(&request).await.unwrap();
    let state = std::fs::read_to_string(&path).unwrap();
    let own_hash = own.public_key().key_hash();
    let cosignature = sigsum_core::cosignature::from_line(&lines[0], &own.public_key()).unwrap();
    let line = format!("cosignature={own_hash} 1700000000 {}\n", cosignature.signature);
    assert!(state.starts_with("size=5\n") && state.ends_with(&line), "{state}");
    first.stop().await;
    let second = run(config, &own).await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), state, "a start writes nothing");
    let conflict = AddCheckpointError::Conflict { size: TreeSize(5) };
    assert_eq!(second.witness().add_checkpoint(&request).await, Err(conflict));
    second.stop().await;
}

#[tokio::test]
async fn the_contexts_shutdown_ends_it() {
    let (dir, (own, _)) = (tempfile::tempdir().unwrap(), keys());
    admin::init(dir.path(), &[own.public_key()]).unwrap();
    let context = context();
    let key = CosignerKey::sigsum(Arc::new(own.clone()));
    let handle = start(config(dir.path(), vec![]), vec![key], context.clone()).await.unwrap();
    context.shutdown.trigger();
    handle.wait().await;
    run(config(dir.path(), vec![]), &own).await.unwrap().stop().await;
}

#[tokio::test]
async fn init_wants_a_key_and_add_log_a_state() {
    let dir = tempfile::tempdir().unwrap();
    assert!(admin::init(dir.path(), &[]).is_err());
    let log = LogConfig::sigsum(&keys().0.public_key());
    let error = admin::add_log(dir.path(), &log).unwrap_err().to_string();
    assert!(error.starts_with("no witness state in "), "{error}");
}
