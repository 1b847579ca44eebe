//! Leaves by number, and many of them.

use crate::wire::{Answer, connect, read_answer};
use sigsum_core::Message;
use sigsum_core::leaf::leaf_signing_bytes;
use sigsum_core::wire::log::AddLeafRequest;
use sigsum_keys::Ed25519Signer;
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// The add-leaf request of a number.
pub(crate) fn add_leaf_request(signer: &Ed25519Signer, number: u64) -> AddLeafRequest {
    let message = Message::of_data(&number.to_be_bytes());
    let signature = signer.sign_now(&leaf_signing_bytes(&message.checksum()));
    AddLeafRequest { message, signature, public_key: signer.public_key() }
}

/// Adds up to this many leaves over four connections, until one is not answered 200; gives the
/// number of those that were, and the answer that was not.
pub(crate) fn add_leaves(url: &str, most: u64) -> (u64, Option<Answer>) {
    let signer = Ed25519Signer::generate().unwrap();
    let (next, added) = (AtomicU64::new(0), AtomicU64::new(0));
    let refused = Mutex::new(None);
    let add = || {
        let mut stream = connect(url);
        while refused.lock().unwrap().is_none() {
            let number = next.fetch_add(1, Ordering::SeqCst);
            if number >= most {
                return;
            }
            let body = add_leaf_request(&signer, number).to_body();
            let length = body.len();
            let head =
                format!("POST /add-leaf HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
            stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
            let answer = read_answer(&mut stream);
            match answer.status {
                200 => _ = added.fetch_add(1, Ordering::SeqCst),
                _ => *refused.lock().unwrap() = Some(answer),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(add);
        }
    });
    (added.into_inner(), refused.into_inner().unwrap())
}
