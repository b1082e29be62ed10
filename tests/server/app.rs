//! A server for one test, browsers that are signed in to it, and devices on its live channel.

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use futures::{SinkExt, StreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;
use std::collections::BTreeMap;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidemark::api::ApiError;
use tidemark::api::account::Me;
use tidemark::api::workspace::Invited;
use tidemark::model::choice::Role;
use tidemark::model::id::{DeviceId, IntentId, MemberId, OpId, RecordId};
use tidemark::model::kinds::Kind;
use tidemark::model::record::{Key, Version};
use tidemark::model::scope::Scope;
use tidemark::model::value::{Name, Value};
use tidemark::server::accounts::password::Cost;
use tidemark::server::config::{Config, Settings, SignUp};
use tidemark::server::routes::router;
use tidemark::server::serve::{HEAD_WAIT, serve};
use tidemark::server::state::AppState;
use tidemark::sync::op::{Action, Change, Op, SCHEMA};
use tidemark::sync::wire::{FromDevice, FromServer, Hello, PROTOCOL, Push, Pushed, Refusal, Welcome, decode, encode};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tower::ServiceExt;
use uuid::Uuid;

/// A password that is taken.
pub const PASSWORD: &str = "tide comes in";
/// Anything a test waits for comes within this time, or never.
const PATIENCE: Duration = Duration::from_secs(60);
/// Attempts after which something that is limited was refused, also where a slow machine lets buckets refill meanwhile.
pub const ATTEMPTS_MAX: usize = 60;

/// Waits, but not for ever.
pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it came in time")
}

/// What becomes of a server's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    WithItsFolder,
    /// It is somebody else's to remove.
    AndLeavesItsFolder,
}

/// A server.
pub struct TestApp {
    pub state: AppState,
    pub address: SocketAddr,
    pub folder: PathBuf,
    ends: Ends,
    router: Router,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<std::io::Result<()>>>,
}

impl TestApp {
    pub async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    pub async fn invited_only() -> Self {
        Self::with(Settings { sign_up: Some(SignUp::Invited), ..Settings::default() }).await
    }

    /// One that waits no longer than this for the head of a request.
    pub async fn impatient(head_wait: Duration) -> Self {
        Self::open(Settings::default(), head_wait).await
    }

    pub async fn with(settings: Settings) -> Self {
        Self::open(settings, HEAD_WAIT).await
    }

    /// One on a folder that may hold a database already.
    pub async fn on(folder: &Path) -> Self {
        Self::open(Settings { data: Some(folder.to_owned()), ..Settings::default() }, HEAD_WAIT).await
    }

    async fn open(settings: Settings, head_wait: Duration) -> Self {
        let (folder, ends) = match settings.data.clone() {
            Some(folder) => (folder, Ends::AndLeavesItsFolder),
            None => (std::env::temp_dir().join(format!("tidemark-test-{}", Uuid::now_v7())), Ends::WithItsFolder),
        };
        std::fs::create_dir_all(&folder).unwrap();
        let site = folder.join("site");
        let config = Config::read(Settings { data: Some(folder.clone()), site: Some(site), ..settings }, None).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = AppState::open(config, address, Cost::LEAST).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let served =
            tokio::spawn(serve(listener, state.clone(), head_wait, async move { stopped.await.unwrap_or_default() }));
        Self { router: router(state.clone()), state, address, folder, ends, stop: Some(stop), served: Some(served) }
    }

    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Tells it to stop, as a signal would, and hands over what becomes of it.
    pub fn stop(&mut self) -> JoinHandle<std::io::Result<()>> {
        self.stop.take().unwrap().send(()).unwrap();
        self.served.take().unwrap()
    }

