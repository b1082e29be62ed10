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
use uuid::Uuid;

/// Where the device's id is kept.
const DEVICE: &str = "tidemark.device";
/// Where whoever was signed in last is kept.
const VIEWER: &str = "tidemark.viewer";
/// The first life of a device.
const FIRST_LIFE: u32 = 1;

/// Which device this profile is.
pub fn device() -> DeviceId {
    LocalStorage::get(DEVICE).unwrap_or_else(|_| {
        let device = DeviceId(Uuid::now_v7());
        keep(DEVICE, &device);
        device
    })
}

/// Which life of this member's copy.
pub fn life(workspace: WorkspaceId, member: MemberId) -> u32 {
    LocalStorage::get(life_name(workspace, member)).unwrap_or(FIRST_LIFE)
}

/// Begins another life, because the numbers of the one before are gone.
pub fn new_life(workspace: WorkspaceId, member: MemberId) {
    let name = life_name(workspace, member);
    let life = LocalStorage::get::<u32>(&name).map_or(FIRST_LIFE, |life| life.saturating_add(1));
    keep(&name, &life);
}

/// Whoever was signed in last, as the screens showed them.
pub fn viewer() -> Option<Viewer> {
    LocalStorage::get(VIEWER).ok()
}

/// Remembers whoever is signed in.
pub fn keep_viewer(viewer: &Viewer) {
    keep(VIEWER, viewer);
}

/// Forgets who was signed in. Their databases stay until they are removed.
pub fn forget_viewer() {
    LocalStorage::delete(VIEWER);
}

fn life_name(workspace: WorkspaceId, member: MemberId) -> String {
    format!("tidemark.life.{workspace}.{member}")
}

fn keep(name: &str, value: &impl serde::Serialize) {
    // A browser that keeps nothing is a new device each time, which is safe.
    if let Err(error) = LocalStorage::set(name, value) {
        leptos::logging::warn!("{name} could not be kept: {error}");
    }
}
