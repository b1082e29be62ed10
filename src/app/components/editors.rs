//! One editor per type of field, chosen by the catalog's declaration: label, control, where the field stands, and what is
//! wrong with what was typed. What somebody is typing stays theirs until they leave the control: a remote change never
//! replaces it, and the edit that follows says what they had seen.

use crate::app::components::marks::FieldMark;
use crate::app::components::people::member_name;
use crate::app::components::unsent::{NO_ROOM, Unsent};
use crate::app::dom;
use crate::app::format;
use crate::app::records::{Draft, Records, Told, title_of, use_records};
use crate::model::catalog::{FieldSpec, FieldType, Kind};
use crate::model::check;
use crate::model::choice::Choice;
use crate::model::id::RecordId;
use crate::model::kinds::Task;
use crate::model::record::{Key, Record, Version};
use crate::model::value::{Name, Value};
use crate::sync::op::{Change, Reason};
use leptos::html::Button;
use leptos::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// One field of one record, as an editor works with it. Copied into every closure of a control.
#[derive(Clone, Copy)]
struct Editing {
    records: Records,
    key: Key,
    spec: &'static FieldSpec,
    record: Signal<Option<Arc<Record>>>,
    typed: RwSignal<Option<Typed>>,
    fault: RwSignal<Option<String>>,
    locked: Signal<bool>,
}

/// What somebody is typing, and the field as they saw it when they began.
#[derive(Clone)]
struct Typed {
    text: String,
    reads: Reads,
    seen: Seen,
}

/// Whether the browser can read what is in an input.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reads {
    /// The text is what is in it.
    Whole,
    /// It holds part of a date or number, and the text is from before.
    Half,
}

/// A field as somebody saw it: what their edit is an edit of.
#[derive(Clone, Default)]
struct Seen {
    base: Version,
    was: Value,
}

impl Seen {
    fn of(record: &Record, field: &str) -> Self {
        Self { base: record.version(field), was: record.get(field).clone() }
    }

    /// As it is kept beside unfinished text.
    fn to_kept(&self) -> String {
        format!("{} {}", self.base, text_of(&self.was))
    }

    fn from_kept(kept: &str) -> Option<Self> {
        let (base, was) = kept.split_once(' ')?;
        let was = if was.is_empty() { Value::Null } else { Value::from(was) };
        Some(Self { base: base.parse().ok()?, was })
    }
}

/// Under which name it is kept what unfinished text was typed over.
fn seen_name(draft: &str) -> String {
    format!("{draft}.seen")
}

/// A value as an input shows it.
fn text_of(value: &Value) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        Value::Int(number) => number.to_string(),
        _ => String::new(),
    }
}

impl Editing {
    fn new(key: Key, spec: &'static FieldSpec) -> Self {
        let records = use_records();
        Self {
            records,
            key,
            spec,
            record: records.get(key),
            typed: RwSignal::new(None),
            fault: RwSignal::new(None),
            locked: records.locked(key),
        }
    }

    fn id(self) -> String {
        format!("{}-{}", self.spec.name, self.key.id)
    }

    /// What the field holds, followed.
    fn value(self) -> Value {
        self.record.with(|record| record.as_ref().map(|record| record.get(self.spec.name).clone()).unwrap_or_default())
    }

    /// What the field holds, as an input shows it.
    fn as_text(self) -> String {
        text_of(&self.value())
    }

    /// What the input shows: what is being typed, or else what the field holds.
    fn shown(self) -> String {
        self.typed.with(|typed| typed.as_ref().map(|typed| typed.text.clone())).unwrap_or_else(|| self.as_text())
    }

    /// The field as it stands now, not followed; `None` once the editor has gone with its page.
    fn seen(self) -> Option<Seen> {
        let field = self.spec.name;
        self.record
            .try_with_untracked(|record| record.as_deref().map(|record| Seen::of(record, field)).unwrap_or_default())
    }

