//! The dashboard: a grid of live widgets that each person arranges for themselves. Before they do, everybody has the same five.

pub mod activity;
pub mod asking;
pub mod sync_state;
pub mod widgets;

use crate::app::components::editors::in_words;
use crate::app::components::live::{live, words};
use crate::app::dom::{self, Over};
use crate::app::order::{self, Beside, Way};
use crate::app::records::{Draft, Records, title_of, use_records};
use crate::model::catalog::Kind;
use crate::model::choice::WidgetSort;
use crate::model::id::RecordId;
use crate::model::kinds::Widget;
use crate::model::rank;
use crate::model::record::Key;
use crate::model::scope::Scope;
use leptos::prelude::*;
use leptos_meta::Title;
use uuid::Uuid;
use widgets::WidgetBody;

/// One place of the grid: a widget of this person's own, or one of the five everybody starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    Own(Key),
    Given(WidgetSort),
}

/// What everybody starts from.
const GIVEN: &[WidgetSort] = &[
    WidgetSort::MyTasks,
    WidgetSort::ProjectProgress,
    WidgetSort::Conflicts,
    WidgetSort::RecentActivity,
    WidgetSort::SyncState,
];

/// The grid and the way to arrange it.
#[component]
pub fn DashboardPage() -> impl IntoView {
    let records = use_records();
    let arranging = RwSignal::new(false);
    let drag = Drag(RwSignal::new(None));
    let places = Memo::new(move |_| match records.of_kind(Kind::Dashboard).get().first() {
        Some(own) => records.children(*own, Kind::Widget).get().iter().map(|key| Place::Own(*key)).collect::<Vec<_>>(),
        None => GIVEN.iter().map(|sort| Place::Given(*sort)).collect(),
    });
    let bare = move || places.with(Vec::is_empty) && !arranging.get();
    let begin = move |_| {
        if arranging.get_untracked() {
            arranging.set(false);
            return;
        }
        // The common five become this person's own before they are moved about.
        match make_own(records) {
            Ok(()) => arranging.set(true),
            Err(says) => records.tell(says, None),
        }
    };
    view! {
        <Title text="Dashboard"/>
        <div class="page-head">
            <h1>"Dashboard"</h1>
            <button type="button" class="button quiet" aria-pressed=move || arranging.get().to_string() on:click=begin>
                {move || if arranging.get() { "Done" } else { "Arrange" }}
            </button>
        </div>
        <Show when=move || arranging.get()><AddWidget/></Show>
        {live(move || bare().then(|| view! { <p class="quiet-text">"Nothing is on your dashboard. Press Arrange to add something."</p> }).into_any())}
        <div class="widgets">
            <For each=move || places.get() key=|place| *place let(place)>
                <OneWidget place arranging=arranging.into() drag/>
            </For>
        </div>
    }
    .into_any()
}

/// Makes a dashboard with the common five widgets for somebody who has none.
fn make_own(records: Records) -> Result<(), String> {
    if !records.peek_kind(Kind::Dashboard).is_empty() {
        return Ok(());
    }
    let dashboard = RecordId(Uuid::now_v7());
    let mut drafts = Vec::with_capacity(GIVEN.len() + 1);
    drafts.push(Draft::create(Kind::Dashboard, dashboard).with("title", "Dashboard"));
    let mut last: Option<String> = None;
    for sort in GIVEN {
        let rank = rank::between(last.as_deref(), None);
        drafts.push(
            Draft::create(Kind::Widget, RecordId(Uuid::now_v7()))
                .with("dashboard", dashboard)
                .with("sort", *sort)
                .with("width", 2_i64)
                .with("rank", rank.clone()),
        );
        last = Some(rank);
    }
    records.act(drafts).map_err(in_words)
}

