//! What people see: the HTML shell, the one route table, and the pages, by noun. Pages read `records` and act through it;
//! nothing here talks to a socket or a store, and the same code renders on the server and in the browser.

pub mod accounts;
pub mod components;
pub mod conflicts;
pub mod dashboard;
pub mod deeds;
pub mod dom;
pub mod early;
pub mod first_visit;
pub mod format;
pub mod frame;
pub mod invitations;
pub mod members;
pub mod notes;
pub mod notifications;
pub mod order;
pub mod pages;
pub mod policies;
pub mod project;
pub mod projects;
pub mod records;
pub mod sync_centre;
pub mod theme;
pub mod your_account;
pub mod zone;

use crate::api::seed::Seed;
use frame::Frame;
use leptos::prelude::*;
use leptos_meta::{HashedStylesheet, MetaTags, Title, provide_meta_context};
use leptos_router::components::{ParentRoute, Route, Router, Routes};
use leptos_router::path;
use records::Records;
use std::sync::Arc;

/// Called once in the browser with the records the screens read: whoever starts the application provides it as a context,
/// and attaches the device there once the page is drawn.
#[derive(Clone)]
pub struct WhenShown(pub Arc<dyn Fn(Records) + Send + Sync>);

/// Text of no meaning and of a random length, for a page that is packed on its way. Whoever listens, and has words put into a
/// page, could tell from its size whether they resemble what else it holds (BREACH); with this, each guess takes hundreds of
/// pages instead of one. It makes guessing slow, not impossible. (Palacios and others, "HTB: Heal The BREACH", 2022.) Whoever
/// answers the request provides what makes it as a context.
#[derive(Clone, Copy)]
pub struct Padding(pub fn() -> String);

/// The document around a page rendered with its data. Whoever answers the request provides a `Seed` as a context.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    document_around(options, "server", ().into_any(), view! { <App/> }.into_any())
}

/// The document without a page and without data: what the service worker keeps, and what the browser mounts on at any
/// address. `data-boot` on the root element tells the two apart.
pub fn bare_shell(options: LeptosOptions) -> impl IntoView {
    // A page brings its own title; until one is there, and for who has none here, it is this.
    document_around(options, "device", view! { <title>"Tidemark"</title> }.into_any(), ().into_any())
}

fn document_around(options: LeptosOptions, boot: &'static str, title: AnyView, body: AnyView) -> impl IntoView {
    // The program runs only once its loader is here too, which is named last of all that a page needs, behind files that are wanted
    // later. Naming it first as well lets the program begin sooner.
    let scripts = view! { <HydrationScripts options=options.clone()/> };
    let loader = use_context::<leptos::WasmSplitManifest>()
        .map(|manifest| manifest.0.with_value(|(folder, _, loader)| format!("{folder}/{loader}")))
        .map(|href| view! { <link rel="modulepreload" href=href crossorigin=leptos::nonce::use_nonce()/> });
    // The shell is kept for whatever zone it is opened in.
    let drawn_by = if boot == "server" { zone::drawn_by() } else { None };
    let padding = use_context::<Padding>().map(|Padding(make)| view! { <meta name="padding" content=make()/> });
    view! {
        <!DOCTYPE html>
        <html lang="en" data-boot=boot data-zone=drawn_by>
            <head>
                <meta charset="utf-8"/>
                {padding}
                <meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover"/>
                <meta name="color-scheme" content="light dark"/>
                <meta name="theme-color" media="(prefers-color-scheme: light)" content="#f7f8f9"/>
                <meta name="theme-color" media="(prefers-color-scheme: dark)" content="#101417"/>
                <link rel="icon" href="/favicon.svg" type="image/svg+xml"/>
                <link rel="apple-touch-icon" href="/icons/icon-192.png"/>
                <link rel="manifest" href="/manifest.webmanifest"/>
                {title}
                <theme::BeforePaint/>
                <zone::TellZone/>
                <early::RememberPressed/>
                <HashedStylesheet options id="leptos"/>
                {loader}
                {scripts}
                <MetaTags/>
            </head>
            <body>{body}</body>
        </html>
    }
}

/// The whole application. In the browser a `Seed` context is read only when it mounts on the bare shell; a rendered page
/// brings its own.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    let seed = SharedValue::new(|| use_context::<Seed>().unwrap_or_default()).into_inner();
    let records = Records::new(seed);
    provide_context(records);
    provide_context(theme::ThemeChoice::new(records));
    let when_shown = use_context::<WhenShown>();
    Effect::new(move || {
        if let Some(WhenShown(start)) = &when_shown {
            start(records);
        }
    });
    dom::ask_before_leaving(move || records.ends_with_the_page());
    dom::keep_focus();

    view! {
        <Title formatter=|page: String| if page.is_empty() { "Tidemark".to_owned() } else { format!("{page} · Tidemark") }/>
        <Router>
            <Routes fallback=|| view! { <frame::NotFound/> }>
                <Route path=path!("/sign-in") view={pages::sign_in()}/>
                <Route path=path!("/sign-up") view={pages::sign_up()}/>
                <Route path=path!("/invitation/:token") view={pages::invitation()}/>
                <Route path=path!("/workspaces") view={pages::workspaces()}/>
                <ParentRoute path=path!("") view=Frame>
                    <Route path=path!("") view={pages::dashboard_page()}/>
                    <Route path=path!("/projects") view={pages::projects_page()}/>
                    <ParentRoute path=path!("/project/:project") view={pages::project_page()}>
                        <Route path=path!("") view=|| ()/>
                        <Route path=path!("task/:record") view={pages::task()}/>
                        <Route path=path!("step/:record") view={pages::step()}/>
                        <Route path=path!("phase/:record") view={pages::phase()}/>
                        <Route path=path!("details") view={pages::details()}/>
                    </ParentRoute>
                    <Route path=path!("/notes") view={pages::notes_page()}/>
                    <Route path=path!("/note/:note") view={pages::note()}/>
                    <Route path=path!("/conflicts") view={pages::conflicts_page()}/>
                    <Route path=path!("/conflict/:conflict") view={pages::conflict()}/>
                    <Route path=path!("/members") view={pages::members_page()}/>
                    <Route path=path!("/notifications") view={pages::notifications_page()}/>
                    <Route path=path!("/policies") view={pages::policies_page()}/>
                    <Route path=path!("/sync") view={pages::sync()}/>
                </ParentRoute>
            </Routes>
        </Router>
    }
    .into_any()
}
