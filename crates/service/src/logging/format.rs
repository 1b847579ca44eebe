//! The line formats.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::registry::LookupSpan;

use super::FATAL_TARGET;
use crate::clock::Clock;

/// `2026-11-22T10:00:00Z INFO text key=value`.
pub(super) struct PlainLines {
    pub(super) clock: Arc<dyn Clock>,
}

/// `2026/11/22 10:00:00 [INFO] text key=value`.
pub(super) struct GoLines {
    pub(super) clock: Arc<dyn Clock>,
}

/// The time of JSON lines, as RFC 3339.
pub(super) struct ClockTime(pub(super) Arc<dyn Clock>);

/// The clock's time in whole seconds; the epoch for one beyond year 9999.
fn now(clock: &Arc<dyn Clock>) -> Timestamp {
    let seconds = i64::try_from(clock.now_s()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or_default()
}

/// The level's name in plain lines.
fn plain_name(event: &Event<'_>) -> &'static str {
    if event.metadata().target() == FATAL_TARGET {
        return "FATAL";
    }
    match *event.metadata().level() {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        Level::DEBUG | Level::TRACE => "DEBUG",
    }
}

/// Writes text and fields, and ends the line. Control characters are written as escapes: texts
/// quote peers, who must not be able to write lines of their own or to steer a terminal.
fn write_fields<S, N>(
    context: &FmtContext<'_, S, N>,
    mut writer: Writer<'_>,
    event: &Event<'_>,
) -> fmt::Result
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    let mut fields = String::new();
    context.format_fields(Writer::new(&mut fields), event)?;
    for character in fields.chars() {
        if character.is_control() {
            write!(writer, "{}", character.escape_default())?;
        } else {
            writer.write_char(character)?;
        }
    }
    writeln!(writer)
}

impl<S, N> FormatEvent<S, N> for PlainLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        write!(writer, "{} {} ", now(&self.clock), plain_name(event))?;
        write_fields(context, writer, event)
    }
}

impl<S, N> FormatEvent<S, N> for GoLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let local = now(&self.clock).to_zoned(TimeZone::system());
        // Go's tools cut the names to four letters.
        let name = plain_name(event).get(..4).unwrap_or_default();
        write!(writer, "{} [{name}] ", local.strftime("%Y/%m/%d %H:%M:%S"))?;
        write_fields(context, writer, event)
    }
}

impl FormatTime for ClockTime {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", now(&self.0))
    }
}
