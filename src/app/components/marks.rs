//! Where something stands: on this device or on the server, how far along, how urgent.

use crate::app::records::{FieldState, Waiting, use_records};
use crate::model::choice::{Priority, Status};
use crate::model::record::Key;
use leptos::prelude::*;

/// Whether a record is on the server yet.
#[component]
pub fn RecordMark(
    /// Of which record.
    key: Key,
) -> impl IntoView {
    let waiting = use_records().waiting(key);
    let state = Memo::new(move |_| match waiting.get() {
        Waiting::Nothing => FieldState::OnTheServer,
        _ => FieldState::OnThisDevice,
    });
    view! { <StateMark state=state.into()/> }
}

/// Whether one field of a record is on the server yet.
#[component]
pub fn FieldMark(
    /// Of which record.
    key: Key,
    /// Which field.
    field: &'static str,
) -> impl IntoView {
    let state = use_records().field_state(key, field);
    view! { <StateMark state/> }
}

#[component]
fn StateMark(state: Signal<FieldState>) -> impl IntoView {
    view! {
        <span
            class="state-mark"
            data-state=move || match state.get() {
                FieldState::OnThisDevice => "device",
                FieldState::OnTheServer => "server",
            }
            title=move || state.get().says()
        >
            <span class="sr-only">{move || state.get().says()}</span>
        </span>
    }
    .into_any()
}

/// A bar with its figure.
#[component]
pub fn Progress(
    /// What it measures, for those who do not see the bar.
    #[prop(into)]
    of: Signal<String>,
    /// Percent.
    #[prop(into)]
    percent: Signal<i64>,
) -> impl IntoView {
    view! {
        <span class="progress">
            <progress max="100" value=move || percent.get().to_string() aria-label=move || format!("Progress of {}", of.get())></progress>
            <span class="progress-figure" aria-hidden="true">{move || format!("{} %", percent.get())}</span>
        </span>
    }
    .into_any()
}

/// The shape of a status, so that it is never told by a colour alone.
pub fn shape(status: Status) -> &'static str {
    match status {
        Status::NotStarted => "○",
        Status::InProgress => "◐",
        Status::Blocked => "⊘",
        Status::Done => "●",
    }
}

/// How urgent a task is; nothing for the ordinary.
#[component]
pub fn PriorityMark(
    /// How urgent it is.
    #[prop(into)]
    priority: Signal<Option<Priority>>,
) -> impl IntoView {
    move || {
        let priority = priority.get()?;
        (priority != Priority::Normal).then(|| {
            view! { <span class="priority-mark" data-priority=priority.name()>{priority.label()}</span> }
        })
    }
}
