//! The server's core: the one writer that settles what devices push, and everything that is read from what it wrote.
//! Pushes that wait at the same time are settled one after the other and committed together, with one sync to disk;
//! only then does anybody see them and is anybody answered. Sessions and sockets are not its business: whoever calls
//! has checked who is asking.

use crate::model::choice::Role;
use crate::model::id::{DeviceId, MemberId, OpId, RecordId, WorkspaceId};
use crate::model::record::{Key, Record, Version};
use crate::model::scope::Scope;
use crate::server::hub::{Hub, Subscriber, Subscription};
use crate::server::store::sqlite::Sqlite;
use crate::server::store::{Quarantined, Select, Store, StoreError};
use crate::sync::op::{Entry, Receipt};
use crate::sync::settle::Author;
use crate::sync::wire::{Hello, Pull, Pulled, Push, Pushed, Refusal, SnapshotChunk, SnapshotWanted, Welcome};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What time it is.
pub trait Clock: Send + Sync + 'static {
    /// Unix milliseconds.
    fn now_ms(&self) -> i64;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        jiff::Timestamp::now().as_millisecond()
    }
}

/// Why the core did not do what was asked. The text is for people; what is behind a `Store` is for logs.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    /// There is no such workspace.
    #[error(
        "This workspace does not exist on this server. Nothing was changed; edits that wait are kept on your device."
    )]
    NoWorkspace,
    /// The member does not belong to the workspace, or no longer.
    #[error("You do not belong to this workspace. Nothing was changed; edits that wait are kept on your device.")]
    NotAMember,
    /// The member may not see or do this.
    #[error("You may not do this in this workspace. Nothing was changed. Ask an admin.")]
    Forbidden,
    /// There is no such thing.
    #[error("This does not exist, or no longer. Nothing was changed.")]
    Missing,
    /// More than one message may carry.
    #[error("This was too much at once. Nothing was changed; send it in smaller parts.")]
    TooMuch,
    /// The server is stopping.
    #[error("The server is stopping. Nothing was acknowledged that is not stored; your device will send it again.")]
    Stopping,
    /// The store failed.
    #[error(
        "The server could not store this. Nothing was acknowledged that is not stored; your device will send it again."
    )]
    Store(#[from] StoreError),
}

impl CoreError {
    /// The same for a device.
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::NotAMember => Refusal::Revoked,
            Self::TooMuch => Refusal::Malformed,
            Self::Stopping => Refusal::Stopping,
            Self::NoWorkspace | Self::Forbidden | Self::Missing | Self::Store(_) => Refusal::Failed,
        }
    }
}

/// A workspace about to be made, with the member who owns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWorkspace {
    /// Its id, minted by the caller.
    pub id: WorkspaceId,
    /// What people call it.
    pub name: String,
    /// Its first member, who owns it.
    pub owner: MemberId,
    /// What people call them.
    pub owner_name: String,
}

/// A change the server makes itself, in a member's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SystemChange {
    /// Somebody accepted an invitation. A member who had left comes back with this role.
    Join { member: MemberId, name: String, role: Role },
    /// A member does not belong any longer.
    Leave { member: MemberId },
    /// A device was heard of. Writes at most once an hour.
    DeviceSeen { member: MemberId, device: DeviceId, name: String, agent: String },
    /// Something worth auditing happened.
    Audit { by: MemberId, says: String },
}

/// The core. Cheap to clone; all clones are one core.
pub struct Core<S: Store = Sqlite> {
    store: Arc<S>,
    hub: Hub,
    clock: Arc<dyn Clock>,
}

impl<S: Store> Clone for Core<S> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), hub: self.hub.clone(), clock: Arc::clone(&self.clock) }
    }
}

