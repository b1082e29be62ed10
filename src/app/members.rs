//! Who is in the workspace and what each may do; inviting and removing people; edits of removed members that an owner
//! reviews.

use crate::api::ApiError;
use crate::api::review::{self, Held};
use crate::api::workspace::{invite, remove_member};
use crate::app::components::confirm::Confirm;
use crate::app::components::long::long_records;
use crate::app::components::marks::RecordMark;
use crate::app::components::people::member_name;
use crate::app::deeds::{linked, name_of, op_in_words};
use crate::app::dom;
use crate::app::format;
use crate::app::invitations::OpenInvitations;
use crate::app::records::{Draft, Records, use_records};
use crate::model::catalog::Kind;
use crate::model::choice::Role;
use crate::model::id::{MemberId, OpId};
use crate::model::kinds::Member;
use crate::model::permission::{Belongs, may_set_active, may_set_role};
use crate::model::record::Key;
use crate::sync::op::Action as Does;
use leptos::prelude::*;
use leptos_meta::Title;
use std::sync::Arc;

/// Everybody, what they may do, and where the next one is invited.
#[component]
pub fn MembersPage() -> impl IntoView {
    let records = use_records();
    let members = records.of_kind(Kind::Member);
    let actor = records.actor();
    let governs = Memo::new(move |_| actor.get().is_some_and(|actor| actor.governs()));
    let owners = Memo::new(move |_| {
        let is_owner = |key: &&Key| {
            records.get(**key).with(|record| {
                record
                    .as_deref()
                    .is_some_and(|record| Member(record).active() && Member(record).role() == Some(Role::Owner))
            })
        };
        members.with(|members| members.iter().filter(is_owner).count())
    });
    let owns = Memo::new(move |_| actor.get().is_some_and(|actor| actor.role == Role::Owner));
    view! {
        <Title text="Members"/>
        <div class="page-head">
            <h1>"Members"</h1>
            <a class="button quiet" href="/policies">"Merge rules"</a>
        </div>
        {long_records(
            ("member-list", "rows", "Members"),
            Kind::Member,
            move || members.get().to_vec(),
            move |key| view! { <MemberRow key owners/> }.into_any(),
        )}
        <Show when=move || governs.get()><Invite/></Show>
        <Show when=move || governs.get()><OpenInvitations/></Show>
        <Show when=move || owns.get()><HeldEdits/></Show>
    }
    .into_any()
}

#[component]
fn MemberRow(key: Key, owners: Memo<usize>) -> impl IntoView {
    let records = use_records();
    let record = records.get(key);
    let name = records.title(key);
    let actor = records.actor();
    let viewer = records.viewer();
    let role = Memo::new(move |_| {
        record.with(|record| record.as_deref().and_then(|record| Member(record).role()).unwrap_or(Role::Viewer))
    });
    let active =
        Memo::new(move |_| record.with(|record| record.as_deref().is_some_and(|record| Member(record).active())));
    let me = move || viewer.with(|viewer| viewer.as_ref().is_some_and(|viewer| key.id == viewer.member.into()));
    let may_change =
        move |to: Role| actor.get().is_some_and(|actor| to == role.get() || may_set_role(&actor, role.get(), to));
    // Nobody could govern the workspace after that.
    let last = move || role.get() == Role::Owner && active.get() && owners.get() == 1;
    let may_any = move || Role::ALL.iter().any(|to| *to != role.get() && may_change(*to));
    let may_remove = move || {
        !me() && actor.get().is_some_and(|actor| may_set_active(&actor, key.id.into(), role.get(), Belongs::No))
    };
    let fault = RwSignal::new(None::<String>);
    let remove = Action::new(move |(): &()| {
        let as_whom = viewer.with_untracked(|viewer| viewer.as_ref().map(|viewer| viewer.member));
        async move {
            let done = match as_whom {
                Some(as_whom) => remove_member(as_whom, MemberId(key.id.0)).await,
                None => Err(ApiError::SignedOut),
            };
            match done {
                Ok(()) => {
                    records.tell("Removed. Edits they had not sent are quarantined until an owner decides.", None)
                }
                Err(error) => fault.set(Some(error.to_string())),
            }
        }
    });
    view! {
        <li class="row">
            <div class="row-main">
                <p>
                    <strong>{move || name.get()}</strong>
                    {move || me().then_some(" (you)")}
                    {move || (!active.get()).then_some(" · removed")}
                </p>
                {move || (me() && last()).then(|| view! {
                    <p class="quiet-text">"The only owner. Make somebody else an owner before you take another role."</p>
                })}
                <p class="field-error" role="alert">{move || fault.get()}</p>
            </div>
            <RecordMark key/>
            <Show
                when=move || active.get() && may_any() && !last()
                fallback=move || view! { <span class="quiet-text">{move || role.get().label()}</span> }
            >
                <select
                    class="input"
                    aria-label=move || format!("Role of {}", name.get())
                    prop:value=move || role.get().name()
                    on:change=move |event| {
                        if let Some(chosen) = Role::from_name(&event_target_value(&event)) {
                            records.act_or_tell(vec![Draft::set(key, "role", chosen)]);
                        }
                    }
                >
                    {Role::ALL.iter().map(|choice| view! {
                        <option
                            value=choice.name()
                            selected=move || role.get() == *choice
                            disabled=move || !may_change(*choice)
                        >{choice.label()}</option>
                    }).collect_view()}
                </select>
            </Show>
            <Show when=move || active.get() && may_remove()>
                <Confirm
                    label="Remove"
                    sure="Remove from the workspace"
                    name=Signal::derive(move || format!("Remove {}", name.get()))
                    on_sure=Callback::new(move |()| { remove.dispatch(()); })
                />
            </Show>
        </li>
    }
    .into_any()
}

