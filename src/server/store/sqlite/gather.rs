//! The write-ahead log, written in few calls. SQLite hands each page of a commit over in two pieces, one call to the system for
//! each, and then asks for a sync; here whatever follows on the piece before is held until then and written at once, which
//! spares a sixth of what an edit costs (docs/BENCHMARKS.md). Everything else is left to SQLite's own way with files.
//!
//! **What holds.** Nobody can miss what is held, nor find it written later than they expect:
//! * Others are shown a commit after its sync, because the connection has `synchronous=FULL`.
//! * This connection reads nothing back, and asks for no size, before what is held is written.
//! * Nothing is held but between the first piece of a commit and its sync. What a long transaction writes before its commit is
//!   written as it comes: held, it could be written over what another connection has committed since it was rolled back.
//! * A piece that cannot be written is let go, and the commit fails.

use libsqlite3_sys as sqlite;
use sqlite::{SQLITE_IOERR, SQLITE_OK, sqlite3_file, sqlite3_io_methods, sqlite3_vfs};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

/// What is held before it is written all the same, bytes: more than a batch of ordinary edits. SQLite's own files take less than
/// 128 KiB in one call.
const HELD_MAX: usize = 96 << 10;

/// Under which name a connection asks for it; `None` where SQLite has no files of its own.
pub(super) fn name() -> Option<&'static str> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    REGISTERED.get_or_init(register).then_some("tidemark-gather")
}

thread_local! {
    /// Whether a commit runs on this thread. SQLite does all of it on the thread that asks for it.
    static COMMITTING: Cell<bool> = const { Cell::new(false) };
}

/// Runs a commit whose pieces are held until its sync.
pub(super) fn commit<T>(commit: impl FnOnce() -> T) -> T {
    struct Done;
    impl Drop for Done {
        fn drop(&mut self) {
            COMMITTING.set(false);
        }
    }
    COMMITTING.set(true);
    let _done = Done;
    commit()
}

fn register() -> bool {
    // SAFETY: what SQLite gives out here lives as long as the process, and so does what it is given: that is never freed. Its own
    // methods look at no more of it than what is copied.
    unsafe {
        let Some(own) = own().as_ref() else { return false };
        let Ok(size) = c_int::try_from(size_of::<Gathering>()) else { return false };
        let ours = sqlite3_vfs {
            szOsFile: own.szOsFile + size,
            pNext: null_mut(),
            zName: c"tidemark-gather".as_ptr(),
            xOpen: Some(open),
            ..*own
        };
        sqlite::sqlite3_vfs_register(Box::into_raw(Box::new(ours)), 0) == SQLITE_OK
    }
}

/// SQLite's own way with files.
fn own() -> *mut sqlite3_vfs {
    // SAFETY: asking for the default takes no name.
    unsafe { sqlite::sqlite3_vfs_find(null()) }
}

/// An open log. SQLite gives the room for it, and behind it the room for its own file.
#[repr(C)]
struct Gathering {
    /// First, because this is how SQLite sees it.
    file: sqlite3_file,
    /// Where in the file what is held belongs.
    at: i64,
    held: Vec<u8>,
}

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    name: sqlite::sqlite3_filename,
    file: *mut sqlite3_file,
    flags: c_int,
    opened: *mut c_int,
) -> c_int {
    // SAFETY: the arguments are those of SQLite's own method, and go to it. The room behind a `Gathering` is as large as it asks
    // for, and aligned, because sizes of types are.
    unsafe {
        let Some(own) = own().as_mut() else { return SQLITE_IOERR };
        let Some(own_open) = own.xOpen else { return SQLITE_IOERR };
        if flags & sqlite::SQLITE_OPEN_WAL == 0 {
            return own_open(own, name, file, flags, opened);
        }
        let status = own_open(own, name, inner(file), flags, opened);
        if status == SQLITE_OK {
            let file_in_it = sqlite3_file { pMethods: &raw const METHODS };
            file.cast::<Gathering>().write(Gathering { file: file_in_it, at: 0, held: Vec::new() });
        }
        status
    }
}

