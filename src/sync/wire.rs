//! The messages between a device and the server, as MessagePack maps with one-letter keys: self-describing (a newer
//! field is skipped by an older reader), compact, and the same bytes from every build. `encode` and `decode` are the only
//! way in and out; both hold the limits.

use crate::model::id::{DeviceId, MemberId, OpId, RecordId, WorkspaceId};
use crate::model::record::{Record, Version};
use crate::model::scope::Scope;
use crate::sync::op::{Entry, Op, Receipt};
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The version of the conversation. A server answers an older device's hello with `Refused`, in words.
pub const PROTOCOL: u16 = 1;
/// The largest message either side accepts: a frame of the largest intent fits, and one connection cannot hold more
/// than this of the server's memory.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// The largest frozen op: its largest field is 100,000 characters, and an edit carries it before and after.
pub const OP_BYTES_MAX: usize = 900_000;
/// Ops in one push: a long day offline is sent in several.
pub const PUSH_OPS_MAX: usize = 500;
/// Ops in one intent: the largest thing a screen does at once is a template of a project.
pub const INTENT_OPS_MAX: usize = 500;
/// Entries in one page of a pull.
pub const PULL_ENTRIES_MAX: usize = 2_000;
/// Records in one chunk of a snapshot.
pub const SNAPSHOT_RECORDS_MAX: usize = 2_000;
/// Scopes one device may follow at once.
pub const SCOPES_MAX: usize = 2_000;
/// Projects of one workspace, deleted ones included: a welcome names the scope of each, and is one message.
pub const PROJECTS_MAX: usize = 15_000;

/// What most messages stay below, so that room is made once.
const USUAL_BYTES: usize = 512;

/// How deep a message may nest: a value inside an entry inside a frame inside a page, with room to spare.
const DEPTH_MAX: usize = 32;

/// Bytes that are not a message of ours, or are over a limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Larger than its limit, bytes.
    #[error("a message of {0} bytes is over the limit")]
    TooLarge(usize),
    /// Not decodable; the text is for logs.
    #[error("a message could not be read: {0}")]
    Malformed(String),
}

/// The first message on a connection, from the device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// `PROTOCOL` of the device's build.
    #[serde(rename = "p")]
    pub protocol: u16,
    /// `SCHEMA` of the device's build.
    #[serde(rename = "v")]
    pub schema: u16,
    /// Which device.
    #[serde(rename = "d")]
    pub device: DeviceId,
    /// Which life of it.
    #[serde(rename = "l")]
    pub incarnation: u32,
    /// The epoch the device last saw; `None` on a new device.
    #[serde(rename = "e", default)]
    pub epoch: Option<u64>,
    /// How far the device has seen, by scope.
    #[serde(rename = "t", default)]
    pub tidemarks: BTreeMap<Scope, Version>,
}

/// A scope a device may follow, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeState {
    /// Which.
    #[serde(rename = "p")]
    pub scope: Scope,
    /// The last sequence number at which anything in it changed.
    #[serde(rename = "s")]
    pub head: Version,
    /// The additive checksum of its live records at `head`.
    #[serde(rename = "x")]
    pub checksum: u64,
    /// How many live records it has.
    #[serde(rename = "n")]
    pub count: u64,
}

/// The server's answer to a hello.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// `PROTOCOL` of the server.
    #[serde(rename = "p")]
    pub protocol: u16,
    /// `SCHEMA` of the server.
    #[serde(rename = "v")]
    pub schema: u16,
    /// Which workspace.
    #[serde(rename = "w")]
    pub workspace: WorkspaceId,
    /// As whom.
    #[serde(rename = "m")]
    pub member: MemberId,
    /// Changes when the server's history was replaced.
    #[serde(rename = "e")]
    pub epoch: u64,
    /// The workspace's newest sequence number.
    #[serde(rename = "h")]
    pub head: Version,
    /// The oldest sequence number the log still holds; an older tidemark takes a new snapshot.
    #[serde(rename = "o")]
    pub horizon: Version,
    /// The server's clock, Unix milliseconds.
    #[serde(rename = "n")]
    pub now_ms: i64,
    /// Every scope this member may see. A scope the device has that is missing here was revoked.
    #[serde(rename = "s")]
    pub scopes: Vec<ScopeState>,
    /// Of these, projects with something assigned to this member, as far as the device lacks any: they are fetched first.
    #[serde(rename = "a", default, skip_serializing_if = "BTreeSet::is_empty")]
    pub assigned: BTreeSet<Scope>,
}

