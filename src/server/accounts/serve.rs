//! The bodies of the account and workspace functions of `api`. (Signatures first; the tables follow.)

use crate::api::account::Me;
use crate::api::error::ApiError;
use crate::api::workspace::{Invitation, Invited};
use crate::model::choice::Role;
use crate::model::id::{DeviceId, MemberId, WorkspaceId};

/// See `api::account::sign_up`.
pub async fn sign_up(
    _name: String,
    _email: String,
    _password: String,
    _invitation: Option<String>,
) -> Result<Me, ApiError> {
    Err(ApiError::Failed)
}
/// See `api::account::sign_in`.
pub async fn sign_in(_email: String, _password: String) -> Result<Me, ApiError> {
    Err(ApiError::Failed)
}
/// See `api::account::sign_out`.
pub async fn sign_out() -> Result<(), ApiError> {
    Err(ApiError::Failed)
}
/// See `api::account::me`.
pub async fn me() -> Result<Option<Me>, ApiError> {
    Err(ApiError::Failed)
}
/// See `api::workspace::create_workspace`.
pub async fn create_workspace(_name: String) -> Result<Me, ApiError> {
    Err(ApiError::Failed)
}
/// See `api::workspace::switch_workspace`.
pub async fn switch_workspace(_workspace: WorkspaceId) -> Result<Me, ApiError> {
    Err(ApiError::Failed)
}
/// See `api::workspace::invite`.
pub async fn invite(_member: MemberId, _role: Role, _email: Option<String>) -> Result<Invited, ApiError> {
    Err(ApiError::Failed)
}
/// See `api::workspace::invitation`.
pub async fn invitation(_token: String) -> Result<Invitation, ApiError> {
    Err(ApiError::Failed)
}
/// See `api::workspace::accept_invitation`.
pub async fn accept_invitation(_token: String) -> Result<Me, ApiError> {
    Err(ApiError::Failed)
}
/// See `api::workspace::remove_member`.
pub async fn remove_member(_member: MemberId, _remove: MemberId) -> Result<(), ApiError> {
    Err(ApiError::Failed)
}
/// See `api::workspace::register_device`.
pub async fn register_device(_member: MemberId, _device: DeviceId, _name: String) -> Result<(), ApiError> {
    Err(ApiError::Failed)
}
