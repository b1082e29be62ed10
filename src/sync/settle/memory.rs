//! A workspace held in ordinary maps, which serves whatever settling asks for and takes whatever it plans. It is the
//! oracle of the simulator and the bench of the tests: as plain as can be, with no transaction and no index.

use super::{Author, FrozenOp, Kept, Need, Settled, Working, Wrote, settle};
use crate::model::id::OpId;
use crate::model::record::{Key, Record, Version};
use crate::model::scope::Scope;
use crate::sync::checksum::Sum;
use crate::sync::op::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// One workspace.
#[derive(Debug, Clone, Default)]
pub struct InMemory {
    /// The newest sequence number.
    pub head: Version,
    /// How many human numbers were given.
    pub numbered: i64,
    /// Every record, tombstones included.
    pub records: BTreeMap<Key, Record>,
    /// Every receipt.
    pub receipts: BTreeMap<OpId, Kept>,
    /// The whole change log, in order.
    pub log: Vec<Entry>,
    /// Count and checksum of each scope, as they add up.
    pub sums: BTreeMap<Scope, Sum>,
    /// Ops held for an owner.
    pub quarantine: BTreeSet<OpId>,
}

impl InMemory {
    /// Settles one intent and keeps what follows from it.
    pub fn settle(&mut self, author: &Author, intent: &[FrozenOp], now_ms: i64) -> Settled {
        let mut working = self.working();
        self.settle_in(&mut working, author, intent, now_ms)
    }
    /// Settles one intent of a batch that shares a working state.
    pub fn settle_in(&mut self, working: &mut Working, author: &Author, intent: &[FrozenOp], now_ms: i64) -> Settled {
        loop {
            match settle(working, author, intent, now_ms) {
                Ok(settled) => {
                    self.take(working, &settled);
                    return settled;
                }
                Err(needs) => needs.into_iter().for_each(|need| self.supply(working, need)),
            }
        }
    }
    /// A working state with nothing loaded.
    pub fn working(&self) -> Working {
        Working::new(self.head, self.numbered + 1)
    }
    /// Supplies one need.
    pub fn supply(&self, working: &mut Working, need: Need) {
        match need {
            Need::Receipt(op) => working.supply_receipt(op, self.receipts.get(&op).cloned()),
            Need::Record(key) => working.supply_record(key, self.records.get(&key).cloned()),
            Need::Below(key) => working.supply_below(key, self.under(key, |record| !record.deleted)),
            Need::Buried(key) => {
                let seq = self.records.get(&key).map_or(0, |root| root.seq);
                working.supply_buried(key, self.under(key, |record| record.deleted && record.seq > seq));
            }
            Need::All(kind) => {
                let live = self.records.values().filter(|record| record.kind == kind && !record.deleted);
                working.supply_all(kind, live.cloned().collect());
            }
            Need::Wrote(seq) => {
                let entry = self.log.iter().find(|entry| entry.seq == seq);
                working.supply_wrote(seq, entry.map(Wrote::of));
            }
        }
    }
    /// Keeps what was settled.
    fn take(&mut self, working: &Working, settled: &Settled) {
        self.head = working.head();
        self.numbered = working.next_number() - 1;
        for key in &settled.touched {
            if let Some(record) = working.record(*key) {
                self.records.insert(*key, record.clone());
            }
        }
        self.receipts.extend(settled.kept.iter().map(|kept| (kept.receipt.op, kept.clone())));
        self.log.extend(settled.entries.iter().cloned());
        for (scope, sum) in &settled.sums {
            let slot = self.sums.entry(*scope).or_default();
            *slot = slot.plus(*sum);
        }
        for kept in &settled.kept {
            self.quarantine.remove(&kept.receipt.op);
        }
        self.quarantine.extend(settled.quarantined.iter().copied());
    }
    /// Every record below this one that passes, through records that pass.
    fn under(&self, root: Key, passes: impl Fn(&Record) -> bool) -> Vec<Record> {
        let mut found: Vec<Record> = Vec::new();
        let mut parents = vec![root];
        while let Some(parent) = parents.pop() {
            let children = self.records.values().filter(|record| record.parent() == Some(parent) && passes(record));
            let children: Vec<Record> = children.cloned().collect();
            parents.extend(children.iter().map(Record::key));
            found.extend(children);
        }
        found
    }
}
