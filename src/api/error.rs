//! The one error every server function answers with. Its text is written for the person in front of the screen: what
//! happened, that nothing was lost, what to do next. Internals are logged on the server and never travel.

use crate::sync::wire::Refusal;
use leptos::server_fn::codec::JsonEncoding;
use leptos::server_fn::error::{FromServerFnError, ServerFnErrorErr};
use serde::{Deserialize, Serialize};

/// A form field that cannot be taken as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The parameter of the server function.
    pub field: String,
    /// What is wrong with it and how to put it right.
    pub says: String,
}

/// Why a server function did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum ApiError {
    /// There is no session, or it has ended.
    #[error("You are not signed in. Edits waiting on this device are kept; sign in and they are sent.")]
    SignedOut,
    /// The member was removed from the workspace.
    #[error(
        "You are no longer a member of this workspace. Edits that had not been sent are kept for an owner to review; \
         ask one of them if this is a mistake."
    )]
    Revoked,
    /// The member's role does not allow it.
    #[error(
        "Your role does not allow this, and nothing was changed. An owner or admin of the workspace can do it or change your role."
    )]
    Forbidden,
    /// The email or the password is wrong; deliberately not said which.
    #[error("The email and password do not match an account. Nothing was changed; check both and try again.")]
    WrongPassword,
    /// An account with this email exists.
    #[error("There is already an account with this email. Sign in with it, or use another address.")]
    EmailTaken,
    /// This server takes new accounts by invitation only.
    #[error("This server takes new accounts by invitation only. Ask somebody who uses it to invite you.")]
    InvitationNeeded,
    /// The invitation is unknown, used or expired.
    #[error("This invitation is no longer valid: it was used, withdrawn or has expired. Ask for a new one.")]
    InvitationGone,
    /// The invitation is for another email address.
    #[error("This invitation is for another email address. Sign in with that address, or ask for a new invitation.")]
    InvitationForAnother,
    /// Fields that cannot be taken as they are.
    #[error("{}", .0.iter().map(|fault| fault.says.as_str()).collect::<Vec<_>>().join(" "))]
    Invalid(Vec<Fault>),
    /// What was asked for does not exist, or the member may not see it.
    #[error("This does not exist, or you may not see it. Nothing was changed.")]
    NotFound,
    /// What was asked is not allowed as things stand; in words.
    #[error("{0}")]
    Refused(String),
    /// The last owner may not leave.
    #[error("This is the workspace's last owner, who cannot be removed. Make somebody else an owner first.")]
    LastOwner,
    /// Too many requests.
    #[error("That was tried too often. Nothing was lost; wait {wait_s} seconds and try again.")]
    TooFast {
        /// How long to wait, seconds.
        wait_s: u64,
    },
    /// The request is larger than the server takes.
    #[error("That is larger than the server takes at once. It is still on this device; send it in smaller parts.")]
    TooLarge,
    /// The server could not read the request.
    #[error(
        "The server could not read the request, so nothing was changed. Reload the page to get the current version and try again."
    )]
    Malformed,
    /// A request that may change something came from a page of another address.
    #[error(
        "This request did not come from a page of this server, so nothing was changed. Whoever runs the server should check \
         that its public address is the one in the browser's address bar."
    )]
    ForeignPage,
    /// The request did not reach the server, or its answer did not come back.
    #[error("The server could not be reached. What you entered is still here; try again when the connection is back.")]
    Unreachable,
    /// Somebody other than Tidemark answered: a captive portal, a proxy.
    #[error(
        "The answer did not come from Tidemark; perhaps this network asks you to sign in first. Nothing was lost; try again."
    )]
    NotOurs,
    /// The device's build is too old for the server.
    #[error(
        "This copy of Tidemark is too old for the server. Your edits are kept; reload the page to get the current version."
    )]
    UpdateNeeded,
    /// The device's build is newer than the server.
    #[error(
        "This copy of Tidemark is newer than the server. Your edits are kept and are sent when the server has been updated."
    )]
    ServerOlder,
    /// The request took longer than the server waits.
    #[error("This took too long and was given up; nothing was acknowledged that is not stored. Try again.")]
    TooSlow,
    /// The server is stopping.
    #[error("The server is restarting. Nothing was lost; try again in a moment.")]
    Stopping,
    /// The server's disk is full.
    #[error(
        "The server has no room left, so nothing was stored. What waits on this device is kept and sent again; tell whoever \
         runs this server."
    )]
    Full,
    /// The server failed; the log has the details.
    #[error(
        "The server failed, and nothing was acknowledged that is not stored. Try again; if it goes on, tell whoever runs this server."
    )]
    Failed,
}

impl ApiError {
    /// One field that cannot be taken as it is.
    pub fn invalid(field: &str, says: &str) -> Self {
        Self::Invalid(vec![Fault { field: field.to_owned(), says: says.to_owned() }])
    }
    /// What the live channel would have said in the same place; `None` where trying again is right.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            // Of a channel that is asked for as a member of another account.
            Self::SignedOut | Self::NotFound => Some(Refusal::SignedOut),
            Self::Revoked => Some(Refusal::Revoked),
            Self::TooFast { .. } => Some(Refusal::TooFast),
            Self::Malformed | Self::TooLarge => Some(Refusal::Malformed),
            Self::UpdateNeeded => Some(Refusal::UpdateNeeded),
            Self::ServerOlder => Some(Refusal::ServerOlder),
            Self::Stopping => Some(Refusal::Stopping),
            Self::Full => Some(Refusal::Full),
            Self::Failed | Self::TooSlow => Some(Refusal::Failed),
            _ => None,
        }
    }
}

impl FromServerFnError for ApiError {
    type Encoder = JsonEncoding;
    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        let error = match error {
            ServerFnErrorErr::Request(_) | ServerFnErrorErr::UnsupportedRequestMethod(_) => Self::Unreachable,
            // In a browser it is the answer that cannot be read, on the server the request.
            ServerFnErrorErr::Deserialization(_) if cfg!(not(feature = "ssr")) => Self::NotOurs,
            ServerFnErrorErr::Deserialization(_)
            | ServerFnErrorErr::Args(_)
            | ServerFnErrorErr::MissingArg(_)
            | ServerFnErrorErr::Serialization(_) => Self::Malformed,
            ServerFnErrorErr::Registration(_)
            | ServerFnErrorErr::ServerError(_)
            | ServerFnErrorErr::MiddlewareError(_)
            | ServerFnErrorErr::Response(_) => Self::Failed,
        };
        // No function was reached that would have set it.
        #[cfg(feature = "ssr")]
        crate::server::caller::set_status(&error);
        error
    }
}
