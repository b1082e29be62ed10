//! What people do: drafts become frozen ops with what their author saw, are shown at once and appended to the outbox. Also
//! what they do with ops that wait or were refused: try again, give up, carry over from a file.

use crate::model::catalog::FieldSpec;
use crate::model::check;
use crate::model::id::{IntentId, OpId};
use crate::model::record::{Key, Record, Version};
use crate::model::value::{Name, Value};
use crate::sync::op::{Action, Change, Code, Op, Reason};
use crate::sync::replica::keep::{Meaning, Shelf};
use crate::sync::replica::stored::{Tail, place_slot, row_bytes, tail_slot};
use crate::sync::replica::view::{doubt, parent_of};
use crate::sync::replica::{
    Database, Draft, Effect, Incident, OnlyIf, Pending, PendingState, Place, Refused, Replica, Table, Tray, TrayEntry,
    Write,
};
use crate::sync::wire::{INTENT_OPS_MAX, OP_BYTES_MAX, decode, encode};
use serde_bytes::ByteBuf;
use std::collections::{BTreeMap, BTreeSet};

/// Frozen bytes of one intent, and of one push: they fit into one message with room for its envelope.
pub(super) const PUSH_BYTES_MAX: usize = 1_000_000;

fn refusal(code: Code, field: Option<&str>, says: impl Into<String>) -> Reason {
    let field = field.and_then(crate::model::catalog::known_name).map(Name::new);
    Reason { code, field, says: says.into() }
}

impl Replica {
    pub(super) fn act(&mut self, intent: IntentId, drafts: Vec<(OpId, Draft)>) {
        if matches!(self.keeping.outbox, Shelf::Unread) {
            let says = "This device is still opening its store. Nothing was changed; try again in a moment.";
            self.effects.push(Effect::Refuse(intent, vec![refusal(Code::Missing, None, says)]));
            return;
        }
        if drafts.len() > INTENT_OPS_MAX {
            let says =
                format!("At most {INTENT_OPS_MAX} changes can be made at once. Nothing was changed; do it in parts.");
            self.effects.push(Effect::Refuse(intent, vec![refusal(Code::Invalid, None, says)]));
            return;
        }
        let tail = self.keeping.tail;
        let mut frozen = Vec::new();
        let mut bytes = 0;
        let mut reasons = Vec::new();
        for (id, draft) in drafts {
            match self.freeze(id, intent, draft).and_then(|op| op.map(|op| self.take(op)).transpose()) {
                Ok(None) => {}
                Ok(Some((place, length))) => {
                    frozen.push(place);
                    bytes += length;
                }
                Err(reason) => reasons.push(reason),
            }
        }
        if reasons.is_empty() && bytes > PUSH_BYTES_MAX {
            let says = "This is too much to do at once. Nothing was changed; do it in parts.";
            reasons.push(refusal(Code::Invalid, None, says));
        }
        if reasons.is_empty() {
            self.keeping.drafted.extend(frozen);
            return;
        }
        for place in frozen {
            self.drop_op(place);
        }
        self.keeping.tail = tail;
        self.effects.push(Effect::Refuse(intent, reasons));
    }

    /// Gives the op a place and shows it.
    fn take(&mut self, op: Op) -> Result<(Place, usize), Reason> {
        let bytes = encode(&op).ok().filter(|bytes| bytes.len() <= OP_BYTES_MAX).ok_or_else(|| {
            refusal(
                Code::Invalid,
                None,
                "This is too large to store. Nothing was changed; make it smaller and try again.",
            )
        })?;
        Ok(self.place(op, bytes))
    }

    /// The same for an op that was stored before: a number in it may take a byte more now, and if that is too many for the server, it
    /// says so.
    fn take_again(&mut self, op: Op) {
        if let Ok(bytes) = encode(&op) {
            let (place, _) = self.place(op, bytes);
            self.keeping.drafted.push(place);
        }
    }

    fn place(&mut self, op: Op, bytes: Vec<u8>) -> (Place, usize) {
        let key = op.key();
        let length = bytes.len();
        let place = self.keeping.tail.place;
        let own = op.device == self.me.device && op.incarnation == self.me.incarnation;
        let counter = if own { self.keeping.tail.counter.max(op.counter + 1) } else { self.keeping.tail.counter };
        self.keeping.tail = Tail { place: place + 1, counter, last: Some(op.id) };
        self.outbox.insert(Pending::new(place, bytes, op, PendingState::Storing));
        self.stirred = true;
        self.mark(key);
        // The next draft of this intent sees this one.
        self.refresh();
        (place, length)
    }

