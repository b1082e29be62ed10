//! What goes into the replica and what comes out of it. The adapters around it move bytes and know no rules: a browser
//! carries these out with IndexedDB, sockets and a broadcast channel, the simulator with vectors and a seeded clock.

use crate::model::id::{DeviceId, IntentId, MemberId, OpId, WorkspaceId};
use crate::model::record::{Key, Record};
use crate::model::scope::Scope;
use crate::sync::op::Reason;
use crate::sync::replica::draft::Draft;
use crate::sync::replica::outbox::Place;
use crate::sync::replica::status::Status;
use crate::sync::wire::SnapshotWanted;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Whose copy this is. Both databases are named after workspace, member: nobody else's are ever opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// Which workspace.
    pub workspace: WorkspaceId,
    /// As whom.
    pub member: MemberId,
    /// On which device.
    pub device: DeviceId,
    /// Which life of it.
    pub incarnation: u32,
}

/// What the outside adds to every event: a pure machine has neither clock nor dice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The device's clock, Unix milliseconds. Shown to people; decides nothing.
    pub now_ms: i64,
    /// A uniformly random number, for waiting times.
    pub jitter: u32,
}

/// The two databases of a device. They fail apart: losing the base costs a download, and must never cost an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Database {
    /// What the server confirmed. Can be fetched again.
    #[serde(rename = "b")]
    Base,
    /// What only this device knows. Written with strict durability.
    #[serde(rename = "o")]
    Outbox,
}

/// A table of one of the databases: text keys, byte values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Table {
    /// Base: the one row `head`, compared and replaced by every save, so that a tab that was replaced cannot write.
    #[serde(rename = "h")]
    Head,
    /// Base: a row per scope, with its tidemark and the generation of its records.
    #[serde(rename = "s")]
    Scopes,
    /// Base: chunks of snapshots as they came, under `<generation>/<number>`.
    #[serde(rename = "c")]
    Chunks,
    /// Base: records changed since their chunk, under `<generation>/<kind>/<id>`; an empty value is a tombstone.
    #[serde(rename = "r")]
    Rows,
    /// Base: receipts of ops that are still in the outbox, by op.
    #[serde(rename = "e")]
    Receipts,
    /// Outbox: the one row `tail`, compared and replaced by every append, so that two tabs never take the same place.
    #[serde(rename = "l")]
    Tail,
    /// Outbox: frozen ops by place: exactly the bytes that are pushed.
    #[serde(rename = "o")]
    Ops,
    /// Outbox: refused and quarantined ops, by place.
    #[serde(rename = "t")]
    Tray,
    /// Outbox: ops that settled lately, by place, offered again to a server that was restored from a backup; and, as `epoch`,
    /// in which epoch they did.
    #[serde(rename = "d")]
    Settled,
}

impl Table {
    /// Every table.
    pub const ALL: &'static [Self] = &[
        Self::Head,
        Self::Scopes,
        Self::Chunks,
        Self::Rows,
        Self::Receipts,
        Self::Tail,
        Self::Ops,
        Self::Tray,
        Self::Settled,
    ];
    /// The name of its object store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Scopes => "scopes",
            Self::Chunks => "chunks",
            Self::Rows => "rows",
            Self::Receipts => "receipts",
            Self::Tail => "tail",
            Self::Ops => "ops",
            Self::Tray => "tray",
            Self::Settled => "settled",
        }
    }
    /// The database it stands in.
    pub const fn database(self) -> Database {
        match self {
            Self::Head | Self::Scopes | Self::Chunks | Self::Rows | Self::Receipts => Database::Base,
            Self::Tail | Self::Ops | Self::Tray | Self::Settled => Database::Outbox,
        }
    }
}

/// The address of one stored value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Slot {
    /// In which table.
    #[serde(rename = "t")]
    pub table: Table,
    /// Under which key.
    #[serde(rename = "k")]
    pub key: String,
}

/// One write of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// The slot holds this value now.
    Put(Slot, Vec<u8>),
    /// The slot holds nothing now.
    Remove(Slot),
    /// Every slot of the table whose key starts with this holds nothing now.
    RemoveUnder(Slot),
}

impl Write {
    /// Which slot, or where the keys begin.
    pub fn slot(&self) -> &Slot {
        match self {
            Self::Put(slot, _) | Self::Remove(slot) | Self::RemoveUnder(slot) => slot,
        }
    }
}

