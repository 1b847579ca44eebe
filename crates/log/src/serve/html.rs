//! Small HTML pages: no scripts, nothing loaded from elsewhere, every text escaped.

use axum::response::Response;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use sigsum_service::http::{text, with_content_type};
use std::fmt::Write as _;

/// Readable on a telephone: one column there, names above their values.
const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:16px/1.45 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem}\
h1{font-size:1.5rem}h2{font-size:1.15rem;margin:1.5rem 0 .4rem}\
dl{display:grid;grid-template-columns:minmax(13rem,max-content) 1fr;gap:.15rem 1rem;margin:0}\
dt{opacity:.7}dd{margin:0;overflow-wrap:anywhere;white-space:pre-line}\
.item,p.good,p.bad,p.unknown{border-left-style:solid;border-left-width:4px}\
.item{padding:.1rem 0 .1rem .7rem;margin:.7rem 0}\
.good{border-color:#2a8a3e}.bad{border-color:#c62828}.unknown{border-color:#8a8a8a}\
p.good,p.bad,p.unknown{padding:.4rem .7rem;font-weight:600}\
ul{padding-left:1.2rem;overflow-wrap:anywhere}\
@media(max-width:36rem){dl{grid-template-columns:1fr;gap:0}dd{margin:0 0 .5rem}}";

/// No script runs, whatever somebody smuggles into a page; only the style above counts.
const CONTENT_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// How something does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Good,
    Bad,
    Unknown,
}

impl Mark {
    fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Unknown => "unknown",
        }
    }
}

/// A page that is being written.
#[derive(Debug)]
pub(super) struct Page {
    text: String,
}

impl Page {
    /// Begins a page; with `refresh_s` a browser loads it again after so many seconds.
    pub(super) fn new(title: &str, refresh_s: Option<u32>) -> Self {
        let title = escape(title);
        let refresh = refresh_s.map_or(String::new(), |seconds| {
            format!("<meta http-equiv=\"refresh\" content=\"{seconds}\">\n")
        });
        let text = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n{refresh}\
             <title>{title}</title>\n<style>{STYLE}</style></head>\n<body>\n<h1>{title}</h1>\n"
        );
        Self { text }
    }

    /// A heading.
    pub(super) fn heading(&mut self, text: &str) {
        let _ = writeln!(self.text, "<h2>{}</h2>", escape(text)); // a String takes everything
    }

    /// A paragraph that says how things are.
    pub(super) fn verdict(&mut self, mark: Mark, text: &str) {
        let _ = writeln!(self.text, "<p class=\"{}\">{}</p>", mark.class(), escape(text));
    }

    /// A list.
    pub(super) fn list(&mut self, items: &[String]) {
        self.text += "<ul>\n";
        for item in items {
            let _ = writeln!(self.text, "<li>{}</li>", escape(item));
        }
        self.text += "</ul>\n";
    }

    /// Names and values.
    pub(super) fn rows<N: AsRef<str>>(&mut self, rows: &[(N, String)]) {
        self.text += "<dl>\n";
        for (name, value) in rows {
            let (name, value) = (escape(name.as_ref()), escape(value));
            let _ = writeln!(self.text, "<dt>{name}</dt><dd>{value}</dd>");
        }
        self.text += "</dl>\n";
    }

    /// One of several things of a kind, with what is known of it.
    pub(super) fn item(&mut self, mark: Mark, rows: &[(&str, String)]) {
        let _ = writeln!(self.text, "<div class=\"item {}\">", mark.class());
        self.rows(rows);
        self.text += "</div>\n";
    }

    /// Links, each a path and its text. Paths are ours.
    pub(super) fn links(&mut self, links: &[(&str, &str)]) {
        let link =
            |(to, text): &(&str, &str)| format!("<a href=\"{}\">{}</a>", escape(to), escape(text));
        let links: Vec<String> = links.iter().map(link).collect();
        let _ = writeln!(self.text, "<p>{}</p>", links.join(", "));
    }

    /// The whole page as an answer. `caching` is its `Cache-Control`.
    pub(super) fn finish(mut self, caching: &'static str) -> Response {
        self.text += "</body>\n</html>\n";
        let mut response = with_content_type(text(self.text), "text/html; charset=utf-8");
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_POLICY));
        response
    }
}

/// Text that cannot be taken for markup. Quotes stay as they are, for scripts that look for the
/// quoted prefix: attributes hold nothing but paths of ours.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            // What a peer wrote must not steer how the page is shown.
            other if other.is_control() && other != '\n' => out.push('\u{fffd}'),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_taken_for_markup() {
        let hostile = "</dd><script>alert('1')</script>&amp;<img src=x onerror=y>";
        let mut page = Page::new(hostile, None);
        page.heading(hostile);
        page.verdict(Mark::Bad, hostile);
        page.list(&[hostile.to_owned()]);
        page.rows(&[(hostile, hostile.to_owned())]);
        page.item(Mark::Good, &[(hostile, hostile.to_owned())]);
        page.links(&[("/", hostile)]);
        for tag in ["<script", "<img", "</dd><", "&amp;<"] {
            assert!(!page.text.contains(tag), "{tag} in {}", page.text);
        }
        // Title, heading, heading, verdict, list, two in rows, two in an item, link.
        assert_eq!(page.text.matches("&lt;script&gt;").count(), 10, "{}", page.text);
    }

    #[test]
    fn control_and_direction_marks_are_replaced() {
        assert_eq!(escape("a\u{1b}[31m\0b\u{202e}c\nd"), "a\u{fffd}[31m\u{fffd}b\u{fffd}c\nd");
    }
}
