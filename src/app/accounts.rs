//! Signing up and in, accepting an invitation, choosing a workspace, signing out. The forms post to server functions and work
//! before, and without, the browser's half of the application.

use crate::api::ApiError;
use crate::api::account::{Me, SignIn, SignUp, me, sign_out};
#[cfg(not(feature = "hydrate"))]
use crate::api::seed::Viewer;
use crate::api::seed::WorkspaceName;
use crate::api::workspace::{AcceptInvitation, CreateWorkspace, SwitchWorkspace, invitation};
use crate::app::dom;
use crate::app::format;
use crate::app::pages::taking_over;
use crate::app::records::{Leaving, Memory, Records, use_records};
#[cfg(feature = "hydrate")]
use crate::browser::profile::{edits_wait, now_signed_in};
#[cfg(feature = "hydrate")]
use crate::browser::storage::remove_copies;
use crate::model::id::WorkspaceId;
use leptos::ev::SubmitEvent;
use leptos::html::Button;
use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use leptos::task::spawn_local;
use leptos_meta::Title;
use leptos_router::hooks::{use_params_map, use_query_map};

/// What people came for before they were asked to sign in, from the address: a page, or the invitation they make an account
/// with.
fn came_for() -> Memo<String> {
    let query = use_query_map();
    Memo::new(move |_| {
        query.with(|query| match query.get("invitation") {
            Some(token) => format!("/invitation/{token}"),
            None => query.get("next").unwrap_or_else(|| "/".to_owned()),
        })
    })
}

/// The text of an error that is about the form as a whole.
pub(super) fn says<S>(action: ServerAction<S>) -> Signal<Option<String>>
where
    S: ServerFn<Error = ApiError> + Clone + Send + Sync + 'static,
    S::Output: Send + Sync + 'static,
{
    let value = action.value();
    Signal::derive(move || {
        value.with(|value| match value {
            Some(Err(ApiError::Invalid(faults))) if faults.iter().any(|fault| !fault.field.is_empty()) => None,
            Some(Err(error)) => Some(error.to_string()),
            _ => None,
        })
    })
}

