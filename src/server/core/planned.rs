//! What one batch is about to write to one workspace, and, once it is on disk, what others get to see of it.

use super::live::{Live, Lives};
use crate::model::id::{MemberId, OpId, WorkspaceId};
use crate::model::kinds::Kind;
use crate::model::record::{Key, Version};
use crate::model::scope::Scope;
use crate::server::core::live::Standing;
use crate::server::hub::{AccessChange, Hub, Sealed};
use crate::server::store::{Changes, Quarantined, Workspace};
use crate::sync::checksum::Sum;
use crate::sync::op::{Entry, Outcome, Receipt};
use crate::sync::settle::{Access, FrozenOp, Kept, Settled, Working};
use crate::sync::wire::{Frame, FromServer, ScopeState, WireError, encode};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The part of a batch that concerns one workspace.
pub(super) struct Planned {
    pub made: Option<Workspace>,
    pub head_before: Version,
    pub freed: Vec<OpId>,
    pub kept: Vec<Kept>,
    live: Arc<Live>,
    head: Version,
    entries: Vec<(Entry, Version)>,
    touched: BTreeSet<Key>,
    sums: BTreeMap<Scope, Sum>,
    scopes: Vec<ScopeState>,
    to_hold: BTreeSet<OpId>,
    held: Vec<Quarantined>,
    access: BTreeSet<Access>,
}

impl Planned {
    pub fn new(live: Arc<Live>, head: Version, made: Option<Workspace>) -> Self {
        Self {
            made,
            head_before: head,
            freed: Vec::new(),
            kept: Vec::new(),
            live,
            head,
            entries: Vec::new(),
            touched: BTreeSet::new(),
            sums: BTreeMap::new(),
            scopes: Vec::new(),
            to_hold: BTreeSet::new(),
            held: Vec::new(),
            access: BTreeSet::new(),
        }
    }

    /// Takes over what an intent came to, and gives back its receipts.
    pub fn add(&mut self, settled: Settled) -> Vec<Receipt> {
        let until = settled.entries.last().map_or(0, |last| last.seq);
        self.entries.extend(settled.entries.into_iter().map(|entry| (entry, until)));
        self.touched.extend(settled.touched);
        self.kept.extend(settled.kept);
        self.to_hold.extend(settled.quarantined);
        self.access.extend(settled.access_changed);
        for (scope, sum) in settled.sums {
            let so_far = self.sums.entry(scope).or_default();
            *so_far = so_far.plus(sum);
        }
        settled.receipts
    }

