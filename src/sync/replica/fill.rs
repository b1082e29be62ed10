//! How scopes come and go: snapshots that are fetched in chunks, stored under a generation of their own and take over by
//! one write; frames that move a tidemark on; scopes that are left; a server whose history was replaced; checksums.

use crate::model::record::{Key, Record, Version};
use crate::model::scope::Scope;
use crate::sync::checksum::Sum;
use crate::sync::mutant::{Mutant, planted};
use crate::sync::op::Entry;
use crate::sync::replica::base::{Staged, fresh_loading};
use crate::sync::replica::keep::remove_generation;
use crate::sync::replica::stored::{
    Landing, chunk_slot, epoch_slot, place_slot, receipt_slot, row_bytes, row_slot, scope_slot,
};
use crate::sync::replica::talk::Theirs;
use crate::sync::replica::{Effect, Incident, Notice, Pending, PendingState, Place, Replica, Slot, Table, Write};
use crate::sync::wire::{Frame, SnapshotChunk, SnapshotWanted, decode};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How often in one conversation a scope is fetched anew because its checksum differs: a repair that does not help is an
/// error of ours, which more downloads would not mend.
const REPAIRS_MAX: u32 = 2;
/// Chunks asked for at once. Browsers make six requests to a server at a time, and others need some.
const FETCHES_MAX: usize = 3;
/// Live records up to which a scope is small: it comes in one chunk.
const SMALL_SCOPE_RECORDS: u64 = 250;
/// How far the tidemark on disk may lag behind the one in memory while nothing changes in a scope.
const TIDEMARK_LAG_MAX: Version = 1_000;

impl Replica {
    /// The row of a scope, as it is to be stored now.
    pub(super) fn scope_write(&mut self, scope: Scope) -> Option<Write> {
        let copy = self.base.scopes.get_mut(&scope)?;
        copy.stored_tidemark = copy.row.tidemark;
        Some(Write::Put(scope_slot(scope), row_bytes(&copy.row)))
    }

    // Frames.

    /// Applies a frame and adds what has to be stored for it.
    pub(super) fn apply_frame(&mut self, frame: Frame, writes: &mut Vec<Write>) {
        self.talk.head = self.talk.head.max(frame.to);
        let epoch = self.keeping.head.epoch;
        let Some(copy) = self.base.scopes.get(&frame.scope).filter(|copy| copy.follows(epoch)) else { return };
        let (Some(generation), tidemark) = (copy.row.generation, copy.row.tidemark) else { return };
        if frame.to <= tidemark {
            return;
        }
        if frame.from > tidemark && !planted(Mutant::IgnoreGap) {
            self.talk.want_pull.insert(frame.scope);
            return;
        }
        let mut keys: BTreeSet<Key> = BTreeSet::new();
        for entry in frame.entries.iter().filter(|entry| entry.seq > tidemark && entry.scope == frame.scope) {
            self.base.apply(entry);
            keys.insert(entry.key());
            writes.extend(self.saw(entry));
        }
        for key in keys {
            let bytes = self.base.get(key).map(|record| row_bytes(&**record)).unwrap_or_default();
            writes.push(Write::Put(row_slot(generation, key), bytes));
            self.mark(key);
        }
        if let Some(copy) = self.base.scopes.get_mut(&frame.scope) {
            copy.row.tidemark = frame.to;
        }
        writes.extend(self.scope_write(frame.scope));
    }

    /// An entry may be the effect of an op that waits here.
    fn saw(&mut self, entry: &Entry) -> Option<Write> {
        let op = entry.op?;
        let Some(place) = self.outbox.place_of(op) else {
            self.was_released(op);
            return None;
        };
        let known = self.outbox.get(place).is_some_and(|pending| pending.landing.is_some());
        let landing = Landing::Seen(entry.seq);
        let write = (!known).then(|| Write::Put(receipt_slot(op), row_bytes(&landing)));
        self.land(place, landing);
        if let Some(pending) = self.outbox.get_mut(place) {
            pending.scope = Some(entry.scope);
        }
        write
    }

    /// Everything up to `to` has been seen in a scope in which nothing changed.
    pub(super) fn advance(&mut self, scope: Scope, to: Version) {
        let Some(copy) = self.base.scopes.get_mut(&scope) else { return };
        copy.row.tidemark = copy.row.tidemark.max(to);
        if copy.row.tidemark - copy.stored_tidemark > TIDEMARK_LAG_MAX {
            let write = self.scope_write(scope);
            self.save_base(write.into_iter().collect());
        }
    }

