//! What every request may reach: one value, made at start, cheap to clone.

use crate::api::ApiError;
use crate::model::choice::Role;
use crate::model::id::{MemberId, WorkspaceId};
use crate::server::accounts::password::Cost;
use crate::server::accounts::{Accounts, REMOVED_PUSH_MS, Session};
use crate::server::config::Config;
use crate::server::core::{Clock, Core, SystemClock};
use crate::server::health::Looked;
use crate::server::limits::Limits;
use crate::server::pages::Worker;
use crate::server::store::StoreError;
use crate::server::store::sqlite::Sqlite;
use axum::extract::FromRef;
use leptos::prelude::LeptosOptions;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Handed to every handler.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

/// What `AppState` is made of.
pub struct Inner {
    /// As it was configured.
    pub config: Config,
    /// Records, live channel, time.
    pub core: Core,
    /// People, sessions, invitations.
    pub accounts: Accounts,
    /// How often somebody may ask.
    pub limits: Limits,
    /// What Leptos renders with.
    pub leptos: LeptosOptions,
    /// Whose pages may change something.
    pub pages: Pages,
    /// The service worker of this build.
    pub worker: Worker,
    /// Whether the database could be written a moment ago.
    pub looked: Looked,
    stopping: AtomicBool,
}

impl Deref for AppState {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl FromRef<AppState> for LeptosOptions {
    fn from_ref(state: &AppState) -> Self {
        state.leptos.clone()
    }
}

/// What somebody is in a workspace, right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A member with this role.
    Active(Role),
    /// Removed a short while ago: may still push what waits, into quarantine, and reads nothing.
    Leaving,
}

/// A caller who was found to be this member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// In which workspace.
    pub workspace: WorkspaceId,
    /// As whom.
    pub member: MemberId,
    /// With what right.
    pub standing: Standing,
}

impl Place {
    /// The role of somebody who belongs.
    ///
    /// # Errors
    /// `Revoked`.
    pub fn role(&self) -> Result<Role, ApiError> {
        match self.standing {
            Standing::Active(role) => Ok(role),
            Standing::Leaving => Err(ApiError::Revoked),
        }
    }
}

impl AppState {
    /// Opens the database and puts everything together for a server that listens at this address. The writer of records
    /// starts on the current runtime.
    ///
    /// # Errors
    /// The store's, if the database cannot be opened.
    pub async fn open(config: Config, listening: SocketAddr, cost: Cost) -> Result<Self, StoreError> {
        Self::open_by(SystemClock, config, listening, cost).await
    }

    /// The same by another clock.
    ///
    /// # Errors
    /// As `open`.
    pub async fn open_by(
        clock: impl Clock,
        config: Config,
        listening: SocketAddr,
        cost: Cost,
    ) -> Result<Self, StoreError> {
        let store = Sqlite::open(&config.database()).await?;
        let accounts = Accounts::new(store.writer().clone(), store.readers().clone(), cost);
        let leptos = config.leptos(listening);
        Ok(Self(Arc::new(Inner {
            core: Core::start(store, clock),
            accounts,
            limits: Limits::new(NonZeroU32::new(config.pushes_per_second).unwrap_or(NonZeroU32::MIN)),
            pages: config.public_url.clone().map_or(Pages::OfThisMachine, Pages::Of),
            worker: Worker::of(&leptos),
            looked: Looked::default(),
            leptos,
            config,
            stopping: AtomicBool::new(false),
        })))
    }

    /// Who this session is as this member.
    ///
    /// # Errors
    /// `NotFound` if the member is somebody else's, `Revoked` if they were removed long ago.
    pub async fn place(&self, session: &Session, member: MemberId) -> Result<Place, ApiError> {
        let known = self.accounts.membership(session.account.id, member).await?.ok_or(ApiError::NotFound)?;
        let place = |standing| Place { workspace: known.workspace, member, standing };
        if let Some(role) = self.core.role(known.workspace, member).await? {
            if known.removed_ms.is_some() {
                self.accounts.note_returned(member).await?;
            }
            return Ok(place(Standing::Active(role)));
        }
        let now_ms = self.core.now_ms();
        if known.removed_ms.is_none() {
            self.accounts.note_removed(member, now_ms).await?;
        }
        match known.removed_ms {
            Some(removed_ms) if now_ms - removed_ms > REMOVED_PUSH_MS => Err(ApiError::Revoked),
            _ => Ok(place(Standing::Leaving)),
        }
    }

    /// Whether the server has begun to stop.
    pub fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// From now on the server is not ready for newcomers.
    pub fn begin_to_stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }
}

/// Whose pages may change something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pages {
    /// Those of the public address.
    Of(String),
    /// Without a public address: those of this machine, under whatever port the browser reaches it by.
    OfThisMachine,
}

impl Pages {
    /// Whether a page of this origin may, in a request to this host. A list or the machine's own names, never just "whatever
    /// Host says": a name somebody else points here (DNS rebinding) is neither.
    pub fn may(&self, origin: &str, host: &str) -> bool {
        match self {
            Self::Of(url) => origin.eq_ignore_ascii_case(url),
            Self::OfThisMachine => {
                let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
                matches!(name, "127.0.0.1" | "localhost" | "[::1]")
                    && origin.strip_prefix("http://").is_some_and(|authority| authority == host)
            }
        }
    }
}
