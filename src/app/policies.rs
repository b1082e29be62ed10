//! How edits made apart become one, field by field: the declared rules, and where this workspace has chosen its own.

use crate::app::components::marks::RecordMark;
use crate::app::records::{Draft, use_records};
use crate::model::catalog::{FieldSpec, Kind, Rule};
use crate::model::id::RecordId;
use crate::model::kinds::Policy;
use crate::model::record::Key;
use crate::model::scope::Scope;
use crate::sync::merge::{decides, suits};
use leptos::prelude::*;
use leptos_meta::Title;
use uuid::Uuid;

/// Kinds whose fields people edit apart.
const KINDS: &[Kind] = &[Kind::Project, Kind::Phase, Kind::Step, Kind::Task, Kind::Comment, Kind::TimeLog, Kind::Note];

/// Every field with its rule.
#[component]
pub fn PoliciesPage() -> impl IntoView {
    view! {
        <Title text="Merge rules"/>
        <div class="page-head"><h1>"Merge rules"</h1></div>
        <p class="quiet-text">
            "When two people change the same field apart, its rule decides. Whatever a rule replaces is kept and can be restored. Admins and owners may choose other rules for this workspace."
        </p>
        {KINDS.iter().map(|kind| view! { <OneKind kind=*kind/> }).collect_view()}
    }
    .into_any()
}

#[component]
fn OneKind(kind: Kind) -> impl IntoView {
    let spec = kind.spec();
    let fields = spec.fields.iter().filter(|field| !field.derived && !field.fixed && decides(kind, field));
    let title = format!("rules-{}", spec.name);
    view! {
        <section aria-labelledby=title>
            <h2 id=title.clone()>{spec.plural}</h2>
            <ul class="rows">
                {fields.map(|field| view! { <OneField kind field/> }).collect_view()}
            </ul>
        </section>
    }
    .into_any()
}

#[component]
fn OneField(kind: Kind, field: &'static FieldSpec) -> impl IntoView {
    let records = use_records();
    let policies = records.of_kind(Kind::Policy);
    let may = records.may_make(Kind::Policy, Scope::Workspace);
    // Two admins who choose apart make two; the newer holds.
    let own = Memo::new(move |_| {
        let all = policies.get();
        let of_this = all.iter().filter_map(|key| {
            records.get(*key).with(|record| {
                let record = record.as_deref()?;
                let policy = Policy(record);
                (policy.of_kind() == kind.spec().name && policy.of_field() == field.name).then_some((record.seq, *key))
            })
        });
        let mut of_this: Vec<_> = of_this.collect();
        of_this.sort_unstable();
        of_this.into_iter().map(|(_, key)| key).collect::<Vec<Key>>()
    });
    let newest = move || own.with(|own| own.last().copied());
    let rule = Memo::new(move |_| {
        let chosen = newest().and_then(|key| {
            records.get(key).with(|record| record.as_deref().and_then(|record| Rule::from_name(Policy(record).rule())))
        });
        chosen.unwrap_or(field.rule)
    });
    let choose = move |chosen: Rule| {
        let own = own.get_untracked();
        let drafts = match own.last() {
            // The declared rule needs no policy of its own.
            Some(_) if chosen == field.rule => own.iter().map(|key| Draft::Delete { key: *key }).collect(),
            Some(key) => vec![Draft::set(*key, "rule", chosen.name())],
            None => vec![
                Draft::create(Kind::Policy, RecordId(Uuid::now_v7()))
                    .with("of_kind", kind.spec().name)
                    .with("of_field", field.name)
                    .with("rule", chosen.name()),
            ],
        };
        records.act_or_tell(drafts);
    };
    let options: Vec<_> =
        Rule::ALL.iter().filter(|(rule, ..)| *rule == field.rule || suits(*rule, kind, field)).collect();
    view! {
        <li class="row">
            <div class="row-main">
                <p>{field.label}</p>
                <p class="quiet-text">
                    {move || rule.get().says()}
                    {move || newest().is_some().then_some(" · chosen by this workspace")}
                </p>
            </div>
            {move || newest().map(|key| view! { <RecordMark key/> })}
            <Show when=move || may.get()>
                <select
                    class="input"
                    aria-label=format!("Rule of {}: {}", kind.spec().label.to_ascii_lowercase(), field.label)
                    prop:value=move || rule.get().name()
                    on:change=move |event| {
                        if let Some(chosen) = Rule::from_name(&event_target_value(&event)) {
                            choose(chosen);
                        }
                    }
                >
                    {options.iter().map(|(choice, name, says)| view! {
                        <option value=*name selected=move || rule.get() == *choice>{*says}</option>
                    }).collect_view()}
                </select>
            </Show>
        </li>
    }
    .into_any()
}
