//! The changes the server makes itself, written as ops like everybody's, so that they take the same way through settling,
//! log and live channel. Their ids are derived, not drawn: the same change at the same moment is the same op.

use crate::model::id::{DeviceId, IntentId, OpId, RecordId, WorkspaceId};
use crate::model::kinds::Kind;
use crate::model::record::{Key, Record, Version};
use crate::model::value::{Name, Value};
use crate::server::core::SystemChange;
use crate::sync::op::{Action, Change, Op, SCHEMA};
use crate::sync::settle::{Author, Authority, FrozenOp};
use crate::sync::wire::{WireError, encode};
use std::collections::BTreeMap;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

/// A device's "last seen" is refreshed no more often than this.
const SEEN_EVERY_MS: i64 = 3_600_000;

/// Makes one change of the server's own into an op.
pub(super) struct Mint {
    pub workspace: WorkspaceId,
    /// The job's place in its batch and the change's place in the job: two changes of one batch never share ids.
    pub at: usize,
    pub place: usize,
    pub now_ms: i64,
    pub head: Version,
}

impl Mint {
    /// In whose name and by what right the change is made, and to which record.
    pub fn subject(&self, change: &SystemChange) -> (Author, Key) {
        let (member, authority, key) = match change {
            SystemChange::Join { member, .. } => (*member, Authority::Server, Key::new(Kind::Member, (*member).into())),
            // By their own right, which anybody has but the last owner.
            SystemChange::Leave { member } => (*member, Authority::Own, Key::new(Kind::Member, (*member).into())),
            SystemChange::DeviceSeen { member, device, .. } => {
                (*member, Authority::Server, Key::new(Kind::Device, RecordId(device.0)))
            }
            SystemChange::Audit { by, .. } => {
                (*by, Authority::Server, Key::new(Kind::AuditEntry, RecordId(self.id("record"))))
            }
        };
        (Author { member, authority }, key)
    }

    /// What to do to the record as it is now; `None` if it is so already.
    pub fn action(&self, change: &SystemChange, record: Option<&Record>) -> Option<Action> {
        let wanted: Vec<(&'static str, Value)> = match change {
            SystemChange::Join { role, .. } if record.is_some() => {
                vec![("role", (*role).into()), ("active", true.into())]
            }
            SystemChange::Join { name, role, .. } => {
                vec![("name", name.as_str().into()), ("role", (*role).into()), ("active", true.into())]
            }
            SystemChange::Leave { .. } => vec![("active", false.into())],
            SystemChange::DeviceSeen { member, agent, .. } if record.is_some() => {
                let seen = record.and_then(|record| record.int("seen")).unwrap_or(0);
                // Devices name themselves: nobody speaks for somebody else's.
                let theirs = record.and_then(|record| record.reference("member")) != Some((*member).into());
                if theirs || self.now_ms.abs_diff(seen) < SEEN_EVERY_MS.unsigned_abs() {
                    return None;
                }
                vec![("agent", agent.as_str().into()), ("seen", self.now_ms.into())]
            }
            SystemChange::DeviceSeen { member, name, agent, .. } => vec![
                ("member", (*member).into()),
                ("name", name.as_str().into()),
                ("agent", agent.as_str().into()),
                ("seen", self.now_ms.into()),
            ],
            SystemChange::Audit { by, says } => {
                vec![("by", (*by).into()), ("at", self.now_ms.into()), ("says", says.as_str().into())]
            }
        };
        let Some(record) = record else {
            return Some(Action::Create {
                fields: wanted.into_iter().map(|(name, now)| (Name::new(name), now)).collect(),
            });
        };
        let changes: BTreeMap<Name, Change> = wanted
            .into_iter()
            .filter(|(name, now)| record.get(name) != now)
            .map(|(name, now)| {
                (Name::new(name), Change { base: record.version(name), was: record.get(name).clone(), now })
            })
            .collect();
        (!changes.is_empty()).then_some(Action::Set { changes })
    }

    /// The op that does it.
    pub fn op(&self, key: Key, change: &SystemChange, action: Action) -> Result<FrozenOp, WireError> {
        let device = match change {
            SystemChange::DeviceSeen { device, .. } => *device,
            _ => DeviceId(Uuid::nil()),
        };
        let op = Op {
            id: OpId(self.id("op")),
            device,
            incarnation: 0,
            counter: 0,
            intent: IntentId(self.id("intent")),
            after: Vec::new(),
            schema: SCHEMA,
            kind: key.kind,
            record: key.id,
            action,
            claimed_ms: self.now_ms,
            offset_ms: 0,
        };
        let digest = xxhash_rust::xxh3::xxh3_64(&encode(&op)?);
        Ok(FrozenOp { op, digest })
    }

    fn id(&self, of: &str) -> Uuid {
        let place = (self.workspace.0.as_u128(), self.head, self.at, self.place, self.now_ms, of);
        let digest = xxh3_128(format!("{place:?}").as_bytes()).to_be_bytes();
        let mut random = [0; 10];
        for (to, from) in random.iter_mut().zip(digest) {
            *to = from;
        }
        uuid::Builder::from_unix_timestamp_millis(self.now_ms.max(0).unsigned_abs(), &random).into_uuid()
    }
}
