//! Pages of snapshots that are read before they are asked for. Whoever has fetched one chunk wants the next, and while it
//! unpacks the one the other can be read. A page that was read earlier than it is sent is as good as any: the log that
//! follows a snapshot begins before both.

use crate::model::id::{RecordId, WorkspaceId};
use crate::model::record::{Record, Version};
use crate::model::scope::Scope;
use crate::server::core::locked;
use crate::server::store::{Paged, StoreError};
use std::collections::VecDeque;
use std::sync::Mutex;
use tokio::task::JoinHandle;

/// Pages kept, half a MiB each at most: as many devices as fetch at once on a small server.
const PAGES_MAX: usize = 8;

/// Which page of which snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub workspace: WorkspaceId,
    pub epoch: u64,
    pub scope: Scope,
    /// Where the log begins that follows. A page must not be older, so one of another snapshot is of no use.
    pub at: Version,
    /// The last record before the page.
    pub after: Option<(u8, RecordId)>,
}

/// A page on its way.
type Reading = JoinHandle<Result<Paged<Record>, StoreError>>;

/// The pages that were read ahead, oldest first.
#[derive(Default)]
pub(super) struct Ahead(Mutex<VecDeque<(Place, Reading)>>);

impl Ahead {
    /// The page of this place, if it was read ahead and nobody has taken it.
    pub fn take(&self, place: &Place) -> Option<Reading> {
        let mut pages = locked(&self.0);
        let at = pages.iter().position(|(known, _)| known == place)?;
        pages.remove(at).map(|(_, reading)| reading)
    }

    /// Keeps a page for whoever will ask; the oldest makes room.
    pub fn keep(&self, place: Place, reading: Reading) {
        let mut pages = locked(&self.0);
        if pages.len() >= PAGES_MAX
            && let Some((_, oldest)) = pages.pop_front()
        {
            oldest.abort();
        }
        pages.push_back((place, reading));
    }

    /// Lets everything go.
    pub fn clear(&self) {
        for (_, reading) in locked(&self.0).drain(..) {
            reading.abort();
        }
    }
}
