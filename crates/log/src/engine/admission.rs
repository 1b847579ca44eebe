//! What may become a leaf: the checks of add-leaf, in log-go's order (`log.md` section 3.5).
//!
//! Body syntax, token syntax, leaf signature. Whether the token's domain publishes the key, and
//! whether the submitter is within its limits, are not decided here.

use super::intake::HashedLeaf;
use super::keys::KeyCache;
use sigsum_api::ApiError;
use sigsum_core::ascii::AsciiError;
use sigsum_core::token::{SubmitToken, TokenError};
use sigsum_core::wire::log::AddLeafRequest;

/// Why a submission was refused; always the submitter's doing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The body.
    #[error("invalid body: {0}")]
    Body(#[from] AsciiError),
    /// The `Sigsum-Token` header.
    #[error("invalid Sigsum-Token header: {0}")]
    Token(#[from] TokenError),
    /// The header has bytes that are not visible ASCII.
    #[error("invalid Sigsum-Token header: not ASCII")]
    TokenBytes,
    /// The leaf signature.
    #[error("invalid signature")]
    Signature,
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let text = refusal.to_string();
        match refusal {
            Refusal::Body(_) | Refusal::Token(_) | Refusal::TokenBytes => Self::BadRequest(text),
            Refusal::Signature => Self::Forbidden(text),
        }
    }
}

/// Reads the body.
///
/// # Errors
/// [`Refusal::Body`].
pub fn read_body(body: &[u8]) -> Result<AddLeafRequest, Refusal> {
    Ok(AddLeafRequest::parse(body)?)
}

/// Reads the header's value; an empty one counts as absent, as for log-go.
///
/// # Errors
/// [`Refusal::Token`], [`Refusal::TokenBytes`].
pub fn read_token(header: Option<&[u8]>) -> Result<Option<SubmitToken>, Refusal> {
    let Some(value) = header.filter(|value| !value.is_empty()) else { return Ok(None) };
    let printable = value.iter().all(|b| (0x20..0x7f).contains(b));
    let text = std::str::from_utf8(value).ok().filter(|_| printable).ok_or(Refusal::TokenBytes)?;
    Ok(Some(SubmitToken::from_header(text)?))
}

/// Checks the submitter's signature and gives the leaf.
///
/// # Errors
/// [`Refusal::Signature`].
pub fn check(request: &AddLeafRequest, keys: &KeyCache) -> Result<HashedLeaf, Refusal> {
    if !keys.verify(&request.public_key, &request.message, &request.signature) {
        return Err(Refusal::Signature);
    }
    let leaf = request.leaf();
    Ok(HashedLeaf { hash: leaf.hash(), leaf })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigsum_core::Message;
    use sigsum_keys::{Ed25519Signer, SigningSeed};

    fn request() -> AddLeafRequest {
        let signer = Ed25519Signer::from_seed(&SigningSeed::from_bytes([1; 32]));
        let message = Message::new([2; 32]);
        let signed = sigsum_core::leaf::leaf_signing_bytes(&message.checksum());
        AddLeafRequest {
            message,
            signature: signer.sign_now(&signed),
            public_key: signer.public_key(),
        }
    }

    fn status(refusal: Refusal) -> u16 {
        ApiError::from(refusal).status().code()
    }

    #[test]
    fn a_good_request_becomes_its_leaf() {
        let request = request();
        let body = read_body(&request.to_body()).expect("well formed");
        let admitted = check(&body, &KeyCache::new(16)).expect("a valid signature");
        assert_eq!(admitted.leaf, request.leaf());
        assert_eq!(admitted.hash, request.leaf().hash());
    }

    #[test]
    fn a_body_that_is_malformed_is_400() {
        let mut body = request().to_body();
        body.push(b'\n');
        assert_eq!(status(read_body(&body).expect_err("trailing")), 400);
    }

    #[test]
    fn a_signature_over_another_message_is_403() {
        let other = AddLeafRequest { message: Message::new([3; 32]), ..request() };
        let refused = check(&other, &KeyCache::new(16)).expect_err("forged");
        assert_eq!(refused.to_string(), "invalid signature");
        assert_eq!(status(refused), 403);
    }

    #[test]
    fn an_absent_or_empty_token_is_none() {
        assert_eq!(read_token(None), Ok(None));
        assert_eq!(read_token(Some(b"")), Ok(None));
    }

    #[test]
    fn a_token_is_read() {
        let header = format!("example.org {}", "ab".repeat(64));
        let token = read_token(Some(header.as_bytes())).expect("well formed").expect("present");
        assert_eq!(token.domain, "example.org");
    }

    #[test]
    fn malformed_tokens_are_400() {
        let hex = "ab".repeat(64);
        let cases = [
            "example.org".into(),
            format!("example.org  {hex}"),
            format!("example.org {hex} "),
            format!(" {hex}"),
            format!("example.org {}", "ab".repeat(63)),
            format!("example.org {}", "xy".repeat(64)),
            format!("ex\tample.org {hex}"),
            format!("r\u{e4}ksm\u{f6}rg\u{e5}s.example {hex}"),
            format!("{} {hex}", "a".repeat(254)),
        ];
        for case in cases {
            let refused = read_token(Some(case.as_bytes())).expect_err(&case);
            assert_eq!(status(refused), 400, "{case}");
        }
    }
}
