//! Little more than what must be done for an edit on this disk, with these sockets and libraries; what Tidemark costs is compared
//! with it in the same run, by the same devices. It believes whoever connects, writes each op over the last one for its record
//! and into a log, in one transaction for all that wait, answers once that is synced, and tells whoever follows. It has no
//! accounts, permissions, checks, merging, conflicts, replay or checksums, keeps no receipts, and nobody can read anything back.
//! It has one thread.

use super::BenchError;
use crate::model::id::{MemberId, WorkspaceId};
use crate::model::record::Version;
use crate::model::scope::Scope;
use crate::server::store::StoreError;
use crate::server::store::sqlite::direct::{Arg, Seat};
use crate::sync::op::{Action, Class, Effect, Entry, Op, Outcome, Receipt, SCHEMA};
use crate::sync::wire::{Frame, FromDevice, FromServer, Hello, PROTOCOL, Push, Pushed, Welcome, decode, encode};
use futures::{SinkExt, StreamExt};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::{LocalSet, spawn_blocking, spawn_local};
use tokio_tungstenite::accept_async_with_config;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use uuid::Uuid;

/// What a connection buffers while it reads or writes, as Tidemark's.
const BUFFER_BYTES: usize = 2 * 1024;

/// Serves devices from a new database in this folder until the process ends.
pub(super) async fn serve(folder: PathBuf, ready: impl FnOnce(SocketAddr) + Send + 'static) -> Result<(), BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    spawn_blocking(move || runtime.block_on(LocalSet::new().run_until(listen(&folder, ready)))).await?
}

async fn listen(folder: &Path, ready: impl FnOnce(SocketAddr)) -> Result<(), BenchError> {
    let rows = Rows::open(&folder.join("bare.db")).await?;
    let shared = Rc::new(Shared::default());
    let mut writing = spawn_local(write(rows, Rc::clone(&shared)));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    ready(listener.local_addr()?);
    loop {
        tokio::select! {
            ended = &mut writing => return ended?,
            accepted = listener.accept() => drop(spawn_local(converse(accepted?.0, Rc::clone(&shared)))),
        }
    }
}

/// The sending end of a connection. Who has gone is told nothing: the device's own end says that it was closed.
type Outlet = mpsc::UnboundedSender<Bytes>;

/// What the tasks of the one thread share.
#[derive(Default)]
struct Shared {
    waiting: RefCell<Vec<(Push, Outlet)>>,
    bell: Notify,
    followers: RefCell<Vec<(Scope, Outlet)>>,
}

async fn converse(stream: TcpStream, shared: Rc<Shared>) -> Result<(), BenchError> {
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default().read_buffer_size(BUFFER_BYTES).write_buffer_size(BUFFER_BYTES);
    let (mut sink, mut source) = accept_async_with_config(stream, Some(config)).await?.split();
    let (outlet, mut queue) = mpsc::unbounded_channel::<Bytes>();
    spawn_local(async move {
        while let Some(message) = queue.recv().await {
            sink.send(Message::Binary(message)).await?;
        }
        Ok::<_, BenchError>(())
    });
    while let Some(message) = source.next().await {
        match decode(&message?.into_data())? {
            FromDevice::Hello(hello) => {
                let scopes = hello.tidemarks.keys().map(|scope| (*scope, outlet.clone()));
                shared.followers.borrow_mut().extend(scopes);
                outlet.send(encode(&FromServer::Welcome(welcome(&hello)))?.into()).ok();
            }
            FromDevice::Push(push) => {
                shared.waiting.borrow_mut().push((push, outlet.clone()));
                shared.bell.notify_one();
            }
            FromDevice::Pull(_) | FromDevice::Follow(_) | FromDevice::Beat => {}
        }
    }
    Ok(())
}

fn welcome(hello: &Hello) -> Welcome {
    Welcome {
        protocol: PROTOCOL,
        schema: SCHEMA,
        workspace: WorkspaceId(Uuid::nil()),
        member: MemberId(Uuid::nil()),
        epoch: hello.epoch.unwrap_or(1),
        head: 0,
        horizon: 0,
        now_ms: 0,
        scopes: Vec::new(),
        assigned: BTreeSet::new(),
    }
}

