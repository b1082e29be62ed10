//! What this browser profile remembers outside the databases: which device it is, which life of it, and who was signed in
//! last, so that a page without a network knows whose databases to open.
//!
//! A device numbers its ops, and a number must never be used twice in one life. The numbers stand in the outbox database,
//! the life stands here. When the outbox is made anew, because the browser evicted it, a person cleared it or it could not be
//! opened, a new life begins; when this memory is lost, a new device does. A profile that is copied as a whole, files and
//! all, cannot be told from its original on the device; op ids are random, so the server still takes both for what they are.

use crate::api::seed::Viewer;
use crate::model::id::{DeviceId, MemberId, WorkspaceId};
use gloo_storage::{LocalStorage, Storage};
use leptos::prelude::window;
use serde::de::DeserializeOwned;
use uuid::Uuid;

/// Where the device's id is kept.
const DEVICE: &str = "tidemark.device";
/// Where whoever was signed in last is kept.
const VIEWER: &str = "tidemark.viewer";
/// What the marks that edits wait begin with.
const WAITING: &str = "tidemark.waiting.";
/// The first life of a device.
const FIRST_LIFE: u32 = 1;

/// Which device this profile is.
pub fn device() -> DeviceId {
    get(DEVICE).unwrap_or_else(|| {
        let device = DeviceId(Uuid::now_v7());
        keep(DEVICE, &device);
        device
    })
}

/// Which life of this member's copy.
pub fn life(workspace: WorkspaceId, member: MemberId) -> u32 {
    get(&life_name(workspace, member)).unwrap_or(FIRST_LIFE)
}

/// Begins another life, because the numbers of the one before are gone.
pub fn new_life(workspace: WorkspaceId, member: MemberId) {
    let name = life_name(workspace, member);
    let life = get::<u32>(&name).map_or(FIRST_LIFE, |life| life.saturating_add(1));
    keep(&name, &life);
}

/// Whoever was signed in last, as the screens showed them.
pub fn viewer() -> Option<Viewer> {
    get(VIEWER)
}

/// Remembers whoever is signed in.
pub fn keep_viewer(viewer: &Viewer) {
    keep(VIEWER, viewer);
}

/// Forgets who was signed in. Their databases stay until they are removed.
pub fn forget_viewer() {
    if is_there() {
        LocalStorage::delete(VIEWER);
    }
}

/// Somebody signed in, as this; as nobody's member where `None`. To be said before the next page is loaded, which may come from the
/// shell.
pub fn now_signed_in(viewer: Option<&Viewer>) {
    match viewer {
        Some(viewer) => keep_viewer(viewer),
        None => forget_viewer(),
    }
}

/// Marks whether edits of this member wait here to be sent, for pages that open no database.
pub fn mark_waiting(workspace: WorkspaceId, member: MemberId, waits: bool) {
    let name = format!("{WAITING}{workspace}.{member}");
    if waits {
        keep(&name, &true);
    } else if is_there() {
        LocalStorage::delete(&name);
    }
}

/// Whether somebody's edits may wait here to be sent. The service worker may have sent them since a page marked it.
pub fn edits_wait() -> bool {
    let marked = |at: u32| LocalStorage::raw().key(at).ok().flatten().is_some_and(|name| name.starts_with(WAITING));
    is_there() && (0..LocalStorage::length()).any(marked)
}

/// Whether there is a small storage at all: some browsers have none, or forbid it, and reading it would be a panic.
pub fn is_there() -> bool {
    window().local_storage().is_ok_and(|storage| storage.is_some())
}

fn get<T: DeserializeOwned>(name: &str) -> Option<T> {
    // What is not ours is as good as nothing.
    if is_there() { LocalStorage::get(name).ok() } else { None }
}

fn life_name(workspace: WorkspaceId, member: MemberId) -> String {
    format!("tidemark.life.{workspace}.{member}")
}

fn keep(name: &str, value: &impl serde::Serialize) {
    // A browser that keeps nothing is a new device each time, which is safe.
    if is_there()
        && let Err(error) = LocalStorage::set(name, value)
    {
        leptos::logging::warn!("{name} could not be kept: {error}");
    }
}
