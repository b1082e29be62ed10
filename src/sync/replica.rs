//! The device, without a device: a state machine that is told what happened and says what to do (`step`). It holds the
//! three states of a copy (base, outbox, view), decides what is pushed, applied, rebased, fetched and purged, and never
//! touches a clock, a disk or a socket. The browser and the simulator run it unchanged.
//!
//! **What holds.** An op is shown at once, and pushed only when it is stored. A frame, its tidemark and what it says of
//! the outbox are stored together. An op leaves the outbox only when base contains its effect on disk, or in the same save
//! that puts it into the tray. Whatever base loses can be fetched again; the outbox is never removed.

mod act;
mod base;
pub mod draft;
pub mod exchange;
mod fill;
mod keep;
mod land;
pub mod outbox;
pub mod status;
mod stored;
mod talk;
#[cfg(test)]
mod tests;
pub mod view;

use crate::model::catalog::Kind;
use crate::model::choice::Role;
use crate::model::id::OpId;
use crate::model::kinds::{Conflict, Member, Project};
use crate::model::record::{Key, Record, Version};
use crate::model::scope::Scope;
use crate::sync::schema::Schema;
use base::Base;
pub use draft::Draft;
pub use exchange::{
    Alive, Database, Effect, Event, Identity, Incident, Moment, Notice, OnlyIf, Save, Saved, Slot, Table, Ticket,
    Timer, Write,
};
use keep::{Keeping, Tab};
use outbox::Outbox;
pub use outbox::{Pending, PendingState, Place, Refused, Tray, TrayEntry};
pub use status::{Link, Memory, Missing, Status};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use talk::Talk;
use view::View;
pub use view::{Shown, Waiting};

/// One copy of one member on one device, as one tab holds it.
#[derive(Debug, Clone)]
pub struct Replica {
    me: Identity,
    /// Which stored forms this build writes and reads.
    schema: Schema,
    moment: Moment,
    base: Base,
    view: View,
    outbox: Outbox,
    tray: BTreeMap<Place, Refused>,
    /// Ops that settled lately, with their frozen bytes.
    settled: BTreeMap<Place, Vec<u8>>,
    /// The epoch they settled in.
    settled_in: Option<u64>,
    keeping: Keeping,
    talk: Talk,
    /// Records whose base or pending ops changed in this step.
    marked: BTreeSet<Key>,
    /// Records that read otherwise since the last `Show`.
    changed: BTreeSet<Key>,
    /// Whether the outbox or the tray changed in this step.
    stirred: bool,
    /// What needs this person, counted when something changed that it depends on.
    needs_you: u64,
    said: Option<Status>,
    effects: Vec<Effect>,
}

impl Replica {
    /// A copy that knows nothing yet. Carry out the effects of `start` and feed it what they bring.
    pub fn new(me: Identity) -> Self {
        Self::of_build(me, Schema::CURRENT)
    }

    /// The same as a build of another schema would run it.
    pub fn of_build(me: Identity, schema: Schema) -> Self {
        Self {
            me,
            schema,
            moment: Moment { now_ms: 0, jitter: 0 },
            base: Base::default(),
            view: View::default(),
            outbox: Outbox::default(),
            tray: BTreeMap::new(),
            settled: BTreeMap::new(),
            settled_in: None,
            keeping: Keeping::default(),
            talk: Talk::default(),
            marked: BTreeSet::new(),
            changed: BTreeSet::new(),
            stirred: false,
            needs_you: 0,
            said: None,
            effects: Vec::new(),
        }
    }

    /// What has to be done first.
    pub fn start(&self) -> Vec<Effect> {
        vec![Effect::Load(Database::Outbox), Effect::Load(Database::Base), keep::listen()]
    }

