//! Pages and what belongs to them: the data a page is rendered with, the rules a browser enforces on it, the shell without
//! data for offline use, the service worker of this build, and the built scripts and styles.

use crate::api::ApiError;
use crate::api::seed::Seed;
use crate::app::zone::{COOKIE, Zone};
use crate::app::{Padding, bare_shell};
use crate::server::caller;
use crate::server::config::Config;
use crate::server::errors::status;
use crate::server::seed::seed;
use crate::server::state::AppState;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LAST_MODIFIED};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::{Next, map_response};
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use jiff::tz::TimeZone;
use leptos::nonce::use_nonce;
use leptos::prelude::{LeptosOptions, provide_context, use_context};
use leptos_axum::ResponseOptions;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tower::ServiceBuilder;
use tower_http::compression::CompressionLayer;
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

/// Reads what a page is rendered with before it is rendered, and hands it on with the request.
pub async fn seeded(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_page = *request.method() == Method::GET && !path.starts_with("/api/") && !path.contains('.');
    if is_page {
        match caller::session(&state, request.headers()).await {
            Ok(Some(session)) => match seed(&state, &session, path).await {
                Ok(seed) => {
                    request.extensions_mut().insert(Arc::new(seed));
                }
                Err(error) => return failed(&error),
            },
            Ok(None) => {}
            Err(error) => return failed(&error),
        }
    }
    next.run(request).await
}

fn failed(error: &ApiError) -> Response {
    (status(error), error.to_string()).into_response()
}

