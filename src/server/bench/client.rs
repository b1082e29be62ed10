//! Clients of a measured server: a browser's calls on one connection, and devices on the live channel.

use super::BenchError;
use super::ground::{Ground, Session};
use crate::api::ApiError;
use crate::api::sync::LIVE_PATH;
use crate::model::id::{DeviceId, IntentId, MemberId, OpId, RecordId};
use crate::model::kinds::Kind;
use crate::model::record::Version;
use crate::model::scope::Scope;
use crate::model::value::{Name, Value};
use crate::sync::op::{Action, Change, Op, Outcome, SCHEMA};
use crate::sync::wire::{FromDevice, FromServer, Hello, PROTOCOL, Push, decode, encode};
use axum::http::HeaderValue;
use flate2::read::GzDecoder;
use futures::{SinkExt, StreamExt};
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;
use std::collections::BTreeMap;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use uuid::Uuid;

async fn connect(to: SocketAddr, from: Ipv4Addr) -> Result<TcpStream, BenchError> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A browser's connection for calls. It knows as much of HTTP as this server speaks.
pub(super) struct Http {
    stream: BufReader<TcpStream>,
    server: SocketAddr,
    pub cookie: Option<String>,
}

/// An answer.
struct Answer {
    ok: bool,
    body: Vec<u8>,
    /// Bytes of the body as it came.
    sent_bytes: usize,
}

impl Http {
    pub async fn connect(server: SocketAddr, from: Ipv4Addr, cookie: Option<String>) -> Result<Self, BenchError> {
        Ok(Self { stream: BufReader::new(connect(server, from).await?), server, cookie })
    }

    /// Calls a server function that takes a form, and keeps the session that comes back.
    pub async fn form<T: DeserializeOwned>(&mut self, endpoint: &str, form: &str) -> Result<T, BenchError> {
        let answer = self.post(endpoint, "application/x-www-form-urlencoded", form.as_bytes()).await?;
        serde_json::from_slice(&answer.body)
            .map_err(|error| BenchError::Server(format!("answered {endpoint}: {error}")))
    }

    /// Sends one message of the synchronisation functions. Gives back the answer and its size as it came.
    pub async fn exchange<T: DeserializeOwned>(
        &mut self,
        endpoint: &str,
        member: MemberId,
        message: &impl serde::Serialize,
    ) -> Result<(T, usize), BenchError> {
        self.ask(endpoint, member, message).await?;
        let (message, sent_bytes) = self.answered(endpoint).await?;
        Ok((decode(&message)?, sent_bytes))
    }

    /// Sends one message and leaves its answer to `answered`, so that there is time for something else.
    pub async fn ask(
        &mut self,
        endpoint: &str,
        member: MemberId,
        message: &impl serde::Serialize,
    ) -> Result<(), BenchError> {
        let args = (member, ByteBuf::from(encode(message)?));
        let args = rmp_serde::to_vec(&args).map_err(|error| BenchError::Server(error.to_string()))?;
        self.send(endpoint, "application/msgpack", &args).await
    }

    /// The bytes of the answer to what was asked, unpacked, and their number as they came.
    pub async fn answered(&mut self, endpoint: &str) -> Result<(Vec<u8>, usize), BenchError> {
        let answer = self.good(endpoint).await?;
        let message = rmp_serde::from_slice::<ByteBuf>(&answer.body);
        let message = message.map_err(|error| BenchError::Server(format!("answered {endpoint}: {error}")))?.into_vec();
        Ok((message, answer.sent_bytes))
    }

    async fn post(&mut self, endpoint: &str, kind: &str, body: &[u8]) -> Result<Answer, BenchError> {
        self.send(endpoint, kind, body).await?;
        self.good(endpoint).await
    }

    async fn send(&mut self, endpoint: &str, kind: &str, body: &[u8]) -> Result<(), BenchError> {
        let server = self.server;
        let cookie = self.cookie.as_ref().map_or_else(String::new, |cookie| format!("cookie: {cookie}\r\n"));
        let accept = if kind.ends_with("msgpack") { kind } else { "application/json" };
        let head = format!(
            "POST /api/{endpoint} HTTP/1.1\r\nhost: {server}\r\norigin: http://{server}\r\ncontent-type: {kind}\r\n\
             accept: {accept}\r\naccept-encoding: gzip\r\n{cookie}content-length: {}\r\n\r\n",
            body.len()
        );
        Ok(self.stream.write_all(&[head.as_bytes(), body].concat()).await?)
    }

    async fn good(&mut self, endpoint: &str) -> Result<Answer, BenchError> {
        let answer = self.answer().await?;
        if answer.ok {
            return Ok(answer);
        }
        let refused: Option<ApiError> = serde_json::from_slice(&answer.body).ok();
        Err(refused.map_or_else(|| BenchError::Server(format!("refused {endpoint}")), BenchError::Refused))
    }

    async fn answer(&mut self) -> Result<Answer, BenchError> {
        let ok = self.line().await?.split(' ').nth(1).is_some_and(|status| status.starts_with('2'));
        let (mut length, mut chunked, mut packed) = (0, false, false);
        loop {
            let line = self.line().await?;
            let Some((name, value)) = line.split_once(':') else { break };
            match (name.to_ascii_lowercase().as_str(), value.trim()) {
                ("content-length", value) => length = value.parse().unwrap_or(0),
                ("transfer-encoding", "chunked") => chunked = true,
                ("content-encoding", "gzip") => packed = true,
                ("set-cookie", value) => self.cookie = value.split(';').next().map(str::to_owned),
                _ => {}
            }
        }
        let mut body = Vec::new();
        while chunked {
            let size = usize::from_str_radix(self.line().await?.trim(), 16).unwrap_or(0);
            self.read(size, &mut body).await?;
            self.line().await?;
            chunked = size > 0;
        }
        self.read(length, &mut body).await?;
        let sent_bytes = body.len();
        if packed {
            let mut plain = Vec::with_capacity(4 * body.len());
            GzDecoder::new(body.as_slice()).read_to_end(&mut plain)?;
            body = plain;
        }
        Ok(Answer { ok, body, sent_bytes })
    }

