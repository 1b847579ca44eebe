//! Policies with names: the rule for names, and the policies that are built in (Sigsum proposal
//! 2025-07, "named policies").

/// The regular expression of policy names, for messages.
pub const NAME_RULE: &str = "^[a-z0-9][a-z0-9-]+$";

/// Suffix of installed policy files.
pub const FILE_SUFFIX: &str = ".sigsum-policy";

/// A name that is no policy name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid policy name {}, does not match regexp \"{NAME_RULE}\"", super::go_quoted(.0.as_bytes()))]
pub struct NameError(pub alloc::string::String);

macro_rules! builtin {
    ($($name:literal),* $(,)?) => {
        /// Names and texts, in the order of the names.
        const BUILTIN: &[(&str, &[u8])] = &[$((
            $name,
            include_bytes!(concat!("builtin/", $name, ".builtin-policy")),
        )),*];
    };
}

builtin!("sigsum-generic-2025-1", "sigsum-test-2025-3", "sigsum-test1-2025", "sigsum-test2-2025",);

/// The built-in policy of this name, as a policy file in Sigsum's format.
pub fn builtin(name: &str) -> Option<&'static [u8]> {
    BUILTIN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The names of the built-in policies, in order.
pub fn builtin_names() -> impl Iterator<Item = &'static str> {
    BUILTIN.iter().map(|(name, _)| *name)
}

/// Whether a text is a policy name: two or more of `a-z`, `0-9` and `-`, the first no `-`.
pub fn valid_name(name: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    name.len() >= 2 && !name.starts_with('-') && name.bytes().all(allowed)
}

/// Refuses what is no policy name, in the words of the Go tools.
///
/// # Errors
/// [`NameError`].
pub fn check_name(name: &str) -> Result<(), NameError> {
    if valid_name(name) { Ok(()) } else { Err(NameError(name.into())) }
}

#[cfg(test)]
mod tests;
