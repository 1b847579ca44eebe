//! The service crate over real sockets: texts, limits, draining, and sockets from systemd.
#![allow(clippy::unwrap_used, reason = "a test that goes wrong may panic")]

mod client;
mod crowd;
mod deadlines;
mod drain;
mod http2;
mod limits;
mod systemd;
mod texts;
mod tls;

use std::net::SocketAddr;

use axum::Router;
use sigsum_service::listen::Endpoint;
use sigsum_service::serve::{Limits, ServerHandle, spawn};
use sigsum_service::shutdown::Shutdown;

/// Serves `router` on a free loopback port.
async fn start(router: Router, limits: Limits) -> (ServerHandle, SocketAddr) {
    let listener = Endpoint::loopback().bind().await.unwrap();
    let server = spawn(listener, router, &Shutdown::new(), limits);
    let address = server.address().tcp().unwrap();
    (server, address)
}
