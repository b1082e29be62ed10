//! What stands around every page of somebody who is signed in: the header with the one quiet sync state, the navigation,
//! what was just said, and the slots for what the device has to announce.

use crate::api::seed::Seed;
use crate::app::dom;
use crate::app::records::{Link, Memory, use_records};
use crate::app::theme::{Theme, ThemeChoice};
use crate::model::catalog::Kind;
use crate::model::record::Key;
use leptos::prelude::*;
use leptos::wasm_bindgen::JsCast;
use leptos_meta::Title;
use leptos_router::components::{A, Outlet};
use leptos_router::hooks::use_location;

/// Header, navigation and the page in between.
#[component]
pub fn Frame() -> impl IntoView {
    let records = use_records();
    let viewer = records.viewer();
    let signed_in = Memo::new(move |_| viewer.with(Option::is_some));
    begin_at_the_page();
    view! {
        <Show when=move || signed_in.get() fallback=|| view! { <SignInFirst/> }>
            <a class="skip-link" href="#page" on:click=move |_| dom::focus("page".to_owned())>"Skip to the page"</a>
            <Header/>
            <div class="frame">
                <Navigation/>
                <main id="page" class="page" tabindex="-1">
                    <Banners/>
                    <Outlet/>
                </main>
            </div>
            <Said/>
        </Show>
    }
    .into_any()
}

/// Moves the focus to the page when it changes, so that keyboards and screen readers begin there. A panel that opens beside
/// the tree it belongs to leaves the focus where it is; one that takes the tree's place has it, and gives it back to the row it
/// was opened from.
fn begin_at_the_page() {
    let path = use_location().pathname;
    Effect::new(move |before: Option<String>| {
        let now = path.get();
        match before {
            Some(before) if page_of(&before).ne(page_of(&now)) => dom::focus("page".to_owned()),
            Some(before) if before != now => dom::focus_first(match panel_of(&now) {
                Some(_) => vec![".panel-title".to_owned(), ".panel".to_owned()],
                None => {
                    let record = panel_of(&before).unwrap_or_default();
                    vec![format!("#row-{record}"), format!("a[href=\"{before}\"]")]
                }
            }),
            _ => {}
        }
        now
    });
}

/// What of an address is the page, without the panel that is open in it.
fn page_of(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty()).take(2)
}

/// What the panel shows that is open at an address.
fn panel_of(path: &str) -> Option<&str> {
    path.split('/').filter(|part| !part.is_empty()).skip(2).last()
}

/// Somebody who is not signed in is sent to do so, and comes back afterwards; somebody who is, to where a workspace begins.
#[component]
fn SignInFirst() -> impl IntoView {
    let path = use_location().pathname.get_untracked();
    let to = match path.as_str() {
        // The server has a seed for whoever is signed in, also where it is empty because they are in no workspace.
        _ if cfg!(feature = "ssr") && use_context::<Seed>().is_some() => "/workspaces".to_owned(),
        "/" => "/sign-in".to_owned(),
        _ => format!("/sign-in?next={path}"),
    };
    #[cfg(feature = "ssr")]
    leptos_axum::redirect(&to);
    // The browser does not know who is signed in; the server does, and sends it on.
    Effect::new(move || dom::load(&path));
    view! {
        <main class="alone">
            <p><a href=to>"Sign in to go on"</a></p>
        </main>
    }
    .into_any()
}

/// The name of the workspace, the sync state, the theme and the person.
#[component]
fn Header() -> impl IntoView {
    let viewer = use_records().viewer();
    let workspace =
        move || viewer.with(|viewer| viewer.as_ref().map(|viewer| viewer.workspace_name.clone()).unwrap_or_default());
    let person = move || viewer.with(|viewer| viewer.as_ref().map(|viewer| viewer.name.clone()).unwrap_or_default());
    view! {
        <header class="header">
            <a class="brand" href="/" aria-label="Tidemark, to the dashboard">
                <svg viewBox="0 0 24 24" aria-hidden="true" class="brand-mark">
                    <path d="M3 9c3-3 6-3 9 0s6 3 9 0" />
                    <path d="M3 15c3-3 6-3 9 0s6 3 9 0" />
                </svg>
                <span class="brand-name">"Tidemark"</span>
            </a>
            <a class="workspace-name" href="/workspaces" aria-label=move || format!("Workspace {}, switch", workspace())>
                {workspace}
            </a>
            <SyncState/>
            <SyncSpoken/>
            <ThemeButton/>
            <a class="person" href="/members" aria-label=move || format!("{}, members", person())>{move || initials(&person())}</a>
        </header>
    }
    .into_any()
}

/// The first letters of the first two words of a name.
pub fn initials(name: &str) -> String {
    name.split_whitespace().filter_map(|word| word.chars().next()).take(2).flat_map(char::to_uppercase).collect()
}

