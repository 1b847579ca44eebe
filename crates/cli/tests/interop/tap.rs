//! A listener on the wire: passes bytes between a client and a server and keeps what the client said.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Where clients connect instead of to the server.
pub(crate) struct Tap {
    address: SocketAddr,
    said: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    /// In front of the server at this URL.
    pub(crate) fn before(url: &str) -> Self {
        let server: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let said = Arc::<Mutex<Vec<u8>>>::default();
        let kept = Arc::clone(&said);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                pass_both_ways(client, server, &kept);
            }
        });
        Self { address, said }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The values of a header field, of all requests.
    pub(crate) fn fields(&self, name: &str) -> Vec<String> {
        let said = String::from_utf8_lossy(&self.said.lock().unwrap()).into_owned();
        let value = |line: &str| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then(|| value.to_owned())
        };
        said.lines().filter_map(value).collect()
    }
}

fn pass_both_ways(client: TcpStream, server: SocketAddr, said: &Arc<Mutex<Vec<u8>>>) {
    let server = TcpStream::connect(server).unwrap();
    let (from_client, to_client) = (client.try_clone().unwrap(), client);
    let (from_server, to_server) = (server.try_clone().unwrap(), server);
    let said = Arc::clone(said);
    std::thread::spawn(move || {
        pass(from_client, to_server, |bytes| said.lock().unwrap().extend_from_slice(bytes));
    });
    std::thread::spawn(move || pass(from_server, to_client, |_| ()));
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut see: impl FnMut(&[u8])) {
    let mut buffer = [0; 65536];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        see(&buffer[..count]);
        if to.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
    let _ = to.shutdown(Shutdown::Write); // the other side may be gone
}
