//! Light, dark, or as the system says. The choice is kept in this browser and set on the root element before the first
//! paint, so that no page flashes in the wrong colours.

use leptos::prelude::*;

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
    /// The choice after this one.
    pub fn next(self) -> Self {
        match self {
            Self::System => Self::Light,
            Self::Light => Self::Dark,
            Self::Dark => Self::System,
        }
    }
}

/// What is chosen in this browser.
#[derive(Debug, Clone, Copy)]
pub struct ThemeChoice(RwSignal<Theme>);

impl ThemeChoice {
    /// `System` in the first render; what was chosen before, right after it.
    pub fn new() -> Self {
        let choice = RwSignal::new(Theme::System);
        Effect::new(move || {
            if let Some(kept) = kept::read() {
                choice.set(kept);
            }
        });
        Self(choice)
    }
    /// The choice, followed.
    pub fn get(self) -> Theme {
        self.0.get()
    }
    /// Chooses, shows and keeps it.
    pub fn choose(self, theme: Theme) {
        self.0.set(theme);
        kept::write(theme);
    }
}

impl Default for ThemeChoice {
    fn default() -> Self {
        Self::new()
    }
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
    use gloo_storage::{LocalStorage, Storage};
    use leptos::prelude::document;

    const KEPT_AS: &str = "tidemark.theme";

    pub fn read() -> Option<Theme> {
        let name: String = LocalStorage::get(KEPT_AS).ok()?;
        [Theme::System, Theme::Light, Theme::Dark].into_iter().find(|theme| theme.name() == name)
    }

    pub fn write(theme: Theme) {
        let root = document().document_element();
        let shown = root.map(|root| match theme {
            Theme::System => root.remove_attribute("data-theme"),
            _ => root.set_attribute("data-theme", theme.name()),
        });
        // A browser that keeps nothing still shows the choice until the tab closes.
        if let (Some(Err(error)), _) | (_, Err(error)) =
            (shown, LocalStorage::set(KEPT_AS, theme.name()).map_err(|error| error.to_string().into()))
        {
            leptos::logging::warn!("the theme could not be kept: {error:?}");
        }
    }
}

#[cfg(not(feature = "hydrate"))]
mod kept {
    //! The server keeps no theme: it belongs to the browser.
    use super::Theme;

    pub fn read() -> Option<Theme> {
        None
    }

    pub fn write(_: Theme) {}
}
