//! Workspaces and who belongs to them. Roles and names of members are fields of `member` records and change by ordinary
//! ops; only what a record must not hold (invitations, sessions) is asked for here.

use crate::api::account::Me;
use crate::api::error::ApiError;
use crate::model::choice::Role;
use crate::model::id::{DeviceId, MemberId, WorkspaceId};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A new invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invited {
    /// The path to send to whoever is invited, `/invitation/<token>`. It works once and is shown only now.
    pub path: String,
    /// Until when it works, Unix milliseconds.
    pub expires_ms: i64,
}

/// What an invitation offers, as shown before it is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Which workspace.
    pub workspace: WorkspaceId,
    /// The workspace's name.
    pub workspace_name: String,
    /// Who invites.
    pub by: String,
    /// What the new member may do.
    pub role: Role,
    /// The address it is bound to; `None` if whoever has the link may use it.
    pub email: Option<String>,
    /// Until when it works, Unix milliseconds.
    pub expires_ms: i64,
}

/// Makes a workspace with whoever asks as its owner, and shows it in this browser.
///
/// # Errors
/// `SignedOut`, `Invalid`, `TooFast`.
#[server(prefix = "/api", endpoint = "workspace/create")]
pub async fn create_workspace(
    /// What people call it, at most 100 characters.
    name: String,
) -> Result<Me, ApiError> {
    crate::server::accounts::serve::create_workspace(name).await
}

/// Shows another workspace in this browser.
///
/// # Errors
/// `SignedOut`; `NotFound` if the person does not belong to it.
#[server(prefix = "/api", endpoint = "workspace/switch")]
pub async fn switch_workspace(
    /// Which workspace.
    workspace: WorkspaceId,
) -> Result<Me, ApiError> {
    crate::server::accounts::serve::switch_workspace(workspace).await
}

/// Invites somebody: with `email` only an account of that address can accept, without it whoever has the link. Admins invite
/// viewers and members, owners anybody. The link is handed over by the inviter; the server sends no mail.
///
/// # Errors
/// `SignedOut`, `Forbidden`, `Invalid`, `TooFast`.
#[server(prefix = "/api", endpoint = "invitation/create")]
pub async fn invite(
    /// As whom.
    member: MemberId,
    /// To be what.
    role: Role,
    /// The only address that may use it.
    email: Option<String>,
) -> Result<Invited, ApiError> {
    crate::server::accounts::serve::invite(member, role, email).await
}

/// Looks at an invitation; whoever has its token may.
///
/// # Errors
/// `InvitationGone`, `TooFast`.
#[server(name = LookAtInvitation, prefix = "/api", endpoint = "invitation/look")]
pub async fn invitation(
    /// The token, as in the link.
    token: String,
) -> Result<Invitation, ApiError> {
    crate::server::accounts::serve::invitation(token).await
}

/// Names one invitation to those who may withdraw it. It opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InvitationId(pub Uuid);

/// An invitation that nobody has used yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenInvitation {
    /// Which.
    pub id: InvitationId,
    /// Who invites.
    pub by: MemberId,
    /// What the new member may do.
    pub role: Role,
    /// The address it is bound to; `None` if whoever has the link may use it.
    pub email: Option<String>,
    /// Until when it works, Unix milliseconds.
    pub expires_ms: i64,
}

/// Invitations of one list: the ones that end first. More appear as these are used or withdrawn.
pub const INVITATIONS_SHOWN_MAX: usize = 200;

/// The workspace's invitations that can still be used, those that end first first, at most `INVITATIONS_SHOWN_MAX`. For
/// owners and admins.
///
/// # Errors
/// `SignedOut`, `Forbidden`.
#[server(prefix = "/api", endpoint = "invitation/list")]
pub async fn open_invitations(
    /// As whom.
    member: MemberId,
) -> Result<Vec<OpenInvitation>, ApiError> {
    crate::server::accounts::serve::open_invitations(member).await
}

/// Withdraws an invitation: its link opens nothing any more. By whoever may make one like it.
///
/// # Errors
/// `SignedOut`, `Forbidden`; `NotFound` if it was used, withdrawn or has expired meanwhile.
#[server(prefix = "/api", endpoint = "invitation/withdraw")]
pub async fn withdraw_invitation(
    /// As whom.
    member: MemberId,
    /// Which.
    invitation: InvitationId,
) -> Result<(), ApiError> {
    crate::server::accounts::serve::withdraw_invitation(member, invitation).await
}

/// Uses an invitation up: whoever is signed in becomes a member, and this browser shows the workspace. Whoever is one already
/// uses nothing up.
///
/// # Errors
/// `SignedOut`, `InvitationGone`, `InvitationForAnother`, `TooFast`.
#[server(prefix = "/api", endpoint = "invitation/accept")]
pub async fn accept_invitation(
    /// The token, as in the link.
    token: String,
) -> Result<Me, ApiError> {
    crate::server::accounts::serve::accept_invitation(token).await
}

/// Removes a member: the record is kept, so that their work keeps its author, their live channels close at once, and edits
/// they had not sent are held for an owner. Admins remove viewers and members, owners anybody but the last owner.
///
/// # Errors
/// `SignedOut`, `Forbidden`, `LastOwner`, `NotFound`.
#[server(prefix = "/api", endpoint = "member/remove")]
pub async fn remove_member(
    /// As whom.
    member: MemberId,
    /// Whom.
    remove: MemberId,
) -> Result<(), ApiError> {
    crate::server::accounts::serve::remove_member(member, remove).await
}

/// Tells the server of this device, so that its member finds it among their devices.
///
/// # Errors
/// `SignedOut`, `Revoked`, `Invalid`.
#[server(prefix = "/api", endpoint = "device/register")]
pub async fn register_device(
    /// As whom.
    member: MemberId,
    /// Which device.
    device: DeviceId,
    /// What its person calls it, at most 100 characters.
    name: String,
) -> Result<(), ApiError> {
    crate::server::accounts::serve::register_device(member, device, name).await
}

/// Who is there, and what waits for those who govern.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Presence {
    /// Devices with a live channel at this moment, at most `CONNECTED_SHOWN_MAX`. One that a proxy leaves only plain requests is
    /// not among them.
    pub connected: Vec<DeviceId>,
    /// How many edits of removed members are held; for owners and admins only.
    pub held: Option<u64>,
    /// When this was so, by the server's clock, Unix milliseconds.
    pub now_ms: i64,
}

/// Connected devices of one answer: more than a screen lists.
pub const CONNECTED_SHOWN_MAX: usize = 500;

/// Which devices of the workspace are connected now, and how many edits are held for an owner. What the devices are called is in
/// their records.
///
/// # Errors
/// `SignedOut`, `Revoked`, `NotFound`, `TooFast`.
#[server(name = LookAround, prefix = "/api", endpoint = "workspace/presence", input = Json)]
pub async fn presence(
    /// As whom.
    member: MemberId,
) -> Result<Presence, ApiError> {
    crate::server::review::presence(member).await
}