/// What a slot must hold for a transaction to go through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnlyIf {
    /// Which slot.
    pub slot: Slot,
    /// Exactly these bytes; `None` for nothing.
    pub holds: Option<Vec<u8>>,
}

/// Which save an answer speaks of; counts up within one life of a replica.
pub type Ticket = u64;

/// Everything that is stored together or not at all: one transaction of one database. Saves of one database are carried
/// out in the order in which they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Save {
    /// Which save; the answer names it.
    pub ticket: Ticket,
    /// In which database.
    pub database: Database,
    /// Checked inside the transaction, before the writes.
    pub only_if: Option<OnlyIf>,
    /// In order.
    pub writes: Vec<Write>,
}

/// What became of a save.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saved {
    /// It is on disk.
    Done,
    /// `only_if` did not hold; nothing was written. This is what the slot holds.
    Refused(Option<Vec<u8>>),
    /// The storage failed, after the adapter had tried to open it again. Nothing was written.
    Failed,
}

/// What one tab tells the others of the same copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notice {
    /// These slots were written.
    #[serde(rename = "w")]
    Stored {
        /// In which database.
        #[serde(rename = "d")]
        database: Database,
        /// Base: how many saves there have been, this one included, so that a missed notice is noticed. Outbox: 0.
        #[serde(rename = "n")]
        saves: u64,
        /// Which; none when there are too many to name, and the whole database has to be read again.
        #[serde(rename = "s")]
        slots: Vec<Slot>,
    },
    /// The base was thrown away and begins anew: what was known of its saves does not count any more. The tab that owns the
    /// network finds out whether what it holds is still there; the others read it.
    #[serde(rename = "b")]
    Renewed,
    /// From the tab that owns the network, every few seconds and when it changes: it is alive, and this is how it stands.
    #[serde(rename = "a")]
    Alive {
        /// Whether frames arrive.
        #[serde(rename = "l")]
        live: Alive,
        /// The workspace's newest sequence number it knows.
        #[serde(rename = "h")]
        head: u64,
    },
    /// To the tab that owns the network: do not wait for the next try.
    #[serde(rename = "n")]
    Nudge,
    /// To the tab that owns the network: a person looks at this scope, fetch it first.
    #[serde(rename = "o")]
    Open(Scope),
    /// From the tab that owns the network: the server lets this member see these scopes and no others. The copy loses the others by
    /// itself; what the server drew on a page is in no copy.
    #[serde(rename = "s")]
    Sees(BTreeSet<Scope>),
    /// From the tab that owns the network: this scope, which is not in the copy, is not to be seen any more.
    #[serde(rename = "g")]
    Gone(Scope),
}

/// How the tab that owns the network stands, in a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alive {
    /// See `Link::Joining`.
    Joining,
    /// See `Link::Live`.
    Live,
    /// See `Link::Offline`.
    Offline,
    /// See `Link::SignedOut`.
    SignedOut,
    /// See `Link::Revoked`.
    Revoked,
    /// See `Link::UpdateNeeded`.
    UpdateNeeded,
}

/// Something the replica wants to be reminded of. Asking again for one that is set replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Try to connect.
    Reconnect,
    /// The server owes an answer, and nothing at all has been heard.
    Answer,
    /// A push owes its own answer, whatever else is heard; or it is time for the next one.
    Push,
    /// A pull owes its own answer, whatever else is heard.
    Pull,
    /// The line has been quiet: show that we are here.
    Beat,
    /// Settled ops still wait for their frames: ask for them.
    Settle,
    /// A snapshot chunk is to be asked for again.
    Snapshot,
    /// Tell the other tabs that the owner of the network is alive; or, in those, that it has not been heard of.
    Alive,
}

