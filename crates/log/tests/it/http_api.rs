//! The five endpoints of `log.md`: each status, and each way of asking wrongly.

use super::support::*;
use sigsum_api::LogApi as _;
use sigsum_client::{HttpClient, HttpLog, HttpSettings};
use sigsum_core::Hash;
use sigsum_core::merkle::{ConsistencyClaim, InclusionClaim};
use sigsum_core::token::{SubmitToken, token_signing_bytes};
use sigsum_core::wire::log::{
    ADD_LEAF_BODY_BYTES, ConsistencyProof, GetConsistencyProof, GetInclusionProof, GetLeaves,
    InclusionProof, parse_leaves, parse_tree_head,
};
use sigsum_core::{LeafIndex, TreeSize};
use sigsum_limits::Domain;
use std::collections::HashMap;
use std::net::SocketAddr;

/// A log with six published leaves.
async fn six_leaves() -> (Setup, TestLog) {
    let setup = Setup::new(1, 1);
    let log = setup.start().await;
    log.submit(0..6).await;
    log.published(6).await;
    (setup, log)
}

async fn add_leaf(address: SocketAddr, body: &[u8]) -> Answer {
    request(address, "POST", "/add-leaf", &[], body).await
}

#[tokio::test]
async fn a_new_leaf_is_200_with_an_empty_body_and_so_is_a_known_one() {
    let (_setup, log) = six_leaves().await;
    for number in [6, 6, 0] {
        let answer = add_leaf(log.external(), &submission(number).to_body()).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0));
    }
    assert_eq!(log.handle.status().committed_size, TreeSize(7));
}

#[tokio::test]
async fn a_second_leaf_is_202_until_no_head_can_be_taken_for_one_of_it_alone() {
    let setup = Setup::new(1, 1);
    let log = setup.start().await;
    let add = async |number| add_leaf(log.external(), &submission(number).to_body()).await.status;
    log.published(0).await;
    assert_eq!(add(0).await, 200);
    log.published(1).await;
    setup.witnesses[0].is(Mood::Unavailable);
    assert_eq!((add(1).await, add(1).await), (202, 202));
    assert_eq!((add(2).await, add(0).await), (202, 200));
    setup.witnesses[0].is(Mood::Good);
    log.published(3).await;
    assert_eq!((add(1).await, add(2).await, add(3).await), (200, 200, 200));
}

#[tokio::test]
async fn hex_in_capitals_is_the_same_leaf() {
    let (_setup, log) = six_leaves().await;
    let body = String::from_utf8(submission(0).to_body()).expect("ASCII");
    let upper = |line: &str| {
        let (key, value) = line.split_once('=').expect("key=value");
        format!("{key}={}\n", value.to_uppercase())
    };
    let body: String = body.lines().map(upper).collect();
    assert_eq!(add_leaf(log.external(), body.as_bytes()).await.status, 200);
    assert_eq!(log.handle.status().committed_size, TreeSize(6));
}

