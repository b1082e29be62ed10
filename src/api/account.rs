//! Signing up, in and out, and who is signed in. The password never leaves these functions.

use crate::api::error::ApiError;
use crate::api::seed::Viewer;
use crate::model::choice::Role;
use crate::model::id::{AccountId, MemberId, WorkspaceId};
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// Who is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Me {
    /// The account.
    pub account: AccountId,
    /// What the person calls themselves; their member records may differ.
    pub name: String,
    /// The address they sign in with.
    pub email: String,
    /// Every workspace they are an active member of, by name.
    pub memberships: Vec<Membership>,
    /// Who they are in the workspace this browser shows; `None` while they belong to none.
    pub viewer: Option<Viewer>,
}

/// One workspace somebody belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Which workspace.
    pub workspace: WorkspaceId,
    /// What it is called.
    pub workspace_name: String,
    /// As whom.
    pub member: MemberId,
    /// What they may do there.
    pub role: Role,
}

/// Makes an account and signs it in on this browser. Where the server takes accounts by invitation only, the token of
/// one is needed; it is not used up by this, `accept_invitation` follows.
///
/// # Errors
/// `Invalid`, `EmailTaken`, `InvitationNeeded`, `InvitationGone`, `TooFast`.
#[server(prefix = "/api", endpoint = "sign-up")]
pub async fn sign_up(
    name: String,
    email: String,
    password: String,
    invitation: Option<String>,
) -> Result<Me, ApiError> {
    crate::server::accounts::serve::sign_up(name, email, password, invitation).await
}

/// Signs in on this browser.
///
/// # Errors
/// `WrongPassword` whether or not the account exists, `TooFast`.
#[server(prefix = "/api", endpoint = "sign-in")]
pub async fn sign_in(email: String, password: String) -> Result<Me, ApiError> {
    crate::server::accounts::serve::sign_in(email, password).await
}

/// Ends this browser's session and closes its live channels at once. Without a session it does nothing.
///
/// # Errors
/// `Failed`.
#[server(prefix = "/api", endpoint = "sign-out")]
pub async fn sign_out() -> Result<(), ApiError> {
    crate::server::accounts::serve::sign_out().await
}

/// Who is signed in on this browser; `None` if nobody is.
///
/// # Errors
/// `Failed`.
#[server(name = WhoAmI, prefix = "/api", endpoint = "me")]
pub async fn me() -> Result<Option<Me>, ApiError> {
    crate::server::accounts::serve::me().await
}
