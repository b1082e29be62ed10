//! The bodies of the history and quarantine functions of `api`.

use crate::api::ApiError;
use crate::api::review::{HELD_MAX, HISTORY_ENTRIES_MAX, Held};
use crate::model::id::{MemberId, OpId};
use crate::model::record::Key;
use crate::server::caller::{Caller, answer};
use crate::server::store::Quarantined;
use crate::sync::op::Entry;
use crate::sync::wire::decode_op;

/// See `api::review::history`.
pub async fn history(member: MemberId, record: Key) -> Result<Vec<Entry>, ApiError> {
    answer(async {
        let caller = Caller::here()?;
        let place = caller.place(member).await?;
        place.role()?;
        Ok(caller.state.core.history(place.workspace, member, record, HISTORY_ENTRIES_MAX).await?)
    })
    .await
}

/// See `api::review::quarantine`.
pub async fn quarantine(member: MemberId) -> Result<Vec<Held>, ApiError> {
    answer(async {
        let caller = Caller::here()?;
        let place = caller.place(member).await?;
        place.role()?;
        let held = caller.state.core.quarantined(place.workspace, member).await?;
        Ok(held.into_iter().filter_map(readable).take(HELD_MAX).collect())
    })
    .await
}

/// What this build can show of a held op.
fn readable(held: Quarantined) -> Option<Held> {
    match decode_op(&held.bytes) {
        Ok(op) => Some(Held { op, by: held.member, at_ms: held.at_ms }),
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