/// Everything visible in one scope in `(from, to]`. `from` above the device's tidemark means that a frame went missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Which scope.
    #[serde(rename = "p")]
    pub scope: Scope,
    /// Complete from here, not including it.
    #[serde(rename = "f")]
    pub from: Version,
    /// To here, including it.
    #[serde(rename = "t")]
    pub to: Version,
    /// What changed, in order.
    #[serde(rename = "e")]
    pub entries: Vec<Entry>,
}

/// Asks for what is newer than the tidemarks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pull {
    /// From where, by scope.
    #[serde(rename = "t")]
    pub tidemarks: BTreeMap<Scope, Version>,
}

/// One page of what is newer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pulled {
    /// As in `Welcome`.
    #[serde(rename = "e")]
    pub epoch: u64,
    /// The workspace's newest sequence number when the page was read.
    #[serde(rename = "h")]
    pub head: Version,
    /// A frame for each scope asked for, all up to the same `to`.
    #[serde(rename = "f")]
    pub frames: Vec<Frame>,
    /// Scopes whose tidemark is below the horizon: take a new snapshot.
    #[serde(rename = "g", default)]
    pub gone: Vec<Scope>,
    /// Whether there is another page.
    #[serde(rename = "m", default)]
    pub more: bool,
}

/// Asks for a chunk of a scope's snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotWanted {
    /// Which scope.
    #[serde(rename = "p")]
    pub scope: Scope,
    /// The `at` of the first chunk; `None` when asking for the first.
    #[serde(rename = "s", default)]
    pub at: Option<Version>,
    /// The last record of the chunk before; `None` for the first.
    #[serde(rename = "a", default)]
    pub after: Option<(u8, RecordId)>,
}

/// A chunk of a snapshot. Chunks are read one after the other while others write, so a record may already be newer than
/// `at`; the log from `at` onwards, applied after the last chunk, makes the copy exact (see `Effect`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotChunk {
    /// As in `Welcome`.
    #[serde(rename = "e")]
    pub epoch: u64,
    /// `SCHEMA` of the records.
    #[serde(rename = "v")]
    pub schema: u16,
    /// Which scope.
    #[serde(rename = "p")]
    pub scope: Scope,
    /// The workspace's head when the first chunk was read: the tidemark after the last chunk.
    #[serde(rename = "s")]
    pub at: Version,
    /// Where the next chunk starts; `None` on the last. Before the records, for `next_chunk`.
    #[serde(rename = "a", default)]
    pub next: Option<(u8, RecordId)>,
    /// How many live records the scope had when this chunk was read.
    #[serde(rename = "n")]
    pub count: u64,
    /// Live records in order of (priority, id).
    #[serde(rename = "r")]
    pub records: Vec<Record>,
}

/// Frozen ops, in the device's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Push {
    /// Echoed in the answer.
    #[serde(rename = "b")]
    pub batch: u64,
    /// The frozen bytes, one op each.
    #[serde(rename = "o")]
    pub ops: Vec<ByteBuf>,
}

/// The answer to a push: an outcome per op, in the same order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pushed {
    /// Which push.
    #[serde(rename = "b")]
    pub batch: u64,
    /// As in `Welcome`.
    #[serde(rename = "e")]
    pub epoch: u64,
    /// An outcome per op. An op whose bytes could not be decoded is answered under the nil id with code `malformed`, in its
    /// place in the order.
    #[serde(rename = "r")]
    pub receipts: Vec<Receipt>,
}

/// Why the server will not talk, or go on talking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Sign in again. Pending edits are kept.
    SignedOut,
    /// This member no longer belongs to the workspace. Push what is pending: it is quarantined for an owner.
    Revoked,
    /// The device's build is too old: update. Pending edits are kept.
    UpdateNeeded,
    /// The server's build is older than the device's: wait for it.
    ServerOlder,
    /// Too many requests: wait before trying again.
    TooFast,
    /// The message could not be read.
    Malformed,
    /// The server is stopping: connect again in a moment.
    Stopping,
    /// This device took too little at a time: pull from your tidemarks.
    TooSlow,
    /// The server failed; nothing was acknowledged that is not stored. Try again.
    Failed,
    /// The server has no room to store anything: wait before sending it again.
    Full,
}

/// From device to server over the live channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromDevice {
    /// First.
    #[serde(rename = "h")]
    Hello(Hello),
    /// Frozen ops.
    #[serde(rename = "p")]
    Push(Push),
    /// What is newer than these tidemarks.
    #[serde(rename = "l")]
    Pull(Pull),
    /// Follow these scopes too, or again after a snapshot, from these tidemarks.
    #[serde(rename = "f")]
    Follow(Pull),
    /// Still here; answered by `Beat`.
    #[serde(rename = "b")]
    Beat,
}