    /// A request as it arrives, from this address.
    pub async fn ask(&self, mut request: Request<Body>, from: IpAddr) -> Response<Body> {
        request.headers_mut().entry("host").or_insert(self.address.to_string().parse().unwrap());
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(from, 40_000)));
        soon(self.router.clone().oneshot(request)).await.unwrap()
    }

    /// A browser nobody is signed in on.
    pub fn browser(&self) -> Browser<'_> {
        Browser { app: self, cookie: None, address: IpAddr::V4(Ipv4Addr::LOCALHOST) }
    }

    /// A browser with somebody new signed in.
    pub async fn person(&self, name: &str) -> Browser<'_> {
        let mut browser = self.browser();
        let email = format!("{}@example.org", name.to_lowercase());
        browser.sign_up(name, &email, PASSWORD).await.unwrap();
        browser
    }

    /// A browser with somebody new who owns a workspace, and who they are in it.
    pub async fn owner(&self, name: &str) -> (Browser<'_>, MemberId) {
        let browser = self.person(name).await;
        let me: Me = browser.call("workspace/create", &[("name", &format!("{name}'s"))]).await.unwrap();
        (browser, me.viewer.unwrap().member)
    }

    /// A browser with somebody new whom this owner took in, and who they are there.
    pub async fn member_of(
        &self,
        owner: &Browser<'_>,
        as_owner: MemberId,
        name: &str,
        role: Role,
    ) -> (Browser<'_>, MemberId) {
        let invited: Invited =
            owner.call("invitation/create", &[("member", &as_owner.to_string()), ("role", role.name())]).await.unwrap();
        let browser = self.person(name).await;
        let token = invited.path.strip_prefix("/invitation/").unwrap();
        let me: Me = browser.call("invitation/accept", &[("token", token)]).await.unwrap();
        (browser, me.viewer.unwrap().member)
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if self.ends == Ends::WithItsFolder {
            std::fs::remove_dir_all(&self.folder).ok();
        }
    }
}

/// A browser: a cookie and an address.
pub struct Browser<'a> {
    pub app: &'a TestApp,
    pub cookie: Option<String>,
    pub address: IpAddr,
}

impl Browser<'_> {
    pub async fn sign_up(&mut self, name: &str, email: &str, password: &str) -> Result<Me, ApiError> {
        self.enter("sign-up", &[("name", name), ("email", email), ("password", password)]).await
    }

    pub async fn sign_in(&mut self, email: &str, password: &str) -> Result<Me, ApiError> {
        self.enter("sign-in", &[("email", email), ("password", password)]).await
    }

    /// Calls, and keeps the cookie that comes back.
    pub async fn enter(&mut self, endpoint: &str, form: &[(&str, &str)]) -> Result<Me, ApiError> {
        let response = self.post(endpoint, form_body(form), "application/x-www-form-urlencoded").await;
        if let Some(cookie) = response.headers().get("set-cookie") {
            self.cookie = cookie.to_str().unwrap().split(';').next().map(str::to_owned);
        }
        read_json(response).await
    }

    /// Calls a server function that takes a form.
    pub async fn call<T: DeserializeOwned>(&self, endpoint: &str, form: &[(&str, &str)]) -> Result<T, ApiError> {
        read_json(self.post(endpoint, form_body(form), "application/x-www-form-urlencoded").await).await
    }

    /// Calls a server function that takes JSON.
    pub async fn call_json<T: DeserializeOwned>(&self, endpoint: &str, args: &impl Serialize) -> Result<T, ApiError> {
        let response = self.post(endpoint, serde_json::to_vec(args).unwrap(), "application/json").await;
        read(response, |bytes| rmp_serde::from_slice(bytes).or_else(|_| serde_json::from_slice(bytes).map_err(drop)))
            .await
    }

    /// Sends one wire message of the synchronisation functions and reads the answer.
    pub async fn exchange<T: DeserializeOwned>(
        &self,
        endpoint: &str,
        member: MemberId,
        message: &impl Serialize,
    ) -> Result<T, ApiError> {
        let args = (member, ByteBuf::from(encode(message).unwrap()));
        let response = self.post(endpoint, rmp_serde::to_vec(&args).unwrap(), "application/msgpack").await;
        let answer: ByteBuf = read(response, |bytes| rmp_serde::from_slice(bytes).map_err(drop)).await?;
        Ok(decode(&answer).unwrap())
    }

    /// Pushes ops over HTTP.
    pub async fn push(&self, member: MemberId, ops: &[Op]) -> Result<Pushed, ApiError> {
        self.exchange("sync/push", member, &push_of(1, ops)).await
    }

    pub async fn post(&self, endpoint: &str, body: Vec<u8>, content_type: &str) -> Response<Body> {
        let request = self
            .request("POST", &format!("/api/{endpoint}"))
            .header("origin", self.app.origin())
            .header("content-type", content_type)
            .header("content-length", body.len())
            .header("accept", if content_type.ends_with("msgpack") { content_type } else { "application/json" });
        self.app.ask(request.body(Body::from(body)).unwrap(), self.address).await
    }

    /// Posts a form from a page as a browser without scripts does, keeps the cookie, and returns where it is sent.
    pub async fn submit(&mut self, page: &str, endpoint: &str, form: &[(&str, &str)]) -> String {
        let origin = self.app.origin();
        let request = self
            .request("POST", &format!("/api/{endpoint}"))
            .header("origin", &origin)
            .header("referer", format!("{origin}{page}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "text/html");
        let response = self.app.ask(request.body(Body::from(form_body(form))).unwrap(), self.address).await;
        if let Some(cookie) = response.headers().get("set-cookie") {
            self.cookie = cookie.to_str().unwrap().split(';').next().map(str::to_owned);
        }
        sent_to(&response)
    }

    /// Opens a page and returns where it sends on to.
    pub async fn visit(&self, path: &str) -> String {
        let request = self.request("GET", path).header("accept", "text/html").body(Body::empty()).unwrap();
        sent_to(&self.app.ask(request, self.address).await)
    }

    pub async fn get(&self, path: &str) -> Response<Body> {
        self.app.ask(self.request("GET", path).body(Body::empty()).unwrap(), self.address).await
    }

    pub fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        let request = Request::builder().method(method).uri(path);
        match &self.cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        }
    }
}

