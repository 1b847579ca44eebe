//! A keep-alive HTTP/1.1 client with nothing in it that costs: one buffer a connection, no headers
//! but those that are needed, no copies of bodies.

use crate::failure::Failure;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// First size of the buffer of a connection; it grows to the largest answer.
const BUFFER_BYTES: usize = 16 * 1024;
/// No answer that is measured here is larger: get-leaves with 16 384 leaves is 4.3 MB.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// The connection failed, or ended early.
    #[error("{0}")]
    Connection(#[from] std::io::Error),
    /// What came is not an HTTP/1.1 answer with a length.
    #[error("not an HTTP/1.1 answer with a Content-Length")]
    Malformed,
}

/// An answer; the body is in the connection's buffer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer<'a> {
    /// Status code.
    pub(crate) status: u16,
    /// Body.
    pub(crate) body: &'a [u8],
}

impl Answer<'_> {
    /// What to say of an answer that was not due.
    pub(crate) fn describe(&self) -> String {
        let text = String::from_utf8_lossy(self.body);
        let line: String = text.lines().next().unwrap_or_default().chars().take(200).collect();
        format!("status {}: {line}", self.status)
    }
}

/// One connection, with one request under way at most.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, HttpError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; BUFFER_BYTES] })
    }

    /// Sends a whole request and reads the whole answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>, HttpError> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        let mut head = None;
        loop {
            if head.is_none() {
                head = read_head(self.buffer.get(..filled).unwrap_or_default())?;
            }
            let needed = head.map_or(filled + 1, |head: Head| head.head_bytes + head.body_bytes);
            if head.is_some() && filled >= needed {
                break;
            }
            if needed > MAX_ANSWER_BYTES {
                return Err(HttpError::Malformed);
            }
            if self.buffer.len() < needed {
                self.buffer.resize(needed.next_power_of_two(), 0);
            }
            let room = self.buffer.get_mut(filled..).unwrap_or_default();
            let read = self.stream.read(room).await?;
            if read == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
            }
            filled += read;
        }
        let head = head.ok_or(HttpError::Malformed)?;
        let body = self.buffer.get(head.head_bytes..head.head_bytes + head.body_bytes);
        Ok(Answer { status: head.status, body: body.ok_or(HttpError::Malformed)? })
    }
}

/// One request on a connection of its own.
pub(crate) async fn once(address: SocketAddr, request: &[u8]) -> Result<(u16, Vec<u8>), HttpError> {
    let mut connection = Connection::open(address).await?;
    let answer = connection.exchange(request).await?;
    Ok((answer.status, answer.body.to_vec()))
}

/// Size and status of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    status: u16,
    head_bytes: usize,
    body_bytes: usize,
}

/// Reads the head of an answer; none if it is not there in full.
fn read_head(bytes: &[u8]) -> Result<Option<Head>, HttpError> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let text = bytes.get(..end).and_then(|head| std::str::from_utf8(head).ok());
    let mut lines = text.ok_or(HttpError::Malformed)?.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
    let status = status.and_then(|rest| rest.get(..3)?.parse().ok()).ok_or(HttpError::Malformed)?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let body_bytes = length.ok_or(HttpError::Malformed)?;
    Ok(Some(Head { status, head_bytes: end + 4, body_bytes }))
}

/// Where a server is, out of a URL without a path, as the daemons print it.
pub(crate) fn address_of(url: &str) -> Result<SocketAddr, Failure> {
    let address =
        url.strip_prefix("http://").and_then(|rest| rest.trim_end_matches('/').parse().ok());
    address.ok_or_else(|| Failure::server(url, "not a URL of an address and a port"))
}

/// Writes a GET request over what was in `out`.
pub(crate) fn write_get(out: &mut Vec<u8>, path: &str) {
    out.clear();
    out.extend_from_slice(b"GET /");
    out.extend_from_slice(path.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

/// Writes a POST request over what was in `out`.
pub(crate) fn write_post(out: &mut Vec<u8>, path: &str, body: &[u8]) {
    write_post_with(out, path, "", body);
}

/// The same with more header lines, each with its line end.
fn write_post_with(out: &mut Vec<u8>, path: &str, headers: &str, body: &[u8]) {
    out.clear();
    out.extend_from_slice(b"POST /");
    out.extend_from_slice(path.as_bytes());
    let length = body.len();
    out.extend_from_slice(
        format!(" HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{headers}\r\n")
            .as_bytes(),
    );
    out.extend_from_slice(body);
}

/// A GET request.
pub(crate) fn get(path: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write_get(&mut out, path);
    out
}

/// A POST request.
pub(crate) fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_post(&mut out, path, body);
    out
}

/// A POST request with more header lines, each with its line end.
pub(crate) fn post_with(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_post_with(&mut out, path, headers, body);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let text = b"HTTP/1.1 200 OK\r\nX: y\r\ncontent-length: 5\r\n\r\nhello";
        let head = Head { status: 200, head_bytes: text.len() - 5, body_bytes: 5 };
        assert_eq!(read_head(text).unwrap(), Some(head));
        assert_eq!(read_head(&text[..30]).unwrap(), None);
        assert_eq!(read_head(b"").unwrap(), None);
    }

    #[test]
    fn an_answer_without_a_length_is_refused() {
        assert!(read_head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(read_head(b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n").is_err());
        assert!(read_head(b"HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\n").is_err());
    }

    #[test]
    fn requests_are_whole() {
        assert_eq!(get("a/1"), b"GET /a/1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let expected = b"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi";
        assert_eq!(post("a", b"hi"), expected);
        let expected =
            b"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nX: y\r\n\r\nhi";
        assert_eq!(post_with("a", "X: y\r\n", b"hi"), expected);
    }

    #[tokio::test]
    async fn answers_in_pieces_are_put_together() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let body = vec![b'x'; 3 * BUFFER_BYTES];
        let sent = body.clone();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 64];
            for status in [200, 404] {
                assert!(stream.read(&mut request).await.unwrap() > 0);
                let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", sent.len());
                for part in [head.as_bytes(), &sent[..1], &sent[1..]] {
                    stream.write_all(part).await.unwrap();
                    stream.flush().await.unwrap();
                }
            }
        });
        let mut connection = Connection::open(address).await.unwrap();
        for status in [200, 404] {
            let answer = connection.exchange(&get("")).await.unwrap();
            assert_eq!((answer.status, answer.body), (status, body.as_slice()));
        }
        server.await.unwrap();
        let ended = connection.exchange(&get("")).await;
        assert!(matches!(ended, Err(HttpError::Connection(_))), "{ended:?}");
    }
}
