//! The real server, killed without warning at random moments while several clients push over HTTP and over the live channel,
//! now and then told to stop, and started again on the same database. Clients send again, byte for byte, whatever was not
//! acknowledged. In the end nothing acknowledged is missing, nothing was applied twice, and nobody was shown what is not
//! there.
//!
//! And the same of a server whose disk is full.
//!
//! `TIDEMARK_KILLS=1000` kills more often than the default, `TIDEMARK_KILL_SEED` draws the same moments again.

#[path = "server/process.rs"]
mod process;

use futures::{SinkExt, StreamExt};
use process::{Anything, FORM, Server, post, soon};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use tidemark::api::account::Me;
use tidemark::api::workspace::Invited;
use tidemark::model::check::checklist_entry;
use tidemark::model::id::{DeviceId, IntentId, MemberId, OpId, RecordId, WorkspaceId};
use tidemark::model::kinds::{Kind, Project, Task};
use tidemark::model::record::{Key, Record};
use tidemark::model::scope::Scope;
use tidemark::model::value::{Name, Value};
use tidemark::server::store::sqlite::Sqlite;
use tidemark::server::store::{Page, Select, Store as _, Write as _};
use tidemark::sync::checksum::Sum;
use tidemark::sync::op::{Action, Change, Effect, Entry, Op, Outcome, Receipt, SCHEMA};
use tidemark::sync::wire::{FromDevice, FromServer, Hello, PROTOCOL, Push, Pushed, Welcome, decode, encode};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use uuid::Uuid;

