//! Tiles and entry bundles of the published tree (`tlog-tiles`), and cache headers.

use super::external::External;
use super::failure;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use sigsum_core::merkle::tile::Tile;
use sigsum_service::http::{text, text_error, with_content_type};
use std::sync::Arc;

/// Tiles never change: caches may keep them for a year, and need not ask again.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// "Headers SHOULD prevent caching beyond a few seconds" (`tlog-tiles`, "Checkpoints"). One second
/// takes a crowd off the log and adds little to a submitter's wait.
const SHORT: HeaderValue = HeaderValue::from_static("public, max-age=1");
/// Content type of tiles.
const OCTETS: &str = "application/octet-stream";

/// The same answer, for caches to keep a moment.
pub(super) fn short_lived(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, SHORT);
    response
}

/// `tile/L/N`, `tile/entries/N` and their partial forms.
pub(super) async fn get_tile(
    State(external): State<Arc<External>>,
    Path(rest): Path<String>,
) -> Response {
    external.metrics.tile.measure(async { answer(&external, &rest) }).await
}

fn answer(external: &External, rest: &str) -> Response {
    let Ok(tile) = Tile::parse(&format!("tile/{rest}")) else { return not_found() };
    if let Some(bytes) = external.tiles.get(&tile) {
        return found(bytes);
    }
    match external.log.tile(&tile) {
        Ok(Some(bytes)) => {
            let bytes = Bytes::from(bytes);
            external.tiles.put(&tile, &bytes);
            found(bytes)
        }
        // Not kept by caches: the tile may be there a moment later.
        Ok(None) => not_found(),
        Err(error) => failure(&error),
    }
}

fn found(bytes: Bytes) -> Response {
    let mut response = with_content_type(text(bytes), OCTETS);
    response.headers_mut().insert(CACHE_CONTROL, IMMUTABLE);
    response
}

fn not_found() -> Response {
    text_error(StatusCode::NOT_FOUND, "Not Found")
}
