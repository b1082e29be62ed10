//! How a copy is kept: saves and their answers, reading everything again, which tab owns the network, and what tabs tell
//! each other. Every save of the base compares and replaces the one `head` row, so a tab that was replaced while it slept
//! cannot write over its successor, and a save that follows a failed one fails too.

use crate::model::id::OpId;
use crate::model::record::{Key, Record};
use crate::model::scope::Scope;
use crate::sync::op::{Code, Reason};
use crate::sync::replica::base::{Copy, Staged};
use crate::sync::replica::stored::{
    Generation, Head, Landing, ScopeRow, Tail, chunk_in, epoch_slot, head_slot, place_in, place_slot, receipt_slot,
    row_bytes, row_in, tail_slot, under_generation,
};
use crate::sync::replica::{
    Alive, Database, Effect, Incident, Link, Memory, Notice, OnlyIf, Pending, PendingState, Place, Refused, Replica,
    Save, Saved, Slot, Table, Ticket, Timer, Tray, TrayEntry, Write,
};
use crate::sync::wire::{SnapshotChunk, decode};
use serde_bytes::ByteBuf;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How often the owner of the network tells the other tabs that it is alive, milliseconds.
const ALIVE_EVERY_MS: u64 = 2_000;
/// After how long without a word it is taken for frozen, milliseconds: several words missed, yet within seconds.
const ALIVE_MISSED_MS: u64 = 7_000;
/// Slots one notice names; above this the others read the whole database again.
const NOTICE_SLOTS_MAX: usize = 4_000;

/// What this tab does for the others of the same browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Tab {
    /// Another tab talks to the server.
    #[default]
    Follows,
    /// It holds the lock and is about to write its name into `head`.
    Claims,
    /// It talks to the server for all.
    Leads,
}

/// Whether a database takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Shelf {
    /// Not read yet.
    #[default]
    Unread,
    /// Being read, for the first time or again.
    Reading,
    /// Read and written.
    Open,
    /// It failed: memory only.
    Broken,
}

/// What a save was for.
#[derive(Debug, Clone)]
pub(super) enum Meaning {
    /// To own the network.
    Claim,
    /// Base rows; these slots are named to the other tabs, or none when they have to read everything.
    Base(Vec<Slot>),
    /// New ops at these places, instead of what these writes take away.
    Append { places: Vec<Place>, replaced: Vec<Write>, slots: Vec<Slot> },
    /// Ops that left, and everything else in the outbox.
    Outbox { slots: Vec<Slot>, left: Vec<OpId> },
}

/// How the copy is kept.
#[derive(Debug, Clone, Default)]
pub(super) struct Keeping {
    pub(super) tab: Tab,
    pub(super) base: Shelf,
    pub(super) outbox: Shelf,
    pub(super) head: Head,
    /// `head` as it is stored, or will be once every save before has been carried out.
    head_stored: Option<Vec<u8>>,
    pub(super) tail: Tail,
    pub(super) tail_stored: Option<Vec<u8>>,
    tickets: Ticket,
    meanings: BTreeMap<Ticket, Meaning>,
    /// The newest save of the base that was asked for, and that is on disk.
    pub(super) base_asked: Ticket,
    pub(super) base_done: Ticket,
    /// Appends that have not been answered.
    pub(super) appending: usize,
    /// Whether an append was refused and the rest has to be waited for.
    pub(super) overtaken: bool,
    /// Receipts whose op has left.
    spent: Vec<OpId>,
    /// Landings read from the base.
    landings: BTreeMap<OpId, Landing>,
    /// Fillings no scope points to, found when the base was read.
    orphans: BTreeSet<Generation>,
    /// Drafts that were frozen in this step, or whose place was taken by another tab.
    pub(super) drafted: Vec<Place>,
    /// What else the next append writes: what these drafts replace.
    pub(super) replaced: Vec<Write>,
    /// Databases to be read once more as soon as they have been read.
    read_again: BTreeSet<Database>,
    /// How many reads of the base are on their way, because another tab wrote it.
    base_reads: u32,
    /// Slots of the outbox to be read once those have come.
    after_base: Vec<Vec<Slot>>,
    /// What the owner of the network said last.
    pub(super) owner: Option<Alive>,
}

impl Keeping {
    /// Forgets what was said of ops in a history that is gone.
    pub(super) fn forget_landings(&mut self) {
        self.landings.clear();
    }
    fn shelf(&mut self, database: Database) -> &mut Shelf {
        match database {
            Database::Base => &mut self.base,
            Database::Outbox => &mut self.outbox,
        }
    }
    pub(super) fn memory(&self) -> Memory {
        let broken = [self.base, self.outbox].contains(&Shelf::Broken);
        if broken { Memory::MemoryOnly } else { Memory::Stored }
    }
}