impl<S: Store> Core<S> {
    /// Starts the writer on the current runtime. There may be one core for a store.
    pub fn start(store: S, clock: impl Clock) -> Self {
        Self { store: Arc::new(store), hub: Hub::default(), clock: Arc::new(clock) }
    }
    /// The store, for what is not the core's: accounts, backup, doctor.
    pub fn store(&self) -> &S {
        &self.store
    }
    /// The live hub.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }
    /// The clock everything here goes by.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Makes a workspace with its owner.
    ///
    /// # Errors
    /// `Store`; nothing was made then.
    pub async fn create_workspace(&self, new: NewWorkspace) -> Result<(), CoreError> {
        Err(unbuilt(new))
    }
    /// Makes changes of the server's own, together. Returns the workspace's head afterwards.
    ///
    /// # Errors
    /// `NoWorkspace`, `Stopping`, `Store`; nothing was changed then.
    pub async fn system(&self, workspace: WorkspaceId, changes: Vec<SystemChange>) -> Result<Version, CoreError> {
        Err(unbuilt((workspace, changes)))
    }
    /// Settles what a device pushed. When this returns, what is acknowledged is on disk.
    ///
    /// # Errors
    /// `NoWorkspace`, `TooMuch`, `Stopping`, `Store`; nothing was acknowledged then, and the device sends it again.
    pub async fn push(&self, workspace: WorkspaceId, author: &Author, push: Push) -> Result<Pushed, CoreError> {
        Err(unbuilt((workspace, author, push)))
    }
    /// What is newer than the tidemarks, in the scopes the member may see. Others are simply absent from the answer, which
    /// says nothing about them.
    ///
    /// # Errors
    /// `NoWorkspace`, `NotAMember`, `TooMuch`, `Store`.
    pub async fn pull(&self, workspace: WorkspaceId, member: MemberId, pull: &Pull) -> Result<Pulled, CoreError> {
        Err(unbuilt((workspace, member, pull)))
    }
    /// A chunk of a scope's snapshot.
    ///
    /// # Errors
    /// `NoWorkspace`, `NotAMember`, `Forbidden` for a scope the member may not see, `Store`.
    pub async fn snapshot(
        &self,
        workspace: WorkspaceId,
        member: MemberId,
        wanted: &SnapshotWanted,
    ) -> Result<SnapshotChunk, CoreError> {
        Err(unbuilt((workspace, member, wanted)))
    }
    /// Answers a hello: every scope the member may see and where it stands. Whether the protocol versions agree is for
    /// the caller to check.
    ///
    /// # Errors
    /// `NoWorkspace`, `NotAMember`, `Store`.
    pub async fn welcome(&self, workspace: WorkspaceId, member: MemberId, hello: &Hello) -> Result<Welcome, CoreError> {
        Err(unbuilt((workspace, member, hello)))
    }
    /// Follows, of these scopes, those the member may see, from now on. Subscribe first and pull afterwards: then nothing
    /// falls in between, and entries that come twice do no harm.
    ///
    /// # Errors
    /// `NoWorkspace`, `NotAMember`, `Store`.
    pub async fn subscribe(&self, who: Subscriber, scopes: &BTreeSet<Scope>) -> Result<Subscription, CoreError> {
        Err(unbuilt((who, scopes)))
    }
    /// Follows more scopes on a connection: those of them the member may see.
    ///
    /// # Errors
    /// `NoWorkspace`, `NotAMember`, `Store`.
    pub async fn follow(&self, subscription: &Subscription, scopes: &BTreeSet<Scope>) -> Result<(), CoreError> {
        Err(unbuilt((subscription.who(), scopes)))
    }
    /// Queues a beat on a connection, with the checksums of the scopes it follows.
    ///
    /// # Errors
    /// `NoWorkspace`, `Store`.
    pub async fn beat(&self, subscription: &Subscription) -> Result<(), CoreError> {
        Err(unbuilt(subscription.who()))
    }
    /// Records the member may see, for pages rendered here; at most so many.
    ///
    /// # Errors
    /// `NoWorkspace`, `NotAMember`, `Store`.
    pub async fn records_of(
        &self,
        workspace: WorkspaceId,
        member: MemberId,
        select: &Select,
        count_max: usize,
    ) -> Result<Vec<Record>, CoreError> {
        Err(unbuilt((workspace, member, select, count_max)))
    }
    /// The scopes the member may see.
    ///
    /// # Errors
    /// `NoWorkspace`, `NotAMember`, `Store`.
    pub async fn scopes(&self, workspace: WorkspaceId, member: MemberId) -> Result<BTreeSet<Scope>, CoreError> {
        Err(unbuilt((workspace, member)))
    }
    /// What the member may do; `None` if they do not belong, or no longer.
    ///
    /// # Errors
    /// `NoWorkspace`, `Store`.
    pub async fn role(&self, workspace: WorkspaceId, member: MemberId) -> Result<Option<Role>, CoreError> {
        Err(unbuilt((workspace, member)))
    }
    /// The workspace's newest sequence number.
    ///
    /// # Errors
    /// `NoWorkspace`, `Store`.
    pub async fn head(&self, workspace: WorkspaceId) -> Result<Version, CoreError> {
        Err(unbuilt(workspace))
    }
    /// What happened to a record, newest first, as far back as the log goes.
    ///
    /// # Errors
    /// `NoWorkspace`, `NotAMember`, `Store`. A record the member may not see has no history.
    pub async fn history(
        &self,
        workspace: WorkspaceId,
        member: MemberId,
        key: Key,
        count_max: usize,
    ) -> Result<Vec<Entry>, CoreError> {
        Err(unbuilt((workspace, member, key, count_max)))
    }
    /// Ops held because their author may no longer write. Only owners may read them.
    ///
    /// # Errors
    /// `NoWorkspace`, `Forbidden`, `Store`.
    pub async fn quarantined(&self, workspace: WorkspaceId, owner: MemberId) -> Result<Vec<Quarantined>, CoreError> {
        Err(unbuilt((workspace, owner)))
    }
    /// Settles held ops under their author's name, by the owner's right. Ops of one intent go together.
    ///
    /// # Errors
    /// `NoWorkspace`, `Forbidden`, `Missing`, `Stopping`, `Store`.
    pub async fn release(
        &self,
        workspace: WorkspaceId,
        owner: MemberId,
        ops: &[OpId],
    ) -> Result<Vec<Receipt>, CoreError> {
        Err(unbuilt((workspace, owner, ops)))
    }
    /// Refuses held ops for good; their receipts say so from then on.
    ///
    /// # Errors
    /// `NoWorkspace`, `Forbidden`, `Missing`, `Stopping`, `Store`.
    pub async fn discard(
        &self,
        workspace: WorkspaceId,
        owner: MemberId,
        ops: &[OpId],
    ) -> Result<Vec<Receipt>, CoreError> {
        Err(unbuilt((workspace, owner, ops)))
    }
    /// Drops log entries and tombstones older than this many days, and receipts older than twice as many. Returns the new
    /// horizon. Checksums stay as they are.
    ///
    /// # Errors
    /// `NoWorkspace`, `Stopping`, `Store`.
    pub async fn compact(&self, workspace: WorkspaceId, keep_days: u32) -> Result<Version, CoreError> {
        Err(unbuilt((workspace, keep_days)))
    }
    /// Gives the workspace a new epoch, after its history was replaced, and sends every device away to compare.
    ///
    /// # Errors
    /// `NoWorkspace`, `Stopping`, `Store`.
    pub async fn new_epoch(&self, workspace: WorkspaceId) -> Result<u64, CoreError> {
        Err(unbuilt(workspace))
    }
    /// Lets the writer finish what waits and refuses what comes later. Connections are drained by `Hub::drain`.
    pub async fn stop(&self) {}
}

/// Stands where the next slice puts the work.
fn unbuilt<T>(_of: T) -> CoreError {
    CoreError::Store(StoreError::Damaged(RecordId(uuid::Uuid::nil()).to_string()))
}
