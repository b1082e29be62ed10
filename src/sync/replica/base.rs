//! What the server confirmed, and nothing else: records as the log left them, and how far each scope has been seen.

use crate::model::record::{Field, Key, Record, Version};
use crate::model::scope::Scope;
use crate::sync::checksum::Sum;
use crate::sync::op::{Effect, Entry};
use crate::sync::replica::stored::{Generation, Loading, ScopeRow};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One scope's copy.
#[derive(Debug, Clone, Default)]
pub struct Copy {
    /// As stored.
    pub row: ScopeRow,
    /// Whether its records are those of its tidemark exactly. The chunks of a snapshot are read one after the other while
    /// others write; once everything up to the head has been pulled on top of them, they are.
    pub exact: bool,
    /// Its checksum, once somebody asked, and kept up from then on.
    pub sum: Option<Sum>,
    /// Whether the checksum was found equal in this conversation.
    pub checked: bool,
    /// Whether its records are not what its tidemark says: the next snapshot takes their place, whatever its age.
    pub doubted: bool,
    /// How often it was fetched anew in this conversation because its checksum differed.
    pub repairs: u32,
    /// What is here of the snapshot on its way.
    pub staged: Staged,
    /// The tidemark as last stored; it may lag, which costs nothing but a pull.
    pub stored_tidemark: Version,
}

/// A snapshot that is not complete yet. What taking it over needs is worked out as its chunks come, while the next is on its way.
#[derive(Debug, Clone, Default)]
pub struct Staged {
    /// Its live records.
    pub records: BTreeMap<Key, Arc<Record>>,
    /// What they add up to.
    pub sum: Sum,
    /// Of how many chunks: a tab that follows knows of chunks it never read.
    pub chunks: u32,
}

impl Staged {
    /// Adds the records of a chunk. None of them comes twice: the chunks of a snapshot follow one another by (priority, id).
    pub fn add(&mut self, records: Vec<Record>) {
        for record in records.into_iter().filter(|record| !record.deleted) {
            self.sum = self.sum.plus(Sum::of(&record));
            self.records.insert(record.key(), Arc::new(record));
        }
        self.chunks += 1;
    }
}

impl Copy {
    /// Whether frames are applied to it: complete once, of this epoch, and not being left.
    pub fn follows(&self, epoch: Option<u64>) -> bool {
        self.row.generation.is_some() && self.row.epoch == epoch && !self.row.leaving
    }
}

/// Confirmed records and scopes.
#[derive(Debug, Clone, Default)]
pub struct Base {
    /// By key. Tombstones are not kept.
    pub records: BTreeMap<Key, Arc<Record>>,
    /// By scope.
    pub scopes: BTreeMap<Scope, Copy>,
    /// Records that the server drew on this page and that have not arrived here yet, or in an older state. They are no part of the
    /// copy: not stored, not summed. What a person does to them meanwhile is as good an edit as any.
    rendered: BTreeMap<Key, Arc<Record>>,
}

impl Base {
    /// The confirmed record.
    pub fn get(&self, key: Key) -> Option<&Arc<Record>> {
        match (self.records.get(&key), self.rendered.get(&key)) {
            (Some(held), Some(rendered)) if rendered.seq > held.seq => Some(rendered),
            (held, rendered) => held.or(rendered),
        }
    }

    /// Takes in what the server drew, as far as it is ahead of what is here; says what that changes.
    pub fn draw(&mut self, records: Vec<Arc<Record>>, epoch: Option<u64>) -> Vec<Key> {
        let ahead = |record: &Record| {
            let copy = self.scopes.get(&record.scope).filter(|copy| copy.follows(epoch));
            // A complete copy from after it was drawn, without it: somebody has deleted it.
            let gone = copy.is_some_and(|copy| copy.row.tidemark >= record.seq);
            let held = self.records.get(&record.key());
            !record.deleted && held.map_or(!gone, |held| record.seq > held.seq)
        };
        let ahead: Vec<_> = records.into_iter().filter(|record| ahead(record)).collect();
        let keys = ahead.iter().map(|record| record.key()).collect();
        self.rendered.extend(ahead.into_iter().map(|record| (record.key(), record)));
        keys
    }

    /// Every key of a record that is here.
    pub fn keys(&self) -> impl Iterator<Item = Key> {
        self.records.keys().chain(self.rendered.keys()).copied()
    }

    /// Forgets what the server drew of scopes that it does not let this member see any more, and that never were here.
    pub fn forget_drawn(&mut self, sees: impl Fn(Scope) -> bool) -> Vec<Key> {
        let scopes = &self.scopes;
        let gone = |record: &Record| !sees(record.scope) && !scopes.contains_key(&record.scope);
        let keys = self.rendered.extract_if(.., |_, record| gone(record)).map(|(key, _)| key);
        keys.collect()
    }

