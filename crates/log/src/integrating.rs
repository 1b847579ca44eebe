//! Taking leaves into tiles beside everything else, and telling of it once where that fails.

use sigsum_store::StoreError;

/// What was told last.
#[derive(Debug, Default)]
pub(crate) struct Integrating {
    is_failing: bool,
}

impl Integrating {
    /// Runs this beside the runtime's workers; false where it failed. Said when it begins to fail,
    /// and when it works again: a disk that is full stays so for a while, and this is tried again
    /// all the time.
    pub(crate) async fn run<T: Send + 'static>(
        &mut self,
        integrate: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> bool {
        let problem = match tokio::task::spawn_blocking(integrate).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error.to_string()),
            // It panicked, which was printed, or the runtime is going down.
            Err(error) => Some(error.to_string()),
        };
        let was_failing = std::mem::replace(&mut self.is_failing, problem.is_some());
        match &problem {
            Some(problem) if !was_failing => {
                tracing::error!("cannot take leaves into tiles: {problem}");
            }
            None if was_failing => tracing::info!("leaves are taken into tiles again"),
            Some(_) | None => {}
        }
        problem.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    /// Counts the lines of the operator's log.
    #[derive(Default)]
    struct Lines(Arc<AtomicUsize>);

    impl Subscriber for Lines {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &Event<'_>) {
            if event.metadata().target() == "sigsum_log::integrating" {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[tokio::test]
    async fn a_failure_and_its_end_are_told_once_each() {
        let lines = Lines::default();
        let count = lines.0.clone();
        let _told = tracing::subscriber::set_default(lines);
        let told = || count.load(Ordering::SeqCst);
        let mut integrating = Integrating::default();
        assert!(integrating.run(|| Ok(())).await);
        assert_eq!(told(), 0, "that it works is no news");
        for _ in 0..5 {
            assert!(!integrating.run(|| Err::<(), _>(StoreError::Closed)).await);
            assert_eq!(told(), 1);
        }
        let panics = || -> Result<(), StoreError> { panic!("as a bug would") };
        assert!(!integrating.run(panics).await, "who asks pauses then, too");
        assert_eq!(told(), 1);
        for _ in 0..2 {
            assert!(integrating.run(|| Ok(())).await);
            assert_eq!(told(), 2);
        }
    }
}
