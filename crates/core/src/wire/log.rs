//! The log protocol: names of the endpoints, their request paths and all their bodies
//! (`log.md` section 3).

mod add_leaf;
mod leaves;
mod path;
mod proofs;
mod tree_head;

pub use add_leaf::{ADD_LEAF_BODY_BYTES, AddLeafRequest, MAX_ADD_LEAF_BODY_BYTES};
pub use leaves::{LEAF_LINE_BYTES, LeavesWriter, leaves_body, max_leaves_body_bytes, parse_leaves};
pub use path::{GetConsistencyProof, GetInclusionProof, GetLeaves, MAX_PATH_BYTES, PathError};
pub use proofs::{
    ConsistencyProof, InclusionProof, MAX_CONSISTENCY_PROOF_BODY_BYTES,
    MAX_INCLUSION_PROOF_BODY_BYTES,
};
pub use tree_head::{
    MAX_SIGNED_TREE_HEAD_BODY_BYTES, MAX_TREE_HEAD_BODY_BYTES, parse_signed_tree_head,
    parse_tree_head, signed_tree_head_body, tree_head_body,
};

/// Names of the endpoints, as they follow the base URL. Those with parameters end in a slash.
pub mod endpoint {
    /// POST, section 3.5.
    pub const ADD_LEAF: &str = "add-leaf";
    /// GET, section 3.1.
    pub const GET_TREE_HEAD: &str = "get-tree-head";
    /// GET with size and leaf hash, section 3.2.
    pub const GET_INCLUSION_PROOF: &str = "get-inclusion-proof/";
    /// GET with old and new size, section 3.3.
    pub const GET_CONSISTENCY_PROOF: &str = "get-consistency-proof/";
    /// GET with start and end index, section 3.4.
    pub const GET_LEAVES: &str = "get-leaves/";
    /// GET on the internal endpoint of a secondary; not in `log.md`, spoken by log-go.
    pub const GET_SECONDARY_TREE_HEAD: &str = "get-secondary-tree-head";
}