    /// Somebody types: the text so far, or `None` while the browser cannot read it.
    fn typing(self, text: Option<String>) {
        // An input that is taken away with its page may still say that it changed, when nothing is left to change.
        let Some(seen) = self.seen() else { return };
        self.typed.update(|typed| {
            let typed = typed.get_or_insert_with(|| Typed { text: text_of(&seen.was), reads: Reads::Whole, seen });
            typed.reads = if text.is_some() { Reads::Whole } else { Reads::Half };
            if let Some(text) = text {
                typed.text = text;
            }
        });
    }

    fn give_up(self) {
        self.typed.set(None);
        self.fault.set(None);
    }

    /// Takes what was typed as the field's value, if it was changed and passes the checks.
    fn commit_typed(self) {
        // An input that is taken away with its page loses the focus too, when nothing is left to commit to.
        let Some(Typed { text, reads, seen }) = self.typed.try_get_untracked().flatten() else { return };
        let read = match reads {
            Reads::Whole => read_typed(self.spec, &text),
            Reads::Half => Err(half_typed(self.spec)),
        };
        match read {
            Ok(value) => {
                if value == seen.was || self.commit_seen(value, seen) {
                    self.give_up();
                }
            }
            Err(says) => self.fault.set(Some(says)),
        }
    }

    /// Takes a value; whether it was taken.
    fn commit(self, value: Value) -> bool {
        self.seen().is_some_and(|seen| self.commit_seen(value, seen))
    }

    fn commit_seen(self, value: Value, Seen { base, was }: Seen) -> bool {
        let now = match check::field(self.spec, &value) {
            Ok(value) => value,
            Err(error) => {
                self.fault.set(Some(error.says));
                return false;
            }
        };
        let changes = BTreeMap::from([(Name::new(self.spec.name), Change { base, was, now })]);
        match self.records.act(vec![Draft::Edit { key: self.key, changes }]) {
            Ok(()) => {
                self.fault.set(None);
                true
            }
            Err(reasons) => {
                self.fault.set(Some(in_words(reasons)));
                false
            }
        }
    }

    /// The editor goes with its page. A line is taken as if it had been left, many lines stay kept in this browser, and what
    /// is neither is said.
    fn leave(self) {
        let Some(Typed { text, reads, .. }) = self.typed.try_get_untracked().flatten() else { return };
        if matches!(self.spec.ty, FieldType::LongText { .. }) {
            if self.records.peek(self.key).is_none() {
                let kind = self.key.kind.spec().label.to_ascii_lowercase();
                let label = self.spec.label;
                self.say(format!(
                    "This {kind} is not on this device any more. What you wrote in {label} is kept in this browser, for when it comes back."
                ));
            }
            return;
        }
        self.commit_typed();
        if let Some(says) = self.fault.try_get_untracked().flatten() {
            self.say(if reads == Reads::Whole { with_typed(&says, &text) } else { says });
        }
    }

    /// Says something, and again what was said before if that can be undone: whoever looks may have deleted this just now.
    fn say(self, says: String) {
        match self.records.told().try_get_untracked().flatten() {
            Some(Told { says: before, undo: Some(undo), .. }) => {
                self.records.tell(format!("{before} {says}"), Some(undo));
            }
            _ => self.records.tell(says, None),
        }
    }

    /// Keeps what is being typed in this browser, with what it was typed over, so that it is the same edit after a reload;
    /// whether there was room for both.
    fn keep(self, name: &str) -> bool {
        let Some(Typed { text, seen, .. }) = self.typed.try_get_untracked().flatten() else { return true };
        dom::keep(&seen_name(name), &seen.to_kept()) && dom::keep(name, &text)
    }

    /// Forgets what was being typed, unless another tab has kept something else since.
    fn forget(self, name: &str, Typed { text, seen, .. }: &Typed) {
        if dom::forget(name, text) {
            dom::forget(&seen_name(name), &seen.to_kept());
        }
    }

    /// Takes up what was kept; whether there was something. What an older build kept is an edit of what the field holds now.
    fn take_up(self, name: &str) -> bool {
        let Some(text) = dom::kept(name) else { return false };
        let seen = dom::kept(&seen_name(name)).and_then(|kept| Seen::from_kept(&kept)).or_else(|| self.seen());
        let Some(seen) = seen else { return false };
        self.typed.set(Some(Typed { text, reads: Reads::Whole, seen }));
        true
    }
}

