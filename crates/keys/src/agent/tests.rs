//! The client against scripted agents that misbehave, vanish and come back.

use super::*;
use crate::seed::SigningSeed;
use crate::signer::Ed25519Signer;
use crate::wire::{Reader, put_string};
use tokio::net::UnixListener;

fn signer() -> Ed25519Signer {
    Ed25519Signer::from_seed(&SigningSeed::from_bytes([9; 32]))
}

fn message(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_string(&mut out, content);
    out
}

fn signature_answer(name: &[u8], signature: &[u8]) -> Vec<u8> {
    let mut inner = Vec::new();
    put_string(&mut inner, name);
    put_string(&mut inner, signature);
    let mut out = vec![14];
    put_string(&mut out, &inner);
    out
}

fn identities_answer(keys: &[PublicKey]) -> Vec<u8> {
    let mut out = vec![12];
    out.extend_from_slice(&u32::try_from(keys.len()).unwrap().to_be_bytes());
    for key in keys {
        put_string(&mut out, &crate::wire::public_key_blob(key));
        put_string(&mut out, b"a comment");
    }
    out
}

/// Answers one request of a connection; `None` at its end.
async fn serve_one(stream: &mut UnixStream, answer: impl Fn(&[u8]) -> Vec<u8>) -> Option<()> {
    let length = stream.read_u32().await.ok()?;
    let mut request = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut request).await.ok()?;
    stream.write_all(&answer(&request)).await.ok()
}

struct Fake {
    _dir: tempfile::TempDir,
    client: AgentClient,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An agent that gives every request the answer that the function makes, with its length.
fn fake(answer: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + Clone + 'static) -> Fake {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s");
    let task = tokio::spawn(run(UnixListener::bind(&socket).unwrap(), answer));
    Fake { client: AgentClient::new(socket), _dir: dir, task }
}

async fn run(
    listener: UnixListener,
    answer: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + Clone + 'static,
) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let answer = answer.clone();
        tokio::spawn(async move { while serve_one(&mut stream, &answer).await.is_some() {} });
    }
}

/// What a working agent with one key answers.
fn work(request: &[u8]) -> Vec<u8> {
    let key = signer().public_key();
    let mut reader = Reader::new(&request[1..]);
    match request[0] {
        11 => message(&identities_answer(&[key])),
        13 if reader.string() == Some(&crate::wire::public_key_blob(&key)) => {
            let signature = signer().sign_now(reader.string().unwrap());
            assert_eq!(reader.uint32(), Some(0), "flags");
            message(&signature_answer(b"ssh-ed25519", signature.as_bytes()))
        }
        _ => message(&[5]),
    }
}

#[tokio::test]
async fn lists_keys_and_signs() {
    let fake = fake(work);
    let list = fake.client.identities().await.unwrap();
    assert_eq!(list.len(), 1);
    assert_eq!(list[0].key, Some(signer().public_key()));
    assert_eq!(list[0].comment, b"a comment");
    let agent_signer = AgentSigner::new(fake.client.clone(), signer().public_key());
    assert_eq!(agent_signer.sign(b"m").await.unwrap(), signer().sign_now(b"m"));
    assert_eq!(fake.client.shared.idle().len(), 1, "one connection served both");
}

#[tokio::test]
async fn a_refusal_says_whether_the_agent_lacks_the_key() {
    let fake = fake(work);
    let other = PublicKey::new([3; 32]);
    let error = fake.client.sign(&other, b"m").await.unwrap_err();
    assert!(matches!(error, AgentError::SignRefused { key_is_missing: true }), "{error}");
    assert!(error.to_string().starts_with("ssh-agent refused signature request: "), "{error}");
    let refusing =
        self::fake(|request| if request[0] == 11 { work(request) } else { message(&[5]) });
    let error = refusing.client.sign(&signer().public_key(), b"m").await.unwrap_err();
    assert_eq!(error.to_string(), "ssh-agent refused signature request");
}

#[tokio::test]
async fn a_signature_that_does_not_verify_is_thrown_away() {
    let fake = fake(|_| message(&signature_answer(b"ssh-ed25519", &[1; 64])));
    let signer = AgentSigner::new(fake.client.clone(), signer().public_key());
    assert!(matches!(signer.sign(b"m").await, Err(SignError::Invalid(_))));
}

