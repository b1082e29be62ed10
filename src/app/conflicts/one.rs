//! One conflict: field by field what both saw, what is on the server and what waits, with who, when and on which device, and
//! the ways to settle it.

use crate::app::components::diff::Diff;
use crate::app::components::editors::{in_minutes, in_words, read_typed};
use crate::app::components::people::member_name;
use crate::app::conflicts::settling::{Part, Settling};
use crate::app::deeds::value_in_words;
use crate::app::format;
use crate::app::frame::lasting;
use crate::app::project::NotHere;
use crate::app::records::{Draft, Records, use_records};
use crate::model::catalog::{FieldSpec, FieldType, Kind};
use crate::model::check;
use crate::model::choice::{ConflictClass, ConflictState};
use crate::model::kinds::Conflict;
use crate::model::record::{Key, Record};
use crate::model::value::{Name, Value};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;
use std::collections::BTreeMap;

/// The page of the conflict in the address.
#[component]
pub fn ConflictPage() -> impl IntoView {
    let params = use_params_map();
    let key = Memo::new(move |_| {
        params
            .with(|params| params.get_str("conflict").and_then(|id| id.parse().ok()))
            .map(|id| Key::new(Kind::Conflict, id))
    });
    let records = use_records();
    // Compared by what it is about: that it was settled, here or elsewhere, does not throw away what somebody is writing.
    let settling = Memo::new(move |_| {
        key.get().and_then(|key| records.get(key).with(|record| record.as_deref().and_then(Settling::read)))
    });
    move || match settling.get() {
        Some(settling) => view! { <OneConflict settling/> }.into_any(),
        None => view! { <Title text="Conflict"/> <NotHere what="conflict"/> }.into_any(),
    }
}

/// Settles a conflict and offers to take it back.
pub fn settle(records: Records, key: Key, with: fn(&Settling) -> Vec<Draft>, says: &str) {
    let Some(settling) = Settling::of(records, key) else { return };
    let drafts = with(&settling);
    act(records, &settling, drafts, says);
}

fn act(records: Records, settling: &Settling, drafts: Vec<Draft>, says: &str) {
    let undo = settling.undo_of(records, &drafts);
    match records.act(drafts) {
        Ok(()) => records.tell(says, Some(undo)),
        Err(reasons) => records.tell(in_words(reasons), None),
    }
}

/// Which value a person takes for one field.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Take {
    Theirs,
    Mine,
    Written(String),
}

/// What each side is called: a person is addressed as themselves only where they are one of the two.
#[derive(Clone)]
struct Sides {
    mine: String,
    theirs: String,
    keep: String,
    r#use: String,
}

fn sides(records: Records, record: &Record) -> Sides {
    let Some(author) = super::other_author(records, record) else {
        return Sides {
            mine: "Mine".to_owned(),
            theirs: "Theirs".to_owned(),
            keep: "Keep theirs".to_owned(),
            r#use: "Use mine".to_owned(),
        };
    };
    Sides {
        mine: format!("{author}’s edit"),
        theirs: "On the server".to_owned(),
        keep: "Keep what is on the server".to_owned(),
        r#use: format!("Use {author}’s edit"),
    }
}

fn device_in_words(records: Records, id: &str) -> String {
    let name = id
        .parse()
        .ok()
        .and_then(|id| records.get(Key::new(Kind::Device, id)).get())
        .map(|record| record.text("name").to_owned())
        .filter(|name| !name.is_empty());
    name.unwrap_or_else(|| match id.get(..4) {
        Some(start) => format!("device {start}…"),
        None => "an unknown device".to_owned(),
    })
}