#[component]
fn OneWidget(place: Place, arranging: Signal<bool>, drag: Drag) -> impl IntoView {
    let records = use_records();
    let record = match place {
        Place::Own(key) => Some(records.get(key)),
        Place::Given(_) => None,
    };
    let sort = Memo::new(move |_| match place {
        Place::Given(sort) => Some(sort),
        Place::Own(_) => {
            record.and_then(|record| record.with(|record| record.as_deref().and_then(|record| Widget(record).sort())))
        }
    });
    let width = move || {
        let width =
            record.and_then(|record| record.with(|record| record.as_deref().and_then(|record| Widget(record).width())));
        width.unwrap_or(2).to_string()
    };
    let label = move || sort.get().map_or("Widget", WidgetSort::label);
    let own = match place {
        Place::Own(key) => Some(key),
        Place::Given(_) => None,
    };
    let lands = move || match drag.0.get() {
        Some((_, Beside::Before(key))) if own == Some(key) => "before",
        Some((_, Beside::After(key))) if own == Some(key) => "after",
        Some((dragged, _)) if own == Some(dragged) => "held",
        _ => "",
    };
    view! {
        <section
            class="widget"
            data-width=width
            aria-label=label
            draggable=move || (arranging.get() && own.is_some()).to_string()
            data-drag=lands
            on:dragstart=move |event| if let Some(key) = own && arranging.get_untracked() {
                dom::begin_drag(&event, untrack(label));
                drag.0.set(Some((key, Beside::Last)));
            }
            on:dragover=move |event| if let Some(key) = own {
                drag.hold_over(key, &event);
            }
            on:dragleave=move |event| if dom::left(&event) { drag.leave() }
            on:drop=move |event| {
                event.prevent_default();
                drag.let_go(records);
            }
            on:dragend=move |_| drag.0.set(None)
        >
            <div class="widget-head">
                <h2>{words(move || label().to_owned())}</h2>
                {match place {
                    Place::Own(key) => view! { <Show when=move || arranging.get()><Arrange key sort/></Show> }.into_any(),
                    Place::Given(_) => ().into_any(),
                }}
            </div>
            {move || sort.get().map(|sort| view! { <WidgetBody sort/> })}
        </section>
    }
    .into_any()
}

/// The widget that is dragged, and beside which it would land; after all of them while it is over none.
#[derive(Clone, Copy)]
struct Drag(RwSignal<Option<(Key, Beside)>>);

impl Drag {
    /// The dragged widget is held over this one. It would land before it or after it, whichever corner is nearer: widgets stand
    /// beside each other on a wide screen and below each other on a narrow one.
    fn hold_over(self, key: Key, event: &leptos::ev::DragEvent) {
        let Some((dragged, before)) = self.0.get_untracked().filter(|(dragged, _)| *dragged != key) else { return };
        let Some(Over { x_px, y_px, width_px, height_px, .. }) = dom::over(event) else { return };
        dom::may_drop(event);
        let across = i64::from(x_px) * i64::from(height_px) + i64::from(y_px) * i64::from(width_px);
        let nearer_to_start = across < i64::from(width_px) * i64::from(height_px);
        let beside = if nearer_to_start { Beside::Before(key) } else { Beside::After(key) };
        if before != beside {
            self.0.set(Some((dragged, beside)));
        }
    }

    /// It is over no other widget any more.
    fn leave(self) {
        if let Some((dragged, _)) = self.0.get_untracked() {
            self.0.set(Some((dragged, Beside::Last)));
        }
    }

    /// The dragged widget is let go.
    fn let_go(self, records: Records) {
        let Some((key, beside)) = self.0.get_untracked().filter(|(_, beside)| *beside != Beside::Last) else { return };
        self.0.set(None);
        let Some(record) = records.peek(key) else { return };
        let Some(moved) = record.parent().and_then(|parent| order::put(records, key, parent, beside)) else { return };
        match records.act(moved.there) {
            Ok(()) => records.tell(format!("Moved “{}”.", title_of(&record)), Some(moved.back)),
            Err(reasons) => records.tell(in_words(reasons), None),
        }
    }
}

