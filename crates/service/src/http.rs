//! Bodies within limits, and answers with the texts that Sigsum's clients know.
//!
//! The shapes are those of log-go's server: errors are `(CODE) message\n`, unknown paths `404 page
//! not found\n`, other methods `Method Not Allowed\n` with an `Allow` field.

mod answer;
mod body;
mod route;

pub use answer::{
    empty, internal_error, text, text_error, text_static, with_content_type, with_retry_after,
};
pub use body::{BodyError, BodyLimit, DEFAULT_BODY_TIMEOUT_MS, read_body};
pub use route::{Prefix, PrefixError, finish, get, post, redirect_to_slash};