fn sent_to(response: &Response<Body>) -> String {
    assert_eq!(response.status(), StatusCode::FOUND);
    response.headers()["location"].to_str().unwrap().to_owned()
}

pub async fn text(response: Response<Body>) -> String {
    String::from_utf8(bytes(response).await.to_vec()).unwrap()
}

async fn bytes(response: Response<Body>) -> Bytes {
    soon(to_bytes(response.into_body(), 8 << 20)).await.unwrap()
}

pub async fn read_json<T: DeserializeOwned>(response: Response<Body>) -> Result<T, ApiError> {
    read(response, |bytes| serde_json::from_slice(bytes).map_err(drop)).await
}

async fn read<T>(response: Response<Body>, of: impl Fn(&[u8]) -> Result<T, ()>) -> Result<T, ApiError> {
    let status = response.status();
    let body = bytes(response).await;
    if status.is_success() {
        return Ok(of(&body).unwrap_or_else(|()| panic!("cannot read {:?}", String::from_utf8_lossy(&body))));
    }
    Err(serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{status}: {:?}", String::from_utf8_lossy(&body))))
}

fn form_body(form: &[(&str, &str)]) -> Vec<u8> {
    let escaped = |text: &str| -> String {
        let escape = |byte: u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        };
        text.bytes().map(escape).collect()
    };
    let pairs: Vec<String> = form.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
    pairs.join("&").into_bytes()
}

/// Freezes ops.
pub fn push_of(batch: u64, ops: &[Op]) -> Push {
    Push { batch, ops: ops.iter().map(|op| ByteBuf::from(encode(op).unwrap())).collect() }
}

/// An op nobody sent yet.
pub fn op(device: DeviceId, key: Key, action: Action) -> Op {
    Op {
        id: OpId(Uuid::now_v7()),
        device,
        incarnation: 1,
        counter: 1,
        intent: IntentId(Uuid::now_v7()),
        after: Vec::new(),
        schema: SCHEMA,
        kind: key.kind,
        record: key.id,
        action,
        claimed_ms: 1_795_000_000_000,
        offset_ms: 0,
    }
}

/// A note about to be made.
pub fn note(title: &str) -> Op {
    let key = Key::new(Kind::Note, RecordId(Uuid::now_v7()));
    let fields = BTreeMap::from([(Name::new("title"), Value::from(title))]);
    op(DeviceId(Uuid::now_v7()), key, Action::Create { fields })
}