    /// Tells the copy what happened; does what it says.
    pub fn step(&mut self, moment: Moment, event: Event) -> Vec<Effect> {
        self.moment = moment;
        match event {
            Event::Loaded(database, rows) => self.loaded(database, rows),
            Event::LoadFailed(database) => self.load_failed(database),
            Event::Unavailable(database) => self.unavailable(database),
            Event::Read { database, saves, slots } => self.read(database, saves, slots),
            Event::Saved(ticket, saved) => self.saved(ticket, saved),
            Event::Elected => self.elected(),
            Event::Deposed => self.deposed(),
            Event::Told(notice) => self.told(notice),
            Event::Act { intent, drafts } => self.act(intent, drafts),
            Event::Retry { op, intent, ids } => self.retry(op, intent, &ids),
            Event::Discard(op) => self.discard(op),
            Event::DiscardUnreadable(place) => self.discard_unreadable(place),
            Event::Import(ops) => self.import(ops),
            Event::Drawn(records) => self.drawn(records),
            Event::Open(scope) => self.open(scope),
            Event::Connected => self.connected(),
            Event::Disconnected => self.disconnected(),
            Event::Received(bytes) => self.received(&bytes),
            Event::Fetched(wanted, bytes) => self.fetched(wanted, bytes),
            Event::Rung(timer) => self.rung(timer),
            Event::Nudged => self.nudged(),
        }
        self.let_go();
        self.refresh();
        self.store_drafts();
        self.pump();
        self.speak();
        std::mem::take(&mut self.effects)
    }

    // What screens read.

    /// Whose copy this is.
    pub fn identity(&self) -> Identity {
        self.me
    }
    /// The record as it reads now: confirmed, with everything pending folded over it.
    pub fn view(&self, key: Key) -> Option<Arc<Record>> {
        self.view.get(&self.base, key)
    }
    /// The record as the server last confirmed it.
    pub fn confirmed(&self, key: Key) -> Option<&Arc<Record>> {
        self.base.get(key)
    }
    /// The record with what of it is not on the server yet.
    pub fn shown(&self, key: Key) -> Shown {
        Shown { key, record: self.view(key), waiting: self.view.waiting(key) }
    }
    /// The children of one kind, by rank and then id.
    pub fn children(&self, parent: Key, kind: Kind) -> Vec<Key> {
        self.view.children(&self.base, parent, kind)
    }
    /// Every record of a kind, by id.
    pub fn of_kind(&self, kind: Kind) -> Vec<Key> {
        self.view.of_kind(&self.base, kind)
    }
    /// Every record on this device.
    pub fn keys(&self) -> BTreeSet<Key> {
        self.view.keys(&self.base)
    }
    /// Conflicts that nobody settled yet.
    pub fn conflicts(&self) -> Vec<Key> {
        self.view.open_conflicts().collect()
    }
    /// The outbox, oldest first.
    pub fn pending(&self) -> impl Iterator<Item = &Pending> {
        self.outbox.iter()
    }
    /// What was refused and not discarded yet, oldest first.
    pub fn tray(&self) -> impl Iterator<Item = &Refused> {
        self.tray.values()
    }
    /// How far this copy has seen, by scope that is complete here.
    pub fn tidemarks(&self) -> BTreeMap<Scope, Version> {
        let complete = self.base.scopes.iter().filter(|(_, copy)| copy.row.generation.is_some());
        complete.map(|(scope, copy)| (*scope, copy.row.tidemark)).collect()
    }
    /// Whether this tab owns the network.
    pub fn leads(&self) -> bool {
        self.keeping.tab == Tab::Leads
    }
    /// The frozen bytes of these ops of outbox and tray, or of all of them if none are named, in order.
    pub fn export(&self, ops: &[OpId]) -> Vec<Vec<u8>> {
        let wanted = |id: Option<OpId>| ops.is_empty() || id.is_some_and(|id| ops.contains(&id));
        let mut found: BTreeMap<Place, Vec<u8>> = BTreeMap::new();
        for pending in self.outbox.iter().filter(|pending| wanted(Some(pending.op.id))) {
            found.insert(pending.place, pending.bytes.to_vec());
        }
        for (place, refused) in self.tray.iter().filter(|(_, refused)| wanted(refused.id())) {
            found.insert(*place, refused.entry.bytes.to_vec());
        }
        found.into_values().collect()
    }

