//! Ops that are not yet known to be settled, and what became of those that were refused.

use crate::model::id::OpId;
use crate::model::record::Version;
use crate::sync::op::{Op, Reason};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::sync::Arc;

/// The place of an op in its device's outbox: its order there, across tabs and lives of the device. Never used twice.
pub type Place = u64;

/// Where an op of the outbox stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PendingState {
    /// Being stored; it is shown already and pushed once it is.
    Storing,
    /// Stored, and waiting for its turn.
    Waiting,
    /// Sent; the answer has not come.
    Sent,
    /// Settled; it leaves once this copy has reached that sequence number.
    Settled(Version),
    /// Not sent, for this reason, until a person decides.
    Held(Reason),
}

/// One frozen op of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its place.
    pub place: Place,
    /// Exactly what is pushed, however often.
    pub bytes: Arc<Vec<u8>>,
    /// The same, decoded.
    pub op: Arc<Op>,
    /// Where it stands.
    pub state: PendingState,
    /// Why the server will refuse it as things stand now: a guarded command whose precondition no longer holds, or an edit of
    /// something that is gone. It is sent all the same; the server decides.
    pub doubt: Option<Reason>,
}

/// Why an op is in the tray.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tray {
    /// The server refused it for good.
    Rejected,
    /// The server holds it for an owner, because its author may no longer write there.
    Quarantined,
    /// An op it needs was given up on this device.
    Orphaned,
    /// Its stored bytes could not be read. They are kept for export.
    Unreadable,
}

/// One op of the tray: kept until the person discards it or tries it again as a new op.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrayEntry {
    /// Why.
    #[serde(rename = "t")]
    pub sort: Tray,
    /// The frozen bytes.
    #[serde(rename = "o")]
    pub bytes: ByteBuf,
    /// In words.
    #[serde(rename = "r")]
    pub reason: Reason,
    /// When, Unix milliseconds.
    #[serde(rename = "m")]
    pub at_ms: i64,
}

/// A tray entry with its op, where the bytes can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its place, as it was in the outbox.
    pub place: Place,
    /// As stored.
    pub entry: TrayEntry,
    /// The op; `None` if the bytes cannot be read.
    pub op: Option<Arc<Op>>,
}

impl Refused {
    /// Its id.
    pub fn id(&self) -> Option<OpId> {
        self.op.as_ref().map(|op| op.id)
    }
}
