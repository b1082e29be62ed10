//! Whose clock times are shown by: the browser's, once it has said which that is, so that the server draws what the browser
//! would. Until then, on the first page that a browser ever asks for, it is UTC, and the times say so.

use leptos::prelude::*;

/// The cookie in which a browser says its time zone, by its name in the IANA database.
pub const COOKIE: &str = "tidemark-zone";

/// How far the clock that the page goes by is ahead of UTC at this instant, milliseconds; `None` where it goes by UTC.
pub fn ahead_ms(instant_ms: i64) -> Option<i64> {
    clock::ahead_ms(instant_ms)
}

/// What the root element says of the zone that the server draws this page by; without it the browser goes by UTC too.
pub fn drawn_by() -> Option<&'static str> {
    clock::is_known().then_some("local")
}

/// The inline script that tells the server the zone, from the next request on.
#[component]
pub fn TellZone() -> impl IntoView {
    let nonce = leptos::nonce::use_nonce();
    let script = format!(
        "try{{document.cookie='{COOKIE}='+Intl.DateTimeFormat().resolvedOptions().timeZone+\
         ';path=/;max-age=31536000;samesite=lax'+(location.protocol==='https:'?';secure':'')}}catch(e){{}}"
    );
    view! { <script nonce=nonce>{script}</script> }
}

#[cfg(feature = "hydrate")]
mod clock {
    use leptos::prelude::document;

    thread_local! {
        /// As long as the page lasts: what the server drew and what is drawn here go by one clock.
        static LOCAL: bool = is_local();
    }

    /// The shell for use without a network holds no times, so all of them are drawn here.
    fn is_local() -> bool {
        let root = document().document_element();
        root.is_some_and(|root| {
            root.has_attribute("data-zone") || root.get_attribute("data-boot").as_deref() == Some("device")
        })
    }

    pub fn is_known() -> bool {
        LOCAL.with(|local| *local)
    }

    pub fn ahead_ms(instant_ms: i64) -> Option<i64> {
        let minutes_behind = || js_sys::Date::new(&(instant_ms as f64).into()).get_timezone_offset();
        // Of an instant that no date can be it is no number, which becomes 0.
        is_known().then(|| (-minutes_behind() * 60_000.0) as i64)
    }
}

#[cfg(feature = "ssr")]
mod clock {
    use super::Zone;
    use jiff::Timestamp;
    use leptos::prelude::use_context;

    pub fn is_known() -> bool {
        use_context::<Zone>().is_some()
    }

    pub fn ahead_ms(instant_ms: i64) -> Option<i64> {
        let Zone(zone) = use_context::<Zone>()?;
        let seconds = Timestamp::from_millisecond(instant_ms).map_or(0, |at| zone.to_offset(at).seconds());
        Some(i64::from(seconds) * 1_000)
    }
}

/// The zone a page is drawn by; whoever answers its request provides it as a context, if the browser has said one that is known.
#[cfg(feature = "ssr")]
#[derive(Debug, Clone)]
pub struct Zone(pub jiff::tz::TimeZone);
