//! Signing up, in and out, who is signed in and where. The password never leaves these functions.

use crate::api::error::ApiError;
use crate::api::seed::Viewer;
use crate::model::choice::Role;
use crate::model::id::{AccountId, MemberId, WorkspaceId};
use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

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
    /// Whether they were a member of another workspace before.
    #[serde(default)]
    pub left: bool,
}

impl Me {
    /// Where somebody goes who has just signed in or made an account: to the page they came for, if it is one of this site, or
    /// else to their dashboard, and without a workspace to where one begins.
    pub fn goes_to(&self, came_for: &str) -> String {
        // A browser takes `//elsewhere` for another site's, and leaves out tabs and line ends on its way to that.
        let own = came_for.starts_with('/')
            && !came_for.starts_with("//")
            && came_for.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        match self.viewer {
            _ if own && came_for != "/" => came_for.to_owned(),
            Some(_) => "/".to_owned(),
            None => "/workspaces".to_owned(),
        }
    }
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
/// `Invalid`, `EmailTaken`, `InvitationNeeded`, `InvitationGone`, `InvitationForAnother`, `TooFast`.
#[server(prefix = "/api", endpoint = "sign-up")]
pub async fn sign_up(
    /// What the person calls themselves, at most 100 characters.
    name: String,
    /// The address to sign in with; upper and lower case are the same.
    email: String,
    /// 10 to 200 characters.
    password: String,
    /// The token of an invitation, as in its link.
    invitation: Option<String>,
) -> Result<Me, ApiError> {
    crate::server::accounts::serve::sign_up(name, email, password, invitation).await
}

/// Signs in on this browser.
///
/// # Errors
/// `WrongPassword` whether or not the account exists, `TooFast`.
#[server(prefix = "/api", endpoint = "sign-in")]
pub async fn sign_in(
    /// The address of the account.
    email: String,
    /// The password of the account.
    password: String,
) -> Result<Me, ApiError> {
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

/// Names one signed-in browser to its owner. It opens nothing: neither the token nor what the server keeps of it can be
/// found from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub Uuid);

/// One browser somebody is signed in on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedIn {
    /// Which.
    pub id: SessionId,
    /// What it said it is: its user agent, shortened.
    pub agent: String,
    /// Since when, Unix milliseconds.
    pub since_ms: i64,
    /// When it was last heard of, Unix milliseconds, to the hour.
    pub seen_ms: i64,
    /// Whether it is the one that asks.
    pub here: bool,
}

/// Signed-in browsers of one list, the latest heard of first. Ending all others ends those beyond it as well.
pub const SESSIONS_SHOWN_MAX: usize = 100;

/// The browsers on which whoever asks is signed in, the latest heard of first, at most `SESSIONS_SHOWN_MAX`.
///
/// # Errors
/// `SignedOut`.
#[server(prefix = "/api", endpoint = "session/list")]
pub async fn sessions() -> Result<Vec<SignedIn>, ApiError> {
    crate::server::accounts::serve::sessions().await
}

/// Signs one of one's own browsers out: its live channels close at once. What waits on it stays there.
///
/// # Errors
/// `SignedOut`; `NotFound` if it has ended already or is somebody else's.
#[server(prefix = "/api", endpoint = "session/end")]
pub async fn end_session(
    /// Which browser.
    session: SessionId,
) -> Result<(), ApiError> {
    crate::server::accounts::serve::end_session(session).await
}

/// Signs every other browser of whoever asks out.
///
/// # Errors
/// `SignedOut`.
#[server(prefix = "/api", endpoint = "session/end-others")]
pub async fn end_other_sessions() -> Result<(), ApiError> {
    crate::server::accounts::serve::end_other_sessions().await
}

/// Changes the password of whoever asks, and signs every other browser of theirs out.
///
/// # Errors
/// `SignedOut`, `TooFast`; `Invalid` with `current` where that is not the password, and with `new` where the new one cannot
/// be taken.
#[server(prefix = "/api", endpoint = "password/change")]
pub async fn change_password(
    /// The password as it is now.
    current: String,
    /// The one it becomes, 10 to 200 characters.
    new: String,
) -> Result<(), ApiError> {
    crate::server::accounts::serve::change_password(current, new).await
}
