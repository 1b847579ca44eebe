//! What the nodes of one log read from each other, on the internal endpoint: leaves up to the last
//! committed one, and heads. As log-go has it, and with waiting (`sigsum_client::replica`).

use super::external::{REST, RestOfPath, rest, with, wrong_parameters};
use super::failure;
use crate::config::LARGEST_MAX_RANGE;
use crate::engine::reads;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use sigsum_api::ApiError;
use sigsum_client::replica::{
    GET_SIGNED_TREE_HEAD, MIN_SIZE_PARAMETER, WAIT_PARAMETER, WAITED_HEADER,
};
use sigsum_core::TreeSize;
use sigsum_core::ascii::parse_integer;
use sigsum_core::wire::log::{
    GetLeaves, PathError, endpoint, leaves_body, signed_tree_head_body, tree_head_body,
};
use sigsum_service::http::{Prefix, get, redirect_to_slash, text};
use sigsum_service::shutdown::Shutdown;
use sigsum_store::LogStore;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Longest time for which an answer is kept back, whatever was asked for: well below the minutes
/// after which what is between two nodes forgets a silent connection.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// Most leaves in one answer to another node: as many as an operator may allow to the public.
/// 8192 leaves are 2.2 MB, which a disk takes with one sync.
const MAX_LEAVES: u64 = LARGEST_MAX_RANGE;

/// What another node can read here.
#[derive(Clone)]
pub(crate) struct Replica {
    pub(crate) store: Arc<dyn LogStore>,
    /// Leaves that are committed.
    pub(crate) committed: watch::Receiver<TreeSize>,
    /// Size of the last signed head.
    pub(crate) signed: watch::Receiver<TreeSize>,
    /// Ends all waiting.
    pub(crate) shutdown: Shutdown,
}

impl Replica {
    /// What a store has, whose committed size is heard of. The sender is for the size of each head
    /// that is signed.
    pub(crate) fn of(
        store: &Arc<dyn LogStore>,
        committed: &watch::Receiver<TreeSize>,
        shutdown: &Shutdown,
    ) -> (watch::Sender<TreeSize>, Self) {
        let last = store.load_head().map(|head| head.tree_head.size);
        let (sender, signed) = watch::channel(last.unwrap_or_default());
        let (store, committed) = (store.clone(), committed.clone());
        (sender, Self { store, committed, signed, shutdown: shutdown.clone() })
    }
}

/// The routes, under the prefix.
pub(crate) fn routes(replica: Replica, prefix: &Prefix) -> Router {
    let leaves = prefix.route(endpoint::GET_LEAVES);
    Router::new()
        .route(&format!("{leaves}{REST}"), get(get_leaves))
        .route(&leaves, get(async || wrong_parameters()))
        .route(leaves.trim_end_matches('/'), get(redirect_to_slash))
        .route(&prefix.route(GET_SIGNED_TREE_HEAD), get(get_signed_tree_head))
        .route(&prefix.route(endpoint::GET_TREE_HEAD), get(get_tree_head))
        .route(&prefix.route("checkpoint"), get(get_checkpoint))
        .with_state(replica)
}

/// How long an answer may be kept back, and for which size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) wait: Duration,
    pub(crate) min_size: TreeSize,
}

impl Waiting {
    /// Reads a query. What is not ours in it is nobody's business.
    ///
    /// # Errors
    /// [`PathError::Parameters`] for a value that is no number.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, PathError> {
        let mut waiting = Self::default();
        for pair in query.unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let number = || parse_integer(value).ok_or(PathError::Parameters);
            match name {
                WAIT_PARAMETER => waiting.wait = Duration::from_millis(number()?).min(MAX_WAIT),
                MIN_SIZE_PARAMETER => waiting.min_size = TreeSize(number()?),
                _ => {}
            }
        }
        Ok(waiting)
    }

    /// Returns when the size is there, the time is over, or the node stops.
    pub(crate) async fn keep_back(self, size: &watch::Receiver<TreeSize>, shutdown: &Shutdown) {
        if self.wait.is_zero() {
            return;
        }
        let mut size = size.clone();
        tokio::select! {
            // An error says that the sender is gone: the node stops.
            _ = size.wait_for(|size| *size >= self.min_size) => {}
            () = tokio::time::sleep(self.wait) => {}
            () = shutdown.triggered() => {}
        }
    }
}

