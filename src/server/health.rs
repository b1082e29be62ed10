//! Whether the server is alive, and whether it can do its work: for supervisors, proxies and people.

use crate::server::state::AppState;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use std::path::Path;

/// Less free space than this and the server reports that it is not ready, while it can still store what is under way.
pub const DISK_FREE_MIB_MIN: u64 = 64;

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
    let database = match state.accounts.check_writable().await {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(%error, "The database cannot be written.");
            false
        }
    };
    let disk_free_mib = disk_free_mib(&state.config.data);
    let stopping = state.stopping();
    let ready = database && !stopping && disk_free_mib.is_none_or(|free| free >= DISK_FREE_MIB_MIN);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Ready { ready, database, disk_free_mib, stopping, connections: state.core.hub().connections() }))
}

/// Free space for this user where the folder is, MiB.
pub fn disk_free_mib(folder: &Path) -> Option<u64> {
    let space = rustix::fs::statvfs(folder).ok()?;
    Some(space.f_bavail.saturating_mul(space.f_frsize) >> 20)
}