/// Deaths of the server, unless `TIDEMARK_KILLS` says otherwise: many moments, and over in half a minute.
const KILLS: u64 = 40;
/// Acknowledged ops between two deaths, at most.
const ACKNOWLEDGED_BETWEEN_MAX: u64 = 400;
/// Clients over HTTP, and as many over the live channel.
const HANDS: usize = 3;
/// Entries one client adds to the shared checklist; the list takes 200.
const TICKS_MAX: usize = 20;
/// Failures in a row, with a server that is there, after which something else than a death is wrong.
const FAILURES_MAX: u32 = 200;
/// A server that limits nobody here and speaks of nothing but failures.
const SETTINGS: [&str; 4] = ["--log", "error", "--pushes-per-second", "100000"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_death_loses_what_was_acknowledged_or_does_it_twice() {
    let kills = number("TIDEMARK_KILLS").unwrap_or(KILLS);
    let seed = number("TIDEMARK_KILL_SEED").unwrap_or_else(|| Uuid::new_v4().as_u64_pair().0);
    println!("TIDEMARK_KILL_SEED={seed}");
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let folder = Folder(std::env::temp_dir().join(format!("tidemark-kill-{}", Uuid::now_v7())));
    std::fs::create_dir_all(&folder.0).unwrap();

    let mut server = Server::start("serve", &folder.0, Stdio::inherit(), &SETTINGS).await;
    let stage = Stage::set(server.address).await;
    let ledger = Arc::new(Ledger::new(server.address));
    let hands: Vec<_> = (0..2 * HANDS)
        .map(|place| {
            let over = if place < HANDS { Over::Http } else { Over::Socket };
            let hand = Hand::new(stage.clone(), place, dice.next_u64());
            tokio::spawn(hand.work(over, Arc::clone(&ledger)))
        })
        .collect();
    let watcher = tokio::spawn(watch_frames(stage.clone(), Arc::clone(&ledger)));

    for _ in 0..kills {
        let target = *ledger.acknowledged.borrow() + dice.next_u64() % ACKNOWLEDGED_BETWEEN_MAX;
        let mut count = ledger.acknowledged.subscribe();
        soon("the next acknowledgements", count.wait_for(|count| *count >= target)).await.unwrap();
        ledger.place.send_replace(None);
        if dice.next_u64() % 5 == 0 {
            // Now and then politely; that loses nothing either, and ends well in the midst of work.
            assert!(server.stop().await.success());
        } else {
            server.kill().await;
        }
        if dice.next_u64() % 4 == 0 {
            // Once more while it opens the database, which is when it mends what the death before left.
            Server::spawn("serve", &folder.0, Stdio::inherit(), &SETTINGS).kill().await;
        }
        server = Server::start("serve", &folder.0, Stdio::inherit(), &SETTINGS).await;
        ledger.place.send_replace(Some(server.address));
    }

    ledger.enough.send_replace(true);
    let mut ops = Vec::new();
    for hand in hands {
        ops.extend(soon("the last acknowledgements", hand).await.unwrap());
    }
    let seen = soon("the watcher", watcher).await.unwrap();
    let receipts = std::mem::take(&mut *ledger.receipts.lock().unwrap());
    println!("{kills} deaths, {} ops acknowledged, {} entries watched", receipts.len(), seen.len());

    resent_ops_are_answered_alike(&stage, server.address, &ops, &receipts).await;
    assert!(server.stop().await.success());
    the_database_holds_each_op_once(&folder.0, &stage, &ops, &receipts, &seen).await;
}

#[tokio::test]
async fn what_a_full_disk_does_not_take_is_never_acknowledged() {
    let folder = Folder(std::env::temp_dir().join(format!("tidemark-full-{}", Uuid::now_v7())));
    std::fs::create_dir_all(&folder.0).unwrap();
    let server = Server::start("serve", &folder.0, Stdio::inherit(), &SETTINGS).await;
    let stage = Stage::set(server.address).await;
    assert!(server.stop().await.success());

    // Its log may grow to one MiB. What it says about that is looked for nowhere else.
    let silent = ["--log", "off", "--pushes-per-second", "100000"];
    let server = Server::start_on_small_disk("serve", &folder.0, 2_048, Stdio::inherit(), &silent).await;
    let (ada, before) = (&stage.people[0], stage.hello(server.address).await.unwrap().head);
    let mut maker = Maker { by: ada.member, device: DeviceId(Uuid::now_v7()), counter: 0 };
    let mut note = || {
        let (title, text) = ("A long note".to_owned(), "What there is to know. ".repeat(400));
        let key = Key::new(Kind::Note, RecordId(Uuid::now_v7()));
        maker.create(key, What::Titled(title.clone()), &[("title", title.into()), ("body", text.into())])
    };
    let (mut ops, mut receipts) = (Vec::new(), BTreeMap::new());
    let refused = loop {
        let op = note();
        match ada.push(server.address, 1, &[&op]).await {
            Ok(pushed) => receipts.extend(pushed.receipts.into_iter().map(|receipt| (receipt.op, receipt))),
            Err(_) => break op,
        }
        ops.push(op);
        assert!(ops.len() < 1_000, "the log takes whatever comes");
    };
    assert!(ops.len() > 5 && receipts.values().all(|receipt| receipt.outcome == Outcome::Applied), "{receipts:?}");
    // It goes on without room: what it has is there, and nothing else.
    assert!(ada.push(server.address, 1, &[&refused]).await.is_err());
    assert_eq!(stage.hello(server.address).await.unwrap().head, before + ops.len() as u64);
    resent_ops_are_answered_alike(&stage, server.address, &ops, &receipts).await;
    server.kill().await;

    // There is room again.
    let server = Server::start("serve", &folder.0, Stdio::inherit(), &SETTINGS).await;
    assert_eq!(stage.hello(server.address).await.unwrap().head, before + ops.len() as u64);
    let pushed = ada.push(server.address, 1, &[&refused]).await.unwrap();
    assert_eq!(pushed.receipts[0].outcome, Outcome::Applied);
    receipts.insert(refused.id, pushed.receipts[0].clone());
    ops.push(refused);
    resent_ops_are_answered_alike(&stage, server.address, &ops, &receipts).await;
    assert!(server.stop().await.success());
    the_database_holds_each_op_once(&folder.0, &stage, &ops, &receipts, &[]).await;
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is not a number")))
}

/// Sending everything once more changes nothing, and everybody hears what they heard before.
async fn resent_ops_are_answered_alike(
    stage: &Stage,
    address: SocketAddr,
    ops: &[Frozen],
    receipts: &BTreeMap<OpId, Receipt>,
) {
    let before = stage.hello(address).await.unwrap();
    for some in ops.chunks(200) {
        let mut again = BTreeMap::new();
        for by in stage.people.iter() {
            let theirs: Vec<&Frozen> = some.iter().filter(|op| op.by == by.member).collect();
            let pushed = by.push(address, 1, &theirs).await.unwrap();
            again.extend(pushed.receipts.into_iter().map(|receipt| (receipt.op, receipt)));
        }
        for op in some {
            assert_eq!(again.get(&op.id), receipts.get(&op.id), "{:?}", op.what);
        }
    }
    let after = stage.hello(address).await.unwrap();
    assert_eq!((after.head, after.epoch), (before.head, before.epoch));
    assert_eq!(after.scopes, before.scopes);
}

/// What is on disk, read without the server.
async fn the_database_holds_each_op_once(
    data: &Path,
    stage: &Stage,
    ops: &[Frozen],
    receipts: &BTreeMap<OpId, Receipt>,
    seen: &[Entry],
) {
    let store = Sqlite::open(&data.join("tidemark.db")).await.unwrap();
    assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    let (workspace, scopes) = store.begin().await.unwrap().open(stage.workspace).await.unwrap().unwrap();
    let everything = Page { count_max: usize::MAX, bytes_max: usize::MAX };
    let from_the_start = scopes.iter().map(|state| (state.scope, 0)).collect();
    let log = store.log(workspace.id, &from_the_start, workspace.head, everything).await.unwrap();
    assert!(!log.more);
    let log: Vec<Entry> = log.rows.into_iter().map(|line| line.entry).collect();

    // One sequence, with every number once.
    let numbers: Vec<u64> = log.iter().map(|entry| entry.seq).collect();
    assert_eq!(numbers, (1..=workspace.head).collect::<Vec<u64>>());

    // Every acknowledged op is in it, once.
    let mut by_op: BTreeMap<OpId, Vec<&Entry>> = BTreeMap::new();
    for entry in &log {
        if let Some(op) = entry.op {
            by_op.entry(op).or_default().push(entry);
        }
    }
    assert_eq!(ops.len(), receipts.len());
    for op in ops {
        let receipt = receipts.get(&op.id).unwrap();
        assert!(matches!(receipt.outcome, Outcome::Applied | Outcome::Merged), "{:?} {receipt:?}", op.what);
        let own = by_op.get(&op.id).into_iter().flatten().filter(|entry| entry.key() == op.key).count();
        assert_eq!(own, 1, "{:?} is in the log {own} times", op.what);
    }

    // Whoever watched saw nothing that is not there.
    let by_number: BTreeMap<u64, &Entry> = log.iter().map(|entry| (entry.seq, entry)).collect();
    for entry in seen {
        assert_eq!(by_number.get(&entry.seq), Some(&entry));
    }

    // The rows are what the log adds up to, and so are the sums kept beside them.
    let mut records: BTreeMap<Key, Record> = BTreeMap::new();
    for state in &scopes {
        let select = Select::Scope { scope: state.scope, after: None };
        let rows = store.records(workspace.id, &select, everything).await.unwrap().rows;
        let sum: Sum = rows.iter().map(Sum::of).sum();
        assert_eq!((sum.count, sum.checksum), (state.count, state.checksum), "{}", state.scope);
        records.extend(rows.into_iter().map(|record| (record.key(), record)));
    }
    store.close().await.unwrap();
    for entry in &log {
        let Effect::Put(fields) = &entry.effect else { continue };
        let record = &records[&entry.key()];
        for name in fields.keys() {
            assert!(record.version(name.as_str()) >= entry.seq, "{entry:?} is in the log and not in its record");
        }
    }

    // Each client's last word stands, and what counts was counted once.
    let mut titles: BTreeMap<Key, &str> = BTreeMap::new();
    let (mut tasks, mut ticks) = (BTreeSet::new(), BTreeSet::new());
    for op in ops {
        match &op.what {
            What::Titled(title) => drop(titles.insert(op.key, title)),
            What::Task => drop(tasks.insert(op.key)),
            What::Ticked(id) => drop(ticks.insert(*id)),
        }
    }
    for (key, title) in titles {
        assert_eq!(records[&key].text("title"), title);
    }
    let counted = Project(&records[&stage.project]).tasks_total();
    // The task with the checklist is one as well.
    assert_eq!(counted, i64::try_from(tasks.len() + 1).ok());
    let numbers: BTreeSet<i64> = records
        .values()
        .filter(|record| record.kind == Kind::Task)
        .filter_map(|record| Task(record).number())
        .collect();
    assert_eq!(numbers, (1..=counted.unwrap()).collect());
    let list = Task(&records[&stage.list]).checklist();
    let listed: Vec<&str> = list.iter().filter_map(|entry| entry.as_map()?.get("id")?.as_text()).collect();
    assert_eq!(listed.len(), ticks.len());
    assert_eq!(
        listed.into_iter().collect::<BTreeSet<_>>(),
        ticks.iter().map(|id| id.to_string()).collect::<Vec<_>>().iter().map(String::as_str).collect()
    );
}

/// A folder that goes with its owner.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// Somebody who is signed in.
#[derive(Clone)]
struct Person {
    cookie: String,
    member: MemberId,
}

impl Person {
    async fn sign_up(address: SocketAddr, name: &str) -> String {
        let form = format!("name={name}&email={name}%40example.org&password=tide+comes+in");
        let answer = post(address, "sign-up", "", FORM, form.into_bytes()).await.unwrap();
        assert_eq!(answer.status, 200);
        answer.cookie.unwrap()
    }

    /// Pushes over HTTP.
    async fn push(&self, address: SocketAddr, batch: u64, ops: &[&Frozen]) -> Result<Pushed, Anything> {
        let push = Push { batch, ops: ops.iter().map(|op| op.bytes.clone()).collect() };
        self.exchange(address, "sync/push", &push).await
    }

    /// One wire message there and one back.
    async fn exchange<T: DeserializeOwned>(
        &self,
        address: SocketAddr,
        endpoint: &str,
        message: &impl Serialize,
    ) -> Result<T, Anything> {
        let body = rmp_serde::to_vec(&(self.member, ByteBuf::from(encode(message)?)))?;
        let answer = post(address, endpoint, &self.cookie, "application/msgpack", body).await?;
        if answer.status != 200 {
            return Err(format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)).into());
        }
        let message: ByteBuf = rmp_serde::from_slice(&answer.body)?;
        Ok(decode(&message)?)
    }

    async fn connect(&self, address: SocketAddr, scopes: &[Scope]) -> Result<(Socket, Welcome), Anything> {
        let mut request = format!("ws://{address}/api/live?member={}", self.member).into_client_request()?;
        request.headers_mut().insert("origin", format!("http://{address}").parse()?);
        request.headers_mut().insert("cookie", self.cookie.parse()?);
        let (mut socket, _) = connect_async(request).await?;
        socket.send(Message::binary(encode(&FromDevice::Hello(hello(scopes)))?)).await?;
        loop {
            if let FromServer::Welcome(welcome) = hear(&mut socket).await? {
                return Ok((socket, welcome));
            }
        }
    }
}

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<TcpStream>>;

