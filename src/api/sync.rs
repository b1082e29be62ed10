//! The HTTP half of synchronisation: the same wire messages as on the live channel, as MessagePack bodies that hold the
//! encoded message as one byte string. A service worker can so send frozen bytes it cannot read. `member` says as whom: a
//! browser may have been signed in as somebody else since the edit was made, and must not send it in their name.

use crate::api::error::ApiError;
use crate::api::seed::Seed;
use crate::model::id::MemberId;
use leptos::prelude::*;
use leptos::server_fn::codec::MsgPack;
use serde_bytes::ByteBuf;

/// Where the live channel is: a WebSocket of binary `FromDevice` and `FromServer` messages. The query names the member, as
/// in `/api/live?member=<id>`.
pub const LIVE_PATH: &str = "/api/live";

/// Pushes ops: the body is the MessagePack array `[member as 16 bytes, encoded wire::Push as bytes]`, the answer an encoded
/// `wire::Pushed` as bytes. A resend is answered with the same receipts.
///
/// # Errors
/// `SignedOut`, `TooFast`, `TooLarge`, `Malformed`, `Failed`. A member who was removed may still push for a while: those
/// ops are quarantined.
#[server(prefix = "/api", endpoint = "sync/push", input = MsgPack, output = MsgPack)]
pub async fn push(
    /// As whom.
    member: MemberId,
    /// An encoded `wire::Push`.
    message: ByteBuf,
) -> Result<ByteBuf, ApiError> {
    crate::server::exchange::push(member, message).await
}

/// Takes an encoded `wire::Hello`, answers an encoded `wire::Welcome`. The live channel starts with the same.
///
/// # Errors
/// `SignedOut`, `Revoked`, `UpdateNeeded`, `ServerOlder`, `Malformed`, `Failed`.
#[server(prefix = "/api", endpoint = "sync/hello", input = MsgPack, output = MsgPack)]
pub async fn hello(
    /// As whom.
    member: MemberId,
    /// An encoded `wire::Hello`.
    message: ByteBuf,
) -> Result<ByteBuf, ApiError> {
    crate::server::exchange::hello(member, message).await
}

/// Pulls: takes an encoded `wire::Pull`, answers an encoded `wire::Pulled`.
///
/// # Errors
/// `SignedOut`, `Revoked`, `Malformed`, `Failed`.
#[server(prefix = "/api", endpoint = "sync/pull", input = MsgPack, output = MsgPack)]
pub async fn pull(
    /// As whom.
    member: MemberId,
    /// An encoded `wire::Pull`.
    message: ByteBuf,
) -> Result<ByteBuf, ApiError> {
    crate::server::exchange::pull(member, message).await
}

/// Takes an encoded `wire::SnapshotWanted`, answers an encoded `wire::SnapshotChunk`.
///
/// # Errors
/// `SignedOut`, `Revoked`, `NotFound` for a scope the member may not see, `Malformed`, `Failed`.
#[server(prefix = "/api", endpoint = "sync/snapshot", input = MsgPack, output = MsgPack)]
pub async fn snapshot(
    /// As whom.
    member: MemberId,
    /// An encoded `wire::SnapshotWanted`.
    message: ByteBuf,
) -> Result<ByteBuf, ApiError> {
    crate::server::exchange::snapshot(member, message).await
}

/// What the page at this path is drawn from. A rendered page has it already; this is for a browser whose own store is
/// empty or cannot be used.
///
/// # Errors
/// `Failed`; somebody who is not signed in gets an empty seed.
#[server(prefix = "/api", endpoint = "page-seed")]
pub async fn page_seed(
    /// The path of the page, without its host.
    path: String,
) -> Result<Seed, ApiError> {
    crate::server::seed::page_seed(path).await
}
