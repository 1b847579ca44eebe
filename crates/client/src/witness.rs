//! A witness behind HTTP (C2SP `tlog-witness`).

use crate::http::{Answer, BaseUrl, Endpoint, HttpClient, HttpSetupError};
use async_trait::async_trait;
use sigsum_api::{AddCheckpointError, ApiError, WitnessApi};
use sigsum_core::note::SignatureLine;
use sigsum_core::wire::witness::{
    AddCheckpointRequest, MAX_SIGNATURE_LINES_BODY_BYTES, endpoint, parse_conflict,
    parse_signature_lines,
};

/// A witness at a URL.
#[derive(Debug, Clone)]
pub struct HttpWitness {
    endpoint: Endpoint,
}

impl HttpWitness {
    /// Names the witness; does not connect yet.
    ///
    /// # Errors
    /// [`HttpSetupError`] where the client's settings or the system's root certificates are
    /// unusable.
    pub fn new(client: &HttpClient, base: &BaseUrl) -> Result<Self, HttpSetupError> {
        Ok(Self { endpoint: client.endpoint(base)? })
    }

    /// Where the witness is.
    pub fn base(&self) -> &BaseUrl {
        self.endpoint.base()
    }
}

/// The error for a status that is not 200.
fn failure(answer: &Answer) -> AddCheckpointError {
    let (detail, retry_after_s) = (answer.detail(), answer.retry_after_s);
    match answer.status {
        400 => AddCheckpointError::BadRequest(detail),
        403 => AddCheckpointError::Forbidden(detail),
        404 => AddCheckpointError::UnknownOrigin,
        // The specification names the content type, but the body alone decides: proxies are known
        // to rewrite the header, and nothing else looks like a size and a newline.
        409 => match parse_conflict(&answer.body) {
            Ok(size) => AddCheckpointError::Conflict { size },
            Err(_) => AddCheckpointError::Peer { status: 409, detail },
        },
        422 => AddCheckpointError::Unprocessable(detail),
        429 => AddCheckpointError::RateLimited { retry_after_s, detail },
        500 => AddCheckpointError::Internal(detail),
        503 => AddCheckpointError::Unavailable { retry_after_s, detail },
        status => AddCheckpointError::Peer { status, detail },
    }
}

#[async_trait]
impl WitnessApi for HttpWitness {
    async fn add_checkpoint(
        &self,
        request: &AddCheckpointRequest,
    ) -> Result<Vec<SignatureLine>, AddCheckpointError> {
        let limit = MAX_SIGNATURE_LINES_BODY_BYTES;
        let answer = self
            .endpoint
            .post(endpoint::ADD_CHECKPOINT, request.to_body(), None, limit)
            .await
            .map_err(|error| match error {
                ApiError::Peer { status, detail } => AddCheckpointError::Peer { status, detail },
                other => AddCheckpointError::Transport(other.to_string()),
            })?;
        if answer.status != 200 {
            return Err(failure(&answer));
        }
        parse_signature_lines(&answer.body).map_err(|e| AddCheckpointError::Peer {
            status: 200,
            detail: format!("malformed body: {e}"),
        })
    }
}
