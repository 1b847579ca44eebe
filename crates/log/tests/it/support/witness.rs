//! A witness that checks like a real one and misbehaves when told to.

use super::{NOW_S, log_key, signer};
use async_trait::async_trait;
use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, StatusCode};
use sigsum_api::{AddCheckpointError, WitnessApi};
use sigsum_core::cosignature::{Timestamp, ed25519_line, ed25519_message};
use sigsum_core::merkle::ConsistencyClaim;
use sigsum_core::note::{KeyName, NoteKey, SignatureLine};
use sigsum_core::wire::witness::{
    AddCheckpointRequest, CONFLICT_CONTENT_TYPE, conflict_body, signature_lines_body,
};
use sigsum_core::{PublicKey, TreeHead, TreeSize};
use sigsum_keys::Ed25519Signer;
use sigsum_log::WitnessPeer;
use sigsum_service::listen::Endpoint;
use sigsum_service::serve::Limits;
use sigsum_service::shutdown::Shutdown;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// How a witness behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// As it should.
    Good,
    /// Takes requests and never answers.
    Silent,
    /// Answers 503.
    Unavailable,
    /// Signs something else.
    Forging,
    /// Does not know the log.
    Stranger,
    /// Claims a tree of this size.
    Ahead(u64),
    /// Has forgotten what it cosigned, down to this size, once.
    Forgetful(u64),
}

#[derive(Debug)]
struct State {
    /// Every head it cosigned, in order.
    cosigned: Vec<TreeHead>,
    /// Every head it was shown, in order.
    shown: Vec<TreeHead>,
    requests: usize,
    time_s: u64,
}

/// A witness in this process.
#[derive(Debug)]
pub(crate) struct TestWitness {
    number: u8,
    signer: Ed25519Signer,
    state: Mutex<State>,
    mood: watch::Sender<Mood>,
}

impl TestWitness {
    pub(crate) fn new(number: u8) -> Arc<Self> {
        let state = State { cosigned: Vec::new(), shown: Vec::new(), requests: 0, time_s: NOW_S };
        let (state, mood) = (Mutex::new(state), watch::Sender::new(Mood::Good));
        Arc::new(Self { number, signer: signer(number), state, mood })
    }

    pub(crate) fn key(&self) -> PublicKey {
        self.signer.public_key()
    }

    pub(crate) fn label(&self) -> String {
        format!("witness-{}.example", self.number)
    }

    pub(crate) fn peer(self: &Arc<Self>) -> WitnessPeer {
        let key = NoteKey::CosignatureEd25519(self.key());
        WitnessPeer { key, label: self.label(), url: self.label(), api: self.clone() }
    }

    pub(crate) fn is(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// Every head it cosigned, in order.
    pub(crate) fn cosigned(&self) -> Vec<TreeHead> {
        self.state.lock().expect("no panic").cosigned.clone()
    }

    /// Every head it was shown, in order.
    pub(crate) fn shown(&self) -> Vec<TreeHead> {
        self.state.lock().expect("no panic").shown.clone()
    }

    /// Serves it over HTTP under `/some/prefix`; gives the address, and ends with the test.
    pub(crate) async fn serve(self: Arc<Self>) -> SocketAddr {
        let handler = async move |body: Bytes| -> (StatusCode, [(HeaderName, String); 1], String) {
            let plain =
                |text: String| (StatusCode::OK, [(CONTENT_TYPE, "text/plain".into())], text);
            let request = AddCheckpointRequest::parse(&body).expect("well formed");
            match self.add_checkpoint(&request).await {
                Ok(lines) => plain(signature_lines_body(&lines)),
                Err(AddCheckpointError::Conflict { size }) => (
                    StatusCode::CONFLICT,
                    [(CONTENT_TYPE, CONFLICT_CONTENT_TYPE.into())],
                    conflict_body(size),
                ),
                Err(error) => {
                    let (_, headers, text) = plain(error.to_string());
                    let status = StatusCode::from_u16(error.status().code()).expect("a status");
                    (status, headers, text)
                }
            }
        };
        let router = Router::new().route("/some/prefix/add-checkpoint", post(handler));
        let listener = Endpoint::loopback().bind().await.expect("a port");
        let address = listener.address().tcp().expect("TCP");
        let limits = Limits::default();
        tokio::spawn(sigsum_service::serve::serve(listener, router, Shutdown::new(), limits));
        address
    }

    /// Sets its clock.
    pub(crate) fn set_time_s(&self, time_s: u64) {
        self.state.lock().expect("no panic").time_s = time_s;
    }

    pub(crate) fn requests(&self) -> usize {
        self.state.lock().expect("no panic").requests
    }

    fn sign(&self, request: &AddCheckpointRequest) -> Result<SignatureLine, AddCheckpointError> {
        let checkpoint = &request.checkpoint.checkpoint;
        let signed = request.checkpoint.to_sigsum(&log_key());
        let valid = signed.is_ok_and(|head| head.verify(&log_key()));
        if !valid {
            return Err(AddCheckpointError::Forbidden("invalid signature".into()));
        }
        let mut state = self.state.lock().expect("no panic");
        let new = checkpoint.tree_head;
        let old = state.cosigned.last().copied().unwrap_or_else(TreeHead::empty);
        if request.old_size != old.size {
            return Err(AddCheckpointError::Conflict { size: old.size });
        }
        let claim = ConsistencyClaim { old, new, path: &request.proof };
        claim.verify().map_err(|e| AddCheckpointError::Unprocessable(e.to_string()))?;
        state.cosigned.push(new);
        state.time_s += 1;
        let time = Timestamp::new(state.time_s).expect("below 2^63");
        let mut message = ed25519_message(time, checkpoint);
        if *self.mood.borrow() == Mood::Forging {
            message.push(b'!');
        }
        let name = KeyName::new(&format!("witness-{}.example", self.number)).expect("a name");
        Ok(ed25519_line(&name, &self.key(), time, &self.signer.sign_now(&message)))
    }
}

#[async_trait]
impl WitnessApi for TestWitness {
    async fn add_checkpoint(
        &self,
        request: &AddCheckpointRequest,
    ) -> Result<Vec<SignatureLine>, AddCheckpointError> {
        {
            let mut state = self.state.lock().expect("no panic");
            state.requests += 1;
            state.shown.push(request.checkpoint.checkpoint.tree_head);
        }
        let mood = *self.mood.borrow();
        match mood {
            Mood::Good | Mood::Forging => {}
            Mood::Stranger => return Err(AddCheckpointError::UnknownOrigin),
            Mood::Silent => std::future::pending().await,
            Mood::Unavailable => {
                let detail = "overloaded".into();
                return Err(AddCheckpointError::Unavailable { retry_after_s: None, detail });
            }
            Mood::Ahead(size) => {
                return Err(AddCheckpointError::Conflict { size: TreeSize(size) });
            }
            Mood::Forgetful(size) => {
                let mut state = self.state.lock().expect("no panic");
                state.cosigned.retain(|head| head.size.0 <= size);
                self.mood.send_replace(Mood::Good);
            }
        }
        Ok(vec![self.sign(request)?])
    }
}