/// SQLite's own file behind ours.
unsafe fn inner(file: *mut sqlite3_file) -> *mut sqlite3_file {
    // SAFETY: see `open`.
    unsafe { file.cast::<Gathering>().add(1).cast() }
}

/// Calls a method of SQLite's own file.
macro_rules! own {
    ($file:expr, $method:ident $(, $argument:expr)*) => {{
        let inner = inner($file);
        match (*inner).pMethods.as_ref().and_then(|methods| methods.$method) {
            Some(method) => method(inner $(, $argument)*),
            None => SQLITE_IOERR,
        }
    }};
}

/// Writes what is held. What could not be written is let go: the commit it belongs to fails, and is made again from the start.
unsafe fn written(file: *mut sqlite3_file) -> c_int {
    // SAFETY: SQLite uses a file from one thread at a time, and calls with what `open` made.
    unsafe {
        let gathering = &mut *file.cast::<Gathering>();
        if gathering.held.is_empty() {
            return SQLITE_OK;
        }
        let Ok(length) = c_int::try_from(gathering.held.len()) else { return SQLITE_IOERR };
        let status = own!(file, xWrite, gathering.held.as_ptr().cast(), length, gathering.at);
        gathering.held.clear();
        status
    }
}

unsafe extern "C" fn write(file: *mut sqlite3_file, bytes: *const c_void, length: c_int, at: i64) -> c_int {
    // SAFETY: as above; SQLite lends `length` bytes for the call.
    unsafe {
        if !COMMITTING.get() {
            return match written(file) {
                SQLITE_OK => own!(file, xWrite, bytes, length, at),
                failed => failed,
            };
        }
        let Ok(count) = usize::try_from(length) else { return SQLITE_IOERR };
        let gathering = &mut *file.cast::<Gathering>();
        let follows = gathering.at.checked_add(gathering.held.len() as i64) == Some(at);
        if !follows || gathering.held.len().saturating_add(count) > HELD_MAX {
            let status = written(file);
            if status != SQLITE_OK {
                return status;
            }
        }
        let gathering = &mut *file.cast::<Gathering>();
        if gathering.held.is_empty() {
            gathering.at = at;
        }
        gathering.held.extend_from_slice(std::slice::from_raw_parts(bytes.cast(), count));
        SQLITE_OK
    }
}

/// Methods that need what is held in the file first.
macro_rules! after_writing {
    ($($name:ident = $method:ident($($argument:ident: $kind:ty),*);)*) => {$(
        unsafe extern "C" fn $name(file: *mut sqlite3_file $(, $argument: $kind)*) -> c_int {
            // SAFETY: the arguments are those of SQLite's own method, and go to it.
            unsafe {
                match written(file) {
                    SQLITE_OK => own!(file, $method $(, $argument)*),
                    failed => failed,
                }
            }
        }
    )*};
}
after_writing! {
    read = xRead(into: *mut c_void, length: c_int, at: i64);
    truncate = xTruncate(size: i64);
    sync = xSync(flags: c_int);
    file_size = xFileSize(size: *mut i64);
    file_control = xFileControl(what: c_int, with: *mut c_void);
}

/// Methods that have nothing to do with what is held.
macro_rules! passed_on {
    ($($name:ident = $method:ident($($argument:ident: $kind:ty),*);)*) => {$(
        unsafe extern "C" fn $name(file: *mut sqlite3_file $(, $argument: $kind)*) -> c_int {
            // SAFETY: as above.
            unsafe { own!(file, $method $(, $argument)*) }
        }
    )*};
}
passed_on! {
    lock = xLock(level: c_int);
    unlock = xUnlock(level: c_int);
    check_reserved_lock = xCheckReservedLock(reserved: *mut c_int);
    sector_size = xSectorSize();
    device_characteristics = xDeviceCharacteristics();
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: nobody uses the file after this, so what `open` made there is dropped, once.
    unsafe {
        let written = written(file);
        let closed = own!(file, xClose);
        file.cast::<Gathering>().drop_in_place();
        if written == SQLITE_OK { closed } else { written }
    }
}
