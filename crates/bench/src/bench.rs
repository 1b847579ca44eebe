//! The benchmarks. Nothing is asserted about how long anything takes; answers that are wrong end a
//! benchmark, since then its figures mean nothing.

mod add_leaf;
mod growth;
mod lab;
mod machine;
mod monitor;
mod reads;
mod silent_witness;
mod start;
mod submit;
mod verify;
mod witness;

use crate::failure::Failure;
use crate::report::{Row, table};
use clap::{Args, ValueEnum};
use lab::Lab;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// Everything below but growth, which fills four logs.
    All,
    /// Adding leaves, durably.
    AddLeaf,
    /// From `sigsum submit` to the proof, on an idle log with three witnesses.
    Submit,
    /// The same with one of three witnesses that never answers, in turns.
    SilentWitness,
    /// get-inclusion-proof, get-consistency-proof, get-leaves, tiles.
    Reads,
    /// add-checkpoint on a witness with many logs, durably.
    Witness,
    /// A monitor that reads a whole log.
    Monitor,
    /// `sigsum verify`, the whole process.
    Verify,
    /// Starting a log that has leaves.
    Start,
    /// The same loads on ever larger logs, up to `--preload` leaves.
    Growth,
}

/// The order in which they run: adding leaves comes last, as it changes the log.
const ORDER: [What; 9] = [
    What::Verify,
    What::Submit,
    What::SilentWitness,
    What::Reads,
    What::Monitor,
    What::Start,
    What::Witness,
    What::AddLeaf,
    What::Growth,
];

impl What {
    /// Whether it runs where nothing was named: growth takes minutes, most of them to fill logs.
    fn is_default(self) -> bool {
        self != Self::Growth
    }
}

/// Options of `bench`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What to measure (default: all)
    #[arg(value_enum)]
    what: Vec<What>,
    /// Seconds that each load lasts
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Connections of each load (default: 16, 64 and 256 for add-leaf, 64 for the rest)
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    connections: Option<u16>,
    /// Leaves that the log has before anything is measured
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1000..))]
    preload: u64,
    /// Logs of the witness
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    logs: u32,
    /// A second each, small logs: shows that it works, measures little
    #[arg(long, conflicts_with_all = ["seconds", "preload", "logs"])]
    quick: bool,
    /// Where data directories are made; should be a disk like the one that is of interest
    #[arg(long)]
    directory: Option<PathBuf>,
}

/// The options, made definite.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) duration: Duration,
    pub(crate) connections: Option<usize>,
    pub(crate) preload: u64,
    pub(crate) logs: u32,
    /// How often what is not a load is repeated.
    pub(crate) repeats: usize,
    /// Files of a batch.
    pub(crate) batch: usize,
}

impl Settings {
    fn new(options: &Options) -> Self {
        let connections = options.connections.map(usize::from);
        if options.quick {
            let duration = Duration::from_secs(1);
            let (preload, logs) = (20_000, 200);
            return Self { duration, connections, preload, logs, repeats: 5, batch: 50 };
        }
        let duration = Duration::from_secs(options.seconds.max(1));
        let Options { preload, logs, .. } = *options;
        Self { duration, connections, preload, logs, repeats: 40, batch: 500 }
    }
}

/// Runs what was asked for and prints the table.
pub(crate) async fn run(options: &Options, program: &Path, data: &Path) -> Result<(), Failure> {
    let data = options.directory.as_deref().unwrap_or(data);
    let all = options.what.is_empty() || options.what.contains(&What::All);
    let settings = Settings::new(options);
    machine::describe(data).await?;
    let mut lab = Lab::new(settings, program, data);
    let mut rows = Vec::new();
    for what in
        ORDER.into_iter().filter(|what| all && what.is_default() || options.what.contains(what))
    {
        let found: Vec<Row> = match what {
            What::All => Vec::new(),
            What::AddLeaf => add_leaf::run(&mut lab).await?,
            What::Submit => submit::run(&mut lab).await?,
            What::SilentWitness => silent_witness::run(&mut lab).await?,
            What::Reads => reads::run(&mut lab).await?,
            What::Witness => witness::run(&lab).await?,
            What::Monitor => monitor::run(&mut lab).await?,
            What::Verify => verify::run(&mut lab).await?,
            What::Start => start::run(&mut lab).await?,
            What::Growth => growth::run(&lab).await?,
        };
        rows.extend(found);
    }
    println!("\n{}", table(&rows));
    Ok(())
}
