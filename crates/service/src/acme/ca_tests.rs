//! Authorities that answer with what is no answer.

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use instant_acme::Account;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::path::Path;

use super::*;
use crate::acme::config::LETS_ENCRYPT;
use crate::acme::order::Failure;
use crate::http::finish;
use crate::listen::Endpoint;
use crate::serve::{Limits, ServerHandle, spawn};
use crate::shutdown::Shutdown;
use crate::tls::{Certificate, Tls, TlsFiles};

/// 2025-06-15 15:06:40 UTC.
const NOW_S: u64 = 1_750_000_000;

fn config(dir: &Path, directory_url: String) -> AcmeConfig {
    AcmeConfig {
        names: vec!["log.example".parse().unwrap()],
        dir: dir.join("acme"),
        contact: Vec::new(),
        directory_url,
        ca_file: Some(dir.join("root.pem")),
    }
}

/// How it answers.
type Answer = fn() -> Response;

/// A web server with a certificate of the root in `root.pem`, which answers everything alike.
#[allow(clippy::disallowed_methods, reason = "the files belong to the test")]
async fn authority(dir: &Path, answer: Answer) -> (ServerHandle, AcmeConfig) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(dir.join("root.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let files = TlsFiles { cert: dir.join("web.pem"), key: dir.join("web-key.pem") };
    std::fs::write(&files.cert, certificate.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();

    let tls = Tls::new(Certificate::read(&files).unwrap());
    let listener = Endpoint::loopback().bind().await.unwrap().with_tls(tls);
    let url = format!("https://{}/dir", listener.address().tcp().unwrap());
    let router = finish(Router::new().route("/dir", crate::http::get(async move || answer())));
    let server = spawn(listener, router, &Shutdown::new(), Limits::default());
    (server, config(dir, url))
}

/// How asking for the directory ends.
async fn ask(config: &AcmeConfig) -> (Result<Account, Failure>, CaClient) {
    let ca = CaClient::new(config).unwrap();
    let key = instant_acme::Key::generate_pkcs8().unwrap().1;
    let asked = Account::builder_with_http(Box::new(ca.clone()))
        .from_parts("account".to_owned(), key, config.directory_url.clone())
        .await;
    (asked.map_err(Failure::from), ca)
}

async fn refusal(answer: Answer) -> (String, CaClient) {
    let dir = tempfile::tempdir().unwrap();
    let (_server, config) = authority(dir.path(), answer).await;
    let (asked, ca) = ask(&config).await;
    (asked.err().expect("no account").text, ca)
}

const DIRECTORY: &str =
    r#"{"newNonce": "https://a/n", "newAccount": "https://a/a", "newOrder": "https://a/o"}"#;

#[tokio::test]
async fn a_directory_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, config) = authority(dir.path(), || Response::new(DIRECTORY.into())).await;
    assert!(ask(&config).await.0.is_ok());
}

#[tokio::test]
async fn each_answer_that_is_none_is_refused_with_its_reason() {
    let cases: [(Answer, &str); 7] = [
        (|| Response::new(Body::empty()), "JSON"),
        (|| Response::new("<html>".into()), "JSON"),
        (|| Response::new("{}".into()), "missing field"),
        (|| Response::new(vec![b' '; 300_000].into()), "more than 262144 bytes"),
        (|| with_status(StatusCode::SERVICE_UNAVAILABLE), "HTTP status 503"),
        (|| with_status(StatusCode::FOUND), "HTTP status 302"),
        (|| with_status(StatusCode::FORBIDDEN), "from 400 to 499"),
    ];
    for (answer, reason) in cases {
        let (text, _) = refusal(answer).await;
        assert!(text.contains(reason), "{text}");
    }
}

/// With what a redirect has.
fn with_status(status: StatusCode) -> Response {
    let answer = http::Response::builder().status(status).header("Location", "/elsewhere");
    answer.body(Body::from("sorry")).unwrap()
}

#[tokio::test]
async fn how_long_to_wait_is_heard_in_seconds_and_as_a_date() {
    let wait = |value: &'static str| async move {
        let ca = CaClient::new(&AcmeConfig {
            ca_file: None,
            ..config(Path::new("nowhere"), LETS_ENCRYPT.to_owned())
        });
        let ca = ca.unwrap();
        *ca.last() = Some(HeaderValue::from_static(value));
        ca.retry_after_s(NOW_S)
    };
    assert_eq!(wait("120").await, Some(120));
    assert_eq!(wait("Sun, 15 Jun 2025 15:07:40 GMT").await, Some(60));
    assert_eq!(wait("Sun, 15 Jun 2025 15:05:40 GMT").await, Some(0), "it is over");
    for bad in ["", "soon", "-1", "99999999999999999999999"] {
        assert_eq!(wait(bad).await, None, "{bad}");
    }
    let busy = || {
        let mut answer = with_status(StatusCode::SERVICE_UNAVAILABLE);
        answer.headers_mut().insert("Retry-After", HeaderValue::from_static("7"));
        answer
    };
    assert_eq!(refusal(busy).await.1.retry_after_s(NOW_S), Some(7));
}

#[tokio::test]
async fn an_authority_that_nobody_vouches_for_or_that_is_away_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (server, config) = authority(dir.path(), || Response::new(DIRECTORY.into())).await;
    let other = tempfile::tempdir().unwrap();
    let (_other_server, others) = authority(other.path(), || Response::new(DIRECTORY.into())).await;
    let strange = AcmeConfig { ca_file: others.ca_file, ..config.clone() };
    let text = ask(&strange).await.0.err().unwrap().text;
    assert!(text.contains("certificate"), "{text}");
    server.stop().await;
    let text = ask(&config).await.0.err().unwrap().text;
    assert!(text.contains("refused"), "{text}");
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the files belong to the test")]
fn each_bad_file_of_roots_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let refusal = |config: &AcmeConfig| CaClient::new(config).unwrap_err().to_string();
    let config = config(dir.path(), LETS_ENCRYPT.to_owned());
    assert!(refusal(&config).contains("root.pem: No such file"));
    for (bytes, reason) in [
        (&b""[..], "no certificate"),
        (b"nonsense", "no certificate"),
        (b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n", "root.pem: "),
        (&[b'x'; 300_000], "larger than"),
    ] {
        std::fs::write(dir.path().join("root.pem"), bytes).unwrap();
        let text = refusal(&config);
        assert!(text.contains("root.pem") && text.contains(reason), "{text}");
    }
}
