//! What people decide: an author of what was rejected, quarantined or waits, and an owner of what was quarantined.

use super::{Tab, TabId, World};
use crate::model::id::{IntentId, OpId};
use crate::simulator::oracle::Broken;
use crate::simulator::world::minted;
use crate::sync::replica::{Event, Memory, Refused, Replica};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::collections::BTreeSet;

/// The ops of outbox and tray.
fn held(replica: &Replica) -> BTreeSet<OpId> {
    let refused = replica.tray().filter_map(Refused::id);
    replica.pending().map(|pending| pending.op.id).chain(refused).collect()
}

/// An op of the tray, for a person who reads a failure.
pub(super) fn put_aside(refused: &Refused) -> String {
    let op = refused.id().map_or_else(|| "an unreadable op".to_owned(), |id| format!("op {id}"));
    format!("{op} ({:?}): {}", refused.entry.sort, refused.entry.reason.says)
}

impl World {
    /// A person tries one of their ops again, or gives it up. Whatever is nowhere afterwards they know to be given up.
    pub(super) async fn decide(&mut self, id: TabId, dice: u64) -> Result<(), Broken> {
        // A tab that stores nothing decides only for itself, as its banner says.
        let decides = |tab: &&mut Tab| !tab.frozen && tab.replica.status().memory == Memory::Stored;
        let Some(open) = self.tab(id).filter(decides) else { return Ok(()) };
        let before = held(&open.replica);
        // The tray most of the time, as it is where one is asked.
        let tray: Vec<OpId> = open.replica.tray().filter_map(Refused::id).collect();
        let all: Vec<OpId> = before.iter().copied().collect();
        let of = if tray.is_empty() || dice.is_multiple_of(5) { all } else { tray };
        let Some(op) = of.get((dice / 5) as usize % of.len().max(1)).copied() else { return Ok(()) };
        let mut ids = ChaCha8Rng::seed_from_u64(!dice);
        let event = if (dice / 7).is_multiple_of(2) {
            let intent = IntentId(minted(&mut ids));
            let fresh = (0..open.replica.retries(op)).map(|_| OpId(minted(&mut ids))).collect();
            Event::Retry { op, intent, ids: fresh }
        } else {
            Event::Discard(op)
        };
        self.note(format!("device {} tab {} decides: {event:?}", id.device, id.tab));
        self.tell(id, event).await?;
        if let Some(open) = self.tab(id) {
            let after = held(&open.replica);
            self.given_up.extend(before.difference(&after));
        }
        Ok(())
    }
}
