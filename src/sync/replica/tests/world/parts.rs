//! What the world is made of: dice, and a disk that carries out saves.

use crate::sync::replica::{Save, Saved, Slot, Ticket, Write};
use std::collections::BTreeMap;

/// A small, fast, well mixed source of numbers.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound.max(1) as u64) as usize
    }
    pub fn one_in(&mut self, odds: usize) -> bool {
        self.below(odds) == 0
    }
}

/// What a device has stored, by slot.
pub type Disk = BTreeMap<Slot, Vec<u8>>;

/// Carries a save out, all of it or nothing.
pub fn carry_out_save(disk: &mut Disk, save: Save) -> (Ticket, Saved) {
    if let Some(only_if) = &save.only_if
        && disk.get(&only_if.slot) != only_if.holds.as_ref()
    {
        return (save.ticket, Saved::Refused(disk.get(&only_if.slot).cloned()));
    }
    for write in save.writes {
        assert_eq!(write.slot().table.database(), save.database);
        match write {
            Write::Put(slot, bytes) => {
                disk.insert(slot, bytes);
            }
            Write::Remove(slot) => {
                disk.remove(&slot);
            }
            Write::RemoveUnder(under) => {
                disk.retain(|slot, _| slot.table != under.table || !slot.key.starts_with(&under.key));
            }
        }
    }
    (save.ticket, Saved::Done)
}
