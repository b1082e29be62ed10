//! The route table: every address the server answers, on one page. What stands around it is in `middleware`.

use crate::api::sync::LIVE_PATH;
use crate::app::{App, shell};
use crate::server::state::AppState;
use crate::server::{health, middleware, pages, socket};
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use leptos_axum::{LeptosRoutes, file_and_error_handler_with_context, generate_route_list};

/// The whole server, ready to be served.
pub fn router(state: AppState) -> Router {
    let screens = generate_route_list(App);
    let options = state.leptos.clone();
    let pages = Router::new()
        // Every page of `app` and every server function of `api`.
        .leptos_routes_with_context(&state, screens, pages::context, move || shell(options.clone()))
        // Icons and the like; and for any other address a page that says there is nothing.
        .fallback(file_and_error_handler_with_context::<AppState, _>(pages::context, shell))
        .layer(from_fn_with_state(state.clone(), pages::seeded));
    let routes = Router::new()
        .route(LIVE_PATH, get(socket::live))
        .route("/shell", get(pages::bare))
        .route("/service-worker.js", get(pages::service_worker))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .nest_service("/pkg", pages::assets(&state))
        .merge(pages);
    middleware::around(routes, &state).with_state(state)
}