impl Replica {
    /// Whether this tab talks to the server: it owns the network, or has nothing in common with the tab that does.
    pub(super) fn may_talk(&self) -> bool {
        let ready = |shelf| matches!(shelf, Shelf::Open | Shelf::Broken);
        let alone = self.keeping.memory() == Memory::MemoryOnly;
        (self.leads() || alone) && ready(self.keeping.outbox) && ready(self.keeping.base)
    }

    // Saving.

    /// Stores rows of the base, with the head moved on. Only the owner of the network does.
    pub(super) fn save_base(&mut self, mut writes: Vec<Write>) {
        if !self.leads() || self.keeping.base != Shelf::Open {
            return;
        }
        for op in std::mem::take(&mut self.keeping.spent) {
            writes.push(Write::Remove(receipt_slot(op)));
        }
        // `head` is written with every save.
        let slots = named(&writes).map(|named| [named, vec![head_slot()]].concat()).unwrap_or_default();
        self.save_head(writes, Meaning::Base(slots));
    }

    fn save_head(&mut self, mut writes: Vec<Write>, meaning: Meaning) {
        let only_if = Some(OnlyIf { slot: head_slot(), holds: self.keeping.head_stored.clone() });
        self.keeping.head.saves += 1;
        let bytes = row_bytes(&self.keeping.head);
        writes.push(Write::Put(head_slot(), bytes.clone()));
        self.keeping.head_stored = Some(bytes);
        let ticket = self.save(Database::Base, only_if, writes, meaning);
        self.keeping.base_asked = ticket;
    }

    pub(super) fn save(
        &mut self,
        database: Database,
        only_if: Option<OnlyIf>,
        writes: Vec<Write>,
        meaning: Meaning,
    ) -> Ticket {
        self.keeping.tickets += 1;
        let ticket = self.keeping.tickets;
        self.keeping.meanings.insert(ticket, meaning);
        self.effects.push(Effect::Save(Save { ticket, database, only_if, writes }));
        ticket
    }

    /// Stores rows of the outbox that need no place.
    pub(super) fn save_outbox(&mut self, writes: Vec<Write>, left: Vec<OpId>) {
        if self.keeping.outbox == Shelf::Open {
            let slots = named(&writes).unwrap_or_default();
            self.save(Database::Outbox, None, writes, Meaning::Outbox { slots, left });
        }
    }

    pub(super) fn saved(&mut self, ticket: Ticket, saved: Saved) {
        let Some(meaning) = self.keeping.meanings.remove(&ticket) else { return };
        match (meaning, saved) {
            (Meaning::Claim, Saved::Done) => {
                self.keeping.base_done = self.keeping.base_done.max(ticket);
                self.begin_leading();
            }
            (Meaning::Base(slots), Saved::Done) => {
                self.keeping.base_done = self.keeping.base_done.max(ticket);
                self.tell_stored(Database::Base, slots);
            }
            (Meaning::Claim | Meaning::Base(_), Saved::Refused(_)) => self.lost_the_base(),
            (Meaning::Claim | Meaning::Base(_), Saved::Failed) => self.break_shelf(Database::Base),
            (Meaning::Append { places, slots, .. }, Saved::Done) => {
                self.appended(&places);
                self.tell_stored(Database::Outbox, slots);
            }
            (Meaning::Append { places, replaced, .. }, Saved::Refused(holds)) => {
                self.append_refused(&places, replaced, holds);
            }
            (Meaning::Append { places, .. }, Saved::Failed) => {
                self.break_shelf(Database::Outbox);
                self.appended(&places);
            }
            (Meaning::Outbox { slots, left }, Saved::Done) => {
                self.keeping.spent.extend(left);
                self.tell_stored(Database::Outbox, slots);
            }
            // Without a condition nothing can refuse it.
            (Meaning::Outbox { .. }, Saved::Refused(_)) => {}
            (Meaning::Outbox { .. }, Saved::Failed) => self.break_shelf(Database::Outbox),
        }
    }

    fn tell_stored(&mut self, database: Database, slots: Vec<Slot>) {
        let slots = if slots.len() > NOTICE_SLOTS_MAX { Vec::new() } else { slots };
        // Saves are answered in order, so each answer speaks of one save more.
        let saves = match database {
            Database::Base => {
                let outstanding = |meaning: &&Meaning| matches!(meaning, Meaning::Base(_) | Meaning::Claim);
                self.keeping.head.saves - self.keeping.meanings.values().filter(outstanding).count() as u64
            }
            Database::Outbox => 0,
        };
        self.effects.push(Effect::Tell(Notice::Stored { database, saves, slots }));
    }