/// What is wrong with an input that holds part of a value.
fn half_typed(spec: &FieldSpec) -> String {
    let what = if matches!(spec.ty, FieldType::Date) { "date" } else { "number" };
    format!("{} is not a whole {what} yet. The value from before is kept.", spec.label)
}

/// Why something typed was not taken, with what it was, where the input goes and cannot show it any longer.
pub fn with_typed(says: &str, text: &str) -> String {
    format!("{says} You had typed “{text}”.")
}

/// Whether a field counts minutes of work, which are shown as hours and minutes too.
pub fn in_minutes(spec: &FieldSpec) -> bool {
    matches!((spec.ty, spec.name), (FieldType::Int { .. }, "estimate" | "minutes"))
}

/// In what a field of numbers is counted, after its label.
fn unit(spec: &FieldSpec) -> &'static str {
    match spec.name {
        _ if in_minutes(spec) => ", minutes",
        "budget" => ", cents",
        "progress" => ", percent",
        _ => "",
    }
}

/// What is wrong, in one line.
pub fn in_words(reasons: Vec<Reason>) -> String {
    reasons.into_iter().map(|reason| reason.says).collect::<Vec<_>>().join(" ")
}

/// The value somebody typed for a field of this type.
///
/// # Errors
/// What is wrong with it, in words.
pub fn read_typed(spec: &FieldSpec, text: &str) -> Result<Value, String> {
    let line = text.trim();
    if line.is_empty() {
        return if spec.required { Err(format!("{} cannot be empty.", spec.label)) } else { Ok(Value::Null) };
    }
    match spec.ty {
        FieldType::Int { .. } if in_minutes(spec) => format::read_minutes(line)
            .map(Value::Int)
            .ok_or_else(|| format!("{} is whole minutes, such as 30, or hours, such as 1h 30m.", spec.label)),
        FieldType::Int { .. } | FieldType::Instant | FieldType::Number => {
            line.parse().map(Value::Int).map_err(|_| format!("{} is a whole number, such as 30.", spec.label))
        }
        FieldType::LongText { .. } => Ok(Value::from(text)),
        _ => Ok(Value::from(line)),
    }
}

/// The editor of one field.
#[component]
pub fn FieldEditor(
    /// Of which record.
    key: Key,
    /// Which field.
    spec: &'static FieldSpec,
) -> impl IntoView {
    let editing = Editing::new(key, spec);
    on_cleanup(move || editing.leave());
    let control = match spec.ty {
        FieldType::LongText { .. } => view! { <LongText editing/> }.into_any(),
        FieldType::Bool => view! { <YesNo editing/> }.into_any(),
        FieldType::Choice { of } => view! { <OneOf editing of/> }.into_any(),
        FieldType::Reference { to } => view! { <Another editing to/> }.into_any(),
        FieldType::References { to, .. } => view! { <Several editing to/> }.into_any(),
        FieldType::Checklist { .. } => view! { <Checklist editing/> }.into_any(),
        FieldType::Date => view! { <Line editing sort="date"/> }.into_any(),
        FieldType::Int { .. } if !in_minutes(spec) => view! { <Line editing sort="number"/> }.into_any(),
        FieldType::Int { .. } | FieldType::Text { .. } => view! { <Line editing sort="text"/> }.into_any(),
        FieldType::Instant | FieldType::Rank | FieldType::Number | FieldType::Data { .. } => ().into_any(),
    };
    let error_id = format!("{}-error", editing.id());
    view! {
        <div class="field" data-field=spec.name>
            <div class="field-head">
                <label for=editing.id() id=format!("{}-label", editing.id())>{spec.label}{unit(spec)}</label>
                <FieldMark key field=spec.name/>
            </div>
            {control}
            <p class="field-error" id=error_id role="alert">{move || editing.fault.get()}</p>
        </div>
    }
    .into_any()
}

