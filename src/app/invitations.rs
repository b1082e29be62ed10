//! Invitations that nobody has used yet, and withdrawing them. Fetched when asked for: they are on the server alone.

use crate::api::ApiError;
use crate::api::workspace::{InvitationId, OpenInvitation, open_invitations, withdraw_invitation};
use crate::app::components::confirm::Confirm;
use crate::app::components::people::member_name;
use crate::app::format;
use crate::app::records::use_records;
use leptos::prelude::*;

/// The workspace's open invitations, for those who govern it.
#[component]
pub fn OpenInvitations() -> impl IntoView {
    let records = use_records();
    // One action withdraws and shows, so that nothing of this page is used once the answer comes: it may be gone by then.
    let ask = Action::new(move |withdrawn: &Option<InvitationId>| {
        let (as_whom, withdrawn) = (records.viewer_id(), *withdrawn);
        async move {
            let as_whom = as_whom.ok_or(ApiError::SignedOut)?;
            if let Some(id) = withdrawn {
                match withdraw_invitation(as_whom, id).await {
                    Ok(()) => records.tell("Withdrawn. Its link opens nothing any more.", None),
                    Err(error) => records.tell(error.to_string(), None),
                }
            }
            open_invitations(as_whom).await
        }
    });
    let answer = ask.value();
    let row = move |open: OpenInvitation| {
        let whom = open.email.unwrap_or_else(|| "Whoever has the link".to_owned());
        let label = format!("Withdraw the invitation for {}", whom.to_ascii_lowercase());
        let (id, by) = (open.id, open.by);
        view! {
            <li class="row">
                <div class="row-main">
                    <p>{whom} ", as " {open.role.label().to_ascii_lowercase()}</p>
                    <p class="quiet-text">"By " {move || member_name(records, Some(by.into()))} " · until " {format::instant(open.expires_ms)}</p>
                </div>
                <Confirm
                    label="Withdraw"
                    sure="Withdraw it"
                    name=Signal::stored(label)
                    on_sure=Callback::new(move |()| { ask.dispatch(Some(id)); })
                />
            </li>
        }
    };
    view! {
        <section aria-labelledby="invitations-title">
            <h2 id="invitations-title">"Open invitations"</h2>
            <p class="actions"><button type="button" class="button" on:click=move |_| { ask.dispatch(None); }>"Show open invitations"</button></p>
            <div aria-live="polite">
                {move || answer.get().map(|answer| match answer {
                    Ok(open) if open.is_empty() => view! { <p class="quiet-text">"No invitation is open."</p> }.into_any(),
                    Ok(open) => view! { <ul class="rows" aria-label="Open invitations">{open.into_iter().map(row).collect_view()}</ul> }.into_any(),
                    Err(error) => view! { <p class="field-error">{error.to_string()}</p> }.into_any(),
                })}
            </div>
        </section>
    }
    .into_any()
}