#[tokio::test]
async fn an_answer_too_many_is_not_taken_for_that_of_the_next_request() {
    let fake = fake(|request| [work(request), work(request)].concat());
    let agent_signer = AgentSigner::new(fake.client.clone(), signer().public_key());
    for message in [b"a", b"b", b"c"] {
        assert_eq!(agent_signer.sign(message).await.unwrap(), signer().sign_now(message));
        assert_eq!(fake.client.identities().await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_connection_with_an_answer_that_does_not_fit_is_not_used_again() {
    let of_another_message =
        signature_answer(b"ssh-ed25519", signer().sign_now(b"another").as_bytes());
    for answer in [vec![14], vec![99], identities_answer(&[]), of_another_message] {
        let fake = fake(move |_| message(&answer));
        let agent_signer = AgentSigner::new(fake.client.clone(), signer().public_key());
        let refused = agent_signer.sign(b"m").await;
        assert!(refused.is_err(), "{refused:?}");
        assert!(fake.client.shared.idle().is_empty(), "{refused:?}");
    }
}

#[tokio::test]
async fn answers_of_a_wrong_length_are_not_read() {
    for length in [0, MAX_SIGN_RESPONSE_BYTES + 1, u32::MAX] {
        let fake = fake(move |_| length.to_be_bytes().to_vec());
        let error = fake.client.sign(&signer().public_key(), b"m").await.unwrap_err();
        assert!(matches!(error, AgentError::ResponseLength(l) if l == length), "{error}");
        assert!(fake.client.shared.idle().is_empty(), "the connection is out of step");
    }
    let fake = fake(|_| (MAX_AGENT_RESPONSE_BYTES + 1).to_be_bytes().to_vec());
    assert!(matches!(fake.client.identities().await, Err(AgentError::ResponseLength(_))));
}

#[tokio::test]
async fn an_answer_that_is_cut_short_is_an_error() {
    let whole = work(&message::list_request()[4..]);
    for bytes_kept in 0..whole.len() {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("s")).unwrap();
        let client = AgentClient::new(dir.path().join("s"));
        let cut = whole[..bytes_kept].to_vec();
        let agent = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            serve_one(&mut stream, |_| cut.clone()).await;
        };
        let (listed, ()) = tokio::join!(client.identities(), agent);
        assert!(matches!(listed, Err(AgentError::Io(_))), "{bytes_kept} bytes: {listed:?}");
        assert!(client.shared.idle().is_empty());
    }
}

#[tokio::test]
async fn a_message_above_the_limit_is_not_sent() {
    let client = AgentClient::new("/nonexistent");
    let long = vec![0; MAX_SIGNED_MESSAGE_BYTES + 1];
    let error = client.sign(&signer().public_key(), &long).await.unwrap_err();
    assert!(matches!(error, AgentError::MessageTooLong(_)), "{error}");
}

#[test]
fn refuses_each_malformed_signature_answer() {
    let good = signature_answer(b"ssh-ed25519", &[1; 64]);
    assert_eq!(parse_signature(&good).unwrap(), Signature::new([1; 64]));
    let malformed = |answer: &[u8]| matches!(parse_signature(answer), Err(AgentError::Malformed));
    for bytes_kept in (0..good.len()).filter(|n| *n != 1) {
        assert!(malformed(&good[..bytes_kept]), "{bytes_kept} bytes");
    }
    assert!(malformed(&[good.as_slice(), b"x"].concat()), "trailing byte");
    assert!(malformed(&signature_answer(b"ssh-rsa", &[1; 64])), "type");
    assert!(malformed(&signature_answer(b"ssh-ed25519", &[1; 63])), "short");
    assert!(malformed(&signature_answer(b"ssh-ed25519", &[1; 65])), "long");
    assert!(matches!(parse_signature(&[5]), Err(AgentError::SignRefused { .. })));
    assert!(matches!(parse_signature(&[12]), Err(AgentError::ResponseType(12))));
}

#[test]
fn refuses_each_malformed_list_of_keys() {
    let good = identities_answer(&[PublicKey::new([1; 32]), PublicKey::new([2; 32])]);
    assert_eq!(parse_identities(&good).unwrap().len(), 2);
    for bytes_kept in 0..good.len() {
        let result = parse_identities(&good[..bytes_kept]);
        assert!(matches!(result, Err(AgentError::Malformed)), "{bytes_kept} bytes");
    }
    let trailing = parse_identities(&[good.as_slice(), b"x"].concat());
    assert!(matches!(trailing, Err(AgentError::Malformed)));
    let many = parse_identities(&[12, 0xff, 0xff, 0xff, 0xff]);
    assert!(matches!(many, Err(AgentError::Malformed)), "a count without keys takes no memory");
    assert!(matches!(parse_identities(&[5]), Err(AgentError::ListRefused)));
    assert!(matches!(parse_identities(&[14]), Err(AgentError::ResponseType(14))));
}

#[test]
fn lists_keys_of_other_types_too() {
    let mut answer = vec![12, 0, 0, 0, 1];
    let mut blob = Vec::new();
    put_string(&mut blob, b"ssh-rsa");
    put_string(&mut answer, &blob);
    put_string(&mut answer, b"");
    let expected = Identity { key: None, blob, comment: Vec::new() };
    assert_eq!(parse_identities(&answer).unwrap(), [expected]);
}

#[tokio::test]
async fn signs_again_after_the_agent_went_away_and_came_back() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s");
    let client = AgentClient::new(&socket);
    let agent_signer = AgentSigner::new(client.clone(), signer().public_key());
    for round in 0..3 {
        let down = agent_signer.sign(b"m").await;
        assert!(matches!(down, Err(SignError::Agent(AgentError::Connect { .. }))), "{round}");
        let listener = UnixListener::bind(&socket).unwrap();
        let (mut connection, signed) = tokio::join!(
            async {
                let (mut stream, _) = listener.accept().await.unwrap();
                serve_one(&mut stream, work).await.unwrap();
                stream
            },
            agent_signer.sign(b"m"),
        );
        assert!(signed.is_ok(), "{round}: {signed:?}");
        connection.shutdown().await.unwrap();
        drop((connection, listener));
        std::fs::remove_file(&socket).unwrap();
    }
}

