//! The bodies of the history and quarantine functions of `api`. (Signatures first; the store follows.)

use crate::api::error::ApiError;
use crate::api::review::Held;
use crate::model::id::{MemberId, OpId, RecordId};
use crate::sync::op::Entry;

/// See `api::review::history`.
pub async fn history(_member: MemberId, _record: RecordId) -> Result<Vec<Entry>, ApiError> {
    Err(ApiError::Failed)
}
/// See `api::review::quarantine`.
pub async fn quarantine(_member: MemberId) -> Result<Vec<Held>, ApiError> {
    Err(ApiError::Failed)
}
/// See `api::review::release`.
pub async fn release(_member: MemberId, _op: OpId) -> Result<(), ApiError> {
    Err(ApiError::Failed)
}
/// See `api::review::discard`.
pub async fn discard(_member: MemberId, _op: OpId) -> Result<(), ApiError> {
    Err(ApiError::Failed)
}