    async fn line(&mut self) -> Result<String, BenchError> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await? == 0 {
            return Err(BenchError::Server("hung up".to_owned()));
        }
        Ok(line.trim_end().to_owned())
    }
    async fn read(&mut self, count: usize, into: &mut Vec<u8>) -> Result<(), BenchError> {
        let from = into.len();
        into.resize(from + count, 0);
        if let Some(place) = into.get_mut(from..) {
            self.stream.read_exact(place).await?;
        }
        Ok(())
    }
}

/// A form's body. The values here are words and addresses; only what they hold is escaped.
pub(super) fn form(fields: &[(&str, &str)]) -> String {
    let escaped = |text: &str| text.replace('@', "%40").replace(' ', "+");
    fields.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect::<Vec<_>>().join("&")
}

/// A device on the live channel.
pub(super) struct Device {
    socket: WebSocketStream<TcpStream>,
    device: DeviceId,
    pushed: u64,
}

impl Device {
    /// Connects and says hello, following these scopes from these tidemarks.
    pub async fn connect(
        ground: &Ground,
        session: &Session,
        tidemarks: BTreeMap<Scope, Version>,
    ) -> Result<Self, BenchError> {
        let (server, member) = (ground.address, ground.member);
        let mut request = format!("ws://{server}{LIVE_PATH}?member={member}").into_client_request()?;
        let header = |text: &str| HeaderValue::from_str(text).map_err(|error| BenchError::Server(error.to_string()));
        request.headers_mut().insert("cookie", header(&session.cookie)?);
        request.headers_mut().insert("origin", header(&format!("http://{server}"))?);
        let (socket, _) = client_async(request, connect(server, session.from).await?).await?;
        let device = DeviceId(Uuid::now_v7());
        let mut this = Self { socket, device, pushed: 0 };
        let (protocol, schema) = (PROTOCOL, SCHEMA);
        this.say(&FromDevice::Hello(Hello { protocol, schema, device, incarnation: 1, epoch: None, tidemarks }))
            .await?;
        match decode(&this.next().await?)? {
            FromServer::Welcome(_) => Ok(this),
            other => Err(BenchError::Server(format!("answered a hello with {other:?}"))),
        }
    }

    async fn say(&mut self, message: &FromDevice) -> Result<(), BenchError> {
        Ok(self.socket.send(Message::Binary(encode(message)?.into())).await?)
    }
    /// The next message as it came.
    pub async fn next(&mut self) -> Result<Bytes, BenchError> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Binary(bytes))) => return Ok(bytes),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Err(BenchError::Server("closed a live channel".to_owned())),
            }
        }
    }

    /// Pushes ops and waits until they are acknowledged. Gives back the newest sequence number among them.
    pub async fn push(&mut self, ops: &[Op]) -> Result<Version, BenchError> {
        self.pushed += 1;
        let ops = ops.iter().map(|op| encode(op).map(ByteBuf::from)).collect::<Result<_, _>>()?;
        self.say(&FromDevice::Push(Push { batch: self.pushed, ops })).await?;
        loop {
            let FromServer::Pushed(pushed) = decode(&self.next().await?)? else { continue };
            if let Some(other) = pushed.receipts.iter().find(|receipt| receipt.outcome != Outcome::Applied) {
                return Err(BenchError::Outcome(other.outcome));
            }
            return Ok(pushed.receipts.iter().map(|receipt| receipt.seq).max().unwrap_or(0));
        }
    }

    /// Retitles a task, to a title it never had.
    pub async fn edit(&mut self, task: &mut Edited) -> Result<OpId, BenchError> {
        let now = Value::from(format!("Retitled by {}", Uuid::now_v7()));
        let change = Change { base: task.base, was: task.title.clone(), now: now.clone() };
        let changes = BTreeMap::from([(Name::new("title"), change)]);
        let op = self.op(Kind::Task, task.task, Action::Set { changes });
        task.base = self.push(std::slice::from_ref(&op)).await?;
        task.title = now;
        Ok(op.id)
    }

    /// An op of this device that makes a record.
    pub fn create(&self, kind: Kind, record: RecordId, fields: &[(&'static str, Value)]) -> Op {
        let fields = fields.iter().map(|(name, value)| (Name::new(name), value.clone())).collect();
        self.op(kind, record, Action::Create { fields })
    }

    fn op(&self, kind: Kind, record: RecordId, action: Action) -> Op {
        let id = Uuid::now_v7();
        Op {
            id: OpId(id),
            device: self.device,
            incarnation: 1,
            counter: self.pushed + 1,
            intent: IntentId(id),
            after: Vec::new(),
            schema: SCHEMA,
            kind,
            record,
            action,
            claimed_ms: 0,
            offset_ms: 0,
        }
    }
}

/// A task being edited by one writer.
#[derive(Debug, Clone)]
pub(super) struct Edited {
    pub task: RecordId,
    pub title: Value,
    pub base: Version,
}