    fn break_shelf(&mut self, database: Database) {
        let shelf = self.keeping.shelf(database);
        if *shelf != Shelf::Broken {
            *shelf = Shelf::Broken;
            self.effects.push(Effect::Report(Incident::Storage(database)));
            self.stand_down();
        }
    }

    /// A tab that keeps nothing cannot serve the others: what they store it does not read, and what it hears they never see.
    /// It talks for itself from now on, and leaves the network to them for as long as it lives.
    fn stand_down(&mut self) {
        self.keeping.tab = Tab::Follows;
        // Nothing waits for a disk that is not this tab's any more: the server's receipt is durable.
        self.keeping.base_done = Ticket::MAX;
        self.effects.push(Effect::StandDown);
    }

    /// Whether a database still takes part in this copy. Once a tab talks for itself it is ahead of the disk's base or behind
    /// it, and takes nothing of it any more.
    fn takes_part(&self, database: Database) -> bool {
        match database {
            Database::Base => self.keeping.memory() == Memory::Stored,
            Database::Outbox => self.keeping.outbox != Shelf::Broken,
        }
    }

    /// Another tab wrote: this one was replaced, and what it holds may be ahead of or behind the disk.
    fn lost_the_base(&mut self) {
        if !self.takes_part(Database::Base) {
            return;
        }
        if self.keeping.tab == Tab::Leads {
            self.keeping.tab = Tab::Follows;
            self.fall_silent();
        }
        self.load_again(Database::Base);
    }

    /// Ends the conversation, and what was asked for in it is for nobody any more: a chunk that came late would be taken into
    /// memory and stored by nobody, and stand where another tab's belongs.
    fn fall_silent(&mut self) {
        self.hang_up();
        self.talk.fetching.clear();
    }

    pub(super) fn load_again(&mut self, database: Database) {
        let shelf = self.keeping.shelf(database);
        match *shelf {
            Shelf::Open => {
                *shelf = Shelf::Reading;
                self.keeping.read_again.remove(&database);
                self.effects.push(Effect::Load(database));
            }
            // What is being read may be older than what was just heard of.
            Shelf::Unread | Shelf::Reading => {
                self.keeping.read_again.insert(database);
            }
            Shelf::Broken => {}
        }
    }

    // Reading.

    /// Reads what another tab wrote to the outbox, but not before what it wrote to the base earlier: an op that has left the
    /// one and is not in the other yet would be out of sight for a moment.
    fn read_outbox(&mut self) {
        let reading = self.keeping.base_reads > 0 || matches!(self.keeping.base, Shelf::Unread | Shelf::Reading);
        if !reading {
            for slots in std::mem::take(&mut self.keeping.after_base) {
                self.effects.push(Effect::Read { database: Database::Outbox, saves: 0, slots });
            }
        }
    }

    pub(super) fn loaded(&mut self, database: Database, rows: Vec<(Slot, Vec<u8>)>) {
        if *self.keeping.shelf(database) == Shelf::Broken {
            return;
        }
        match database {
            Database::Base => self.base_loaded(rows),
            Database::Outbox => self.outbox_loaded(rows),
        }
        if self.keeping.base == Shelf::Open {
            self.match_landings();
        }
        if self.keeping.read_again.remove(&database) {
            self.load_again(database);
        }
        if self.keeping.tab == Tab::Claims {
            self.claim();
        }
        self.read_outbox();
    }

    pub(super) fn load_failed(&mut self, database: Database) {
        match database {
            // Made anew by the adapter: start from nothing. If that fails too, the next save says so.
            // One slot could not be read, of a base this tab has nothing to do with any more.
            Database::Base if self.keeping.base == Shelf::Open && !self.takes_part(database) => {}
            Database::Base => {
                self.effects.push(Effect::Report(Incident::Storage(database)));
                self.effects.push(Effect::Tell(Notice::Renewed));
                self.keeping.base_reads = 0;
                self.loaded(database, Vec::new());
            }
            Database::Outbox => self.unavailable(database),
        }
    }

    /// Goes on in memory, for as long as this page lives.
    pub(super) fn unavailable(&mut self, database: Database) {
        self.break_shelf(database);
        match database {
            Database::Base => {
                self.keeping.base_reads = 0;
                self.read_outbox();
            }
            Database::Outbox if self.keeping.tail.place == 0 => self.keeping.tail = first_tail(),
            Database::Outbox => {}
        }
    }