    /// How far whoever sees this record has seen its scope.
    fn seen_up_to(&self, record: &Record) -> Version {
        self.base.scopes.get(&record.scope).map_or(0, |copy| copy.row.tidemark).max(record.seq)
    }

    /// The op a draft becomes; `None` when it changes nothing.
    fn freeze(&self, id: OpId, intent: IntentId, draft: Draft) -> Result<Option<Op>, Reason> {
        let key = draft.key();
        let seen = self.view(key);
        let action = match draft {
            Draft::Create { fields, .. } => {
                if seen.is_some() {
                    return Err(refusal(Code::Exists, None, "This exists already. Nothing was changed."));
                }
                Some(first_fields(key, fields)?)
            }
            Draft::Set { values, .. } => {
                let record = seen.as_deref().ok_or_else(|| missing(key))?;
                let saw = |name: &str, now| Change { base: record.version(name), was: record.get(name).clone(), now };
                set(
                    key,
                    seen.as_deref(),
                    values.into_iter().map(|(name, now)| (name.clone(), saw(name.as_str(), now))).collect(),
                )?
            }
            // An edit says itself what its author saw, so it may follow the restore of a record that is not here.
            Draft::Edit { changes, .. } if seen.is_some() || self.comes_back(key) => {
                set(key, seen.as_deref(), changes)?
            }
            Draft::Edit { .. } => return Err(missing(key)),
            Draft::Delete { .. } => {
                let record = seen.as_deref().ok_or_else(|| missing(key))?;
                Some(Action::Delete { seen: self.seen_up_to(record) })
            }
            Draft::Restore { .. } => Some(Action::Restore),
            Draft::Command { name, .. } => {
                let record = seen.as_deref().ok_or_else(|| missing(key))?;
                key.kind.spec().command(name.as_str()).ok_or_else(|| {
                    refusal(Code::Invalid, None, "This version does not know that command. Nothing was changed.")
                })?;
                Some(Action::Command { name, seen: Some(self.seen_up_to(record)) })
            }
        };
        let Some(action) = action else { return Ok(None) };
        let mut op = Op {
            id,
            device: self.me.device,
            incarnation: self.me.incarnation,
            counter: self.keeping.tail.counter,
            intent,
            after: Vec::new(),
            schema: self.schema.version,
            kind: key.kind,
            record: key.id,
            action,
            claimed_ms: self.moment.now_ms,
            offset_ms: self.talk.offset_ms,
        };
        // A command that is not right even here is not worth sending; one that was right and is not any more is sent, and
        // the server decides.
        let follows_restore = matches!(op.action, Action::Set { .. }) && self.comes_back(key);
        if !follows_restore && let Some(reason) = doubt(&op, seen.as_deref()) {
            return Err(reason);
        }
        op.after = self.needs(&op, seen.as_deref());
        Ok(Some(op))
    }

    /// Whether a pending op restores this record.
    fn comes_back(&self, key: Key) -> bool {
        let places = self.outbox.unlanded(key);
        let mut ops = places.into_iter().filter_map(|place| self.outbox.get(place));
        ops.any(|pending| pending.op.action == Action::Restore)
    }

    /// The pending ops without which this one makes no sense: what makes its record, and what makes or restores the record
    /// it stands under.
    fn needs(&self, op: &Op, seen: Option<&Record>) -> Vec<OpId> {
        let mut keys = BTreeSet::from([op.key()]);
        if !matches!(op.action, Action::Delete { .. }) {
            keys.extend(parent_of(op, seen));
        }
        let makes = |pending: &&Pending| {
            keys.contains(&pending.op.key())
                && !matches!(pending.state, PendingState::Settled(_))
                && match pending.op.action {
                    Action::Create { .. } => true,
                    Action::Delete { .. } => matches!(op.action, Action::Restore) && pending.op.key() == op.key(),
                    Action::Set { .. } | Action::Restore | Action::Command { .. } => false,
                }
        };
        let places: BTreeSet<Place> = keys.iter().flat_map(|key| self.outbox.unlanded(*key)).collect();
        let found = places.into_iter().filter_map(|place| self.outbox.get(place));
        found.filter(makes).map(|pending| pending.op.id).collect()
    }

