//! The sync centre: what waits to be sent and why, what was rejected, what keeps this copy from being up to date, how much
//! space it takes, and which device this is.

use crate::app::accounts::SignOut;
use crate::app::components::confirm::Confirm;
use crate::app::components::live::live;
use crate::app::components::long::{long_list, long_records};
use crate::app::deeds::{linked, name_of, op_in_words};
use crate::app::dom;
use crate::app::format;
use crate::app::frame::Empty;
use crate::app::records::{
    Kept, Link, Memory, Pending, PendingState, Records, Refused, TabRole, ThisDevice, use_records,
};
use crate::app::your_account::YourAccount;
use crate::model::catalog::Kind;
use crate::model::id::OpId;
use crate::model::kinds::Device as DeviceView;
use crate::model::record::Key;
use crate::model::scope::Scope;
use crate::sync::op::Op;
use crate::sync::replica::{Missing, Tray};
use leptos::prelude::*;
use leptos_meta::Title;
use std::cmp::Reverse;
use uuid::Uuid;

/// Everything about how this copy and the server agree.
#[component]
pub fn SyncCentrePage() -> impl IntoView {
    view! {
        <Title text="Sync centre"/>
        <div class="page-head"><h1>"Sync centre"</h1></div>
        <State/>
        <Outbox/>
        <TrayOfRejected/>
        <ConflictsLink/>
        <Space/>
        <Devices/>
        <YourAccount/>
    }
    .into_any()
}

#[component]
fn State() -> impl IntoView {
    let records = use_records();
    let status = records.status();
    let tray = records.tray();
    let explained = move || {
        let rejected = tray.with(|tray| !tray.is_empty());
        status.with(|status| match (status.link, status.memory) {
            (Link::Live, _) if !status.missing.is_empty() => "Connected. What is still missing:",
            (Link::Live, _) if rejected => {
                "This copy has everything the server has, and nothing waits to be sent. What was rejected stands below."
            }
            (Link::Live, _) => {
                "This copy is up to date: it has everything the server has, and the server has everything of yours."
            }
            (Link::Joining, _) => "Connecting and catching up. You can go on working.",
            (Link::Offline, Memory::Stored) => {
                "There is no connection. Everything you do is kept on this device and sent when there is one."
            }
            (Link::Offline, Memory::MemoryOnly) => {
                "There is no connection. What you do is in this tab alone and sent when there is one: keep it open."
            }
            (Link::SignedOut, Memory::Stored) => {
                "The server wants you to sign in again. Everything you did is kept on this device."
            }
            (Link::SignedOut, Memory::MemoryOnly) => {
                "The server wants you to sign in again. What waits is in this tab alone: export it before you do."
            }
            (Link::Revoked, _) => {
                "You no longer belong to this workspace. What had not been sent is quarantined until an owner decides."
            }
            (Link::UpdateNeeded, Memory::Stored) => {
                "This build is too old to understand the server. What you do is kept; reload to update."
            }
            (Link::UpdateNeeded, Memory::MemoryOnly) => {
                "This build is too old to understand the server. Export what waits, then reload to update."
            }
        })
    };
    view! {
        <div class="card" role="group" aria-label="State of this copy">
            <p><strong>{move || status.with(ToString::to_string)}</strong></p>
            <p class="quiet-text">{explained}</p>
            <ul class="quiet-text">
                <For each=move || status.with(|status| status.missing.clone()) key=ToString::to_string let(missing)>
                    <li>{missing_in_words(missing)}</li>
                </For>
            </ul>
            <Show when=move || status.with(|status| status.link == Link::SignedOut)>
                <p class="actions"><a class="button primary" href="/sign-in?next=/sync">"Sign in"</a></p>
            </Show>
        </div>
    }
    .into_any()
}

/// What keeps this copy from being up to date, in words that need no knowledge of how copies are made.
fn missing_in_words(missing: Missing) -> String {
    match missing {
        Missing::Unchecked { .. } => "It is still being checked that this copy is the same as the server's.".to_owned(),
        _ => missing.to_string(),
    }
}