/// The one quiet state. It opens the sync centre.
#[component]
fn SyncState() -> impl IntoView {
    let status = use_records().status();
    let tone = move || {
        status.with(|status| match status.link {
            Link::Offline => "offline",
            Link::SignedOut | Link::Revoked | Link::UpdateNeeded => "needs",
            Link::Live | Link::Joining if status.asks_for() > 0 => "needs",
            Link::Live if status.waiting == 0 => "live",
            Link::Live | Link::Joining => "busy",
        })
    };
    view! {
        <a class="sync-state" href="/sync" data-tone=tone aria-label=move || format!("Sync: {}", status.with(ToString::to_string))>
            <span class="sync-dot" aria-hidden="true"></span>
            <span data-testid="sync-state">{move || status.with(ToString::to_string)}</span>
        </a>
    }
    .into_any()
}

/// Says the sync state to those who do not see it, when it has become another one; not every count on the way.
#[component]
fn SyncSpoken() -> impl IntoView {
    let status = use_records().status();
    let says = Memo::new(move |before: Option<&&'static str>| {
        let before = before.copied().unwrap_or_default();
        status.with(|status| match status.link {
            Link::Offline => "Sync: offline",
            Link::SignedOut => "Sync: signed out",
            Link::Revoked => "Sync: no longer a member",
            Link::UpdateNeeded => "Sync: update needed",
            Link::Live | Link::Joining if status.asks_for() > 0 => "Sync: needs you",
            // That all is well from the beginning is no news.
            Link::Live if !before.is_empty() => "Sync: live",
            Link::Live | Link::Joining => before,
        })
    });
    view! { <span class="sr-only" aria-live="polite">{move || says.get()}</span> }.into_any()
}

/// Steps through system, light and dark.
#[component]
fn ThemeButton() -> impl IntoView {
    let choice = use_context::<ThemeChoice>().unwrap_or_else(|| ThemeChoice::new(use_records()));
    view! {
        <button
            type="button"
            class="icon-button"
            aria-label=move || format!("Theme: {}. Change", choice.get().name())
            title="Change the theme"
            on:click=move |_| choice.choose(choice.get().next())
        >
            {move || match choice.get() {
                Theme::System => "◐",
                Theme::Light => "○",
                Theme::Dark => "●",
            }}
        </button>
    }
    .into_any()
}

/// Where one can go.
#[component]
fn Navigation() -> impl IntoView {
    let records = use_records();
    let conflicts = records.conflicts();
    let waiting = Memo::new(move |_| conflicts.with(|keys| keys.len()));
    let notifications = records.of_kind(Kind::Notification);
    let unread = Memo::new(move |_| {
        let unread =
            |key: &Key| records.get(*key).with(|record| record.as_deref().is_some_and(|record| !record.yes("read")));
        notifications.get().iter().filter(|key| unread(key)).count()
    });
    show_where_one_is();
    view! {
        <nav class="navigation" aria-label="Main">
            <ul>
                <li><A href="/" exact=true>"Dashboard"</A></li>
                <li><A href="/projects">"Projects"</A></li>
                <li><A href="/notes">"Notes"</A></li>
                <li>
                    <A href="/conflicts">
                        "Conflicts"
                        <Show when=move || { waiting.get() > 0 }>
                            <span class="count">{move || waiting.get()}</span>
                        </Show>
                    </A>
                </li>
                <li>
                    <A href="/notifications">
                        "Notifications"
                        <Show when=move || { unread.get() > 0 }>
                            <span class="count">{move || unread.get()}</span>
                        </Show>
                    </A>
                </li>
                <li><A href="/members">"Members"</A></li>
                <li><A href="/sync">"Sync centre"</A></li>
            </ul>
        </nav>
    }
    .into_any()
}

/// Scrolls the navigation to where one is, on screens that are narrower than all of it.
fn show_where_one_is() {
    let path = use_location().pathname;
    Effect::new(move || {
        path.track();
        request_animation_frame(|| {
            let found = document().query_selector(".navigation [aria-current]").ok().flatten();
            let here = found.and_then(|here| here.dyn_into::<leptos::web_sys::HtmlElement>().ok());
            let list = here.as_ref().and_then(|here| here.closest("ul").ok().flatten());
            if let (Some(here), Some(list)) = (here, list) {
                list.set_scroll_left(here.offset_left() - (list.client_width() - here.offset_width()) / 2);
            }
        });
    });
}

/// What the device has to announce above a page: nothing is kept, or a newer build waits.
#[component]
fn Banners() -> impl IntoView {
    let records = use_records();
    let status = records.status();
    let update = records.update_ready();
    let memory_only = Memo::new(move |_| status.with(|status| status.memory == Memory::MemoryOnly));
    let switch = move || {
        if dom::focus_unkept() {
            records.tell("This is not sent yet, and would be lost. Finish it or clear it, then update.", None);
            return;
        }
        match records.device() {
            Some(device) => device.update(),
            None if records.ends_with_the_page() => records.tell(
                "What you did a moment ago is not stored yet, so nothing was updated. Try again in a moment. If that does not help, copy what you need and reload the page.",
                None,
            ),
            None => dom::load(""),
        }
    };
    view! {
        <Show when=move || memory_only.get()>
            <p class="banner" role="status">
                "This browser keeps nothing for Tidemark, so edits live only in this tab until they reach the server. Keep it open while you are offline, or export them from the "
                <a href="/sync">"sync centre"</a> "."
            </p>
        </Show>
        <Show when=move || update.get()>
            <div class="banner" role="status">
                <span>"A newer Tidemark is ready. What you have typed is kept, or you are asked to finish it first."</span>
                <button type="button" class="button" on:click=move |_| switch()>"Update now"</button>
            </div>
        </Show>
    }
    .into_any()
}

