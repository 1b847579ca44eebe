//! A disk that does not give everything for a while.

use super::support::*;
use sigsum_api::ApiError;
use sigsum_core::TreeSize;
use sigsum_log::Storage;
use sigsum_store::fs::sim::SimFs;
use sigsum_store::{Place, Store};
use std::sync::Arc;
use std::time::Duration;

/// A full tile of hashes, which the leaf index is built from.
const LEAVES: u64 = 260;

fn setup(fs: &SimFs) -> Setup {
    let place = Place::on(Arc::new(fs.clone()), "/log");
    Setup::on(Storage::Place(place), 0, 0)
}

#[tokio::test]
async fn a_log_whose_disk_could_not_be_read_at_the_start_takes_leaves_once_it_can() {
    let fs = SimFs::new();
    let first = setup(&fs);
    let Storage::Place(place) = &first.config.storage else { unreachable!("on a place") };
    Store::init(place, &log_key()).expect("a new store");
    let log = first.start().await;
    log.submit(0..LEAVES).await;
    log.published(LEAVES).await;
    log.stop().await;

    // What opening the data reads works, what the index reads does not.
    for reads in 0.. {
        let fs = SimFs::on(fs.disk());
        fs.fail_reads(reads, u64::MAX);
        let Ok(log) = setup(&fs).try_start().await else { continue };
        log.guard_passed().await;
        let api = log.handle.api();
        let refused = api.add_leaf(&submission(LEAVES), None).await;
        let is_later = |answer: &ApiError| {
            matches!(answer, ApiError::Unavailable { retry_after_s: Some(_), .. })
        };
        assert!(refused.as_ref().is_err_and(is_later), "{refused:?}");
        assert_eq!(log.head().await.signed.tree_head.size, TreeSize(LEAVES), "reads go on");

        fs.heal();
        let added = async {
            while let Err(error) = api.add_leaf(&submission(LEAVES), None).await {
                assert!(is_later(&error), "{error:?}");
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), added).await.expect("leaves are taken");
        log.published(LEAVES + 1).await;
        log.stop().await;
        return;
    }
}