/// Which widget of how many it is, counted from one.
fn place_of(records: Records, key: Key) -> Option<(usize, usize)> {
    let all = records.peek_children(records.peek(key)?.parent()?, Kind::Widget);
    Some((all.iter().position(|widget| *widget == key)? + 1, all.len()))
}

/// Mends a focus that was lost by drawing the widgets anew, with one of the buttons of the widget at this place, or else of the
/// last. Both are counted from one.
fn focus_widget(place: usize, button: usize) {
    dom::focus_first(vec![
        format!(".widget:nth-child({place}) .widget-head button:nth-child({button})"),
        format!(".widget:last-child .widget-head button:nth-child({button})"),
        ".page-head button".to_owned(),
    ]);
}

/// Moving, widening and taking away one widget, by buttons and so by keyboard.
#[component]
fn Arrange(key: Key, sort: Memo<Option<WidgetSort>>) -> impl IntoView {
    let records = use_records();
    let label = move || sort.get().map_or("Widget", WidgetSort::label);
    let shift = move |way: Way| {
        let Some((moved, (place, all))) = order::shift(records, key, way).zip(place_of(records, key)) else { return };
        let (place, button) = match way {
            Way::Back => (place - 1, 1),
            Way::On => (place + 1, 2),
        };
        match records.act(moved.there) {
            Ok(()) => {
                focus_widget(place, button);
                records.tell(format!("{}, {place} of {all}", untrack(label)), Some(moved.back));
            }
            Err(reasons) => records.tell(in_words(reasons), None),
        }
    };
    let remove = move |_| {
        // What it is called goes with it.
        let says = format!("Removed “{}”.", untrack(label));
        let (place, _) = place_of(records, key).unwrap_or_default();
        match records.act(vec![Draft::Delete { key }]) {
            Ok(()) => {
                focus_widget(place, 4);
                records.tell(says, Some(vec![Draft::Restore { key }]));
            }
            Err(reasons) => records.tell(in_words(reasons), None),
        }
    };
    let widen = move |_| {
        let width = records.peek(key).and_then(|record| record.int("width")).unwrap_or(2);
        records.act_or_tell(vec![Draft::set(key, "width", width % 4 + 1)]);
    };
    view! {
        <div class="actions">
            <button type="button" class="icon-button" aria-label=move || format!("Move {} back", label()) on:click=move |_| shift(Way::Back)>"←"</button>
            <button type="button" class="icon-button" aria-label=move || format!("Move {} on", label()) on:click=move |_| shift(Way::On)>"→"</button>
            <button type="button" class="icon-button" aria-label=move || format!("Change the width of {}", label()) on:click=widen>"↔"</button>
            <button type="button" class="icon-button" aria-label=move || format!("Remove {}", label()) on:click=remove>"×"</button>
        </div>
    }
    .into_any()
}

/// Puts another widget on the dashboard.
#[component]
fn AddWidget() -> impl IntoView {
    let records = use_records();
    let may = records.may_make(
        Kind::Widget,
        records
            .viewer()
            .with_untracked(|viewer| viewer.as_ref().map_or(Scope::Workspace, |viewer| Scope::Personal(viewer.member))),
    );
    let add = move |sort: WidgetSort| {
        let Some(dashboard) = records.peek_kind(Kind::Dashboard).first().copied() else { return };
        let last = records.peek_children(dashboard, Kind::Widget).last().and_then(|key| records.peek(*key));
        let rank = rank::between(last.as_ref().map(|record| record.text("rank")), None);
        records.act_or_tell(vec![
            Draft::create(Kind::Widget, RecordId(Uuid::now_v7()))
                .with("dashboard", dashboard.id)
                .with("sort", sort)
                .with("width", 2_i64)
                .with("rank", rank),
        ]);
    };
    view! {
        <Show when=move || may.get()>
            <div class="toolbar" role="group" aria-label="Add a widget">
                {WidgetSort::ALL.iter().map(|sort| view! {
                    <button type="button" class="button" on:click=move |_| add(*sort)>{format!("Add {}", sort.label())}</button>
                }).collect_view()}
            </div>
        </Show>
    }
    .into_any()
}
