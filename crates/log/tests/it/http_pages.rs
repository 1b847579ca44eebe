//! What surrounds the five endpoints: methods, paths, prefix, checkpoint, tiles, page, metrics.

use super::support::*;
use sigsum_core::checkpoint::{LogSignature, SignedCheckpoint};
use sigsum_core::merkle::CompactRange;
use sigsum_core::merkle::tile::{Tile, TileLevel, bundle};
use sigsum_core::note::Vkey;
use sigsum_core::{Hash, TreeSize};

async fn log_of(leaves: u64) -> (Setup, TestLog) {
    let setup = Setup::new(2, 1);
    let log = setup.start().await;
    log.submit(0..leaves).await;
    log.published(leaves).await;
    (setup, log)
}

#[tokio::test]
async fn other_methods_are_405_and_name_the_right_ones() {
    let (_setup, log) = log_of(2).await;
    let hash = submission(0).leaf().hash();
    let inclusion = format!("/get-inclusion-proof/2/{hash}");
    let gets = ["/get-tree-head", "/get-leaves/0/1", "/get-consistency-proof/1/2", &inclusion];
    for path in gets.into_iter().chain(["/checkpoint", "/tile/0/000.p/2", "/"]) {
        let answer = request(log.external(), "POST", path, &[], b"x").await;
        assert_eq!((answer.status, answer.text()), (405, "Method Not Allowed\n"), "{path}");
        assert_eq!(answer.header("allow"), Some("GET, HEAD"), "{path}");
    }
    for method in ["GET", "HEAD", "PUT", "DELETE"] {
        let answer = request(log.external(), method, "/add-leaf", &[], b"").await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{method}");
    }
}

#[tokio::test]
async fn head_works_where_get_does() {
    let (_setup, log) = log_of(2).await;
    for path in ["/get-tree-head", "/get-leaves/0/1", "/checkpoint", "/tile/0/000.p/2", "/"] {
        let head = request(log.external(), "HEAD", path, &[], b"").await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("content-type"), log.get(path).await.header("content-type"));
    }
}

#[tokio::test]
async fn unknown_paths_are_404_and_dirty_ones_lead_to_the_clean() {
    let (_setup, log) = log_of(2).await;
    for path in ["/nothing", "/get-tree-head/", "/add-leaf/x", "/favicon.ico", "/tile"] {
        let answer = log.get(path).await;
        assert_eq!((answer.status, answer.text()), (404, "404 page not found\n"), "{path}");
    }
    let moved = [
        ("//get-tree-head", "/get-tree-head"),
        ("/x/../get-leaves/0/1", "/get-leaves/0/1"),
        ("/get-leaves", "/get-leaves/"),
        ("/get-inclusion-proof", "/get-inclusion-proof/"),
        ("/get-consistency-proof", "/get-consistency-proof/"),
    ];
    for (path, to) in moved {
        let answer = log.get(path).await;
        assert_eq!((answer.status, answer.header("location")), (301, Some(to)), "{path}");
    }
}

#[tokio::test]
async fn everything_public_is_under_the_prefix() {
    let mut setup = Setup::new(1, 1);
    setup.config.url_prefix = "/a/log/".into();
    let log = setup.start().await;
    log.submit(0..2).await;
    log.published(2).await;
    assert!(log.handle.url().expect("TCP").ends_with("/a/log"));
    let paths = ["get-tree-head", "get-leaves/0/1", "checkpoint", "tile/0/000.p/2", ""];
    for path in paths {
        assert_eq!(log.get(&format!("/a/log/{path}")).await.status, 200, "{path}");
    }
    let body = submission(3).to_body();
    let added = request(log.external(), "POST", "/a/log/add-leaf", &[], &body).await;
    assert_eq!(added.status, 200);
    assert_eq!(log.get("/get-tree-head").await.status, 404);
    let root = log.get("/").await;
    assert_eq!((root.status, root.header("location")), (301, Some("/a/log/")));
    assert_eq!(get(log.internal(), "/a/log/get-leaves/0/1").await.status, 200);
    assert_eq!(get(log.internal(), "/metrics").await.status, 200);
}

#[tokio::test]
async fn a_prefix_that_is_no_path_is_refused() {
    let mut setup = Setup::new(0, 0);
    setup.config.url_prefix = "a//b".into();
    let error = setup.try_start().await.err().expect("refused");
    assert!(matches!(error, sigsum_log::StartError::Prefix(_)), "{error}");
}

#[tokio::test]
async fn the_page_says_what_this_is() {
    let (_setup, log) = log_of(1).await;
    let page = log.get("/").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let hash = format!("Log key hash: {}", log_key().key_hash());
    for text in ["Sigsum log server", &hash, "URL prefix: \"\"", "Software version:"] {
        assert!(page.text().contains(text), "{text}");
    }
}

