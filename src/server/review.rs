//! The bodies of the functions of `api` that look back, or around: history, what people did last, who is there, quarantine.

use crate::api::ApiError;
use crate::api::review::{
    ACTIVITY_KINDS, ACTIVITY_MAX, Activity, DEED_TEXT_CHARS_MAX, Deed, HELD_BYTES_MAX, HELD_MAX, HISTORY_ENTRIES_MAX,
    Held, HeldList,
};
use crate::api::workspace::{CONNECTED_SHOWN_MAX, Presence};
use crate::model::choice::Role;
use crate::model::id::{MemberId, OpId, WorkspaceId};
use crate::model::kinds::Kind;
use crate::model::record::{Key, Record};
use crate::model::value::Value;
use crate::server::caller::{Caller, answer};
use crate::server::state::AppState;
use crate::server::store::{Latest, Quarantined, Select, SelectHeld};
use crate::sync::op::{Action, Effect, Entry};
use crate::sync::wire::{decode_op, encode};
use std::collections::{BTreeMap, BTreeSet};

/// See `api::review::history`.
pub async fn history(member: MemberId, record: Key) -> Result<Vec<Entry>, ApiError> {
    answer(async {
        let caller = Caller::here()?;
        let place = caller.place(member).await?;
        place.role()?;
        caller.state.limits.read_turn(member).await;
        Ok(caller.state.core.history(place.workspace, member, record, HISTORY_ENTRIES_MAX).await?)
    })
    .await
}

/// See `api::review::activity`.
pub async fn activity(member: MemberId) -> Result<Activity, ApiError> {
    answer(async {
        let caller = Caller::here()?;
        let place = caller.place(member).await?;
        place.role()?;
        caller.state.limits.look(member)?;
        lately(&caller.state, place.workspace, member).await
    })
    .await
}

/// Entries looked at for one list: most edits of a task are followed by the server's own, which count its step, phase and project.
const LOOKED_AT_MAX: usize = 240;

/// What people did last in this workspace, as far as the member may see it.
///
/// # Errors
/// `Revoked`, `Failed`.
pub async fn lately(state: &AppState, workspace: WorkspaceId, member: MemberId) -> Result<Activity, ApiError> {
    let latest = state.core.latest(workspace, member, LOOKED_AT_MAX).await?;
    let told = ops(latest);
    let entries = told.iter().map(|latest| latest.entry.key());
    let mut known = named(state, workspace, member, entries.collect()).await?;
    let above: BTreeSet<Key> =
        told.iter().map(|latest| about(&latest.entry, &known)).filter(|key| !known.contains_key(key)).collect();
    known.extend(named(state, workspace, member, above).await?);
    let deed = |Latest { entry, before }: Latest| {
        let about = about(&entry, &known);
        let title = known.get(&about).map(|record| record.text("title").to_owned()).unwrap_or_default();
        Deed { entry: shortened(entry), before, about, title }
    };
    Ok(Activity { deeds: told.into_iter().map(deed).collect(), now_ms: state.core.now_ms() })
}

/// Of entries that come newest first, one for each op of a person: the first it wrote, which is that of the op's own record, and
/// not what came back or went with it.
fn ops(latest: Vec<Latest>) -> Vec<Latest> {
    let mut told: Vec<Latest> = Vec::with_capacity(ACTIVITY_MAX);
    for latest in latest {
        if latest.entry.by.is_none() || !ACTIVITY_KINDS.contains(&latest.entry.kind) {
            continue;
        }
        let same = |last: &&mut Latest| last.entry.op.is_some() && last.entry.op == latest.entry.op;
        if let Some(last) = told.last_mut().filter(same) {
            *last = latest;
        } else if told.len() < ACTIVITY_MAX {
            told.push(latest);
        } else {
            break;
        }
    }
    told
}

/// The record to look at for an entry.
fn about(entry: &Entry, known: &BTreeMap<Key, Record>) -> Key {
    let above = match entry.kind {
        Kind::Comment | Kind::TimeLog => known.get(&entry.key()).and_then(Record::parent),
        _ => None,
    };
    above.unwrap_or(entry.key())
}

/// These records as they are, deleted ones included.
async fn named(
    state: &AppState,
    workspace: WorkspaceId,
    member: MemberId,
    keys: BTreeSet<Key>,
) -> Result<BTreeMap<Key, Record>, ApiError> {
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let count = keys.len();
    let found = state.core.records_of(workspace, member, &Select::Keys(keys.into_iter().collect()), count).await?;
    Ok(found.into_iter().map(|record| (record.key(), record)).collect())
}

/// The entry with only the beginning of what is long.
fn shortened(mut entry: Entry) -> Entry {
    if let Effect::Put(fields) = &mut entry.effect {
        fields.values_mut().for_each(shorten);
    }
    entry
}