    fn base_loaded(&mut self, rows: Vec<(Slot, Vec<u8>)>) {
        let before: Vec<Key> = self.base.keys().collect();
        let theirs_repairs: BTreeMap<Scope, u32> =
            self.base.scopes.iter().map(|(scope, copy)| (*scope, copy.repairs)).collect();
        let drawn = self.base.read_anew();
        self.keeping.head = Head::default();
        self.keeping.head_stored = None;
        self.keeping.landings.clear();
        let mut chunks: BTreeMap<(Generation, u32), SnapshotChunk> = BTreeMap::new();
        let mut changes: BTreeMap<Generation, Vec<(Key, Option<Record>)>> = BTreeMap::new();
        let mut damaged: BTreeSet<Generation> = BTreeSet::new();
        for (slot, bytes) in rows {
            let read = match slot.table {
                Table::Head => decode(&bytes).map(|head| {
                    self.keeping.head = head;
                }),
                Table::Scopes => decode::<ScopeRow>(&bytes).map(|row| {
                    if let Ok(scope) = slot.key.parse() {
                        let stored_tidemark = row.tidemark;
                        let repairs = theirs_repairs.get(&scope).copied().unwrap_or(0);
                        self.base.scopes.insert(scope, Copy { row, stored_tidemark, repairs, ..Copy::default() });
                    }
                }),
                Table::Chunks => decode::<SnapshotChunk>(&bytes).map(|chunk| {
                    if let Some(number) = chunk_in(&slot) {
                        chunks.insert(number, chunk);
                    }
                }),
                Table::Rows => read_row(&bytes).map(|record| {
                    if let Some((generation, key)) = row_in(&slot) {
                        changes.entry(generation).or_default().push((key, record));
                    }
                }),
                Table::Receipts => decode::<Landing>(&bytes).map(|landing| {
                    if let Ok(op) = slot.key.parse() {
                        self.keeping.landings.insert(op, landing);
                    }
                }),
                Table::Tail | Table::Ops | Table::Tray | Table::Settled => Ok(()),
            };
            if slot.table == Table::Head {
                self.keeping.head_stored = Some(bytes);
            }
            if read.is_err() {
                damaged.extend(row_in(&slot).map(|(generation, _)| generation));
                damaged.extend(chunk_in(&slot).map(|(generation, _)| generation));
                self.effects.push(Effect::Report(Incident::Stored(slot)));
            }
        }
        let highest = self
            .base
            .scopes
            .values()
            .flat_map(|copy| [copy.row.generation, copy.row.loading.as_ref().map(|loading| loading.generation)]);
        let highest = highest.flatten().max().map_or(0, |generation| generation.saturating_add(1));
        self.keeping.head.generation = self.keeping.head.generation.max(highest);
        let scopes: Vec<Scope> = self.base.scopes.keys().copied().collect();
        for scope in scopes {
            self.shelve(scope, &mut chunks, &mut changes, &damaged);
        }
        let drawn = self.base.draw(drawn, self.keeping.head.epoch);
        self.marked.extend(drawn);
        self.keeping.orphans = chunks.keys().map(|(generation, _)| *generation).chain(changes.into_keys()).collect();
        self.keeping.orphans.extend(damaged);
        for pending in self.outbox.iter_mut() {
            pending.forget_landing();
        }
        self.talk.answered.clear();
        self.keeping.base = Shelf::Open;
        self.marked.extend(before);
        self.marked.extend(self.base.records.keys().copied());
        self.marked.extend(self.outbox.keys());
        self.view.reread_rules(&self.base);
        for (scope, copy) in &self.base.scopes {
            if copy.follows(self.keeping.head.epoch) {
                self.effects.push(Effect::Complete(*scope));
            }
        }
    }

    /// Puts a scope's stored records together: its chunks, then what changed since.
    fn shelve(
        &mut self,
        scope: Scope,
        chunks: &mut BTreeMap<(Generation, u32), SnapshotChunk>,
        changes: &mut BTreeMap<Generation, Vec<(Key, Option<Record>)>>,
        damaged: &BTreeSet<Generation>,
    ) {
        let Some(copy) = self.base.scopes.get_mut(&scope) else { return };
        let mut take = |generation: Generation| -> Vec<Record> {
            let numbers: Vec<_> =
                chunks.range((generation, 0)..=(generation, u32::MAX)).map(|(number, _)| *number).collect();
            numbers.into_iter().filter_map(|number| chunks.remove(&number)).flat_map(|chunk| chunk.records).collect()
        };
        if let Some(loading) = &copy.row.loading {
            if damaged.contains(&loading.generation) {
                copy.row.loading = None;
            } else {
                copy.staged = Staged::default();
                copy.staged.add(take(loading.generation));
                copy.staged.chunks = loading.chunks;
            }
        }
        let Some(generation) = copy.row.generation else { return };
        if damaged.contains(&generation) {
            // Fetched anew; what is pending is folded over it as soon as it is here.
            copy.row.generation = None;
            copy.row.tidemark = 0;
            return;
        }
        let mut records: BTreeMap<Key, Record> =
            take(generation).into_iter().map(|record| (record.key(), record)).collect();
        for (key, record) in changes.remove(&generation).unwrap_or_default() {
            match record {
                Some(record) => records.insert(key, record),
                None => records.remove(&key),
            };
        }
        self.base.records.extend(
            records.into_iter().filter(|(_, record)| !record.deleted).map(|(key, record)| (key, Arc::new(record))),
        );
    }