/// From server to device over the live channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromServer {
    /// Answers `Hello`.
    #[serde(rename = "w")]
    Welcome(Welcome),
    /// Something changed.
    #[serde(rename = "f")]
    Frame(Frame),
    /// Answers `Push`.
    #[serde(rename = "p")]
    Pushed(Pushed),
    /// Answers `Pull` and `Follow`.
    #[serde(rename = "l")]
    Pulled(Pulled),
    /// Answers `Beat`, and comes by itself while nothing changes: every frame up to `head` has been sent on this
    /// connection, so the tidemarks of all followed scopes are at least `head`.
    #[serde(rename = "b")]
    Beat {
        /// The workspace's newest sequence number.
        #[serde(rename = "h")]
        head: Version,
        /// The server's clock, Unix milliseconds.
        #[serde(rename = "n")]
        now_ms: i64,
        /// Checksums at `head` of the scopes followed, so that a difference is found at idle. May be left out.
        #[serde(rename = "s", default, skip_serializing_if = "Vec::is_empty")]
        scopes: Vec<ScopeState>,
    },
    /// This member may see one more scope: take its snapshot.
    #[serde(rename = "j")]
    ScopeJoin(Scope),
    /// This member may no longer see the scope: push what is pending there, then purge it.
    #[serde(rename = "x")]
    ScopeLeave(Scope),
    /// The connection ends, for this reason, in these words.
    #[serde(rename = "r")]
    Refused {
        /// For programs.
        #[serde(rename = "c")]
        refusal: Refusal,
        /// For people.
        #[serde(rename = "s")]
        says: String,
    },
}

/// Encodes any message or op. The same value always gives the same bytes.
///
/// # Errors
/// `TooLarge` above `MESSAGE_BYTES_MAX`.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, WireError> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    rmp_serde::encode::write_named(&mut bytes, message).map_err(|error| WireError::Malformed(error.to_string()))?;
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(WireError::TooLarge(bytes.len()));
    }
    Ok(bytes)
}

/// Decodes a message or an op.
///
/// # Errors
/// `TooLarge` above `MESSAGE_BYTES_MAX`; `Malformed` for anything that is not exactly one message.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(WireError::TooLarge(bytes.len()));
    }
    // Over the bytes where they lie: from anything else it copies every text once more.
    let mut reader = rmp_serde::Deserializer::from_read_ref(bytes);
    reader.set_max_depth(DEPTH_MAX);
    let message = T::deserialize(&mut reader).map_err(|error| WireError::Malformed(error.to_string()))?;
    // At the end there is not even a marker to read. Anything but a number goes no further than its marker.
    match u8::deserialize(&mut reader) {
        Err(rmp_serde::decode::Error::InvalidMarkerRead(_)) => Ok(message),
        _ => Err(WireError::Malformed("bytes after the end".to_owned())),
    }
}

/// What follows a chunk of a snapshot, read from what stands before its records; `None` after the last one, and where the
/// bytes are no chunk.
pub fn next_chunk(chunk: &[u8]) -> Option<SnapshotWanted> {
    /// What stands there, put down as it is read.
    #[derive(Default)]
    struct Cover {
        scope: Option<Scope>,
        at: Option<Version>,
        after: Option<(u8, RecordId)>,
    }
    impl<'de> Visitor<'de> for &mut Cover {
        type Value = ();
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a chunk")
        }
        fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
            loop {
                match map.next_key::<&str>()? {
                    Some("p") => self.scope = Some(map.next_value()?),
                    Some("s") => self.at = Some(map.next_value()?),
                    Some("a") => self.after = map.next_value()?,
                    Some("e" | "v" | "n") => drop(map.next_value::<IgnoredAny>()?),
                    _ => return Ok(()),
                }
            }
        }
    }
    let mut cover = Cover::default();
    let mut reader = rmp_serde::Deserializer::from_read_ref(chunk);
    reader.set_max_depth(DEPTH_MAX);
    // It says that the records were not read. Of what is broken too, nobody takes more than where to ask next, and the chunk
    // itself is refused where it is decoded.
    reader.deserialize_map(&mut cover).ok();
    Some(SnapshotWanted { scope: cover.scope?, at: Some(cover.at?), after: Some(cover.after?) })
}

/// Decodes a frozen op.
///
/// # Errors
/// As `decode`, and `TooLarge` above `OP_BYTES_MAX`.
pub fn decode_op(bytes: &[u8]) -> Result<Op, WireError> {
    if bytes.len() > OP_BYTES_MAX {
        return Err(WireError::TooLarge(bytes.len()));
    }
    decode(bytes)
}

/// The id under which an undecodable op is answered.
pub const NIL_OP: OpId = OpId(uuid::Uuid::nil());