#[tokio::test]
async fn malformed_bodies_are_400_and_change_nothing() {
    let (_setup, log) = six_leaves().await;
    let good = String::from_utf8(submission(7).to_body()).expect("ASCII");
    let lines: Vec<_> = good.lines().collect();
    let [message, signature, key] = lines[..] else { panic!("three lines") };
    let cases = [
        ("empty", String::new()),
        ("truncated", good[..good.len() - 40].to_owned()),
        ("no final newline", good.trim_end().to_owned()),
        ("trailing newline", format!("{good}\n")),
        ("trailing line", format!("{good}extra=1\n")),
        ("another order", format!("{signature}\n{message}\n{key}\n")),
        ("a key twice", format!("{message}\n{message}\n{signature}\n{key}\n")),
        ("a key missing", format!("{message}\n{signature}\n")),
        ("CRLF", good.replace('\n', "\r\n")),
        ("space around =", good.replace("message=", "message = ")),
        ("odd hex", format!("{}\n{signature}\n{key}\n", &message[..message.len() - 1])),
        ("short hex", format!("{}\n{signature}\n{key}\n", &message[..message.len() - 2])),
        ("long hex", format!("{message}00\n{signature}\n{key}\n")),
        ("not hex", good.replacen("message=", "message=zz", 1)),
        ("NUL byte", good.replace('\n', "\0\n")),
        ("not UTF-8", format!("{good}\u{ff}")),
        ("only spaces", " ".repeat(good.len())),
    ];
    for (name, body) in cases {
        let answer = add_leaf(log.external(), body.as_bytes()).await;
        assert_eq!(answer.status, 400, "{name}: {}", answer.text());
        assert!(answer.text().starts_with("(400) "), "{name}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    assert_eq!(log.handle.status().committed_size, TreeSize(6));
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_413() {
    let (_setup, log) = six_leaves().await;
    let long = [submission(7).to_body(), vec![b'0'; 2000]].concat();
    assert_eq!(add_leaf(log.external(), &long).await.status, 413);
    assert!(submission(7).to_body().len() == ADD_LEAF_BODY_BYTES);
}

#[tokio::test]
async fn a_forged_leaf_is_403() {
    let (_setup, log) = six_leaves().await;
    let mut forged = submission(7);
    forged.message = submission(8).message;
    let answer = add_leaf(log.external(), &forged.to_body()).await;
    assert_eq!((answer.status, answer.text()), (403, "(403) invalid signature\n"));
    let mut no_key = submission(7);
    no_key.public_key = sigsum_core::PublicKey::new([2; 32]);
    assert_eq!(add_leaf(log.external(), &no_key.to_body()).await.status, 403);
    assert_eq!(log.handle.status().committed_size, TreeSize(6));
}

#[tokio::test]
async fn tokens_are_checked_for_syntax_after_the_body_and_before_the_signature() {
    let mut setup = Setup::new(1, 1);
    let domain = Domain::parse("example.org").expect("a name");
    let keys = HashMap::from([(domain, vec![signer(5).public_key()])]);
    setup.config.admission.static_keys = keys;
    let log = setup.start().await;
    log.guard_passed().await;
    let signature = signer(5).sign_now(&token_signing_bytes(&log_key()));
    let token = SubmitToken { domain: "example.org".into(), signature }.to_header();
    let send = async |token: &str, body: &[u8]| {
        request(log.external(), "POST", "/add-leaf", &[("Sigsum-Token", token)], body).await
    };
    let good = submission(7).to_body();
    assert_eq!(send(&token, &good).await.status, 200);
    assert_eq!(send("", &good).await.status, 200, "an empty header counts as absent");

    let bad = send("example.org", &good).await;
    assert_eq!(bad.status, 400);
    assert!(bad.text().starts_with("(400) invalid Sigsum-Token header: "), "{}", bad.text());
    let mut forged = submission(8);
    forged.message = submission(9).message;
    assert_eq!(send("example.org", &forged.to_body()).await.status, 400);
    assert_eq!(send(&token, &forged.to_body()).await.status, 403);
    let both = send("example.org", b"message=").await;
    assert!(both.text().starts_with("(400) invalid body: "), "{}", both.text());
}

#[tokio::test]
async fn the_tree_head_is_cosigned_and_verifies() {
    let (_setup, log) = six_leaves().await;
    let answer = log.get("/get-tree-head").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    let head = parse_tree_head(&answer.body).expect("well formed");
    assert_eq!(head.signed.tree_head.size, TreeSize(6));
    assert!(log.has_quorum(&head));
}

#[tokio::test]
async fn every_leaf_of_every_tree_is_proven_included() {
    let (_setup, log) = six_leaves().await;
    let head = log.head().await.signed.tree_head;
    for number in 0..6 {
        let leaf_hash = submission(number).leaf().hash();
        let path = GetInclusionProof { size: TreeSize(6), leaf_hash }.to_path();
        let answer = log.get(&format!("/{path}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let proof = InclusionProof::parse(&answer.body).expect("well formed");
        let (leaf_index, path) = (proof.leaf_index, &proof.path[..]);
        InclusionClaim { leaf_hash, leaf_index, tree: head, path }.verify().expect("included");
    }
}

#[tokio::test]
async fn a_leaf_that_is_not_in_that_tree_is_404() {
    let (_setup, log) = six_leaves().await;
    let unknown = Hash::new([9; 32]);
    let sixth = submission(5).leaf().hash();
    for (size, hash) in [(6, unknown), (5, sixth)] {
        let answer = log.get(&format!("/get-inclusion-proof/{size}/{hash}")).await;
        assert_eq!((answer.status, answer.text()), (404, "(404) Not Found\n"));
    }
    assert_eq!(log.get(&format!("/get-inclusion-proof/6/{sixth}")).await.status, 200);
}

#[tokio::test]
async fn inclusion_requests_that_are_wrong_are_400() {
    let (_setup, log) = six_leaves().await;
    let hash = submission(0).leaf().hash();
    let far = 1_u64 << 63;
    for (size, text) in [
        ("7".into(), "tree_size outside of current tree"),
        ("0".into(), "size(0) must be larger than one"),
        ("1".into(), "size(1) must be larger than one"),
        ("+2".into(), ""),
        ("02".into(), ""),
        ("-2".into(), ""),
        ("2 ".replace(' ', "%20"), ""),
        (far.to_string(), ""),
        (String::new(), ""),
    ] {
        let answer = log.get(&format!("/get-inclusion-proof/{size}/{hash}")).await;
        assert_eq!(answer.status, 400, "{size}: {}", answer.text());
        assert!(answer.text().starts_with(&format!("(400) {text}")), "{size}: {}", answer.text());
    }
    for hash in ["", "00", &"0".repeat(63), &"0".repeat(66), &"g".repeat(64)] {
        let answer = log.get(&format!("/get-inclusion-proof/2/{hash}")).await;
        assert_eq!(answer.status, 400, "{hash}: {}", answer.text());
    }
}

#[tokio::test]
async fn consistency_is_proven_between_all_sizes() {
    let setup = Setup::new(1, 1);
    let log = setup.start().await;
    let mut heads = vec![log.published(0).await.signed.tree_head];
    for number in 0..9 {
        log.submit(number..number + 1).await;
        heads.push(log.published(number + 1).await.signed.tree_head);
    }
    for old in &heads[1..] {
        for new in heads.iter().filter(|new| new.size > old.size) {
            let answer =
                log.get(&format!("/get-consistency-proof/{}/{}", old.size, new.size)).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let path = ConsistencyProof::parse(&answer.body).expect("well formed").path;
            let claim = ConsistencyClaim { old: *old, new: *new, path: &path };
            claim.verify().expect("consistent");
        }
    }
}

#[tokio::test]
async fn consistency_requests_that_are_wrong_are_400() {
    let (_setup, log) = six_leaves().await;
    for (sizes, text) in [
        ("2/7", "new_size 7 outside of current tree, size 6"),
        ("0/6", ""),
        ("6/6", ""),
        ("6/5", ""),
        ("+1/2", ""),
        ("01/2", ""),
        ("1/9223372036854775808", ""),
        ("1/", ""),
        ("/2", ""),
    ] {
        let answer = log.get(&format!("/get-consistency-proof/{sizes}")).await;
        assert_eq!(answer.status, 400, "{sizes}: {}", answer.text());
        assert!(answer.text().starts_with(&format!("(400) {text}")), "{}", answer.text());
    }
}

#[tokio::test]
async fn leaves_come_in_order_and_no_more_than_the_largest_range() {
    let mut setup = Setup::new(1, 1);
    setup.config.max_range = 4;
    let log = setup.start().await;
    log.submit(0..6).await;
    log.published(6).await;
    let leaves = async |range: &str| {
        let answer = log.get(&format!("/get-leaves/{range}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        parse_leaves(&answer.body, 100).expect("well formed")
    };
    let expected = |range: std::ops::Range<u64>| -> Vec<_> {
        range.map(|number| submission(number).leaf()).collect()
    };
    assert_eq!(leaves("0/1").await, expected(0..1));
    assert_eq!(leaves("1/4").await, expected(1..4));
    assert_eq!(leaves("0/6").await, expected(0..4));
    assert_eq!(leaves("5/6").await, expected(5..6));
}

#[tokio::test]
async fn leaf_ranges_that_are_wrong_are_400() {
    let (_setup, log) = six_leaves().await;
    for (range, text) in [
        ("2/2", "start_index(2) must be less than end_index(2)"),
        ("3/2", "start_index(3) must be less than end_index(2)"),
        ("6/7", "start_index(6) outside of current tree"),
        ("5/7", "end_index(7) outside of current tree"),
        ("0/9223372036854775807", "end_index(9223372036854775807) outside of current tree"),
        ("0/9223372036854775808", ""),
        ("+0/1", ""),
        ("00/1", ""),
        ("0x0/1", ""),
        ("0/1/", "Bad Request"),
        ("0/1/2", "Bad Request"),
        ("0", "Bad Request"),
        ("", "Bad Request"),
    ] {
        let answer = log.get(&format!("/get-leaves/{range}")).await;
        assert_eq!(answer.status, 400, "{range}: {}", answer.text());
        assert!(answer.text().starts_with(&format!("(400) {text}")), "{range}: {}", answer.text());
    }
}

#[tokio::test]
async fn nothing_is_shown_before_its_head_is_published() {
    let setup = Setup::new(1, 1);
    let log = setup.start().await;
    log.submit(0..3).await;
    log.published(3).await;
    setup.witnesses[0].is(Mood::Unavailable);
    log.submit(3..5).await;
    let hash = submission(4).leaf().hash();
    for path in ["get-leaves/3/4", "get-consistency-proof/3/5", "tile/0/000.p/5"] {
        let status = log.get(&format!("/{path}")).await.status;
        assert!(matches!(status, 400 | 404), "{path}: {status}");
    }
    assert_eq!(log.get(&format!("/get-inclusion-proof/5/{hash}")).await.status, 400);
    // Followers read it all the same.
    let follower = get(log.internal(), "/get-leaves/3/100").await;
    assert_eq!(parse_leaves(&follower.body, 100).expect("well formed").len(), 2);
}

#[tokio::test]
async fn before_the_first_quorum_there_is_no_head_and_the_client_is_told_to_come_back() {
    let setup = Setup::new(1, 1);
    setup.witnesses[0].is(Mood::Unavailable);
    let log = setup.start().await;
    for path in ["/get-tree-head", "/checkpoint"] {
        let answer = log.get(path).await;
        assert_eq!(answer.status, 503);
        assert!(answer.header("retry-after").is_some());
    }
    assert_eq!(log.get("/get-leaves/0/1").await.status, 400);
    let added = add_leaf(log.external(), &submission(0).to_body()).await;
    assert_eq!(added.status, 503, "somebody may know more leaves than this directory");
    assert!(added.header("retry-after").is_some());
}

#[tokio::test]
async fn our_own_client_gets_everything() {
    let (_setup, log) = six_leaves().await;
    let client = HttpClient::new(HttpSettings::new("test"));
    let base = log.handle.url().expect("TCP").parse().expect("a URL");
    let remote = HttpLog::new(&client, &base).expect("a log");
    remote.add_leaf(&submission(6), None).await.expect("200");
    log.published(7).await;
    let head = remote.get_tree_head().await.expect("a head");
    assert_eq!(head, log.head().await);
    let leaves = GetLeaves { start: LeafIndex(0), end: LeafIndex(7) };
    assert_eq!(remote.get_leaves(leaves).await.expect("leaves").len(), 7);
    let leaf_hash = submission(6).leaf().hash();
    let proof = GetInclusionProof { size: TreeSize(7), leaf_hash };
    assert_eq!(remote.get_inclusion_proof(proof).await.expect("a proof").leaf_index, LeafIndex(6));
    let sizes = GetConsistencyProof { old_size: TreeSize(2), new_size: TreeSize(7) };
    assert!(!remote.get_consistency_proof(sizes).await.expect("a proof").path.is_empty());
}

#[tokio::test]
async fn concurrent_submissions_of_one_leaf_get_one_index() {
    let (_setup, log) = six_leaves().await;
    let mut tasks = tokio::task::JoinSet::new();
    for attempt in 0..200_u64 {
        let address = log.external();
        tasks.spawn(async move { add_leaf(address, &submission(6 + attempt % 5).to_body()).await });
    }
    while let Some(answer) = tasks.join_next().await {
        assert_eq!(answer.expect("no panic").status, 200);
    }
    assert_eq!(log.handle.status().committed_size, TreeSize(11));
    log.published(11).await;
    let leaves = log.get("/get-leaves/0/11").await;
    let leaves = parse_leaves(&leaves.body, 11).expect("well formed");
    let distinct: std::collections::HashSet<_> = leaves.iter().collect();
    assert_eq!(distinct.len(), 11);
}
