//! What becomes of ops: receipts and log entries tell where each landed, and it leaves the outbox once base holds its
//! effect on disk, or in the save that puts it into the tray.

use crate::model::catalog::Home;
use crate::model::id::OpId;
use crate::model::record::Version;
use crate::model::scope::Scope;
use crate::sync::mutant::{Mutant, planted};
use crate::sync::op::{Code, Outcome, Reason, Receipt};
use crate::sync::replica::stored::{Landing, epoch_slot, place_slot, receipt_slot, row_bytes};
use crate::sync::replica::{Pending, PendingState, Place, Refused, Replica, Table, Tray, Write};
use crate::sync::wire::NIL_OP;

/// Settled ops that are kept for a server that comes back from an older backup: weeks of one person's edits.
const SETTLED_KEPT_MAX: usize = 2_000;

impl Replica {
    /// The server answered these ops of the push in flight, in order.
    pub(super) fn answered(&mut self, places: &[Place], receipts: Vec<Receipt>) {
        let mut refused = Vec::new();
        let mut kept = Vec::new();
        for (place, receipt) in places.iter().copied().zip(receipts) {
            let Some(pending) = self.outbox.get(place) else { continue };
            let op = pending.op.id;
            if receipt.op != op && receipt.op != NIL_OP {
                // Not an answer to what was sent; it is sent again.
                if let Some(pending) = self.outbox.get_mut(place) {
                    pending.state = PendingState::Waiting;
                }
                continue;
            }
            match receipt.outcome {
                Outcome::Rejected if planted(Mutant::DropRefused) => {
                    refused.push(Write::Remove(place_slot(Table::Ops, place)));
                    self.drop_op(place);
                }
                Outcome::Rejected => refused.extend(self.put_into_tray(place, Tray::Rejected, reason_of(receipt))),
                Outcome::Quarantined => {
                    refused.extend(self.put_into_tray(place, Tray::Quarantined, reason_of(receipt)))
                }
                Outcome::Applied | Outcome::Merged | Outcome::Superseded => {
                    let landing = Landing::Receipt(receipt);
                    kept.push(Write::Put(receipt_slot(op), row_bytes(&landing)));
                    self.land(place, landing);
                }
            }
        }
        if !kept.is_empty() {
            self.save_base(kept);
        }
        if !refused.is_empty() {
            self.save_outbox(refused, Vec::new());
            self.hold_dependents();
        }
    }

    /// What became of quarantined ops: an owner applied or discarded them, or nobody decided yet.
    pub(super) fn decided(&mut self, places: &[Place], receipts: Vec<Receipt>) {
        let (mut writes, mut took_effect) = (Vec::new(), Vec::new());
        for (place, receipt) in places.iter().zip(receipts) {
            let Some(refused) = self.tray.get_mut(place).filter(|refused| refused.id() == Some(receipt.op)) else {
                continue;
            };
            match receipt.outcome {
                Outcome::Quarantined => {}
                Outcome::Rejected => {
                    refused.entry.sort = Tray::Rejected;
                    refused.entry.reason = reason_of(receipt);
                    writes.push(Write::Put(place_slot(Table::Tray, *place), row_bytes(&refused.entry)));
                }
                Outcome::Applied | Outcome::Merged | Outcome::Superseded => took_effect.push(*place),
            }
        }
        self.settle_from_tray(&took_effect, &mut writes);
        if !writes.is_empty() {
            self.stirred = true;
            self.save_outbox(writes, Vec::new());
        }
    }

    /// Lets go of a quarantined op of the tray that others saw take effect: an owner applied it.
    pub(super) fn was_released(&mut self, op: OpId) {
        let quarantined = |refused: &Refused| refused.entry.sort == Tray::Quarantined && refused.id() == Some(op);
        let place = self.tray.iter().find(|(_, refused)| quarantined(refused)).map(|(place, _)| *place);
        if let Some(place) = place {
            let mut writes = Vec::new();
            self.settle_from_tray(&[place], &mut writes);
            self.stirred = true;
            self.save_outbox(writes, Vec::new());
        }
    }

    /// What took effect leaves the tray, and is kept like everything that settled.
    fn settle_from_tray(&mut self, places: &[Place], writes: &mut Vec<Write>) {
        let mut settled = Vec::new();
        for place in places {
            writes.push(Write::Remove(place_slot(Table::Tray, *place)));
            settled.extend(self.tray.remove(place).map(|refused| (*place, refused.entry.bytes.into_vec())));
        }
        self.keep_settled(settled, writes);
    }

