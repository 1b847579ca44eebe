//! Peers that are silent or slow are let go; those that wait for an answer are not.
//!
//! Each test waits for the server to act, never for time to pass.

use axum::Router;
use sigsum_service::http::{finish, get, text};
use sigsum_service::serve::Limits;
use tokio::io::AsyncWriteExt as _;

use crate::client::{read_answer, read_to_close, send};
use crate::start;

const REQUEST: &str = "GET /ok HTTP/1.1\r\nHost: x\r\n\r\n";

/// Longer than any answer that can lie in the sockets' buffers of both ends.
const BIG_ANSWER_BYTES: usize = 64 << 20;

fn router() -> Router {
    let big = async || text(vec![b'x'; BIG_ANSWER_BYTES]);
    finish(Router::new().route("/ok", get(async || text("ok\n"))).route("/big", get(big)))
}

/// The limits of the test that are short; all others are too long to be what ends it.
fn limits() -> Limits {
    const NEVER_MS: u64 = 3_600_000;
    Limits {
        head_timeout_ms: NEVER_MS,
        idle_timeout_ms: NEVER_MS,
        write_stall_timeout_ms: NEVER_MS,
        ..Limits::default()
    }
}

#[tokio::test]
async fn a_client_that_sends_nothing_is_let_go() {
    let (_server, address) = start(router(), Limits { head_timeout_ms: 50, ..limits() }).await;
    assert_eq!(read_to_close(&mut send(address, "").await).await, "");
}

#[tokio::test]
async fn a_head_that_does_not_end_is_let_go() {
    let (_server, address) = start(router(), Limits { head_timeout_ms: 50, ..limits() }).await;
    for begun in ["G", "GET /ok HTTP/1.1\r\nHost: x\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n"] {
        assert_eq!(read_to_close(&mut send(address, begun).await).await, "", "{begun:?}");
    }
}

#[tokio::test]
async fn a_head_that_trickles_is_let_go() {
    let (_server, address) = start(router(), Limits { head_timeout_ms: 200, ..limits() }).await;
    let mut stream = send(address, "GET /ok HTTP/1.1\r\nA: ").await;
    // Ends when the server has closed: a byte at a time never makes a whole head.
    let mut pace = tokio::time::interval(std::time::Duration::from_millis(10));
    while stream.write_all(b"a").await.is_ok() {
        pace.tick().await;
    }
}

#[tokio::test]
async fn a_second_head_that_does_not_end_is_let_go() {
    let (_server, address) = start(router(), Limits { head_timeout_ms: 200, ..limits() }).await;
    let mut stream = send(address, REQUEST).await;
    assert_eq!(read_answer(&mut stream).await.status, 200);
    stream.write_all(b"GET /ok HT").await.unwrap();
    assert_eq!(read_to_close(&mut stream).await, "");
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_answer() {
    let (_server, address) = start(router(), Limits { idle_timeout_ms: 50, ..limits() }).await;
    let mut stream = send(address, REQUEST).await;
    assert_eq!(read_answer(&mut stream).await.status, 200);
    assert_eq!(read_to_close(&mut stream).await, "");
}

#[tokio::test]
async fn an_idle_connection_outlives_the_time_for_a_head() {
    let short = Limits { head_timeout_ms: 100, ..limits() };
    let (_server, address) = start(router(), short).await;
    let mut idle = send(address, REQUEST).await;
    assert_eq!(read_answer(&mut idle).await.status, 200);
    // A connection that is let go for its head shows that this time has passed.
    assert_eq!(read_to_close(&mut send(address, "G").await).await, "");
    idle.write_all(REQUEST.as_bytes()).await.unwrap();
    assert_eq!(read_answer(&mut idle).await.status, 200);
}

#[tokio::test]
async fn an_answer_that_takes_long_is_waited_for() {
    let (release, released) = tokio::sync::watch::channel(false);
    let slow = async move || {
        let _ = released.clone().wait_for(|released| *released).await;
        text("at last\n")
    };
    let router = finish(Router::new().route("/slow", get(slow)));
    let short = Limits { head_timeout_ms: 50, idle_timeout_ms: 50, ..limits() };
    let (_server, address) = start(router, short).await;
    let mut waiting = send(address, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    // Others are let go by the same limits, one after the other.
    for begun in ["", "G", "GET "] {
        assert_eq!(read_to_close(&mut send(address, begun).await).await, "");
    }
    release.send_replace(true);
    assert_eq!(read_answer(&mut waiting).await.body, "at last\n");
}

#[tokio::test]
async fn an_answer_that_is_not_read_is_given_up() {
    let one = Limits { max_connections: 1, write_stall_timeout_ms: 100, ..limits() };
    let (_server, address) = start(router(), one).await;
    let _deaf = send(address, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n").await;
    // Served only once the first has been given up, for there is one slot.
    assert_eq!(read_answer(&mut send(address, REQUEST).await).await.status, 200);
}