    fn outbox_loaded(&mut self, rows: Vec<(Slot, Vec<u8>)>) {
        let before: BTreeSet<Place> = self.outbox.iter().map(|pending| pending.place).collect();
        // An append under way compares the tail itself, and moves what has to be moved.
        let moving = (self.keeping.appending == 0).then(|| self.take_out_drafts());
        let mut found = BTreeSet::new();
        let mut newest = 0;
        let mut tail = first_tail();
        let mut tail_stored = None;
        self.tray.clear();
        self.settled.clear();
        self.settled_in = None;
        let mut unreadable = Vec::new();
        for (slot, bytes) in rows {
            if slot.table == Table::Tail {
                match decode(&bytes) {
                    Ok(stored) => tail = stored,
                    Err(_) => self.effects.push(Effect::Report(Incident::Stored(slot))),
                }
                tail_stored = Some(bytes);
                continue;
            }
            if slot == epoch_slot() {
                self.settled_in = decode(&bytes).unwrap_or(None);
            }
            let Some(place) = place_in(&slot) else { continue };
            newest = newest.max(place + 1);
            if slot.table == Table::Ops {
                found.insert(place);
            }
            match slot.table {
                Table::Ops => unreadable.extend(self.take_op(place, bytes)),
                Table::Tray => self.take_refused(place, slot, &bytes),
                Table::Settled => {
                    self.settled.insert(place, bytes);
                }
                Table::Head | Table::Scopes | Table::Chunks | Table::Rows | Table::Receipts | Table::Tail => {}
            }
        }
        for place in before {
            let stored = self.outbox.get(place).is_some_and(|pending| pending.state != PendingState::Storing);
            if stored && !found.contains(&place) {
                self.drop_op(place);
            }
        }
        // Never give a place away twice, whatever happened to the tail.
        tail.place = tail.place.max(newest);
        let stored = self.outbox.iter().filter(|pending| found.contains(&pending.place));
        let counted = stored.filter(|pending| self.is_own_life(pending)).map(|pending| pending.op.counter).max();
        tail.counter = tail.counter.max(counted.unwrap_or(0) + 1);
        if let Some(moving) = moving {
            self.put_back_drafts(moving, tail, tail_stored);
        }
        self.keeping.outbox = Shelf::Open;
        self.offer_what_settled_elsewhere();
        self.stirred = true;
        self.put_unreadable_into_tray(unreadable);
        self.hold_dependents();
    }

    fn is_own_life(&self, pending: &Pending) -> bool {
        pending.op.device == self.me.device && pending.op.incarnation == self.me.incarnation
    }

    /// Takes a stored op into the outbox; gives its place and bytes back if they cannot be read.
    fn take_op(&mut self, place: Place, bytes: Vec<u8>) -> Option<(Place, Vec<u8>)> {
        if let Some(there) = self.outbox.get(place) {
            if *there.bytes == bytes && there.state != PendingState::Storing {
                return None;
            }
            if there.state == PendingState::Storing {
                // It is ours and about to be confirmed; or another tab has the place, ours will be refused and moved, and
                // then this is read again.
                self.keeping.read_again.insert(Database::Outbox);
                return None;
            }
        }
        match self.schema.read_op(&bytes) {
            Ok(op) => {
                self.mark(op.key());
                self.outbox.insert(Pending::new(place, bytes, op, PendingState::Waiting));
                self.stirred = true;
                None
            }
            // The tab that froze it pushes it, or the next one of its build does.
            Err(_) if self.schema.is_newer(&bytes) => None,
            Err(_) => Some((place, bytes)),
        }
    }

    fn take_refused(&mut self, place: Place, slot: Slot, bytes: &[u8]) {
        self.stirred = true;
        match decode::<TrayEntry>(bytes) {
            Ok(entry) => {
                let op = self.schema.read_op(&entry.bytes).ok().map(Arc::new);
                self.tray.insert(place, Refused { place, entry, op });
            }
            Err(_) => self.effects.push(Effect::Report(Incident::Stored(slot))),
        }
    }

