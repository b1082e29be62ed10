//! What a device reports to whoever runs the server: something that should not happen did, and was repaired. Nothing people
//! wrote is in it.

use crate::api::error::ApiError;
use crate::model::id::{DeviceId, MemberId};
use crate::model::scope::Scope;
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

/// An incident on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reported {
    /// Its copy of a scope differed from the server's at the same tidemark, and was fetched anew.
    Checksum {
        /// Of which scope.
        scope: Scope,
        /// What the server had said.
        theirs: u64,
        /// What the device had.
        ours: u64,
    },
    /// A value it had stored could not be read, and was fetched anew or kept aside.
    Stored,
    /// A message of the server could not be read.
    Unreadable,
    /// The server's history had been replaced.
    Epoch {
        /// As the device knew it.
        was: u64,
        /// As it is now.
        now: u64,
    },
    /// The browser's storage failed; the copy lives in memory until its tab is closed.
    Storage,
}

/// Reports an incident; the server logs it.
///
/// # Errors
/// `SignedOut`, `Revoked`, `NotFound`, `TooFast`. Nothing depends on the answer.
#[server(prefix = "/api", endpoint = "incident", input = Json)]
pub async fn report(
    /// As whom.
    member: MemberId,
    /// Which device.
    device: DeviceId,
    /// What happened.
    incident: Reported,
) -> Result<(), ApiError> {
    crate::server::incident::report(member, device, incident).await
}
