//! Tokens against a DNS server in the test, and against dnsmasq where it is installed.

use super::*;
use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::{Record, rdata::TXT};
use sigsum_core::token::token_signing_bytes;
use sigsum_keys::{Ed25519Signer, SigningSeed};
use tokio::net::UdpSocket;

const LOG: PublicKey = PublicKey::new([1; 32]);

fn signer(byte: u8) -> Ed25519Signer {
    Ed25519Signer::from_seed(&SigningSeed::from_bytes([byte; 32]))
}

fn token(byte: u8, domain: &str) -> SubmitToken {
    let signature = signer(byte).sign_now(&token_signing_bytes(&LOG));
    SubmitToken { domain: domain.to_owned(), signature }
}

fn key(byte: u8) -> String {
    signer(byte).public_key().to_hex()
}

/// What the server says of a name.
enum Reply {
    Records(Vec<Vec<String>>),
    Code(ResponseCode),
}

/// A DNS server on loopback that answers every name with what the function says.
async fn serve(answer: impl Fn(&str) -> Reply + Send + 'static) -> TokenDns {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0u8; 4096];
        while let Ok((bytes, peer)) = socket.recv_from(&mut buffer).await {
            let mut message = Message::from_vec(&buffer[..bytes]).unwrap();
            message.metadata.message_type = MessageType::Response;
            let name = message.queries[0].name().clone();
            match answer(name.to_ascii().trim_end_matches('.')) {
                Reply::Records(records) => {
                    for strings in records {
                        let data = RData::TXT(TXT::new(strings));
                        message.add_answer(Record::from_rdata(name.clone(), 60, data));
                    }
                }
                Reply::Code(code) => message.metadata.response_code = code,
            }
            socket.send_to(&message.to_vec().unwrap(), peer).await.unwrap();
        }
    });
    TokenDns::with_server(address).unwrap()
}

fn one(text: String) -> Reply {
    Reply::Records(vec![vec![text]])
}

#[tokio::test]
async fn a_published_key_confirms_a_token() {
    let dns = serve(|name| {
        assert_eq!(name, "_sigsum_v1.example.test");
        Reply::Records(vec![vec!["rubbish".to_owned()], vec![key(7)]])
    })
    .await;
    assert_eq!(dns.check(&token(7, "example.test"), &LOG).await, Ok(()));
    let other_log = PublicKey::new([2; 32]);
    let refused = Err(TokenDnsError::NoKeyFits { ignored: 0, malformed: 1 });
    assert_eq!(dns.check(&token(7, "example.test"), &other_log).await, refused);
    assert_eq!(dns.check(&token(8, "example.test"), &LOG).await, refused);
}

#[tokio::test]
async fn the_strings_of_a_record_are_joined() {
    let (left, right) = (key(7)[..20].to_owned(), key(7)[20..].to_owned());
    let dns = serve(move |_| Reply::Records(vec![vec![left.clone(), right.clone()]])).await;
    assert_eq!(dns.check(&token(7, "example.test"), &LOG).await, Ok(()));
}

#[tokio::test]
async fn the_old_label_counts_only_where_the_new_one_has_nothing() {
    for nothing in [ResponseCode::NXDomain, ResponseCode::NoError] {
        let dns = serve(move |name| match name.split('.').next() {
            Some("_sigsum_v0") => one(key(7)),
            _ => Reply::Code(nothing),
        })
        .await;
        assert_eq!(dns.check(&token(7, "example.test"), &LOG).await, Ok(()), "{nothing}");
    }
    let dns = serve(|name| match name.split('.').next() {
        Some("_sigsum_v0") => one(key(7)),
        _ => one(key(8)),
    })
    .await;
    assert!(dns.check(&token(7, "example.test"), &LOG).await.is_err());
}

#[tokio::test]
async fn an_unknown_domain_and_a_failing_server_are_told_apart() {
    let dns = serve(|_| Reply::Code(ResponseCode::NXDomain)).await;
    let error = dns.check(&token(7, "example.test"), &LOG).await.unwrap_err();
    let name = "_sigsum_v1.example.test".to_owned();
    assert_eq!(error, TokenDnsError::NotFound { name });
    assert!(error.to_string().starts_with("token: dns look-up failed: "), "{error}");
    let dns = serve(|name| match name.split('.').next() {
        Some("_sigsum_v0") => one(key(7)),
        _ => Reply::Code(ResponseCode::ServFail),
    })
    .await;
    let error = dns.check(&token(7, "example.test"), &LOG).await.unwrap_err();
    assert!(matches!(error, TokenDnsError::Failed { .. }), "{error}");
}