    /// Keeps what settled, and in which history, for a server that comes back from an older backup.
    fn keep_settled(&mut self, settled: Vec<(Place, Vec<u8>)>, writes: &mut Vec<Write>) {
        if settled.is_empty() {
            return;
        }
        for (place, bytes) in settled {
            writes.push(Write::Put(place_slot(Table::Settled, place), bytes.clone()));
            self.settled.insert(place, bytes);
        }
        while self.settled.len() > SETTLED_KEPT_MAX {
            let Some((oldest, _)) = self.settled.pop_first() else { break };
            writes.push(Write::Remove(place_slot(Table::Settled, oldest)));
        }
        if self.settled_in != self.keeping.head.epoch {
            self.settled_in = self.keeping.head.epoch;
            writes.push(Write::Put(epoch_slot(), row_bytes(&self.settled_in)));
        }
    }

    /// What is known to have become of the op at this place.
    pub(super) fn land(&mut self, place: Place, landing: Landing) {
        let Some(pending) = self.outbox.get_mut(place) else { return };
        let key = pending.op.key();
        match landing {
            Landing::Seen(_) => {
                pending.landed = true;
                if pending.landing.is_none() {
                    pending.landing = Some(landing);
                }
            }
            Landing::Receipt(receipt) => {
                pending.state = PendingState::Settled(receipt.seq);
                pending.landing = Some(Landing::Receipt(receipt));
                self.talk.answered.insert(place);
            }
        }
        self.stirred = true;
        self.mark(key);
    }

    /// Lets go of every op whose effect base holds.
    pub(super) fn let_go(&mut self) {
        let (mut writes, mut settled, mut left) = (Vec::new(), Vec::new(), Vec::new());
        for place in self.talk.answered.clone() {
            let Some(pending) = self.outbox.get(place) else {
                self.talk.answered.remove(&place);
                continue;
            };
            let Some(Landing::Receipt(receipt)) = &pending.landing else { continue };
            let scope = pending.scope.or_else(|| self.scope_of(pending));
            let covered = self.covered(pending, scope, receipt.seq);
            let may_leave = covered && self.may_talk();
            let (asked, done) = (self.keeping.base_asked, self.keeping.base_done);
            let key = pending.op.key();
            let Some(pending) = self.outbox.get_mut(place) else { continue };
            pending.scope = scope;
            if covered && !pending.landed {
                pending.landed = true;
                self.marked.insert(key);
            }
            if !may_leave || *pending.after_save.get_or_insert(asked) > done {
                continue;
            }
            let bytes = pending.bytes.to_vec();
            left.push(pending.op.id);
            writes.push(Write::Remove(place_slot(Table::Ops, place)));
            settled.push((place, bytes));
            self.drop_op(place);
        }
        self.keep_settled(settled, &mut writes);
        if !writes.is_empty() {
            self.save_outbox(writes, left);
        }
    }

    /// Which scope an op reaches, as far as that can be told here.
    pub(super) fn scope_of(&self, pending: &Pending) -> Option<Scope> {
        let key = pending.op.key();
        match key.kind.spec().home {
            Home::Workspace => Some(Scope::Workspace),
            Home::Personal => Some(Scope::Personal(self.me.member)),
            Home::OwnProject => Some(Scope::Project(key.id)),
            Home::Parent | Home::Subject => {
                self.base.get(key).map(|record| record.scope).or_else(|| self.view(key).map(|record| record.scope))
            }
        }
    }

    /// Whether base holds everything up to `seq` in the scope the op reaches.
    fn covered(&self, pending: &Pending, scope: Option<Scope>, seq: Version) -> bool {
        let epoch = self.keeping.head.epoch;
        let Some(scope) = scope else {
            // Its record is gone, so its scope cannot be told: every scope has to be that far.
            let seen = matches!(pending.landing, Some(Landing::Seen(_))) || pending.landed;
            let copies = self.base.scopes.values().filter(|copy| !copy.row.leaving);
            return seen || copies.into_iter().all(|copy| copy.follows(epoch) && copy.row.tidemark >= seq);
        };
        match self.base.scopes.get(&scope) {
            Some(copy) if copy.row.leaving => true,
            Some(copy) => copy.follows(epoch) && copy.row.tidemark >= seq,
            // A new project's scope is about to be joined, unless the server has said everything up to there without it.
            None => self.talk.told_to >= seq || self.talk.revoked(),
        }
    }
}

fn reason_of(receipt: Receipt) -> Reason {
    receipt.reason.unwrap_or_else(|| Reason {
        code: Code::Invalid,
        field: None,
        says: "The server refused this edit without saying why. It is kept here; try it again or discard it."
            .to_owned(),
    })
}