/// One line: text, a number or a date.
#[component]
fn Line(editing: Editing, sort: &'static str) -> impl IntoView {
    let (min, max) = match editing.spec.ty {
        FieldType::Int { min, max } if sort == "number" => (Some(min.to_string()), Some(max.to_string())),
        _ => (None, None),
    };
    // Only another text is put into the input: the browser would put it over what it has half of.
    let shown = Memo::new(move |_| editing.shown());
    // A date is typed piece by piece, and to the browser each piece is a change; one chosen from its calendar comes without
    // keys.
    let by_key = StoredValue::new(false);
    let hint = move || in_minutes(editing.spec).then(|| editing.value().as_int().map(format::minutes)).flatten();
    view! {
        <div class="line">
            <input
                class="input"
                id=editing.id()
                type=sort
                min=min
                max=max
                value=editing.as_text_now()
                prop:value=move || shown.get()
                readonly=move || editing.locked.get()
                aria-invalid=move || editing.fault.with(Option::is_some).to_string()
                aria-describedby=format!("{}-error", editing.id())
                on:input=move |event| editing.typing(dom::typed(&event))
                on:change=move |event| {
                    editing.typing(dom::typed(&event));
                    if sort != "date" || by_key.try_get_value() == Some(false) {
                        editing.commit_typed();
                    }
                }
                on:blur=move |event| {
                    // Of part of a date in an input that was empty the browser has not said anything.
                    if dom::typed(&event).is_none() {
                        editing.typing(None);
                    }
                    by_key.set_value(false);
                    editing.commit_typed();
                }
                on:keydown=move |event| match event.key().as_str() {
                    "Escape" => {
                        editing.give_up();
                        dom::put(&event, &editing.as_text_now());
                    }
                    "Enter" => editing.commit_typed(),
                    _ => by_key.set_value(true),
                }
            />
            <span class="hint">{hint}</span>
        </div>
    }
    .into_any()
}

impl Editing {
    /// What the field holds as an input shows it, not followed: the first render's attribute.
    fn as_text_now(self) -> String {
        untrack(|| self.as_text())
    }
}

/// Many lines: read until somebody wants to write. Unfinished text is kept in this browser, so that an update or a reload
/// loses none of it.
#[component]
fn LongText(editing: Editing) -> impl IntoView {
    let open = RwSignal::new(false);
    let kept_as = StoredValue::new(editing.records.draft_name(&editing.id()));
    Effect::new(move || {
        if kept_as.try_with_value(|name| editing.take_up(name)) == Some(true) {
            open.set(true);
        }
    });
    let label = editing.spec.label.to_ascii_lowercase();
    let begin = move || {
        open.set(true);
        dom::focus(editing.id());
    };
    let edit = NodeRef::<Button>::new();
    let no_room = RwSignal::new(false);
    let close = move || {
        open.set(false);
        dom::focus_button(edit);
    };
    let forget = move |typed: Option<Typed>| {
        if let Some(typed) = typed {
            kept_as.try_with_value(|name| editing.forget(name, &typed));
        }
        no_room.set(false);
        close();
    };
    let typed = move || editing.typed.try_get_untracked().flatten();
    let finish = move || {
        let before = typed();
        editing.commit_typed();
        if typed().is_none() {
            forget(before);
        }
    };
    let cancel = move || {
        let before = typed();
        editing.give_up();
        forget(before);
    };
    // A key pressed by mistake throws nothing away.
    let leave = move || match typed() {
        Some(Typed { text, seen, .. }) if text != text_of(&seen.was) => {
            editing.say("Not saved. What you wrote is kept here until you come back to it.".to_owned());
            close();
        }
        _ => cancel(),
    };
    let edit_name = StoredValue::new(format!("Edit {label}"));
    view! {
        <Show
            when=move || open.get()
            fallback=move || view! {
                <div class="prose" id=editing.id() tabindex="-1" data-empty=move || editing.as_text().is_empty().to_string()>{move || editing.as_text()}</div>
                <Show when=move || !editing.locked.get()>
                    <button node_ref=edit type="button" class="button quiet" on:click=move |_| begin()>{edit_name.get_value()}</button>
                </Show>
            }
        >
            <textarea
                class="input textarea"
                id=editing.id()
                rows="8"
                data-kept=move || if no_room.get() { "no" } else { "yes" }
                prop:value=move || editing.shown()
                aria-describedby=format!("{}-error", editing.id())
                on:input=move |event| {
                    editing.typing(Some(event_target_value(&event)));
                    if let Some(kept) = kept_as.try_with_value(|name| editing.keep(name)) {
                        no_room.set(!kept);
                    }
                }
                on:keydown=move |event| match event.key().as_str() {
                    "Escape" => leave(),
                    "Enter" if event.ctrl_key() || event.meta_key() => finish(),
                    _ => {}
                }
            ></textarea>
            <p class="field-error" role="alert">{move || no_room.get().then_some(NO_ROOM)}</p>
            <div class="actions">
                <button type="button" class="button primary" on:click=move |_| finish()>"Save"</button>
                <button type="button" class="button quiet" on:click=move |_| cancel()>"Cancel"</button>
                <span class="hint">"Ctrl+Enter saves"</span>
            </div>
        </Show>
    }
    .into_any()
}

