//! The small state files of a store: written whole, checked whole.
//!
//! Each is text that people can read: a line with kind and version, a line with the SHA-256 of
//! everything behind it, and the contents.
//!
//! | file        | contents                                                     | written |
//! |-------------|--------------------------------------------------------------|---------|
//! | `identity`  | hash of the log's public key                                 | once    |
//! | `role`      | what the node is, with the log's public key; none: a primary | when that changes |
//! | `promotion` | what was known and held when the node became the primary     | then |
//! | `tree`      | size and root hash of what the tiles hold                    | when the journal was integrated |
//! | `head`      | the last head the log signed                                 | before its signature is shown |
//! | `published` | the served head with its cosignatures, and its checkpoint    | at publication and for late cosignatures |

#[cfg(test)]
mod tests;

use crate::durable::FileError;
use crate::error::{Damage, StoreError};
use crate::fs::PRIVATE_FILE;
use crate::place::Place;
use crate::types::{Promotion, Published, Role};
use sigsum_core::ascii::{AsciiError, Problem, Reader, Writer};
use sigsum_core::bytes::to_hex;
use sigsum_core::crypto::sha256;
use sigsum_core::{CosignedTreeHead, Hash, KeyHash, PublicKey, SignedTreeHead, TreeHead, TreeSize};

/// Longest state file: a published head with 256 cosignatures of 229 bytes, and a checkpoint with
/// as many Ed25519 and ML-DSA-44 cosignatures (up to 3.4 KiB in base64, with names), fits.
pub(crate) const MAX_STATE_BYTES: usize = 2 << 20;

/// A state file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Identity,
    Role,
    Promotion,
    Tree,
    Head,
    Published,
}

impl Kind {
    /// Its name in the data directory.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Role => "role",
            Self::Promotion => "promotion",
            Self::Tree => "tree",
            Self::Head => "head",
            Self::Published => "published",
        }
    }

    fn first_line(self) -> String {
        format!("sigsum-store {} v1\n", self.name())
    }

    /// Replaces the file.
    fn store(self, place: &Place, contents: &[u8]) -> Result<(), FileError> {
        place.replace(self.name(), &seal(self, contents), PRIVATE_FILE)
    }

    /// Reads the file, none where there is none, and makes sense of its contents.
    fn load<T>(
        self,
        place: &Place,
        parse: impl FnOnce(&[u8]) -> Result<T, AsciiError>,
    ) -> Result<Option<T>, StoreError> {
        let Some(bytes) = place.read(self.name(), MAX_STATE_BYTES + 1)? else { return Ok(None) };
        let parsed = unseal(self, &bytes).and_then(|contents| Ok(parse(contents)?));
        parsed.map(Some).map_err(|damage| StoreError::damaged(place.join(self.name()), damage))
    }
}

fn seal(kind: Kind, contents: &[u8]) -> Vec<u8> {
    let header = format!("{}sha256={}\n", kind.first_line(), to_hex(&sha256(contents)));
    [header.as_bytes(), contents].concat()
}

fn unseal(kind: Kind, bytes: &[u8]) -> Result<&[u8], Damage> {
    if bytes.len() > MAX_STATE_BYTES {
        return Err(Damage::Length { expected: MAX_STATE_BYTES, got: bytes.len() });
    }
    let first_line = kind.first_line();
    let header = || Damage::Header(first_line.trim_end().to_owned());
    let rest = bytes.strip_prefix(first_line.as_bytes()).ok_or_else(header)?;
    let rest = rest.strip_prefix(b"sha256=").ok_or_else(header)?;
    let (sum, rest) = rest.split_at_checked(2 * Hash::LEN).ok_or_else(header)?;
    let contents = rest.strip_prefix(b"\n").ok_or_else(header)?;
    if sum != to_hex(&sha256(contents)).as_bytes() {
        return Err(Damage::Checksum);
    }
    Ok(contents)
}

/// Whose log this is.
pub(crate) fn load_identity(place: &Place) -> Result<Option<KeyHash>, StoreError> {
    Kind::Identity.load(place, |contents| {
        let mut reader = Reader::new(contents)?;
        let key_hash = reader.hex("key_hash")?;
        let key_hash = reader.bytes(key_hash, KeyHash::from_hex)?;
        reader.end()?;
        Ok(key_hash)
    })
}

