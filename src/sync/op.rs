//! Operations and what becomes of them. An op is encoded once, when the person acts, and never recomputed; retries send
//! the same bytes. Its receipt is the server's lasting answer.

use crate::model::catalog::Kind;
use crate::model::id::{DeviceId, IntentId, MemberId, OpId, RecordId};
use crate::model::record::{Key, Version};
use crate::model::value::{Name, Value};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the stored forms that this build writes. Older ones are brought up by `schema::upcast`.
pub const SCHEMA: u16 = 1;
/// The oldest schema still understood: the current one and the two before it.
pub const SCHEMA_OLDEST: u16 = 1;

/// A new value for one field, with what its author saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The field's confirmed version on the author's device; 0 if the device had none.
    #[serde(rename = "b")]
    pub base: Version,
    /// What the author saw. Deltas, set additions and three-way merges are computed from it.
    #[serde(rename = "w", default, skip_serializing_if = "Value::is_null")]
    pub was: Value,
    /// What the author left.
    #[serde(rename = "n", default)]
    pub now: Value,
}

/// What an op does to its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Makes the record.
    #[serde(rename = "c")]
    Create {
        /// Its first fields.
        #[serde(rename = "f")]
        fields: BTreeMap<Name, Value>,
    },
    /// Changes fields. A field of a group brings the whole group.
    #[serde(rename = "s")]
    Set {
        /// By field.
        #[serde(rename = "c")]
        changes: BTreeMap<Name, Change>,
    },
    /// Deletes the record and everything under it.
    #[serde(rename = "d")]
    Delete {
        /// How far the author had seen the record's scope: the device's tidemark, or the record's `seq` where that is higher.
        /// What others wrote to it, or to anything below it, later than this is kept in conflict records.
        #[serde(rename = "s")]
        seen: Version,
    },
    /// Brings a deleted record back, with everything that was deleted with it.
    #[serde(rename = "r")]
    Restore,
    /// A guarded command of the catalog.
    #[serde(rename = "m")]
    Command {
        /// Its stored name.
        #[serde(rename = "n")]
        name: Name,
        /// How far the author had seen the record's scope, as for `Delete`. What others wrote later to the fields that the command sets
        /// is kept in conflict records.
        #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
        seen: Option<Version>,
    },
}

/// One frozen intent of a person on one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Op {
    /// Which op.
    #[serde(rename = "i")]
    pub id: OpId,
    /// On which device.
    #[serde(rename = "d")]
    pub device: DeviceId,
    /// Which life of that device: a re-installed or cloned one starts a new one.
    #[serde(rename = "l")]
    pub incarnation: u32,
    /// Counts the ops of this device and incarnation, from 1, without gaps.
    #[serde(rename = "c")]
    pub counter: u64,
    /// Ops of one intent succeed or fail together.
    #[serde(rename = "t")]
    pub intent: IntentId,
    /// Ops this one needs: the create of its record or of its parent while still pending.
    #[serde(rename = "a", default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<OpId>,
    /// The schema it was written in.
    #[serde(rename = "v")]
    pub schema: u16,
    /// The kind of its record.
    #[serde(rename = "k")]
    pub kind: Kind,
    /// Its record.
    #[serde(rename = "r")]
    pub record: RecordId,
    /// What it does.
    #[serde(rename = "x")]
    pub action: Action,
    /// When the person acted, by the device's clock, Unix milliseconds. Shown to people; decides nothing.
    #[serde(rename = "m")]
    pub claimed_ms: i64,
    /// How far the server's clock was ahead of the device's when last measured, milliseconds.
    #[serde(rename = "o")]
    pub offset_ms: i64,
}

impl Op {
    /// The record it acts on.
    pub fn key(&self) -> Key {
        Key::new(self.kind, self.record)
    }
}

/// Where an op ended up: one of the places the conservation of edits allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// As the author left it.
    #[serde(rename = "a")]
    Applied,
    /// Combined with somebody else's edit.
    #[serde(rename = "m")]
    Merged,
    /// Another value stands; the author's is kept in a conflict record and can be restored.
    #[serde(rename = "s")]
    Superseded,
    /// Refused for good; it is in the author's tray, with the reason.
    #[serde(rename = "r")]
    Rejected,
    /// Held for an owner to review, because its author may no longer write here.
    #[serde(rename = "q")]
    Quarantined,
}

