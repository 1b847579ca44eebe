//! Lines as they are written, and which are.

use super::*;
use crate::clock::ManualClock;

/// 2026-11-22T10:00:00Z.
const NOW_S: u64 = 1_795_341_600;

/// What lands in the log when `events` runs under `settings`.
fn written(settings: &LogSettings, events: impl FnOnce(&LogControl)) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    let sink = Sink::open(Some(file.path())).unwrap();
    let clock = Arc::new(ManualClock::at_s(NOW_S));
    let (subscriber, control) = subscriber(settings, clock, sink);
    tracing::subscriber::with_default(subscriber, || events(&control));
    std::fs::read_to_string(file.path()).unwrap()
}

fn one_of_each() {
    tracing::debug!("debug");
    tracing::info!("info");
    tracing::warn!("warning");
    tracing::error!("error");
    tracing::info!(target: "hyper", "library info");
    tracing::warn!(target: "hyper", "library warning");
    fatal("fatal");
}

fn at(level: Level) -> LogSettings {
    LogSettings { level, ..LogSettings::default() }
}

#[test]
fn plain_lines_have_utc_time_level_text_and_fields() {
    let text = written(&at(Level::Info), |_| {
        tracing::info!(size = 7, origin = "a b", "tree grew");
        fatal("no key");
    });
    assert_eq!(
        text,
        "2026-11-22T10:00:00Z INFO tree grew size=7 origin=\"a b\"\n\
         2026-11-22T10:00:00Z FATAL no key\n"
    );
}

#[test]
fn what_a_peer_sent_cannot_fake_a_line_or_steer_a_terminal() {
    let sent = "/x\n2026-11-22T10:00:00Z ERROR faked \u{1b}[2J\u{9b}2J";
    for format in [LogFormat::Plain, LogFormat::Go, LogFormat::Json] {
        let settings = LogSettings { format, ..at(Level::Info) };
        let text = written(&settings, |_| {
            tracing::info!(path = sent, shown = %sent, "asked for {sent}");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        // JSON lines are for programs, which unescape them; a C1 control is not special there.
        let harmless = |character: char| match character {
            '\n' => true,
            '\u{9b}' => format == LogFormat::Json,
            other => !other.is_control(),
        };
        assert!(text.chars().all(harmless), "{text:?}");
    }
}

#[test]
fn go_lines_have_go_time_and_four_letters() {
    let settings = LogSettings { format: LogFormat::Go, ..at(Level::Debug) };
    let text = written(&settings, |_| one_of_each());
    let found: Vec<_> = text.lines().map(|line| line.get(20..).unwrap()).collect();
    let expected = [
        "[DEBU] debug",
        "[INFO] info",
        "[WARN] warning",
        "[ERRO] error",
        "[WARN] library warning",
        "[FATA] fatal",
    ];
    assert_eq!(found, expected);
    let time = text.get(..20).unwrap();
    assert!(time.starts_with("2026/11/2") && time.ends_with(":00 "), "{time}");
}

#[test]
fn json_lines_carry_time_level_and_fields() {
    let settings = LogSettings { format: LogFormat::Json, ..at(Level::Info) };
    let text = written(&settings, |_| tracing::warn!(size = 7, "tree grew"));
    for part in [
        r#""timestamp":"2026-11-22T10:00:00Z""#,
        r#""level":"WARN""#,
        r#""message":"tree grew""#,
        r#""size":7"#,
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn each_level_writes_itself_and_what_is_heavier() {
    let cases = [("debug", 6), ("info", 5), ("warning", 4), ("error", 2), ("fatal", 1)];
    for (name, lines) in cases {
        let text = written(&at(name.parse().unwrap()), |_| one_of_each());
        assert_eq!(text.lines().count(), lines, "{name}: {text}");
        assert!(text.ends_with("FATAL fatal\n"));
    }
}

#[test]
fn other_words_are_no_levels() {
    for text in ["", "warn", "INFO", "info "] {
        let error = text.parse::<Level>().unwrap_err();
        assert!(error.to_string().starts_with(&format!("invalid logging level {text}")));
    }
}

#[test]
fn the_level_changes_while_running() {
    let text = written(&at(Level::Info), |control| {
        tracing::debug!("before");
        control.set_level(Level::Debug);
        tracing::debug!("after");
    });
    assert!(text.contains("after") && !text.contains("before"), "{text}");
}

#[test]
fn a_log_file_that_cannot_be_opened_is_named() {
    let error = Sink::open(Some(Path::new("/nonexistent/log"))).unwrap_err().to_string();
    assert!(error.starts_with("open log file failed: /nonexistent/log: "), "{error}");
}

#[test]
fn lines_go_on_in_a_new_file_when_the_old_one_was_moved_away() {
    let dir = tempfile::tempdir().unwrap();
    let (path, moved) = (dir.path().join("log"), dir.path().join("log.1"));
    let sink = Sink::open(Some(&path)).unwrap();
    let (subscriber, control) =
        subscriber(&at(Level::Info), Arc::new(ManualClock::at_s(NOW_S)), sink);
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!("one");
        std::fs::rename(&path, &moved).unwrap();
        tracing::info!("two");
        control.reopen().unwrap();
        tracing::info!("three");
    });
    let lines = |path| std::fs::read_to_string(path).unwrap().lines().count();
    assert_eq!((lines(&moved), lines(&path)), (2, 1));
}

#[test]
fn a_file_that_cannot_be_opened_leaves_lines_where_they_went() {
    let dir = tempfile::tempdir().unwrap();
    let [old, new] = ["old", "new"].map(|name| dir.path().join(name));
    let sink = Sink::open(Some(&old)).unwrap();
    let (subscriber, control) =
        subscriber(&at(Level::Info), Arc::new(ManualClock::at_s(NOW_S)), sink);
    tracing::subscriber::with_default(subscriber, || {
        assert!(control.set_file(Some(Path::new("/nonexistent/log"))).is_err());
        tracing::info!("one");
        assert!(control.set_file(Some(&new)).unwrap());
        assert!(!control.set_file(Some(&new)).unwrap());
        tracing::info!("two");
    });
    assert!(std::fs::read_to_string(old).unwrap().ends_with("one\n"));
    assert!(std::fs::read_to_string(new).unwrap().ends_with("two\n"));
}
