//! TLS: who is let in, what is agreed on, what a slow or strange client costs.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use sigsum_service::acme::AcmeConfig;
use sigsum_service::clock::{Clock, ManualClock};
use sigsum_service::http::{finish, get, text};
use sigsum_service::listen::Endpoint;
use sigsum_service::runner::Context;
use sigsum_service::serve::{Limits, ServerHandle, spawn};
use sigsum_service::shutdown::Shutdown;
use sigsum_service::tls::{Certificate, Tls, TlsError, TlsFiles, TlsSource};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// 2026-11-22.
const NOW_S: u64 = 1_795_305_600;

/// A root that signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    roots: RootCertStore,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).unwrap();
        Self { issuer: Issuer::new(params, key), roots }
    }

    /// Writes a certificate for `localhost` that is valid in these years.
    #[allow(clippy::disallowed_methods, reason = "the files belong to the test")]
    fn issue(&self, dir: &Path, name: &str, years: (i32, i32)) -> TlsFiles {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = TlsFiles {
            cert: dir.join(format!("{name}.pem")),
            key: dir.join(format!("{name}-key.pem")),
        };
        std::fs::write(&files.cert, certificate.pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }

    fn connector(&self, protocols: &[&[u8]]) -> TlsConnector {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }
}

async fn start(tls: &Tls, limits: Limits) -> (ServerHandle, SocketAddr) {
    let listener = Endpoint::loopback().bind().await.unwrap().with_tls(tls.clone());
    let address = listener.address().tcp().unwrap();
    let router = finish(Router::new().route("/", get(async || text("hello\n"))));
    (spawn(listener, router, &Shutdown::new(), limits), address)
}

async fn connect(
    authority: &Authority,
    address: SocketAddr,
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    authority.connector(protocols).connect(name, stream).await
}

async fn ask(mut stream: TlsStream<TcpStream>) -> String {
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn http_is_served_under_the_protocol_that_was_agreed_on() {
    let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let files = authority.issue(dir.path(), "a", (2026, 2027));
    let (_server, address) =
        start(&Tls::new(Certificate::read(&files).unwrap()), Limits::default()).await;
    for (offered, agreed) in [
        (&[&b"h2"[..], b"http/1.1"][..], Some(&b"h2"[..])),
        (&[b"http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let stream = connect(&authority, address, offered).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed);
        if agreed != Some(b"h2") {
            assert!(ask(stream).await.ends_with("hello\n"));
        }
    }
    assert!(connect(&authority, address, &[b"bastion/0"]).await.is_err(), "nobody speaks it here");
    assert!(connect(&Authority::new(), address, &[]).await.is_err(), "a root of somebody else");
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections_and_old_ones_stay() {
    let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let read = |name| Certificate::read(&authority.issue(dir.path(), name, (2026, 2027))).unwrap();
    let (one, two) = (read("one"), read("two"));
    let tls = Tls::new(one.clone());
    let (_server, address) = start(&tls, Limits::default()).await;
    let shown =
        |stream: &TlsStream<TcpStream>| stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    let old = connect(&authority, address, &[]).await.unwrap();
    assert!(!tls.replace(one));
    assert!(tls.replace(two));
    let new = connect(&authority, address, &[]).await.unwrap();
    assert_ne!(shown(&old), shown(&new));
    assert!(ask(old).await.ends_with("hello\n"));
    assert!(ask(new).await.ends_with("hello\n"));
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_given_up_and_holds_up_nobody() {
    let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let files = authority.issue(dir.path(), "a", (2026, 2027));
    let limits = Limits { head_timeout_ms: 300, max_connections: 2, ..Limits::default() };
    let (_server, address) = start(&Tls::new(Certificate::read(&files).unwrap()), limits).await;
    // More than are served at once: each makes room for the next.
    let mut silent = Vec::new();
    for first in [&b""[..], b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(first).await.unwrap();
        silent.push(stream);
    }
    let stream = connect(&authority, address, &[]).await.unwrap();
    assert!(ask(stream).await.ends_with("hello\n"));
    for mut stream in silent {
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut rest));
        assert!(ended.await.is_ok(), "it is let go");
    }
}

#[tokio::test]
async fn what_is_no_tls_is_let_go() {
    let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let files = authority.issue(dir.path(), "a", (2026, 2027));
    let (_server, address) =
        start(&Tls::new(Certificate::read(&files).unwrap()), Limits::default()).await;
    for nonsense in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], &[0xff; 64], &[0x16; 2048]] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(nonsense).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await; // a reset is an end too
        assert!(!String::from_utf8_lossy(&answer).contains("hello"));
    }
    let stream = connect(&authority, address, &[]).await.unwrap();
    assert!(ask(stream).await.ends_with("hello\n"));
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the files belong to the test")]
fn each_bad_file_is_named_with_its_reason() {
    let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let files = authority.issue(dir.path(), "a", (2026, 2027));
    let other = authority.issue(dir.path(), "other", (2026, 2027));
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(dir.path().join(name), bytes).unwrap();
        dir.path().join(name)
    };
    let pem = std::fs::read(&files.cert).unwrap();
    let cert = |cert| TlsFiles { cert, ..files.clone() };
    let key = |key| TlsFiles { key, ..files.clone() };
    let no_der = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cases = [
        ("no file", cert(dir.path().join("none")), "No such file"),
        ("a directory", cert(dir.path().to_owned()), "directory"),
        ("an empty file", cert(write("empty", b"")), "no certificate"),
        ("a cut file", cert(write("cut", &pem[..pem.len() / 2])), "cut"),
        ("a certificate that is none", cert(write("none.pem", no_der)), "not an X.509"),
        ("a file without an end", cert(write("long", &[b'x'; 300_000])), "larger than"),
        ("no key in the key file", key(files.cert.clone()), "no private key"),
        ("the key of another certificate", key(other.key), "is not a key for"),
    ];
    for (what, files, reason) in cases {
        let error = Certificate::read(&files).unwrap_err().to_string();
        assert!(error.contains(reason), "{what}: {error}");
    }
}