/// What is wrong with one field of a form.
pub(super) fn fault_of<S>(action: ServerAction<S>, field: &'static str) -> Signal<Option<String>>
where
    S: ServerFn<Error = ApiError> + Clone + Send + Sync + 'static,
    S::Output: Send + Sync + 'static,
{
    let value = action.value();
    Signal::derive(move || {
        value.with(|value| match value {
            Some(Err(ApiError::Invalid(faults))) => {
                faults.iter().find(|fault| fault.field == field).map(|fault| fault.says.clone())
            }
            _ => None,
        })
    })
}

/// On the server nobody signs in through a page that is being drawn.
#[cfg(not(feature = "hydrate"))]
fn now_signed_in(_: Option<&Viewer>) {}
#[cfg(not(feature = "hydrate"))]
async fn remove_copies() {}
#[cfg(not(feature = "hydrate"))]
fn edits_wait() -> bool {
    false
}

/// Loads `to` once the action has succeeded: a new session starts with a new page, so nothing of the one before remains.
fn load_when_done<S>(action: ServerAction<S>, to: impl Fn(&Me) -> String + 'static)
where
    S: ServerFn<Error = ApiError, Output = Me> + Clone + Send + Sync + 'static,
{
    let value = action.value();
    Effect::new(move || {
        value.with(|value| {
            if let Some(Ok(output)) = value {
                // Until that page has come, whoever was signed in before would be taken for this one.
                now_signed_in(output.viewer.as_ref());
                dom::load(&to(output));
            }
        });
    });
}

/// One labelled input of a form, with what is wrong with it.
#[component]
pub(super) fn Input(
    name: &'static str,
    label: &'static str,
    #[prop(default = "text")] sort: &'static str,
    autocomplete: &'static str,
    #[prop(optional)] hint: &'static str,
    #[prop(optional, into)] value: Option<String>,
    fault: Signal<Option<String>>,
) -> impl IntoView {
    let about = format!("{name}-about");
    view! {
        <div class="field">
            <label for=name>{label}</label>
            <input
                class="input"
                id=name
                name=name
                type=sort
                autocomplete=autocomplete
                required
                value=value
                aria-describedby=about.clone()
                aria-invalid=move || fault.with(Option::is_some).to_string()
            />
            <div id=about>
                <p class="hint">{hint}</p>
                <p class="field-error" role="alert">{move || fault.get()}</p>
            </div>
        </div>
    }
    .into_any()
}

/// Sends a form. While its answer is on the way another press does nothing; a button that is disabled would lose the focus.
#[component]
fn Submit(label: &'static str, pending: Memo<bool>) -> impl IntoView {
    view! {
        <button
            type="submit"
            class="button primary wide"
            aria-disabled=move || pending.get().to_string()
            on:click=move |event| if pending.get_untracked() {
                event.prevent_default();
            }
        >{label}</button>
    }
    .into_any()
}

/// The heading of a page before the workspace.
const DOOR_ID: &str = "door";

/// The page around a form of somebody who is not in a workspace yet.
#[component]
fn Door(title: &'static str, children: Children) -> impl IntoView {
    let takes_over = taking_over();
    // Keyboards and screen readers begin there after a link; where they begin on a page that was loaded, the browser knows.
    Effect::new(move || {
        if !takes_over {
            dom::focus(DOOR_ID.to_owned());
        }
    });
    view! {
        <Title text=title/>
        <main class="alone">
            <p class="brand brand-large">
                <svg viewBox="0 0 24 24" aria-hidden="true" class="brand-mark">
                    <path d="M3 9c3-3 6-3 9 0s6 3 9 0"></path>
                    <path d="M3 15c3-3 6-3 9 0s6 3 9 0"></path>
                </svg>
                <span>"Tidemark"</span>
            </p>
            <h1 id=DOOR_ID tabindex="-1">{title}</h1>
            {children()}
        </main>
    }
    .into_any()
}

/// Signs in.
#[component]
pub fn SignInPage() -> impl IntoView {
    let action = ServerAction::<SignIn>::new();
    let next = came_for();
    load_when_done(action, move |me| me.goes_to(&next.get_untracked()));
    let error = says(action);
    // Only the browser knows.
    let waits = RwSignal::new(false);
    Effect::new(move || waits.set(edits_wait()));
    let sign_up = move || {
        next.with(|next| match next.strip_prefix("/invitation/") {
            Some(token) => format!("/sign-up?invitation={token}"),
            None => format!("/sign-up?next={next}"),
        })
    };
    view! {
        <Door title="Sign in">
            {move || waits.get().then(|| view! {
                <p class="banner">"Edits made in this browser wait to be sent. They are kept, and sent once whoever made them signs in again."</p>
            })}
            <ActionForm action attr:class="stack">
                <Input name="email" label="Email" sort="email" autocomplete="username" fault=fault_of(action, "email")/>
                <Input name="password" label="Password" sort="password" autocomplete="current-password" fault=fault_of(action, "password")/>
                <p class="field-error" role="alert">{move || error.get()}</p>
                <Submit label="Sign in" pending=action.pending()/>
            </ActionForm>
            <p class="quiet-text">"New here? " <a href=sign_up>"Make an account"</a></p>
        </Door>
    }
    .into_any()
}

/// Makes an account.
#[component]
pub fn SignUpPage() -> impl IntoView {
    let action = ServerAction::<SignUp>::new();
    let next = came_for();
    let query = use_query_map();
    let token = Memo::new(move |_| query.with(|query| query.get("invitation")));
    load_when_done(action, move |me| me.goes_to(&next.get_untracked()));
    let error = says(action);
    let sign_in = move || format!("/sign-in?next={}", next.get());
    view! {
        <Door title="Make an account">
            <ActionForm action attr:class="stack">
                <Input name="name" label="Your name" autocomplete="name" fault=fault_of(action, "name")/>
                <Input name="email" label="Email" sort="email" autocomplete="username" fault=fault_of(action, "email")/>
                <Input
                    name="password"
                    label="Password"
                    sort="password"
                    autocomplete="new-password"
                    hint="At least 10 characters. A sentence is easier to remember than a word."
                    fault=fault_of(action, "password")
                />
                {move || token.get().map(|token| view! { <input type="hidden" name="invitation" value=token/> })}
                <p class="field-error" role="alert">{move || error.get()}</p>
                <Submit label="Make the account" pending=action.pending()/>
            </ActionForm>
            <p class="quiet-text">"Have one already? " <a href=sign_in>"Sign in"</a></p>
        </Door>
    }
    .into_any()
}

/// Looks at an invitation and accepts it.
#[component]
pub fn InvitationPage() -> impl IntoView {
    let params = use_params_map();
    let token = Memo::new(move |_| params.with(|params| params.get("token")).unwrap_or_default());
    let offer = Resource::new_blocking(
        move || token.get(),
        |token| async move {
            let offer = invitation(token).await;
            let person = me().await.ok().flatten();
            (offer, person)
        },
    );
    let action = ServerAction::<AcceptInvitation>::new();
    load_when_done(action, |_| "/".to_owned());
    let error = says(action);
    view! {
        <Door title="Invitation">
            <Suspense fallback=|| view! { <p>"Looking at the invitation …"</p> }>
                {move || Suspend::new(async move {
                    let (offer, person) = offer.await;
                    let token = token.get_untracked();
                    match offer {
                        Ok(offer) => view! {
                            <p>
                                <strong>{offer.by}</strong> " invites you to " <strong>{offer.workspace_name}</strong> " as "
                                {offer.role.label().to_ascii_lowercase()} "."
                            </p>
                            <p class="quiet-text">"The link works until " {format::instant(offer.expires_ms)} "."</p>
                            {match person {
                                Some(person) if person.memberships.iter().any(|place| place.workspace == offer.workspace) => {
                                    let shown = person.viewer.is_some_and(|viewer| viewer.workspace == offer.workspace);
                                    let (to, says) = if shown { ("/", "To the dashboard") } else { ("/workspaces", "To your workspaces") };
                                    view! {
                                        <div class="stack">
                                            <p>"You are in this workspace already."</p>
                                            <a class="button primary wide" href=to>{says}</a>
                                        </div>
                                    }.into_any()
                                }
                                Some(person) if offer.email.as_ref().is_some_and(|email| *email != format::lower(person.email.trim())) => view! {
                                    <div class="stack">
                                        <p>"It is for " {offer.email} ". You are signed in as " {person.email} "."</p>
                                        <a class="button primary wide" href=format!("/sign-in?next=/invitation/{token}")>"Use another account"</a>
                                    </div>
                                }.into_any(),
                                Some(person) => view! {
                                    <ActionForm action attr:class="stack">
                                        <input type="hidden" name="token" value=token/>
                                        <p class="quiet-text">"You are signed in as " {person.email} "."</p>
                                        <button type="submit" class="button primary wide">"Accept the invitation"</button>
                                    </ActionForm>
                                }.into_any(),
                                None => view! {
                                    <div class="stack">
                                        <a class="button primary wide" href=format!("/sign-up?invitation={token}")>"Make an account"</a>
                                        <a class="button wide" href=format!("/sign-in?next=/invitation/{token}")>"Sign in"</a>
                                    </div>
                                }.into_any(),
                            }}
                        }.into_any(),
                        Err(error) => view! {
                            <p role="alert">{error.to_string()}</p>
                            <p><a href="/sign-in">"Sign in"</a></p>
                        }.into_any(),
                    }
                })}
            </Suspense>
            <p class="field-error" role="alert">{move || error.get()}</p>
        </Door>
    }
    .into_any()
}

/// Every workspace of whoever is signed in, and where a new one begins.
#[component]
pub fn WorkspacesPage() -> impl IntoView {
    let records = use_records();
    let viewer = records.viewer();
    let who = Resource::new_blocking(|| (), |()| me());
    let make = ServerAction::<CreateWorkspace>::new();
    let switch = ServerAction::<SwitchWorkspace>::new();
    load_when_done(make, |_| "/".to_owned());
    load_when_done(switch, |_| "/".to_owned());
    let error = says(make);
    let switch_error = says(switch);
    let current = move || viewer.with(|viewer| viewer.as_ref().map(|viewer| viewer.workspace));
    let waiting = records.status();
    let asked = RwSignal::new(None::<WorkspaceName>);
    let exported = RwSignal::new(false);
    let stay = move || {
        if let Some(to) = asked.get_untracked() {
            asked.set(None);
            dom::focus(choice_id(to.id));
        }
    };
    let memory_only = move || waiting.with(|status| status.memory == Memory::MemoryOnly);
    let question = move || {
        asked.get().map(|to| {
            let (workspace, title) = (to.id, to.name);
            view! {
                <div
                    class="banner"
                    role="group"
                    aria-label="Edits wait to be sent"
                    on:keydown=move |event| if event.key() == "Escape" { stay() }
                >
                    <p>"What should become of them before “" {title} "” opens?"</p>
                    <div class="actions">
                        <Show when=move || !memory_only() || exported.get()>
                            <button type="button" class="button primary" on:click=move |_| {
                                if memory_only() {
                                    records.give_up();
                                }
                                switch.dispatch(SwitchWorkspace { workspace });
                            }>{move || if memory_only() { "I have the file: switch" } else { "Keep on this device and switch" }}</button>
                        </Show>
                        <button type="button" class="button" on:click=move |_| {
                            if let Some(device) = records.device() {
                                device.export(Vec::new());
                                exported.set(true);
                            }
                        }>"Export to a file"</button>
                        <button id=STAY_ID type="button" class="button quiet" on:click=move |_| stay()>"Stay here"</button>
                    </div>
                </div>
            }
        })
    };
    view! {
        <Door title="Workspaces">
            <Suspense fallback=|| view! { <p>"Looking up your workspaces …"</p> }>
                {move || Suspend::new(async move {
                    let names = match who.await {
                        Ok(Some(me)) if me.memberships.is_empty() => return view! { <Nowhere me/> }.into_any(),
                        Ok(Some(me)) => Ok(names_of(&me)),
                        Ok(None) => Err(ApiError::SignedOut),
                        // Offline, this device still knows what it knew.
                        Err(error) => viewer
                            .with_untracked(|viewer| viewer.as_ref().map(|viewer| viewer.workspaces.clone()))
                            .ok_or(error),
                    };
                    match names {
                        Ok(names) => view! {
                            <ul class="choices">
                                {names.into_iter().map(|name| {
                                    let here = current() == Some(name.id);
                                    let (title, current_id, id) = (name.name.clone(), name.id.to_string(), choice_id(name.id));
                                    // Before it leaves, and only where something waits: nobody is asked for nothing.
                                    let ask_first = move |event: SubmitEvent| {
                                        if !here && !untrack(|| at_stake(records)).is_empty() {
                                            event.prevent_default();
                                            asked.set(Some(name.clone()));
                                            dom::focus(STAY_ID.to_owned());
                                        }
                                    };
                                    view! {
                                        <li>
                                            <ActionForm action=switch on:submit:capture=ask_first>
                                                <input type="hidden" name="workspace" value=current_id/>
                                                <button id=id type="submit" class="button wide">
                                                    {title}
                                                    {here.then_some(" (open now)")}
                                                </button>
                                            </ActionForm>
                                        </li>
                                    }
                                }).collect_view()}
                            </ul>
                        }.into_any(),
                        Err(error) => view! {
                            <p role="alert">{error.to_string()}</p>
                            <p><a href="/sign-in?next=/workspaces">"Sign in"</a></p>
                        }.into_any(),
                    }
                })}
            </Suspense>
            <Show when=move || !at_stake(records).is_empty()>
                <p class="quiet-text">
                    {move || at_stake(records)}
                    {move || if memory_only() {
                        " This browser keeps nothing: stay until nothing of that is left, or export it first."
                    } else {
                        " They stay on this device and are sent when you come back to this workspace."
                    }}
                </p>
            </Show>
            {question}
            <p class="field-error" role="alert">{move || switch_error.get()}</p>
            <h2>"A new workspace"</h2>
            <ActionForm action=make attr:class="stack">
                <Input name="name" label="Name of the workspace" autocomplete="organization" fault=fault_of(make, "name")/>
                <p class="field-error" role="alert">{move || error.get()}</p>
                <Submit label="Make the workspace" pending=make.pending()/>
            </ActionForm>
            <Show when=move || current().is_some()>
                <p><a href="/">"Back to the dashboard"</a></p>
            </Show>
        </Door>
    }
    .into_any()
}

/// Where the question before a switch can be left.
const STAY_ID: &str = "stay-here";

fn choice_id(workspace: WorkspaceId) -> String {
    format!("to-{workspace}")
}

/// What somebody reads who is signed in and in no workspace.
#[component]
fn Nowhere(me: Me) -> impl IntoView {
    let says = match me.left {
        true => "You are in no workspace any more. Ask somebody to invite you again, or make one below.",
        false => "You are in no workspace yet. Make one below, or ask somebody to invite you.",
    };
    view! {
        <div class="stack">
            <p>{says}</p>
            <p class="quiet-text">"You are signed in as " {me.email} "."</p>
            <SignOut/>
        </div>
    }
    .into_any()
}

fn names_of(me: &Me) -> Vec<WorkspaceName> {
    me.memberships
        .iter()
        .map(|membership| WorkspaceName { id: membership.workspace, name: membership.workspace_name.clone() })
        .collect()
}

/// What of their own a person would leave behind here, followed; empty where it is nothing. What was rejected stays on a
/// device, but not in a tab that keeps nothing.
fn at_stake(records: Records) -> String {
    let (waiting, memory) = records.status().with(|status| (status.waiting, status.memory));
    let rejected = if memory == Memory::MemoryOnly { records.tray().with(|tray| tray.len() as u64) } else { 0 };
    let count = |number: u64, one: &str, many: &str| {
        (number > 0).then(|| format::count(i64::try_from(number).unwrap_or(i64::MAX), one, many))
    };
    let waiting = count(waiting, "edit waits to be sent.", "edits wait to be sent.");
    let rejected = count(rejected, "edit was rejected.", "edits were rejected.");
    [waiting, rejected].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// How far a person who signs out has been asked what becomes of the edits that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    NotYet,
    /// Keep them, or take them along as a file.
    WhatBecomes,
    /// The file was offered: whether it arrived only the person knows.
    WhetherSaved,
}

/// Ends the session here. What still waits to be sent is asked about first; it is never dropped.
#[component]
pub fn SignOut() -> impl IntoView {
    let records = use_records();
    let status = records.status();
    let asked = RwSignal::new(Asked::NotYet);
    let (leave_here, stay_here) = (NodeRef::<Button>::new(), NodeRef::<Button>::new());
    let fault = RwSignal::new(None::<String>);
    let leave = Action::new(move |(): &()| async move {
        match sign_out().await {
            Ok(()) => {
                now_signed_in(None);
                // Of a workspace this person was in before; whoever sits down here next sees nothing of it.
                spawn_local(async {
                    remove_copies().await;
                    dom::load("/sign-in");
                });
            }
            Err(error) => fault.set(Some(error.to_string())),
        }
    });
    let go = move |pending: Leaving| match records.device() {
        Some(device) => device.sign_out(pending),
        // Somebody without a workspace has no device.
        None if records.viewer().with_untracked(Option::is_none) => {
            leave.dispatch(());
        }
        // What this browser keeps of the server would stay for whoever comes next.
        None => fault.set(Some(
            "Tidemark is still starting on this page. You are still signed in; try again in a moment.".to_owned(),
        )),
    };
    let export = move |_| {
        if let Some(device) = records.device() {
            device.export(Vec::new());
            asked.set(Asked::WhetherSaved);
            dom::focus_button(stay_here);
        }
    };
    let memory_only = move || status.with(|status| status.memory == Memory::MemoryOnly);
    let keep = move || {
        view! {
            <Show
                when=move || !memory_only()
                fallback=|| view! { <p>"This browser keeps nothing: export it, or stay until nothing of it is left."</p> }
            >
                <button type="button" class="button primary" on:click=move |_| go(Leaving::Keep)>"Keep on this device and sign out"</button>
            </Show>
        }
    };
    let stay = move || {
        view! {
            <button node_ref=stay_here type="button" class="button quiet" on:click=move |_| {
                asked.set(Asked::NotYet);
                dom::focus_button(leave_here);
            }>"Stay signed in"</button>
        }
    };
    view! {
        <div class="stack">
            {move || match asked.get() {
                Asked::NotYet => view! {
                    <button node_ref=leave_here type="button" class="button" on:click=move |_| {
                        if untrack(|| at_stake(records)).is_empty() {
                            return go(Leaving::Keep);
                        }
                        asked.set(Asked::WhatBecomes);
                        dom::focus_button(stay_here);
                    }>"Sign out"</button>
                }.into_any(),
                Asked::WhatBecomes => view! {
                    <div class="banner" role="group" aria-label="Edits wait to be sent">
                        <p>{move || at_stake(records)} " What should become of that?"</p>
                        <div class="actions">
                            {keep()}
                            <button type="button" class="button" on:click=export>"Export to a file"</button>
                            {stay()}
                        </div>
                    </div>
                }.into_any(),
                Asked::WhetherSaved => view! {
                    <div class="banner" role="group" aria-label="Edits wait to be sent">
                        <p>"Is tidemark-edits.json among your downloads? Only then may this be removed from this device."</p>
                        <div class="actions">
                            {keep()}
                            <button type="button" class="button danger" on:click=move |_| go(Leaving::Remove)>"I have the file: remove them and sign out"</button>
                            <button type="button" class="button" on:click=export>"Export again"</button>
                            {stay()}
                        </div>
                    </div>
                }.into_any(),
            }}
            <p class="field-error" role="alert">{move || fault.get()}</p>
        </div>
    }
    .into_any()
}