#[tokio::test]
async fn names_that_are_no_domains_are_refused() {
    let dns = serve(|_| Reply::Code(ResponseCode::NXDomain)).await;
    for domain in ["a..b", &"a".repeat(64), &"ab.".repeat(90), "\u{e9}.test"] {
        let error = dns.domain_keys(domain).await.unwrap_err();
        assert_eq!(error, TokenDnsError::Domain(domain.to_owned()), "{domain}");
    }
}

#[test]
fn the_first_ten_records_are_tried() {
    let records: Vec<String> = (1..=12).map(key).collect();
    let found = DomainKeys::from_records(&records);
    assert_eq!((found.keys.len(), found.ignored, found.malformed), (10, 2, 0));
    assert_eq!(found.check(&token(10, "d"), &LOG), Ok(()));
    let error = found.check(&token(11, "d"), &LOG).unwrap_err();
    assert_eq!(
        error.to_string(),
        "validating token signature failed, ignored keys: 2, syntactically bad keys: 0"
    );
}

#[test]
fn a_record_is_exactly_64_hex_digits() {
    let good = key(7);
    for bad in [
        format!(" {good}"),
        format!("{good} "),
        format!("{good}\n"),
        good[1..].to_owned(),
        good.clone() + "00",
        good.replace(&good[..1], "x"),
        String::new(),
    ] {
        let found = DomainKeys::from_records(std::slice::from_ref(&bad));
        assert_eq!((found.keys.len(), found.malformed), (0, 1), "{bad:?}");
    }
    assert_eq!(DomainKeys::from_records(&[good.to_uppercase()]).keys.len(), 1);
    assert_eq!(DomainKeys::from_records(&[[0xff; 64]]).malformed, 1);
}

/// The same against a DNS server of others (package dnsmasq-base).
#[tokio::test]
async fn dnsmasq_confirms_tokens() {
    let Some(server) = Dnsmasq::start() else {
        eprintln!("SKIPPED: no dnsmasq here (package dnsmasq-base)");
        return;
    };
    let dns = TokenDns::with_server(server.address).unwrap();
    assert_eq!(dns.check(&token(7, "new.test"), &LOG).await, Ok(()));
    assert_eq!(dns.check(&token(8, "split.test"), &LOG).await, Ok(()));
    assert_eq!(dns.check(&token(7, "old.test"), &LOG).await, Ok(()));
    assert_eq!(dns.check(&token(7, "nodata.test"), &LOG).await, Ok(()));
    let many = dns.domain_keys("many.test").await.unwrap();
    assert_eq!((many.keys.len(), many.ignored), (10, 20), "an answer that needs TCP");
    let unknown = dns.domain_keys("unknown.test").await;
    assert!(matches!(unknown, Err(TokenDnsError::NotFound { .. })), "{unknown:?}");
    let refused = dns.domain_keys("elsewhere.example").await;
    assert!(matches!(refused, Err(TokenDnsError::Failed { .. })), "{refused:?}");
}

struct Dnsmasq {
    child: std::process::Child,
    address: SocketAddr,
}

impl Drop for Dnsmasq {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Dnsmasq {
    /// `None` where it is not installed.
    fn start() -> Option<Self> {
        let program = ["dnsmasq", "/usr/sbin/dnsmasq"]
            .into_iter()
            .find(|p| std::process::Command::new(p).arg("--version").output().is_ok())?;
        // It cannot be told to take any free port, so another may be faster now and then.
        (0..10).find_map(|_| Self::start_on_free_port(program)).or_else(|| panic!("no port"))
    }

    fn start_on_free_port(program: &str) -> Option<Self> {
        use std::io::BufRead as _;
        let address = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (left, right) = (key(8)[..20].to_owned(), key(8)[20..].to_owned());
        let records = [
            format!("_sigsum_v1.new.test,{}", key(7)),
            format!("_sigsum_v1.split.test,{left},{right}"),
            format!("_sigsum_v0.old.test,{}", key(7)),
            format!("_sigsum_v0.nodata.test,{}", key(7)),
        ];
        let many = (1..=30).map(|n| format!("_sigsum_v1.many.test,{}", key(n)));
        let mut child = std::process::Command::new(program)
            .args(["--keep-in-foreground", "--log-facility=-", "--no-resolv", "--no-hosts"])
            .args(["--conf-file=/dev/null", "--pid-file=", "--bind-interfaces", "--local=/test/"])
            .args(["--listen-address=127.0.0.1", "--except-interface=nonexistent"])
            .args(["--host-record=_sigsum_v1.nodata.test,127.0.0.1", "--user="])
            .arg(format!("--port={}", address.port()))
            .args(records.into_iter().chain(many).map(|r| format!("--txt-record={r}")))
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let lines = std::io::BufReader::new(child.stderr.take().unwrap()).lines();
        let started = lines.map_while(Result::ok).any(|line| line.contains("started"));
        let server = Self { child, address };
        started.then_some(server)
    }
}