/// How long words stay, milliseconds: read twice over.
const WORDS_SHOWN_MS: u64 = 10_000;
/// How long an undo stays, milliseconds: noticed, thought about and reached by keyboard. It stays longer while somebody is
/// on it.
const UNDO_SHOWN_MS: u64 = 30_000;

/// What was just said: a toast with its undo, read out by screen readers.
#[component]
fn Said() -> impl IntoView {
    let records = use_records();
    let told = records.told();
    let looked_at = RwSignal::new(false);
    let hush = move || {
        records.hush();
        dom::focus_back();
    };
    Effect::new(move || {
        let Some(now) = told.get() else { return };
        let wait_ms = if now.undo.is_some() { UNDO_SHOWN_MS } else { WORDS_SHOWN_MS };
        dom::later(wait_ms, move || {
            let still_there = told.try_get_untracked().flatten().is_some_and(|told| told.nth == now.nth);
            if still_there && looked_at.try_get_untracked() == Some(false) {
                records.hush();
            }
        });
    });
    // A toast goes with the next one; what it offered to take back stays within reach of a key.
    Effect::new(move || {
        let keys = window_event_listener(leptos::ev::keydown, move |event| {
            let asks = (event.ctrl_key() || event.meta_key()) && !event.shift_key() && !event.alt_key();
            if asks && event.key().eq_ignore_ascii_case("z") && !is_writing(&event) && records.take_back_newest() {
                event.prevent_default();
            }
        });
        on_cleanup(move || keys.remove());
    });
    view! {
        <div
            class="toasts"
            role="status"
            aria-live="polite"
            aria-atomic="true"
            on:pointerenter=move |_| looked_at.set(true)
            on:pointerleave=move |_| looked_at.set(false)
            on:focusin=move |event| {
                dom::remember_focus(&event);
                looked_at.set(true);
            }
            on:focusout=move |_| looked_at.set(false)
        >
            {move || {
                told.get().map(|told| {
                    let undo = told.undo;
                    view! {
                        <div class="toast">
                            <span>{told.says}</span>
                            {undo.map(|drafts| view! {
                                <button type="button" class="button quiet" on:click=move |_| {
                                    records.take_back(&drafts);
                                    dom::focus_back();
                                }>"Undo"</button>
                            })}
                            <button type="button" class="icon-button" aria-label="Dismiss" on:click=move |_| hush()>"×"</button>
                        </div>
                    }
                })
            }}
        </div>
    }
    .into_any()
}

/// Whether a key was pressed in a control that takes back by itself what is written in it.
fn is_writing(event: &leptos::ev::KeyboardEvent) -> bool {
    let target = event.target().and_then(|target| target.dyn_into::<leptos::web_sys::Element>().ok());
    let control = target.map(|target| target.closest("input, textarea, select, [contenteditable]"));
    control.is_some_and(|found| found.is_ok_and(|control| control.is_some()))
}

/// A page's title for its `Title`, which outlives the page: the server writes the document's head when the page is drawn and
/// its signals may be gone. Leptos 0.8.23 writes it there as it is, where a browser takes it as text, so it is escaped here.
pub fn lasting(title: Signal<String>) -> impl Fn() -> String + Send + Sync + 'static {
    let first = title.get_untracked();
    let first = if cfg!(feature = "ssr") { first.replace('&', "&amp;").replace('<', "&lt;") } else { first };
    move || {
        if cfg!(feature = "ssr") { first.clone() } else { title.try_get().unwrap_or_else(|| first.clone()) }
    }
}

/// No page has this address.
#[component]
pub fn NotFound() -> impl IntoView {
    #[cfg(feature = "ssr")]
    if let Some(response) = use_context::<leptos_axum::ResponseOptions>() {
        response.set_status(axum::http::StatusCode::NOT_FOUND);
    }
    view! {
        <Title text="Not found"/>
        <main class="alone">
            <h1>"There is nothing at this address"</h1>
            <p>"It may have been deleted, or it is in a project you cannot see. Nothing of yours was lost."</p>
            <p><a href="/">"To the dashboard"</a></p>
        </main>
    }
    .into_any()
}

/// A list or page with nothing in it yet, and what to do next.
#[component]
pub fn Empty(
    /// What is not there, and that this is fine.
    says: &'static str,
    /// The next step.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    view! {
        <div class="empty">
            <p>{says}</p>
            {children.map(|children| children())}
        </div>
    }
    .into_any()
}