#[tokio::test]
async fn a_dead_idle_connection_costs_no_signature() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s");
    let listener = UnixListener::bind(&socket).unwrap();
    let agent_signer = AgentSigner::new(AgentClient::new(&socket), signer().public_key());
    let one_request_each = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            serve_one(&mut stream, work).await;
        }
    });
    for _ in 0..3 {
        assert!(agent_signer.sign(b"m").await.is_ok());
    }
    one_request_each.abort();
}

#[tokio::test]
async fn a_slow_request_holds_up_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s");
    let listener = UnixListener::bind(&socket).unwrap();
    let client = AgentClient::new(&socket);
    let slow = {
        let client = client.clone();
        async move { client.identities().await }
    };
    let slow = tokio::spawn(slow);
    let (never_answered, _) = listener.accept().await.unwrap();
    let agent = tokio::spawn(run(listener, work));
    assert!(client.sign(&signer().public_key(), b"m").await.is_ok());
    drop(never_answered);
    assert!(matches!(slow.await.unwrap(), Err(AgentError::Io(_))));
    agent.abort();
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_never_answers_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s");
    let _listener = UnixListener::bind(&socket).unwrap();
    let error = AgentClient::new(&socket).identities().await.unwrap_err();
    assert!(matches!(error, AgentError::Timeout(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_free_connection_counts_as_waiting_for_the_agent() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s");
    let _listener = UnixListener::bind(&socket).unwrap();
    let client = AgentClient::new(&socket);
    let start = tokio::time::Instant::now();
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..3 * MAX_CONNECTIONS {
        let client = client.clone();
        requests.spawn(async move { client.identities().await });
    }
    for result in requests.join_all().await {
        assert!(matches!(result, Err(AgentError::Timeout(_))), "{result:?}");
    }
    assert!(start.elapsed() < REQUEST_TIMEOUT * 2, "{:?}", start.elapsed());
}

proptest::proptest! {
    #[test]
    fn any_answer_is_read_or_refused(answer: Vec<u8>) {
        let _ = parse_identities(&answer);
        let _ = parse_signature(&answer);
    }
}