async fn hear(socket: &mut Socket) -> Result<FromServer, Anything> {
    loop {
        match socket.next().await.ok_or("the channel ended")?? {
            Message::Binary(bytes) => return Ok(decode(&bytes)?),
            Message::Close(_) => return Err("the channel was closed".into()),
            _ => {}
        }
    }
}

fn hello(scopes: &[Scope]) -> Hello {
    Hello {
        protocol: PROTOCOL,
        schema: SCHEMA,
        device: DeviceId(Uuid::now_v7()),
        incarnation: 1,
        epoch: None,
        tidemarks: scopes.iter().map(|scope| (*scope, 0)).collect(),
    }
}

/// Who plays, and what they share.
#[derive(Clone)]
struct Stage {
    workspace: WorkspaceId,
    people: Arc<Vec<Person>>,
    project: Key,
    step: Key,
    /// The task whose checklist everybody adds to.
    list: Key,
}

impl Stage {
    async fn set(address: SocketAddr) -> Self {
        let ada = Person::sign_up(address, "ada").await;
        let me = post(address, "workspace/create", &ada, FORM, b"name=Grid".to_vec()).await.unwrap();
        let me: Me = serde_json::from_slice(&me.body).unwrap();
        let as_ada = me.viewer.unwrap();
        let form = format!("member={}&role=member", as_ada.member).into_bytes();
        let invited = post(address, "invitation/create", &ada, FORM, form).await.unwrap();
        let invited: Invited = serde_json::from_slice(&invited.body).unwrap();
        let bob = Person::sign_up(address, "bob").await;
        let form = format!("token={}", invited.path.trim_start_matches("/invitation/")).into_bytes();
        let me = post(address, "invitation/accept", &bob, FORM, form).await.unwrap();
        let me: Me = serde_json::from_slice(&me.body).unwrap();
        let people = vec![
            Person { cookie: ada, member: as_ada.member },
            Person { cookie: bob, member: me.viewer.unwrap().member },
        ];

        let mut maker = Maker { by: as_ada.member, device: DeviceId(Uuid::now_v7()), counter: 0 };
        let key = |kind| Key::new(kind, RecordId(Uuid::now_v7()));
        let (project, phase) = (key(Kind::Project), key(Kind::Phase));
        let (step, list) = (key(Kind::Step), key(Kind::Task));
        let ops = [
            maker.create(project, What::Task, &[("title", "Line 7".into())]),
            maker.create(phase, What::Task, &[("title", "Dig".into()), ("project", project.id.into())]),
            maker.create(step, What::Task, &[("title", "Trench".into()), ("phase", phase.id.into())]),
            maker.create(list, What::Task, &[("title", "Tools".into()), ("step", step.id.into())]),
        ];
        let pushed = people[0].push(address, 1, &ops.iter().collect::<Vec<_>>()).await.unwrap();
        assert!(pushed.receipts.iter().all(|receipt| receipt.outcome == Outcome::Applied), "{pushed:?}");
        Self { workspace: as_ada.workspace, people: Arc::new(people), project, step, list }
    }

