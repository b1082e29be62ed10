//! Light, dark, or as the system says. The choice is a preference of the person, which reaches all their devices; this browser
//! keeps it too and sets it on the root element before the first paint, so that no page flashes in the wrong colours.

use crate::app::records::{Draft, Records};
use crate::model::id::RecordId;
use crate::model::kinds::{Kind, Preference};
use crate::model::record::{Key, Record};
use leptos::prelude::*;
use uuid::Uuid;

/// The name of the preference.
const PREFERENCE: &str = "theme";

/// The choices, in the order the button steps through them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// As the system says.
    #[default]
    System,
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Theme {
    /// As kept in the browser and named on the root element.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
    /// The choice of this name.
    fn named(name: &str) -> Option<Self> {
        [Self::System, Self::Light, Self::Dark].into_iter().find(|theme| theme.name() == name)
    }
    /// The choice after this one.
    pub fn next(self) -> Self {
        match self {
            Self::System => Self::Light,
            Self::Light => Self::Dark,
            Self::Dark => Self::System,
        }
    }
}

/// What is chosen.
#[derive(Clone, Copy)]
pub struct ThemeChoice {
    shown: RwSignal<Theme>,
    records: Records,
}

impl ThemeChoice {
    /// `System` in the first render; right after it what was chosen in this browser, and from then on what the person chooses
    /// anywhere.
    pub fn new(records: Records) -> Self {
        let shown = RwSignal::new(Theme::System);
        Effect::new(move || {
            if let Some(kept) = kept::read() {
                shown.set(kept);
            }
        });
        let all = records.of_kind(Kind::Preference);
        Effect::new(move || {
            let chosen = all.get().iter().find_map(|key| chosen(records.get(*key).get().as_deref()?));
            if let Some(chosen) = chosen.filter(|chosen| *chosen != shown.get_untracked()) {
                shown.set(chosen);
                kept::write(chosen);
            }
        });
        Self { shown, records }
    }
    /// The choice, followed.
    pub fn get(self) -> Theme {
        self.shown.get()
    }
    /// Chooses, shows and keeps it; for the person, where somebody is signed in.
    pub fn choose(self, theme: Theme) {
        self.shown.set(theme);
        kept::write(theme);
        if self.records.viewer_id().is_none() {
            return;
        }
        let is_this = |key: &&Key| self.records.peek(**key).is_some_and(|record| chosen(&record).is_some());
        let draft = match self.records.peek_kind(Kind::Preference).iter().find(is_this) {
            Some(key) => Draft::set(*key, "value", theme.name()),
            None => Draft::create(Kind::Preference, RecordId(Uuid::now_v7()))
                .with("name", PREFERENCE)
                .with("value", theme.name()),
        };
        self.records.act_or_tell(vec![draft]);
    }
}

/// The theme this preference chooses, if it is the one for that.
fn chosen(record: &Record) -> Option<Theme> {
    let preference = Preference(record);
    if preference.name() == PREFERENCE { Theme::named(record.get("value").as_text()?) } else { None }
}

/// The inline script that sets the kept choice before anything is painted.
#[component]
pub fn BeforePaint() -> impl IntoView {
    let nonce = leptos::nonce::use_nonce();
    let script = "try{var t=JSON.parse(localStorage.getItem('tidemark.theme'));\
        if(t==='light'||t==='dark')document.documentElement.dataset.theme=t}catch(e){}";
    view! { <script nonce=nonce>{script}</script> }
}

#[cfg(feature = "hydrate")]
mod kept {
    //! Where the choice is kept between visits.
    use super::Theme;
    use crate::browser::profile::is_there;
    use gloo_storage::{LocalStorage, Storage};
    use leptos::prelude::document;

    const KEPT_AS: &str = "tidemark.theme";

    pub fn read() -> Option<Theme> {
        let name: String = if is_there() { LocalStorage::get(KEPT_AS).ok()? } else { return None };
        Theme::named(&name)
    }

    pub fn write(theme: Theme) {
        let root = document().document_element();
        let shown = root.map(|root| match theme {
            Theme::System => root.remove_attribute("data-theme"),
            _ => root.set_attribute("data-theme", theme.name()),
        });
        // A browser that keeps nothing still shows the choice until the tab closes.
        let kept = if is_there() { LocalStorage::set(KEPT_AS, theme.name()) } else { Ok(()) };
        if let (Some(Err(error)), _) | (_, Err(error)) = (shown, kept.map_err(|error| error.to_string().into())) {
            leptos::logging::warn!("the theme could not be kept: {error:?}");
        }
    }
}

#[cfg(not(feature = "hydrate"))]
mod kept {
    //! The server keeps no theme but the person's preference.
    use super::Theme;

    pub fn read() -> Option<Theme> {
        None
    }

    pub fn write(_: Theme) {}
}