/// What a page or a server function finds as Leptos contexts besides the state; and the rules for its answer.
pub fn context() {
    provide_context(Padding(padding));
    if let Some(parts) = use_context::<Parts>()
        && let Some(seed) = parts.extensions.get::<Arc<Seed>>()
    {
        provide_context(Seed::clone(seed));
    }
    if let Some(zone) = use_context::<Parts>().and_then(|parts| zone_of(&parts.headers)) {
        provide_context(zone);
    }
    let Some(response) = use_context::<ResponseOptions>() else { return };
    // Pages and answers hold people's data: no cache keeps them, and going back after signing out shows nothing.
    response.insert_header(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let policy = use_nonce().and_then(|nonce| HeaderValue::from_str(&policy(&nonce)).ok());
    if let Some(policy) = policy {
        response.insert_header(CONTENT_SECURITY_POLICY, policy);
    }
}

/// The time zone that a browser has said, if there is one of that name.
fn zone_of(headers: &HeaderMap) -> Option<Zone> {
    let cookies = CookieJar::from_headers(headers);
    TimeZone::get(cookies.get(COOKIE)?.value()).ok().map(Zone)
}

/// Of 0 to 255 bytes, which no packing makes smaller than half of their digits.
fn padding() -> String {
    let mut random = [0_u8; 256];
    if let Err(error) = getrandom::fill(&mut random) {
        // Such a machine makes no session either.
        tracing::error!(%error, "The machine gives no random bytes; a page leaves without padding.");
    }
    let [length, text @ ..] = random;
    text.iter().take(usize::from(length)).map(|byte| format!("{byte:02x}")).collect()
}

/// What a page may load and run. `wasm-unsafe-eval` allows WebAssembly to be compiled and nothing else; styles in attributes
/// are allowed because widths of progress bars are.
fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; \
         img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// `GET /shell`: the document without page and data, which the service worker answers with while there is no network.
pub async fn bare(State(state): State<AppState>, request: Request<Body>) -> Response {
    let options = state.leptos.clone();
    let render = leptos_axum::render_app_to_stream_with_context(context, move || bare_shell(options.clone()));
    let mut response = render(request).await;
    // It holds nobody's data, and the service worker keeps it together with the headers of this answer.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// The service worker of this build.
pub struct Worker {
    script: String,
}

/// `GET /service-worker.js`.
pub async fn service_worker(State(state): State<AppState>) -> Response {
    // Never from a cache, so that a new build is noticed at the next look.
    let headers = [
        (CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, WORKER_POLICY),
    ];
    (headers, state.worker.script.clone()).into_response()
}

/// A worker is bound by the policy of its own script: it fetches from here, and nothing else.
const WORKER_POLICY: &str = "default-src 'none'; connect-src 'self'";

/// Files besides scripts and styles that a page needs offline.
const ALSO_OFFLINE: &[&str] = &[
    "/favicon.svg",
    "/manifest.webmanifest",
    "/icons/icon-192.png",
    "/icons/icon-512.png",
    "/icons/icon-maskable.png",
];

impl Worker {
    /// With the names of this build's files, and a version that changes with any of them or with the program.
    pub fn of(options: &LeptosOptions) -> Self {
        let site = PathBuf::from(options.site_root.as_ref());
        let mut version = Sha256::new();
        version.update(SCRIPT.as_bytes());
        version.update(env!("CARGO_PKG_VERSION").as_bytes());
        let mut kept = vec!["/shell".to_owned()];
        for path in built_files(options).into_iter().chain(ALSO_OFFLINE.iter().map(ToString::to_string)) {
            // What a build leaves out is not waited for: one missing file would keep the worker from installing.
            if let Ok(bytes) = std::fs::read(site.join(path.trim_start_matches('/'))) {
                version.update(path.as_bytes());
                version.update(Sha256::digest(&bytes));
                kept.push(path);
            }
        }
        let version: String = version.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let json = |value: serde_json::Value| value.to_string();
        let script =
            SCRIPT.replace("\"{{version}}\"", &json(version.into())).replace("[\"{{precache}}\"]", &json(kept.into()));
        Self { script }
    }
}

/// The worker itself, with places for the version and the list of files.
const SCRIPT: &str = include_str!("service_worker.js");

/// Addresses of the scripts, the program and the styles of this build.
fn built_files(options: &LeptosOptions) -> Vec<String> {
    let hashes = match options.hash_files {
        true => std::env::current_exe()
            .ok()
            .and_then(|program| std::fs::read_to_string(program.parent()?.join(options.hash_file.as_ref())).ok())
            .unwrap_or_default(),
        false => String::new(),
    };
    let hash_of = |what: &str| {
        let line = hashes.lines().find_map(|line| line.split_once(':').filter(|(name, _)| name.trim() == what));
        line.map_or_else(String::new, |(_, hash)| format!(".{}", hash.trim()))
    };
    let pkg = options.site_pkg_dir.trim_matches('/');
    let named = |ending: &str| format!("/{pkg}/{}{}.{ending}", options.output_name, hash_of(ending));
    let mut files = vec![named("js"), named("wasm"), named("css")];
    // And what the program fetches when it needs it: its other parts, and scripts of its dependencies.
    let others = files_below(&PathBuf::from(options.site_root.as_ref()).join(pkg)).into_iter().filter_map(|file| {
        let below = file.strip_prefix(options.site_root.as_ref()).ok()?.to_str()?;
        (below.ends_with(".js") || below.ends_with(".wasm")).then(|| format!("/{below}"))
    });
    let others: Vec<_> = others.filter(|path| !files.contains(path)).collect();
    files.extend(others);
    files
}

/// Addresses of files of this build that are not where the server looks for them.
pub fn missing_files(config: &Config) -> Vec<String> {
    let mut files = built_files(&config.leptos(config.listen));
    files.retain(|path| !config.site.join(path.trim_start_matches('/')).exists());
    files
}

/// Every file in the folder and in folders in it, in order; none if there is no folder.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .flat_map(|entry| if entry.path().is_dir() { files_below(&entry.path()) } else { vec![entry.path()] })
        .collect();
    files.sort();
    files
}

/// Built scripts and styles. Names with a hash never change what they hold; compressed ahead where the build did that.
pub fn assets(state: &AppState) -> axum::Router<()> {
    let folder = Path::new(state.leptos.site_root.as_ref()).join(state.leptos.site_pkg_dir.as_ref());
    let keep = if state.leptos.hash_files { "public, max-age=31536000, immutable" } else { "no-cache" };
    let serve = ServeDir::new(folder).precompressed_br().precompressed_gzip();
    let files = axum::Router::new().fallback_service(
        ServiceBuilder::new()
            .layer(SetResponseHeaderLayer::overriding(CACHE_CONTROL, HeaderValue::from_static(keep)))
            // Only here: compression over a streamed page would hold it back.
            .layer(CompressionLayer::new())
            .service(serve),
    );
    if state.leptos.hash_files { files.layer(map_response(briefly)) } else { files }
}

/// Nobody asks again whether a file that never changes has, nor for a part of it, and a first visit fetches a dozen of them.
async fn briefly(mut response: Response) -> Response {
    for needless in [LAST_MODIFIED, ACCEPT_RANGES] {
        response.headers_mut().remove(needless);
    }
    response
}
