//! Looking back: who changed a record, what people did last, and the edits of removed members that wait for an owner.

use crate::api::error::ApiError;
use crate::model::catalog::Kind;
use crate::model::id::{MemberId, OpId};
use crate::model::record::Key;
use crate::sync::op::{Before, Entry, Op};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

/// An edit that is held for an owner, because its author was removed before it arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// What the author did. Of long texts it has the beginnings.
    pub op: Op,
    /// The author.
    pub by: MemberId,
    /// When it arrived, by the server's clock, Unix milliseconds.
    pub at_ms: i64,
    /// What the record is called on the server, where it is there.
    pub title: Option<String>,
}

/// Held edits, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HeldList {
    /// At most `HELD_MAX`, and no more than `HELD_BYTES_MAX` but for the first.
    pub held: Vec<Held>,
    /// Whether there are more.
    pub more: bool,
}

/// What people did last, as far as whoever asks may see it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Activity {
    /// Newest first, at most `ACTIVITY_MAX`.
    pub deeds: Vec<Deed>,
    /// When this was so, by the server's clock, Unix milliseconds.
    pub now_ms: i64,
}

/// Something a person did: one op, as the change log has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// The line of the log. Of a long text it has the beginning.
    pub entry: Entry,
    /// How its record stood until then.
    pub before: Before,
    /// The record to look at: the task of a comment or a time entry, otherwise the entry's own.
    pub about: Key,
    /// What that is called, or was when it was deleted.
    pub title: String,
}

/// The kinds people ask each other about; the rest is the workspace's own housekeeping.
pub const ACTIVITY_KINDS: &[Kind] =
    &[Kind::Project, Kind::Phase, Kind::Step, Kind::Task, Kind::Milestone, Kind::Comment, Kind::TimeLog, Kind::Note];

/// Deeds of one list: what a person reads at a glance, with some to spare for a taller screen.
pub const ACTIVITY_MAX: usize = 30;

/// Characters of a text that a deed carries: more than a line shows.
pub const DEED_TEXT_CHARS_MAX: usize = 200;

/// What people did last to records of `ACTIVITY_KINDS`.
///
/// # Errors
/// `SignedOut`, `Revoked`, `NotFound`, `TooFast`.
#[server(name = LookBack, prefix = "/api", endpoint = "activity", input = Json)]
pub async fn activity(
    /// As whom.
    member: MemberId,
) -> Result<Activity, ApiError> {
    crate::server::review::activity(member).await
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

/// Bytes of the ops of one list: what one message may have.
pub const HELD_BYTES_MAX: usize = 1 << 20;

/// The oldest held edits of the workspace; owners only.
///
/// # Errors
/// `SignedOut`, `Forbidden`.
#[server(prefix = "/api", endpoint = "quarantine/list", input = Json)]
pub async fn quarantine(
    /// As whom.
    member: MemberId,
) -> Result<HeldList, ApiError> {
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
