//! What talks to logs and witnesses: HTTP adapters of the protocol's traits, the submission
//! workflow, named policies, and the DNS check of submit tokens.
//!
//! # In scope
//! [`HttpLog`] and [`HttpWitness`] (`log.md` section 3, `tlog-witness`) with bounded answers, time
//! limits, proxies and redirects; [`Submitter`], which turns signed checksums into verified proofs;
//! where policies lie on this machine.
//!
//! # Out of scope
//! What proofs mean (core decides it), servers, command lines, clocks: waiting uses tokio's time.
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::expect_used)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::expect_used,
        reason = "a test that goes wrong may panic"
    )
)]

mod duration;
mod http;
mod log;
mod named;
pub mod probe;
pub mod replica;
pub mod submit;
pub mod token_dns;
mod witness;

pub use duration::{DurationError, GoDuration};
pub use http::{
    BaseUrl, BaseUrlError, HttpClient, HttpSettings, HttpSetupError, MAX_ERROR_BODY_BYTES,
    MAX_REDIRECTS,
};
pub use log::{HttpLog, MAX_LEAVES_PER_REQUEST};
pub use named::{
    NamedPolicies, NamedPolicyError, NamedPolicyText, PolicyFileError, PolicySource,
    read_policy_file,
};
pub use submit::{
    Event, LogFailure, LogTarget, SubmitError, SubmitSettings, Submitter, TargetError, TokenSource,
    log_targets,
};
pub use token_dns::{DomainKeys, LookedUp, TokenDns, TokenDnsError};
pub use witness::HttpWitness;