/// How an op met what others did meanwhile. Only the last three interrupt anybody. The least quiet class of an op's
/// fields is the op's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Class {
    /// Nobody else had changed the record.
    #[serde(rename = "p")]
    Plain,
    /// Somebody had already made the same change.
    #[serde(rename = "n")]
    Noise,
    /// Others had changed other fields.
    #[serde(rename = "l")]
    Parallel,
    /// A rule decided.
    #[serde(rename = "m")]
    Merged,
    /// A person must decide.
    #[serde(rename = "c")]
    Conflict,
    /// The record had been deleted.
    #[serde(rename = "d")]
    DeleteWins,
    /// Refused.
    #[serde(rename = "r")]
    Rejected,
}

/// Why an op was refused or held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The author's role does not allow it.
    Forbidden,
    /// A value does not pass its field's checks.
    Invalid,
    /// The record it changes does not exist and no op before it makes it.
    Missing,
    /// The record it makes exists already.
    Exists,
    /// The parent does not exist, is in another project, or would make a circle.
    Parent,
    /// A guarded command's precondition no longer holds.
    Guard,
    /// An op it needs was refused.
    Dependency,
    /// Another op of its intent was refused, and they succeed or fail together.
    Intent,
    /// It was written by a version the server no longer, or not yet, understands.
    Schema,
    /// It could not be decoded, or is over a limit.
    Malformed,
    /// The same op id came before with other bytes.
    Reused,
}

/// A refusal in words a person can act on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// For programs.
    #[serde(rename = "c")]
    pub code: Code,
    /// The field at fault, where there is one.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub field: Option<Name>,
    /// For people: what happened, and what to do next.
    #[serde(rename = "s")]
    pub says: String,
}

/// The server's lasting outcome for an op. A resend gets the same one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Which op.
    #[serde(rename = "i")]
    pub op: OpId,
    /// Where it ended up.
    #[serde(rename = "o")]
    pub outcome: Outcome,
    /// How it met what others did.
    #[serde(rename = "c")]
    pub class: Class,
    /// The workspace's head once it was settled: a device whose tidemark has reached this holds the op's effect.
    #[serde(rename = "s")]
    pub seq: Version,
    /// Why it was refused or held.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The conflict record that keeps what it did not achieve.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub conflict: Option<RecordId>,
    /// When, by the server's clock, Unix milliseconds.
    #[serde(rename = "m")]
    pub at_ms: i64,
}

/// One line of the change log: a change the server accepted, at its place in the workspace's one sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place in the sequence.
    #[serde(rename = "s")]
    pub seq: Version,
    /// The scope it reaches.
    #[serde(rename = "p")]
    pub scope: crate::model::scope::Scope,
    /// The record it changes.
    #[serde(rename = "k")]
    pub kind: Kind,
    /// The record it changes.
    #[serde(rename = "r")]
    pub record: RecordId,
    /// What changed.
    #[serde(rename = "x")]
    pub effect: Effect,
    /// Who caused it; `None` for the server's own roll-ups and numbers.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub by: Option<MemberId>,
    /// On which device.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    /// By which op.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub op: Option<OpId>,
    /// When it landed, by the server's clock, Unix milliseconds.
    #[serde(rename = "m")]
    pub at_ms: i64,
}

impl Entry {
    /// The record it changes.
    pub fn key(&self) -> Key {
        Key::new(self.kind, self.record)
    }
}

/// What an entry does to its record. Applying an entry a second time, or after a newer one, changes nothing: a field
/// takes it only if the entry's `seq` is above the field's version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// These fields hold these values; the record is made if it was not there.
    #[serde(rename = "p")]
    Put(BTreeMap<Name, Value>),
    /// The record is a tombstone now.
    #[serde(rename = "d")]
    Delete,
}

/// How a record stood before an entry of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Before {
    /// It did not exist.
    Nowhere,
    /// It was deleted.
    Deleted,
    /// It was there.
    There,
}
