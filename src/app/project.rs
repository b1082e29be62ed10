//! One project: its head, its tree, and beside it the panel of whatever is open.

pub mod comments;
pub mod history;
pub mod panel;
pub mod time_log;
pub mod tree;

use crate::app::components::absent::Arriving;
use crate::app::components::editors::in_words;
use crate::app::components::marks::{Progress, RecordMark};
use crate::app::format;
use crate::app::frame::lasting;
use crate::app::records::{Draft, Link, Records, use_records};
use crate::model::catalog::Kind;
use crate::model::choice::ProjectState;
use crate::model::kinds::Project;
use crate::model::record::Key;
use crate::model::scope::Scope;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::Outlet;
use leptos_router::hooks::{use_location, use_params_map};
use tree::Tree;

/// The page of the project in the address.
#[component]
pub fn ProjectPage() -> impl IntoView {
    let params = use_params_map();
    let project = Memo::new(move |_| params.with(|params| params.get_str("project").and_then(|id| id.parse().ok())));
    move || match project.get() {
        Some(id) => view! { <OneProject project=Key::new(Kind::Project, id)/> }.into_any(),
        None => view! { <NotHere what="project"/> }.into_any(),
    }
}

#[component]
fn OneProject(project: Key) -> impl IntoView {
    let records = use_records();
    let here = records.get(project);
    let known = Memo::new(move |_| here.with(Option::is_some));
    let complete = records.complete(Scope::Project(project.id));
    let (others_complete, status) = (records.complete(Scope::Workspace), records.status());
    // A device that is live has every scope it may see: what it does not know then, nobody will send.
    let missing = Memo::new(move |_| {
        complete.get() || (others_complete.get() && status.with(|status| status.link == Link::Live))
    });
    let path = use_location().pathname;
    let panel_open = Memo::new(move |_| path.with(|path| path.split('/').filter(|part| !part.is_empty()).count() > 2));
    open_when_ready(records, Scope::Project(project.id));
    let title = records.title(project);
    view! {
        <Title text=lasting(title)/>
        <Show
            when=move || known.get()
            fallback=move || view! {
                <Show when=move || missing.get() fallback=|| view! { <Arriving/> }>
                    <NotHere what="project" record=(project, Scope::Workspace)/>
                </Show>
            }
        >
            <div class="project" data-panel=move || if panel_open.get() { "open" } else { "closed" }>
                <section class="project-main" aria-label="Project">
                    <ProjectHead project/>
                    <Tree project/>
                </section>
                <Outlet/>
            </div>
        </Show>
    }
    .into_any()
}

/// Asks the device for a scope as soon as there is a device.
fn open_when_ready(records: Records, scope: Scope) {
    let ready = records.ready();
    Effect::new(move || {
        if ready.get()
            && let Some(device) = records.device()
        {
            device.open(scope);
        }
    });
}

#[component]
fn ProjectHead(project: Key) -> impl IntoView {
    let records = use_records();
    let record = records.get(project);
    let title = records.title(project);
    let percent =
        move || record.with(|record| record.as_deref().and_then(|record| Project(record).progress()).unwrap_or(0));
    let facts = move || {
        record.with(|record| {
            let Some(record) = record.as_deref() else { return String::new() };
            let project = Project(record);
            let mut facts = vec![
                project.state().unwrap_or(ProjectState::Active).label().to_owned(),
                format!(
                    "{} of {} done",
                    format::whole(project.tasks_done().unwrap_or(0)),
                    format::count(project.tasks_total().unwrap_or(0), "task", "tasks")
                ),
            ];
            if !project.due().is_empty() {
                facts.push(format!("due {}", format::date(project.due())));
            }
            facts.join(" · ")
        })
    };
    view! {
        <header class="project-head">
            <div class="project-title">
                <h1>{move || title.get()}</h1>
                <RecordMark key=project/>
                <a class="button quiet" href=format!("/project/{}/details", project.id)>"Project details"</a>
            </div>
            <div class="project-facts">
                <Progress of=title percent=Signal::derive(percent)/>
                <span class="quiet-text">{facts}</span>
            </div>
        </header>
    }
    .into_any()
}

/// Something that is not on this device, and may not exist.
#[component]
pub fn NotHere(
    /// What is missing, in a word.
    what: &'static str,
    /// Which record, and in which scope it was: whoever may write there can bring it back.
    #[prop(optional)]
    record: Option<(Key, Scope)>,
) -> impl IntoView {
    let says = format!("This {what} is not here");
    let list = match what {
        "project" => Some("/projects"),
        "note" => Some("/notes"),
        _ => None,
    };
    view! {
        <Title text=lasting(Signal::stored(says.clone()))/>
        <div class="empty">
            <h1>{says}</h1>
            <p>
                "It was deleted, or you cannot see it. What was deleted can be brought back for a while. An edit of yours that met the deletion is among the "
                <a href="/conflicts">"conflicts"</a> "; one that was refused is in the " <a href="/sync">"sync centre"</a> "."
            </p>
            {record.map(|(key, scope)| view! { <BringBack key scope/> })}
            {list.map(|list| view! { <p><a class="button" href=list>{format!("All {what}s")}</a></p> })}
        </div>
    }
    .into_any()
}

#[component]
fn BringBack(key: Key, scope: Scope) -> impl IntoView {
    let records = use_records();
    let may = records.may_make(key.kind, scope);
    let asked = RwSignal::new(false);
    view! {
        <Show when=move || may.get() && !asked.get()>
            <p>
                <button type="button" class="button" on:click=move |_| {
                    match records.act(vec![Draft::Restore { key }]) {
                        Ok(()) => asked.set(true),
                        Err(reasons) => records.tell(in_words(reasons), None),
                    }
                }>"Bring it back"</button>
            </p>
        </Show>
        <p class="quiet-text" role="status">
            {move || asked.get().then_some("It comes back once the server has answered. If it cannot, the sync centre says why.")}
        </p>
    }
    .into_any()
}

/// That one may look, and whom to ask for more; nothing for whoever may write.
#[component]
pub fn LookOnly(
    /// Whether what is shown is locked.
    locked: Signal<bool>,
) -> impl IntoView {
    let actor = use_records().actor();
    view! {
        <Show when=move || locked.get() && actor.get().is_some()>
            <p class="quiet-text">"You can look at everything here. To change something, ask an admin or an owner to make you a member."</p>
        </Show>
    }
    .into_any()
}