    /// Forgets everything, because it is read from the disk anew; hands back what the server drew, which is not there.
    pub fn read_anew(&mut self) -> Vec<Arc<Record>> {
        std::mem::take(self).rendered.into_values().collect()
    }

    /// Applies an entry; applying it again, or after a newer one, changes nothing.
    pub fn apply(&mut self, entry: &Entry) {
        let key = entry.key();
        // From here on its entries say what it is, one after the other.
        self.rendered.remove(&key);
        let before = self.records.get(&key).map(|record| Sum::of(record)).filter(|_| self.is_summed(entry.scope));
        match &entry.effect {
            Effect::Delete => {
                if self.records.get(&key).is_some_and(|record| entry.seq > record.seq) {
                    self.records.remove(&key);
                }
            }
            Effect::Put(fields) => {
                let record = self.records.entry(key).or_insert_with(|| {
                    Arc::new(Record {
                        kind: entry.kind,
                        id: entry.record,
                        scope: entry.scope,
                        fields: BTreeMap::new(),
                        seq: 0,
                        deleted: false,
                    })
                });
                let record = Arc::make_mut(record);
                for (name, value) in fields {
                    if entry.seq > record.version(name.as_str()) {
                        record.fields.insert(name.clone(), Field { value: value.clone(), version: entry.seq });
                    }
                }
                record.seq = record.seq.max(entry.seq);
            }
        }
        let after = self.records.get(&key).map(|record| Sum::of(record)).filter(|_| self.is_summed(entry.scope));
        if let Some(sum) = self.scopes.get_mut(&entry.scope).and_then(|copy| copy.sum.as_mut()) {
            *sum = sum.minus(before.unwrap_or_default()).plus(after.unwrap_or_default());
        }
    }

    fn is_summed(&self, scope: Scope) -> bool {
        self.scopes.get(&scope).is_some_and(|copy| copy.sum.is_some())
    }

    /// The checksum of a scope, counted once and then kept up.
    pub fn sum(&mut self, scope: Scope) -> Sum {
        if let Some(sum) = self.scopes.get(&scope).and_then(|copy| copy.sum) {
            return sum;
        }
        let sum = self.in_scope(scope).map(|record| Sum::of(record)).sum();
        if let Some(copy) = self.scopes.get_mut(&scope) {
            copy.sum = Some(sum);
        }
        sum
    }

    /// The records of a scope.
    pub fn in_scope(&self, scope: Scope) -> impl Iterator<Item = &Arc<Record>> {
        self.records.values().filter(move |record| record.scope == scope)
    }

    /// The keys of a scope's records.
    pub fn keys_in(&self, scope: Scope) -> Vec<Key> {
        let drawn = self.rendered.values().filter(|record| record.scope == scope);
        self.in_scope(scope).chain(drawn).map(|record| record.key()).collect()
    }

    /// Another tab has stored this of a record.
    pub fn hear(&mut self, key: Key, record: Option<Record>) {
        self.rendered.remove(&key);
        match record {
            Some(record) => self.records.insert(key, Arc::new(record)),
            None => self.records.remove(&key),
        };
    }

    /// Puts a complete snapshot in the place of whatever the scope held.
    pub fn install(&mut self, scope: Scope, snapshot: Staged) {
        self.records.retain(|_, record| record.scope != scope);
        self.rendered.retain(|_, record| record.scope != scope);
        // A record of another scope by then is none of this one's, nor of its sum.
        let whole = snapshot.records.values().all(|record| record.scope == scope);
        add_all(&mut self.records, snapshot.records);
        let copy = self.scopes.entry(scope).or_default();
        copy.exact = false;
        copy.doubted = false;
        copy.sum = whole.then_some(snapshot.sum);
        copy.checked = false;
    }

    /// Lets a scope go, with all its records.
    pub fn purge(&mut self, scope: Scope) {
        self.records.retain(|_, record| record.scope != scope);
        self.rendered.retain(|_, record| record.scope != scope);
        self.scopes.remove(&scope);
    }

    /// The scope whose records lie under this generation.
    pub fn scope_of(&self, generation: Generation) -> Option<Scope> {
        self.scopes.iter().find(|(_, copy)| copy.row.generation == Some(generation)).map(|(scope, _)| *scope)
    }
}

/// Adds records. Many are put together with what is there, which walks over both; few find their places one by one.
fn add_all(records: &mut BTreeMap<Key, Arc<Record>>, mut more: BTreeMap<Key, Arc<Record>>) {
    if more.len() > records.len() / 16 {
        records.append(&mut more);
    } else {
        records.extend(more);
    }
}

/// A snapshot that starts from nothing.
pub fn fresh_loading(generation: Generation) -> Loading {
    Loading { generation, at: None, after: None, chunks: 0 }
}