/// Makes an invitation and shows its link, once.
#[component]
fn Invite() -> impl IntoView {
    let records = use_records();
    let role = RwSignal::new(Role::Member);
    let email = RwSignal::new(String::new());
    let actor = records.actor();
    let make = Action::new(move |(): &()| {
        let as_whom = records.viewer().with_untracked(|viewer| viewer.as_ref().map(|viewer| viewer.member));
        let address = email.get_untracked().trim().to_owned();
        let role = role.get_untracked();
        async move {
            match as_whom {
                Some(as_whom) => invite(as_whom, role, (!address.is_empty()).then_some(address)).await,
                None => Err(ApiError::SignedOut),
            }
        }
    });
    let answer = make.value();
    let offered =
        move |choice: Role| actor.get().is_some_and(|actor| actor.role == Role::Owner || choice < Role::Admin);
    view! {
        <section aria-labelledby="invite-title">
            <h2 id="invite-title">"Invite somebody"</h2>
            <form class="time-form" method="dialog" on:submit=move |event| {
                event.prevent_default();
                // A disabled button would lose the focus.
                if !make.pending().get_untracked() {
                    make.dispatch(());
                }
            }>
                <label>"Role"
                    <select class="input" aria-label="Role of the invited" prop:value=move || role.get().name() on:change=move |event| {
                        if let Some(chosen) = Role::from_name(&event_target_value(&event)) {
                            role.set(chosen);
                        }
                    }>
                        {Role::ALL.iter().map(|choice| view! {
                            <option value=choice.name() selected=*choice == Role::Member disabled=move || !offered(*choice)>{choice.label()}</option>
                        }).collect_view()}
                    </select>
                </label>
                <label>"Email, if only they may use it"
                    <input class="input" type="email" autocomplete="off" prop:value=move || email.get() on:input=move |event| email.set(event_target_value(&event))/>
                </label>
                <button type="submit" class="button primary" aria-disabled=move || make.pending().get().to_string()>"Make an invitation"</button>
            </form>
            <div aria-live="polite">
                {move || answer.get().map(|answer| match answer {
                    Ok(invited) => {
                        let link = format!("{}{}", dom::origin(), invited.path);
                        view! {
                            <div class="stack">
                                <label for="invitation-link" class="hint">"Send them this link. It works once, until " {format::instant(invited.expires_ms)} ", and is shown only now."</label>
                                <input class="input" id="invitation-link" readonly value=link on:focus=move |event| dom::select(&event)/>
                            </div>
                        }.into_any()
                    }
                    Err(error) => view! { <p class="field-error">{error.to_string()}</p> }.into_any(),
                })}
            </div>
        </section>
    }
    .into_any()
}

/// What an owner does with a quarantined edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Release,
    Discard,
}

