//! HTTP/2 without TLS and without an upgrade ("prior knowledge"), by hand-made frames.

use axum::Router;
use sigsum_service::http::{finish, get, text};
use sigsum_service::serve::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::start;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const SETTINGS: u8 = 4;

/// A frame of RFC 9113 section 4.1.
pub(crate) fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// GET `/` on `stream`, in fields of HPACK's static table, ending headers and stream.
pub(crate) fn get_root(stream: u8) -> Vec<u8> {
    const METHOD_GET: u8 = 0x82;
    const SCHEME_HTTP: u8 = 0x86;
    const PATH_ROOT: u8 = 0x84;
    frame(HEADERS, 0x5, stream, &[METHOD_GET, SCHEME_HTTP, PATH_ROOT, 0x41, 1, b'x'])
}

/// The next frame's type, stream and payload.
pub(crate) async fn next_frame(connection: &mut TcpStream) -> (u8, u8, Vec<u8>) {
    let mut head = [0; 9];
    connection.read_exact(&mut head).await.unwrap();
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    connection.read_exact(&mut payload).await.unwrap();
    (head[3], head[8], payload)
}

#[tokio::test]
async fn requests_on_one_connection_are_answered_on_their_streams() {
    let router = finish(Router::new().route("/", get(async || text("hello\n"))));
    let (_server, address) = start(router, Limits::default()).await;
    let mut connection = TcpStream::connect(address).await.unwrap();
    let hello = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &get_root(1), &get_root(3)].concat();
    connection.write_all(&hello).await.unwrap();

    let mut answered = Vec::new();
    while answered.len() < 2 {
        match next_frame(&mut connection).await {
            // 0x88 is `:status: 200` in HPACK's static table.
            (HEADERS, _, payload) => assert_eq!(payload.first(), Some(&0x88)),
            (DATA, stream, payload) if !payload.is_empty() => {
                assert_eq!(payload, b"hello\n");
                answered.push(stream);
            }
            _ => {}
        }
    }
    answered.sort_unstable();
    assert_eq!(answered, [1, 3]);
}

#[tokio::test]
async fn an_idle_connection_outlives_the_time_for_a_head() {
    let router = finish(Router::new().route("/", get(async || text("hello\n"))));
    let (_server, address) =
        start(router, Limits { head_timeout_ms: 50, ..Limits::default() }).await;
    let mut connection = TcpStream::connect(address).await.unwrap();
    let hello = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    connection.write_all(&hello).await.unwrap();
    let (kind, ..) = next_frame(&mut connection).await;
    assert_eq!(kind, SETTINGS);
    connection.write_all(&frame(SETTINGS, 1, 0, &[])).await.unwrap();

    // Another one is let go by the time for a head, twice: that time has passed.
    for _ in 0..2 {
        let mut slow = crate::client::send(address, "G").await;
        assert_eq!(crate::client::read_to_close(&mut slow).await, "");
    }
    connection.write_all(&get_root(1)).await.unwrap();
    loop {
        if let (HEADERS, 1, payload) = next_frame(&mut connection).await {
            assert_eq!(payload.first(), Some(&0x88));
            break;
        }
    }
}