    // Storing.

    /// Appends what was frozen and has no place on disk yet.
    pub(super) fn store_drafts(&mut self) {
        if self.keeping.drafted.is_empty() {
            return;
        }
        match self.keeping.outbox {
            Shelf::Broken => {
                let places = std::mem::take(&mut self.keeping.drafted);
                self.keeping.appending += 1;
                self.keeping.replaced.clear();
                self.appended(&places);
                return;
            }
            Shelf::Open if !self.keeping.overtaken => {}
            // Another tab was faster, or the outbox is being read: places are given out once it is known what is taken.
            Shelf::Open | Shelf::Reading | Shelf::Unread => return,
        }
        let places = std::mem::take(&mut self.keeping.drafted);
        let replaced = std::mem::take(&mut self.keeping.replaced);
        let tail = row_bytes(&self.keeping.tail);
        let mut writes = vec![Write::Put(tail_slot(), tail.clone())];
        for pending in places.iter().filter_map(|place| self.outbox.get(*place)) {
            writes.push(Write::Put(place_slot(Table::Ops, pending.place), pending.bytes.to_vec()));
        }
        writes.extend(replaced.iter().cloned());
        let slots = writes
            .iter()
            .filter_map(|write| match write {
                Write::Put(slot, _) | Write::Remove(slot) => Some(slot.clone()),
                Write::RemoveUnder(_) => None,
            })
            .collect();
        let only_if = Some(OnlyIf { slot: tail_slot(), holds: self.keeping.tail_stored.clone() });
        self.keeping.tail_stored = Some(tail);
        self.keeping.appending += 1;
        self.save(Database::Outbox, only_if, writes, Meaning::Append { places, replaced, slots });
    }

    /// These ops are stored: they may be pushed.
    pub(super) fn appended(&mut self, places: &[Place]) {
        self.keeping.appending = self.keeping.appending.saturating_sub(1);
        for place in places {
            if let Some(pending) = self.outbox.get_mut(*place) {
                pending.state = PendingState::Waiting;
            }
        }
        self.stirred = true;
        self.hold_dependents();
    }

    /// Another tab took the place. An op is frozen once it is stored; until then it may still get another counter.
    pub(super) fn append_refused(&mut self, places: &[Place], replaced: Vec<Write>, holds: Option<Vec<u8>>) {
        self.keeping.appending = self.keeping.appending.saturating_sub(1);
        self.keeping.overtaken = true;
        self.keeping.drafted.extend(places);
        self.keeping.replaced.extend(replaced);
        if self.keeping.appending > 0 {
            // Every append after a refused one is refused too; all of them move together.
            return;
        }
        let tail = holds.as_deref().and_then(|bytes| decode(bytes).ok()).unwrap_or(self.keeping.tail);
        self.keeping.overtaken = false;
        let moving = self.take_out_drafts();
        if holds.is_none() {
            self.store_anew();
        }
        self.put_back_drafts(moving, tail, holds);
        // Whoever was faster may not live to say so.
        self.store_drafts();
        self.load_again(Database::Outbox);
    }

    /// The tail's row never goes alone. Without it the database is a new one: the browser evicted the other, or a person cleared it,
    /// and what it held is here alone. The same bytes go to the same places.
    fn store_anew(&mut self) {
        let stored =
            |state: &PendingState| matches!(state, PendingState::Waiting | PendingState::Sent | PendingState::Held(_));
        for pending in self.outbox.iter_mut().filter(|pending| stored(&pending.state)) {
            pending.state = PendingState::Storing;
            pending.frozen = true;
            self.keeping.drafted.push(pending.place);
        }
        let tray = self.tray.iter();
        let tray = tray.map(|(place, refused)| Write::Put(place_slot(Table::Tray, *place), row_bytes(&refused.entry)));
        self.keeping.replaced.extend(tray);
        self.effects.push(Effect::Report(Incident::Stored(tail_slot())));
    }

    /// Takes out everything that has no place on disk.
    pub(super) fn take_out_drafts(&mut self) -> Vec<Pending> {
        let mut drafted = std::mem::take(&mut self.keeping.drafted);
        drafted.sort_unstable();
        drafted.into_iter().filter_map(|place| self.drop_op(place)).collect()
    }

