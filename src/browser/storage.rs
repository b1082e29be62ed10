//! The two databases of a copy, in IndexedDB: one object store per table, text keys, byte values. Loads, reads and saves of
//! one database are carried out one after the other, in the order in which they came. Nothing here knows what is stored.
//!
//! IndexedDB fails in real life: a connection dies, a disk is full, a profile is damaged, a private window has none. Every
//! job is tried a few times with a new connection, and then answered as failed, so that the replica goes on in memory. The
//! base is thrown away when what is read is not ours, because the server has it too. The outbox never is.

use crate::browser::clock::pause;
use crate::browser::profile;
use crate::model::id::{MemberId, WorkspaceId};
use crate::sync::replica::{Database, Event, Save, Saved, Slot, Table, Write};
use futures::channel::oneshot::{self, Canceled};
use futures::future::{Either, select};
use indexed_db_futures::KeyRange;
use indexed_db_futures::database::Database as Connection;
use indexed_db_futures::error::{Error, OpenDbError};
use indexed_db_futures::prelude::*;
use indexed_db_futures::transaction::{Transaction, TransactionDurability, TransactionMode, TransactionOptions};
use js_sys::{Array, Function, Promise, Reflect, Uint8Array};
use leptos::prelude::window;
use leptos::task::spawn_local;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// The shape of the databases. A change of it needs an upgrade that keeps the outbox. The second has the stores of the first, for
/// databases that were made without any.
const SHAPE: u32 = 2;
/// How often a job is tried, each time with a new connection: a browser that closed the first one for reasons of its own
/// gives a second; one that fails three times will fail the fourth.
const TRIES_MAX: u32 = 3;
/// Between tries.
const TRY_AGAIN_MS: i32 = 100;
/// How long something is waited for at a time. Opening or deleting a database that takes longer never ends: a known fault of
/// several engines.
const WAIT_MS: i32 = 5_000;
/// So often for a load, a read or a save, which then has died without a word: a hundred thousand records are loaded in a tenth of
/// it. A page that the browser froze meanwhile has waited once, not until it was thawed.
const JOB_WAITS: u32 = 12;
/// How often in a row it may not answer in time: whoever looks at the page waits for it.
const SLOW_MAX: u32 = 2;

/// What the names of copies of the server's records begin with.
const COPY_PREFIX: &str = "tidemark-base-";
/// What the names of outboxes begin with.
const OUTBOX_PREFIX: &str = "tidemark-outbox-";

/// Something the replica wants of a database.
pub enum Job {
    /// `Effect::Load`.
    Load,
    /// `Effect::Read`.
    Read {
        /// Handed back.
        saves: u64,
        /// Which.
        slots: Vec<Slot>,
    },
    /// `Effect::Save`.
    Save(Save),
}