    fn put_unreadable_into_tray(&mut self, ops: Vec<(Place, Vec<u8>)>) {
        let mut writes = Vec::new();
        for (place, bytes) in ops {
            let reason = Reason {
                code: Code::Malformed,
                field: None,
                says:
                    "What is stored of this edit cannot be read by this version. It is kept as it is; export it before \
                       you discard it."
                        .to_owned(),
            };
            let entry =
                TrayEntry { sort: Tray::Unreadable, bytes: ByteBuf::from(bytes), reason, at_ms: self.moment.now_ms };
            writes.push(Write::Remove(place_slot(Table::Ops, place)));
            writes.push(Write::Put(place_slot(Table::Tray, place), row_bytes(&entry)));
            self.effects.push(Effect::Report(Incident::Stored(place_slot(Table::Ops, place))));
            self.tray.insert(place, Refused { place, entry, op: None });
        }
        if !writes.is_empty() {
            self.save_outbox(writes, Vec::new());
        }
    }

    /// Takes an op out of the outbox in memory.
    pub(super) fn drop_op(&mut self, place: Place) -> Option<Pending> {
        let pending = self.outbox.remove(place)?;
        self.talk.answered.remove(&place);
        self.mark(pending.op.key());
        self.stirred = true;
        Some(pending)
    }

    /// Tells the ops of the outbox what the base knows of them.
    fn match_landings(&mut self) {
        for (op, landing) in std::mem::take(&mut self.keeping.landings) {
            match self.outbox.place_of(op) {
                Some(place) => self.land(place, landing),
                // It left, and only its receipt stayed behind. Before the outbox is read nobody knows.
                None if self.keeping.outbox == Shelf::Open => self.keeping.spent.push(op),
                None => {
                    self.keeping.landings.insert(op, landing);
                }
            }
        }
    }

    /// Changed slots, read because another tab wrote them.
    pub(super) fn read(&mut self, database: Database, saves: u64, slots: Vec<(Slot, Option<Vec<u8>>)>) {
        if database == Database::Base {
            self.keeping.base_reads = self.keeping.base_reads.saturating_sub(1);
        }
        if self.takes_part(database) {
            self.take_in(database, saves, slots);
        }
        self.read_outbox();
    }

    fn take_in(&mut self, database: Database, saves: u64, slots: Vec<(Slot, Option<Vec<u8>>)>) {
        let mut reload = false;
        let mut unreadable = Vec::new();
        let mut tail = None;
        let named: BTreeSet<Place> =
            slots.iter().filter(|(slot, _)| slot.table == Table::Ops).filter_map(|(slot, _)| place_in(slot)).collect();
        for (slot, bytes) in slots {
            match slot.table {
                Table::Scopes => reload |= self.scope_read(&slot, bytes.as_deref()),
                Table::Rows => {
                    let Some((generation, key)) = row_in(&slot) else { continue };
                    let Some(copy) = self.base.scope_of(generation).and_then(|scope| self.base.scopes.get_mut(&scope))
                    else {
                        continue;
                    };
                    copy.sum = None;
                    match bytes.as_deref().map(read_row) {
                        Some(Ok(record)) => self.base.hear(key, record),
                        None => self.base.hear(key, None),
                        Some(Err(_)) => self.effects.push(Effect::Report(Incident::Stored(slot))),
                    }
                    self.mark(key);
                }
                Table::Receipts => {
                    let landing = bytes.as_deref().map(decode::<Landing>);
                    if let (Ok(op), Some(Ok(landing))) = (slot.key.parse(), landing) {
                        self.keeping.landings.insert(op, landing);
                    }
                }
                Table::Tail => tail = bytes,
                Table::Settled if slot == epoch_slot() => {
                    self.settled_in = bytes.and_then(|bytes| decode(&bytes).unwrap_or(None));
                }
                Table::Ops | Table::Tray | Table::Settled => {
                    let Some(place) = place_in(&slot) else { continue };
                    match (slot.table, bytes) {
                        (Table::Ops, Some(bytes)) => unreadable.extend(self.take_op(place, bytes)),
                        (Table::Ops, None) => {
                            let stored =
                                self.outbox.get(place).is_some_and(|pending| pending.state != PendingState::Storing);
                            if stored {
                                self.drop_op(place);
                            }
                        }
                        (Table::Tray, Some(bytes)) => self.take_refused(place, slot, &bytes),
                        (Table::Tray, None) => {
                            self.stirred |= self.tray.remove(&place).is_some();
                        }
                        (_, Some(bytes)) => {
                            self.settled.insert(place, bytes);
                        }
                        (_, None) => {
                            self.settled.remove(&place);
                        }
                    }
                }
                Table::Head => self.head_read(saves, bytes),
                Table::Chunks => {}
            }
        }
        self.match_landings();
        reload |= tail.is_some_and(|tail| self.tail_read(tail, &named));
        match database {
            Database::Base => {}
            Database::Outbox => {
                self.put_unreadable_into_tray(unreadable);
                self.hold_dependents();
                self.offer_what_settled_elsewhere();
                reload |= self.keeping.read_again.contains(&Database::Outbox);
            }
        }
        if reload {
            self.load_again(database);
        }
    }