    /// Gives it new places, behind this tail.
    pub(super) fn put_back_drafts(&mut self, moving: Vec<Pending>, tail: Tail, stored: Option<Vec<u8>>) {
        self.keeping.tail = tail;
        self.keeping.tail_stored = stored;
        for pending in moving {
            let mut op = (*pending.op).clone();
            if pending.frozen {
                let (place, _) = self.place(op, pending.bytes.to_vec());
                if let Some(placed) = self.outbox.get_mut(place) {
                    placed.frozen = true;
                }
                self.keeping.drafted.push(place);
                continue;
            }
            if op.device == self.me.device && op.incarnation == self.me.incarnation {
                op.counter = self.keeping.tail.counter;
            }
            self.take_again(op);
        }
    }

    // Trying again and giving up.

    /// How many new ids `Event::Retry` of this op needs; 0 for an op that is not in the tray.
    pub fn retries(&self, op: OpId) -> usize {
        if self.in_tray(op) { self.together_with(op).len() } else { 0 }
    }

    fn in_tray(&self, op: OpId) -> bool {
        self.tray.values().any(|refused| refused.id() == Some(op))
    }

    /// The op of the tray with whatever of tray and outbox needs it or shares its intent, in order.
    fn together_with(&self, root: OpId) -> Vec<Place> {
        let mut candidates: BTreeMap<Place, &Op> = BTreeMap::new();
        for (place, refused) in &self.tray {
            candidates.extend(refused.op.as_deref().map(|op| (*place, op)));
        }
        for pending in self.outbox.iter().filter(|pending| matches!(pending.state, PendingState::Held(_))) {
            candidates.insert(pending.place, &pending.op);
        }
        let mut ids = BTreeSet::from([root]);
        let mut intents: BTreeSet<IntentId> =
            candidates.values().filter(|op| op.id == root).map(|op| op.intent).collect();
        let mut places = BTreeSet::new();
        loop {
            let before = places.len();
            for (place, op) in &candidates {
                if intents.contains(&op.intent)
                    || ids.contains(&op.id)
                    || op.after.iter().any(|need| ids.contains(need))
                {
                    ids.insert(op.id);
                    intents.insert(op.intent);
                    places.insert(*place);
                }
            }
            if places.len() == before {
                return places.into_iter().collect();
            }
        }
    }

    pub(super) fn retry(&mut self, op: OpId, intent: IntentId, ids: &[OpId]) {
        if !self.in_tray(op) {
            self.nudged();
            return;
        }
        let places = self.together_with(op);
        if ids.len() < places.len() {
            return;
        }
        let mut fresh: BTreeMap<OpId, OpId> = BTreeMap::new();
        let mut again = Vec::new();
        for place in places {
            if let Some(refused) = self.tray.remove(&place) {
                self.keeping.replaced.push(Write::Remove(place_slot(Table::Tray, place)));
                again.extend(refused.op.map(|op| (*op).clone()));
            } else if let Some(pending) = self.drop_op(place) {
                self.keeping.replaced.push(Write::Remove(place_slot(Table::Ops, place)));
                again.push((*pending.op).clone());
            }
        }
        // What was one intent is one again, so that none is larger than what fits into a push.
        let mut intents: BTreeMap<IntentId, IntentId> = BTreeMap::new();
        for (op, id) in again.iter().zip(ids) {
            let first = intents.is_empty();
            intents.entry(op.intent).or_insert(if first { intent } else { IntentId(id.0) });
            fresh.insert(op.id, *id);
        }
        let still_refused: BTreeSet<OpId> = self.tray.values().filter_map(Refused::id).collect();
        for mut op in again {
            op.id = fresh.get(&op.id).copied().unwrap_or(op.id);
            op.device = self.me.device;
            op.incarnation = self.me.incarnation;
            op.counter = self.keeping.tail.counter;
            op.intent = intents.get(&op.intent).copied().unwrap_or(intent);
            op.after = op
                .after
                .into_iter()
                .map(|need| fresh.get(&need).copied().unwrap_or(need))
                .filter(|need| !still_refused.contains(need))
                .collect();
            self.take_again(op);
        }
    }