/// What an op of the outbox or the tray does, as one line with the name of its record.
fn in_words(records: Records, op: &Op) -> String {
    let (pending, tray) = (records.pending(), records.tray());
    let name = pending.with(|pending| {
        tray.with(|tray| {
            let waiting = pending.iter().map(|pending| &*pending.op);
            name_of(records, op, waiting.chain(tray.iter().filter_map(|refused| refused.op.as_deref())))
        })
    });
    op_in_words(records, op, &name)
}

/// Why an op has not settled yet.
fn why(pending: &Pending, memory: Memory) -> String {
    let state = match &pending.state {
        PendingState::Storing | PendingState::Waiting if memory == Memory::MemoryOnly => {
            "In this tab alone, waiting to be sent.".to_owned()
        }
        PendingState::Storing => "Being stored on this device.".to_owned(),
        PendingState::Waiting => "Stored on this device, waiting to be sent.".to_owned(),
        PendingState::Sent => "Sent; the answer has not come yet.".to_owned(),
        PendingState::Settled(_) => "The server has it; its effect is on its way back.".to_owned(),
        PendingState::Held(reason) => format!("Not sent: {}", reason.says),
    };
    match &pending.doubt {
        Some(doubt) => format!("{state} It may be rejected: {}", doubt.says),
        None => state,
    }
}

#[component]
fn Outbox() -> impl IntoView {
    let records = use_records();
    let pending = records.pending();
    let tray = records.tray();
    let ready = records.ready();
    let nothing = move || {
        let says = match (ready.get(), tray.with(|tray| tray.is_empty())) {
            (false, _) => "This device has not opened what it has stored yet.",
            (true, true) => "Nothing waits. Everything you did on this device has reached the server.",
            (true, false) => "Nothing waits. What was rejected is listed below.",
        };
        view! { <Empty says/> }.into_any()
    };
    let none = Memo::new(move |_| pending.with(|pending| pending.is_empty()));
    let list = move || {
        long_list(
            ("outbox", "rows", "Edits that wait"),
            move || pending.with(|all| all.iter().map(|pending| pending.op.id.0.as_u128()).collect()),
            |id| pending_row(OpId(Uuid::from_u128(id))),
        )
    };
    view! {
        <section aria-labelledby="outbox-title">
            <div class="page-head">
                <h2 id="outbox-title">"Outbox"</h2>
                <Show when=move || ready.get()>
                    <div class="actions">
                        <button type="button" class="button" on:click=move |_| {
                            if let Some(device) = records.device() {
                                device.export(Vec::new());
                            }
                        }>"Export all"</button>
                        <label class="button">
                            "Import"
                            <input class="sr-only" type="file" accept=".json,.tidemark" aria-label="Import edits from a file" on:change=move |event| {
                                dom::chosen_text(&event, move |text| match (text, records.device()) {
                                    (Some(text), Some(device)) => device.import(text),
                                    _ => records.tell("The browser could not read this file. Nothing was changed; try again.", None),
                                });
                            }/>
                        </label>
                    </div>
                </Show>
            </div>
            <Show when=move || !none.get() fallback=move || live(nothing)>
                {list()}
            </Show>
        </section>
    }
    .into_any()
}

fn pending_row(id: OpId) -> AnyView {
    let records = use_records();
    let (all, status) = (records.pending(), records.status());
    let memory = Memo::new(move |_| status.with(|status| status.memory));
    // The same row as long as the edit waits, whatever becomes of it meanwhile.
    let pending = Memo::new(move |before: Option<&Option<Pending>>| {
        let now = all.with(|all| all.iter().find(|pending| pending.op.id == id).cloned());
        now.or_else(|| before.cloned().flatten())
    });
    let key = pending.with_untracked(|pending| pending.as_ref().map(|pending| pending.op.key()));
    let words = Memo::new(move |_| {
        pending.with(|pending| pending.as_ref().map(|pending| in_words(records, &pending.op)).unwrap_or_default())
    });
    let stands = move || {
        pending.with(|pending| {
            let pending = pending.as_ref()?;
            Some(format!("{} · {}", format::instant(pending.op.claimed_ms), why(pending, memory.get())))
        })
    };
    view! {
        <li class="row">
            <div class="row-main">
                {linked(records, key, words)}
                <p class="quiet-text">{stands}</p>
            </div>
            <div class="actions">
                <button type="button" class="button" aria-label=move || format!("Retry now: {}", words.get()) on:click=move |_| {
                    if let Some(device) = records.device() {
                        device.retry(id);
                    }
                }>"Retry now"</button>
                <button type="button" class="button" aria-label=move || format!("Export: {}", words.get()) on:click=move |_| {
                    if let Some(device) = records.device() {
                        device.export(vec![id]);
                    }
                }>"Export"</button>
                <Confirm
                    label="Discard"
                    sure="Discard for good"
                    name=Signal::derive(move || format!("Discard: {}", words.get()))
                    on_sure=Callback::new(move |()| {
                        if let Some(device) = records.device() {
                            device.discard(id);
                        }
                    })
                />
            </div>
        </li>
    }
    .into_any()
}

