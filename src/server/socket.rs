//! The live channel: one WebSocket for each device. A task reads one message at a time and settles it, while frames of the
//! hub go out beside it; whatever a device sends meanwhile waits in its own connection, so that pipelining costs no memory
//! here. Which frames a device gets, and when it must leave, the hub decides.

use crate::api::ApiError;
use crate::model::id::MemberId;
use crate::model::scope::Scope;
use crate::server::accounts::Session;
use crate::server::accounts::token::Token;
use crate::server::caller;
use crate::server::exchange::{greet, newer, settle};
use crate::server::hub::{Subscriber, Subscription};
use crate::server::limits::Channel;
use crate::server::state::{AppState, Place};
use crate::sync::wire::{FromDevice, FromServer, Hello, MESSAGE_BYTES_MAX, Refusal, SCOPES_MAX, decode, encode};
use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use futures::future::BoxFuture;
use futures::{FutureExt, SinkExt, StreamExt};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// A connection says hello within this time or is closed: one that says nothing costs memory.
const HELLO_WAIT: Duration = Duration::from_secs(10);
/// How often the server sends a beat and looks whether the device is still there. Proxies close what is silent for a minute.
const BEAT_EVERY: Duration = Duration::from_secs(20);
/// A device that was not heard for this long is gone; browsers answer the pings that go with beats by themselves.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// A message that does not leave within this time meets a device that takes nothing.
const SEND_WAIT: Duration = Duration::from_secs(20);
/// How often a connection asks whether its session has ended by time.
const SESSION_CHECK_EVERY: Duration = Duration::from_secs(60 * 60);
/// What a connection buffers while it reads or writes. Small, because most connections are idle; larger messages grow it.
const BUFFER_BYTES: usize = 2 * 1024;
/// How many times what waits is sent before anything else has its turn.
const IN_A_ROW_MAX: u32 = 16;
/// A message above `MESSAGE_BYTES_MAX` and up to this is read to be refused in words; what is larger still is cut off.
const MESSAGE_READ_MAX: usize = 2 * MESSAGE_BYTES_MAX;

/// As whom a device connects.
#[derive(Debug, Deserialize)]
pub struct Connect {
    member: MemberId,
}

/// `GET /api/live?member=<id>`.
pub async fn live(
    State(state): State<AppState>,
    Query(connect): Query<Connect>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_write_buffer_size(8 * MESSAGE_BYTES_MAX)
        .max_message_size(MESSAGE_READ_MAX)
        .max_frame_size(MESSAGE_READ_MAX)
        .on_upgrade(move |socket| converse(state, connect.member, headers, socket))
}

/// Why a connection ends, for the device.
struct Farewell {
    refusal: Refusal,
    says: String,
}

impl Farewell {
    fn new(refusal: Refusal, says: &str) -> Self {
        Self { refusal, says: says.to_owned() }
    }
}

impl From<ApiError> for Farewell {
    fn from(error: ApiError) -> Self {
        let refusal = match error {
            // The member is another account's: somebody else signed in on that browser. What is stored there is not theirs to lose.
            ApiError::NotFound => Refusal::SignedOut,
            _ => error.refusal().unwrap_or(Refusal::Failed),
        };
        Self { refusal, says: error.to_string() }
    }
}

/// How a conversation ends.
enum End {
    /// With words for the device.
    Told(Farewell),
    /// Nobody is there any more, or the hub has said all there was to say.
    Gone,
}

impl<E: Into<Farewell>> From<E> for End {
    fn from(farewell: E) -> Self {
        Self::Told(farewell.into())
    }
}

async fn converse(state: AppState, member: MemberId, headers: HeaderMap, mut socket: WebSocket) {
    // What is rare is put into boxes: a connection is mostly idle, and holds room for all that it could be doing.
    let ended = match Box::pin(greeted(&state, member, &headers, &mut socket)).await {
        // A device that was greeted keeps only what it needs: the rest is freed before a long idle time.
        Ok(greeted) => {
            drop(headers);
            exchange(&state, greeted, &mut socket).await
        }
        Err(end) => end,
    };
    if let End::Told(Farewell { refusal, says }) = ended {
        tracing::debug!(member.id = %member, ?refusal, "A connection ends.");
        // Nobody may be there to read it; the connection closes either way.
        Box::pin(send(&mut socket, &FromServer::Refused { refusal, says })).await.ok();
    }
    Box::pin(timeout(SEND_WAIT, socket.close())).await.ok();
}

