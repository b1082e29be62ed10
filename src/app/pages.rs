//! The pages, as the route table names them. Their code is not in the program that starts: `scripts/build.sh` cuts it out
//! along the functions below, one file per word on the left, and a browser fetches a file when the first of its pages is
//! opened. The server knows which page it draws, so its answer already asks for the right one.

use crate::app::{
    accounts, conflicts, dashboard, dom, first_visit, members, notes, notifications, policies, project, projects,
    sync_centre,
};
use futures::channel::oneshot;
use futures::future::LocalBoxFuture;
use leptos::prelude::*;
use leptos::wasm_split::{SplitLoaderError, wasm_split};
use leptos_router::ChooseView;

/// Between two attempts to fetch a file, milliseconds: soon enough that a person who just came back sees it arrive, seldom
/// enough for a server that is starting again.
const FETCH_AGAIN_MS: u64 = 2_000;

/// The code of a page, or of the device, could not be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a part of the application could not be fetched")]
pub struct NotFetched;

impl From<SplitLoaderError> for NotFetched {
    fn from(_: SplitLoaderError) -> Self {
        Self
    }
}

/// A page of the route table. One type for all of them, so that the router's code is there once.
#[derive(Clone, Copy)]
pub struct Page {
    file: &'static str,
    draw: fn() -> LocalBoxFuture<'static, Result<AnyView, NotFetched>>,
    fetch: fn() -> LocalBoxFuture<'static, Result<(), NotFetched>>,
}

impl ChooseView for Page {
    async fn choose(self) -> AnyView {
        leptos::prefetch_lazy_fn_on_server(self.file);
        loop {
            match (self.draw)().await {
                Ok(view) => return view,
                // What the server drew stands there and says more than words that stand in for it.
                Err(NotFetched) if taking_over() => wait_to_fetch_again().await,
                Err(NotFetched) => return view! { <PageNotFetched/> }.into_any(),
            }
        }
    }

    async fn preload(&self) {
        // On a slow line nothing else answers a click. Whoever goes elsewhere meanwhile asks for another page, which ends it.
        dom::show_busy(true);
        // What is missing now is asked for again when the page is drawn, and then said.
        (self.fetch)().await.ok();
        dom::show_busy(false);
    }
}

macro_rules! pages {
    ($($file:ident: $($page:ident = $component:path),+;)+) => {
        $($(
            #[doc = concat!("`", stringify!($component), "`, for the route table.")]
            pub const fn $page() -> Page {
                #[wasm_split($file, wasm_split_path = ::leptos::wasm_split, preload(fetch), fallible)]
                fn $page() -> Result<AnyView, NotFetched> {
                    Ok($component().into_any())
                }
                Page {
                    file: stringify!($file),
                    draw: || Box::pin($page()),
                    fetch: || Box::pin(async { Ok(fetch().await?) }),
                }
            }
        )+)+

        const ALL: &[Page] = &[$($($page()),+),+];
    };
}

/// Fetches what has not been fetched yet, so that every page opens without a network from then on.
///
/// # Errors
/// `NotFetched` if one of them was not; opening its page tries again.
pub async fn fetch_all() -> Result<(), NotFetched> {
    for page in ALL {
        (page.fetch)().await?;
    }
    Ok(())
}

pages! {
    door: sign_in = accounts::SignInPage, sign_up = accounts::SignUpPage, first_visit = first_visit::FirstVisitPage;
    dashboard: dashboard_page = dashboard::DashboardPage;
    work: projects_page = projects::ProjectsPage, project_page = project::ProjectPage, task = project::panel::TaskPanel,
        step = project::panel::StepPanel, phase = project::panel::PhasePanel, details = project::panel::ProjectPanel,
        notes_page = notes::NotesPage, note = notes::NotePage;
    upkeep: conflicts_page = conflicts::ConflictsPage, conflict = conflicts::one::ConflictPage,
        members_page = members::MembersPage, notifications_page = notifications::NotificationsPage,
        policies_page = policies::PoliciesPage, sync = sync_centre::SyncCentrePage,
        invitation = accounts::InvitationPage, workspaces = accounts::WorkspacesPage;
}

/// Whether a page that the server drew is being taken over.
pub fn taking_over() -> bool {
    Owner::current_shared_context().is_some_and(|context| context.during_hydration())
}

/// Lets some time pass before the next attempt to fetch a file.
pub async fn wait_to_fetch_again() {
    wait(FETCH_AGAIN_MS).await;
}

/// Lets so many milliseconds pass.
pub async fn wait(wait_ms: u64) {
    let (rung, ring) = oneshot::channel();
    dom::later(wait_ms, move || {
        // Nobody listens any more when the person has gone elsewhere.
        rung.send(()).ok();
    });
    ring.await.ok();
}

/// Stands in for a page whose code did not arrive.
#[component]
fn PageNotFetched() -> impl IntoView {
    view! {
        <h1>"This page did not arrive"</h1>
        <p>"The connection broke. Nothing was lost, and what you opened before still works."</p>
        <p><button type="button" class="button" on:click=|_| dom::load("")>"Try again"</button></p>
    }
    .into_any()
}
