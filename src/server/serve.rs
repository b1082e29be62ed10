//! Serving: from a bound listener until somebody says stop, and then until everything that was begun has ended.

use crate::server::config::CallerFrom;
use crate::server::routes::router;
use crate::server::state::AppState;
use crate::server::store::Store as _;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};
use tower::ServiceExt as _;

/// A connection sends the head of its next request within this time or is closed, however slowly it trickles in. Longer than
/// the 60 seconds for which proxies commonly keep an idle connection, so that none sends a request into a closing one.
pub const HEAD_WAIT: Duration = Duration::from_secs(75);
/// The first head of a connection comes within this time: whoever connects has something to say.
const FIRST_HEAD_WAIT: Duration = Duration::from_secs(15);
/// Connections with plain requests, open at once; more wait in the system's queue. Six for each of some thousand browsers. How
/// many of them one address may have, `Limits` says.
const CONNECTIONS_MAX: usize = 16_384;
/// How long devices get to read that the server stops, and then how long requests under way get to end. Service managers
/// commonly kill after 90 seconds.
const DRAIN_WAIT: Duration = Duration::from_secs(10);
/// How often memory and tables are relieved of what has ended.
const TIDY_EVERY: Duration = Duration::from_secs(10 * 60);
/// How often old lines of the change log are dropped.
const COMPACT_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the change log is kept, days; a device away for longer takes a new snapshot.
const LOG_DAYS: u32 = 90;

/// Serves until `stop` is done, then drains: newcomers are turned away, live channels are told, requests under way are
/// answered, and the writer finishes what it has. A connection waits `head_wait` for the head of a request, as a rule
/// `HEAD_WAIT`.
///
/// # Errors
/// None as yet: a listener that fails is tried again.
pub async fn serve(
    listener: TcpListener,
    state: AppState,
    head_wait: Duration,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let (close, closed) = watch::channel(());
    let mut server = tokio::spawn(accept(listener, state.clone(), head_wait, closed));
    let tidying = tokio::spawn(tidy(state.clone()));

    tokio::select! {
        ended = &mut server => return ended.map_err(io::Error::other),
        () = stop => {}
    }
    tracing::info!(connections = state.core.hub().connections(), "Stopping: telling devices, finishing requests.");
    state.begin_to_stop();
    if timeout(DRAIN_WAIT, state.core.hub().drain()).await.is_err() {
        tracing::warn!(
            connections = state.core.hub().connections(),
            "Some devices did not hang up; they connect again by themselves."
        );
    }
    drop(close);
    if timeout(DRAIN_WAIT, &mut server).await.is_err() {
        tracing::warn!("Some requests did not end in time; their callers try again.");
        server.abort();
    }
    tidying.abort();
    state.core.stop().await;
    if let Err(error) = state.core.store().close().await {
        tracing::warn!(%error, "The database was not closed cleanly; the next start reads its log.");
    }
    tracing::info!("Stopped. Everything acknowledged is on disk.");
    Ok(())
}

/// Takes connections until `closed`, and then waits for the requests that are under way. What `axum::serve` does, and a limit
/// on how long a head may take.
async fn accept(mut listener: TcpListener, state: AppState, head_wait: Duration, mut closed: watch::Receiver<()>) {
    let routes = router(state.clone());
    // A proxy makes everybody's connections, and this machine's own are nobody else's.
    let counts =
        |address: IpAddr| state.config.caller == CallerFrom::Connection && !address.to_canonical().is_loopback();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // Spelt out, because the method of the same name does not try again where the system lacks file handles.
            (stream, peer) = axum::serve::Listener::accept(&mut listener), if connections.len() < CONNECTIONS_MAX => {
                let counted = counts(peer.ip()).then(|| state.limits.connection(peer.ip()));
                if matches!(counted, Some(None)) {
                    tracing::debug!(%peer, "An address has too many connections; one more was closed.");
                    continue;
                }
                let conversation = converse(stream, peer, routes.clone(), head_wait, closed.clone());
                connections.spawn(async move {
                    conversation.await;
                    drop(counted);
                });
            }
            Some(_) = connections.join_next() => {}
            _ = closed.changed() => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// One connection: requests one after the other. A live channel goes its own way after the upgrade.
async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    routes: Router,
    head_wait: Duration,
    mut closed: watch::Receiver<()>,
) {
    // Frames are small and wanted at once.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "A connection keeps its delay.");
    }
    let heard = Arc::new(AtomicBool::new(false));
    let hears = Arc::clone(&heard);
    let answer = service_fn(move |mut request: hyper::Request<Incoming>| {
        hears.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(ConnectInfo(peer));
        routes.clone().oneshot(request.map(Body::new))
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head_wait);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), answer).with_upgrades());
    let silent = async {
        sleep(FIRST_HEAD_WAIT).await;
        if heard.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = silent => return,
        _ = closed.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "A connection ended early.");
    }
}

/// Now and then drops what has ended.
async fn tidy(state: AppState) {
    let mut tick = interval(TIDY_EVERY);
    let mut compact = interval(COMPACT_EVERY);
    loop {
        tokio::select! {
            _ = tick.tick() => {
                state.limits.forget();
                // A failure is logged where it became an answer, and the next round tries again.
                state.accounts.forget_ended(state.core.now_ms()).await.ok();
            }
            _ = compact.tick() => compact_all(&state).await,
        }
    }
}

async fn compact_all(state: &AppState) {
    let workspaces = match state.core.store().workspaces().await {
        Ok(workspaces) => workspaces,
        Err(error) => return tracing::error!(%error, "The workspaces to compact could not be listed."),
    };
    for workspace in workspaces {
        match state.core.compact(workspace.id, LOG_DAYS).await {
            Ok(horizon) => tracing::info!(workspace.id = %workspace.id, horizon, "The change log was compacted."),
            Err(error) => {
                tracing::error!(workspace.id = %workspace.id, %error, "The change log could not be compacted.")
            }
        }
    }
}