/// Writes what waits, all of it at once, again and again.
async fn write(mut rows: Rows, shared: Rc<Shared>) -> Result<(), BenchError> {
    let mut head: Version = 0;
    loop {
        shared.bell.notified().await;
        // Whatever else has arrived is read first and shares the sync.
        tokio::task::yield_now().await;
        let waiting = shared.waiting.take();
        let mut written = Vec::with_capacity(waiting.len());
        rows.begin()?;
        for (push, outlet) in waiting {
            let mut ops = Vec::with_capacity(push.ops.len());
            for bytes in &push.ops {
                let op: Op = decode(bytes)?;
                head += 1;
                rows.put(head, &op, bytes)?;
                ops.push((head, op));
            }
            written.push((push.batch, ops, outlet));
        }
        rows.commit()?;
        for (batch, ops, outlet) in written {
            let receipts = ops.iter().map(|(seq, op)| receipt(*seq, op)).collect();
            outlet.send(encode(&FromServer::Pushed(Pushed { batch, epoch: 1, receipts }))?.into()).ok();
            tell(&shared.followers.borrow(), ops)?;
        }
    }
}

fn receipt(seq: Version, op: &Op) -> Receipt {
    let (outcome, class) = (Outcome::Applied, Class::Plain);
    Receipt { op: op.id, outcome, class, seq, reason: None, conflict: None, at_ms: op.claimed_ms }
}

/// Tells everybody who follows a scope, because there is no more than one.
fn tell(followers: &[(Scope, Outlet)], ops: Vec<(Version, Op)>) -> Result<(), BenchError> {
    let (Some((scope, _)), Some((first, _))) = (followers.first(), ops.first()) else { return Ok(()) };
    let (scope, from) = (*scope, first - 1);
    let entries: Vec<Entry> = ops.into_iter().map(|(seq, op)| entry(scope, seq, op)).collect();
    let frame = Frame { scope, from, to: from + entries.len() as Version, entries };
    let message = Bytes::from(encode(&FromServer::Frame(frame))?);
    for (_, outlet) in followers {
        outlet.send(message.clone()).ok();
    }
    Ok(())
}

fn entry(scope: Scope, seq: Version, op: Op) -> Entry {
    let fields = match op.action {
        Action::Create { fields } => fields,
        Action::Set { changes } => changes.into_iter().map(|(name, change)| (name, change.now)).collect(),
        Action::Delete { .. } | Action::Restore | Action::Command { .. } => BTreeMap::new(),
    };
    Entry {
        seq,
        scope,
        kind: op.kind,
        record: op.record,
        effect: Effect::Put(fields),
        by: None,
        device: Some(op.device),
        op: Some(op.id),
        at_ms: op.claimed_ms,
    }
}

/// The two tables.
struct Rows(Seat<SqliteConnection>);

impl Rows {
    async fn open(file: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
        let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
        let connection = options.connect().await.map_err(|error| StoreError::Database(error.into()))?;
        let mut this = Self(Seat::take(connection, |connection| connection).await?);
        this.run(
            "CREATE TABLE record (id BLOB PRIMARY KEY, seq INTEGER NOT NULL, op BLOB NOT NULL) WITHOUT ROWID",
            &[],
        )?;
        this.run("CREATE TABLE log (seq INTEGER PRIMARY KEY, op BLOB NOT NULL)", &[])?;
        Ok(this)
    }
    fn begin(&mut self) -> Result<(), StoreError> {
        self.run("BEGIN IMMEDIATE", &[])
    }
    fn commit(&mut self) -> Result<(), StoreError> {
        self.run("COMMIT", &[])
    }
    fn put(&mut self, seq: Version, op: &Op, bytes: &[u8]) -> Result<(), StoreError> {
        let seq = Arg::Int(seq.cast_signed());
        let put = "INSERT INTO record (id, seq, op) VALUES (?, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, op = excluded.op";
        self.run(put, &[Arg::Id(op.record.0), seq, Arg::Bytes(bytes)])?;
        self.run("INSERT INTO log (seq, op) VALUES (?, ?)", &[seq, Arg::Bytes(bytes)])
    }
    fn run(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<(), StoreError> {
        self.0.direct().execute(sql, args).map(drop)
    }
}