/// Says that waiting is understood here.
pub(crate) fn waits(mut response: Response) -> Response {
    let name = HeaderName::from_static(WAITED_HEADER);
    response.headers_mut().insert(name, HeaderValue::from_static("1"));
    response
}

/// Leaves of the committed tree, published or not. At its end 404, which a follower takes for
/// "come back later".
async fn get_leaves(
    State(replica): State<Replica>,
    RawQuery(query): RawQuery,
    path: RestOfPath,
) -> Response {
    let parameters = rest(path)
        .and_then(|rest| Ok((GetLeaves::parse(&rest)?, Waiting::parse(query.as_deref())?)));
    let answer = with(parameters, async |(request, waiting)| {
        let min_size = TreeSize(request.start.0.saturating_add(1));
        if request.start.0 == replica.store.committed_size().0 {
            let waiting = Waiting { min_size, ..waiting };
            waiting.keep_back(&replica.committed, &replica.shutdown).await;
        }
        let size = replica.store.committed_size();
        let end = reads::follower_leaves_end(&request, size, MAX_LEAVES)?;
        let end = end.ok_or_else(|| ApiError::NotFound("at end of tree".into()))?;
        let leaves = replica.store.leaves(request.start, end);
        Ok(leaves_body(&leaves.map_err(|e| ApiError::Internal(e.to_string()))?))
    });
    waits(answer.await)
}

/// The last head that the log signed, before its cosignatures.
async fn get_signed_tree_head(
    State(replica): State<Replica>,
    RawQuery(query): RawQuery,
) -> Response {
    let answer = with(Waiting::parse(query.as_deref()), async |waiting| {
        waiting.keep_back(&replica.signed, &replica.shutdown).await;
        let head = replica.store.load_head();
        let head = head.ok_or_else(|| ApiError::NotFound("no tree head yet".into()))?;
        Ok(signed_tree_head_body(&head).into_bytes())
    });
    waits(answer.await)
}

async fn get_tree_head(State(replica): State<Replica>) -> Response {
    match replica.store.load_published() {
        Some(published) => text(tree_head_body(&published.head)),
        None => failure(&ApiError::NotFound("no published tree head yet".into())),
    }
}

async fn get_checkpoint(State(replica): State<Replica>) -> Response {
    match replica.store.load_published() {
        Some(published) => text(published.checkpoint.clone()),
        None => failure(&ApiError::NotFound("no published tree head yet".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<Waiting, PathError> {
        Waiting::parse(Some(query))
    }

    #[test]
    fn a_query_says_what_is_waited_for_and_how_long() {
        let waiting = Waiting { wait: Duration::from_millis(250), min_size: TreeSize(7) };
        assert_eq!(parse("wait_ms=250&min_size=7"), Ok(waiting));
        assert_eq!(parse("min_size=7&unknown=x&wait_ms=250&"), Ok(waiting));
        assert_eq!(Waiting::parse(None), Ok(Waiting::default()));
        assert_eq!(parse(""), Ok(Waiting::default()));
    }

    #[test]
    fn nobody_is_kept_waiting_for_longer_than_the_limit() {
        let wait = parse(&format!("wait_ms={}", i64::MAX)).map(|waiting| waiting.wait);
        assert_eq!(wait, Ok(MAX_WAIT));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for query in ["wait_ms=", "wait_ms", "wait_ms=-1", "wait_ms=1.5", "min_size=007"] {
            assert_eq!(parse(query), Err(PathError::Parameters), "{query}");
        }
        assert_eq!(parse("min_size=9223372036854775808"), Err(PathError::Parameters));
    }

    #[tokio::test]
    async fn an_answer_is_kept_back_until_the_size_is_there_or_the_time_is_over_or_the_node_stops()
    {
        const LONG: Duration = Duration::from_secs(600);
        let (size, sizes) = watch::channel(TreeSize(6));
        let shutdown = Shutdown::new();
        let waiting = |wait, size| Waiting { wait, min_size: TreeSize(size) };
        waiting(Duration::from_millis(1), 7).keep_back(&sizes, &shutdown).await;
        waiting(LONG, 6).keep_back(&sizes, &shutdown).await;
        let grow = async { size.send_replace(TreeSize(8)) };
        tokio::join!(waiting(LONG, 7).keep_back(&sizes, &shutdown), grow);
        let stop = async { shutdown.trigger() };
        tokio::join!(waiting(LONG, 9).keep_back(&sizes, &shutdown), stop);
    }
}