#[component]
fn OneConflict(settling: Settling) -> impl IntoView {
    let records = use_records();
    let key = settling.conflict;
    let record = records.get(key);
    let title = super::title_of_target(records, key);
    let locked = records.locked(key);
    let deleted = settling.class == ConflictClass::DeleteWins;
    let superseded = settling.class == ConflictClass::Superseded;
    // What a rule decided nobody has settled yet, though it waits for nobody.
    let settled = Memo::new(move |_| {
        record.with(|record| {
            record.as_deref().is_some_and(|record| {
                let done = Conflict(record).state() == Some(ConflictState::Settled);
                done && (!superseded || super::outcome(records, record).is_some())
            })
        })
    });
    let restore = Memo::new(move |_| super::restore_in_words(records, record));
    let names = Memo::new(move |_| {
        record
            .with(|record| {
                record.as_deref().map(|record| {
                    let sides = sides(records, record);
                    (sides.mine, sides.theirs, sides.keep, sides.r#use)
                })
            })
            .unwrap_or_default()
    });
    let takes: BTreeMap<String, RwSignal<Take>> =
        settling.parts.iter().map(|part| (part.name.clone(), RwSignal::new(Take::Theirs))).collect();
    let settling = StoredValue::new(settling);
    let takes = StoredValue::new(takes);
    let fault = RwSignal::new(None::<String>);
    // What the server holds in every field is no third version.
    let nothing_chosen = Memo::new(move |_| {
        takes.with_value(|takes| takes.values().all(|take| take.with(|take| *take == Take::Theirs)))
    });
    let author = Memo::new(move |_| {
        record.with(|record| record.as_deref().and_then(|record| super::other_author(records, record)))
    });
    let kept = move || if author.get_untracked().is_some() { "Kept what is on the server." } else { "Kept theirs." };
    let used = move || {
        author.get_untracked().map_or_else(|| "Used mine.".to_owned(), |author| format!("Used {author}’s edit."))
    };
    let decided = move |says: &str, with: fn(&Settling) -> Vec<Draft>| {
        settling.with_value(|settling| act(records, settling, with(settling), says));
    };
    let combine = move || {
        let values = settling.with_value(|settling| takes.with_value(|takes| chosen_values(settling, takes)));
        match values {
            Ok(values) => {
                fault.set(None);
                settling.with_value(|settling| act(records, settling, settling.combine(values), "Combined both."));
            }
            Err(says) => fault.set(Some(says)),
        }
    };
    let outcome = move || {
        record.with(|record| {
            let record = record.as_deref()?;
            let by = Conflict(record).settled_by();
            let by = by.map(|by| format!(" by {}", member_name(records, Some(by)))).unwrap_or_default();
            let how = super::outcome(records, record).map(|how| format!(": {how}")).unwrap_or_default();
            Some(format!("Settled{by}{how}."))
        })
    };
    let target = settling.with_value(|settling| settling.target);
    let page_title = Signal::derive(move || format!("Conflict: {}", title.get()));
    view! {
        <Title text=lasting(page_title)/>
        <div class="page-head">
            <div>
                <p class="quiet-text"><a href="/conflicts">"Conflicts"</a></p>
                <h1>{move || title.get()}</h1>
            </div>
            {move || records.link(target).map(|href| view! { <a class="button quiet" href=href>"Open it"</a> })}
        </div>
        <p>{move || record.get().map(|record| super::story(records, &record))} "."</p>
        <Show when=move || settled.get()>
            <p class="banner" role="status">{outcome}</p>
        </Show>
        <div class="versus-who">
            <Who record side=Side::Mine name=Signal::derive(move || names.with(|names| names.0.clone()))/>
            <Who record side=Side::Theirs name=Signal::derive(move || names.with(|names| names.1.clone()))/>
        </div>
        {settling.with_value(|settling| settling.parts.iter().map(|part| {
            let take = takes.with_value(|takes| takes.get(&part.name).copied()).unwrap_or_else(|| RwSignal::new(Take::Theirs));
            view! { <Versus part=part.clone() spec=settling.spec(part) take names open=Signal::derive(move || !settled.get() && !locked.get() && !deleted && !superseded)/> }
        }).collect_view())}
        <Show when=move || superseded && !settled.get() && !locked.get()>
            <p class="actions">
                <button type="button" class="button" on:click=move |_| decided("Restored the kept value.", Settling::use_mine)>
                    {move || restore.get()}
                </button>
            </p>
        </Show>
        <Show when=move || !superseded && !settled.get() && !locked.get()>
            <div class="toolbar" role="group" aria-label="Settle">
                <button type="button" class="button" on:click=move |_| decided(
                    if deleted { "Left it deleted." } else { kept() }, Settling::keep_theirs,
                )>
                    {move || if deleted { "Leave it deleted".to_owned() } else { names.with(|names| names.2.clone()) }}
                </button>
                <button type="button" class="button primary" on:click=move |_| decided(
                    &if deleted { "Restored it with the edit.".to_owned() } else { used() }, Settling::use_mine,
                )>
                    {move || if deleted { "Restore it with the edit".to_owned() } else { names.with(|names| names.3.clone()) }}
                </button>
                {(!deleted).then(|| view! {
                    <button
                        type="button"
                        class="button"
                        aria-describedby="combine-hint"
                        disabled=move || nothing_chosen.get()
                        on:click=move |_| combine()
                    >"Combine"</button>
                })}
            </div>
            {(!deleted).then(|| view! {
                <p class="hint" id="combine-hint">
                    "Combine takes, field by field, what you chose or wrote above."
                    {move || nothing_chosen.get().then_some(" So far that is what the server holds already.")}
                </p>
            })}
            <p class="field-error" role="alert">{move || fault.get()}</p>
        </Show>
    }
    .into_any()
}

/// The values a person chose field by field; fields left as the server has them are not written.
fn chosen_values(
    settling: &Settling,
    takes: &BTreeMap<String, RwSignal<Take>>,
) -> Result<BTreeMap<Name, Value>, String> {
    let mut values = BTreeMap::new();
    for part in &settling.parts {
        let (Some(spec), Some(take)) = (settling.spec(part), takes.get(&part.name)) else { continue };
        let value = match take.get_untracked() {
            Take::Theirs => continue,
            Take::Mine => match part.mine.clone() {
                Some(mine) => mine,
                None => continue,
            },
            Take::Written(text) => read_typed(spec, &text)?,
        };
        let value = check::field(spec, &value).map_err(|error| error.says)?;
        values.insert(Name::new(spec.name), value);
    }
    Ok(values)
}

/// What stands in the input of a field: its unit, and what it means that nothing stands there.
fn typed_in_words(spec: &FieldSpec, text: &str) -> String {
    let text = text.trim();
    match spec.ty {
        _ if text.is_empty() && spec.required => format!("{} cannot be empty.", spec.label),
        _ if text.is_empty() => format!("Empty: it then has no {}.", spec.label.to_ascii_lowercase()),
        FieldType::Int { .. } if in_minutes(spec) => match text.parse() {
            Ok(minutes) => format!("In minutes: {}.", format::minutes(minutes)),
            Err(_) => "In minutes, such as 90.".to_owned(),
        },
        FieldType::Int { .. } => "A whole number.".to_owned(),
        FieldType::Date => "Year, month and day, such as 2027-03-01.".to_owned(),
        _ => String::new(),
    }
}

/// One of the two edits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// The one that waits or lost.
    Mine,
    /// The one the server holds.
    Theirs,
}

