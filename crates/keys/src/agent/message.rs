//! Messages of the agent protocol (`draft-miller-ssh-agent` sections 3.5 and 3.6).

use super::AgentError;
use crate::wire::{ED25519, Reader, parse_public_key_blob, public_key_blob, put_string};
use sigsum_core::{PublicKey, Signature};

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// A key that an agent holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The key, where it is an Ed25519 key.
    pub key: Option<PublicKey>,
    /// The public key in SSH's binary form, of whatever type.
    pub blob: Vec<u8>,
    /// The comment; any bytes.
    pub comment: Vec<u8>,
}

/// A request for the list of keys, with its length.
pub(super) fn list_request() -> Vec<u8> {
    let mut out = Vec::new();
    put_string(&mut out, &[REQUEST_IDENTITIES]);
    out
}

/// A request for a signature without flags, with its length.
pub(super) fn sign_request(key: &PublicKey, message: &[u8]) -> Vec<u8> {
    let mut body = vec![SIGN_REQUEST];
    put_string(&mut body, &public_key_blob(key));
    put_string(&mut body, message);
    body.extend_from_slice(&0u32.to_be_bytes());
    let mut out = Vec::with_capacity(body.len().saturating_add(4));
    put_string(&mut out, &body);
    out
}

/// Reads the answer to a request for the list of keys, without its length.
///
/// # Errors
/// [`AgentError::ListRefused`], [`AgentError::ResponseType`] or [`AgentError::Malformed`].
pub fn parse_identities(answer: &[u8]) -> Result<Vec<Identity>, AgentError> {
    let (kind, body) = answer.split_first().ok_or(AgentError::Malformed)?;
    match *kind {
        IDENTITIES_ANSWER => {}
        FAILURE => return Err(AgentError::ListRefused),
        other => return Err(AgentError::ResponseType(other)),
    }
    let mut reader = Reader::new(body);
    let count = reader.uint32().ok_or(AgentError::Malformed)?;
    let mut list = Vec::new(); // grows with the bytes that are there, not with the count
    for _ in 0..count {
        let blob = reader.string().ok_or(AgentError::Malformed)?;
        let comment = reader.string().ok_or(AgentError::Malformed)?.to_vec();
        let key = parse_public_key_blob(blob).ok();
        list.push(Identity { key, blob: blob.to_vec(), comment });
    }
    if reader.rest().is_empty() { Ok(list) } else { Err(AgentError::Malformed) }
}

/// Reads the answer to a request for a signature, without its length. A refusal comes back with
/// `key_is_missing` false, as the message does not say why.
///
/// # Errors
/// [`AgentError::SignRefused`], [`AgentError::ResponseType`] or [`AgentError::Malformed`].
pub fn parse_signature(answer: &[u8]) -> Result<Signature, AgentError> {
    let (kind, body) = answer.split_first().ok_or(AgentError::Malformed)?;
    match *kind {
        SIGN_RESPONSE => {}
        FAILURE => return Err(AgentError::SignRefused { key_is_missing: false }),
        other => return Err(AgentError::ResponseType(other)),
    }
    read_signature(body).ok_or(AgentError::Malformed)
}

/// A string that holds the type name and the 64 bytes as strings (RFC 8709 section 6).
fn read_signature(body: &[u8]) -> Option<Signature> {
    let mut outer = Reader::new(body);
    let mut inner = Reader::new(outer.string()?);
    let name = inner.string()?;
    let signature = inner.string()?;
    let complete = outer.rest().is_empty() && inner.rest().is_empty() && name == ED25519;
    if complete { Signature::from_slice(signature).ok() } else { None }
}
