//! A link with a round trip of its own in front of a server, as between countries: what takes long
//! there is not what takes long on the loopback interface.

use crate::failure::Failure;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Bytes that are taken from one side at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// A relay that delays what passes; it runs on a thread of its own until it is dropped.
#[derive(Debug)]
pub(crate) struct SlowLink {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl SlowLink {
    /// A link to `server` with this round trip, which a new connection takes once more before its
    /// first byte passes.
    pub(crate) fn new(server: SocketAddr, round_trip: Duration) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Failure::preparing("a slow link"))?;
        // Bound by hand: the caller may be inside a runtime of its own.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok((listener.local_addr()?, listener))
        });
        let (address, listener) = listener.map_err(Failure::preparing("a slow link"))?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async move {
                // It was made non-blocking above, which is all that this asks for.
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                tokio::select! {
                    () = accept(listener, server, round_trip) => {}
                    _ = stopped => {}
                }
            });
        });
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where to connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for SlowLink {
    fn drop(&mut self) {
        self.stop.take(); // its end is the signal
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a panic of it was printed
        }
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, round_trip: Duration) {
    while let Ok((client, _)) = listener.accept().await {
        let open_at = Instant::now() + round_trip;
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(server).await else { return };
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let delay = round_trip / 2;
            tokio::join!(
                pass(from_client, to_server, open_at, delay),
                pass(from_server, to_client, open_at, delay),
            );
        });
    }
}

/// Passes bytes on, each `delay` after it came and none before `open_at`, until either side ends.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    open_at: Instant,
    delay: Duration,
) {
    let (sender, mut on_the_way) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let read = async move {
        let mut buffer = vec![0; CHUNK_BYTES];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let due = Instant::now().max(open_at) + delay;
            let chunk = buffer.get(..count).unwrap_or_default().to_vec();
            if sender.send((due, chunk)).is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((due, chunk)) = on_the_way.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&chunk).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await; // the other side may be gone
    };
    tokio::join!(read, write);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::Shutdown;

    #[test]
    fn bytes_pass_in_order_after_the_delay_and_the_end_does_too() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let round_trip = Duration::from_millis(20);
        let link = SlowLink::new(listener.local_addr().unwrap(), round_trip).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut text = Vec::new();
            stream.read_to_end(&mut text).unwrap();
            stream.write_all(&text).unwrap();
        });
        let begin = std::time::Instant::now();
        let sent: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
        let mut stream = std::net::TcpStream::connect(link.address()).unwrap();
        stream.write_all(&sent).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut got = Vec::new();
        stream.read_to_end(&mut got).unwrap();
        assert!(got == sent);
        assert!(begin.elapsed() >= 2 * round_trip, "{:?}", begin.elapsed());
        server.join().unwrap();
    }
}