    /// Compares the checksum of a scope with the server's, where both speak of the same state.
    pub(super) fn compare(&mut self, scope: Scope) {
        let Some(theirs) = self.talk.theirs.get(&scope).cloned() else { return };
        let Some(copy) = self.base.scopes.get(&scope) else { return };
        let Theirs { state: theirs, as_of } = theirs;
        let tidemark = copy.row.tidemark;
        let same_state = copy.follows(self.keeping.head.epoch)
            && (theirs.head..=as_of).contains(&tidemark)
            && copy.exact
            && copy.row.loading.is_none();
        if !same_state {
            return;
        }
        let ours = self.base.sum(scope);
        let equal = ours == Sum { count: theirs.count, checksum: theirs.checksum };
        let Some(copy) = self.base.scopes.get_mut(&scope) else { return };
        copy.checked = equal;
        if equal {
            return;
        }
        copy.repairs += 1;
        copy.doubted = true;
        let hopeless = copy.repairs > REPAIRS_MAX;
        self.effects.push(Effect::Report(Incident::Checksum { scope, theirs: theirs.checksum, ours: ours.checksum }));
        if !hopeless {
            self.fetch_anew(scope);
        }
    }

    // Snapshots.

    /// Starts a new filling of a scope. What is there stays in sight until it is complete.
    pub(super) fn fetch_anew(&mut self, scope: Scope) {
        let generation = self.keeping.head.generation;
        self.keeping.head.generation = generation.saturating_add(1);
        let copy = self.base.scopes.entry(scope).or_default();
        let given_up = copy.row.loading.replace(fresh_loading(generation));
        copy.staged = Staged::default();
        copy.row.leaving = false;
        self.talk.fetching.remove(&scope);
        let mut writes: Vec<Write> =
            given_up.into_iter().flat_map(|loading| remove_generation(loading.generation)).collect();
        writes.extend(self.scope_write(scope));
        self.save_base(writes);
    }

    /// The server drew these on the page.
    pub(super) fn drawn(&mut self, records: Vec<Arc<Record>>) {
        let keys = self.base.draw(records, self.keeping.head.epoch);
        self.marked.extend(keys);
    }

    /// A person looks at this scope: it comes first.
    pub(super) fn open(&mut self, scope: Scope) {
        if !self.may_talk() {
            self.effects.push(Effect::Tell(crate::sync::replica::Notice::Open(scope)));
            return;
        }
        self.talk.opened.retain(|known| *known != scope);
        self.talk.opened.insert(0, scope);
    }

    /// Asks for the next chunks, of whichever scopes matter most: what somebody looks at, then what is small and everybody
    /// needs, then where something is assigned to this member, then whatever changed last. One that does not come holds up no
    /// other. A large scope has the line to itself, but for small ones, which cost a trip and hardly any bytes.
    pub(super) fn fetch(&mut self) {
        while self.talk.fetching.len() < FETCHES_MAX && !self.talk.fetch_waits {
            let Some(wanted) = self.next_chunk() else { return };
            self.talk.fetching.insert(wanted.scope, wanted.clone());
            self.effects.push(Effect::Fetch(wanted));
            self.chunk_is_due();
        }
    }

    fn next_chunk(&self) -> Option<SnapshotWanted> {
        let theirs = |scope: &Scope| self.talk.theirs.get(scope).map(|theirs| &theirs.state);
        let large = |scope: &Scope| theirs(scope).is_none_or(|state| state.count > SMALL_SCOPE_RECORDS);
        let rank = |scope: &Scope| {
            let opened = self.talk.opened.iter().position(|known| known == scope).unwrap_or(usize::MAX);
            let sort = match scope {
                Scope::Personal(_) => 0,
                Scope::Workspace => 1,
                Scope::Project(_) if self.talk.assigned.contains(scope) => 2,
                Scope::Project(_) => 3,
            };
            let head = theirs(scope).map_or(0, |state| state.head);
            let failures = self.talk.fetch_failures.get(scope).copied().unwrap_or(0);
            (failures, opened, sort, Version::MAX - head, *scope)
        };
        let fetching = &self.talk.fetching;
        let has_large = fetching.keys().any(large);
        let may = |scope: &Scope| !(fetching.contains_key(scope) || has_large && large(scope));
        let copies = self.base.scopes.iter().filter(|(scope, copy)| !copy.row.leaving && may(scope));
        let loading = copies.filter_map(|(scope, copy)| Some((*scope, copy.row.loading.as_ref()?)));
        let (scope, loading) = loading.min_by_key(|(scope, _)| rank(scope))?;
        Some(SnapshotWanted { scope, at: loading.at, after: loading.after })
    }

