//! What a member was told: newest first, marked as read by themselves.

use crate::app::components::absent::NoneHere;
use crate::app::components::long::long_records;
use crate::app::deeds::value_in_words;
use crate::app::format;
use crate::app::frame::Empty;
use crate::app::records::{Draft, Records, use_records};
use crate::model::catalog::Kind;
use crate::model::choice::{ConflictClass, NotificationSort};
use crate::model::kinds::{Conflict, Notification};
use crate::model::record::{Key, Record};
use crate::model::scope::Scope;
use crate::model::value::Value;
use leptos::prelude::*;
use leptos_meta::Title;
use std::collections::BTreeMap;

/// Every notification of whoever looks.
#[component]
pub fn NotificationsPage() -> impl IntoView {
    let records = use_records();
    let all = records.of_kind(Kind::Notification);
    let none = Memo::new(move |_| all.with(|all| all.is_empty()));
    let known = match records.viewer_id() {
        Some(member) => records.complete(Scope::Personal(member)),
        None => Signal::stored(false),
    };
    let read_all = move |_| {
        let drafts = all
            .get_untracked()
            .iter()
            .filter(|key| records.peek(**key).is_some_and(|record| !record.yes("read")))
            .map(|key| Draft::set(*key, "read", true))
            .collect();
        records.act_or_tell(drafts);
    };
    view! {
        <Title text="Notifications"/>
        <div class="page-head">
            <h1>"Notifications"</h1>
            <Show when=move || !none.get()>
                <button type="button" class="button" on:click=read_all>"Mark all as read"</button>
            </Show>
        </div>
        <Show
            when=move || !none.get()
            fallback=move || view! {
                <NoneHere known>
                    <Empty says="Nothing yet. You are told here when a task becomes yours, when somebody comments, and when an edit of yours meets another."/>
                </NoneHere>
            }
        >
            // Ids sort by time, so the last is the newest.
            {long_records(
                ("notifications", "rows", "Notifications"),
                Kind::Notification,
                move || all.get().iter().rev().copied().collect(),
                |key| view! { <NotificationRow key/> }.into_any(),
            )}
        </Show>
    }
    .into_any()
}

#[component]
fn NotificationRow(key: Key) -> impl IntoView {
    let records = use_records();
    let record = records.get(key);
    let says = Memo::new(move |_| {
        record.with(|record| record.as_deref().map(|record| Notification(record).says().to_owned()).unwrap_or_default())
    });
    let at = move || {
        record.with(|record| record.as_deref().and_then(|record| Notification(record).at()).map(format::instant))
    };
    let sort = move || {
        record.with(|record| record.as_deref().and_then(|record| Notification(record).sort()).map(|sort| sort.label()))
    };
    let unread = move || record.with(|record| record.as_deref().is_some_and(|record| !Notification(record).read()));
    let conflicts = records.quiet_conflicts();
    // Followed apart from what else changes: a link that is clicked stays the same one when that makes it read.
    let href = Memo::new(move |_| {
        let record = record.get()?;
        let notification = Notification(&record);
        let of = Key::new(Kind::from_name(notification.of_kind())?, notification.of().parse().ok()?);
        // A value that was replaced is restored where it is kept.
        let kept = conflicts.with(|conflicts| kept_in(records, conflicts, &notification));
        records.link(kept.unwrap_or(of))
    });
    let read = move || records.act_or_tell(vec![Draft::set(key, "read", true)]);
    view! {
        <li class="row">
            <div class="row-main">
                <p class="quiet-text">{sort} " · " {at} {move || unread().then_some(" · new")}</p>
                {move || match href.get() {
                    Some(href) => view! { <a class="row-link" href=href on:click=move |_| read()>{move || says.get()}</a> }.into_any(),
                    None => view! { <p>{move || says.get()}</p> }.into_any(),
                }}
                {move || record.get().map(|record| kept_in_words(records, &record))}
            </div>
            <Show when=unread>
                <button type="button" class="button quiet" aria-label=move || format!("Mark as read: {}", says.get()) on:click=move |_| read()>"Mark as read"</button>
            </Show>
        </li>
    }
    .into_any()
}

/// The conflict that keeps the value of whoever looks that a notification says was replaced, if it is here: the last one
/// before that was said.
fn kept_in(records: Records, conflicts: &[Key], notification: &Notification<'_>) -> Option<Key> {
    let keeps_itself = !notification.kept().as_list().is_empty();
    if notification.sort() != Some(NotificationSort::Superseded) || keeps_itself {
        return None;
    }
    let me = records.viewer_id().map(Into::into);
    let replaced_at = |key: &Key| {
        let record = records.peek(*key)?;
        let conflict = Conflict(&record);
        let meant = conflict.class() == Some(ConflictClass::Superseded)
            && conflict.of() == notification.of()
            && conflict.mine_by() == me
            && conflict.theirs_by() == notification.by()
            && conflict.theirs_at() <= notification.at();
        meant.then(|| (conflict.theirs_at(), *key))
    };
    conflicts.iter().filter_map(replaced_at).max().map(|(_, key)| key)
}

/// What the notification keeps for its member alone: a line for each field.
fn kept_in_words(records: Records, record: &Record) -> Vec<AnyView> {
    let notification = Notification(record);
    let of = Kind::from_name(notification.of_kind());
    let line = |part: &BTreeMap<String, Value>| {
        let text = |name: &str| part.get(name).and_then(Value::as_text).unwrap_or_default().to_owned();
        let spec = of.and_then(|kind| kind.spec().field(&text("name")));
        let value = value_in_words(records, spec, part.get("mine").unwrap_or(&Value::Null));
        view! { <p>{text("label")} ": " {value}</p> }.into_any()
    };
    notification.kept().as_list().iter().filter_map(Value::as_map).map(line).collect()
}
