//! SQLite called directly, with no thread in between: what the one writer needs and no more. sqlx opens, configures and closes
//! the connection; here its handle runs prepared statements. Each runs to its end within one call, so that no pointer outlives
//! the call that made it. Every unsafe line of Tidemark is in this file and in `gather`.

use super::{StoreError, damaged, database};
use libsqlite3_sys as sqlite;
use sqlx::SqliteConnection;
use std::ffi::CStr;
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::ptr::{NonNull, null_mut};
use uuid::Uuid;

/// A connection with its handle. Whoever has it is the only one who uses the connection.
pub(in crate::server) struct Seat<C> {
    // Above the connection: what it prepared ends before the connection closes.
    direct: Direct,
    connection: C,
}

impl<C> Seat<C> {
    /// Takes the handle out of a connection that nobody else uses from now on.
    ///
    /// # Errors
    /// `Database` if the connection's thread is gone.
    pub async fn take(mut connection: C, inside: fn(&mut C) -> &mut SqliteConnection) -> Result<Self, StoreError> {
        // Waits for whatever the connection's thread was still doing; nobody will ask it for anything after this.
        let db = inside(&mut connection).lock_handle().await.map_err(database)?.as_raw_handle();
        Ok(Self { direct: Direct { db, statements: Vec::new() }, connection })
    }
    pub fn direct(&mut self) -> &mut Direct {
        &mut self.direct
    }
    /// Gives the connection back, with nothing prepared on it any more.
    pub fn leave(self) -> C {
        let Self { direct, connection } = self;
        drop(direct);
        connection
    }
}

