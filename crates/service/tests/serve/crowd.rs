//! Whoever takes all connections, or asks for much and reads nothing, shuts nobody out.

use std::sync::Arc;

use axum::Router;
use sigsum_service::http::{finish, get, text};
use sigsum_service::serve::Limits;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::client::{ask, read_answer, read_to_close, send};
use crate::http2::{HEADERS, PREFACE, SETTINGS, frame, get_root, next_frame};
use crate::start;

const REQUEST: &str = "GET /ok HTTP/1.1\r\nHost: x\r\n\r\n";
/// Answers to `/`.
const ANSWER_BYTES: usize = 60_000;

fn router() -> Router {
    let answer = async || text(vec![b'x'; ANSWER_BYTES]);
    finish(Router::new().route("/ok", get(async || text("ok\n"))).route("/", get(answer)))
}

#[tokio::test]
async fn a_connection_beyond_the_limit_takes_the_place_of_the_longest_idle_one() {
    let limits = Limits { max_connections: 2, ..Limits::default() };
    let (_server, address) = start(router(), limits).await;
    let mut old = send(address, REQUEST).await;
    assert_eq!(read_answer(&mut old).await.status, 200);
    let mut young = send(address, REQUEST).await;
    assert_eq!(read_answer(&mut young).await.status, 200);
    // Activity is told apart by milliseconds: another one must have begun.
    let begun = std::time::Instant::now();
    while begun.elapsed().as_millis() < 3 {
        tokio::task::yield_now().await;
    }
    old.write_all(REQUEST.as_bytes()).await.unwrap();
    assert_eq!(read_answer(&mut old).await.status, 200);

    let mut third = send(address, REQUEST).await;
    assert_eq!(read_answer(&mut third).await.status, 200);
    assert_eq!(read_to_close(&mut young).await, "");
    old.write_all(REQUEST.as_bytes()).await.unwrap();
    assert_eq!(read_answer(&mut old).await.status, 200);
}

#[tokio::test]
async fn connections_that_say_nothing_shut_nobody_out() {
    let limits = Limits { max_connections: 8, ..Limits::default() };
    let (_server, address) = start(router(), limits).await;
    let mut silent = Vec::new();
    for _ in 0..32 {
        silent.push(send(address, "").await);
    }
    assert_eq!(ask(address, "GET", "/ok").await.status, 200);
}

#[tokio::test]
async fn a_connection_with_a_request_is_not_cut_and_the_next_one_waits() {
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begun_too, go_too) = (Arc::clone(&begun), Arc::clone(&go));
    let slow = async move || {
        begun_too.notify_one();
        go_too.notified().await;
        text("done\n")
    };
    let limits = Limits { max_connections: 1, ..Limits::default() };
    let (_server, address) = start(router().route("/slow", get(slow)), limits).await;
    let mut first = send(address, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    begun.notified().await;
    let second = tokio::spawn(async move { ask(address, "GET", "/ok").await.status });
    tokio::task::yield_now().await;
    assert!(!second.is_finished());
    go.notify_one();
    assert_eq!(read_answer(&mut first).await.body, "done\n");
    assert_eq!(second.await.unwrap(), 200, "it took the place of the first, which idles now");
}

/// A peer that asks for `/` this often and gives no window to answer in.
async fn deaf(address: std::net::SocketAddr, requests: u8) -> TcpStream {
    const INITIAL_WINDOW_ZERO: [u8; 6] = [0, 4, 0, 0, 0, 0];
    let mut connection = TcpStream::connect(address).await.unwrap();
    let mut bytes = [PREFACE, &frame(SETTINGS, 0, 0, &INITIAL_WINDOW_ZERO)].concat();
    for n in 0..requests {
        bytes.extend(get_root(n * 2 + 1));
    }
    connection.write_all(&bytes).await.unwrap();
    connection
}

/// The status codes of the answers on this connection.
async fn statuses(connection: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut found = Vec::new();
    while found.len() < count {
        if let (HEADERS, _, payload) = next_frame(connection).await {
            found.push(*payload.first().unwrap());
        }
    }
    found
}

/// `:status: 200` in HPACK's static table; 503 is not in it.
const OK: u8 = 0x88;

#[tokio::test]
async fn answers_that_nobody_reads_are_bounded_and_the_rest_is_503() {
    let limits = Limits { max_unread_bytes: 3 * ANSWER_BYTES, ..Limits::default() };
    let (_server, address) = start(router(), limits).await;
    let mut deaf = deaf(address, 8).await;
    let statuses = statuses(&mut deaf, 8).await;
    assert_eq!(statuses.iter().filter(|status| **status == OK).count(), 3);
    let refused = ask(address, "GET", "/").await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.field("retry-after"), Some("1"));
    assert_eq!(ask(address, "GET", "/ok").await.status, 200, "short answers are not counted");

    drop(deaf);
    while ask(address, "GET", "/").await.status != 200 {}
}

#[tokio::test]
async fn whoever_does_not_read_loses_its_connection_when_others_need_the_room() {
    let max_unread_bytes = 3 * ANSWER_BYTES;
    let limits = Limits { max_unread_bytes, unread_grace_ms: 50, ..Limits::default() };
    let (_server, address) = start(router(), limits).await;
    let mut deaf = deaf(address, 3).await;
    assert_eq!(statuses(&mut deaf, 3).await, [OK; 3]);
    while ask(address, "GET", "/").await.status != 200 {}
    assert_eq!(read_to_close(&mut deaf).await, "");
}

#[tokio::test]
async fn answers_that_were_read_count_no_more() {
    let limits = Limits { max_unread_bytes: ANSWER_BYTES, ..Limits::default() };
    let (_server, address) = start(router(), limits).await;
    for _ in 0..20 {
        let answer = ask(address, "GET", "/").await;
        assert_eq!((answer.status, answer.body.len()), (200, ANSWER_BYTES));
    }
}
