//! Whether the server is alive, and whether it can do its work: for supervisors, proxies and people.

use crate::server::state::AppState;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Less free space than this and the server reports that it is not ready, while it can still store what is under way.
pub const DISK_FREE_MIB_MIN: u64 = 64;

/// A look at the database is good for this long: whoever asks often must not keep those waiting who write.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the last look at the database found, and when.
#[derive(Debug, Default)]
pub struct Looked(Mutex<Option<(Instant, bool)>>);

impl Looked {
    fn lately(&self) -> Option<bool> {
        let looked = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        looked.filter(|(at, _)| at.elapsed() < LOOK_EVERY).map(|(_, found)| found)
    }

    fn found(&self, database: bool) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), database));
    }
}

/// `GET /health/live`: the process answers.
pub async fn live() -> &'static str {
    "alive"
}

/// What `/health/ready` found.
#[derive(Debug, Serialize)]
pub struct Ready {
    /// Whether requests should be sent here.
    ready: bool,
    /// Whether the database can be written.
    database: bool,
    /// Free space where the database is; absent where the system does not tell.
    disk_free_mib: Option<u64>,
    /// Whether the server is stopping.
    stopping: bool,
    /// Live channels open.
    connections: usize,
}

/// `GET /health/ready`: the database can be written, there is space, and the server is not stopping.
pub async fn ready(State(state): State<AppState>) -> (StatusCode, Json<Ready>) {
    let database = match state.looked.lately() {
        Some(found) => found,
        None => look(&state).await,
    };
    let disk_free_mib = disk_free_mib(&state.config.data);
    let stopping = state.stopping();
    let ready = database && !stopping && disk_free_mib.is_none_or(|free| free >= DISK_FREE_MIB_MIN);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Ready { ready, database, disk_free_mib, stopping, connections: state.core.hub().connections() }))
}

async fn look(state: &AppState) -> bool {
    let written = state.accounts.check_writable().await;
    if let Err(error) = &written {
        tracing::error!(%error, "The database cannot be written.");
    }
    state.looked.found(written.is_ok());
    written.is_ok()
}

/// Free space for this user where the folder is, MiB.
pub fn disk_free_mib(folder: &Path) -> Option<u64> {
    let space = rustix::fs::statvfs(folder).ok()?;
    Some(space.f_bavail.saturating_mul(space.f_frsize) >> 20)
}
