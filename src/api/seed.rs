//! What a page is rendered from: read once on the server for the page's address, serialised once into the page, and
//! read again by the browser before its first render, so that both draw the same markup.

use crate::api::review::Activity;
use crate::model::catalog::Kind;
use crate::model::id::{MemberId, WorkspaceId};
use crate::model::record::Record;
use crate::model::scope::Scope;
use serde::{Deserialize, Serialize};

/// Records and names a page starts from. Whoever answers a page request provides it as a Leptos context; without one the
/// page is drawn for somebody who is not signed in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Seed {
    /// Who looks; `None` while nobody is signed in.
    pub viewer: Option<Viewer>,
    /// What the page shows, deleted records left out.
    pub records: Vec<Record>,
    /// Scopes of which `records` holds everything.
    pub complete: Vec<Scope>,
    /// Kinds of which `records` holds all that this member may see; of tasks, all that are theirs.
    pub listed: Listed,
    /// What people did last, where the page shows it.
    pub activity: Option<Activity>,
}

/// A set of kinds. As bits, because a page waits for the code that reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Listed(u32);

impl Listed {
    /// Adds a kind.
    pub fn insert(&mut self, kind: Kind) {
        self.0 |= 1 << kind as u32;
    }

    /// Whether it is in the set.
    pub fn contains(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u32) != 0
    }
}

// Every kind has a bit.
const _: () = assert!(Kind::ALL.len() <= u32::BITS as usize);

/// Who looks at the screens, and in which workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewer {
    /// The workspace they are in.
    pub workspace: WorkspaceId,
    /// What it is called.
    pub workspace_name: String,
    /// As whom.
    pub member: MemberId,
    /// What people call them.
    pub name: String,
    /// The address they sign in with.
    pub email: String,
    /// Every workspace they belong to, this one included.
    pub workspaces: Vec<WorkspaceName>,
}

/// A workspace one can switch to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceName {
    /// Which.
    pub id: WorkspaceId,
    /// What it is called.
    pub name: String,
}
