//! What people did last, told as they would tell it: who did what to which record, and when. The change log is on the server, so
//! this asks it whenever a record changes; without a connection it shows what was heard last, and this person's own waiting edits.

use crate::api::review::{ACTIVITY_KINDS, Deed};
use crate::app::components::ago::{ServerTime, ago};
use crate::app::components::live::{live, rows, words};
use crate::app::dashboard::asking::{Came, Want, keep_asking};
use crate::app::dashboard::widgets::ROWS_MAX;
use crate::app::deeds::{Did, doer, name_of};
use crate::app::projects::project_title;
use crate::app::records::{Link, Records, use_records};
use crate::model::catalog::Kind;
use crate::model::record::Key;
use crate::model::scope::Scope;
use crate::sync::op::Op;
use leptos::prelude::*;
use std::sync::Arc;

/// Waiting edits listed above what was heard; the sync centre has all of them.
const WAITING_ROWS_MAX: usize = 4;

/// The widget.
#[component]
pub fn RecentActivity() -> impl IntoView {
    let records = use_records();
    let heard = records.activity();
    let pending = records.pending();
    let recent = records.recent();
    let status = records.status();
    let apart = Memo::new(move |_| status.with(|status| !matches!(status.link, Link::Live | Link::Joining)));
    keep_up(records, apart);
    let now = ServerTime::new(move || heard.with(|heard| heard.as_ref().map_or(0, |heard| heard.now_ms)));
    let each = move || {
        let mut ids: Vec<u128> = Vec::new();
        if apart.get() {
            pending.with(|pending| {
                let told = pending.iter().rev().filter(|pending| ACTIVITY_KINDS.contains(&pending.op.kind));
                ids.extend(told.take(WAITING_ROWS_MAX).map(|pending| pending.op.id.0.as_u128()));
            });
        }
        heard.with(|heard| match heard {
            Some(heard) => ids.extend(heard.deeds.iter().take(ROWS_MAX).map(|deed| u128::from(deed.entry.seq))),
            None => ids.extend(recent.get().iter().take(ROWS_MAX).map(|key| key.id.0.as_u128())),
        });
        ids
    };
    let row = move |id: u128| {
        let waiting = || {
            let pending = pending.get_untracked();
            pending.iter().find(|pending| pending.op.id.0.as_u128() == id).map(|pending| Arc::clone(&pending.op))
        };
        let deed = || {
            let heard = heard.get_untracked()?;
            heard.deeds.iter().find(|deed| u128::from(deed.entry.seq) == id).cloned()
        };
        let changed = || recent.get_untracked().iter().copied().find(|key| key.id.0.as_u128() == id);
        if let Some(op) = waiting() {
            waiting_line(records, op)
        } else if let Some(deed) = deed() {
            deed_line(records, Arc::new(deed), now)
        } else if let Some(key) = changed() {
            changed_line(records, key)
        } else {
            ().into_any()
        }
    };
    let note = move || match (heard.with(|heard| heard.as_ref().map(|heard| heard.deeds.is_empty())), apart.get()) {
        (None, true) => "Who changed these, and how, is known once there is a connection.",
        (Some(_), true) => "What others did is as it was when there last was a connection.",
        (Some(true), false) => "Nothing has happened yet.",
        (_, false) => "",
    };
    view! {
        <ul>{rows(each, row)}</ul>
        <p class="quiet-text">{words(move || note().to_owned())}</p>
    }
    .into_any()
}

/// Asks what people did whenever a record has changed, and when the connection is back.
fn keep_up(records: Records, apart: Memo<bool>) {
    let (stirred, ready) = (records.stirred(), records.ready());
    // What the page was drawn from is not asked for again.
    let drawn = stirred.get_untracked();
    let want = move || {
        let (stirred, ready) = (stirred.get(), ready.get());
        match (apart.get() || !ready, records.activity().with_untracked(Option::is_some)) {
            (true, _) => Want::Not,
            (false, true) if stirred == drawn => Want::Not,
            (false, true) => Want::Soon,
            (false, false) => Want::Now,
        }
    };
    let ask = move |came: Box<dyn FnOnce(Came)>| {
        let (Some(device), Some(member)) = (records.device(), records.viewer_id()) else { return came(Came::Done) };
        device.look_back(Box::new(move |answer| {
            let what = Came::of(&answer);
            // Without an answer the header says what is wrong, and what was heard stays.
            if let Ok(activity) = answer {
                records.set_activity(member, activity);
            }
            came(what);
        }));
    };
    keep_asking(Arc::new(want), Arc::new(ask));
}

/// One thing somebody did.
fn deed_line(records: Records, deed: Arc<Deed>, now: ServerTime) -> AnyView {
    let (about, scope, at_ms) = (deed.about, deed.entry.scope, deed.entry.at_ms);
    let sentence = move || {
        let Deed { entry, before, title, .. } = &*deed;
        let name = match records.get(about).with(Option::is_some) {
            true => records.title(about).get(),
            false if title.is_empty() => about.kind.spec().label.to_ascii_lowercase(),
            false => title.clone(),
        };
        let did = Did::by_entry(records, entry, *before).around(entry.kind);
        sentence(records, doer(records, entry.by), did, about, name)
    };
    view! {
        <li class="deed">
            <p>{live(sentence)}</p>
            <p class="quiet-text">{ago(at_ms, now)}{words(move || place(records, about, scope))}</p>
        </li>
    }
    .into_any()
}

/// Something the viewer did that the server does not know of yet.
fn waiting_line(records: Records, op: Arc<Op>) -> AnyView {
    let key = op.key();
    let sentence = move || {
        let above = match key.kind {
            Kind::Comment | Kind::TimeLog => records.get(key).get().and_then(|record| record.parent()),
            _ => None,
        };
        let name = match above {
            Some(task) => records.title(task).get(),
            None => name_of(records, &op, []),
        };
        let did = Did::by_op(records, &op).around(op.kind);
        sentence(records, "You".to_owned(), did, above.unwrap_or(key), name)
    };
    view! {
        <li class="deed">
            <p>{live(sentence)}</p>
            <p class="quiet-text">"On this device, not sent yet"</p>
        </li>
    }
    .into_any()
}

/// A record that changed, as far as this device can tell by itself.
fn changed_line(records: Records, key: Key) -> AnyView {
    let sentence = move || {
        let says = (format!("{} changed", key.kind.spec().label), String::new());
        sentence(records, String::new(), says, key, records.title(key).get())
    };
    view! { <li class="deed"><p>{live(sentence)}</p></li> }.into_any()
}

/// Who did what, around the name of the record, which leads to it where it is here.
fn sentence(records: Records, who: String, (before, after): (String, String), about: Key, name: String) -> AnyView {
    let name = match records.link(about) {
        Some(href) => view! { <a class="deed-name" href=href>{name}</a> }.into_any(),
        None => view! { <span class="deed-name">{name}</span> }.into_any(),
    };
    view! { <strong>{who}</strong> {format!(" {before} ")} {name} {after} }.into_any()
}

/// In which project, after what stands before it.
fn place(records: Records, about: Key, scope: Scope) -> String {
    let project = project_title(records, scope).filter(|_| about.kind != Kind::Project);
    project.map(|(_, title)| format!(" · {title}")).unwrap_or_default()
}