/// Who made one side, when and on which device.
#[component]
fn Who(record: Signal<Option<std::sync::Arc<Record>>>, side: Side, name: Signal<String>) -> impl IntoView {
    let records = use_records();
    let facts = move || {
        let record = record.get()?;
        let conflict = Conflict(&record);
        let (by, device, at) = match side {
            Side::Mine => (conflict.mine_by(), conflict.mine_device().to_owned(), conflict.mine_at()),
            Side::Theirs => (conflict.theirs_by(), conflict.theirs_device().to_owned(), conflict.theirs_at()),
        };
        let at = at.map(format::instant).unwrap_or_else(|| "at an unknown time".to_owned());
        Some(format!("{} · {at} · {}", member_name(records, by), device_in_words(records, &device)))
    };
    view! {
        <div>
            <h2 class="versus-name">{move || name.get()}</h2>
            <p class="quiet-text">{facts}</p>
        </div>
    }
    .into_any()
}

/// One field side by side.
#[component]
fn Versus(
    part: Part,
    spec: Option<&'static FieldSpec>,
    take: RwSignal<Take>,
    names: Memo<(String, String, String, String)>,
    open: Signal<bool>,
) -> impl IntoView {
    let records = use_records();
    let ty = spec.map_or(FieldType::Text { chars_max: 0 }, |spec| spec.ty);
    let is_text = matches!(ty, FieldType::Text { .. } | FieldType::LongText { .. });
    let writable =
        matches!(ty, FieldType::Text { .. } | FieldType::LongText { .. } | FieldType::Int { .. } | FieldType::Date);
    let words = move |value: &Option<Value>| match value {
        Some(value) => value_in_words(records, spec, value),
        None => "hidden from you".to_owned(),
    };
    let base = words(&part.base);
    let show = move |value: &Option<Value>, absent: &'static str| match value {
        None => view! { <p class="quiet-text">{absent}</p> }.into_any(),
        Some(Value::Text(text)) if is_text => {
            let before = part.base.as_ref().and_then(Value::as_text).unwrap_or_default().to_owned();
            view! { <Diff before after=text.to_string()/> }.into_any()
        }
        value => view! { <div class="prose">{words(value)}</div> }.into_any(),
    };
    let mine = show.clone()(&part.mine, "Hidden from you");
    let theirs = show(&part.theirs, "Deleted");
    let group = format!("take-{}", part.name);
    let label = part.label.clone();
    let many_lines = matches!(ty, FieldType::LongText { .. });
    let number = matches!(ty, FieldType::Int { .. });
    let hint_id = StoredValue::new(format!("hint-{}", part.name));
    let start = match (&part.mine, &part.theirs) {
        (Some(Value::Text(text)), _) => text.to_string(),
        (Some(Value::Int(number)), _) => number.to_string(),
        (_, Some(Value::Text(text))) => text.to_string(),
        _ => String::new(),
    };
    let start = StoredValue::new(start);
    let written = move || take.with(|take| if let Take::Written(text) = take { text.clone() } else { String::new() });
    let label_of_box = StoredValue::new(format!("Combined {}", label.to_ascii_lowercase()));
    let group_of_theirs = group.clone();
    let group_of_written = group.clone();
    view! {
        <fieldset class="versus">
            <legend>{label}</legend>
            <p class="quiet-text">"Both saw: " <span class="versus-base">{base}</span></p>
            <div class="versus-sides">
                <div class="versus-side">
                    <Show when=move || open.get() fallback=move || view! { <p class="versus-label">{move || names.with(|names| names.1.clone())}</p> }>
                        <label class="versus-label">
                            <input type="radio" name=group_of_theirs.clone() prop:checked=move || take.get() == Take::Theirs checked on:change=move |_| take.set(Take::Theirs)/>
                            {move || names.with(|names| names.1.clone())}
                        </label>
                    </Show>
                    {theirs}
                </div>
                <div class="versus-side">
                    <Show when=move || open.get() fallback=move || view! { <p class="versus-label">{move || names.with(|names| names.0.clone())}</p> }>
                        <label class="versus-label">
                            <input type="radio" name=group.clone() prop:checked=move || take.get() == Take::Mine on:change=move |_| take.set(Take::Mine)/>
                            {move || names.with(|names| names.0.clone())}
                        </label>
                    </Show>
                    {mine}
                </div>
            </div>
            <Show when=move || writable && open.get()>
                <label class="versus-label">
                    <input type="radio" name=group_of_written.clone() prop:checked=move || matches!(take.get(), Take::Written(_)) on:change=move |_| {
                        take.set(Take::Written(start.get_value()));
                    }/>
                    "Write it together"
                </label>
                <Show when=move || take.with(|take| matches!(take, Take::Written(_)))>
                    {if many_lines {
                        view! {
                            <textarea
                                class="input textarea"
                                rows="4"
                                aria-label=label_of_box.get_value()
                                aria-describedby=hint_id.get_value()
                                prop:value=written
                                on:input=move |event| take.set(Take::Written(event_target_value(&event)))
                            ></textarea>
                        }.into_any()
                    } else {
                        view! {
                            <input
                                class="input"
                                inputmode=number.then_some("numeric")
                                autocomplete="off"
                                aria-label=label_of_box.get_value()
                                aria-describedby=hint_id.get_value()
                                prop:value=written
                                on:input=move |event| take.set(Take::Written(event_target_value(&event)))
                            />
                        }.into_any()
                    }}
                    <p class="hint" id=hint_id.get_value()>{move || spec.map(|spec| typed_in_words(spec, &written()))}</p>
                </Show>
            </Show>
        </fieldset>
    }
    .into_any()
}
