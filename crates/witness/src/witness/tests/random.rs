//! Random histories of an honest log and of forks of it, with restarts: whatever is asked, no two
//! cosigned heads are inconsistent, and the sizes never go back.

use super::*;
use proptest::prelude::*;
use sigsum_core::TreeHead;

/// One event in a witness's life.
#[derive(Debug, Clone)]
enum Event {
    /// A request about the tree that differs from the first one from leaf `fork` on.
    Request {
        fork: u64,
        old: u64,
        new: u64,
        proof_of: u64,
    },
    /// The same with the size that the witness stores as old size.
    InStep {
        fork: u64,
        grow: u64,
    },
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    let size = 0..24u64;
    prop_oneof![
        4 => (size.clone(), size.clone(), size.clone(), size.clone()).prop_map(
            |(fork, old, new, proof_of)| Event::Request { fork, old, new, proof_of }
        ),
        6 => (size, 0..4u64).prop_map(|(fork, grow)| Event::InStep { fork, grow }),
        1 => Just(Event::Restart),
    ]
}

/// Whether one head is of a tree that the other is a start of, for trees that differ from the
/// honest one from `fork` on.
fn consistent(a: (u64, &TreeHead), b: (u64, &TreeHead), log: &TestLog) -> bool {
    let (small, large) = if a.1.size <= b.1.size { (a, b) } else { (b, a) };
    log.fork(large.0 as usize).head(small.1.size.0) == *small.1
}

fn request(log: &TestLog, event: &Event, stored: u64) -> Option<(u64, AddCheckpointRequest)> {
    let (fork, old, new, proof_of) = match *event {
        Event::Request { fork, old, new, proof_of } => (fork, old, new, proof_of),
        Event::InStep { fork, grow } => (fork, stored, stored + grow, fork),
        Event::Restart => return None,
    };
    let tree = log.fork(fork as usize);
    let mut request = tree.request(old.min(new), new);
    request.proof = log.fork(proof_of as usize).proof(old.min(new), new);
    request.old_size = TreeSize(old);
    Some((fork, request))
}

async fn live(events: Vec<Event>) -> Result<(), TestCaseError> {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let config = config(&dir, &[&log]);
    let mut witness = witness(&config);
    let mut cosigned: Vec<(u64, TreeHead)> = Vec::new();
    for event in &events {
        let stored = cosigned.last().map_or(0, |(_, head)| head.size.0);
        let Some((fork, request)) = request(&log, event, stored) else {
            witness.close();
            witness = crate::testing::witness(&config);
            continue;
        };
        let head = request.checkpoint.checkpoint.tree_head;
        match witness.add_checkpoint(&request).await {
            Ok(_) => {
                prop_assert!(head.size.0 >= stored, "from {stored} to {}", head.size);
                for (earlier_fork, earlier) in &cosigned {
                    let pair = consistent((*earlier_fork, earlier), (fork, &head), &log);
                    prop_assert!(pair, "{earlier:?} and {head:?}");
                }
                cosigned.push((fork, head));
            }
            Err(AddCheckpointError::Conflict { size }) => prop_assert_eq!(size.0, stored),
            Err(AddCheckpointError::BadRequest(_) | AddCheckpointError::Unprocessable(_)) => {}
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_history_makes_it_cosign_two_inconsistent_heads(
        events in proptest::collection::vec(event(), 1..40)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(live(events))?;
    }
}
