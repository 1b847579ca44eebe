//! One connection: the HTTP protocol over a stream with deadlines, into the router.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::future::RouteFuture;
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tower::Service as _;

use super::Limits;
use super::crowd::{Activity, Member, RequestGuard};
use super::deadline::Timed;
use super::unread::Unread;
use crate::listen::Stream;
use crate::shutdown::Shutdown;
use crate::tls::{Application, Tls};

/// What every connection of a server is given.
#[derive(Clone)]
pub(super) struct Setup {
    /// The HTTP implementation.
    pub(super) http: auto::Builder<TokioExecutor>,
    /// Who answers.
    pub(super) router: Router,
    /// How much may wait to be read.
    pub(super) unread: Unread,
    /// Tells connections to finish what they are at.
    pub(super) shutdown: Shutdown,
    /// Times.
    pub(super) limits: Limits,
}

/// Serves one connection until either side ends it, or it has to make room. After the shutdown the
/// requests that have begun are finished and no new ones taken.
pub(super) async fn run(stream: Stream, tls: Option<Tls>, setup: Setup, member: Member) {
    let Some(tls) = tls else { return serve_http(stream, setup, member).await };
    let limit = Duration::from_millis(setup.limits.head_timeout_ms);
    let handshake = tokio::select! {
        handshake = tokio::time::timeout(limit, tls.accept(stream)) => handshake,
        () = member.activity().cut() => return,
        () = setup.shutdown.triggered() => return,
    };
    let stream = match handshake {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "TLS handshake failed"),
        Err(_) => return tracing::debug!("TLS handshake took too long"),
    };
    match Application::of(&stream) {
        // On the heap: the state of TLS is larger than that of everything else here.
        Some(Application::Http) => Box::pin(serve_http(stream, setup, member)).await,
        // The handshake was all (RFC 8737 section 3).
        Some(Application::Acme) | None => {}
    }
}

async fn serve_http<S>(stream: S, setup: Setup, member: Member)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Setup { http, router, unread, shutdown, limits } = setup;
    let activity = member.activity();
    let stream = TokioIo::new(Timed::new(stream, Arc::clone(activity), limits));
    let service = RouterService { router, unread, activity: Arc::clone(activity) };
    let connection = http.serve_connection(stream, service);
    tokio::pin!(connection);
    let result = tokio::select! {
        biased;
        result = connection.as_mut() => result,
        () = activity.cut() => {
            tracing::debug!("a connection was cut to make room");
            return;
        }
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
    unread: Unread,
    activity: Arc<Activity>,
}

impl hyper::service::Service<Request<Incoming>> for RouterService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        let request_guard = Activity::begin_request(&self.activity);
        // A router is an `Arc`; it is always ready.
        let answer = self.router.clone().call(request.map(Body::new));
        let (unread, activity) = (self.unread.clone(), Arc::clone(&self.activity));
        Answering { answer, unread, activity, _request_guard: request_guard }
    }
}

/// A request that is being answered.
struct Answering {
    answer: RouteFuture<Infallible>,
    unread: Unread,
    activity: Arc<Activity>,
    _request_guard: RequestGuard,
}

impl Future for Answering {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // `RouteFuture` is `Unpin`: axum keeps the handler boxed.
        let this = self.get_mut();
        let answer = Pin::new(&mut this.answer).poll(cx);
        answer.map_ok(|answer| this.unread.count(answer, &this.activity))
    }
}