#[component]
fn TrayOfRejected() -> impl IntoView {
    let records = use_records();
    let tray = records.tray();
    let ready = records.ready();
    let nothing = move || {
        let says = match ready.get() {
            false => "This device has not opened what it has stored yet.",
            true => {
                "Nothing was rejected. If the server ever rejects an edit of yours, it is kept here with the reason."
            }
        };
        view! { <p class="quiet-text">{says}</p> }.into_any()
    };
    let row = move |id| {
        let refused = tray.with_untracked(|tray| tray.iter().find(|refused| id_of(refused) == id).cloned());
        refused.map(|refused| view! { <RejectedRow refused/> }).into_any()
    };
    let list = move || {
        let ids = move || tray.with(|tray| tray.iter().map(id_of).collect());
        long_list(("tray", "rows", "Rejected edits"), ids, row)
    };
    view! {
        <section aria-labelledby="tray-title">
            <h2 id="tray-title">"Rejected"</h2>
            <Show when=move || tray.with(|tray| !tray.is_empty()) fallback=move || live(nothing)>
                {list()}
            </Show>
        </section>
    }
    .into_any()
}

/// What became of an edit of the tray, in the words of the field.
fn became(sort: Tray) -> &'static str {
    match sort {
        Tray::Rejected => "Rejected",
        Tray::Quarantined => "Quarantined: an owner decides",
        Tray::Orphaned => "Not sent",
        Tray::Unreadable => "Unreadable",
    }
}

/// What tells the rows of the tray apart.
fn id_of(refused: &Refused) -> u128 {
    u128::from(refused.place) << u8::BITS | refused.entry.sort as u128
}

#[component]
fn RejectedRow(refused: Refused) -> impl IntoView {
    let records = use_records();
    let id = refused.id();
    let place = refused.place;
    let op = refused.op.clone();
    let key = op.as_deref().map(Op::key);
    let words = Memo::new(move |_| {
        op.as_ref().map_or_else(|| "An edit that could not be read".to_owned(), |op| in_words(records, op))
    });
    let reason = refused.entry.reason.says.clone();
    let discard = move |()| {
        let Some(device) = records.device() else { return };
        match id {
            Some(id) => device.discard(id),
            None => device.discard_unreadable(place),
        }
    };
    view! {
        <li class="row">
            <div class="row-main">
                {linked(records, key, words)}
                <p class="field-error">{reason}</p>
                <p class="quiet-text">
                    {became(refused.entry.sort)} " · " {format::instant(refused.entry.at_ms)}
                    {id.is_none().then_some(" · “Export all” above takes it along")}
                </p>
            </div>
            <div class="actions">
                {id.map(|id| view! {
                    <button type="button" class="button" aria-label=move || format!("Try again: {}", words.get()) on:click=move |_| {
                        if let Some(device) = records.device() {
                            device.retry(id);
                        }
                    }>"Try again"</button>
                    <button type="button" class="button" aria-label=move || format!("Export: {}", words.get()) on:click=move |_| {
                        if let Some(device) = records.device() {
                            device.export(vec![id]);
                        }
                    }>"Export"</button>
                })}
                <Confirm
                    label="Discard"
                    sure="Discard for good"
                    name=Signal::derive(move || format!("Discard: {}", words.get()))
                    on_sure=Callback::new(discard)
                />
            </div>
        </li>
    }
    .into_any()
}

