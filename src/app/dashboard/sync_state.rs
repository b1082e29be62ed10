//! How the workspace's devices agree: what keeps this one from being up to date, which others there are and who is connected now,
//! and, for those who govern, how many edits of removed members wait for an owner.

use crate::api::workspace::Presence;
use crate::app::components::ago::{ServerTime, ago};
use crate::app::components::live::{live, rows, words};
use crate::app::components::people::member_name;
use crate::app::dashboard::asking::{Came, Want, keep_asking};
use crate::app::dom;
use crate::app::format;
use crate::app::records::{Link, Records, use_records};
use crate::model::catalog::Kind;
use crate::model::id::{DeviceId, RecordId};
use crate::model::kinds::{Device as DeviceView, Member};
use crate::model::record::Key;
use leptos::prelude::*;
use std::cmp::Reverse;
use std::sync::Arc;
use uuid::Uuid;

/// Devices listed: those that are connected or were last, few enough for a phone.
const DEVICES_SHOWN_MAX: usize = 4;
/// How often it is asked who is there, milliseconds: people come and go in minutes.
const LOOK_EVERY_MS: u64 = 30_000;

/// What the server said last of who is there, followed; nothing while there is no connection.
#[derive(Clone, Copy)]
struct There {
    presence: StoredValue<Option<Presence>>,
    told: RwSignal<u64>,
}

impl There {
    fn with<T>(self, read: impl FnOnce(Option<&Presence>) -> T) -> T {
        self.told.track();
        self.presence.with_value(|presence| read(presence.as_ref()))
    }

    fn set(self, presence: Option<Presence>) {
        // Nobody looks any more where this has gone.
        if self.presence.try_set_value(presence).is_none() {
            self.told.try_update(|times| *times += 1);
        }
    }
}

/// The widget.
#[component]
pub fn SyncState() -> impl IntoView {
    let records = use_records();
    let there = There { presence: StoredValue::new(None), told: RwSignal::new(0) };
    follow(records, there);
    view! {
        {live(move || this_device(records))}
        <OtherDevices there/>
        {live(move || held(there))}
        <p class="quiet-text"><a href="/sync">"Open the sync centre"</a></p>
    }
    .into_any()
}

/// Asks who is there: at first, every now and then, and whenever a device is heard of or the connection comes back.
fn follow(records: Records, there: There) {
    let status = records.status();
    let live = Memo::new(move |_| status.with(|status| status.link == Link::Live));
    let devices = records.of_kind(Kind::Device);
    let turn = RwSignal::new(0_u64);
    dom::every(LOOK_EVERY_MS, move || {
        turn.try_update(|turn| *turn += 1);
    });
    let want = move || {
        turn.track();
        devices.track();
        match (live.get(), there.presence.with_value(Option::is_some)) {
            (true, true) => Want::Soon,
            (true, false) => Want::Now,
            (false, known) => {
                if known {
                    there.set(None);
                }
                Want::Not
            }
        }
    };
    let ask = move |came: Box<dyn FnOnce(Came)>| {
        let Some(device) = records.device() else { return came(Came::Done) };
        device.look_around(Box::new(move |answer| {
            let what = Came::of(&answer);
            // Without an answer the next turn asks again.
            if let Ok(presence) = answer
                && live.try_get_untracked() == Some(true)
            {
                there.set(Some(presence));
            }
            came(what);
        }));
    };
    keep_asking(Arc::new(want), Arc::new(ask));
}

/// This device's status and what is missing, in words.
fn this_device(records: Records) -> AnyView {
    let status = records.status().get();
    let missing: Vec<String> = match status.up_to_date() {
        true => vec!["It has everything the workspace has, and the workspace everything of it.".to_owned()],
        false => status.missing.iter().map(ToString::to_string).collect(),
    };
    let missing: Vec<AnyView> = missing.into_iter().map(|says| view! { <li>{says}</li> }.into_any()).collect();
    view! {
        <p><strong>"This device: "</strong>{status.to_string()}</p>
        <ul class="quiet-text">{missing}</ul>
    }
    .into_any()
}

/// Another device, as the list is ordered: connected ones first, then those heard of last.
type Ordered = (Reverse<bool>, Reverse<i64>, u128);

#[component]
fn OtherDevices(there: There) -> impl IntoView {
    let records = use_records();
    let this = records.this_device();
    let all = records.of_kind(Kind::Device);
    let now = ServerTime::new(move || there.with(|there| there.map_or(0, |there| there.now_ms)));
    let others = move || {
        let here = this.with(|this| this.id.clone());
        let mut others: Vec<Ordered> = all
            .get()
            .iter()
            .filter(|key| key.id.to_string() != here)
            .filter_map(|key| {
                let record = records.get(*key).get()?;
                let device = DeviceView(&record);
                let member = records.get(Key::new(Kind::Member, device.member()?)).get()?;
                let order = (Reverse(connected(there, *key)), Reverse(device.seen().unwrap_or(0)), key.id.0.as_u128());
                Member(&member).active().then_some(order)
            })
            .collect();
        others.sort_unstable();
        others
    };
    let summary = move || {
        let connected = others().iter().filter(|(Reverse(connected), ..)| *connected).count();
        match (there.with(|there| there.is_some()), connected) {
            (false, _) => "Who else is connected is not known without a connection.".to_owned(),
            (true, 0) => "No other device is connected now.".to_owned(),
            (true, 1) => "One other device is connected now.".to_owned(),
            (true, many) => format!("{many} other devices are connected now."),
        }
    };
    let more = move || match others().len().saturating_sub(DEVICES_SHOWN_MAX) {
        0 => String::new(),
        more => format!("and {} more", format::whole(i64::try_from(more).unwrap_or(i64::MAX))),
    };
    let each = move || others().into_iter().take(DEVICES_SHOWN_MAX).map(|(.., id)| id).collect();
    view! {
        <p class="devices-summary">{words(summary)}</p>
        <ul class="devices">{rows(each, move |id| device_line(records, there, now, id))}</ul>
        <p class="quiet-text">{words(more)}</p>
    }
    .into_any()
}

/// Whether the server has a live channel with this device.
fn connected(there: There, device: Key) -> bool {
    there.with(|there| there.is_some_and(|there| there.connected.contains(&DeviceId(device.id.0))))
}

fn device_line(records: Records, there: There, now: ServerTime, id: u128) -> AnyView {
    let key = Key::new(Kind::Device, RecordId(Uuid::from_u128(id)));
    let whose = move || member_name(records, records.get(key).get().and_then(|record| DeviceView(&record).member()));
    let state = move || {
        let seen = records.get(key).get().and_then(|record| DeviceView(&record).seen());
        match (connected(there, key), seen) {
            (true, _) => view! { <span class="connected">"connected"</span> }.into_any(),
            (false, None) => "not heard of yet".into_any(),
            (false, Some(at_ms)) => ago(at_ms, now),
        }
    };
    view! {
        <li class="device">
            <span>{words(whose)} <span class="quiet-text">" · " {words(move || records.title(key).get())}</span></span>
            <span class="quiet-text">{live(state)}</span>
        </li>
    }
    .into_any()
}

/// How many edits of removed members wait, for those who may know.
fn held(there: There) -> AnyView {
    let held = there.with(|there| there.and_then(|there| there.held)).unwrap_or(0);
    if held == 0 {
        return ().into_any();
    }
    let held = i64::try_from(held).unwrap_or(i64::MAX);
    let held = format::count(held, "edit of a removed member waits", "edits of removed members wait");
    view! { <p><a href="/members">{format!("{held} for an owner to review")}</a></p> }.into_any()
}
