//! Policy files, line by line (`doc/policy.md`, `tlog-policy`: "Policy file syntax and structure").

use super::builder::{PolicyBuilder, Threshold};
use super::entity::{PolicyLog, PolicyWitness};
use super::error::{PolicyError, PolicyErrorKind, PublicKeyHexError};
use super::text::PolicyText;
use super::{MAX_LINE_BYTES, MAX_POLICY_BYTES, Policy};
use crate::bytes::PublicKey;
use crate::note::Vkey;
use alloc::vec::Vec;

/// How keys are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Hex of Ed25519 keys.
    Sigsum,
    /// vkeys.
    Tlog,
}

/// Reads a policy file.
pub(super) fn parse(bytes: &[u8], format: Format) -> Result<Policy, PolicyError> {
    if bytes.len() > MAX_POLICY_BYTES {
        let kind = PolicyErrorKind::TooLarge { got: bytes.len() };
        return Err(PolicyError { line: None, kind });
    }
    let mut builder = PolicyBuilder::new();
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    for (line, number) in text.split(|byte| *byte == b'\n').zip(1_usize..) {
        let parsed = parse_line(&mut builder, line, format);
        parsed.map_err(|kind| PolicyError { line: Some(number), kind })?;
    }
    builder.finish().map_err(|kind| PolicyError { line: None, kind })
}

/// Reads one line without its newline.
fn parse_line(
    builder: &mut PolicyBuilder,
    line: &[u8],
    format: Format,
) -> Result<(), PolicyErrorKind> {
    if line.len() > MAX_LINE_BYTES {
        return Err(PolicyErrorKind::LineTooLong);
    }
    let line = match (format, line.strip_suffix(b"\r")) {
        (Format::Sigsum, Some(without)) => without,
        _ => line,
    };
    let allowed = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
    if let Some(byte) = line.iter().find(|byte| !allowed(**byte)) {
        return Err(PolicyErrorKind::ControlCharacter(*byte));
    }
    let mut fields = Vec::new();
    for field in line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|f| !f.is_empty()) {
        fields.push(PolicyText::new(field)?);
    }
    let Some((keyword, arguments)) = fields.split_first() else { return Ok(()) };
    if keyword.as_bytes().starts_with(b"#") {
        return Ok(());
    }
    match keyword.as_bytes() {
        b"log" => builder.add_log(log(arguments, format)?)?,
        b"witness" => builder.add_witness(witness(arguments, format)?)?,
        b"group" => {
            let (name, threshold, members) = group(arguments)?;
            builder.add_group(name.clone(), threshold, members.to_vec())?
        }
        b"quorum" => match arguments {
            [name] => builder.set_quorum(name)?,
            _ => return Err(PolicyErrorKind::QuorumArguments),
        },
        _ => return Err(PolicyErrorKind::UnknownKeyword(keyword.clone())),
    };
    Ok(())
}

/// `log KEY [URL]`
fn log(arguments: &[PolicyText], format: Format) -> Result<PolicyLog, PolicyErrorKind> {
    let (key, url) = match arguments {
        [key] => (key, None),
        [key, url] => (key, Some(url.clone())),
        _ => return Err(PolicyErrorKind::LogArguments),
    };
    Ok(match format {
        Format::Sigsum => PolicyLog::sigsum(&public_key(key)?, url),
        Format::Tlog => PolicyLog::from_vkey(vkey(key)?, url),
    })
}

/// `witness NAME KEY [URL]`
fn witness(arguments: &[PolicyText], format: Format) -> Result<PolicyWitness, PolicyErrorKind> {
    let (name, key, url) = match arguments {
        [name, key] => (name.clone(), key, None),
        [name, key, url] => (name.clone(), key, Some(url.clone())),
        _ => return Err(PolicyErrorKind::WitnessArguments),
    };
    Ok(match format {
        Format::Sigsum => PolicyWitness::sigsum(name, &public_key(key)?, url),
        Format::Tlog => PolicyWitness::from_vkey(name, vkey(key)?, url),
    })
}

/// `group NAME any|all|K MEMBER...`
fn group(
    arguments: &[PolicyText],
) -> Result<(&PolicyText, Threshold, &[PolicyText]), PolicyErrorKind> {
    let [name, threshold, members @ ..] = arguments else {
        return Err(PolicyErrorKind::GroupArguments);
    };
    if members.is_empty() {
        return Err(PolicyErrorKind::GroupArguments);
    }
    let threshold = match threshold.as_bytes() {
        b"any" => Threshold::Any,
        b"all" => Threshold::All,
        _ => Threshold::AtLeast(number(threshold)?),
    };
    Ok((name, threshold, members))
}

/// A decimal integer as Go's `strconv.Atoi` reads it on 64 bits: an optional sign, any zeros.
fn number(text: &PolicyText) -> Result<usize, PolicyErrorKind> {
    let syntax = || PolicyErrorKind::ThresholdSyntax(text.clone());
    let unsigned = text.as_bytes().strip_prefix(b"-").or(text.as_bytes().strip_prefix(b"+"));
    let digits = unsigned.unwrap_or(text.as_bytes());
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(syntax());
    }
    let value: i64 = text
        .as_str()
        .ok_or_else(syntax)?
        .parse()
        .map_err(|_| PolicyErrorKind::ThresholdOverflow(text.clone()))?;
    usize::try_from(value).map_err(|_| PolicyErrorKind::ThresholdOutOfRange)
}

/// An Ed25519 key in hex of any case. Faults are found in the order in which Go's decoder does.
fn public_key(text: &PolicyText) -> Result<PublicKey, PublicKeyHexError> {
    let digits = text.as_bytes();
    if let Some(byte) = digits.iter().find(|byte| !byte.is_ascii_hexdigit()) {
        return Err(PublicKeyHexError::InvalidByte(*byte));
    }
    if !digits.len().is_multiple_of(2) {
        return Err(PublicKeyHexError::OddLength);
    }
    let wrong_length = PublicKeyHexError::Length { got: digits.len() / 2 };
    text.as_str().and_then(|hex| PublicKey::from_hex(hex).ok()).ok_or(wrong_length)
}

/// A vkey.
fn vkey(text: &PolicyText) -> Result<Vkey, PolicyErrorKind> {
    Ok(Vkey::parse(text.as_str().ok_or(PolicyErrorKind::VkeyNotUtf8)?)?)
}

#[cfg(test)]
mod tests;
