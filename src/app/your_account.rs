//! One's own account: another password, and the browsers one is signed in on. Fetched when asked for, because both are on the
//! server alone.

use crate::api::account::{ChangePassword, SessionId, SignedIn, end_other_sessions, end_session, sessions};
use crate::app::accounts::{Input, fault_of, says};
use crate::app::components::confirm::Confirm;
use crate::app::format;
use crate::app::records::use_records;
use leptos::prelude::*;

/// The account of whoever is signed in here.
#[component]
pub fn YourAccount() -> impl IntoView {
    let records = use_records();
    // One action ends and shows, so that nothing of this page is used once the answer comes: it may be gone by then.
    let shown = Action::new(move |ended: &Option<Ending>| {
        let ended = *ended;
        async move {
            let done = match ended {
                Some(Ending::One(id)) => Some(end_session(id).await),
                Some(Ending::AllOthers) => Some(end_other_sessions().await),
                None => None,
            };
            match done {
                Some(Ok(())) => records.tell("Signed out there. What waits on that device stays on it.", None),
                Some(Err(error)) => records.tell(error.to_string(), None),
                None => {}
            }
            sessions().await
        }
    });
    view! {
        <SignIns shown/>
        <Password shown/>
    }
    .into_any()
}

/// What a list of signed-in browsers is fetched with, after what is to end has ended.
type Shown = Action<Option<Ending>, Result<Vec<SignedIn>, crate::api::ApiError>>;

/// What to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    One(SessionId),
    AllOthers,
}

#[component]
fn SignIns(shown: Shown) -> impl IntoView {
    let answer = shown.value();
    let row = move |one: SignedIn| {
        let name = format::browser(&one.agent);
        let label = format!("Sign out of {name}, last heard of {}", format::instant(one.seen_ms));
        let id = one.id;
        view! {
            <li class="row">
                <div class="row-main">
                    <p>{name} {one.here.then_some(" (this browser)")}</p>
                    <p class="quiet-text">"Since " {format::instant(one.since_ms)} " · last heard of " {format::instant(one.seen_ms)}</p>
                </div>
                {(!one.here).then(|| view! {
                    <Confirm
                        label="Sign out"
                        sure="Sign out there"
                        name=Signal::stored(label)
                        on_sure=Callback::new(move |()| { shown.dispatch(Some(Ending::One(id))); })
                    />
                })}
            </li>
        }
    };
    view! {
        <section aria-labelledby="sign-ins-title">
            <h2 id="sign-ins-title">"Where you are signed in"</h2>
            <p class="quiet-text">"Every browser that can open your workspaces. Sign out the ones you no longer have."</p>
            <p class="actions">
                <button type="button" class="button" on:click=move |_| { shown.dispatch(None); }>"Show where you are signed in"</button>
            </p>
            <div aria-live="polite">
                {move || answer.get().map(|answer| match answer {
                    Ok(all) => {
                        let others = all.len() > 1;
                        view! {
                            <ul class="rows" aria-label="Browsers you are signed in on">{all.into_iter().map(row).collect_view()}</ul>
                            {others.then(|| view! {
                                <p class="actions">
                                    <Confirm
                                        label="Sign out everywhere else"
                                        sure="Sign out of all others"
                                        name="Sign out everywhere else"
                                        on_sure=Callback::new(move |()| { shown.dispatch(Some(Ending::AllOthers)); })
                                    />
                                </p>
                            })}
                        }.into_any()
                    }
                    Err(error) => view! { <p class="field-error">{error.to_string()}</p> }.into_any(),
                })}
            </div>
        </section>
    }
    .into_any()
}

#[component]
fn Password(shown: Shown) -> impl IntoView {
    let viewer = use_records().viewer();
    let action = ServerAction::<ChangePassword>::new();
    let error = says(action);
    let form = NodeRef::<leptos::html::Form>::new();
    let done = Memo::new(move |_| action.value().with(|value| matches!(value, Some(Ok(())))));
    Effect::new(move || {
        if done.get() {
            if let Some(form) = form.get() {
                form.reset();
            }
            // The others are gone from the list, where it is shown.
            if shown.value().with_untracked(Option::is_some) {
                shown.dispatch(None);
            }
        }
    });
    view! {
        <section aria-labelledby="password-title">
            <h2 id="password-title">"Password"</h2>
            <ActionForm action node_ref=form attr:class="stack">
                // Tells a password manager whose password this is.
                <input type="text" autocomplete="username" hidden readonly value=move || viewer.with(|viewer| viewer.as_ref().map(|viewer| viewer.email.clone()))/>
                <Input name="current" label="Password as it is now" sort="password" autocomplete="current-password" fault=fault_of(action, "current")/>
                <Input
                    name="new"
                    label="New password"
                    sort="password"
                    autocomplete="new-password"
                    hint="At least 10 characters. Every other browser of yours is signed out."
                    fault=fault_of(action, "new")
                />
                <p class="field-error" role="alert">{move || error.get()}</p>
                <p role="status">{move || done.get().then_some("The password was changed, and every other browser of yours was signed out.")}</p>
                <p class="actions">
                    // A disabled button would lose the focus.
                    <button
                        type="submit"
                        class="button"
                        aria-disabled=move || action.pending().get().to_string()
                        on:click=move |event| if action.pending().get_untracked() {
                            event.prevent_default();
                        }
                    >"Change the password"</button>
                </p>
            </ActionForm>
        </section>
    }
    .into_any()
}