    /// Gives up an op of the outbox or the tray, with all that was done with it: an intent is taken as a whole, or not at all.
    pub(super) fn discard(&mut self, op: OpId) {
        let mut writes = Vec::new();
        let mut given_up = BTreeSet::new();
        let pending = self.outbox.place_of(op).and_then(|place| self.outbox.get(place));
        let refused =
            self.tray.values().find(|refused| refused.id() == Some(op)).and_then(|refused| refused.op.as_ref());
        if let Some(intent) = pending.map(|pending| pending.op.intent) {
            let whole = self.outbox.iter().filter(|pending| pending.op.intent == intent);
            let whole: Vec<(Place, OpId, PendingState)> =
                whole.map(|pending| (pending.place, pending.op.id, pending.state.clone())).collect();
            if whole.iter().any(|(_, _, state)| *state == PendingState::Storing) {
                return;
            }
            for (place, id, _) in whole {
                self.drop_op(place);
                writes.push(Write::Remove(place_slot(Table::Ops, place)));
                given_up.insert(id);
            }
        } else if let Some(intent) = refused.map(|op| op.intent) {
            let whole =
                self.tray.iter().filter(|(_, refused)| refused.op.as_ref().is_some_and(|op| op.intent == intent));
            for place in whole.map(|(place, _)| *place).collect::<Vec<_>>() {
                given_up.extend(self.tray.remove(&place).and_then(|refused| refused.id()));
                writes.push(Write::Remove(place_slot(Table::Tray, place)));
            }
            self.stirred = true;
        } else {
            return;
        }
        let left: Vec<OpId> = given_up.iter().copied().collect();
        let orphans: Vec<Place> = self
            .outbox
            .iter()
            .filter(|pending| pending.landing.is_none() && pending.state != PendingState::Sent)
            .filter(|pending| {
                let needs = pending.op.after.iter().any(|need| given_up.contains(need));
                if needs {
                    given_up.insert(pending.op.id);
                }
                needs
            })
            .map(|pending| pending.place)
            .collect();
        for place in orphans {
            let says = "An edit that this one needs was given up. Try it again as a new edit, or discard it too.";
            writes.extend(self.put_into_tray(place, Tray::Orphaned, refusal(Code::Dependency, None, says)));
        }
        self.hold_dependents();
        self.save_outbox(writes, left);
    }

    /// Gives up what stands at this place of the tray and cannot be read.
    pub(super) fn discard_unreadable(&mut self, place: Place) {
        if self.tray.get(&place).is_some_and(|refused| refused.op.is_none()) {
            self.tray.remove(&place);
            self.stirred = true;
            self.save_outbox(vec![Write::Remove(place_slot(Table::Tray, place))], Vec::new());
        }
    }

    /// Moves an op from the outbox to the tray; these writes do the same on disk, together.
    pub(super) fn put_into_tray(&mut self, place: Place, sort: Tray, reason: Reason) -> Vec<Write> {
        let Some(pending) = self.drop_op(place) else { return Vec::new() };
        let bytes = ByteBuf::from(pending.bytes.to_vec());
        let entry = TrayEntry { sort, bytes, reason, at_ms: self.moment.now_ms };
        let writes = vec![
            Write::Remove(place_slot(Table::Ops, place)),
            Write::Put(place_slot(Table::Tray, place), row_bytes(&entry)),
        ];
        self.tray.insert(place, Refused { place, entry, op: Some(pending.op) });
        writes
    }

    pub(super) fn import(&mut self, ops: Vec<Vec<u8>>) {
        for bytes in ops {
            // Whoever has the file still has these, and has told the person.
            let Ok(op) = self.schema.read_op(&bytes) else { continue };
            if self.outbox.place_of(op.id).is_some() || self.in_tray(op.id) {
                continue;
            }
            let place = self.keeping.tail.place;
            self.keeping.tail = Tail { place: place + 1, last: Some(op.id), ..self.keeping.tail };
            self.mark(op.key());
            self.outbox.insert(Pending { frozen: true, ..Pending::new(place, bytes, op, PendingState::Storing) });
            self.keeping.drafted.push(place);
            self.stirred = true;
        }
    }

