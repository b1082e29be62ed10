//! Pages of records and of the log, read on connections that nobody else has meanwhile. SQLite is called directly: what hands each
//! row to another thread costs more than reading it does.

use super::direct::{Arg, Direct, Row};
use super::*;
use std::ops::ControlFlow;
use std::sync::{Mutex as StdMutex, PoisonError};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections that read pages, opened when they are first needed.
#[derive(Clone)]
pub(super) struct PageReaders(Arc<Inner>);

struct Inner {
    options: SqliteConnectOptions,
    idle: StdMutex<Vec<Seat<SqliteConnection>>>,
    permits: Arc<Semaphore>,
}

/// A connection on loan. It comes back however the loan ends.
struct Loan {
    readers: PageReaders,
    seat: Option<Seat<SqliteConnection>>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(seat) = self.seat.take() {
            self.readers.idle().push(seat);
        }
    }
}

impl PageReaders {
    pub fn new(options: SqliteConnectOptions) -> Self {
        let permits = Arc::new(Semaphore::new(READERS_MAX as usize));
        Self(Arc::new(Inner { options, idle: StdMutex::default(), permits }))
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Seat<SqliteConnection>>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads on a connection of its own, beside whatever else this thread could do.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Direct) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let closed = |_| StoreError::Database("the store is closed".into());
        let permit = Arc::clone(&self.0.permits).acquire_owned().await.map_err(closed)?;
        let mut loan = Loan { readers: self.clone(), seat: None, _permit: permit };
        let idle = self.idle().pop();
        loan.seat = Some(match idle {
            Some(seat) => seat,
            None => Seat::take(self.0.options.connect().await.map_err(database)?, |connection| connection).await?,
        });
        let reading = move || match loan.seat.as_mut() {
            Some(seat) => read(seat.direct()),
            None => Err(StoreError::Database("a connection is gone".into())),
        };
        match Handle::current().runtime_flavor() {
            // One thread for everything, as the simulator has.
            RuntimeFlavor::CurrentThread => reading(),
            _ => match tokio::task::spawn_blocking(reading).await {
                Ok(read) => read,
                Err(error) => Err(StoreError::Database(Box::new(error))),
            },
        }
    }

    /// Nobody reads until this is dropped.
    #[cfg(test)]
    pub fn hold(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.0.permits).try_acquire_many_owned(READERS_MAX).expect("nobody reads")
    }

    /// Closes every connection, once what is being read is read.
    pub async fn close(&self) -> Result<(), StoreError> {
        // Whoever still reads gives the permit back; nobody gets one meanwhile, nor afterwards.
        let _all = self.0.permits.acquire_many(READERS_MAX).await;
        self.0.permits.close();
        let idle = std::mem::take(&mut *self.idle());
        for seat in idle {
            seat.leave().close().await.map_err(database)?;
        }
        Ok(())
    }
}

/// The record in a row of `columns!()`.
pub(super) fn record_in(row: &Row<'_>) -> Result<Record, StoreError> {
    Stored {
        kind: row.text(0)?,
        id: row.id(1)?,
        scope: row.text(2)?,
        fields: row.text(3)?,
        seq: row.int(4),
        deleted: row.int(5) != 0,
    }
    .record()
}

/// A page of records.
pub(super) fn records(
    direct: &mut Direct,
    workspace: WorkspaceId,
    select: &Select,
    page: Page,
) -> Result<Paged<Record>, StoreError> {
    let workspace = Arg::Id(workspace.0);
    let rows = Arg::Int(limit(page));
    match select {
        Select::Scope { scope, after } => {
            let (priority, id) = after.map_or((0, None), |(priority, id)| (priority, Some(id)));
            let after = id.map_or(Arg::Bytes(&[]), |id| Arg::Id(id.0));
            // Records of several kinds with one id stand in one place, and no page ends between them.
            let page_and_twins = Page { count_max: page.count_max.saturating_add(Kind::ALL.len()), ..page };
            let limit = Arg::Int(limit(page_and_twins));
            let of_scope = [workspace, Arg::Text(&scope.to_string()), Arg::Int(i64::from(priority)), after, limit];
            paged(direct, BY_SCOPE, &of_scope, page, sized, |last, next| last.id == next.id)
        }
        Select::Kind(kind) => page_of(direct, BY_KIND, &[workspace, Arg::Text(kind.spec().name), rows], page),
        Select::Keys(wanted) => {
            page_of(direct, BY_KEY, &[workspace, Arg::Text(&keys(wanted.iter().copied())), rows], page)
        }
        Select::Under(key) => {
            page_of(direct, UNDER, &[workspace, Arg::Id(key.id.0), Arg::Text(key.kind.spec().name), rows], page)
        }
        Select::AssignedTo(member) => page_of(direct, ASSIGNED, &[workspace, Arg::Id(member.0), rows], page),
    }
}

fn page_of(direct: &mut Direct, sql: &'static str, args: &[Arg<'_>], page: Page) -> Result<Paged<Record>, StoreError> {
    paged(direct, sql, args, page, sized, |_, _| false)
}

fn sized(row: &Row<'_>) -> Result<(Record, usize), StoreError> {
    Ok((record_in(row)?, row.bytes(3).len()))
}

/// A page of the log.
pub(super) fn lines(
    direct: &mut Direct,
    workspace: WorkspaceId,
    scopes: &str,
    to: Version,
    page: Page,
) -> Result<Paged<Line>, StoreError> {
    let args = [Arg::Id(workspace.0), Arg::Text(scopes), Arg::Int(stored(to.min(SEQ_MAX))), Arg::Int(limit(page))];
    let line = |row: &Row<'_>| {
        let body = row.bytes(1);
        Ok((Line { entry: decode(body).map_err(damaged)?, until: version(row.int(0))? }, body.len()))
    };
    paged(direct, LOG, &args, page, line, |_, _| false)
}

/// Rows with their sizes, until the page is full and does not end between two that stand together.
fn paged<T>(
    direct: &mut Direct,
    sql: &'static str,
    args: &[Arg<'_>],
    page: Page,
    read: impl Fn(&Row<'_>) -> Result<(T, usize), StoreError>,
    together: impl Fn(&T, &T) -> bool,
) -> Result<Paged<T>, StoreError> {
    let (mut rows, mut bytes, mut more): (Vec<T>, _, _) = (Vec::new(), 0, false);
    direct.each(sql, args, |row| {
        let (found, size) = read(row)?;
        let full = rows.len() >= page.count_max || bytes >= page.bytes_max;
        if full && !rows.last().is_some_and(|last| together(last, &found)) {
            more = true;
            return Ok(ControlFlow::Break(()));
        }
        bytes += size;
        rows.push(found);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(Paged { rows, more })
}