    /// Holds the frozen bytes of those ops that were quarantined.
    pub fn hold<'a>(
        &mut self,
        member: MemberId,
        ops: impl Iterator<Item = &'a FrozenOp>,
        bytes: &[(OpId, Vec<u8>)],
        now_ms: i64,
    ) {
        if self.to_hold.is_empty() {
            return;
        }
        for (place, frozen) in (0_u32..).zip(ops) {
            let op = &frozen.op;
            if let Some((_, bytes)) = bytes.iter().find(|(id, _)| *id == op.id)
                && self.to_hold.remove(&op.id)
            {
                self.held.push(Quarantined {
                    op: op.id,
                    member,
                    device: op.device,
                    intent: op.intent,
                    place,
                    at_ms: now_ms,
                    bytes: bytes.clone(),
                });
            }
        }
    }

    /// The receipt that this batch gives an op, if it is one that decides about it.
    pub fn decided(&self, op: OpId) -> Option<&Kept> {
        let kept = self.kept.iter().rev().find(|kept| kept.receipt.op == op);
        kept.filter(|kept| kept.receipt.outcome != Outcome::Quarantined)
    }
    /// Adds what changed to where the scopes stood.
    pub fn add_up(&mut self, head: Version) {
        self.head = head;
        let mut heads: BTreeMap<Scope, Version> = BTreeMap::new();
        for (entry, _) in &self.entries {
            heads.insert(entry.scope, entry.seq);
        }
        let standing = self.live.read();
        self.scopes = heads
            .into_iter()
            .map(|(scope, head)| {
                let before = standing.state(scope);
                let added = self.sums.get(&scope).copied().unwrap_or_default();
                let sum = Sum { count: before.count, checksum: before.checksum }.plus(added);
                ScopeState { scope, head, checksum: sum.checksum, count: sum.count }
            })
            .collect();
    }

    /// Whether there is nothing to write: every op was a resend.
    pub fn is_empty(&self) -> bool {
        self.made.is_none() && self.entries.is_empty() && self.kept.is_empty() && self.freed.is_empty()
    }

    /// For the store. `working` holds the records as they are afterwards.
    pub fn changes<'a>(&'a self, working: &'a Working) -> Changes<'a> {
        Changes {
            made: self.made.as_ref(),
            head_before: self.head_before,
            head: self.head,
            next_number: working.next_number(),
            entries: self.entries.iter().map(|(entry, until)| (entry, *until)).collect(),
            records: self.touched.iter().filter_map(|key| working.record(*key)).collect(),
            receipts: self.kept.iter().collect(),
            sums: self.scopes.iter().collect(),
            held: self.held.iter().collect(),
            freed: self.freed.clone(),
        }
    }

    /// Lets everybody see what has just reached the disk.
    pub fn show(self, workspace: WorkspaceId, working: &Working, lives: &Lives, hub: &Hub) {
        lives.insert(workspace, Arc::clone(&self.live));
        // Held while the hub is told: whoever subscribes sees either the state before and every frame after it, or the
        // state after.
        let mut standing = self.live.write();
        let present = if self.access.is_empty() { BTreeSet::new() } else { hub.present(workspace) };
        let (access, left) = self.access_changes(&mut standing, working, &present);
        let wanted = hub.followed(workspace, self.scopes.iter().map(|state| state.scope));
        let mut by_scope: BTreeMap<Scope, Vec<Entry>> = BTreeMap::new();
        for (entry, _) in self.entries.into_iter().filter(|(entry, _)| wanted.contains(&entry.scope)) {
            by_scope.entry(entry.scope).or_default().push(entry);
        }
        let mut frames = Vec::new();
        for (scope, entries) in by_scope {
            seal(Frame { scope, from: standing.state(scope).head, to: self.head, entries }, &mut frames);
        }
        standing.head = self.head;
        standing.scopes.extend(self.scopes.into_iter().map(|state| (state.scope, state)));
        hub.publish(workspace, self.head, &access, &frames);
        drop(standing);
        for member in left {
            hub.disconnect_member(workspace, member);
        }
    }

    /// Learns who may see what now, and says what that changes for those who are connected; and who is a member no longer.
    fn access_changes(
        &self,
        standing: &mut Standing,
        working: &Working,
        present: &BTreeSet<MemberId>,
    ) -> (Vec<AccessChange>, Vec<MemberId>) {
        let members: BTreeSet<MemberId> = self
            .access
            .iter()
            .filter_map(|access| match access {
                Access::Member(member) => Some(*member),
                Access::Project(_) => None,
            })
            .collect();
        let projects: BTreeSet<Scope> = self
            .access
            .iter()
            .filter_map(|access| match access {
                Access::Project(project) => Some(Scope::Project(*project)),
                Access::Member(_) => None,
            })
            .collect();
        // A change of a member concerns all projects for that one; a change of a project that one for everybody.
        let visible = |standing: &Standing| -> BTreeMap<MemberId, BTreeSet<Scope>> {
            let concerned = present.iter().filter(|member| !projects.is_empty() || members.contains(member));
            let of_one = |member: &MemberId| {
                let actor = standing.actor(*member);
                let sees = actor.map(|actor| match members.contains(member) {
                    true => standing.scopes_of(&actor),
                    false => projects.iter().copied().filter(|scope| standing.sees(&actor, *scope)).collect(),
                });
                (*member, sees.unwrap_or_default())
            };
            concerned.map(of_one).collect()
        };
        let before = visible(standing);
        for key in self.touched.iter().filter(|key| matches!(key.kind, Kind::Member | Kind::Project)) {
            if let Some(record) = working.record(*key) {
                standing.learn(record);
            }
        }
        let after = visible(standing);
        let left =
            present.iter().copied().filter(|member| members.contains(member) && standing.actor(*member).is_none());
        let left = left.collect();
        let none = BTreeSet::new();
        let changes = after.into_iter().map(|(member, now)| {
            let was = before.get(&member).unwrap_or(&none);
            AccessChange {
                member,
                joins: now.difference(was).copied().collect(),
                leaves: was.difference(&now).copied().collect(),
            }
        });
        (changes.filter(|change| !change.joins.is_empty() || !change.leaves.is_empty()).collect(), left)
    }
}

/// Encodes a frame once for everybody; in halves, and those in halves again, where it is over the limit of a message.
fn seal(mut frame: Frame, sealed: &mut Vec<Sealed>) {
    let scope = frame.scope;
    let middle = frame.entries.len() / 2;
    let Some(split) = frame.entries.get(middle.saturating_sub(1)).map(|entry| entry.seq) else { return };
    let message = FromServer::Frame(frame);
    match encode(&message) {
        Ok(bytes) => sealed.push(Sealed { scope, message: Arc::from(bytes) }),
        Err(WireError::TooLarge(_)) if middle > 0 => {
            let FromServer::Frame(whole) = message else { return };
            frame = whole;
            let later = frame.entries.split_off(middle);
            seal(Frame { scope, from: frame.from, to: split, entries: frame.entries }, sealed);
            seal(Frame { scope, from: split, to: frame.to, entries: later }, sealed);
        }
        // One entry is never over the limit: fields have limits of their own. If it were, the next frame would show the gap
        // and the device would pull.
        Err(error) => tracing::error!(error = %error, "a frame could not be encoded"),
    }
}