/// A device that has introduced itself.
struct Greeted {
    place: Place,
    token: Option<Token>,
    subscription: Subscription,
    /// Counted as long as the connection lasts.
    _channel: Channel,
}

/// Who it is, as whom, and what it has seen.
async fn greeted(
    state: &AppState,
    member: MemberId,
    headers: &HeaderMap,
    socket: &mut WebSocket,
) -> Result<Greeted, End> {
    let session = caller::session(state, headers).await?.ok_or(ApiError::SignedOut)?;
    let channel = state.limits.channel(session.digest).ok_or_else(|| {
        Farewell::new(
            Refusal::TooFast,
            "This browser has too many connections open. Nothing was lost; close a few tabs.",
        )
    })?;
    let place = state.place(&session, member).await?;
    place.role()?;
    let hello = timeout(HELLO_WAIT, first_message(socket)).await;
    let hello = hello.map_err(|_| {
        Farewell::new(Refusal::Malformed, "The device did not say who it is in time. It may connect again.")
    })??;
    if let Some((refusal, says)) = state.core.misfit(&hello) {
        return Err(Farewell::new(refusal, says).into());
    }
    let scopes: BTreeSet<Scope> = hello.tidemarks.keys().copied().take(SCOPES_MAX).collect();
    let subscription =
        state.core.subscribe(subscriber(&session, place, &hello), &scopes).await.map_err(ApiError::from)?;
    // From here on the end of the session ends the connection; asked again, because it may have ended before this.
    caller::session(state, headers).await?.ok_or(ApiError::SignedOut)?;
    // Subscribed before the heads are read, so that nothing falls in between.
    let welcome = greet(state, place, &hello).await?;
    send(socket, &FromServer::Welcome(welcome)).await?;
    Ok(Greeted { place, token: Token::in_cookie(headers), subscription, _channel: channel })
}

fn subscriber(session: &Session, place: Place, hello: &Hello) -> Subscriber {
    Subscriber { workspace: place.workspace, member: place.member, device: hello.device, session: session.digest }
}

async fn first_message(socket: &mut WebSocket) -> Result<Hello, End> {
    loop {
        match heard(socket.recv().await)? {
            Heard::Said(FromDevice::Hello(hello)) => return Ok(hello),
            Heard::Said(_) => {
                return Err(Farewell::new(Refusal::Malformed, "The first message of a connection is a hello.").into());
            }
            Heard::Nothing => {}
        }
    }
}

/// What came in.
enum Heard {
    Said(FromDevice),
    /// A pong, say.
    Nothing,
}

fn heard(received: Option<Result<Message, axum::Error>>) -> Result<Heard, End> {
    match received {
        Some(Ok(Message::Binary(bytes))) => match decode(&bytes) {
            Ok(message) => Ok(Heard::Said(message)),
            Err(error) => Err(ApiError::from(error).into()),
        },
        Some(Ok(Message::Text(_))) => {
            Err(Farewell::new(Refusal::Malformed, "Messages of this channel are binary. Nothing was changed.").into())
        }
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(Heard::Nothing),
        // What is cut off for its size arrives here too; the peer may still read.
        Some(Err(error)) if error.to_string().contains("too long") => Err(ApiError::TooLarge.into()),
        Some(Err(_)) | Some(Ok(Message::Close(_))) | None => Err(End::Gone),
    }
}

