//! The counters when the power fails, and when the machine comes back with a clock that is wrong.

use super::keeper::Keeper;
use super::tests::{KEY, add, loaded, metrics};
use super::*;
use sigsum_limits::{Boot, Moment, write_snapshot};
use sigsum_service::clock::{Clock, ManualClock};
use sigsum_service::metrics::Registry;
use sigsum_store::fs::sim::{Crash, Disk, SimFs};
use sigsum_store::{OpenedLedger, Place};
use std::time::Duration;

const TODAY_MS: u64 = 1_750_000_000_000;
const DAY: Duration = Duration::from_secs(86_400);
const YEAR: Duration = Duration::from_secs(365 * 86_400);

fn clock(now_ms: u64) -> Arc<dyn Clock> {
    let clock = ManualClock::default();
    clock.set_ms(now_ms);
    Arc::new(clock)
}

/// A process: the keeper of a directory's counters, and limits with what it found.
fn start(fs: &SimFs) -> (Keeper, Limits) {
    let place = Place::on(Arc::new(fs.clone()), "/").private_dir("log").unwrap();
    let (keeper, kept) = Keeper::open(place, true, clock(TODAY_MS));
    let rules = loaded(&format!("key {KEY} 1000\nglobal 1000"));
    (keeper, Limits::new(Some(rules), kept.quota, kept.now, metrics(&Registry::new())))
}

fn counted(limits: &Limits) -> [u64; 2] {
    let now = limits.inner.clock.now();
    [Bucket::Key(KEY), Bucket::All].map(|bucket| limits.inner.quota().usage(now, &bucket))
}

#[tokio::test(start_paused = true)]
async fn a_crash_after_any_operation_forgets_what_was_counted_since_the_last_save_at_most() {
    let fs = SimFs::new();
    let mut told = vec![(0, 0, 0)];
    for _ in 0..3 {
        let (mut keeper, limits) = start(&fs);
        for _ in 0..4 {
            let (_, saved, all) = *told.last().unwrap();
            assert!((0..7).all(|_| add(&limits, KEY)));
            told.push((fs.recorded(), saved, all + 7));
            keeper.save(&limits.inner);
            told.push((fs.recorded(), all + 7, all + 7));
        }
    }
    let mut disks = 0;
    fs.recording().replay(|operations, op, disk| {
        let (_, saved, all) = *told.iter().rev().find(|(at, ..)| *at <= operations).unwrap();
        for how in disk.crashes(2, operations as u64) {
            let fs = SimFs::on(disk.crash(how));
            let (mut keeper, limits) = start(&fs);
            let found = counted(&limits);
            let told = format!("{how:?} after {op}: {found:?}, of {saved}..={all}");
            assert!(found.iter().all(|found| (saved..=all).contains(found)), "{told}");
            assert_eq!(found[0], found[1], "{told}");
            let names = Place::on(Arc::new(fs.clone()), "/log/quota").names().unwrap();
            assert!(names.iter().all(|name| !name.ends_with(".damaged")), "{told}: {names:?}");
            assert!(add(&limits, KEY));
            keeper.save(&limits.inner);
            let (_, again) = start(&SimFs::on(fs.disk().crash(Crash::LoseAll)));
            assert_eq!(counted(&again), found.map(|found| found + 1), "{told}");
            disks += 1;
        }
    });
    assert!(disks > 150, "{disks} disks");
}

/// A disk with seven leaves that were counted by another start of the machine, at this time.
fn saved(wall_ms: u64) -> Disk {
    let fs = SimFs::new();
    let mut quota = Quota::new();
    let limits = loaded(&format!("key {KEY} 7\nglobal 1000"));
    for _ in 0..7 {
        let charges = limits.rules.charges(&KEY, None).unwrap();
        let reserved = quota.reserve(QuotaTime(0), charges).unwrap();
        quota.settle(QuotaTime(0), reserved);
    }
    let boot = Some(Boot { id: "another-start-of-this-machine".into(), uptime_ms: 5 });
    let snapshot = write_snapshot(&quota, &Moment { wall_ms, boot });
    let place = Place::on(Arc::new(fs.clone()), "/").private_dir("log").unwrap();
    let (opened, _) = OpenedLedger::open(place.private_dir("quota").unwrap()).unwrap();
    opened.begin(&snapshot).unwrap();
    fs.disk()
}

/// Starts on a machine that was booted anew and whose clock says this; what is counted then, and what
/// is left on the disk.
fn reboot(disk: &Disk, wall_ms: u64) -> (u64, QuotaTime) {
    let fs = SimFs::on(disk.clone());
    let place = Place::on(Arc::new(fs.clone()), "/").private_dir("log").unwrap();
    let (_, kept) = Keeper::open(place, true, clock(wall_ms));
    (kept.quota.usage(kept.now, &Bucket::Key(KEY)), kept.now)
}

#[test]
fn a_reboot_with_a_clock_that_is_wrong_frees_early_or_late_and_never_for_good() {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap();
    let disk = saved(TODAY_MS);
    let (hour, now) = reboot(&disk, TODAY_MS + 3_600_000);
    assert_eq!((hour, now), (7, QuotaTime(3_600_000)), "an hour has passed");
    // Behind: no time has passed, as far as anybody knows, and from then on it passes as ever.
    for behind in [0, TODAY_MS - ms(YEAR), TODAY_MS - 1] {
        assert_eq!(reboot(&disk, behind), (7, QuotaTime(0)));
    }
    // Ahead: what was counted is forgotten, once.
    for ahead in [TODAY_MS + ms(DAY), TODAY_MS + 10 * ms(YEAR), u64::MAX] {
        assert_eq!(reboot(&disk, ahead).0, 0);
    }
    // The clock has come back, and the next reboot finds a record from the future.
    let disk = saved(TODAY_MS + 10 * ms(YEAR));
    assert_eq!(reboot(&disk, TODAY_MS), (7, QuotaTime(0)), "kept, and free a day later");
}