pub(crate) fn store_identity(place: &Place, key_hash: &KeyHash) -> Result<(), FileError> {
    let mut writer = Writer::new();
    writer.text("key_hash", &key_hash.to_hex());
    Kind::Identity.store(place, writer.finish().as_bytes())
}

/// What the node with this directory is, and the log's key; none where that was never said, as with
/// a log that was a primary from the start.
pub(crate) fn load_role(place: &Place) -> Result<Option<(Role, PublicKey)>, StoreError> {
    Kind::Role.load(place, |contents| {
        let mut reader = Reader::new(contents)?;
        let role = match reader.value("role")? {
            "primary" => Role::Primary,
            "follower" => Role::Follower,
            "frozen" => Role::Frozen,
            _ => return Err(reader.error_before(Problem::Value("no role that is known"))),
        };
        let key = reader.hex("log_key")?;
        let key = reader.bytes(key, PublicKey::from_hex)?;
        reader.end()?;
        Ok((role, key))
    })
}

pub(crate) fn store_role(place: &Place, role: Role, log_key: &PublicKey) -> Result<(), FileError> {
    let mut writer = Writer::new();
    writer.text("role", &role.to_string());
    writer.text("log_key", &log_key.to_hex());
    Kind::Role.store(place, writer.finish().as_bytes())
}

/// What was known when the node became the primary.
pub(crate) fn load_promotion(place: &Place) -> Result<Option<Promotion>, StoreError> {
    Kind::Promotion.load(place, |contents| {
        let mut reader = Reader::new(contents)?;
        let known_size = TreeSize(reader.integer("known_size")?);
        let held_size = TreeSize(reader.integer("held_size")?);
        reader.end()?;
        Ok(Promotion { known_size, held_size })
    })
}

pub(crate) fn store_promotion(place: &Place, promotion: Promotion) -> Result<(), FileError> {
    let mut writer = Writer::new();
    writer.integer("known_size", promotion.known_size.0);
    writer.integer("held_size", promotion.held_size.0);
    Kind::Promotion.store(place, writer.finish().as_bytes())
}

/// What the tiles hold.
pub(crate) fn load_tree(place: &Place) -> Result<Option<TreeHead>, StoreError> {
    Kind::Tree.load(place, |contents| {
        let mut reader = Reader::new(contents)?;
        let size = TreeSize(reader.integer("size")?);
        let root_hash = reader.hex("root_hash")?;
        let root_hash = reader.bytes(root_hash, Hash::from_hex)?;
        reader.end()?;
        Ok(TreeHead { size, root_hash })
    })
}

pub(crate) fn store_tree(place: &Place, tree: &TreeHead) -> Result<(), FileError> {
    let mut writer = Writer::new();
    writer.integer("size", tree.size.0);
    writer.text("root_hash", &tree.root_hash.to_hex());
    Kind::Tree.store(place, writer.finish().as_bytes())
}

/// The last signed head.
pub(crate) fn load_head(place: &Place) -> Result<Option<SignedTreeHead>, StoreError> {
    Kind::Head.load(place, |contents| {
        let mut reader = Reader::new(contents)?;
        let head = SignedTreeHead::read(&mut reader)?;
        reader.end()?;
        Ok(head)
    })
}

pub(crate) fn store_head(place: &Place, head: &SignedTreeHead) -> Result<(), FileError> {
    let mut writer = Writer::new();
    head.write(&mut writer);
    Kind::Head.store(place, writer.finish().as_bytes())
}

/// The published head: its lines, an empty line, the checkpoint.
pub(crate) fn load_published(place: &Place) -> Result<Option<Published>, StoreError> {
    Kind::Published.load(place, |contents| {
        let split = contents.windows(2).position(|pair| pair == b"\n\n").map_or(0, |at| at + 1);
        let (head, rest) = contents.split_at(split);
        let mut reader = Reader::new(head)?;
        let head = CosignedTreeHead::read(&mut reader)?;
        reader.end()?;
        Ok(Published { head, checkpoint: rest.get(1..).unwrap_or_default().to_vec() })
    })
}

pub(crate) fn store_published(place: &Place, published: &Published) -> Result<(), FileError> {
    let mut writer = Writer::new();
    published.head.write(&mut writer);
    writer.empty_line();
    let contents = [writer.finish().as_bytes(), &published.checkpoint].concat();
    Kind::Published.store(place, &contents)
}