/// A project about to be made, which only its people may see.
pub fn private_project(title: &str) -> Op {
    let key = Key::new(Kind::Project, RecordId(Uuid::now_v7()));
    let fields = BTreeMap::from([(Name::new("title"), Value::from(title)), (Name::new("private"), Value::from(true))]);
    op(DeviceId(Uuid::now_v7()), key, Action::Create { fields })
}

/// A field about to be changed from what it was.
pub fn change(key: Key, field: &'static str, base: Version, was: impl Into<Value>, now: impl Into<Value>) -> Op {
    let change = Change { base, was: was.into(), now: now.into() };
    op(DeviceId(Uuid::now_v7()), key, Action::Set { changes: BTreeMap::from([(Name::new(field), change)]) })
}

/// The value of a text field in an entry.
pub fn put(entry: &tidemark::sync::op::Entry, field: &str) -> Option<String> {
    match &entry.effect {
        tidemark::sync::op::Effect::Put(fields) => fields.get(field)?.as_text().map(str::to_owned),
        tidemark::sync::op::Effect::Delete => None,
    }
}

/// A device on the live channel.
pub struct Device {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Device {
    /// Connects as this member, and says nothing yet.
    pub async fn connect(browser: &Browser<'_>, member: MemberId) -> Self {
        Self::connect_with(browser, member, &browser.app.origin()).await.unwrap()
    }

    /// The same from a page of this origin; the status where there is no connection.
    pub async fn connect_with(browser: &Browser<'_>, member: MemberId, origin: &str) -> Result<Self, StatusCode> {
        let url = format!("ws://{}/api/live?member={member}", browser.app.address);
        let mut request = url.into_client_request().unwrap();
        let headers: &mut HeaderMap = request.headers_mut();
        headers.insert("origin", origin.parse().unwrap());
        if let Some(cookie) = &browser.cookie {
            headers.insert("cookie", cookie.parse().unwrap());
        }
        match soon(connect_async(request)).await {
            Ok((socket, _)) => Ok(Self { socket }),
            Err(Error::Http(response)) => Err(response.status()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Connects and introduces itself, following the workspace's scope.
    pub async fn live(browser: &Browser<'_>, member: MemberId) -> (Self, Welcome) {
        let mut device = Self::connect(browser, member).await;
        let welcome = device.hello().await;
        (device, welcome)
    }

    pub async fn hello(&mut self) -> Welcome {
        self.say(&FromDevice::Hello(hello_of(PROTOCOL, SCHEMA))).await;
        match self.hear().await {
            Some(FromServer::Welcome(welcome)) => welcome,
            other => panic!("no welcome but {other:?}"),
        }
    }

    pub async fn say(&mut self, message: &FromDevice) {
        self.send(Message::binary(encode(message).unwrap())).await;
    }

    pub async fn send(&mut self, message: Message) {
        soon(self.socket.send(message)).await.unwrap();
    }

    /// The next message; `None` once the connection has ended.
    pub async fn hear(&mut self) -> Option<FromServer> {
        loop {
            match soon(self.socket.next()).await {
                Some(Ok(Message::Binary(bytes))) => return Some(decode(&bytes).unwrap()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_))) | Some(Err(_)) | None => return None,
                Some(Ok(other)) => panic!("{other:?}"),
            }
        }
    }

    /// The next message this picks out; others are passed over.
    pub async fn hear_until<T>(&mut self, pick: impl Fn(FromServer) -> Option<T>) -> T {
        loop {
            let message = self.hear().await.expect("the connection is open");
            if let Some(picked) = pick(message) {
                return picked;
            }
        }
    }
}

/// Why a connection ended.
pub fn refusal(message: FromServer) -> Option<Refusal> {
    match message {
        FromServer::Refused { refusal, says } => {
            assert!(says.len() > 20, "{says}");
            Some(refusal)
        }
        _ => None,
    }
}

pub fn hello_of(protocol: u16, schema: u16) -> Hello {
    Hello {
        protocol,
        schema,
        device: DeviceId(Uuid::now_v7()),
        incarnation: 1,
        epoch: None,
        tidemarks: BTreeMap::from([(Scope::Workspace, 0)]),
    }
}
