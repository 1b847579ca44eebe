//! Faults that tests put between the log and its witnesses.

use async_trait::async_trait;
use sigsum_api::{AddCheckpointError, WitnessApi};
use sigsum_core::note::SignatureLine;
use sigsum_core::wire::witness::AddCheckpointRequest;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// What a witness behind a [`Switch`] does with requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// Answers as it should.
    None = 0,
    /// Takes requests and never answers.
    BlackHole = 1,
    /// Refuses at once, as a proxy with a dead backend does.
    Refuse = 2,
}

/// A witness that can be made to fail while the log runs.
pub struct Switch {
    inner: Arc<dyn WitnessApi>,
    fault: AtomicU8,
}

impl Switch {
    /// A healthy witness.
    pub fn new(inner: Arc<dyn WitnessApi>) -> Self {
        Self { inner, fault: AtomicU8::new(Fault::None as u8) }
    }

    /// Sets what happens to requests from now on.
    pub fn set(&self, fault: Fault) {
        self.fault.store(fault as u8, Ordering::SeqCst);
    }
}

impl std::fmt::Debug for Switch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Switch").field("fault", &self.fault).finish_non_exhaustive()
    }
}

#[async_trait]
impl WitnessApi for Switch {
    async fn add_checkpoint(
        &self,
        request: &AddCheckpointRequest,
    ) -> Result<Vec<SignatureLine>, AddCheckpointError> {
        let fault = self.fault.load(Ordering::SeqCst);
        if fault == Fault::BlackHole as u8 {
            std::future::pending::<()>().await;
        }
        if fault == Fault::Refuse as u8 {
            return Err(AddCheckpointError::Peer { status: 502, detail: "backend down".into() });
        }
        self.inner.add_checkpoint(request).await
    }
}
