//! What the server makes of an intent: look up receipts, authorise, validate, merge, and plan what to write. Pure: it
//! asks for what it lacks instead of reading, and returns what to write instead of writing. The store loads, calls again,
//! and commits the plan in one transaction.
//!
//! ```text
//! loop {
//!     match settle(&mut working, &author, &intent, now_ms) {
//!         Err(needs) => load them all in one go and supply them to `working`,
//!         Ok(settled) => break: write it, in the transaction of the batch,
//!     }
//! }
//! ```
//!
//! **What holds.** The ops of an intent are settled in the order in which they arrive, all in one transaction. Gaps in a
//! device's counter are no error: an op names in `after` what it needs, and an op that needs something refused is refused
//! for that reason. A device keeps its own order by pushing in the order of its counters.

mod working;

use crate::model::id::{MemberId, OpId, RecordId};
use crate::model::record::Key;
use crate::model::scope::Scope;
use crate::sync::checksum::Sum;
use crate::sync::op::{Class, Code, Entry, Op, Outcome, Reason, Receipt};
use crate::sync::wire::{WireError, decode_op};
use std::collections::{BTreeMap, BTreeSet};
pub use working::{Kept, Need, Working, Wrote};

/// An op with the digest of its frozen bytes, by which a second op under the same id is told from a resend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrozenOp {
    /// What the bytes say.
    pub op: Op,
    /// xxh3 of the bytes.
    pub digest: u64,
}

impl FrozenOp {
    /// Reads frozen bytes.
    ///
    /// # Errors
    /// As `wire::decode_op`.
    pub fn read(bytes: &[u8]) -> Result<Self, WireError> {
        Ok(Self { op: decode_op(bytes)?, digest: xxhash_rust::xxh3::xxh3_64(bytes) })
    }
}

/// On whose behalf an intent is settled. Role and membership are read from the author's `member` record, so that a
/// change of either counts from the next intent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Author {
    /// Who acted.
    pub member: MemberId,
    /// By what right.
    pub authority: Authority,
}

/// By what right an intent is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// The author's own role.
    Own,
    /// Quarantined ops, released by this owner: by their role, under the author's name.
    Released(MemberId),
    /// The server itself, for the member: joining, devices, audit. May write derived fields; nothing is forbidden.
    Server,
}

/// What is to be written, in one transaction, and answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settled {
    /// An answer per op, in the order of the intent; for a resend, the one it got before.
    pub receipts: Vec<Receipt>,
    /// The receipts to store, in place of any stored under the same op.
    pub kept: Vec<Kept>,
    /// Lines of the change log to append, in order.
    pub entries: Vec<Entry>,
    /// Records whose rows changed, tombstones included; `Working::record` holds each as it is now.
    pub touched: BTreeSet<Key>,
    /// What to add to the count and checksum of each scope.
    pub sums: BTreeMap<Scope, Sum>,
    /// Ops whose frozen bytes are to be held for an owner.
    pub quarantined: Vec<OpId>,
    /// Whose access may have changed: compare what they may see now with what they follow.
    pub access_changed: Vec<Access>,
}

/// A change of who may see what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// This project's privacy, members or lead changed, or it was made.
    Project(RecordId),
    /// This member's role or membership changed, or they joined.
    Member(MemberId),
}

/// Splits ops as they were pushed into their intents: neighbours that name the same one.
pub fn intents(ops: Vec<FrozenOp>) -> Vec<Vec<FrozenOp>> {
    let mut intents: Vec<Vec<FrozenOp>> = Vec::new();
    for op in ops {
        match intents.last_mut() {
            Some(intent) if intent.last().is_some_and(|last| last.op.intent == op.op.intent) => intent.push(op),
            _ => intents.push(vec![op]),
        }
    }
    intents
}

/// What an intent certainly needs and `working` lacks, so that a store can load for a whole batch at once before it
/// settles the first intent. `settle` may still ask for more.
pub fn wants(working: &Working, author: &Author, intent: &[FrozenOp]) -> Vec<Need> {
    let _ = (working, author, intent);
    Vec::new()
}

/// Settles one intent. On success `working` holds its effects, so that the next intent sees them.
///
/// # Errors
/// What has to be supplied first. Nothing has changed then.
pub fn settle(working: &mut Working, author: &Author, intent: &[FrozenOp], now_ms: i64) -> Result<Settled, Vec<Need>> {
    let _ = author;
    // The next slice of this file decides; until then every op is refused in words, which loses nothing.
    let reason = Reason { code: Code::Schema, field: None, says: "This server cannot settle edits yet.".to_owned() };
    let refuse = |frozen: &FrozenOp| Receipt {
        op: frozen.op.id,
        outcome: Outcome::Rejected,
        class: Class::Rejected,
        seq: working.head(),
        reason: Some(reason.clone()),
        conflict: None,
        at_ms: now_ms,
    };
    Ok(Settled { receipts: intent.iter().map(refuse).collect(), ..Settled::default() })
}
