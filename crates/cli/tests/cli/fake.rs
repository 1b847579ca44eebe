//! Servers that misbehave: each connection is handled by a function of the test's.

use crate::wire::try_ask;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The next one on this connection; `None` at its end.
    pub(crate) fn read(stream: &mut TcpStream) -> Option<Self> {
        let mut bytes = Vec::new();
        let mut buffer = [0; 65536];
        loop {
            if let Some(request) = Self::parse(&bytes) {
                return Some(request);
            }
            match stream.read(&mut buffer) {
                Ok(count @ 1..) => bytes.extend_from_slice(&buffer[..count]),
                _ => return None,
            }
        }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.trim().parse().unwrap());
        let body = bytes[end + 4..].get(..length)?.to_vec();
        let line = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut words = line.split(' ').map(str::to_owned);
        Some(Self { method: words.next()?, path: words.next()?, body })
    }
}

/// The bytes of an answer.
pub(crate) fn answer(status: u16, fields: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\n{fields}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// What another server answers to this request; 502 where that one is gone.
pub(crate) fn pass(url: &str, request: &Request) -> Vec<u8> {
    match try_ask(url, &request.method, &request.path, &request.body) {
        Some(got) => answer(got.status, "", &got.body),
        None => answer(502, "", b"Bad Gateway\n"),
    }
}

/// A server; stops taking connections when dropped.
pub(crate) struct Fake {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
}

impl Fake {
    /// Handles each connection with this.
    pub(crate) fn start(handle: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, is_over) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (count, over, handle) = (connections.clone(), is_over.clone(), Arc::new(handle));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                count.fetch_add(1, Ordering::SeqCst);
                let handle = Arc::clone(&handle);
                std::thread::spawn(move || handle(stream));
            }
        });
        Self { address, connections, is_over }
    }

    /// Answers each request with what a function makes of it.
    pub(crate) fn http(respond: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start(move |mut stream| {
            while let Some(request) = Request::read(&mut stream) {
                if stream.write_all(&respond(&request)).is_err() {
                    return;
                }
            }
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // wakes the listener's thread
    }
}

/// Reads one request and writes for as long as the peer takes it.
pub(crate) fn endless(mut stream: TcpStream, head: &[u8], again: &[u8]) {
    if Request::read(&mut stream).is_none() || stream.write_all(head).is_err() {
        return;
    }
    while stream.write_all(again).is_ok() {}
}

/// Holds a connection until the peer closes it.
pub(crate) fn hold(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    while matches!(stream.read(&mut buffer), Ok(1..)) {}
}
