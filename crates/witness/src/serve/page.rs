//! The page at `/`: who the witness is and what it has seen, for people.

use crate::witness::{LogStatus, Witness};
use axum::response::Response;
use sigsum_service::http as answer;
use std::fmt::Write as _;

/// Logs on the page. Some 200 bytes each, so the page stays below 256 KiB; `/metrics` and the read
/// API know the rest.
const MAX_LOGS: usize = 1000;

const HEAD: &str = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
    <meta name=\"viewport\" content=\"width=device-width\">\n<title>Witness</title>\n\
    <style>body{font-family:monospace;margin:2em}td{padding-right:2em}</style>\n</head>\n<body>\n";

/// Writes the page.
pub(super) fn render(witness: &Witness) -> Response {
    let mut page = HEAD.to_owned();
    for vkey in witness.vkeys() {
        let name = escape(vkey.name.as_str());
        let vkey = escape(&vkey.to_string());
        // Writing to a String cannot fail, here and below.
        let _ = write!(page, "<h1>Witness {name}</h1>\n<p>Verifier key: {vkey}</p>\n");
    }
    let logs = witness.logs();
    let _ = writeln!(page, "<h2>Logs</h2>\n<p>{} in all</p>\n<table>", logs.len());
    page.push_str("<tr><th>origin</th><th>size</th><th>root hash</th></tr>\n");
    for log in logs.iter().take(MAX_LOGS) {
        row(&mut page, log);
    }
    page.push_str("</table>\n</body>\n</html>\n");
    answer::with_content_type(answer::text(page), "text/html; charset=utf-8")
}

fn row(page: &mut String, log: &LogStatus) {
    let origin = escape(log.origin.as_str());
    let (size, root) = match &log.tree_head {
        Some(head) => (head.size.to_string(), head.root_hash.to_base64()),
        None => ("-".to_owned(), "never cosigned".to_owned()),
    };
    let _ = writeln!(page, "<tr><td>{origin}</td><td>{size}</td><td>{root}</td></tr>");
}

/// Names and origins are free text.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn markup_in_an_origin_is_shown_and_not_obeyed() {
        assert_eq!(escape("<b>\"a\" & c</b>"), "&lt;b&gt;&quot;a&quot; &amp; c&lt;/b&gt;");
    }
}
