//! Bytes on a connection: requests that no client would send, and answers taken apart.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// A server that says nothing for so long hangs.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);

/// An answer taken apart.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Self { status, head, body: bytes[end + 4..].to_vec() })
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The value of a header field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// `host:port` of a URL.
pub(crate) fn authority(url: &str) -> &str {
    url.strip_prefix("http://").unwrap().split('/').next().unwrap()
}

pub(crate) fn connect(url: &str) -> TcpStream {
    let stream = TcpStream::connect(authority(url)).unwrap();
    stream.set_read_timeout(Some(SILENCE_LIMIT)).unwrap();
    stream.set_write_timeout(Some(SILENCE_LIMIT)).unwrap();
    stream
}

/// Everything until the server closes; a reset counts as closed, silence as a failure.
pub(crate) fn read_to_close(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 65536];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return bytes,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return bytes,
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&bytes)),
        }
    }
}

/// One answer with a `Content-Length` on a connection that stays open.
pub(crate) fn read_answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let mut buffer = [0; 65536];
    loop {
        if let Some(answer) = Answer::parse(&bytes) {
            let length = answer.field("content-length").map_or(0, |value| value.parse().unwrap());
            if answer.body.len() >= length {
                return answer;
            }
        }
        let count = stream.read(&mut buffer).unwrap();
        assert_ne!(count, 0, "closed after {:?}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&buffer[..count]);
    }
}

/// Sends bytes; gives what comes back until the server closes.
pub(crate) fn exchange_all(url: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(url);
    let _ = stream.write_all(bytes); // the server may refuse before it has read all
    read_to_close(&mut stream)
}

/// The first answer to bytes that end in the middle of a request.
pub(crate) fn exchange_truncated(url: &str, bytes: &[u8]) -> Option<Answer> {
    let mut stream = connect(url);
    let _ = stream.write_all(bytes);
    stream.shutdown(Shutdown::Write).unwrap();
    Answer::parse(&read_to_close(&mut stream))
}

/// The first answer to these bytes; `None` where the server closes without one.
pub(crate) fn exchange(url: &str, bytes: &[u8]) -> Option<Answer> {
    Answer::parse(&exchange_all(url, bytes))
}

/// A request with a path that goes out as it is.
pub(crate) fn ask_bytes(url: &str, method: &str, path: &[u8], body: &[u8]) -> Answer {
    let mut request = format!("{method} ").into_bytes();
    request.extend_from_slice(path);
    let rest = format!(
        " HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        authority(url),
        body.len()
    );
    request.extend_from_slice(rest.as_bytes());
    request.extend_from_slice(body);
    exchange(url, &request).unwrap()
}

pub(crate) fn ask(url: &str, method: &str, path: &str, body: &[u8]) -> Answer {
    ask_bytes(url, method, path.as_bytes(), body)
}

/// A request to a server that may vanish at any moment.
pub(crate) fn try_ask(url: &str, method: &str, path: &str, body: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(authority(url)).ok()?;
    stream.set_read_timeout(Some(SILENCE_LIMIT)).ok()?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let answer = Answer::parse(&bytes)?;
    let length = answer.field("content-length").map_or(0, |value| value.parse().unwrap());
    (answer.body.len() == length).then_some(answer)
}