#[component]
fn ConflictsLink() -> impl IntoView {
    let conflicts = use_records().conflicts();
    view! {
        <section aria-labelledby="conflicts-title">
            <h2 id="conflicts-title">"Conflicts"</h2>
            <p>
                <a href="/conflicts">
                    {move || {
                        let count = i64::try_from(conflicts.with(|keys| keys.len())).unwrap_or(i64::MAX);
                        if count == 0 { "No conflict waits".to_owned() } else { format!("{} for you", format::count(count, "conflict waits", "conflicts wait")) }
                    }}
                </a>
            </p>
        </section>
    }
    .into_any()
}

#[component]
fn Space() -> impl IntoView {
    let records = use_records();
    let storage = records.storage();
    let status = records.status();
    let memory_only = move || status.with(|status| status.memory == Memory::MemoryOnly);
    let used = move || {
        let storage = storage.get();
        if storage.quota_bytes == 0 {
            return "not measured yet".to_owned();
        }
        format!("{} of {}", format::bytes(storage.used_bytes), format::bytes(storage.quota_bytes))
    };
    let kept = move || {
        if memory_only() {
            return "Nothing is stored: this copy ends with the tab.";
        }
        match storage.get().kept {
            Kept::Unknown => "The browser does not say whether it keeps what is stored.",
            Kept::BestEffort => {
                "The browser may clear it when space runs out. Edits that wait are safest once they are sent."
            }
            Kept::Persistent => "The browser keeps it until you clear it yourself.",
        }
    };
    view! {
        <section aria-labelledby="storage-title">
            <h2 id="storage-title">"Storage"</h2>
            <dl class="facts">
                <dt>"In use"</dt><dd>{used}</dd>
                <dt>"Kept"</dt><dd>{kept}</dd>
            </dl>
            <Show when=move || !memory_only() && storage.get().kept == Kept::BestEffort>
                <p class="actions"><button type="button" class="button" on:click=move |_| {
                    if let Some(device) = records.device() {
                        device.persist();
                    }
                }>"Ask the browser to keep it"</button></p>
            </Show>
        </section>
    }
    .into_any()
}

fn scope_in_words(records: Records, scope: Scope) -> String {
    match scope {
        Scope::Workspace => "Workspace".to_owned(),
        Scope::Personal(_) => "Your own".to_owned(),
        Scope::Project(id) => records.title(Key::new(Kind::Project, id)).get(),
    }
}

/// Which device this is, for whoever is asked for it.
fn device_in_words(this: &ThisDevice) -> String {
    match (this.id.is_empty(), this.incarnation) {
        (true, _) => "not opened yet".to_owned(),
        (false, 0 | 1) => this.id.clone(),
        (false, times) => format!("{}, set up {times} times", this.id),
    }
}

/// A device that was heard of so much earlier than the last one is listed apart.
const SILENT_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// Devices with when each was heard of, in milliseconds: the last first, and apart those that were not for long when it was, because
/// nobody counts every browser they ever used.
fn by_when_heard_of(mut devices: Vec<(Key, i64)>) -> (Vec<Key>, Vec<Key>) {
    devices.sort_by_key(|(_, heard_ms)| Reverse(*heard_ms));
    let since_ms = devices.first().map_or(0, |(_, last_ms)| last_ms.saturating_sub(SILENT_MS));
    let silent = devices.partition_point(|(_, heard_ms)| *heard_ms >= since_ms);
    let keys = |devices: Vec<(Key, i64)>| devices.into_iter().map(|(key, _)| key).collect();
    let silent = keys(devices.split_off(silent));
    (keys(devices), silent)
}

