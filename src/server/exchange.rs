//! The bodies of the synchronisation functions of `api`. (Signatures first; the core follows.)

use crate::api::error::ApiError;
use crate::model::id::MemberId;
use serde_bytes::ByteBuf;

/// See `api::sync::push`.
pub async fn push(_member: MemberId, _message: ByteBuf) -> Result<ByteBuf, ApiError> {
    Err(ApiError::Failed)
}
/// See `api::sync::hello`.
pub async fn hello(_member: MemberId, _message: ByteBuf) -> Result<ByteBuf, ApiError> {
    Err(ApiError::Failed)
}
/// See `api::sync::pull`.
pub async fn pull(_member: MemberId, _message: ByteBuf) -> Result<ByteBuf, ApiError> {
    Err(ApiError::Failed)
}
/// See `api::sync::snapshot`.
pub async fn snapshot(_member: MemberId, _message: ByteBuf) -> Result<ByteBuf, ApiError> {
    Err(ApiError::Failed)
}