/// What happens to a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Everything stored in a database, as `Effect::Load` asked, read in one transaction.
    Loaded(Database, Vec<(Slot, Vec<u8>)>),
    /// What the database holds is not ours. The base is removed and made anew by the adapter before it says so; the outbox is
    /// never removed.
    LoadFailed(Database),
    /// The database could not be opened or read, after bounded tries. It may be whole: it stays as it is, for the next page.
    Unavailable(Database),
    /// What these slots hold now, as `Effect::Read` asked, read in one transaction.
    Read {
        /// In which database.
        database: Database,
        /// As in the notice that led to it.
        saves: u64,
        /// Their values; `None` for nothing.
        slots: Vec<(Slot, Option<Vec<u8>>)>,
    },
    /// A save was answered.
    Saved(Ticket, Saved),
    /// This tab holds the lock: it owns the network from now on.
    Elected,
    /// Another tab took the lock.
    Deposed,
    /// Another tab said something.
    Told(Notice),
    /// A person did something. All drafts are one intent: all or none.
    Act {
        /// Minted by the caller.
        intent: IntentId,
        /// With an id for each op, minted by the caller.
        drafts: Vec<(OpId, Draft)>,
    },
    /// A person wants an op of the tray tried again as a new one, with everything that waits for it, or one of the outbox now.
    Retry {
        /// Which.
        op: OpId,
        /// Minted by the caller.
        intent: IntentId,
        /// As many new ids as `Replica::retries` says.
        ids: Vec<OpId>,
    },
    /// A person gives up an op of the outbox or the tray, with the rest of its intent. What needs it goes to the tray, with the
    /// reason.
    Discard(OpId),
    /// A person gives up what stands at this place of the tray and cannot be read.
    DiscardUnreadable(Place),
    /// Frozen ops from an exported file.
    Import(Vec<Vec<u8>>),
    /// What the server drew on this page: it may not have arrived here yet, and a person may edit it all the same.
    Drawn(Vec<Arc<Record>>),
    /// A person looks at this scope: fetch it first.
    Open(Scope),
    /// The channel stands; nothing was said on it yet.
    Connected,
    /// The channel is gone, or could not be made.
    Disconnected,
    /// A message of the server, or whatever came in its place.
    Received(Vec<u8>),
    /// The chunk that `Effect::Fetch` asked for with this; `None` when there was no readable answer.
    Fetched(SnapshotWanted, Option<Vec<u8>>),
    /// A timer is due.
    Rung(Timer),
    /// The network came back or a person came to look: do not wait for the next try.
    Nudged,
}

/// What a replica wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Read a whole database; answered by `Loaded`, `LoadFailed` or `Unavailable`.
    Load(Database),
    /// Read these slots; answered by `Read`, `LoadFailed` or `Unavailable`.
    Read {
        /// In which database.
        database: Database,
        /// Handed back in the answer.
        saves: u64,
        /// Which.
        slots: Vec<Slot>,
    },
    /// Carry out a transaction; answered by `Saved`.
    Save(Save),
    /// Make the channel; answered by `Connected` or `Disconnected`.
    Connect,
    /// Send this message.
    Send(Vec<u8>),
    /// Send this push by a request of its own, because the channel is refused; answered by `Received` with a
    /// `FromServer::Pushed`, or by `Disconnected`.
    Post(Vec<u8>),
    /// Close the channel; not answered.
    Hangup,
    /// Fetch a chunk of a snapshot; answered by `Fetched`.
    Fetch(SnapshotWanted),
    /// Remind me.
    Wake {
        /// Of what.
        timer: Timer,
        /// In this many milliseconds.
        after_ms: u64,
    },
    /// Tell the other tabs.
    Tell(Notice),
    /// The owner of the network is frozen: take the lock from it.
    TakeOver,
    /// This tab keeps nothing and cannot own the network: give the lock to another tab, and never ask for it again. Not
    /// answered.
    StandDown,
    /// These records read otherwise now, or wait otherwise. Ask `Replica::shown`.
    Show(BTreeSet<Key>),
    /// The status, the outbox or the tray changed.
    Say(Status),
    /// All of the scope is here now, or again.
    Complete(Scope),
    /// The scope left this device.
    Purged(Scope),
    /// The act was not taken; nothing was done.
    Refuse(IntentId, Vec<Reason>),
    /// Something that should not happen did, was repaired, and is reported.
    Report(Incident),
}

/// Something that should not happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incident {
    /// A copy differed from the server's at the same tidemark. It is fetched anew.
    Checksum {
        /// Which.
        scope: Scope,
        /// What the server says.
        theirs: u64,
        /// What this device has.
        ours: u64,
    },
    /// A stored value could not be read. It is fetched anew, or kept aside where it is the only one.
    Stored(Slot),
    /// The server said something that could not be read.
    Unreadable(String),
    /// The server's history was replaced.
    Epoch {
        /// As this device knew it.
        was: u64,
        /// As it is now.
        now: u64,
    },
    /// Storage failed; this copy lives in memory until the tab is closed.
    Storage(Database),
    /// The session belongs to somebody else than this copy. Nothing was sent.
    Stranger,
}