#[component]
fn Devices() -> impl IntoView {
    let records = use_records();
    let this = records.this_device();
    let viewer = records.viewer();
    let all = records.of_kind(Kind::Device);
    let heard = move |key: Key| {
        records.get(key).with(|record| record.as_deref().and_then(|record| DeviceView(record).seen()).unwrap_or(0))
    };
    let devices = Memo::new(move |_| {
        let me = viewer.with(|viewer| viewer.as_ref().map(|viewer| viewer.member.into()));
        let mine = |key: &&Key| {
            records.get(**key).with(|record| record.as_deref().and_then(|record| DeviceView(record).member()) == me)
        };
        by_when_heard_of(all.with(|all| all.iter().filter(mine).map(|key| (*key, heard(*key))).collect()))
    });
    let list = |id: &'static str, label: &'static str, keys: Memo<Vec<Key>>| {
        let row = |key: Key| view! { <DeviceRow key/> }.into_any();
        long_records((id, "rows", label), Kind::Device, move || keys.get(), row)
    };
    // By their places, because there are as many as projects and each changes all the time.
    let scopes = move || this.with(|this| (0..).zip(&this.tidemarks).map(|(nth, _)| nth).collect());
    let scope = move |nth: u128| {
        let says = move || {
            let nth = usize::try_from(nth).ok()?;
            let (scope, seen) = this.with(|this| this.tidemarks.get(nth).copied())?;
            let seen = format::whole(i64::try_from(seen).unwrap_or(i64::MAX));
            Some(format!("{}: change {seen}", scope_in_words(records, scope)))
        };
        view! { <li>{says}</li> }.into_any()
    };
    let heard_of = Memo::new(move |_| devices.with(|(heard_of, _)| heard_of.clone()));
    let silent = Memo::new(move |_| devices.with(|(_, silent)| silent.clone()));
    let silent_ones =
        move || format::count(i64::try_from(silent.with(Vec::len)).unwrap_or(i64::MAX), "device", "devices");
    view! {
        <section aria-labelledby="device-title">
            <h2 id="device-title">"This device"</h2>
            <dl class="facts">
                <dt>"Signed in as"</dt>
                <dd>{move || viewer.with(|viewer| viewer.as_ref().map(|viewer| format!("{}, {}", viewer.name, viewer.email)))}</dd>
                <dt>"Device"</dt>
                <dd>{move || this.with(device_in_words)}</dd>
                <dt>"This tab"</dt>
                <dd>{move || this.with(|this| match this.role {
                    TabRole::Leads => "talks to the server for every tab of this browser",
                    TabRole::Follows => "lets another tab talk to the server",
                })}</dd>
            </dl>
            <details class="keys quiet-text">
                <summary>"How far this device has seen"</summary>
                {long_list(("tidemark-list", "", "How far this device has seen"), scopes, scope)}
            </details>
            <Show when=move || heard_of.with(|heard_of| !heard_of.is_empty())>
                <h3>"Your devices"</h3>
                {list("device-list", "Your devices", heard_of)}
                <Show when=move || silent.with(|silent| !silent.is_empty())>
                    <details class="keys quiet-text">
                        <summary>{move || format!("{} silent for a month or longer", silent_ones())}</summary>
                        {list("silent-device-list", "Your silent devices", silent)}
                    </details>
                </Show>
            </Show>
            <div class="actions"><SignOut/></div>
        </section>
    }
    .into_any()
}

#[component]
fn DeviceRow(key: Key) -> impl IntoView {
    let record = use_records().get(key);
    let facts = move || {
        record.with(|record| {
            let device = DeviceView(record.as_deref()?);
            let seen = device.seen().map(format::instant).unwrap_or_else(|| "never".to_owned());
            Some(format!("last heard of {seen}"))
        })
    };
    let name = use_records().title(key);
    let this = use_records().this_device();
    let here = move || this.with(|this| this.id == key.id.to_string()).then_some(" (this device)");
    view! {
        <li class="row">
            <div class="row-main"><p>{move || name.get()} {here}</p><p class="quiet-text">{facts}</p></div>
        </li>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::RecordId;

    #[test]
    fn devices_silent_for_a_month_stand_apart() {
        let key = |nth: u128| Key::new(Kind::Device, RecordId(Uuid::from_u128(nth)));
        assert_eq!(by_when_heard_of(Vec::new()), (Vec::new(), Vec::new()));
        let last_ms = 100 * SILENT_MS;
        let devices =
            vec![(key(1), last_ms - SILENT_MS - 1), (key(2), last_ms), (key(3), 0), (key(4), last_ms - SILENT_MS)];
        assert_eq!(by_when_heard_of(devices), (vec![key(2), key(4)], vec![key(1), key(3)]));
        // All of somebody who was away for a year: the last one counts.
        assert_eq!(by_when_heard_of(vec![(key(1), 5), (key(2), 7)]), (vec![key(2), key(1)], Vec::new()));
    }
}
