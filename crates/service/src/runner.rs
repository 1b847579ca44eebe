//! Runs a daemon from `main` to its end: runtime, signals, start-up line, and the [`Context`] that
//! roles get.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::clock::{Clock, SystemClock};
use crate::health::Health;
use crate::logging::LogControl;
use crate::metrics::{MetricsError, Registry, register_process_metrics};
use crate::notify::Notify;
use crate::reload::{Reload, on_hangup};
use crate::shutdown::{Shutdown, on_signals};

/// What a role is given of the world. Clones share everything.
#[derive(Clone, Debug)]
pub struct Context {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Tells the role to stop.
    pub shutdown: Shutdown,
    /// Where the role registers its metrics.
    pub metrics: Registry,
    /// Where the role says what it still waits for.
    pub health: Health,
    /// Tells the role to read its configuration again.
    pub reload: Reload,
    /// Where the role says that it is at work.
    pub notify: Notify,
}

impl Context {
    /// A context of its own: nothing in it is shared with another node.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            shutdown: Shutdown::new(),
            metrics: Registry::new(),
            health: Health::new(),
            reload: Reload::new(),
            notify: Notify::silent(),
        }
    }
}

/// What the start-up line says, and where lines go.
#[derive(Clone, Debug)]
pub struct Program {
    /// As the operator calls it: `sigsum-log-primary`.
    pub name: &'static str,
    /// Version, with the revision it was built from if known.
    pub version: &'static str,
    /// Where lines are written, so that a file is opened anew at SIGHUP.
    pub logging: Option<LogControl>,
    /// Whether the role reads its configuration again at SIGHUP. One that does not ends with its
    /// terminal, unless it has a log file to open anew, or was started by nohup.
    pub reloads: bool,
}

/// Why a daemon ended with a failure.
#[derive(Debug, thiserror::Error)]
pub enum RunError<E> {
    /// The operating system refuses threads or signal handlers.
    #[error("cannot start: {0}")]
    System(#[source] io::Error),
    /// Process metrics were registered by somebody else.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The role itself.
    #[error(transparent)]
    Role(E),
}

/// How long blocking calls have to return once the role has ended.
const BLOCKED_MS: u64 = 1_000;

/// Runs `role` on a multi-threaded runtime until it returns. SIGINT and SIGTERM trigger the
/// context's shutdown; the role then has to return within its own drain time. SIGHUP opens the log
/// file anew and asks for a reload, or is the end as well: see [`Program::reloads`]. Where systemd
/// started the process, it hears of the stop, and that the process is alive; that it is ready is for
/// the role to say.
///
/// # Errors
/// When the process cannot be set up, or the role fails.
pub fn run<T, E, F, Fut>(program: Program, role: F) -> Result<T, RunError<E>>
where
    F: FnOnce(Context) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    raise_open_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(RunError::System)?;
    let result = runtime.block_on(async {
        let context =
            Context { notify: Notify::of_process(), ..Context::new(Arc::new(SystemClock)) };
        handle_signals(&context, &program).map_err(RunError::System)?;
        context.notify.feed_watchdog();
        register_process_metrics(&context.metrics, &*context.clock)?;
        let pid = std::process::id();
        tracing::info!(version = program.version, pid, "starting {}", program.name);
        let result = role(context).await.map_err(RunError::Role);
        if result.is_ok() {
            tracing::info!("{} has stopped", program.name);
        }
        result
    });
    // The role has ended: what still runs is blocked, such as a write to a pipe that nobody reads.
    runtime.shutdown_timeout(Duration::from_millis(BLOCKED_MS));
    result
}

fn handle_signals(context: &Context, program: &Program) -> io::Result<()> {
    let logging = program.logging.clone();
    let stays = program.reloads || logging.as_ref().is_some_and(LogControl::has_file);
    on_signals(&context.shutdown, !stays && !is_hangup_ignored())?;
    let (shutdown, notify) = (context.shutdown.clone(), context.notify.clone());
    tokio::spawn(async move {
        shutdown.triggered().await;
        notify.stopping();
    });
    if !stays {
        return Ok(());
    }
    on_hangup(&context.reload, move || {
        if let Some(Err(error)) = logging.as_ref().map(LogControl::reopen) {
            tracing::error!(%error, "lines go to the old log file");
        }
    })
}

/// Whether whoever started the process wants it to outlive its terminal, as nohup does.
fn is_hangup_ignored() -> bool {
    /// The bit of SIGHUP, which is signal 1.
    const HANGUP: u64 = 1;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & HANGUP != 0)
}

/// Raises the soft limit on open files to the hard one. systemd starts services with 1024, of which
/// each connection takes one; the low soft limit is for programs that use `select(2)`.
fn raise_open_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, limit = ?limit.current, "cannot raise the limit on open files");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: Program = Program { name: "test", version: "0", logging: None, reloads: true };

    #[test]
    fn a_role_gets_a_context_with_process_metrics_and_its_result_comes_back() {
        let page = run::<_, io::Error, _, _>(PROGRAM, |context| async move {
            assert!(!context.shutdown.is_triggered());
            Ok(context.metrics.encode())
        });
        assert!(page.unwrap().contains("process_start_time_seconds "));
    }

    #[test]
    fn a_failing_role_comes_back_as_itself() {
        let failed = run::<(), _, _, _>(PROGRAM, |_| async { Err(io::Error::other("no key")) });
        assert_eq!(failed.unwrap_err().to_string(), "no key");
    }

    #[test]
    fn a_call_that_blocks_for_ever_does_not_keep_the_program_from_ending() {
        let (_never_sends, receiver) = std::sync::mpsc::channel::<()>();
        let ended = run::<_, io::Error, _, _>(PROGRAM, |_| async move {
            tokio::task::spawn_blocking(move || receiver.recv());
            Ok(())
        });
        ended.unwrap();
    }

    #[test]
    fn the_soft_limit_on_open_files_is_raised_to_the_hard_one() {
        raise_open_file_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
