//! Serving: from a bound listener until somebody says stop, and then until everything that was begun has ended.

use crate::server::routes::router;
use crate::server::state::AppState;
use crate::server::store::Store as _;
use axum::serve::ListenerExt;
use std::future::IntoFuture;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::{interval, timeout};

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
/// answered, and the writer finishes what it has.
///
/// # Errors
/// The listener's own.
pub async fn serve(listener: TcpListener, state: AppState, stop: impl Future<Output = ()>) -> io::Result<()> {
    // Frames are small and wanted at once.
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "A connection keeps its delay.");
        }
    });
    let routes = router(state.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let (close, closed) = oneshot::channel::<()>();
    // A dropped sender closes as well as a sent word.
    let server = axum::serve(listener, routes).with_graceful_shutdown(async move { closed.await.unwrap_or_default() });
    let mut server = tokio::spawn(server.into_future());
    let tidying = tokio::spawn(tidy(state.clone()));

    tokio::select! {
        ended = &mut server => return ended.map_err(io::Error::other).and_then(|ended| ended),
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
    state.core.store().close().await;
    tracing::info!("Stopped. Everything acknowledged is on disk.");
    Ok(())
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
