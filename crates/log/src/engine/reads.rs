//! Which reads the published tree answers, with log-go's statuses and texts.
//!
//! What lies beyond the published head is not shown, even where the log has it already: nobody
//! could verify it. Ranges beyond the tree are 400 as with log-go, not 404.

use sigsum_api::ApiError;
use sigsum_core::wire::log::{GetConsistencyProof, GetInclusionProof, GetLeaves};
use sigsum_core::{LeafIndex, TreeSize};

/// Checks a get-inclusion-proof request against the published size.
///
/// # Errors
/// [`ApiError::BadRequest`] for a size beyond it.
pub fn check_inclusion(request: &GetInclusionProof, published: TreeSize) -> Result<(), ApiError> {
    if request.size > published {
        return Err(ApiError::BadRequest("tree_size outside of current tree".into()));
    }
    Ok(())
}

/// Checks a get-consistency-proof request against the published size.
///
/// # Errors
/// [`ApiError::BadRequest`] for a new size beyond it.
pub fn check_consistency(
    request: &GetConsistencyProof,
    published: TreeSize,
) -> Result<(), ApiError> {
    let new_size = request.new_size;
    if new_size > published {
        let text = format!("new_size {new_size} outside of current tree, size {published}");
        return Err(ApiError::BadRequest(text));
    }
    Ok(())
}

/// Checks a get-leaves request against the published size and cuts it to what one response holds.
/// Gives the index behind the last leaf.
///
/// # Errors
/// [`ApiError::BadRequest`] for a range that is not within the published tree.
pub fn leaves_end(
    request: &GetLeaves,
    published: TreeSize,
    max_range: u64,
) -> Result<LeafIndex, ApiError> {
    let (start, end) = (request.start, request.end);
    if start.0 >= published.0 {
        let text = format!("start_index({start}) outside of current tree");
        return Err(ApiError::BadRequest(text));
    }
    if end.0 > published.0 {
        return Err(ApiError::BadRequest(format!("end_index({end}) outside of current tree")));
    }
    Ok(LeafIndex(end.0.min(start.0.saturating_add(max_range))))
}

/// As [`leaves_end`] for a follower, which reads what is committed and not yet published: the end
/// is clipped, and `None` says that the follower has everything.
///
/// # Errors
/// [`ApiError::BadRequest`] for a start beyond the tree.
pub fn follower_leaves_end(
    request: &GetLeaves,
    tree: TreeSize,
    max_range: u64,
) -> Result<Option<LeafIndex>, ApiError> {
    let (start, end) = (request.start, request.end);
    if start.0 > tree.0 {
        let text = format!("start_index({start}) outside of current tree");
        return Err(ApiError::BadRequest(text));
    }
    let end = end.0.min(tree.0).min(start.0.saturating_add(max_range));
    Ok((end > start.0).then_some(LeafIndex(end)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigsum_core::Hash;

    fn text<T: std::fmt::Debug>(result: Result<T, ApiError>) -> String {
        let error = result.expect_err("beyond the tree");
        assert_eq!(error.status().code(), 400);
        error.public_message().to_owned()
    }

    fn range(start: u64, end: u64) -> GetLeaves {
        GetLeaves { start: LeafIndex(start), end: LeafIndex(end) }
    }

    #[test]
    fn proofs_are_given_up_to_the_published_size() {
        let inclusion = GetInclusionProof { size: TreeSize(5), leaf_hash: Hash::new([0; 32]) };
        assert_eq!(check_inclusion(&inclusion, TreeSize(5)), Ok(()));
        assert_eq!(
            text(check_inclusion(&inclusion, TreeSize(4))),
            "tree_size outside of current tree"
        );
        let consistency = GetConsistencyProof { old_size: TreeSize(2), new_size: TreeSize(5) };
        assert_eq!(check_consistency(&consistency, TreeSize(5)), Ok(()));
        assert_eq!(
            text(check_consistency(&consistency, TreeSize(4))),
            "new_size 5 outside of current tree, size 4"
        );
    }

    #[test]
    fn leaves_are_cut_to_the_largest_range() {
        assert_eq!(leaves_end(&range(0, 5), TreeSize(5), 512), Ok(LeafIndex(5)));
        assert_eq!(leaves_end(&range(1, 5), TreeSize(5), 2), Ok(LeafIndex(3)));
        let far = i64::MAX as u64;
        assert_eq!(leaves_end(&range(far - 1, far), TreeSize(far), 512), Ok(LeafIndex(far)));
    }

    #[test]
    fn leaves_beyond_the_published_tree_are_refused() {
        let end = |start, end| text(leaves_end(&range(start, end), TreeSize(5), 512));
        assert_eq!(end(5, 6), "start_index(5) outside of current tree");
        assert_eq!(end(4, 6), "end_index(6) outside of current tree");
    }

    #[test]
    fn a_follower_gets_what_there_is_and_is_told_the_end() {
        let end = |start, end| follower_leaves_end(&range(start, end), TreeSize(5), 3);
        assert_eq!(end(0, 100), Ok(Some(LeafIndex(3))));
        assert_eq!(end(3, 100), Ok(Some(LeafIndex(5))));
        assert_eq!(end(5, 100), Ok(None));
        assert_eq!(text(end(6, 100)), "start_index(6) outside of current tree");
    }
}