    /// Ops that need a refused one wait for the person's decision over it, and with them whatever shares their intent.
    pub(super) fn hold_dependents(&mut self) {
        let holds = |sort: Tray| sort != Tray::Quarantined;
        let refused: BTreeSet<OpId> =
            self.tray.values().filter(|refused| holds(refused.entry.sort)).filter_map(Refused::id).collect();
        if refused.is_empty() && !self.outbox.iter().any(|pending| matches!(pending.state, PendingState::Held(_))) {
            return;
        }
        let mut held = refused;
        let mut intents: BTreeSet<IntentId> = BTreeSet::new();
        loop {
            let before = held.len();
            for pending in self.outbox.iter().filter(|pending| pending.landing.is_none()) {
                let needs = pending.op.after.iter().any(|need| held.contains(need));
                if needs || intents.contains(&pending.op.intent) {
                    held.insert(pending.op.id);
                    intents.insert(pending.op.intent);
                }
            }
            if held.len() == before {
                break;
            }
        }
        for pending in self.outbox.iter_mut() {
            let hold = held.contains(&pending.op.id);
            match (&pending.state, hold) {
                (PendingState::Waiting, true) => {
                    let says = "It needs an edit that was refused. Try that one again or discard it.";
                    pending.state = PendingState::Held(refusal(Code::Dependency, None, says));
                }
                (PendingState::Held(_), false) => pending.state = PendingState::Waiting,
                _ => {}
            }
        }
    }
}

fn missing(key: Key) -> Reason {
    let label = key.kind.spec().label.to_ascii_lowercase();
    refusal(Code::Missing, None, format!("This {label} is not on this device any more. Nothing was changed."))
}

fn spec_of(key: Key, name: &Name) -> Result<&'static FieldSpec, Reason> {
    let spec = key.kind.spec().field(name.as_str()).filter(|spec| !spec.derived);
    spec.ok_or_else(|| {
        refusal(
            Code::Invalid,
            Some(name.as_str()),
            format!("\"{name}\" cannot be changed by hand. Nothing was changed."),
        )
    })
}

fn checked(spec: &'static FieldSpec, value: &Value) -> Result<Value, Reason> {
    check::field(spec, value).map_err(|error| refusal(Code::Invalid, Some(error.field.as_str()), error.says))
}

fn first_fields(key: Key, given: BTreeMap<Name, Value>) -> Result<Action, Reason> {
    let mut fields = BTreeMap::new();
    for (name, value) in given {
        let value = checked(spec_of(key, &name)?, &value)?;
        if !value.is_null() {
            fields.insert(name, value);
        }
    }
    for spec in key.kind.spec().fields.iter().filter(|spec| spec.required && !spec.derived) {
        checked(spec, fields.get(spec.name).unwrap_or(&Value::Null))?;
    }
    in_order(key, &fields)?;
    Ok(Action::Create { fields })
}

fn in_order(key: Key, fields: &BTreeMap<Name, Value>) -> Result<(), Reason> {
    check::in_order(key.kind.spec(), fields)
        .map_err(|error| refusal(Code::Invalid, Some(error.field.as_str()), error.says))
}

/// The changes that change something, each with the rest of its group as the author saw it.
fn set(key: Key, record: Option<&Record>, given: BTreeMap<Name, Change>) -> Result<Option<Action>, Reason> {
    let mut changes = BTreeMap::new();
    for (name, change) in given {
        let spec = spec_of(key, &name)?;
        let now = checked(spec, &change.now)?;
        if now == change.was && record.is_some() {
            continue;
        }
        if spec.fixed {
            let says = format!("\"{}\" is fixed once it was made. Nothing was changed.", spec.label);
            return Err(refusal(Code::Invalid, Some(spec.name), says));
        }
        changes.insert(name, Change { now, ..change });
    }
    let groups: BTreeSet<&'static str> =
        changes.keys().filter_map(|name| key.kind.spec().field(name.as_str())?.group).collect();
    for spec in groups.into_iter().flat_map(|group| key.kind.spec().group(group)) {
        // Of a record that is not here only what the edit brings is known, and a conflict's edit brings whole groups.
        let Some(record) = record else { break };
        changes.entry(Name::new(spec.name)).or_insert_with(|| {
            let value = record.get(spec.name).clone();
            Change { base: record.version(spec.name), was: value.clone(), now: value }
        });
    }
    in_order(key, &changes.iter().map(|(name, change)| (name.clone(), change.now.clone())).collect())?;
    Ok((!changes.is_empty()).then_some(Action::Set { changes }))
}