/// Yes or no.
#[component]
fn YesNo(editing: Editing) -> impl IntoView {
    view! {
        <input
            class="checkbox"
            id=editing.id()
            type="checkbox"
            checked=untrack(|| editing.value().as_bool() == Some(true))
            prop:checked=move || editing.value().as_bool() == Some(true)
            disabled=move || editing.locked.get()
            on:change=move |event| {
                editing.commit(Value::Bool(event_target_checked(&event)));
            }
        />
    }
    .into_any()
}

/// One of a closed list.
#[component]
fn OneOf(editing: Editing, of: &'static [Choice]) -> impl IntoView {
    let current = Memo::new(move |_| editing.as_text());
    view! {
        <select
            class="input"
            id=editing.id()
            prop:value=move || current.get()
            disabled=move || editing.locked.get()
            on:change=move |event| {
                let chosen = event_target_value(&event);
                editing.commit(if chosen.is_empty() { Value::Null } else { Value::from(chosen) });
            }
        >
            <option value="" selected=move || current.with(String::is_empty)>"–"</option>
            {of.iter().map(|choice| view! {
                <option value=choice.name selected=move || current.with(|current| current == choice.name)>{choice.label}</option>
            }).collect_view()}
        </select>
    }
    .into_any()
}

/// What may be chosen for a reference: id and name, in the order of its list.
fn candidates(editing: Editing, to: Kind) -> Vec<(RecordId, String)> {
    let records = editing.records;
    let here = editing.record.get().map(|record| record.scope);
    let keys = records.of_kind(to).get();
    keys.iter()
        .filter_map(|key| {
            let record = records.get(*key).get()?;
            let fits = match to {
                Kind::Member => record.yes("active"),
                // A step or phase of another project would be refused.
                Kind::Step | Kind::Phase => Some(record.scope) == here,
                _ => true,
            };
            fits.then(|| (key.id, title_of(&record)))
        })
        .collect()
}

/// One other record.
#[component]
fn Another(editing: Editing, to: Kind) -> impl IntoView {
    let current = Memo::new(move |_| editing.as_text());
    let options = Memo::new(move |_| candidates(editing, to));
    view! {
        <select
            class="input"
            id=editing.id()
            prop:value=move || current.get()
            disabled=move || editing.locked.get() || editing.spec.fixed
            on:change=move |event| {
                let chosen = event_target_value(&event);
                editing.commit(if chosen.is_empty() { Value::Null } else { Value::from(chosen) });
            }
        >
            {(!editing.spec.required).then(|| view! {
                <option value="" selected=move || current.with(String::is_empty)>"–"</option>
            })}
            <For each=move || options.get() key=|option| option.clone() let((id, name))>
                {
                    let id = id.to_string();
                    let value = id.clone();
                    view! { <option value=value selected=move || current.with(|current| *current == id)>{name}</option> }
                }
            </For>
        </select>
    }
    .into_any()
}

