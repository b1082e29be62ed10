//! What a simulated device has stored: the two databases of a replica as ordered maps, with the same transactions that
//! IndexedDB gives. It is a stand-in for a browser's storage; the server's store in the simulator is the real one.

use crate::simulator::oracle::{Broken, Invariant, broken};
use crate::sync::replica::{Database, Save, Saved, Slot, Write};
use std::collections::BTreeMap;

/// The stored slots of one device, shared by its tabs, and whether there is room for more.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    base: BTreeMap<Slot, Vec<u8>>,
    outbox: BTreeMap<Slot, Vec<u8>>,
    /// Whether every write fails.
    pub full: bool,
}

impl Disk {
    fn slots(&self, database: Database) -> &BTreeMap<Slot, Vec<u8>> {
        match database {
            Database::Base => &self.base,
            Database::Outbox => &self.outbox,
        }
    }

    /// Everything in a database, as `Effect::Load` wants it.
    pub fn all(&self, database: Database) -> Vec<(Slot, Vec<u8>)> {
        self.slots(database).iter().map(|(slot, value)| (slot.clone(), value.clone())).collect()
    }

    /// What one slot holds.
    pub fn get(&self, database: Database, slot: &Slot) -> Option<&Vec<u8>> {
        self.slots(database).get(slot)
    }

    /// The browser threw the base away.
    pub fn evict(&mut self) {
        self.base.clear();
    }

    /// Carries out one transaction: all of it or nothing.
    pub fn save(&mut self, save: &Save) -> Saved {
        if self.full {
            return Saved::Failed;
        }
        let slots = match save.database {
            Database::Base => &mut self.base,
            Database::Outbox => &mut self.outbox,
        };
        if let Some(only_if) = &save.only_if {
            let holds = slots.get(&only_if.slot);
            if holds != only_if.holds.as_ref() {
                return Saved::Refused(holds.cloned());
            }
        }
        for write in &save.writes {
            match write {
                Write::Put(slot, value) => {
                    slots.insert(slot.clone(), value.clone());
                }
                Write::Remove(slot) => {
                    slots.remove(slot);
                }
                Write::RemoveUnder(under) => {
                    slots.retain(|slot, _| slot.table != under.table || !slot.key.starts_with(&under.key));
                }
            }
        }
        Saved::Done
    }
}

/// Refuses slots of another database, as IndexedDB does.
///
/// # Errors
/// `World`: the replica mixed the two up.
pub fn own_slots<'a>(database: Database, mut slots: impl Iterator<Item = &'a Slot>) -> Result<(), Broken> {
    match slots.find(|slot| slot.table.database() != database) {
        Some(foreign) => broken(Invariant::World, format!("{database:?} was asked for {foreign:?}")),
        None => Ok(()),
    }
}
