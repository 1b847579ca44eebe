//! Domain names in the one form in which they are compared.
//!
//! The form is log-go's (`sigsum-go/pkg/submit-token`): Unicode, NFKC, lowercase, A-labels decoded.
//! Beyond log-go, a name here is one that DNS could hold, and A-labels are those of their U-labels,
//! so that names which are equal here are one name in DNS too.

use icu_normalizer::ComposingNormalizerBorrowed;
use idna::punycode;
use std::borrow::Borrow;
use std::fmt;

/// Longest name in its ASCII form (RFC 1035 section 2.3.4: 255 octets on the wire).
const MAX_NAME_BYTES: usize = 253;
/// Longest label in its ASCII form (RFC 1035 section 2.3.4).
const MAX_LABEL_BYTES: usize = 63;
/// Longest text that is looked at: a name of 253 ASCII bytes is one of at most 253 characters, and
/// a character that NFKC shrinks has four bytes at most, with room for combining marks.
const MAX_TEXT_BYTES: usize = 4 * 4 * MAX_NAME_BYTES;
/// What begins an A-label (RFC 5890 section 2.3.2.1).
const ACE_PREFIX: &str = "xn--";

/// Why a text is no domain name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// No name at all.
    #[error("is empty")]
    Empty,
    /// Longer than DNS allows, as a whole or in a label.
    #[error("is longer than DNS allows")]
    TooLong,
    /// Two dots in a row, or one at the beginning.
    #[error("has an empty label")]
    EmptyLabel,
    /// Something else than letters, digits, `-` and `_`.
    #[error("has a character that no domain name has")]
    Character,
    /// A label that begins like an A-label and does not decode, or decodes to what has another
    /// ASCII form.
    #[error("has a label with xn-- that is no A-label")]
    ALabel,
    /// An A-label of what is not in NFKC.
    #[error("has an A-label that decodes to un-normalized Unicode")]
    NotNormalized,
    /// An A-label of what has capitals.
    #[error("has an A-label that decodes to what is not all-lowercase")]
    NotLowercase,
}

/// A domain name: Unicode labels, normalised, lowercase, without a dot at its end.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain(Box<str>);

impl Domain {
    /// Reads a name in any form: capitals, A-labels, combining characters, a dot at its end.
    ///
    /// # Errors
    /// [`DomainError`].
    pub fn parse(text: &str) -> Result<Self, DomainError> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(DomainError::TooLong);
        }
        let nfkc = ComposingNormalizerBorrowed::new_nfkc();
        let folded: String = nfkc.normalize(text).chars().map(lowercase).collect();
        // A small letter may compose with a mark that its capital does not, as j with a caron.
        let folded = nfkc.normalize(&folded);
        let name = folded.strip_suffix('.').unwrap_or(&folded);
        if name.is_empty() {
            return Err(DomainError::Empty);
        }
        let labels = name.split('.').map(|label| unicode_label(label, &nfkc));
        let labels = labels.collect::<Result<Vec<_>, _>>()?;
        let ascii_bytes = labels.iter().map(|label| label.ascii_bytes.saturating_add(1));
        if ascii_bytes.fold(0, usize::saturating_add) > MAX_NAME_BYTES.saturating_add(1) {
            return Err(DomainError::TooLong);
        }
        let labels: Vec<_> = labels.into_iter().map(|label| label.text).collect();
        Ok(Self(labels.join(".").into()))
    }

    /// A name that is known to be in this form.
    pub(crate) fn trusted(text: &str) -> Self {
        Self(text.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, then the one above it, up to the last label.
    pub fn and_above(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(self.as_str()), |name| Some(name.split_once('.')?.1))
    }
}

impl Borrow<str> for Domain {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// Lowercase character by character, as Go does: no special sigma at the end of a word, and one
/// character for a capital I with a dot.
fn lowercase(character: char) -> char {
    let mut lower = character.to_lowercase();
    lower.next().unwrap_or(character)
}

struct Label {
    text: String,
    ascii_bytes: usize,
}

/// A label in Unicode, checked.
fn unicode_label(label: &str, nfkc: &ComposingNormalizerBorrowed) -> Result<Label, DomainError> {
    if label.is_empty() {
        return Err(DomainError::EmptyLabel);
    }
    // Before it is decoded or encoded: both take time by the square of the length.
    if label.len() > 4 * MAX_LABEL_BYTES {
        return Err(DomainError::TooLong);
    }
    let text = match label.strip_prefix(ACE_PREFIX) {
        Some(code) => {
            let text = punycode::decode_to_string(code).ok_or(DomainError::ALabel)?;
            if !nfkc.is_normalized(&text) {
                return Err(DomainError::NotNormalized);
            }
            if text.chars().map(lowercase).ne(text.chars()) {
                return Err(DomainError::NotLowercase);
            }
            // What decodes to an A-label again would be another name when it is read once more.
            let is_plain = text.is_ascii() || text.starts_with(ACE_PREFIX);
            if is_plain || punycode::encode_str(&text).as_deref() != Some(code) {
                return Err(DomainError::ALabel);
            }
            text
        }
        None => label.to_owned(),
    };
    let allowed = |c: char| match c.is_ascii() {
        true => c.is_ascii_alphanumeric() || matches!(c, '-' | '_'),
        false => !c.is_whitespace() && !c.is_control(),
    };
    if !text.chars().all(allowed) {
        return Err(DomainError::Character);
    }
    let ascii_bytes = match text.is_ascii() {
        true => text.len(),
        false => {
            let code = punycode::encode_str(&text).ok_or(DomainError::TooLong)?;
            code.len().saturating_add(ACE_PREFIX.len())
        }
    };
    if ascii_bytes > MAX_LABEL_BYTES {
        return Err(DomainError::TooLong);
    }
    Ok(Label { text, ascii_bytes })
}

#[cfg(test)]
#[path = "domain_tests.rs"]
mod tests;
