//! Stopping: requests that run are finished, nothing new is taken, and it ends in bounded time.

use std::sync::Arc;

use axum::Router;
use sigsum_service::http::{finish, get, text};
use sigsum_service::serve::{Drained, Limits};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::client::{read_answer, read_to_close, send};
use crate::start;

const SLOW: &str = "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n";
const FAST: &str = "GET /fast HTTP/1.1\r\nHost: x\r\n\r\n";

/// `/slow` says when it has begun, and answers when it is let go.
struct Gate {
    begun: Arc<Notify>,
    go: Arc<Notify>,
}

fn gated() -> (Router, Gate) {
    let gate = Gate { begun: Arc::default(), go: Arc::default() };
    let (begun, go) = (Arc::clone(&gate.begun), Arc::clone(&gate.go));
    let slow = async move || {
        begun.notify_one();
        go.notified().await;
        text("done\n")
    };
    let router = Router::new().route("/slow", get(slow)).route("/fast", get(async || text("ok\n")));
    (finish(router), gate)
}

#[tokio::test]
async fn a_running_request_is_finished_and_its_connection_closed() {
    let (router, gate) = gated();
    let (server, address) = start(router, Limits::default()).await;
    let mut stream = send(address, SLOW).await;
    gate.begun.notified().await;
    let stopping = tokio::spawn(server.stop());
    // The listener closes at once, although a request still runs.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!stopping.is_finished());
    gate.go.notify_one();
    let answer = read_to_close(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("done\n"), "{answer}");
    assert_eq!(stopping.await.unwrap(), Drained { unfinished_connections: 0 });
}

#[tokio::test]
async fn idle_connections_are_closed_at_once() {
    let (router, _gate) = gated();
    let (server, address) = start(router, Limits::default()).await;
    let mut stream = send(address, FAST).await;
    assert_eq!(read_answer(&mut stream).await.status, 200);
    assert_eq!(server.stop().await, Drained { unfinished_connections: 0 });
    assert_eq!(read_to_close(&mut stream).await, "");
}

#[tokio::test]
async fn connections_that_have_asked_nothing_are_closed_at_once() {
    let (router, _gate) = gated();
    let (server, address) = start(router, Limits::default()).await;
    let mut silent = send(address, "").await;
    // Answered only after the silent connection has been accepted.
    assert_eq!(read_answer(&mut send(address, FAST).await).await.status, 200);
    assert_eq!(server.stop().await, Drained { unfinished_connections: 0 });
    assert_eq!(read_to_close(&mut silent).await, "");
}

#[tokio::test]
async fn a_request_that_does_not_finish_is_cut_and_counted() {
    let (router, gate) = gated();
    let (server, address) = start(router, Limits { drain_ms: 50, ..Limits::default() }).await;
    let mut stream = send(address, SLOW).await;
    gate.begun.notified().await;
    assert_eq!(server.stop().await, Drained { unfinished_connections: 1 });
    assert_eq!(read_to_close(&mut stream).await, "");
}
