//! Everything about one record of a project, beside its tree: every field with where it stands, and for a task its comments,
//! its time and its history.

use crate::app::components::absent::Arriving;
use crate::app::components::editors::{FieldEditor, in_words};
use crate::app::components::marks::RecordMark;
use crate::app::frame::lasting;
use crate::app::project::NotHere;
use crate::app::project::comments::Comments;
use crate::app::project::history::History;
use crate::app::project::time_log::TimeLog;
use crate::app::records::{Draft, title_of, use_records};
use crate::model::catalog::{FieldSpec, FieldType, Guard, Kind};
use crate::model::kinds::Task;
use crate::model::record::{Key, Record};
use crate::model::scope::Scope;
use crate::model::value::Name;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;

/// The panel of the task in the address.
#[component]
pub fn TaskPanel() -> impl IntoView {
    view! { <PanelFor kind=Kind::Task/> }
}

/// The panel of the step in the address.
#[component]
pub fn StepPanel() -> impl IntoView {
    view! { <PanelFor kind=Kind::Step/> }
}

/// The panel of the phase in the address.
#[component]
pub fn PhasePanel() -> impl IntoView {
    view! { <PanelFor kind=Kind::Phase/> }
}

/// The panel of the project itself.
#[component]
pub fn ProjectPanel() -> impl IntoView {
    view! { <PanelFor kind=Kind::Project/> }
}

#[component]
fn PanelFor(kind: Kind) -> impl IntoView {
    let params = use_params_map();
    let project = Memo::new(move |_| params.with(|params| params.get_str("project").and_then(|id| id.parse().ok())));
    let record = Memo::new(move |_| {
        let name = if kind == Kind::Project { "project" } else { "record" };
        params.with(|params| params.get_str(name).and_then(|id| id.parse().ok()))
    });
    move || match (project.get(), record.get()) {
        (Some(project), Some(id)) => {
            view! { <Panel project=Key::new(Kind::Project, project) key=Key::new(kind, id)/> }.into_any()
        }
        _ => view! { <NotHere what="page"/> }.into_any(),
    }
}

/// Fields a person edits in a panel: not those the server writes, nor those a tree or a list sets.
fn edited(key: Key) -> impl Iterator<Item = &'static FieldSpec> {
    key.kind.spec().fields.iter().filter(|field| {
        !field.derived
            && !field.fixed
            && !matches!(field.ty, FieldType::Rank | FieldType::Data { .. } | FieldType::Number)
    })
}

#[component]
fn Panel(project: Key, key: Key) -> impl IntoView {
    let records = use_records();
    let record = records.get(key);
    let known = Memo::new(move |_| record.with(Option::is_some));
    let complete = records.complete(Scope::Project(project.id));
    let title = records.title(key);
    let back = format!("/project/{}", project.id);
    let label = key.kind.spec().label;
    view! {
        <Title text=lasting(title)/>
        <aside class="panel" aria-label=format!("{label} details")>
            <div class="panel-head">
                <p class="panel-kind">
                    {label}
                    {(key.kind == Kind::Task).then(|| view! {
                        <span class="number">{move || record.with(|record| record.as_deref().map(number))}</span>
                    })}
                    <Show when=move || known.get()><RecordMark key/></Show>
                </p>
                <a class="icon-button" href=back aria-label="Close the panel">"×"</a>
            </div>
            <Show
                when=move || known.get()
                fallback=move || view! {
                    <Show when=move || complete.get() fallback=|| view! { <Arriving/> }>
                        <NotHere what="record" record=(key, Scope::Project(project.id))/>
                    </Show>
                }
            >
                <h2 class="panel-title">{move || title.get()}</h2>
                <Commands key/>
                <div class="fields">
                    {edited(key).map(|spec| view! { <FieldEditor key spec/> }).collect_view()}
                </div>
                {(key.kind == Kind::Task).then(|| view! {
                    <Comments task=key/>
                    <TimeLog task=key/>
                })}
                <History key/>
            </Show>
        </aside>
    }
    .into_any()
}

/// `TASK-142`, or that the server has not numbered it yet.
fn number(record: &Record) -> String {
    Task(record).number().map_or_else(|| "not numbered yet".to_owned(), |number| format!("TASK-{number}"))
}

/// The guarded commands of a kind: offered while their precondition holds.
#[component]
fn Commands(key: Key) -> impl IntoView {
    let records = use_records();
    let record = records.get(key);
    let locked = records.locked(key);
    let commands = key.kind.spec().commands;
    let holds = move |when: &'static [Guard]| {
        record.with(|record| {
            record.as_deref().is_some_and(|record| {
                when.iter().all(|guard| match guard {
                    Guard::Is { field, choice } => record.text(field) == *choice,
                    Guard::IsNot { field, choice } => record.text(field) != *choice,
                    Guard::Equal { left, right } => record.int(left).unwrap_or(0) == record.int(right).unwrap_or(0),
                })
            })
        })
    };
    view! {
        <div class="actions">
            {commands.iter().map(|command| view! {
                <Show when=move || !locked.get() && holds(command.when)>
                    <button type="button" class="button" on:click=move |_| {
                        match records.act(vec![Draft::Command { key, name: Name::new(command.name) }]) {
                            Ok(()) => {
                                let title = records.peek(key).map(|record| title_of(&record)).unwrap_or_default();
                                records.tell(format!("{}: “{title}”.", command.label), None);
                            }
                            Err(reasons) => records.tell(in_words(reasons), None),
                        }
                    }>{command.label}</button>
                </Show>
            }).collect_view()}
        </div>
    }
    .into_any()
}
