//! From the start of `sigsum submit` to its proof, with all witnesses healthy and with one of three
//! that takes connections and never answers. Both in turns, as the machine changes meanwhile.

use super::lab::{Lab, start};
use super::submit::{file, submit};
use crate::failure::Failure;
use crate::latency::{Latencies, Summary};
use crate::network::CLIENT_POLICY;
use crate::random::Random;
use crate::report::{Goal, Row, time};

/// Turns of each kind.
const TURNS: usize = 10;

/// Submits one file at a time.
pub(crate) async fn run(lab: &mut Lab) -> Result<Vec<Row>, Failure> {
    // Five times as many as for other figures: the 99th percentile is to be compared.
    let a_turn = (lab.settings.repeats * 5).div_ceil(TURNS);
    let log = lab.log()?;
    let running = start(log).await?;
    let sandbox = &log.network.sandbox;
    sandbox.key("one-by-one")?;
    let mut random = Random::new(11);
    let (mut healthy, mut silent) = (Latencies::default(), Latencies::default());
    println!("\nsubmit, one of three witnesses silent in turns");
    for turn in 0..2 * TURNS {
        let is_silent = turn % 2 == 1;
        let stopped = log.network.witnesses.first().filter(|_| is_silent);
        let stopped = stopped.map(|witness| witness.suspend()).transpose()?;
        for number in 0..a_turn {
            let name = file(sandbox, format!("turn-{turn}-{number}"), &mut random)?;
            let took = submit(sandbox, "one-by-one", CLIENT_POLICY, &[name])?;
            if is_silent { silent.add(took) } else { healthy.add(took) }
        }
        drop(stopped);
    }
    running.daemon.stop()?;
    let (healthy, silent) = (healthy.summary(), silent.summary());
    println!("all healthy: {healthy}\none silent:  {silent}");
    Ok(vec![row(healthy, silent)])
}

fn row(healthy: Summary, silent: Summary) -> Row {
    let ratio = |of: fn(&Summary) -> std::time::Duration| {
        of(&silent).as_secs_f64() / of(&healthy).as_secs_f64().max(1e-9)
    };
    let (median, p99) = (ratio(|of| of.p50), ratio(|of| of.p99));
    let found = format!(
        "median {} to {} ({median:.2} times), p99 {} to {} ({p99:.2} times)",
        time(healthy.p50),
        time(silent.p50),
        time(healthy.p99),
        time(silent.p99),
    );
    let goal = |measured| Goal::AtMost { measured, bar: 1.05, aim: 1.05 };
    let what = "submit -> proof, all witnesses healthy to one of three silent";
    Row::new(what, found, ("both < 1.05 times", ""), &[goal(median), goal(p99)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_row_holds_only_if_median_and_p99_do() {
        let ms = Duration::from_millis;
        let summary = |p50, p99| Summary { p50: ms(p50), p99: ms(p99), max: ms(p99) };
        let verdict = |silent| format!("{:?}", row(summary(100, 200), silent)).contains("MISSED");
        assert!(!verdict(summary(104, 209)));
        assert!(verdict(summary(106, 200)));
        assert!(verdict(summary(100, 211)));
    }
}
