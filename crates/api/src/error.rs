//! Failures of a log, by who is at fault, and the HTTP status and public text of each.

/// An HTTP status that says failure; there is no way to make one that says success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorStatus {
    /// 400.
    BadRequest,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
    /// 409.
    Conflict,
    /// 422.
    UnprocessableEntity,
    /// 429.
    TooManyRequests,
    /// 500.
    InternalServerError,
    /// 502.
    BadGateway,
    /// 503.
    ServiceUnavailable,
}

impl ErrorStatus {
    /// The status code.
    pub const fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::UnprocessableEntity => 422,
            Self::TooManyRequests => 429,
            Self::InternalServerError => 500,
            Self::BadGateway => 502,
            Self::ServiceUnavailable => 503,
        }
    }

    /// The reason phrase of RFC 9110 section 15.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::BadRequest => "Bad Request",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "Not Found",
            Self::Conflict => "Conflict",
            Self::UnprocessableEntity => "Unprocessable Entity",
            Self::TooManyRequests => "Too Many Requests",
            Self::InternalServerError => "Internal Server Error",
            Self::BadGateway => "Bad Gateway",
            Self::ServiceUnavailable => "Service Unavailable",
        }
    }
}

/// Why a log did not do what it was asked.
///
/// `Display` is for the operator's log and names everything; [`Self::public_message`] is what the
/// client reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The caller sent something invalid; the text is for the caller.
    #[error("bad request: {0}")]
    BadRequest(String),
    /// A signature does not verify; the text is for the caller.
    #[error("forbidden: {0}")]
    Forbidden(String),
    /// There is no such thing; the text is for the caller.
    #[error("not found: {0}")]
    NotFound(String),
    /// The caller is over a limit.
    #[error("rate limited: {detail}")]
    RateLimited {
        /// Seconds after which to come back.
        retry_after_s: Option<u64>,
        /// Which limit, for whom; for the caller.
        detail: String,
    },
    /// The server cannot answer now, and later may.
    #[error("unavailable: {detail}")]
    Unavailable {
        /// Seconds after which to come back.
        retry_after_s: Option<u64>,
        /// What is missing; for the operator.
        detail: String,
    },
    /// The server failed; the text is for the operator.
    #[error("internal error: {0}")]
    Internal(String),
    /// The peer was not reached, or the connection broke; made by clients.
    #[error("{0}")]
    Transport(String),
    /// The peer answered with a status that the protocol does not have there, or with a body that
    /// breaks the protocol; made by clients.
    #[error("unexpected answer with status {status}: {detail}")]
    Peer {
        /// The HTTP status.
        status: u16,
        /// The start of the body, or what is wrong with it.
        detail: String,
    },
}

impl ApiError {
    /// The status a server answers with.
    pub const fn status(&self) -> ErrorStatus {
        match self {
            Self::BadRequest(_) => ErrorStatus::BadRequest,
            Self::Forbidden(_) => ErrorStatus::Forbidden,
            Self::NotFound(_) => ErrorStatus::NotFound,
            Self::RateLimited { .. } => ErrorStatus::TooManyRequests,
            Self::Unavailable { .. } => ErrorStatus::ServiceUnavailable,
            Self::Internal(_) => ErrorStatus::InternalServerError,
            Self::Transport(_) | Self::Peer { .. } => ErrorStatus::BadGateway,
        }
    }

    /// What the client reads: the detail where it is about the request, else only the reason
    /// phrase.
    pub fn public_message(&self) -> &str {
        match self {
            Self::BadRequest(text) | Self::Forbidden(text) | Self::NotFound(text) => text,
            Self::RateLimited { detail, .. } => detail,
            Self::Unavailable { .. }
            | Self::Internal(_)
            | Self::Transport(_)
            | Self::Peer { .. } => self.status().reason(),
        }
    }

    /// Value of the `Retry-After` header, in seconds.
    pub const fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::RateLimited { retry_after_s, .. } | Self::Unavailable { retry_after_s, .. } => {
                *retry_after_s
            }
            Self::BadRequest(_)
            | Self::Forbidden(_)
            | Self::NotFound(_)
            | Self::Internal(_)
            | Self::Transport(_)
            | Self::Peer { .. } => None,
        }
    }
}