    async fn hello(&self, address: SocketAddr) -> Result<Welcome, Anything> {
        self.people[0].exchange(address, "sync/hello", &hello(&[])).await
    }
}

/// What everybody knows of each other.
struct Ledger {
    /// Where the server is; `None` while it is about to die, or dead.
    place: watch::Sender<Option<SocketAddr>>,
    acknowledged: watch::Sender<u64>,
    receipts: Mutex<BTreeMap<OpId, Receipt>>,
    /// Whether to come to an end.
    enough: watch::Sender<bool>,
}

impl Ledger {
    fn new(address: SocketAddr) -> Self {
        Self {
            place: watch::Sender::new(Some(address)),
            acknowledged: watch::Sender::new(0),
            receipts: Mutex::default(),
            enough: watch::Sender::new(false),
        }
    }

    async fn alive(&self) -> SocketAddr {
        let mut place = self.place.subscribe();
        let found = soon("the next server", place.wait_for(Option::is_some)).await.unwrap();
        found.unwrap()
    }

    fn enough(&self) -> bool {
        *self.enough.borrow()
    }

    /// Writes down what became of ops, all of which must be answered, in order.
    fn note(&self, ops: &[Frozen], pushed: Pushed) {
        let answered: Vec<OpId> = pushed.receipts.iter().map(|receipt| receipt.op).collect();
        assert_eq!(answered, ops.iter().map(|op| op.id).collect::<Vec<_>>());
        self.receipts.lock().unwrap().extend(pushed.receipts.into_iter().map(|receipt| (receipt.op, receipt)));
        self.acknowledged.send_modify(|count| *count += ops.len() as u64);
    }
}

