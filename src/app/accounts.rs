//! The accounts pages.

use leptos::prelude::*;
use leptos_meta::Title;

/// Sign in.
#[component]
pub fn SignInPage() -> impl IntoView {
    view! {
        <Title text="Sign in"/>
        <h1>"Sign in"</h1>
    }
}

/// Sign up.
#[component]
pub fn SignUpPage() -> impl IntoView {
    view! {
        <Title text="Sign up"/>
        <h1>"Sign up"</h1>
    }
}

/// Invitation.
#[component]
pub fn InvitationPage() -> impl IntoView {
    view! {
        <Title text="Invitation"/>
        <h1>"Invitation"</h1>
    }
}

/// Workspaces.
#[component]
pub fn WorkspacesPage() -> impl IntoView {
    view! {
        <Title text="Workspaces"/>
        <h1>"Workspaces"</h1>
    }
}
