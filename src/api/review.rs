//! Looking back: who changed a record, and the edits of removed members that wait for an owner.

use crate::api::error::ApiError;
use crate::model::id::{MemberId, OpId};
use crate::model::record::Key;
use crate::sync::op::{Entry, Op};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

/// An edit that is held for an owner, because its author was removed before it arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// What the author did.
    pub op: Op,
    /// The author.
    pub by: MemberId,
    /// When it arrived, by the server's clock, Unix milliseconds.
    pub at_ms: i64,
}

/// What was ever done to a record, newest first, at most `HISTORY_ENTRIES_MAX` entries.
///
/// # Errors
/// `SignedOut`, `Revoked`, `NotFound`.
#[server(prefix = "/api", endpoint = "history", input = Json)]
pub async fn history(
    /// As whom.
    member: MemberId,
    /// Of which record.
    record: Key,
) -> Result<Vec<Entry>, ApiError> {
    crate::server::review::history(member, record).await
}

/// Entries of one history: what a person reads back through in one sitting.
pub const HISTORY_ENTRIES_MAX: usize = 200;

/// Held edits of one list: more appear as these are decided.
pub const HELD_MAX: usize = 500;

/// The held edits of the workspace, oldest first, at most `HELD_MAX`; owners only.
///
/// # Errors
/// `SignedOut`, `Forbidden`.
#[server(prefix = "/api", endpoint = "quarantine/list", input = Json)]
pub async fn quarantine(
    /// As whom.
    member: MemberId,
) -> Result<Vec<Held>, ApiError> {
    crate::server::review::quarantine(member).await
}

/// Applies held edits as if their author still belonged, together with the others of their intents; owners only.
///
/// # Errors
/// `SignedOut`, `Forbidden`, `NotFound`; `TooLarge` above `HELD_MAX`.
#[server(prefix = "/api", endpoint = "quarantine/release", input = Json)]
pub async fn release(
    /// As whom.
    member: MemberId,
    /// Which, at most `HELD_MAX`.
    ops: Vec<OpId>,
) -> Result<(), ApiError> {
    crate::server::review::release(member, ops).await
}

/// Discards held edits; their author's receipts say so. Owners only.
///
/// # Errors
/// `SignedOut`, `Forbidden`, `NotFound`; `TooLarge` above `HELD_MAX`.
#[server(prefix = "/api", endpoint = "quarantine/discard", input = Json)]
pub async fn discard(
    /// As whom.
    member: MemberId,
    /// Which, at most `HELD_MAX`.
    ops: Vec<OpId>,
) -> Result<(), ApiError> {
    crate::server::review::discard(member, ops).await
}