/// The handle of a connection that a `Seat` keeps open and to itself.
pub(in crate::server) struct Direct {
    db: NonNull<sqlite::sqlite3>,
    /// What was prepared, by its text: a few dozen, so that comparing where a text stands finds it soonest.
    statements: Vec<(&'static str, NonNull<sqlite::sqlite3_stmt>)>,
}

// SAFETY: SQLite allows a connection to be used by any thread, by one at a time, and `Direct` is neither shared nor cloned.
unsafe impl Send for Direct {}

/// A parameter of a statement.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) enum Arg<'a> {
    Null,
    Int(i64),
    Id(Uuid),
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl Direct {
    /// Runs a statement and gives back how many rows it changed.
    pub fn execute(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<u64, StoreError> {
        self.each(sql, args, |_| Ok(ControlFlow::Continue(())))?;
        // SAFETY: the handle is open, and used by nobody else.
        let changed = unsafe { sqlite::sqlite3_changes64(self.db.as_ptr()) };
        Ok(changed.unsigned_abs())
    }

    /// Runs a query and reads each of its rows.
    pub fn query<T>(
        &mut self,
        sql: &'static str,
        args: &[Arg<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut rows = Vec::new();
        self.each(sql, args, |row| {
            rows.push(read(row)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(rows)
    }

    /// Whether a transaction is open.
    pub fn in_transaction(&self) -> bool {
        // SAFETY: the handle is open, and used by nobody else.
        unsafe { sqlite::sqlite3_get_autocommit(self.db.as_ptr()) == 0 }
    }

    /// Runs a query and hands on each of its rows, until one is the last that is wanted.
    pub fn each(
        &mut self,
        sql: &'static str,
        args: &[Arg<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        let running = Running(self.prepared(sql)?);
        for (place, arg) in (1..).zip(args) {
            self.bind(running.0, place, arg)?;
        }
        loop {
            // SAFETY: the statement is prepared, and what is bound to it lives in `args`.
            match unsafe { sqlite::sqlite3_step(running.0.as_ptr()) } {
                sqlite::SQLITE_ROW => {
                    if read(&Row { statement: running.0, of: PhantomData })?.is_break() {
                        return Ok(());
                    }
                }
                sqlite::SQLITE_DONE => return Ok(()),
                _ => return Err(self.failure()),
            }
        }
    }

    fn prepared(&mut self, sql: &'static str) -> Result<NonNull<sqlite::sqlite3_stmt>, StoreError> {
        if let Some((_, known)) = self.statements.iter().find(|(known, _)| std::ptr::eq(*known, sql)) {
            return Ok(*known);
        }
        let length = i32::try_from(sql.len()).map_err(damaged)?;
        let mut statement = null_mut();
        // SAFETY: the text is as long as it is said to be, and SQLite copies it.
        let status = unsafe {
            sqlite::sqlite3_prepare_v3(
                self.db.as_ptr(),
                sql.as_ptr().cast(),
                length,
                sqlite::SQLITE_PREPARE_PERSISTENT,
                &mut statement,
                null_mut(),
            )
        };
        match NonNull::new(statement).filter(|_| status == sqlite::SQLITE_OK) {
            Some(statement) => {
                self.statements.push((sql, statement));
                Ok(statement)
            }
            None => Err(self.failure()),
        }
    }

    /// Lends the parameter to the statement, uncopied, until it has run.
    fn bind(&self, statement: NonNull<sqlite::sqlite3_stmt>, place: i32, arg: &Arg<'_>) -> Result<(), StoreError> {
        let (statement, lent) = (statement.as_ptr(), sqlite::SQLITE_STATIC());
        // SAFETY: `Running` takes every parameter back before `run`, which borrows them, returns.
        let status = unsafe {
            match arg {
                Arg::Null => sqlite::sqlite3_bind_null(statement, place),
                Arg::Int(number) => sqlite::sqlite3_bind_int64(statement, place, *number),
                Arg::Id(id) => sqlite::sqlite3_bind_blob64(statement, place, id.as_bytes().as_ptr().cast(), 16, lent),
                Arg::Bytes(bytes) => {
                    sqlite::sqlite3_bind_blob64(statement, place, bytes.as_ptr().cast(), bytes.len() as u64, lent)
                }
                Arg::Text(text) => {
                    let (bytes, length) = (text.as_ptr().cast(), text.len() as u64);
                    sqlite::sqlite3_bind_text64(statement, place, bytes, length, lent, UTF8)
                }
            }
        };
        if status == sqlite::SQLITE_OK { Ok(()) } else { Err(self.failure()) }
    }

    /// The latest failure in the store's words.
    fn failure(&self) -> StoreError {
        // SAFETY: the handle is open; SQLite's text ends with a zero and stays until the next call, after it was copied.
        let (code, says) = unsafe {
            let says = sqlite::sqlite3_errmsg(self.db.as_ptr());
            let says = if says.is_null() { String::new() } else { CStr::from_ptr(says).to_string_lossy().into_owned() };
            (sqlite::sqlite3_extended_errcode(self.db.as_ptr()), says)
        };
        match code & 0xff {
            sqlite::SQLITE_FULL => StoreError::Full,
            _ => StoreError::Database(format!("{says} ({code})").into()),
        }
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        for (_, statement) in self.statements.drain(..) {
            // SAFETY: prepared here, not running, and forgotten with this.
            unsafe { sqlite::sqlite3_finalize(statement.as_ptr()) };
        }
    }
}

/// How SQLite numbers the encoding of text.
const UTF8: u8 = 1;

/// A statement that runs; dropped, it is ready to run again, and what was lent to it is taken back.
struct Running(NonNull<sqlite::sqlite3_stmt>);

impl Drop for Running {
    fn drop(&mut self) {
        // What went wrong, if anything, was told by the step.
        // SAFETY: the statement lives as long as the `Direct` that runs it.
        unsafe {
            sqlite::sqlite3_reset(self.0.as_ptr());
            sqlite::sqlite3_clear_bindings(self.0.as_ptr());
        }
    }
}

/// The row at which a statement stands.
pub(in crate::server) struct Row<'a> {
    statement: NonNull<sqlite::sqlite3_stmt>,
    of: PhantomData<&'a Direct>,
}

impl Row<'_> {
    /// The column as a number; 0 if it holds none.
    pub fn int(&self, at: i32) -> i64 {
        // SAFETY: the statement stands at a row; a column that does not exist reads as NULL.
        unsafe { sqlite::sqlite3_column_int64(self.statement.as_ptr(), at) }
    }
    /// The column's bytes; none if it holds nothing.
    pub fn bytes(&self, at: i32) -> &[u8] {
        // SAFETY: as above; the bytes stay where they are until the next step, and the row is borrowed until then.
        unsafe {
            let bytes = sqlite::sqlite3_column_blob(self.statement.as_ptr(), at);
            let length = sqlite::sqlite3_column_bytes(self.statement.as_ptr(), at);
            match (NonNull::new(bytes.cast_mut()), usize::try_from(length)) {
                (Some(bytes), Ok(length)) => std::slice::from_raw_parts(bytes.cast().as_ptr(), length),
                _ => &[],
            }
        }
    }
    /// The column as text.
    pub fn text(&self, at: i32) -> Result<&str, StoreError> {
        std::str::from_utf8(self.bytes(at)).map_err(damaged)
    }
    /// The column as an id.
    pub fn id(&self, at: i32) -> Result<Uuid, StoreError> {
        Uuid::from_slice(self.bytes(at)).map_err(damaged)
    }
}