/// A set of other records: those chosen, each with a button to take it out, and a list to add from.
#[component]
fn Several(editing: Editing, to: Kind) -> impl IntoView {
    let records = editing.records;
    let chosen = Memo::new(move |_| {
        editing
            .record
            .with(|record| record.as_ref().map(|record| record.references(editing.spec.name)).unwrap_or_default())
    });
    let options = Memo::new(move |_| {
        chosen.with(|chosen| {
            candidates(editing, to).into_iter().filter(|(id, _)| !chosen.contains(id)).collect::<Vec<_>>()
        })
    });
    let name_of = move |id: RecordId| match to {
        Kind::Member => member_name(records, Some(id)),
        _ => records.title(Key::new(to, id)).get(),
    };
    let label = editing.spec.label.to_ascii_lowercase();
    let with = move |change: &dyn Fn(&mut Vec<RecordId>)| {
        let mut ids = chosen.get_untracked();
        change(&mut ids);
        ids.sort();
        ids.dedup();
        editing.commit(Value::from(ids));
    };
    view! {
        <ul class="chips" aria-labelledby=format!("{}-label", editing.id())>
            <For each=move || chosen.get() key=|id| *id let(id)>
                <li class="chip">
                    <span>{move || name_of(id)}</span>
                    <Show when=move || !editing.locked.get()>
                        <button
                            type="button"
                            class="chip-remove"
                            aria-label=move || format!("Remove {}", name_of(id))
                            on:click=move |_| with(&|ids| ids.retain(|other| *other != id))
                        >"×"</button>
                    </Show>
                </li>
            </For>
        </ul>
        <Show when=move || !editing.locked.get()>
            <select
                class="input"
                id=editing.id()
                aria-label=format!("Add to {label}")
                prop:value=move || { chosen.track(); String::new() }
                on:change=move |event| {
                    if let Ok(id) = event_target_value(&event).parse::<RecordId>() {
                        with(&|ids| ids.push(id));
                    }
                }
            >
                <option value="">"Add …"</option>
                <For each=move || options.get() key=|option| option.clone() let((id, name))>
                    <option value=id.to_string()>{name}</option>
                </For>
            </select>
        </Show>
        {(to == Kind::Tag).then(|| view! { <NewTag editing chosen/> })}
    }
    .into_any()
}

/// A word that is no tag yet, made and put on the record at once.
#[component]
fn NewTag(editing: Editing, chosen: Memo<Vec<RecordId>>) -> impl IntoView {
    let records = editing.records;
    let word = Unsent::new(&format!("{}-new", editing.id()));
    let add = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let title = word.peek().trim().to_owned();
        if title.is_empty() {
            return;
        }
        // A word that is a tag already is that tag.
        let lower = format::lower(&title);
        let is_it = |key: &&Key| records.peek(**key).is_some_and(|tag| format::lower(&title_of(&tag)) == lower);
        let known = records.peek_kind(Kind::Tag).iter().find(is_it).map(|key| key.id);
        let tag = known.unwrap_or_else(|| RecordId(Uuid::now_v7()));
        let mut ids = chosen.get_untracked();
        let mut drafts = Vec::new();
        if known.is_none() {
            drafts.push(Draft::create(Kind::Tag, tag).with("title", title));
        }
        if !ids.contains(&tag) {
            ids.push(tag);
            ids.sort();
            drafts.push(Draft::set(editing.key, editing.spec.name, Value::from(ids)));
        }
        match records.act(drafts) {
            Ok(()) => {
                word.sent();
                editing.fault.set(None);
            }
            Err(reasons) => editing.fault.set(Some(in_words(reasons))),
        }
    };
    view! {
        <Show when=move || !editing.locked.get()>
            <form class="inline-form" method="dialog" on:submit=add>
                <input
                    class="input"
                    aria-label="New tag"
                    placeholder="New tag"
                    data-kept=move || word.is_kept()
                    prop:value=move || word.get()
                    on:input=move |event| word.write(event_target_value(&event))
                />
                <button type="submit" class="button quiet">"Add tag"</button>
                <p class="field-error" role="alert">{move || word.says()}</p>
            </form>
        </Show>
    }
    .into_any()
}

/// One entry of a checklist.
#[derive(Clone, PartialEq)]
struct Item {
    id: String,
    text: String,
    done: bool,
}

