//! One connection: the HTTP protocol over a stream with deadlines, into the router.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::routing::future::RouteFuture;
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tower::Service as _;

use super::Limits;
use super::deadline::{InFlight, Timed};
use crate::listen::Stream;
use crate::shutdown::Shutdown;

/// Serves one connection until either side ends it. After `shutdown` the requests that have begun
/// are finished and no new ones taken.
pub(super) async fn run(
    stream: Stream,
    http: auto::Builder<TokioExecutor>,
    router: Router,
    shutdown: Shutdown,
    limits: Limits,
) {
    let in_flight = Arc::new(InFlight::default());
    let stream = TokioIo::new(Timed::new(stream, Arc::clone(&in_flight), limits));
    let service = RouterService { router, in_flight };
    let connection = http.serve_connection(stream, service);
    tokio::pin!(connection);
    let result = tokio::select! {
        biased;
        result = connection.as_mut() => result,
        () = shutdown.triggered() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        // Peers that vanish, send nonsense or are too slow are everyday; the log's operator is
        // told only on request.
        tracing::debug!(error = %error, "connection ended");
    }
}

/// The router as hyper calls it, counting the requests that are being answered.
struct RouterService {
    router: Router,
    in_flight: Arc<InFlight>,
}

impl hyper::service::Service<Request<Incoming>> for RouterService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        let in_flight = InFlight::begin(&self.in_flight);
        // A router is an `Arc`; it is always ready.
        let answer = self.router.clone().call(request.map(Body::new));
        Answering { answer, _in_flight: in_flight }
    }
}

/// A request that is being answered.
struct Answering {
    answer: RouteFuture<Infallible>,
    _in_flight: super::deadline::InFlightGuard,
}

impl Future for Answering {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // `RouteFuture` is `Unpin`: axum keeps the handler boxed.
        Pin::new(&mut self.get_mut().answer).poll(cx)
    }
}