/// Frames out, messages in, until somebody has enough.
async fn exchange(state: &AppState, greeted: Greeted, socket: &mut WebSocket) -> End {
    let Greeted { place, token, mut subscription, _channel } = greeted;
    let mut beat = interval(BEAT_EVERY);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beat.reset();
    let mut last_heard = Instant::now();
    let mut session_checked = Instant::now();
    let mut in_a_row = 0;
    let mut work: Option<BoxFuture<'_, Result<FromServer, ApiError>>> = None;
    loop {
        // First what has to go out: most connections are woken for nothing else.
        tokio::select! {
            biased;
            message = subscription.next(), if in_a_row < IN_A_ROW_MAX => {
                in_a_row += 1;
                let Some(message) = message else { return End::Gone };
                if !sent_with_more(socket, message, &mut subscription).await {
                    return End::Gone;
                }
            }
            // Before what comes in, so that nobody who sends without a pause outlives their session.
            _ = beat.tick() => {
                if work.is_none() && last_heard.elapsed() > SILENCE_MAX {
                    return End::Gone;
                }
                if session_checked.elapsed() > SESSION_CHECK_EVERY {
                    session_checked = Instant::now();
                    if let Some(end) = Box::pin(session_ended(state, token.as_ref())).await {
                        return end;
                    }
                }
                subscription.beat(state.core.now_ms(), Vec::new());
                if !sent(socket, Message::Ping(Bytes::new())).await {
                    return End::Gone;
                }
            }
            done = async { match work.as_mut() { Some(work) => work.await, None => std::future::pending().await } } => {
                work = None;
                match done {
                    Ok(message) => subscription.answer(&message),
                    Err(error) => return error.into(),
                }
            }
            received = socket.next(), if work.is_none() => {
                in_a_row = 0;
                last_heard = Instant::now();
                match heard(received) {
                    Ok(Heard::Said(message)) => match begin(state, place, &subscription, message).await {
                        Ok(begun) => work = begun,
                        Err(end) => return end,
                    },
                    Ok(Heard::Nothing) => {}
                    Err(end) => return end,
                }
            }
            // Everything else had its turn.
            () = std::future::ready(()), if in_a_row == IN_A_ROW_MAX => in_a_row = 0,
        }
    }
}

/// Does at once what is quick, and returns what may take longer.
async fn begin<'a>(
    state: &'a AppState,
    place: Place,
    subscription: &Subscription,
    message: FromDevice,
) -> Result<Option<BoxFuture<'a, Result<FromServer, ApiError>>>, End> {
    match message {
        FromDevice::Push(push) => Ok(Some(
            async move {
                state.limits.push_turn(place.member).await;
                settle(state, place, push).await.map(FromServer::Pushed)
            }
            .boxed(),
        )),
        FromDevice::Pull(pull) => {
            Ok(Some(async move { newer(state, place, &pull).await.map(FromServer::Pulled) }.boxed()))
        }
        FromDevice::Follow(pull) => {
            if pull.tidemarks.len() > SCOPES_MAX {
                return Err(ApiError::TooLarge.into());
            }
            let scopes = pull.tidemarks.keys().copied().collect();
            Box::pin(state.core.follow(subscription, &scopes)).await.map_err(ApiError::from)?;
            Ok(Some(async move { newer(state, place, &pull).await.map(FromServer::Pulled) }.boxed()))
        }
        FromDevice::Beat => {
            Box::pin(state.core.beat(subscription)).await.map_err(ApiError::from)?;
            Ok(None)
        }
        FromDevice::Hello(_) => {
            Err(Farewell::new(Refusal::Malformed, "A connection says hello once. It may connect again.").into())
        }
    }
}

async fn session_ended(state: &AppState, token: Option<&Token>) -> Option<End> {
    let token = token?;
    match state.accounts.session(token, state.core.now_ms()).await {
        Ok(Some(_)) | Err(_) => None,
        Ok(None) => Some(ApiError::SignedOut.into()),
    }
}

async fn send(socket: &mut WebSocket, message: &FromServer) -> Result<(), End> {
    let bytes = encode(message).map_err(ApiError::from)?;
    if sent(socket, Message::Binary(bytes.into())).await { Ok(()) } else { Err(End::Gone) }
}

/// Whether the message left in time, and with it what waits behind it, as far as it fits into one packet or two.
async fn sent_with_more(socket: &mut WebSocket, message: Arc<[u8]>, subscription: &mut Subscription) -> bool {
    in_time(async {
        let (mut next, mut bytes) = (Some(message), 0);
        while let Some(message) = next {
            bytes += message.len();
            socket.feed(Message::Binary(Bytes::from_owner(message))).await?;
            next = if bytes < BUFFER_BYTES { subscription.ready() } else { None };
        }
        socket.flush().await
    })
    .await
}

/// Whether the message left in time.
async fn sent(socket: &mut WebSocket, message: Message) -> bool {
    in_time(SinkExt::send(socket, message)).await
}

/// Whether it was done in time. Most sending is done at once and needs no clock.
async fn in_time<E>(sending: impl Future<Output = Result<(), E>>) -> bool {
    let mut sending = pin!(sending);
    match futures::poll!(&mut sending) {
        Poll::Ready(sent) => sent.is_ok(),
        Poll::Pending => matches!(timeout(SEND_WAIT, sending).await, Ok(Ok(()))),
    }
}
