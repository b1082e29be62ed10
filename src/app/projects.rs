//! All projects, how far each is, and where one begins.

use crate::app::components::absent::NoneHere;
use crate::app::components::editors::in_words;
use crate::app::components::long::long_records;
use crate::app::components::marks::{Progress, RecordMark};
use crate::app::components::unsent::Unsent;
use crate::app::format;
use crate::app::frame::Empty;
use crate::app::records::{Draft, Records, title_of, use_records};
use crate::model::catalog::Kind;
use crate::model::choice::ProjectState;
use crate::model::id::RecordId;
use crate::model::kinds::Project;
use crate::model::rank;
use crate::model::record::Key;
use crate::model::scope::Scope;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_navigate;
use uuid::Uuid;

/// Every project this person may see, in their common order.
#[component]
pub fn ProjectsPage() -> impl IntoView {
    let records = use_records();
    let projects = records.of_kind(Kind::Project);
    let known = records.all_known(Kind::Project);
    let none = Memo::new(move |_| projects.with(|projects| projects.is_empty()));
    let may = records.may_make(Kind::Project, Scope::Workspace);
    view! {
        <Title text="Projects"/>
        <div class="page-head">
            <h1>"Projects"</h1>
        </div>
        <NewProject/>
        <Show
            when=move || !none.get()
            fallback=move || {
                let says = match may.get() {
                    true => "No projects yet. Name the first one above; it works offline too.",
                    false => "No projects yet.",
                };
                view! { <NoneHere known><Empty says/></NoneHere> }
            }
        >
            {long_records(
                ("projects", "cards", "Projects"),
                Kind::Project,
                move || projects.get().to_vec(),
                |key| view! { <ProjectCard key/> }.into_any(),
            )}
        </Show>
    }
    .into_any()
}

#[component]
fn ProjectCard(key: Key) -> impl IntoView {
    let records = use_records();
    let record = records.get(key);
    let title = records.title(key);
    let percent =
        move || record.with(|record| record.as_deref().and_then(|record| Project(record).progress()).unwrap_or(0));
    let facts = move || {
        record.with(|record| {
            let Some(record) = record.as_deref() else { return String::new() };
            let project = Project(record);
            let mut facts = vec![project.state().unwrap_or(ProjectState::Active).label().to_owned()];
            facts.push(format!(
                "{} of {} done",
                format::whole(project.tasks_done().unwrap_or(0)),
                format::count(project.tasks_total().unwrap_or(0), "task", "tasks")
            ));
            if !project.due().is_empty() {
                facts.push(format!("due {}", format::date(project.due())));
            }
            facts.join(" · ")
        })
    };
    view! {
        <li class="card">
            <div class="card-head">
                <a class="card-title" href=format!("/project/{}", key.id)>{move || title.get()}</a>
                <RecordMark key/>
            </div>
            <Progress of=title percent=Signal::derive(percent)/>
            <p class="quiet-text">{facts}</p>
        </li>
    }
    .into_any()
}

/// Makes a project with a name, and goes there.
#[component]
fn NewProject() -> impl IntoView {
    let records = use_records();
    let name = Unsent::new("new-project");
    let fault = RwSignal::new(None::<String>);
    let navigate = use_navigate();
    let may = records.may_make(Kind::Project, Scope::Workspace);
    let make = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let title = name.peek().trim().to_owned();
        if title.is_empty() {
            fault.set(Some("A project needs a name, such as “North shore cable”.".to_owned()));
            return;
        }
        let id = RecordId(Uuid::now_v7());
        let last = records.peek_kind(Kind::Project).last().and_then(|key| records.peek(*key));
        let mut draft = Draft::create(Kind::Project, id)
            .with("title", title)
            .with("state", ProjectState::Active)
            .with("rank", rank::between(last.as_ref().map(|record| record.text("rank")), None));
        if let Some(viewer) = records.viewer().get_untracked() {
            draft = draft.with("lead", viewer.member);
        }
        match records.act(vec![draft]) {
            Ok(()) => {
                name.sent();
                fault.set(None);
                navigate(&format!("/project/{id}"), Default::default());
            }
            Err(reasons) => fault.set(Some(in_words(reasons))),
        }
    };
    view! {
        {move || {
            let make = make.clone();
            may.get().then(|| view! {
                <form class="inline-form" method="dialog" on:submit=make>
                    <label class="sr-only" for="new-project">"Name of the new project"</label>
                    <input
                        class="input"
                        id="new-project"
                        placeholder="Name of the new project"
                        autocomplete="off"
                        aria-describedby="new-project-error"
                        data-kept=move || name.is_kept()
                        prop:value=move || name.get()
                        on:input=move |event| name.write(event_target_value(&event))
                    />
                    <button type="submit" class="button primary">"New project"</button>
                    <p class="field-error" id="new-project-error" role="alert">{move || name.says().map(str::to_owned).or_else(|| fault.get())}</p>
                </form>
            })
        }}
    }
    .into_any()
}

/// The project's title as other pages link to it.
pub fn project_title(records: Records, scope: Scope) -> Option<(RecordId, String)> {
    match scope {
        Scope::Project(id) => {
            let record = records.get(Key::new(Kind::Project, id)).get()?;
            Some((id, title_of(&record)))
        }
        _ => None,
    }
}
