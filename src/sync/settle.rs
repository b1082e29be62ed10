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

mod act;
mod draft;
mod house;
mod keep;
pub mod memory;
mod tell;
#[cfg(test)]
mod tests;
mod working;

use self::act::Done;
use self::draft::{Draft, Plan, Stop};
use crate::model::choice::Role;
use crate::model::id::{MemberId, OpId, RecordId};
use crate::model::kinds::Kind;
use crate::model::permission::Actor;
use crate::model::record::{Key, Version};
use crate::model::scope::Scope;
use crate::sync::checksum::Sum;
use crate::sync::mutant::{Mutant, planted};
use crate::sync::op::{Action, Class, Code, Entry, Op, Outcome, Reason, Receipt};
use crate::sync::schema::Schema;
use crate::sync::wire::{INTENT_OPS_MAX, WireError, decode_op};
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
        Ok(Self { op: decode_op(bytes)?, digest: Self::digest_of(bytes) })
    }

    /// The digest of frozen bytes, which needs nothing of them to be read.
    pub fn digest_of(bytes: &[u8]) -> u64 {
        xxhash_rust::xxh3::xxh3_64(bytes)
    }

    /// The op in the form that settling knows. The digest stays that of the bytes as they were frozen.
    ///
    /// # Errors
    /// As `Schema::upcast`.
    pub fn upcast(self, schema: &Schema) -> Result<Self, Reason> {
        Ok(Self { op: schema.upcast(self.op)?, ..self })
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
/// settles the first intent. Ask again after supplying; `settle` may still ask for more.
pub fn wants(working: &Working, author: &Author, intent: &[FrozenOp]) -> Vec<Need> {
    let mut needs = BTreeSet::new();
    if working.rules.is_none() {
        needs.insert(Need::All(Kind::Policy));
    }
    if let Some(member) = judged_by(author) {
        want_line(working, member, &mut needs);
    }
    for FrozenOp { op, .. } in intent {
        let receipts = std::iter::once(op.id).chain(op.after.iter().copied());
        needs.extend(receipts.filter(|id| !working.receipts.contains_key(id)).map(Need::Receipt));
        if matches!(working.receipts.get(&op.id), Some(Some(kept)) if !is_open(working, author, kept)) {
            continue;
        }
        want_line(working, op.key(), &mut needs);
        for parent in parents_named(op) {
            want_line(working, parent, &mut needs);
        }
    }
    needs.into_iter().collect()
}

/// Asks for a record, for those it stands under, and for the project that says who may see it.
fn want_line(working: &Working, from: Key, needs: &mut BTreeSet<Need>) {
    let mut next = Some(from);
    let mut seen_by = None;
    while let Some(key) = next.take() {
        match working.records.get(&key) {
            None => drop(needs.insert(Need::Record(key))),
            Some(None) => {}
            Some(Some(held)) => {
                // A project and what stands in it are usually all of one scope.
                if let Scope::Project(project) = held.record.scope
                    && seen_by.replace(project) != Some(project)
                {
                    let project = Key::new(Kind::Project, project);
                    if !working.records.contains_key(&project) {
                        needs.insert(Need::Record(project));
                    }
                }
                next = held.parent;
            }
        }
    }
}

/// The records an op names as what its own goes under.
fn parents_named(op: &Op) -> impl Iterator<Item = Key> {
    let named = |field: &str| match &op.action {
        Action::Create { fields } => fields.get(field)?.as_text()?.parse().ok(),
        Action::Set { changes } => changes.get(field)?.now.as_text()?.parse().ok(),
        _ => None,
    };
    op.kind.spec().parents.iter().filter_map(move |parent| Some(Key::new(parent.kind, named(parent.field)?)))
}

/// Whose `member` record says what the author may do; `None` where nothing is forbidden.
fn judged_by(author: &Author) -> Option<Key> {
    let member = match author.authority {
        Authority::Own => author.member,
        Authority::Released(owner) => owner,
        Authority::Server => return None,
    };
    Some(Key::new(Kind::Member, member.into()))
}

/// Whether a stored receipt is settled anew: an owner releases what was held. Anybody else gets the stored answer.
fn is_open(working: &Working, author: &Author, kept: &Kept) -> bool {
    let Authority::Released(by) = author.authority else { return false };
    let actor = working.record(Key::new(Kind::Member, by.into())).and_then(Actor::of);
    kept.receipt.outcome == Outcome::Quarantined && actor.is_some_and(|actor| actor.role == Role::Owner)
}

/// Settles one intent. On success `working` holds its effects, so that the next intent sees them.
///
/// # Errors
/// What has to be supplied first. Nothing has changed then.
pub fn settle(working: &mut Working, author: &Author, intent: &[FrozenOp], now_ms: i64) -> Result<Settled, Vec<Need>> {
    let lacks = wants(working, author, intent);
    if !lacks.is_empty() {
        return Err(lacks);
    }
    let fresh: Vec<&FrozenOp> =
        intent.iter().filter(|frozen| answered(working, author, frozen, now_ms).is_none()).collect();
    let mut settled = match run(working, author, intent, &fresh, now_ms) {
        Ok((mut plan, dones)) => {
            let (touched, sums) = plan.absorb(working);
            let access_changed = plan.access.into_iter().collect();
            let receipts =
                fresh.iter().zip(dones).map(|(frozen, done)| receipt_of(frozen, done, working.head, now_ms)).collect();
            Settled { receipts, entries: plan.entries, touched, sums, access_changed, ..Settled::default() }
        }
        Err((_, Stop::Lacks(needs))) => return Err(needs),
        Err((_, Stop::Holds)) => Settled {
            receipts: fresh.iter().map(|frozen| held(frozen, working.head, now_ms)).collect(),
            quarantined: fresh.iter().map(|frozen| frozen.op.id).collect(),
            ..Settled::default()
        },
        Err((at, Stop::Refuses(reason))) => {
            let reason_of = |place| if Some(place) == at || at.is_none() { reason.clone() } else { with_the_others() };
            let refused = fresh
                .iter()
                .enumerate()
                .map(|(place, frozen)| refused(&frozen.op, reason_of(place), working.head, now_ms));
            Settled { receipts: refused.collect(), ..Settled::default() }
        }
    };
    settled.kept = fresh.iter().zip(&settled.receipts).map(|(frozen, receipt)| kept(frozen, receipt)).collect();
    settled.receipts = in_order(working, author, intent, std::mem::take(&mut settled.receipts), now_ms);
    for kept in &settled.kept {
        working.receipts.insert(kept.receipt.op, Some(kept.clone()));
    }
    Ok(settled)
}

/// The answer an op has already: the one it got before, or that its id was taken by another.
fn answered(working: &Working, author: &Author, frozen: &FrozenOp, now_ms: i64) -> Option<Receipt> {
    let kept = working.receipts.get(&frozen.op.id)?.as_ref().filter(|_| !planted(Mutant::ForgetReceipts))?;
    if kept.digest != frozen.digest {
        let says = "Another edit came under the same id before. Export this one and report it; nothing was changed."
            .to_owned();
        return Some(refused(&frozen.op, Reason { code: Code::Reused, field: None, says }, working.head, now_ms));
    }
    (!is_open(working, author, kept)).then(|| kept.receipt.clone())
}

/// Drafts the whole intent. What stops it comes with the place of the op at fault, or `None` if that is all of them.
fn run(
    working: &Working,
    author: &Author,
    intent: &[FrozenOp],
    fresh: &[&FrozenOp],
    now_ms: i64,
) -> Result<(Plan, Vec<Done>), (Option<usize>, Stop)> {
    let whole = |stop| (None, stop);
    let actor = standing(working, author).map_err(whole)?;
    one_intent(working, intent, fresh).map_err(whole)?;
    let rules = working.rules.clone().unwrap_or_default();
    let mut draft = Draft::new(working, *author, actor, rules, now_ms);
    let mut dones = Vec::with_capacity(fresh.len());
    for (place, frozen) in fresh.iter().enumerate() {
        let done = depends(working, author, &frozen.op).and_then(|()| act::act(&mut draft, &frozen.op));
        dones.push(done.map_err(|stop| (Some(place), stop))?);
    }
    Ok((draft.plan().map_err(whole)?, dones))
}

/// By whose role the author is judged. Somebody who no longer belongs is not refused: an owner looks at what they wrote.
/// What an owner releases lands under its author's name with an owner's role.
fn standing(working: &Working, author: &Author) -> Result<Option<Actor>, Stop> {
    let Some(member) = judged_by(author) else { return Ok(None) };
    let actor = working.record(member).and_then(Actor::of).ok_or(Stop::Holds)?;
    Ok(Some(Actor { member: author.member, ..actor }))
}

/// Ops of an intent succeed or fail together, also when some of them were answered before; and no id stands twice.
fn one_intent(working: &Working, intent: &[FrozenOp], fresh: &[&FrozenOp]) -> Result<(), Stop> {
    let ids: BTreeSet<OpId> = fresh.iter().map(|frozen| frozen.op.id).collect();
    if ids.len() < fresh.len() || intent.len() > INTENT_OPS_MAX {
        let says =
            "The edit came in a form this server cannot take. Export it and report it; nothing was changed.".to_owned();
        return Err(Stop::Refuses(Reason { code: Code::Malformed, field: None, says }));
    }
    let before = |frozen: &FrozenOp| {
        working.receipts.get(&frozen.op.id).and_then(Option::as_ref).map(|kept| kept.receipt.outcome)
    };
    if intent.iter().any(|frozen| !ids.contains(&frozen.op.id) && before(frozen) == Some(Outcome::Rejected)) {
        return Err(Stop::Refuses(with_the_others()));
    }
    Ok(())
}

/// An op is refused with what it needs, and held with it.
fn depends(working: &Working, author: &Author, op: &Op) -> Result<(), Stop> {
    let outcome = |id: &OpId| working.receipts.get(id).and_then(Option::as_ref).map(|kept| kept.receipt.outcome);
    let outcomes: BTreeSet<Outcome> = op.after.iter().filter_map(outcome).collect();
    if outcomes.contains(&Outcome::Rejected) {
        let says = "An edit it builds on was refused. Put that one right first; this one is in your tray.".to_owned();
        return Err(Stop::Refuses(Reason { code: Code::Dependency, field: None, says }));
    }
    if outcomes.contains(&Outcome::Quarantined) && author.authority == Authority::Own {
        return Err(Stop::Holds);
    }
    Ok(())
}

/// An answer per op of the intent, in its order.
fn in_order(working: &Working, author: &Author, intent: &[FrozenOp], fresh: Vec<Receipt>, now_ms: i64) -> Vec<Receipt> {
    let mut fresh = fresh.into_iter();
    intent.iter().filter_map(|frozen| answered(working, author, frozen, now_ms).or_else(|| fresh.next())).collect()
}

fn receipt_of(frozen: &FrozenOp, done: Done, seq: Version, now_ms: i64) -> Receipt {
    let Done { outcome, class, conflict } = done;
    Receipt { op: frozen.op.id, outcome, class, seq, reason: None, conflict, at_ms: now_ms }
}

fn refused(op: &Op, reason: Reason, seq: Version, now_ms: i64) -> Receipt {
    let (outcome, class) = (Outcome::Rejected, Class::Rejected);
    Receipt { op: op.id, outcome, class, seq, reason: Some(reason), conflict: None, at_ms: now_ms }
}

fn held(frozen: &FrozenOp, seq: Version, now_ms: i64) -> Receipt {
    let says = "You may no longer write here, so an owner looks at this edit. Nothing is lost.".to_owned();
    let reason = Reason { code: Code::Forbidden, field: None, says };
    Receipt { outcome: Outcome::Quarantined, ..refused(&frozen.op, reason, seq, now_ms) }
}

fn kept(frozen: &FrozenOp, receipt: &Receipt) -> Kept {
    Kept { receipt: receipt.clone(), digest: frozen.digest }
}

/// Why an op is refused for another's fault.
fn with_the_others() -> Reason {
    let says =
        "It belongs together with an edit that was refused, so neither was made. Put that one right and try again."
            .to_owned();
    Reason { code: Code::Intent, field: None, says }
}

/// The receipt of a quarantined op that an owner decided not to apply.
pub fn discarded(kept: &Kept, now_ms: i64) -> Kept {
    let says = "An owner looked at this edit and did not apply it. It is in your tray.".to_owned();
    let reason = Some(Reason { code: Code::Forbidden, field: None, says });
    let receipt = Receipt { outcome: Outcome::Rejected, reason, at_ms: now_ms, ..kept.receipt.clone() };
    Kept { receipt, digest: kept.digest }
}