#[tokio::test]
async fn the_checkpoint_is_the_tree_head_with_all_its_cosignatures() {
    let (_setup, log) = log_of(3).await;
    assert!(log.handle.until(|s| s.cosignatures == 2).await);
    let answer = log.get("/checkpoint").await;
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=1"));
    let checkpoint = SignedCheckpoint::parse(&answer.body).expect("a note");
    assert_eq!(checkpoint.verify_log(&Vkey::sigsum_log(&log_key())), LogSignature::Valid);
    assert_eq!(checkpoint.to_sigsum(&log_key()).expect("ours"), log.head().await.signed);
    let verified = log.policy.witnesses().iter().filter(|witness| {
        let valid = |line| {
            let key = witness.key();
            let text = &checkpoint.checkpoint;
            sigsum_core::cosignature::verify_line_by_key(line, key, text).is_ok()
        };
        checkpoint.signatures.iter().any(valid)
    });
    assert_eq!(verified.count(), 2);
}

#[tokio::test]
async fn the_tree_can_be_rebuilt_from_its_tiles_alone() {
    let (_setup, log) = log_of(300).await;
    let size = TreeSize(300);
    let mut hashes = Vec::new();
    let mut entries = Vec::new();
    let bundles = Tile::between(TileLevel::Entries, TreeSize(0), size);
    for tile in Tile::all(size).chain(bundles) {
        let answer = log.get(&format!("/{}", tile.path())).await;
        assert_eq!(answer.status, 200, "{}", tile.path());
        assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
        let cache = answer.header("cache-control").expect("kept by caches");
        assert!(cache.contains("immutable") && cache.contains("max-age=31536000"), "{cache}");
        if tile.path().starts_with("tile/0/") {
            hashes.extend(answer.body.chunks(32).map(|h| Hash::from_slice(h).expect("a hash")));
        }
        if tile.path().starts_with("tile/entries/") {
            let read = bundle::read(&answer.body, tile.width()).expect("entries");
            entries.extend(read.into_iter().map(sigsum_core::merkle::hash_leaf));
        }
    }
    let mut range = CompactRange::new();
    range.append_many(hashes.iter().copied());
    assert_eq!(range.tree_head(), log.head().await.signed.tree_head);
    assert!(entries == hashes, "entries are not what the leaf hashes are of");
}

#[tokio::test]
async fn tiles_beyond_the_published_tree_and_paths_that_are_none_are_404() {
    let (_setup, log) = log_of(3).await;
    let paths = [
        "0/000",
        "0/000.p/4",
        "0/001",
        "1/000",
        "entries/000.p/4",
        "64/000",
        "0/0",
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/03",
        "00/000",
        "0/x000/000",
        "-1/000",
        "0/000.p/",
        "",
        "entries",
        "0/000.p/+1",
    ];
    for path in paths {
        let answer = log.get(&format!("/tile/{path}")).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("cache-control"), None, "{path}: it may come later");
    }
    // Narrower than what is there: it was part of an earlier tree.
    assert_eq!(log.get("/tile/0/000.p/2").await.body.len(), 64);
}

#[tokio::test]
async fn followers_are_told_when_they_have_everything() {
    let (_setup, log) = log_of(3).await;
    let leaves = async |range: &str| get(log.internal(), &format!("/get-leaves/{range}")).await;
    assert_eq!(leaves("1/3").await.status, 200);
    let end = leaves("3/103").await;
    assert_eq!((end.status, end.text()), (404, "(404) at end of tree\n"));
    assert_eq!(leaves("4/104").await.status, 400);
    assert_eq!(leaves("2/1").await.status, 400);
}

#[tokio::test]
async fn metrics_and_health_are_internal_only() {
    let (_setup, log) = log_of(3).await;
    log.get("/get-tree-head").await;
    let page = get(log.internal(), "/metrics").await;
    for line in [
        "sigsum_log_go_http_req{endpoint=\"get-tree-head\"} 1",
        "sigsum_log_go_http_rsp{endpoint=\"get-tree-head\",status=\"200\"} 1",
        "sigsum_log_committed_size 3",
        "sigsum_log_published_size 3",
        "sigsum_log_quorum_missing 0",
        "sigsum_log_go_witness_quorum_total{status=\"true\"}",
        "retried=\"false\",status=\"200\",witness=\"witness-0.example\"}",
    ] {
        assert!(page.text().contains(line), "{line} in:\n{}", page.text());
    }
    assert_eq!(get(log.internal(), "/livez").await.status, 200);
    assert_eq!(get(log.internal(), "/readyz").await.status, 200);
    for path in ["/metrics", "/livez", "/readyz"] {
        assert_eq!(log.get(path).await.status, 404, "{path}");
    }
}