    /// The head, read together with what the notice named: if it is still that save's, this tab knows everything up to it
    /// and could take over without reading it all.
    fn head_read(&mut self, saves: u64, bytes: Option<Vec<u8>>) {
        let head = bytes.as_deref().map(decode::<Head>);
        if let Some(Ok(head)) = head
            && head.saves == saves
            && self.keeping.head.saves == saves
            && self.keeping.tab == Tab::Follows
        {
            self.keeping.head = head;
            self.keeping.head_stored = bytes;
        }
    }

    /// The tail moved. Says whether an op was appended that nobody spoke of.
    fn tail_read(&mut self, bytes: Vec<u8>, named: &BTreeSet<Place>) -> bool {
        let placing = self.keeping.appending > 0 || !self.keeping.drafted.is_empty();
        if placing || Some(&bytes) == self.keeping.tail_stored.as_ref() {
            return false;
        }
        let Ok(tail) = decode::<Tail>(&bytes) else { return true };
        let told = (self.keeping.tail.place..tail.place).all(|place| named.contains(&place));
        if told {
            self.keeping.tail = tail;
            self.keeping.tail_stored = Some(bytes);
        }
        !told
    }

    /// Another tab wrote a scope's row. Says whether everything has to be read again.
    fn scope_read(&mut self, slot: &Slot, bytes: Option<&[u8]>) -> bool {
        let Ok(scope) = slot.key.parse::<Scope>() else { return false };
        let Some(row) = bytes.map(decode::<ScopeRow>) else {
            self.marked.extend(self.base.keys_in(scope));
            self.base.purge(scope);
            self.effects.push(Effect::Purged(scope));
            return false;
        };
        let Ok(row) = row else {
            self.effects.push(Effect::Report(Incident::Stored(slot.clone())));
            return false;
        };
        let copy = self.base.scopes.entry(scope).or_default();
        let switched = copy.row.generation != row.generation;
        copy.stored_tidemark = row.tidemark;
        copy.row = row;
        switched
    }

    // Tabs.

    pub(super) fn elected(&mut self) {
        if self.keeping.memory() == Memory::MemoryOnly {
            self.stand_down();
        } else if self.keeping.tab == Tab::Follows {
            self.keeping.tab = Tab::Claims;
            self.claim();
        }
    }

    fn claim(&mut self) {
        // Otherwise it is being read, which goes on to claim.
        if self.keeping.base == Shelf::Open {
            self.keeping.head.fence += 1;
            self.save_head(Vec::new(), Meaning::Claim);
        }
    }

    fn begin_leading(&mut self) {
        if self.keeping.tab != Tab::Claims {
            return;
        }
        self.keeping.tab = Tab::Leads;
        self.keeping.owner = None;
        self.talk.start();
        self.say_alive();
        if self.keeping.head.saves == 1 {
            self.effects.push(Effect::Tell(Notice::Renewed));
        } else {
            self.tell_stored(Database::Base, vec![head_slot()]);
        }
        // Another tab may have written to the outbox without having lived long enough to say so: all read it again.
        self.load_again(Database::Outbox);
        self.tell_stored(Database::Outbox, Vec::new());
        self.sweep();
        let unread =
            |copy: &Copy| copy.row.loading.as_ref().is_some_and(|loading| loading.chunks != copy.staged.chunks);
        let unread: Vec<Scope> =
            self.base.scopes.iter().filter(|(_, copy)| unread(copy)).map(|(scope, _)| *scope).collect();
        for scope in unread {
            self.fetch_anew(scope);
        }
    }

    pub(super) fn deposed(&mut self) {
        if self.keeping.tab != Tab::Follows {
            self.keeping.tab = Tab::Follows;
            self.fall_silent();
            self.load_again(Database::Base);
            self.effects.push(listen());
        }
    }

    pub(super) fn alive_rung(&mut self) {
        match self.keeping.tab {
            Tab::Leads => {
                self.say_alive();
                if self.keeping.outbox == Shelf::Open && self.keeping.appending == 0 {
                    self.effects.push(Effect::Read { database: Database::Outbox, saves: 0, slots: vec![tail_slot()] });
                }
            }
            Tab::Follows if self.keeping.memory() == Memory::Stored => {
                self.keeping.owner = None;
                self.effects.push(Effect::TakeOver);
                self.effects.push(listen());
            }
            Tab::Follows | Tab::Claims => {}
        }
    }