/// What an op was for.
#[derive(Debug, Clone)]
enum What {
    Titled(String),
    Task,
    Ticked(RecordId),
}

/// An op as it goes out, now and whenever it has to go out again.
#[derive(Clone)]
struct Frozen {
    id: OpId,
    by: MemberId,
    key: Key,
    what: What,
    bytes: ByteBuf,
}

/// Freezes ops of one device.
struct Maker {
    by: MemberId,
    device: DeviceId,
    counter: u64,
}

impl Maker {
    fn create(&mut self, key: Key, what: What, fields: &[(&'static str, Value)]) -> Frozen {
        let fields = fields.iter().map(|(name, value)| (Name::new(name), value.clone())).collect();
        self.freeze(key, what, Action::Create { fields })
    }

    /// A change of what this device itself wrote before. Its version is not known yet, so none is claimed.
    fn set(&mut self, key: Key, what: What, field: &'static str, was: Value, now: Value) -> Frozen {
        let change = Change { base: 0, was, now };
        self.freeze(key, what, Action::Set { changes: BTreeMap::from([(Name::new(field), change)]) })
    }

    fn freeze(&mut self, key: Key, what: What, action: Action) -> Frozen {
        self.counter += 1;
        let op = Op {
            id: OpId(Uuid::now_v7()),
            device: self.device,
            incarnation: 1,
            counter: self.counter,
            intent: IntentId(Uuid::now_v7()),
            after: Vec::new(),
            schema: SCHEMA,
            kind: key.kind,
            record: key.id,
            action,
            claimed_ms: 1_795_000_000_000,
            offset_ms: 0,
        };
        Frozen { id: op.id, by: self.by, key, what, bytes: ByteBuf::from(encode(&op).unwrap()) }
    }
}

/// How a client speaks.
#[derive(Clone, Copy)]
enum Over {
    Http,
    Socket,
}

/// A client that works without a pause.
struct Hand {
    stage: Stage,
    person: Person,
    maker: Maker,
    dice: ChaCha8Rng,
    /// The note it made last, with its title.
    note: Option<(Key, String)>,
    ticks: usize,
}

impl Hand {
    fn new(stage: Stage, place: usize, seed: u64) -> Self {
        let person = stage.people[place % stage.people.len()].clone();
        let maker = Maker { by: person.member, device: DeviceId(Uuid::now_v7()), counter: 0 };
        Self { stage, person, maker, dice: ChaCha8Rng::seed_from_u64(seed), note: None, ticks: 0 }
    }

    /// Works until told that it is enough and everything is acknowledged. Returns all it did, in order.
    async fn work(mut self, over: Over, ledger: Arc<Ledger>) -> Vec<Frozen> {
        let (mut done, mut batch, mut failures) = (Vec::new(), 0, 0);
        let mut waiting: VecDeque<(u64, Vec<Frozen>)> = VecDeque::new();
        while !(waiting.is_empty() && ledger.enough()) {
            while waiting.len() < 3 && !ledger.enough() {
                batch += 1;
                let ops = self.acts();
                done.extend(ops.iter().cloned());
                waiting.push_back((batch, ops));
            }
            let address = ledger.alive().await;
            let sent = match over {
                Over::Http => self.over_http(address, &mut waiting, &ledger).await,
                Over::Socket => self.over_socket(address, &mut waiting, &ledger, &mut batch, &mut done).await,
            };
            failures = match sent {
                Ok(()) => 0,
                Err(_) if *ledger.place.borrow() != Some(address) => 0,
                Err(error) => {
                    assert!(failures < FAILURES_MAX, "a server that is there does not answer: {error}");
                    tokio::task::yield_now().await;
                    failures + 1
                }
            };
        }
        done
    }

    /// One batch after the other, each on a connection of its own.
    async fn over_http(
        &mut self,
        address: SocketAddr,
        waiting: &mut VecDeque<(u64, Vec<Frozen>)>,
        ledger: &Ledger,
    ) -> Result<(), Anything> {
        while let Some((batch, ops)) = waiting.front() {
            let pushed = soon("an answer", self.person.push(address, *batch, &ops.iter().collect::<Vec<_>>())).await?;
            assert_eq!(pushed.batch, *batch);
            ledger.note(ops, pushed);
            waiting.pop_front();
        }
        Ok(())
    }

    /// Several batches on their way at once, over one connection, as long as that lives.
    async fn over_socket(
        &mut self,
        address: SocketAddr,
        waiting: &mut VecDeque<(u64, Vec<Frozen>)>,
        ledger: &Ledger,
        batch: &mut u64,
        done: &mut Vec<Frozen>,
    ) -> Result<(), Anything> {
        let (mut socket, _) = soon("a welcome", self.person.connect(address, &[])).await?;
        for (batch, ops) in waiting.iter() {
            send(&mut socket, *batch, ops).await?;
        }
        while let Some((next, ops)) = waiting.front() {
            let FromServer::Pushed(pushed) = soon("an answer", hear(&mut socket)).await? else { continue };
            assert_eq!(pushed.batch, *next);
            ledger.note(ops, pushed);
            waiting.pop_front();
            if !ledger.enough() {
                *batch += 1;
                let ops = self.acts();
                done.extend(ops.iter().cloned());
                waiting.push_back((*batch, ops));
                if let Some((batch, ops)) = waiting.back() {
                    send(&mut socket, *batch, ops).await?;
                }
            }
        }
        Ok(())
    }

    /// What a person does next: mostly new things, sometimes another word for the last one.
    fn acts(&mut self) -> Vec<Frozen> {
        let count = 1 + self.dice.next_u64() % 8;
        (0..count).map(|_| self.act()).collect()
    }

    fn act(&mut self) -> Frozen {
        let title = format!("Note {:x}", self.dice.next_u64());
        match (self.dice.next_u64() % 10, self.note.take()) {
            (0..=2, Some((key, was))) => {
                self.note = Some((key, title.clone()));
                self.maker.set(key, What::Titled(title.clone()), "title", was.into(), title.into())
            }
            (3..=4, note) => {
                self.note = note;
                let key = Key::new(Kind::Task, RecordId(Uuid::now_v7()));
                let fields = [("title", "Dig on".into()), ("step", self.stage.step.id.into())];
                self.maker.create(key, What::Task, &fields)
            }
            (5, note) if self.ticks < TICKS_MAX => {
                self.note = note;
                self.ticks += 1;
                let id = RecordId(Uuid::now_v7());
                let entry = Value::List(vec![checklist_entry(id, "Spade".into(), false.into())]);
                self.maker.set(self.stage.list, What::Ticked(id), "checklist", Value::Null, entry)
            }
            _ => {
                let key = Key::new(Kind::Note, RecordId(Uuid::now_v7()));
                self.note = Some((key, title.clone()));
                self.maker.create(key, What::Titled(title.clone()), &[("title", title.into())])
            }
        }
    }
}

async fn send(socket: &mut Socket, batch: u64, ops: &[Frozen]) -> Result<(), Anything> {
    let push = Push { batch, ops: ops.iter().map(|op| op.bytes.clone()).collect() };
    Ok(socket.send(Message::binary(encode(&FromDevice::Push(push))?)).await?)
}

/// Looks on, over every death, and returns every entry that was shown.
async fn watch_frames(stage: Stage, ledger: Arc<Ledger>) -> Vec<Entry> {
    let mut seen = Vec::new();
    let mut enough = ledger.enough.subscribe();
    let scopes = [Scope::Workspace, Scope::Project(stage.project.id)];
    while !ledger.enough() {
        let address = ledger.alive().await;
        let Ok((mut socket, _)) = stage.people[0].connect(address, &scopes).await else {
            tokio::task::yield_now().await;
            continue;
        };
        loop {
            tokio::select! {
                heard = hear(&mut socket) => match heard {
                    Ok(FromServer::Frame(frame)) => seen.extend(frame.entries),
                    Ok(_) => {}
                    Err(_) => break,
                },
                _ = enough.wait_for(|enough| *enough) => break,
            }
        }
    }
    seen
}