    pub(super) fn fetched(&mut self, wanted: SnapshotWanted, bytes: Option<Vec<u8>>) {
        let scope = wanted.scope;
        if self.talk.fetching.get(&scope) != Some(&wanted) {
            return;
        }
        self.talk.fetching.remove(&scope);
        let goes_on = self.base.scopes.get(&scope).and_then(|copy| copy.row.loading.as_ref());
        if goes_on.is_none_or(|loading| (loading.at, loading.after) != (wanted.at, wanted.after)) {
            return;
        }
        let Some(bytes) = bytes else { return self.fetch_later(scope) };
        let chunk = match decode::<SnapshotChunk>(&bytes) {
            Ok(chunk) if chunk.scope == scope => chunk,
            Ok(_) => return self.fetch_later(scope),
            Err(error) if self.met_unreadable(error.to_string()) => return,
            Err(_) => return self.fetch_later(scope),
        };
        if chunk.schema > self.schema.version {
            // The server was replaced by a newer build while the chunk was on its way.
            return self.stand_still();
        }
        if Some(chunk.epoch) != self.keeping.head.epoch {
            // The server's history was replaced meanwhile; the next welcome says so.
            return self.start_over();
        }
        let Some(copy) = self.base.scopes.get_mut(&scope) else { return };
        let Some(loading) = &mut copy.row.loading else { return };
        if loading.at.is_some_and(|at| at != chunk.at) {
            return self.fetch_anew(scope);
        }
        self.talk.fetch_attempts = 0;
        self.talk.fetch_failures.remove(&scope);
        let mut writes = vec![Write::Put(chunk_slot(loading.generation, loading.chunks), bytes)];
        loading.at = Some(chunk.at);
        loading.after = chunk.next;
        loading.chunks += 1;
        copy.staged.add(chunk.records);
        if chunk.next.is_none() {
            writes.extend(if self.is_ahead(scope) { self.give_up(scope) } else { self.install(scope) });
        }
        writes.extend(self.scope_write(scope));
        self.save_base(writes);
    }

    /// Whether what is here is complete and at least as new as the snapshot that has just come: while it was on its way,
    /// frames that fitted moved the tidemark past it. Showing it would turn time back.
    fn is_ahead(&self, scope: Scope) -> bool {
        let epoch = self.keeping.head.epoch;
        let Some(copy) = self.base.scopes.get(&scope) else { return false };
        let at = copy.row.loading.as_ref().and_then(|loading| loading.at);
        copy.follows(epoch) && !copy.doubted && at.is_some_and(|at| copy.row.tidemark >= at)
    }

    /// Lets a filling on its way go.
    fn give_up(&mut self, scope: Scope) -> Vec<Write> {
        let Some(copy) = self.base.scopes.get_mut(&scope) else { return Vec::new() };
        copy.staged = Staged::default();
        self.talk.want_follow.insert(scope);
        copy.row.loading.take().into_iter().flat_map(|loading| remove_generation(loading.generation)).collect()
    }

    /// The last chunk is here: the new filling takes the place of the old one.
    fn install(&mut self, scope: Scope) -> Vec<Write> {
        let epoch = self.keeping.head.epoch;
        let before = self.base.keys_in(scope);
        let Some(copy) = self.base.scopes.get_mut(&scope) else { return Vec::new() };
        let Some(loading) = copy.row.loading.take() else { return Vec::new() };
        let old = copy.row.generation.replace(loading.generation);
        copy.row.tidemark = loading.at.unwrap_or(0);
        copy.row.epoch = epoch;
        let snapshot = std::mem::take(&mut copy.staged);
        self.marked.append(&mut before.into_iter().chain(snapshot.records.keys().copied()).collect());
        self.base.install(scope, snapshot);
        // What was offered again to a restored server was hidden while the old base still showed it.
        let hidden: Vec<Place> = self
            .outbox
            .iter()
            .filter(|pending| pending.landing.is_none() && pending.landed)
            .filter(|pending| self.scope_of(pending).is_none_or(|known| known == scope))
            .map(|pending| pending.place)
            .collect();
        for place in hidden {
            if let Some(pending) = self.outbox.get_mut(place) {
                pending.landed = false;
            }
        }
        self.marked.extend(self.outbox.keys());
        self.talk.opened.retain(|known| *known != scope);
        self.talk.want_follow.insert(scope);
        // An answer to what was asked before says nothing of the new filling.
        if let Some(asked) = &mut self.talk.pulling {
            asked.remove(&scope);
        }
        self.effects.push(Effect::Complete(scope));
        old.into_iter().flat_map(remove_generation).collect()
    }

    // Scopes that come and go.

    /// The member may see one more scope.
    pub(super) fn join(&mut self, scope: Scope) {
        let epoch = self.keeping.head.epoch;
        match self.base.scopes.get(&scope) {
            Some(copy) if copy.follows(epoch) => {
                self.talk.want_follow.insert(scope);
            }
            Some(copy) if copy.row.loading.is_some() && !copy.row.leaving => {}
            _ => self.fetch_anew(scope),
        }
    }

