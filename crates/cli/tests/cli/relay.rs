//! A way between two programs that a test can cut, and turn to another place: programs that must
//! know each other's addresses before either has one, and networks that fail.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// What becomes of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Connections are closed at once, as where nothing listens.
    Nowhere,
    /// They go here.
    To(SocketAddr),
    /// They go there, each piece this much later.
    Slowly(SocketAddr, Duration),
    /// They are kept for as long as this lasts: a network that drops packets.
    Cut,
}

/// Where programs connect. Bytes go where the test says at that moment.
pub(crate) struct Relay {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    way: Mutex<Way>,
    changed: Condvar,
}

impl State {
    /// Where bytes go; waits while the way is cut.
    fn open_way(&self) -> Option<SocketAddr> {
        let way = self.way.lock().unwrap();
        match *self.changed.wait_while(way, |way| *way == Way::Cut).unwrap() {
            Way::To(address) => Some(address),
            Way::Slowly(address, delay) => {
                // What the test is about, not a wait for anything.
                std::thread::park_timeout(delay);
                Some(address)
            }
            Way::Nowhere | Way::Cut => None,
        }
    }
}

impl Relay {
    /// One that leads nowhere yet.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State { way: Mutex::new(Way::Nowhere), changed: Condvar::new() });
        let shared = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let state = shared.clone();
                std::thread::spawn(move || carry(client, &state));
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn turn(&self, way: Way) {
        *self.state.way.lock().unwrap() = way;
        self.state.changed.notify_all();
    }

    /// Leads to the server at this URL from now on; connections that are open stay where they are.
    pub(crate) fn lead_to(&self, url: &str) {
        self.turn(Way::To(url.strip_prefix("http://").unwrap().parse().unwrap()));
    }

    /// The same, with a delay.
    pub(crate) fn lead_slowly_to(&self, url: &str, delay: Duration) {
        self.turn(Way::Slowly(url.strip_prefix("http://").unwrap().parse().unwrap(), delay));
    }

    /// Nothing comes through, in either direction, nor is any connection refused.
    pub(crate) fn cut(&self) {
        self.turn(Way::Cut);
    }
}

fn carry(client: TcpStream, state: &Arc<State>) {
    let Some(address) = state.open_way() else { return };
    let Ok(server) = TcpStream::connect(address) else { return };
    let (from_client, to_client) = (client.try_clone().unwrap(), client);
    let (from_server, to_server) = (server.try_clone().unwrap(), server);
    let back = state.clone();
    std::thread::spawn(move || pass(from_server, to_client, &back));
    pass(from_client, to_server, state);
}

fn pass(mut from: TcpStream, mut to: TcpStream, state: &State) {
    let mut buffer = [0; 65536];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let _ = state.open_way(); // only whether the way is open, as this connection has its end
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both); // either side may have closed already
    let _ = to.shutdown(Shutdown::Both);
}
