//! Ops that are not yet known to be settled, and what became of those that were refused.

use crate::model::id::OpId;
use crate::model::record::{Key, Version};
use crate::model::scope::Scope;
use crate::sync::op::{Op, Reason};
use crate::sync::replica::exchange::Ticket;
use crate::sync::replica::stored::Landing;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::collections::{BTreeMap, BTreeSet};
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
    /// Whether it was stored somewhere before, so that a server may have its bytes, which stay as they are.
    pub(super) frozen: bool,
    /// The scope it reaches, once known.
    pub(super) scope: Option<Scope>,
    /// What is known to have become of it.
    pub(super) landing: Option<Landing>,
    /// Whether base holds its effect, so that the view must not fold it in a second time.
    pub(super) landed: bool,
    /// Base may let it go once this save is on disk.
    pub(super) after_save: Option<Ticket>,
}

impl Pending {
    /// A frozen op at its place.
    pub(super) fn new(place: Place, bytes: Vec<u8>, op: Op, state: PendingState) -> Self {
        Self {
            place,
            bytes: Arc::new(bytes),
            op: Arc::new(op),
            state,
            doubt: None,
            frozen: false,
            scope: None,
            landing: None,
            landed: false,
            after_save: None,
        }
    }
    /// As if nothing were known of what became of it.
    pub(super) fn forget_landing(&mut self) {
        self.landing = None;
        self.landed = false;
        self.after_save = None;
        if matches!(self.state, PendingState::Settled(_)) {
            self.state = PendingState::Waiting;
        }
    }
}

/// The ops of a device in their order, and where to find those of a record.
#[derive(Debug, Clone, Default)]
pub struct Outbox {
    ops: BTreeMap<Place, Pending>,
    by_op: BTreeMap<OpId, Place>,
    by_key: BTreeMap<Key, BTreeSet<Place>>,
}

impl Outbox {
    /// Every op, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Pending> {
        self.ops.values()
    }
    /// How many.
    pub fn len(&self) -> usize {
        self.ops.len()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }
    /// The op at a place.
    pub fn get(&self, place: Place) -> Option<&Pending> {
        self.ops.get(&place)
    }
    /// Where an op is.
    pub fn place_of(&self, op: OpId) -> Option<Place> {
        self.by_op.get(&op).copied()
    }
    pub(super) fn get_mut(&mut self, place: Place) -> Option<&mut Pending> {
        self.ops.get_mut(&place)
    }
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Pending> {
        self.ops.values_mut()
    }
    pub(super) fn insert(&mut self, pending: Pending) {
        self.remove(pending.place);
        self.by_op.insert(pending.op.id, pending.place);
        self.by_key.entry(pending.op.key()).or_default().insert(pending.place);
        self.ops.insert(pending.place, pending);
    }
    pub(super) fn remove(&mut self, place: Place) -> Option<Pending> {
        let pending = self.ops.remove(&place)?;
        self.by_op.remove(&pending.op.id);
        let key = pending.op.key();
        if let Some(places) = self.by_key.get_mut(&key) {
            places.remove(&place);
            if places.is_empty() {
                self.by_key.remove(&key);
            }
        }
        Some(pending)
    }
    /// The places of a record's ops that base does not hold yet, in order.
    pub fn unlanded(&self, key: Key) -> Vec<Place> {
        let places = self.by_key.get(&key).into_iter().flatten();
        places.filter(|place| self.ops.get(place).is_some_and(|pending| !pending.landed)).copied().collect()
    }
    /// Every record that has an op here.
    pub fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        self.by_key.keys().copied()
    }
    pub(super) fn set_doubt(&mut self, place: Place, doubt: Option<Reason>) {
        if let Some(pending) = self.ops.get_mut(&place) {
            pending.doubt = doubt;
        }
    }
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
