//! How a copy lies in its two databases: the keys of slots, and the few rows that are not records or ops. MessagePack, like
//! the wire; a row this build cannot read is reported and fetched anew, or kept aside where it is the only one.

use crate::model::catalog::Kind;
use crate::model::id::{OpId, RecordId};
use crate::model::record::{Key, Version};
use crate::model::scope::Scope;
use crate::sync::op::Receipt;
use crate::sync::replica::exchange::{Slot, Table};
use crate::sync::replica::outbox::Place;
use serde::{Deserialize, Serialize};

/// One filling of one scope: a number never used twice on a device, under which its chunks and rows lie. A new snapshot
/// is stored under a new generation and takes over by one write of the scope's row.
pub type Generation = u32;

/// The one row of `Table::Head`. It differs after every save, so a save of a tab that missed one is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Head {
    /// The epoch of the server's history; `None` before the first conversation.
    #[serde(rename = "e", default)]
    pub epoch: Option<u64>,
    /// How often the ownership of the network changed hands.
    #[serde(rename = "f")]
    pub fence: u64,
    /// How many saves there have been.
    #[serde(rename = "n")]
    pub saves: u64,
    /// The next unused generation.
    #[serde(rename = "g")]
    pub generation: Generation,
}

/// The one row of `Table::Tail`. It differs after every append.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tail {
    /// The next unused place.
    #[serde(rename = "p")]
    pub place: Place,
    /// The next unused counter of this device and incarnation.
    #[serde(rename = "c")]
    pub counter: u64,
    /// The op at the newest place: two tabs that each append one op to the same tail leave different tails.
    #[serde(rename = "o", default)]
    pub last: Option<OpId>,
}

/// A snapshot on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loading {
    /// Under which generation its chunks are stored.
    #[serde(rename = "g")]
    pub generation: Generation,
    /// The `at` of its first chunk; `None` until that has come.
    #[serde(rename = "s", default)]
    pub at: Option<Version>,
    /// Where the next chunk starts.
    #[serde(rename = "a", default)]
    pub after: Option<(u8, RecordId)>,
    /// Chunks stored so far.
    #[serde(rename = "c", default)]
    pub chunks: u32,
}

/// A row of `Table::Scopes`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ScopeRow {
    /// Under which generation its records are stored; `None` while it has never been complete.
    #[serde(rename = "g", default)]
    pub generation: Option<Generation>,
    /// How far it has been seen.
    #[serde(rename = "t", default)]
    pub tidemark: Version,
    /// The epoch the tidemark belongs to.
    #[serde(rename = "e", default)]
    pub epoch: Option<u64>,
    /// A snapshot on its way.
    #[serde(rename = "l", default)]
    pub loading: Option<Loading>,
    /// Whether the server said that this member may no longer see it.
    #[serde(rename = "x", default)]
    pub leaving: bool,
}

/// A row of `Table::Receipts`: what is known to have become of an op that is still in the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Landing {
    /// Its effect was seen in the log, at this place; its receipt has not come.
    #[serde(rename = "s")]
    Seen(Version),
    /// The server's answer.
    #[serde(rename = "r")]
    Receipt(Receipt),
}

/// The slot of `Head`.
pub fn head_slot() -> Slot {
    Slot { table: Table::Head, key: "head".to_owned() }
}
/// The slot of `Tail`.
pub fn tail_slot() -> Slot {
    Slot { table: Table::Tail, key: "tail".to_owned() }
}
/// The slot of a scope's row.
pub fn scope_slot(scope: Scope) -> Slot {
    Slot { table: Table::Scopes, key: scope.to_string() }
}
/// The slot of a receipt.
pub fn receipt_slot(op: OpId) -> Slot {
    Slot { table: Table::Receipts, key: op.to_string() }
}
/// The slot of an op, or of what became of it: places sort as text.
pub fn place_slot(table: Table, place: Place) -> Slot {
    Slot { table, key: format!("{place:016x}") }
}
/// The slot of the epoch in which the ops of `Table::Settled` settled, among them.
pub fn epoch_slot() -> Slot {
    Slot { table: Table::Settled, key: "epoch".to_owned() }
}
/// The place in such a slot.
pub fn place_in(slot: &Slot) -> Option<Place> {
    Place::from_str_radix(&slot.key, 16).ok()
}
/// The slot of a chunk.
pub fn chunk_slot(generation: Generation, number: u32) -> Slot {
    Slot { table: Table::Chunks, key: format!("{generation:08x}/{number:08x}") }
}
/// The generation and the number of such a slot.
pub fn chunk_in(slot: &Slot) -> Option<(Generation, u32)> {
    let (generation, number) = slot.key.split_once('/')?;
    Some((Generation::from_str_radix(generation, 16).ok()?, u32::from_str_radix(number, 16).ok()?))
}
/// The slot of a record that changed since its chunk.
pub fn row_slot(generation: Generation, key: Key) -> Slot {
    Slot { table: Table::Rows, key: format!("{generation:08x}/{}/{}", key.kind.spec().name, key.id) }
}
/// The generation and the record of such a slot.
pub fn row_in(slot: &Slot) -> Option<(Generation, Key)> {
    let (generation, rest) = slot.key.split_once('/')?;
    let (kind, id) = rest.split_once('/')?;
    Some((
        Generation::from_str_radix(generation, 16).ok()?,
        Key::new(Kind::from_name(kind)?, id.parse::<RecordId>().ok()?),
    ))
}
/// What all slots of a generation in this table start with.
pub fn under_generation(table: Table, generation: Generation) -> Slot {
    Slot { table, key: format!("{generation:08x}/") }
}

/// A row as it is stored. These rows hold nothing that MessagePack cannot express; should that ever change, the row reads as
/// damaged, which is reported and repaired.
pub fn row_bytes<T: Serialize>(row: &T) -> Vec<u8> {
    rmp_serde::to_vec_named(row).unwrap_or_default()
}