#[tokio::test]
async fn a_node_is_not_ready_while_its_certificate_is_not_valid() {
    let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let read = |name, years| Certificate::read(&authority.issue(dir.path(), name, years)).unwrap();
    let clock = Arc::new(ManualClock::at_s(NOW_S));
    let old = read("old", (2020, 2026));
    let error = old.check_time(&*clock).unwrap_err();
    assert!(matches!(error, TlsError::Time { .. }), "{error}");
    assert!(read("early", (2027, 2028)).check_time(&*clock).is_err());
    let context = Context::new(Arc::clone(&clock) as Arc<dyn Clock>);
    let tls = Tls::new(old);
    tls.watch(&context, "sigsum_test").unwrap();
    let waits = || !context.health.waiting().is_empty();
    let shown = |value: &str| {
        let line = format!("sigsum_test_tls_certificate_expiry_time_seconds {value}\n");
        context.metrics.encode().contains(&line)
    };
    let until = async |reached: &dyn Fn() -> bool| {
        let limit = tokio::time::Instant::now() + Duration::from_secs(60);
        while !reached() {
            assert!(tokio::time::Instant::now() < limit);
            tokio::task::yield_now().await;
        }
    };
    until(&|| waits() && shown("1767225600")).await;
    tls.replace(read("new", (2026, 2027)));
    until(&|| !waits() && shown("1798761600")).await;
}

#[tokio::test]
async fn a_node_that_waits_for_its_certificate_refuses_handshakes_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at_s(NOW_S));
    let context = Context::new(Arc::clone(&clock) as Arc<dyn Clock>);
    let config = AcmeConfig {
        names: vec!["localhost".parse().unwrap()],
        dir: dir.path().join("acme"),
        contact: Vec::new(),
        // A port at which nobody listens: it takes privileges.
        directory_url: "https://127.0.0.1:1/dir".to_owned(),
        ca_file: None,
    };
    let tls = Tls::open(&TlsSource::Acme(config.clone())).unwrap();
    let second = Tls::open(&TlsSource::Acme(config)).unwrap_err();
    assert!(second.to_string().contains("locked by another process"), "{second}");
    tls.watch(&context, "sigsum_test").unwrap();
    let (_server, address) = start(&tls, Limits::default()).await;
    for protocols in [&[&b"h2"[..]][..], &[b"acme-tls/1"], &[b"h2", b"acme-tls/1"], &[]] {
        let refused = connect(&Authority::new(), address, protocols).await.err().unwrap();
        // Nothing is shown, so that nothing is left for the client to mistrust.
        assert!(refused.to_string().contains("AccessDenied"), "{refused}");
    }
    let limit = tokio::time::Instant::now() + Duration::from_secs(60);
    while !context.metrics.encode().contains("sigsum_test_acme_failing 1\n") {
        assert!(tokio::time::Instant::now() < limit);
        tokio::task::yield_now().await;
    }
    let waiting = context.health.waiting();
    assert!(waiting.iter().any(|(_, why)| why.contains("no certificate yet")), "{waiting:?}");
    assert!(context.metrics.encode().contains("sigsum_test_acme_orders_total 0\n"));
}