/// Why a job could not be done.
#[derive(Debug, thiserror::Error)]
enum StorageError {
    #[error("the database could not be opened: {0}")]
    Open(#[from] OpenDbError),
    #[error("the database failed: {0}")]
    Run(#[from] Error),
    #[error("the database did not answer in time")]
    Slow,
    #[error("a value in the database is not ours")]
    Foreign,
}

/// The databases of one copy.
pub struct Storage {
    base: Lane,
    outbox: Lane,
    tell: Box<dyn Fn(Event)>,
}

/// One database, its connection, and what waits for it. The queue is as long as what a person does during one write.
struct Lane {
    database: Database,
    name: String,
    workspace: WorkspaceId,
    member: MemberId,
    connection: Rc<RefCell<Option<Connection>>>,
    jobs: RefCell<VecDeque<Job>>,
    busy: Cell<bool>,
    /// How often in a row it did not answer in time.
    slow: Cell<u32>,
}

/// The name of a database. The service worker looks for the outboxes by it.
pub fn name_of(database: Database, workspace: WorkspaceId, member: MemberId) -> String {
    let prefix = match database {
        Database::Base => COPY_PREFIX,
        Database::Outbox => OUTBOX_PREFIX,
    };
    format!("{prefix}{workspace}-{member}")
}

impl Storage {
    /// The databases of this member's copy. `tell` gets the answers.
    pub fn new(workspace: WorkspaceId, member: MemberId, tell: impl Fn(Event) + 'static) -> Rc<Self> {
        let lane = |database| Lane {
            database,
            name: name_of(database, workspace, member),
            workspace,
            member,
            connection: Rc::default(),
            jobs: RefCell::default(),
            busy: Cell::new(false),
            slow: Cell::new(0),
        };
        Rc::new(Self { base: lane(Database::Base), outbox: lane(Database::Outbox), tell: Box::new(tell) })
    }

    /// Opens the outbox before anything is read from it, so that the life of this device is known (see `profile`), and the
    /// base meanwhile. Whether both answered in time.
    pub async fn prepare(&self) -> bool {
        let (outbox, base) = futures::join!(self.outbox.open(), self.base.open());
        // A failure shows again, and is answered, when they are loaded.
        if let Err(error) = base {
            leptos::logging::warn!("{error}");
        }
        if let Err(error) = outbox {
            leptos::logging::warn!("{error}");
            profile::new_life(self.outbox.workspace, self.outbox.member);
        }
        self.outbox.slow.get() == 0 && self.base.slow.get() == 0
    }

    /// Does this after everything asked of the same database before.
    pub fn ask(self: &Rc<Self>, database: Database, job: Job) {
        let lane = self.lane(database);
        lane.jobs.borrow_mut().push_back(job);
        if lane.busy.replace(true) {
            return;
        }
        let storage = self.clone();
        spawn_local(async move {
            let lane = storage.lane(database);
            while let Some(job) = lane.next() {
                let answer = lane.answer(job).await;
                (storage.tell)(answer);
            }
        });
    }

    /// Removes what this browser has of the server, for this workspace and every other one that was open here.
    pub async fn remove_copies(&self) {
        self.remove(Database::Base).await;
        remove_copies().await;
    }

    /// Removes one database, after its connection has been closed.
    pub async fn remove(&self, database: Database) {
        self.lane(database).remove().await;
    }

    fn lane(&self, database: Database) -> &Lane {
        match database {
            Database::Base => &self.base,
            Database::Outbox => &self.outbox,
        }
    }
}

impl Lane {
    /// The next job; without one the lane is idle.
    fn next(&self) -> Option<Job> {
        let job = self.jobs.borrow_mut().pop_front();
        self.busy.set(job.is_some());
        job
    }

    async fn answer(&self, job: Job) -> Event {
        match job {
            Job::Load => match self.tried(async |connection| load(connection, self.database).await).await {
                Ok(rows) => Event::Loaded(self.database, rows),
                Err(error) => self.failed(error).await,
            },
            Job::Read { saves, slots } => {
                match self.tried(async |connection| read(connection, self.database, &slots).await).await {
                    Ok(slots) => Event::Read { database: self.database, saves, slots },
                    Err(error) => self.failed(error).await,
                }
            }
            Job::Save(save) => match self.tried(async |connection| write(connection, &save).await).await {
                Ok(saved) => Event::Saved(save.ticket, saved),
                Err(error) => {
                    leptos::logging::warn!("{}: {error}", self.name);
                    Event::Saved(save.ticket, Saved::Failed)
                }
            },
        }
    }

    async fn failed(&self, error: StorageError) -> Event {
        leptos::logging::warn!("{}: {error}", self.name);
        match (self.database, error) {
            (Database::Base, StorageError::Foreign) => {
                self.remove().await;
                Event::LoadFailed(self.database)
            }
            // What cannot be reached now may be whole, and all there is while there is no network: it stays for the next page.
            _ => Event::Unavailable(self.database),
        }
    }

    /// Runs the job, and again with a new connection when it fails. A transaction that fails has written nothing, and one that
    /// is given up is rolled back.
    async fn tried<T>(&self, job: impl AsyncFn(&Connection) -> Result<T, StorageError>) -> Result<T, StorageError> {
        let mut tries = 1;
        loop {
            let result = match self.open().await {
                Ok(connection) => self.answered(in_time(JOB_WAITS, job(&connection)).await).and_then(|done| done),
                Err(error) => Err(error),
            };
            match result {
                Err(error) if tries < TRIES_MAX && self.slow.get() < SLOW_MAX => {
                    leptos::logging::warn!("{}, try {tries}: {error}", self.name);
                    tries += 1;
                    self.close();
                    pause(TRY_AGAIN_MS).await;
                }
                result => return result,
            }
        }
    }

    /// Counts how often in a row there was no answer.
    fn answered<T>(&self, result: Result<T, StorageError>) -> Result<T, StorageError> {
        self.slow.set(if result.is_ok() { 0 } else { self.slow.get() + 1 });
        result
    }

    async fn open(&self) -> Result<Connection, StorageError> {
        if let Some(connection) = self.connection.borrow().as_ref() {
            return Ok(connection.clone());
        }
        let (database, workspace, member) = (self.database, self.workspace, self.member);
        let request = Connection::open(self.name.as_str())
            .with_version(SHAPE)
            .with_on_upgrade_needed(move |_, connection| {
                let there: Vec<String> = connection.object_store_names().collect();
                let lacking = || tables(database).filter(|table| !there.iter().any(|name| name == table.name()));
                if database == Database::Outbox && lacking().next().is_some() {
                    // Before any other tab can open it: see `profile`.
                    profile::new_life(workspace, member);
                }
                for table in lacking() {
                    connection.create_object_store(table.name()).build()?;
                }
                Ok(())
            })
            .build()?;
        let opened = self.answered(in_time(1, to_its_end(request.into_future())).await)?;
        // The task always sends.
        let connection = opened.map_err(|Canceled| StorageError::Slow)??;
        *self.connection.borrow_mut() = Some(connection.clone());
        self.close_when_asked(connection.clone());
        Ok(connection)
    }

    /// Another tab wants to remove or upgrade the database, or the browser closed it: let go, and open anew when needed.
    fn close_when_asked(&self, connection: Connection) {
        let held = self.connection.clone();
        spawn_local(async move {
            if let Ok(mut changes) = connection.version_changes() {
                changes.recv().await;
                drop(changes);
                connection.close();
                *held.borrow_mut() = None;
            }
        });
    }

    fn close(&self) {
        if let Some(connection) = self.connection.borrow_mut().take() {
            connection.close();
        }
    }

    async fn remove(&self) {
        self.close();
        remove(&self.name).await;
    }
}

/// Removes every copy of the server's records from this browser, and no outbox. Nothing has to be open for it: somebody may end a
/// session without having opened a workspace. By the browser's own calls, because this is in a file that pages wait for.
pub async fn remove_copies() {
    for name in names_of_copies().await {
        remove(&name).await;
    }
}

async fn remove(name: &str) {
    if !matches!(in_time(1, removed(name)).await, Ok(Ok(()))) {
        leptos::logging::warn!("{name} could not be removed");
    }
}

/// Removed, or about to be once another tab lets go of it.
async fn removed(name: &str) -> Result<(), JsValue> {
    let factory = Reflect::get(&window(), &JsValue::from_str("indexedDB"))?;
    let delete: Function = Reflect::get(&factory, &JsValue::from_str("deleteDatabase"))?.dyn_into()?;
    let request = delete.call1(&factory, &JsValue::from_str(name))?;
    let mut listening = Ok(true);
    let ended = Promise::new(&mut |resolve, reject| {
        let ends = [("onsuccess", &resolve), ("onblocked", &resolve), ("onerror", &reject)];
        listening = ends.into_iter().try_fold(true, |all, (event, then)| {
            Reflect::set(&request, &JsValue::from_str(event), then).map(|set| all && set)
        });
    });
    listening?;
    JsFuture::from(ended).await.map(drop)
}

/// The databases of this browser that hold what the server has too; none where the engine does not list them.
async fn names_of_copies() -> Vec<String> {
    let Ok(databases) = all_databases().await else { return Vec::new() };
    let name = |database: JsValue| Reflect::get(&database, &JsValue::from_str("name")).ok()?.as_string();
    databases.iter().filter_map(name).filter(|name| name.starts_with(COPY_PREFIX)).collect()
}

async fn all_databases() -> Result<Array, JsValue> {
    let factory = Reflect::get(&window(), &JsValue::from_str("indexedDB"))?;
    let list: Function = Reflect::get(&factory, &JsValue::from_str("databases"))?.dyn_into()?;
    let listed: Promise = list.call0(&factory)?.dyn_into()?;
    JsFuture::from(listed).await?.dyn_into()
}

fn tables(database: Database) -> impl Iterator<Item = Table> {
    Table::ALL.iter().copied().filter(move |table| table.database() == database)
}

fn names(database: Database) -> Vec<&'static str> {
    tables(database).map(Table::name).collect()
}

/// What comes of it, unless it takes too long.
async fn in_time<T>(waits: u32, work: impl Future<Output = T>) -> Result<T, StorageError> {
    let mut work = pin!(work);
    for _ in 0..waits {
        if let Either::Left((result, _)) = select(work.as_mut(), pin!(pause(WAIT_MS))).await {
            return Ok(result);
        }
    }
    Err(StorageError::Slow)
}

/// Lets an opening run on when nobody waits for it any more: given up amid an upgrade it would leave a database without stores. A
/// connection that comes too late is closed.
fn to_its_end(
    opening: impl Future<Output = Result<Connection, OpenDbError>> + 'static,
) -> oneshot::Receiver<Result<Connection, OpenDbError>> {
    let (opened, awaited) = oneshot::channel();
    spawn_local(async move {
        if let Err(Ok(late)) = opened.send(opening.await) {
            late.close();
        }
    });
    awaited
}

/// Everything, in one transaction. Both lists come in the order of keys, so they belong together.
async fn load(connection: &Connection, database: Database) -> Result<Vec<(Slot, Vec<u8>)>, StorageError> {
    let transaction = connection.transaction(names(database)).build()?;
    let mut rows = Vec::new();
    for table in tables(database) {
        let store = transaction.object_store(table.name())?;
        let keys = store.get_all_keys::<String>().primitive()?;
        let values = store.get_all::<JsValue>().primitive()?;
        for (key, value) in keys.await?.zip(values.await?) {
            rows.push((Slot { table, key: key? }, bytes(value?)?));
        }
    }
    Ok(rows)
}

async fn read(
    connection: &Connection,
    database: Database,
    slots: &[Slot],
) -> Result<Vec<(Slot, Option<Vec<u8>>)>, StorageError> {
    let transaction = connection.transaction(names(database)).build()?;
    let mut values = Vec::with_capacity(slots.len());
    for slot in slots {
        values.push((slot.clone(), held(&transaction, slot).await?));
    }
    Ok(values)
}

/// One transaction that awaits nothing but itself: the browser commits one that is left waiting.
async fn write(connection: &Connection, save: &Save) -> Result<Saved, StorageError> {
    let durability = match save.database {
        Database::Base => TransactionDurability::Relaxed,
        Database::Outbox => TransactionDurability::Strict,
    };
    let transaction = connection
        .transaction(names(save.database))
        .with_mode(TransactionMode::Readwrite)
        .with_options(TransactionOptions::new().with_durability(durability))
        .build()?;
    if let Some(only_if) = &save.only_if {
        let holds = held(&transaction, &only_if.slot).await?;
        if holds != only_if.holds {
            transaction.abort().await?;
            return Ok(Saved::Refused(holds));
        }
    }
    for write in &save.writes {
        // Not awaited one by one: they run in order, and the commit fails if one of them does.
        match write {
            Write::Put(slot, value) => {
                let value = JsValue::from(Uint8Array::from(value.as_slice()));
                drop(
                    transaction
                        .object_store(slot.table.name())?
                        .put(value)
                        .with_key(slot.key.as_str())
                        .without_key_type()
                        .primitive()?,
                );
            }
            Write::Remove(slot) => {
                drop(transaction.object_store(slot.table.name())?.delete(slot.key.as_str()).primitive()?);
            }
            Write::RemoveUnder(slot) => {
                let end = format!("{}\u{ffff}", slot.key);
                let under = KeyRange::Bound(slot.key.as_str(), false, end.as_str(), true);
                drop(transaction.object_store(slot.table.name())?.delete::<&str, _>(under).primitive()?);
            }
        }
    }
    transaction.commit().await?;
    Ok(Saved::Done)
}

async fn held(transaction: &Transaction<'_>, slot: &Slot) -> Result<Option<Vec<u8>>, StorageError> {
    let store = transaction.object_store(slot.table.name())?;
    let value: Option<JsValue> = store.get(slot.key.as_str()).primitive()?.await?;
    value.map(bytes).transpose()
}

fn bytes(value: JsValue) -> Result<Vec<u8>, StorageError> {
    value.dyn_into::<Uint8Array>().map(|array| array.to_vec()).map_err(|_| StorageError::Foreign)
}
