//! One message of a device in, one answer out: what the live channel and the synchronisation functions of `api` share. The
//! core decides; here a message is read, its sender checked, and the answer encoded.

use crate::api::ApiError;
use crate::model::id::MemberId;
use crate::server::caller::{Caller, answer};
use crate::server::state::{AppState, Place};
use crate::sync::settle::{Author, Authority};
use crate::sync::wire::{
    Hello, PUSH_OPS_MAX, Pull, Pulled, Push, Pushed, Refusal, SCOPES_MAX, SnapshotWanted, Welcome, WireError, decode,
    encode,
};
use serde_bytes::ByteBuf;

impl From<WireError> for ApiError {
    fn from(error: WireError) -> Self {
        tracing::debug!(%error, "A message could not be read.");
        match error {
            WireError::TooLarge(_) => Self::TooLarge,
            WireError::Malformed(_) => Self::Malformed,
        }
    }
}

/// See `api::sync::push`.
pub async fn push(member: MemberId, message: ByteBuf) -> Result<ByteBuf, ApiError> {
    answer(async {
        let caller = Caller::here()?;
        let place = caller.place(member).await?;
        caller.state.limits.push(member)?;
        Ok(ByteBuf::from(encode(&settle(&caller.state, place, decode(&message)?).await?)?))
    })
    .await
}

/// See `api::sync::hello`.
pub async fn hello(member: MemberId, message: ByteBuf) -> Result<ByteBuf, ApiError> {
    answer(async {
        let caller = Caller::here()?;
        let place = caller.place(member).await?;
        let hello = decode(&message)?;
        fits(&caller.state, &hello)?;
        Ok(ByteBuf::from(encode(&greet(&caller.state, place, &hello).await?)?))
    })
    .await
}

/// See `api::sync::pull`.
pub async fn pull(member: MemberId, message: ByteBuf) -> Result<ByteBuf, ApiError> {
    answer(async {
        let caller = Caller::here()?;
        let place = caller.place(member).await?;
        Ok(ByteBuf::from(encode(&newer(&caller.state, place, &decode(&message)?).await?)?))
    })
    .await
}

/// See `api::sync::snapshot`.
pub async fn snapshot(member: MemberId, message: ByteBuf) -> Result<ByteBuf, ApiError> {
    answer(async {
        let caller = Caller::here()?;
        let place = caller.place(member).await?;
        place.role()?;
        let wanted: SnapshotWanted = decode(&message)?;
        caller.state.limits.read_turn(member).await;
        let chunk = caller.state.core.snapshot(place.workspace, member, &wanted).await;
        // To somebody who may not see it, a scope looks as if it did not exist.
        let chunk = chunk.map_err(|error| match error.into() {
            ApiError::Forbidden => ApiError::NotFound,
            other => other,
        })?;
        Ok(ByteBuf::from(encode(&chunk)?))
    })
    .await
}

/// Settles what a device pushed. Somebody who was removed a short while ago may still push; settling quarantines it.
///
/// # Errors
/// `TooLarge`, `Stopping`, `Failed`.
pub async fn settle(state: &AppState, place: Place, push: Push) -> Result<Pushed, ApiError> {
    if push.ops.len() > PUSH_OPS_MAX {
        return Err(ApiError::TooLarge);
    }
    let author = Author { member: place.member, authority: Authority::Own };
    Ok(state.core.push(place.workspace, &author, push).await?)
}

/// Answers a hello.
///
/// # Errors
/// `Revoked`, `Malformed`, `Failed`.
pub async fn greet(state: &AppState, place: Place, hello: &Hello) -> Result<Welcome, ApiError> {
    place.role()?;
    if hello.tidemarks.len() > SCOPES_MAX {
        return Err(ApiError::TooLarge);
    }
    state.limits.read_turn(place.member).await;
    Ok(state.core.welcome(place.workspace, place.member, hello).await?)
}

/// Whether this server and a device of that build understand each other.
///
/// # Errors
/// `UpdateNeeded`, `ServerOlder`.
fn fits(state: &AppState, hello: &Hello) -> Result<(), ApiError> {
    match state.core.misfit(hello) {
        None => Ok(()),
        Some((Refusal::UpdateNeeded, _)) => Err(ApiError::UpdateNeeded),
        Some(_) => Err(ApiError::ServerOlder),
    }
}

/// Answers a pull.
///
/// # Errors
/// `Revoked`, `TooLarge`, `Failed`.
pub async fn newer(state: &AppState, place: Place, pull: &Pull) -> Result<Pulled, ApiError> {
    place.role()?;
    if pull.tidemarks.len() > SCOPES_MAX {
        return Err(ApiError::TooLarge);
    }
    state.limits.read_turn(place.member).await;
    Ok(state.core.pull(place.workspace, place.member, pull).await?)
}