fn shorten(value: &mut Value) {
    match value {
        Value::Text(text) => {
            let end = text.char_indices().nth(DEED_TEXT_CHARS_MAX).map(|(end, _)| end);
            if let Some(beginning) = end.and_then(|end| text.get(..end)) {
                *text = format!("{beginning}…").into();
            }
        }
        Value::List(entries) => entries.iter_mut().for_each(shorten),
        Value::Map(parts) => parts.values_mut().for_each(shorten),
        Value::Null | Value::Bool(_) | Value::Int(_) => {}
    }
}

/// See `api::workspace::presence`.
pub async fn presence(member: MemberId) -> Result<Presence, ApiError> {
    answer(async {
        let caller = Caller::here()?;
        let state = &caller.state;
        let place = caller.place(member).await?;
        let role = place.role()?;
        state.limits.look(member)?;
        let connected = state.core.hub().devices(place.workspace).into_iter().map(|(_, device)| device);
        let connected = connected.take(CONNECTED_SHOWN_MAX).collect();
        let held = match role {
            Role::Owner | Role::Admin => Some(state.core.held_count(place.workspace, member).await?),
            Role::Member | Role::Viewer => None,
        };
        Ok(Presence { connected, held, now_ms: state.core.now_ms() })
    })
    .await
}

/// Held ops read at once: each may be as large as an op can be.
const HELD_A_PAGE: usize = 10;

/// See `api::review::quarantine`.
pub async fn quarantine(member: MemberId) -> Result<HeldList, ApiError> {
    answer(async {
        let caller = Caller::here()?;
        let place = caller.place(member).await?;
        place.role()?;
        caller.state.limits.read_turn(member).await;
        let (mut list, mut bytes) = (HeldList::default(), 0);
        let mut after = SelectHeld::after(None);
        while !list.more {
            let page = caller.state.core.quarantined(place.workspace, member, &after, HELD_A_PAGE).await?;
            after = SelectHeld::after(page.last());
            let last = page.len() < HELD_A_PAGE;
            for held in page.into_iter().filter_map(readable) {
                bytes += encode(&held.op).map_or(HELD_BYTES_MAX, |op| op.len());
                list.more = list.held.len() == HELD_MAX || (bytes > HELD_BYTES_MAX && !list.held.is_empty());
                if list.more {
                    break;
                }
                list.held.push(held);
            }
            if last {
                break;
            }
        }
        let keys = list.held.iter().map(|held| held.op.key()).collect();
        let known = named(&caller.state, place.workspace, member, keys).await?;
        for held in &mut list.held {
            held.title = known.get(&held.op.key()).and_then(title_of);
        }
        Ok(list)
    })
    .await
}

/// What a record is called by itself, if it is.
fn title_of(record: &Record) -> Option<String> {
    let names = ["title", "name", "text"].map(|field| record.text(field));
    names.into_iter().find(|name| !name.is_empty()).map(|name| name.chars().take(DEED_TEXT_CHARS_MAX).collect())
}

/// What this build can show of a held op.
fn readable(held: Quarantined) -> Option<Held> {
    match decode_op(&held.bytes) {
        Ok(mut op) => {
            match &mut op.action {
                Action::Create { fields } => fields.values_mut().for_each(shorten),
                Action::Set { changes } => {
                    changes.values_mut().flat_map(|change| [&mut change.was, &mut change.now]).for_each(shorten);
                }
                Action::Delete { .. } | Action::Restore | Action::Command { .. } => {}
            }
            Some(Held { op, by: held.member, at_ms: held.at_ms, title: None })
        }
        Err(error) => {
            tracing::warn!(op.id = %held.op, %error, "A held op cannot be read by this version; it stays held.");
            None
        }
    }
}

/// See `api::review::release`.
pub async fn release(member: MemberId, ops: Vec<OpId>) -> Result<(), ApiError> {
    answer(async {
        let caller = Caller::here()?;
        let place = caller.place(member).await?;
        place.role()?;
        few_enough(&ops)?;
        caller.state.core.release(place.workspace, member, &ops).await?;
        Ok(())
    })
    .await
}

/// See `api::review::discard`.
pub async fn discard(member: MemberId, ops: Vec<OpId>) -> Result<(), ApiError> {
    answer(async {
        let caller = Caller::here()?;
        let place = caller.place(member).await?;
        place.role()?;
        few_enough(&ops)?;
        caller.state.core.discard(place.workspace, member, &ops).await?;
        Ok(())
    })
    .await
}

/// More than a list shows nobody decides at once.
fn few_enough(ops: &[OpId]) -> Result<(), ApiError> {
    if ops.len() > HELD_MAX { Err(ApiError::TooLarge) } else { Ok(()) }
}