    pub(super) fn say_alive(&mut self) {
        let live = match self.link() {
            Link::Joining => Alive::Joining,
            Link::Live => Alive::Live,
            Link::Offline => Alive::Offline,
            Link::SignedOut => Alive::SignedOut,
            Link::Revoked => Alive::Revoked,
            Link::UpdateNeeded => Alive::UpdateNeeded,
        };
        self.effects.push(Effect::Tell(Notice::Alive { live, head: self.talk.head }));
        self.effects.push(Effect::Wake { timer: Timer::Alive, after_ms: ALIVE_EVERY_MS });
    }

    pub(super) fn told(&mut self, notice: Notice) {
        match notice {
            Notice::Stored { database: Database::Base, saves, slots } => self.base_told(saves, slots),
            Notice::Stored { database: Database::Outbox, slots, .. } => {
                if slots.is_empty() || self.keeping.outbox != Shelf::Open {
                    self.load_again(Database::Outbox);
                } else {
                    self.keeping.after_base.push(slots);
                    self.read_outbox();
                }
            }
            Notice::Renewed if self.leads() => self.save_base(Vec::new()),
            Notice::Renewed if self.takes_part(Database::Base) => {
                self.keeping.head.saves = 0;
                self.load_again(Database::Base);
            }
            Notice::Alive { live, head } if self.keeping.tab == Tab::Follows => {
                self.keeping.owner = Some(live);
                if live == Alive::Revoked {
                    self.marked.extend(self.base.forget_drawn(|_| false));
                }
                self.talk.head = self.talk.head.max(head);
                self.effects.push(listen());
            }
            Notice::Nudge if self.leads() => self.nudged(),
            Notice::Open(scope) if self.leads() => self.open(scope),
            Notice::Sees(scopes) if !self.leads() => {
                self.marked.extend(self.base.forget_drawn(|scope| scopes.contains(&scope)));
            }
            Notice::Gone(scope) if !self.leads() => self.forget_drawn_in(scope),
            Notice::Renewed
            | Notice::Alive { .. }
            | Notice::Nudge
            | Notice::Open(_)
            | Notice::Sees(_)
            | Notice::Gone(_) => {}
        }
    }

    /// See `Event::Told`.
    fn base_told(&mut self, saves: u64, slots: Vec<Slot>) {
        if self.keeping.tab == Tab::Leads || saves <= self.keeping.head.saves || !self.takes_part(Database::Base) {
            return;
        }
        if saves == self.keeping.head.saves + 1 && !slots.is_empty() && self.keeping.base == Shelf::Open {
            self.keeping.head.saves = saves;
            // `head` is read so that this tab could take over without reading everything.
            self.keeping.base_reads += 1;
            self.effects.push(Effect::Read { database: Database::Base, saves, slots });
        } else {
            self.load_again(Database::Base);
        }
    }

    /// Removes what no scope points to: fillings that were given up, or that a crash left behind.
    fn sweep(&mut self) {
        let orphans = std::mem::take(&mut self.keeping.orphans);
        if !orphans.is_empty() {
            self.save_base(orphans.into_iter().flat_map(remove_generation).collect());
        }
    }
}

/// Lets a filling go.
pub(super) fn remove_generation(generation: Generation) -> [Write; 2] {
    [
        Write::RemoveUnder(under_generation(Table::Rows, generation)),
        Write::RemoveUnder(under_generation(Table::Chunks, generation)),
    ]
}

/// A tab that follows listens for the owner of the network.
pub(super) fn listen() -> Effect {
    Effect::Wake { timer: Timer::Alive, after_ms: ALIVE_MISSED_MS }
}

/// The slots a notice names: everything written but chunks, which count only once a scope's row points to them. None if the
/// others have to read everything.
fn named(writes: &[Write]) -> Option<Vec<Slot>> {
    let mut slots = Vec::new();
    for write in writes {
        match write {
            Write::Put(slot, _) | Write::Remove(slot) => {
                if slot.table != Table::Chunks {
                    slots.push(slot.clone());
                }
            }
            Write::RemoveUnder(slot) if slot.table == Table::Receipts => return None,
            Write::RemoveUnder(_) => {}
        }
    }
    Some(slots)
}

fn read_row(bytes: &[u8]) -> Result<Option<Record>, crate::sync::wire::WireError> {
    if bytes.is_empty() { Ok(None) } else { decode(bytes).map(Some) }
}

/// A new outbox: places and counters start at 1.
fn first_tail() -> Tail {
    Tail { place: 1, counter: 1, last: None }
}
