//! The proxy in front of a log: the address that its users know, which leads to another server from
//! one request to the next.

use crate::fake::{Fake, Request, answer};
use crate::heads::request;
use std::io::Write as _;
use std::sync::{Arc, Mutex};

/// A proxy of one request a connection.
pub(super) struct Gate {
    fake: Fake,
    way: Arc<Mutex<String>>,
}

impl Gate {
    /// Leads nowhere yet.
    pub(super) fn start() -> Self {
        let way = Arc::<Mutex<String>>::default();
        let shown = Arc::clone(&way);
        let fake = Fake::start(move |mut stream| {
            let Some(asked) = Request::read(&mut stream) else { return };
            let url = shown.lock().unwrap().clone();
            let got = match url.is_empty() {
                true => None,
                false => request(&url, &asked.method, &asked.path, &asked.body),
            };
            let (status, body) = got.unwrap_or((502, b"Bad Gateway\n".to_vec()));
            let bytes = answer(status, "Connection: close\r\n", &body);
            let _ = stream.write_all(&bytes); // the client may be gone
        });
        Self { fake, way }
    }

    /// What users know.
    pub(super) fn url(&self) -> String {
        self.fake.url()
    }

    /// Requests go to this server from now on.
    pub(super) fn lead_to(&self, url: &str) {
        *self.way.lock().unwrap() = url.to_owned();
    }
}