fn items(record: Option<&Record>) -> Vec<Item> {
    let Some(record) = record else { return Vec::new() };
    let part = |entry: &BTreeMap<String, Value>, name: &str| entry.get(name).cloned().unwrap_or_default();
    Task(record)
        .checklist()
        .iter()
        .filter_map(Value::as_map)
        .map(|entry| Item {
            id: part(entry, "id").as_text().unwrap_or_default().to_owned(),
            text: part(entry, "text").as_text().unwrap_or_default().to_owned(),
            done: part(entry, "done").as_bool() == Some(true),
        })
        .collect()
}

fn as_value(items: Vec<Item>) -> Value {
    let entry = |item: Item| {
        Value::Map(BTreeMap::from([
            ("id".to_owned(), Value::from(item.id)),
            ("text".to_owned(), Value::from(item.text)),
            ("done".to_owned(), Value::Bool(item.done)),
        ]))
    };
    Value::List(items.into_iter().map(entry).collect())
}

/// Small things to tick off.
#[component]
fn Checklist(editing: Editing) -> impl IntoView {
    let list = Memo::new(move |_| editing.record.with(|record| items(record.as_deref())));
    let ids = Memo::new(move |_| list.with(|list| list.iter().map(|item| item.id.clone()).collect::<Vec<_>>()));
    let new = Unsent::new(&format!("{}-new", editing.id()));
    let change = move |edit: &dyn Fn(&mut Vec<Item>)| {
        let mut items = list.get_untracked();
        edit(&mut items);
        editing.commit(as_value(items))
    };
    let add = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let text = new.peek().trim().to_owned();
        let id = Uuid::now_v7().to_string();
        if !text.is_empty() && change(&|items| items.push(Item { id: id.clone(), text: text.clone(), done: false })) {
            new.sent();
        }
    };
    view! {
        <ul class="checklist" id=editing.id() tabindex="-1" aria-labelledby=format!("{}-label", editing.id())>
            <For each=move || ids.get() key=|id| id.clone() let(id)>
                {
                    let id = StoredValue::new(id);
                    let item = Memo::new(move |_| {
                        list.with(|list| list.iter().find(|item| id.with_value(|id| item.id == *id)).cloned())
                    });
                    let text = move || item.with(|item| item.as_ref().map(|item| item.text.clone()).unwrap_or_default());
                    let done = move || item.with(|item| item.as_ref().is_some_and(|item| item.done));
                    view! {
                        <li class="checklist-item">
                            <label>
                                <input
                                    class="checkbox"
                                    type="checkbox"
                                    checked=untrack(done)
                                    prop:checked=done
                                    disabled=move || editing.locked.get()
                                    on:change=move |event| {
                                        let ticked = event_target_checked(&event);
                                        change(&|items| for item in items.iter_mut().filter(|item| id.with_value(|id| item.id == *id)) {
                                            item.done = ticked;
                                        });
                                    }
                                />
                                <span>{text}</span>
                            </label>
                            <Show when=move || !editing.locked.get()>
                                <button
                                    type="button"
                                    class="icon-button"
                                    aria-label=move || format!("Remove {}", text())
                                    on:click=move |_| {
                                        change(&|items| items.retain(|item| id.with_value(|id| item.id != *id)));
                                    }
                                >"×"</button>
                            </Show>
                        </li>
                    }
                }
            </For>
        </ul>
        <Show when=move || !editing.locked.get()>
            <form class="inline-form" method="dialog" on:submit=add>
                <input
                    class="input"
                    aria-label="New checklist entry"
                    placeholder="New entry"
                    data-kept=move || new.is_kept()
                    prop:value=move || new.get()
                    on:input=move |event| new.write(event_target_value(&event))
                />
                <button type="submit" class="button quiet">"Add entry"</button>
                <p class="field-error" role="alert">{move || new.says()}</p>
            </form>
        </Show>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_unfinished_text_was_typed_over_is_kept_as_it_was_seen() {
        for was in [Value::Null, Value::from("Start at the pier.\n\n 7 poles ")] {
            let seen = Seen { base: 42, was };
            let Some(Seen { base, was }) = Seen::from_kept(&seen.to_kept()) else { panic!("{}", seen.to_kept()) };
            assert_eq!((base, was), (seen.base, seen.was));
        }
        for unreadable in ["", "42", "x y"] {
            assert!(Seen::from_kept(unreadable).is_none(), "{unreadable}");
        }
    }
}