    /// The member may no longer see a scope. What is pending there is pushed first; the server keeps it for an owner.
    pub(super) fn leave(&mut self, scope: Scope) {
        if planted(Mutant::KeepLeftScope) {
            return;
        }
        let Some(copy) = self.base.scopes.get_mut(&scope) else {
            self.forget_drawn_in(scope);
            self.effects.push(Effect::Tell(Notice::Gone(scope)));
            return;
        };
        if copy.row.leaving {
            return;
        }
        copy.row.leaving = true;
        let write = self.scope_write(scope);
        self.save_base(write.into_iter().collect());
    }

    /// A scope that is not in the copy went out of this member's sight: what a page was drawn with of it goes too.
    pub(super) fn forget_drawn_in(&mut self, scope: Scope) {
        self.marked.extend(self.base.forget_drawn(|other| other != scope));
    }

    /// Lets go of scopes that were left and have nothing pending any more.
    pub(super) fn purge(&mut self) {
        let leaving: Vec<Scope> =
            self.base.scopes.iter().filter(|(_, copy)| copy.row.leaving).map(|(scope, _)| *scope).collect();
        for scope in leaving {
            let waits = |pending: &Pending| {
                matches!(pending.state, PendingState::Storing | PendingState::Waiting | PendingState::Sent)
                    && pending.scope.or_else(|| self.scope_of(pending)).is_none_or(|known| known == scope)
            };
            if self.outbox.iter().any(waits) {
                continue;
            }
            let Some(copy) = self.base.scopes.get(&scope) else { continue };
            let generations = [copy.row.generation, copy.row.loading.as_ref().map(|loading| loading.generation)];
            let mut writes: Vec<Write> = generations.into_iter().flatten().flat_map(remove_generation).collect();
            writes.push(Write::Remove(scope_slot(scope)));
            self.marked.extend(self.base.keys_in(scope));
            self.base.purge(scope);
            self.talk.forget(scope);
            self.effects.push(Effect::Purged(scope));
            self.save_base(writes);
        }
    }

    /// The server's history was replaced by an older one: everything is fetched anew, and ops that had settled in what was
    /// lost are offered again. Receipts make offering too much harmless.
    pub(super) fn epoch_changed(&mut self, was: u64, now: u64) {
        self.effects.push(Effect::Report(Incident::Epoch { was, now }));
        self.keeping.head.epoch = Some(now);
        for pending in self.outbox.iter_mut() {
            let shown_by_base = pending.landed;
            pending.forget_landing();
            pending.landed = shown_by_base;
        }
        self.talk.answered.clear();
        self.keeping.forget_landings();
        self.offer_settled_again();
        self.save_base(vec![Write::RemoveUnder(Slot { table: Table::Receipts, key: String::new() })]);
        let scopes: Vec<Scope> = self.base.scopes.keys().copied().collect();
        for scope in scopes {
            self.fetch_anew(scope);
        }
        self.stirred = true;
    }

    /// The same for what was read after the server had said which history it has: a tab that takes over talks at once, and
    /// reads what the one before stored meanwhile.
    pub(super) fn offer_what_settled_elsewhere(&mut self) {
        if self.leads() && self.talk.is_open() {
            self.offer_settled_again();
        }
    }

    /// What settled in another history than this one waits again. Whether it did is stored with the ops, in one transaction,
    /// so that neither a lost base nor a tab that ends half-way makes anybody forget to offer them.
    pub(super) fn offer_settled_again(&mut self) {
        if self.settled.is_empty() || self.settled_in == self.keeping.head.epoch || planted(Mutant::ForgetSettled) {
            return;
        }
        self.settled_in = None;
        let mut writes = vec![Write::Remove(epoch_slot())];
        for (place, bytes) in std::mem::take(&mut self.settled) {
            let Ok(op) = self.schema.read_op(&bytes) else { continue };
            writes.push(Write::Remove(place_slot(Table::Settled, place)));
            writes.push(Write::Put(place_slot(Table::Ops, place), bytes.clone()));
            self.mark(op.key());
            let mut pending = Pending::new(place, bytes, op, PendingState::Waiting);
            // A base of the history before shows it until the new snapshot takes over.
            let epoch = self.keeping.head.epoch;
            let scope = self.scope_of(&pending);
            pending.landed = scope.is_some_and(|scope| {
                self.base
                    .scopes
                    .get(&scope)
                    .is_some_and(|copy| copy.row.generation.is_some() && copy.row.epoch != epoch)
            });
            self.outbox.insert(pending);
        }
        self.save_outbox(writes, Vec::new());
        self.stirred = true;
    }
}