    /// Everything the header and the sync centre say of this copy as a whole.
    pub fn status(&self) -> Status {
        Status {
            link: self.link(),
            waiting: self.outbox.len() as u64,
            needs_you: self.needs_you,
            missing: self.missing(),
            memory: self.keeping.memory(),
        }
    }

    fn missing(&self) -> Vec<Missing> {
        let mut missing = Vec::new();
        if !self.talk.heard() {
            missing.push(Missing::Unheard);
        }
        let copies = || self.base.scopes.values().filter(|copy| !copy.row.leaving);
        let arriving = copies().filter(|copy| !copy.follows(self.keeping.head.epoch)).count() as u64;
        if arriving > 0 {
            missing.push(Missing::Arriving { scopes: arriving });
        }
        let behind = self.base.scopes.iter().filter_map(|(scope, copy)| {
            let theirs = self.talk.theirs.get(scope)?;
            theirs
                .state
                .head
                .checked_sub(copy.row.tidemark)
                .filter(|changes| *changes > 0 && copy.row.generation.is_some())
        });
        if let Some(changes) = behind.max() {
            missing.push(Missing::Behind { changes });
        }
        if !self.outbox.is_empty() {
            missing.push(Missing::Waiting { ops: self.outbox.len() as u64 });
        }
        let unchecked = copies().filter(|copy| !copy.checked).count() as u64;
        if unchecked > 0 && self.leads() {
            missing.push(Missing::Unchecked { scopes: unchecked });
        }
        missing
    }

    // The end of every step.

    /// Recomputes the records that were marked. Kinds are declared parents first, so a child finds its parent done.
    fn refresh(&mut self) {
        let mut marked = std::mem::take(&mut self.marked);
        if marked.is_empty() {
            return;
        }
        if marked.iter().any(|key| key.kind == Kind::Policy) {
            self.view.reread_rules(&self.base);
            // By other rules what waits may come to something else.
            marked.extend(self.outbox.iter().map(|pending| pending.op.key()));
        }
        let recount =
            self.stirred || marked.iter().any(|key| matches!(key.kind, Kind::Conflict | Kind::Project | Kind::Member));
        for key in marked {
            self.view.refresh(&self.base, &mut self.outbox, self.me.member, key, &mut self.changed);
        }
        if recount {
            self.count_needs();
        }
    }

    /// Open conflicts this member wrote a side of, or answers for, and everything in the tray.
    fn count_needs(&mut self) {
        let me = self.me.member;
        let role = self.view(Key::new(Kind::Member, me.into())).and_then(|record| Member(&record).role());
        let governs = role.is_some_and(|role| role >= Role::Admin);
        let concerns = |key: Key| {
            self.view(key).is_some_and(|record| {
                let conflict = Conflict(&record);
                let leads = match record.scope {
                    Scope::Project(project) => self
                        .view(Key::new(Kind::Project, project))
                        .is_some_and(|project| Project(&project).lead() == Some(me.into())),
                    Scope::Workspace | Scope::Personal(_) => false,
                };
                let asks = conflict.class() != Some(crate::model::choice::ConflictClass::Superseded);
                let wrote = [conflict.mine_by(), conflict.theirs_by()].contains(&Some(me.into()));
                asks && (governs || leads || wrote)
            })
        };
        let conflicts = self.view.open_conflicts().filter(|key| concerns(*key)).count();
        self.needs_you = (conflicts + self.tray.len()) as u64;
    }

    fn speak(&mut self) {
        if self.stirred && self.marked.is_empty() {
            self.count_needs();
        }
        if !self.changed.is_empty() {
            let changed = std::mem::take(&mut self.changed);
            self.effects.push(Effect::Show(changed));
        }
        let status = self.status();
        if self.stirred || self.said.as_ref() != Some(&status) {
            self.said = Some(status.clone());
            self.effects.push(Effect::Say(status));
        }
        self.stirred = false;
    }

    fn mark(&mut self, key: Key) {
        self.marked.insert(key);
    }
}