/// Edits of removed members, quarantined until an owner decides. Fetched when asked for: they are on the server alone.
#[component]
fn HeldEdits() -> impl IntoView {
    let records = use_records();
    // One action decides and shows, so that nothing of this page is used once the answer comes: it may be gone by then.
    let ask = Action::new(move |decision: &Option<(OpId, Verdict)>| {
        let (as_whom, decision) = (records.viewer_id(), *decision);
        async move {
            let as_whom = as_whom.ok_or(ApiError::SignedOut)?;
            let done = match decision {
                Some((op, Verdict::Release)) => review::release(as_whom, vec![op]).await,
                Some((op, Verdict::Discard)) => review::discard(as_whom, vec![op]).await,
                None => Ok(()),
            };
            if let Err(error) = done {
                records.tell(error.to_string(), None);
            }
            review::quarantine(as_whom).await
        }
    });
    let answer = ask.value();
    let held = Memo::new(move |_| {
        Arc::new(
            answer
                .with(|answer| answer.as_ref().and_then(|answer| answer.as_ref().ok()).map(|list| list.held.clone()))
                .unwrap_or_default(),
        )
    });
    let says = move || {
        answer.with(|answer| match answer {
            Some(Ok(list)) if list.held.is_empty() => "Nothing is quarantined.".to_owned(),
            Some(Ok(list)) if list.more => {
                format!("These are the oldest {}. Decide some of them to see more.", list.held.len())
            }
            _ => String::new(),
        })
    };
    let fault =
        move || answer.with(|answer| answer.as_ref().and_then(|answer| answer.as_ref().err()).map(ToString::to_string));
    let ids = move || held.with(|held| held.iter().map(|held| held.op.id).collect::<Vec<_>>());
    let row = move |id: OpId| {
        let of = move |all: &[Held]| all.iter().position(|held| held.op.id == id);
        let (key, by, at_ms) = held.with_untracked(|all| {
            let held = all.get(of(all)?)?;
            Some((held.op.key(), held.by, held.at_ms))
        })?;
        // It stays as it was said until its row has gone.
        let words = Memo::new(move |before: Option<&String>| {
            let now =
                held.with(|all| of(all).and_then(|nth| all.get(nth)).map(|held| held_in_words(records, held, all)));
            now.or_else(|| before.cloned()).unwrap_or_default()
        });
        Some(view! {
            <li class="row">
                <div class="row-main">
                    {linked(records, Some(key), words)}
                    <p class="quiet-text">{move || format!("by {} · {}", member_name(records, Some(by.into())), format::instant(at_ms))}</p>
                </div>
                <button type="button" class="button" aria-label=move || format!("Apply it: {}", words.get())
                    on:click=move |_| { ask.dispatch(Some((id, Verdict::Release))); }>"Apply it"</button>
                <Confirm
                    label="Discard it"
                    sure="Discard for good"
                    name=Signal::derive(move || format!("Discard it: {}", words.get()))
                    on_sure=Callback::new(move |()| { ask.dispatch(Some((id, Verdict::Discard))); })
                />
            </li>
        })
    };
    view! {
        <section aria-labelledby="held-title">
            <h2 id="held-title">"Quarantined edits"</h2>
            <p class="quiet-text">"Edits that members made before they were removed, and sent afterwards. Nothing is applied or dropped until an owner says so."</p>
            <p class="actions"><button type="button" class="button" on:click=move |_| { ask.dispatch(None); }>"Show quarantined edits"</button></p>
            <div aria-live="polite">
                <p class="quiet-text">{says}</p>
                <Show when=move || held.with(|held| !held.is_empty())>
                    <ul class="rows" aria-label="Quarantined edits">
                        <For each=ids key=|id| *id let(id)>{row(id)}</For>
                    </ul>
                </Show>
                <p class="field-error">{fault}</p>
            </div>
        </section>
    }
    .into_any()
}

/// What a quarantined edit does. Its record may be one that only the server has, or that another of them makes.
fn held_in_words(records: Records, held: &Held, all: &[Held]) -> String {
    let name = match (&held.op.action, &held.title) {
        (Does::Create { .. }, _) | (_, None) => name_of(records, &held.op, all.iter().map(|held| &held.op)),
        (_, Some(title)) => title.clone(),
    };
    op_in_words(records, &held.op, &name)
}
