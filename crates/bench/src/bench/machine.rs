//! What this machine can do at all, so that figures from different machines, or from one that is
//! busy, can be compared.

use crate::failure::Failure;
use crate::http::{Connection, get};
use crate::latency::Latencies;
use sigsum_core::Hash;
use sigsum_core::crypto::VerifyingKey;
use sigsum_keys::Ed25519Signer;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Times that each thing is done; the median counts.
const TIMES: usize = 400;
/// Signatures that are verified at a time, since a clock costs something too.
const VERIFICATIONS: u32 = 10;
/// Bytes that are hashed at a time.
const HASHED_BYTES: usize = 1 << 16;
/// Bytes that are made durable at a time: a commit of 32 leaves.
const WRITTEN_BYTES: usize = 4096;
/// File that is written over, as the journal of a log is.
const FILE_BYTES: usize = 1 << 20;

/// Prints the machine's speed.
pub(crate) async fn describe(directory: &Path) -> Result<(), Failure> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    println!("machine: {processors} processors, {}", load()?);
    println!("  Ed25519 verification, key decompressed: {}", us(verification()?));
    let hashing = hashing();
    println!("  SHA-256: {:.2} GB/s", HASHED_BYTES as f64 / hashing.as_secs_f64() / 1e9);
    println!("  write and fdatasync of 4 KiB: {}", us(sync(directory)?));
    println!(
        "  HTTP request and answer of nothing over loopback, alone: {}",
        us(exchange().await?)
    );
    Ok(())
}

/// What else runs.
fn load() -> Result<String, Failure> {
    let path = "/proc/loadavg";
    let text = std::fs::read_to_string(path).map_err(Failure::file("read", path))?;
    let first = text.split(' ').next().unwrap_or_default();
    Ok(format!("load {first} before anything is measured"))
}

fn us(time: Duration) -> String {
    format!("{:.1} us", time.as_secs_f64() * 1e6)
}

/// The median of many goes at `work`, which does `count` things.
fn median(count: u32, mut work: impl FnMut() -> Result<(), Failure>) -> Result<Duration, Failure> {
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let begin = Instant::now();
        work()?;
        times.push(begin.elapsed() / count);
    }
    times.sort_unstable();
    Ok(times.get(TIMES / 2).copied().unwrap_or_default())
}

fn verification() -> Result<Duration, Failure> {
    let signer = Ed25519Signer::generate().map_err(Failure::preparing("a key"))?;
    let message = [7; 56]; // as long as what a submitter signs
    let signature = signer.sign_now(&message);
    let key = VerifyingKey::new(&signer.public_key());
    let failed = || Failure::preparing("a verification")("does not verify");
    let key = key.ok_or_else(failed)?;
    median(VERIFICATIONS, || {
        let valid = (0..VERIFICATIONS).all(|_| key.verify(&message, &signature));
        if valid { Ok(()) } else { Err(failed()) }
    })
}

fn hashing() -> Duration {
    let bytes = vec![7; HASHED_BYTES];
    let mut hashes: Vec<Hash> = Vec::new();
    let time = median(1, || {
        hashes.push(sigsum_core::merkle::hash_leaf(&bytes));
        Ok(())
    });
    time.unwrap_or_default()
}

fn sync(directory: &Path) -> Result<Duration, Failure> {
    std::fs::create_dir_all(directory).map_err(Failure::file("make", directory))?;
    let file = tempfile::tempfile_in(directory).map_err(Failure::file("write in", directory))?;
    let failed = || Failure::file("write in", directory);
    file.write_all_at(&vec![1; FILE_BYTES], 0).map_err(failed())?;
    file.sync_all().map_err(failed())?;
    let bytes = [2; WRITTEN_BYTES];
    let mut offset = 0;
    median(1, || {
        file.write_all_at(&bytes, offset).map_err(failed())?;
        offset = (offset + WRITTEN_BYTES as u64) % FILE_BYTES as u64;
        file.sync_data().map_err(failed())
    })
}

/// The load generator against the least server that there is, on the same thread.
async fn exchange() -> Result<Duration, Failure> {
    let failed = |e: std::io::Error| Failure::server("loopback", e);
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        let mut request = [0; 256];
        while stream.read(&mut request).await? > 0 {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
        }
        Ok::<(), std::io::Error>(())
    });
    let mut connection =
        Connection::open(address).await.map_err(|e| Failure::server("loopback", e))?;
    let (request, mut times) = (get(""), Latencies::default());
    for _ in 0..TIMES {
        let begin = Instant::now();
        connection.exchange(&request).await.map_err(|e| Failure::server("loopback", e))?;
        times.add(begin.elapsed());
    }
    server.abort();
    Ok(times.summary().p50)
}
