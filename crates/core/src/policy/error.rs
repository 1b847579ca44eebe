//! What is wrong with a policy, in the words of the Go tools.

use super::quote::is_printable;
use super::text::{PolicyText, PolicyTextError};
use crate::bytes::PublicKey;
use crate::note::{NoteKey, SignatureType, VkeyError};
use alloc::{format, string::String};
use core::fmt;

/// A refused policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError {
    /// Line number, counted from one; `None` for what concerns the whole file. Some texts leave it
    /// out, as in the Go tools.
    pub line: Option<usize>,
    /// What is wrong.
    pub kind: PolicyErrorKind,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let without_line = matches!(
            self.kind,
            PolicyErrorKind::ControlCharacter(_) | PolicyErrorKind::LineTooLong
        );
        match self.line {
            Some(line) if !without_line => write!(f, "{line}: {}", self.kind),
            _ => self.kind.fmt(f),
        }
    }
}

impl core::error::Error for PolicyError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        core::error::Error::source(&self.kind)
    }
}

/// What a name was to be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameUse {
    /// Naming a witness.
    Witness,
    /// Naming a group.
    Group,
    /// A member of a group.
    Member,
    /// The quorum.
    Quorum,
}

/// Why a hex public key was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicKeyHexError {
    /// An octet that is no hex digit.
    InvalidByte(u8),
    /// An odd number of digits.
    OddLength,
    /// Digits for another number of bytes than 32.
    Length {
        /// Bytes that the digits make.
        got: usize,
    },
}

impl fmt::Display for PublicKeyHexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::InvalidByte(octet) => {
                let character = char::from(octet);
                write!(f, "encoding/hex: invalid byte: U+{octet:04X}")?;
                if is_printable(character) { write!(f, " '{character}'") } else { Ok(()) }
            }
            Self::OddLength => f.write_str("encoding/hex: odd length hex string"),
            Self::Length { got } => {
                let expected = PublicKey::LEN;
                write!(f, "unexpected length of hex data, expected {expected}, got {got}")
            }
        }
    }
}

impl core::error::Error for PublicKeyHexError {}

/// What is wrong with a policy or a line of it. The texts are those of the Go tools where these
/// have the error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyErrorKind {
    /// An octet below 0x20 that is no tab, or 0x7f.
    #[error("invalid control character 0x{0:02x}")]
    ControlCharacter(u8),
    /// A line longer than [`super::MAX_LINE_BYTES`].
    #[error("bufio.Scanner: token too long")]
    LineTooLong,
    /// A file larger than [`super::MAX_POLICY_BYTES`].
    #[error("policy of {got} bytes, at most {} are read", super::MAX_POLICY_BYTES)]
    TooLarge {
        /// Size of what was given.
        got: usize,
    },
    /// More logs, witnesses or groups than the limit.
    #[error("more than {max} {what}")]
    TooMany {
        /// Which of the three.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// The first word of a line.
    #[error("unknown keyword: {}", .0.quoted())]
    UnknownKeyword(PolicyText),
    /// Number of words in a log line.
    #[error("invalid log policy line, public key required, url optional")]
    LogArguments,
    /// Number of words in a witness line.
    #[error("invalid witness policy line, public key and name required, url optional")]
    WitnessArguments,
    /// Number of words in a group line.
    #[error("too few arguments, name, threshold and at least one member is required")]
    GroupArguments,
    /// Number of words in a quorum line.
    #[error("incorrect number of arguments: group or witness required")]
    QuorumArguments,
    /// A key in a Sigsum policy.
    #[error("{0}")]
    PublicKey(#[from] PublicKeyHexError),
    /// A key in a `tlog-policy`.
    #[error("invalid vkey: {0}")]
    Vkey(#[from] VkeyError),
    /// A vkey that is not UTF-8.
    #[error("invalid vkey: not UTF-8")]
    VkeyNotUtf8,
    /// A type of key that does not sign checkpoints: 1 and 6 do (`tlog-checkpoint`, "Signatures").
    #[error("vkey of type 0x{:02x} for a log, expected 0x01 or 0x06", .0.byte())]
    LogKeyType(SignatureType),
    /// A type of key that does not cosign: 4 and 6 do (`tlog-cosignature`, "Format").
    #[error("vkey of type 0x{:02x} for a witness, expected 0x04 or 0x06", .0.byte())]
    WitnessKeyType(SignatureType),
    /// A second log with the same public key.
    #[error("duplicate log: {}", key_text(.0))]
    DuplicateLog(NoteKey),
    /// A second witness with the same public key.
    #[error("duplicate witness: {}", key_text(.0))]
    DuplicateWitness(NoteKey),
    /// A name that is taken; `none` always is.
    #[error("duplicate name{} {}", if *.used_for == NameUse::Group { "" } else { ":" }, .name.quoted())]
    DuplicateName {
        /// The name.
        name: PolicyText,
        /// Witness or group.
        used_for: NameUse,
    },
    /// A threshold that is no decimal integer.
    #[error("strconv.Atoi: parsing {}: invalid syntax", .0.quoted())]
    ThresholdSyntax(PolicyText),
    /// A threshold that does not fit 64 bits.
    #[error("strconv.Atoi: parsing {}: value out of range", .0.quoted())]
    ThresholdOverflow(PolicyText),
    /// A threshold below one or above the number of members.
    #[error("threshold out of range")]
    ThresholdOutOfRange,
    /// A name that no line above defines.
    #[error("undefined name{} {}", if *.used_for == NameUse::Quorum { "" } else { ":" }, .name.quoted())]
    UndefinedName {
        /// The name.
        name: PolicyText,
        /// Member or quorum.
        used_for: NameUse,
    },
    /// A name that is a member already.
    #[error("group/witness {} is already a member of {}", .member.quoted(), .group.quoted())]
    AlreadyMember {
        /// The name.
        member: PolicyText,
        /// The group that has it.
        group: PolicyText,
    },
    /// `none` as a member.
    #[error("group/witness \"none\" cannot be a group member")]
    NoneAsMember,
    /// A second quorum line.
    #[error("quorum can only be set once")]
    QuorumTwice,
    /// No quorum line.
    #[error("no quorum defined")]
    NoQuorum,
    /// A name or URL that no policy line can carry; parsers never see one.
    #[error("{0}")]
    Text(#[from] PolicyTextError),
}

/// A key in a message: hex of Ed25519 keys, the hash of those that are too long.
fn key_text(key: &NoteKey) -> String {
    match key.ed25519() {
        Some(key) => key.to_hex(),
        None => format!("ML-DSA-44 key with hash {}", key.key_hash()),
    }
}
