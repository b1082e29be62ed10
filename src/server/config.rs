//! The configuration: a file, then the environment, then flags, each overriding the one before. Every setting has a default
//! that is right for one machine, and the whole is printed at start, secrets left out.

use axum::http::Uri;
use clap::{Args, ValueEnum};
use leptos::prelude::LeptosOptions;
use serde::Deserialize;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where the configuration file is looked for when none is named.
pub const FILE_DEFAULT: &str = "tidemark.toml";

/// What can be set. The same names in the file (`listen`), the environment (`TIDEMARK_LISTEN`) and flags (`--listen`).
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address and port to listen on [default: 127.0.0.1:3000]
    #[arg(long, alias = "addr", env = "TIDEMARK_LISTEN", value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Address at which browsers reach this server [default: this machine]
    ///
    /// Requests that change something are only taken from pages of this address, or, without it, of this machine. Sessions
    /// need https, except on this machine.
    #[arg(long, env = "TIDEMARK_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// Folder of the database [default: data]
    #[arg(long, env = "TIDEMARK_DATA", value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// Folder of the built pages: scripts, styles, icons [default: target/site, or site beside the program]
    #[arg(long, env = "TIDEMARK_SITE", value_name = "FOLDER")]
    pub site: Option<PathBuf>,
    /// Who may make an account [default: open]
    #[arg(long, env = "TIDEMARK_SIGN_UP", value_enum, value_name = "WHO")]
    pub sign_up: Option<SignUp>,
    /// Where the address of a caller is read from [default: connection]
    #[arg(long, env = "TIDEMARK_CALLER", value_enum, value_name = "WHERE")]
    pub caller: Option<CallerFrom>,
    /// Pushes a second that one member's devices may make on average [default: 200]
    #[arg(long, env = "TIDEMARK_PUSHES_PER_SECOND", value_name = "COUNT")]
    pub pushes_per_second: Option<u32>,
    /// What is logged, as in `info,tidemark=debug` [default: info]
    #[arg(long, env = "TIDEMARK_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// How log lines look [default: text]
    #[arg(long, env = "TIDEMARK_LOG_FORMAT", value_enum, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// Who may make an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignUp {
    /// Whoever reaches the server.
    Open,
    /// Whoever was invited; the first account of all needs no invitation.
    Invited,
}

/// Where the address of a caller is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallerFrom {
    /// The connection itself. Right without a proxy in front.
    Connection,
    /// The last entry of X-Forwarded-For, which the proxy in front has written. Wrong without a proxy: a caller could then
    /// invent it and escape the rate limits.
    Forwarded,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// The configuration, complete and checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it was read from, if any.
    pub file: Option<PathBuf>,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where browsers reach the server, without a slash at the end; `None` means `http://` and wherever it listens.
    pub public_url: Option<String>,
    /// The folder of the database.
    pub data: PathBuf,
    /// The folder of the built pages.
    pub site: PathBuf,
    /// Who may make an account.
    pub sign_up: SignUp,
    /// Where the address of a caller is read from.
    pub caller: CallerFrom,
    /// Pushes a second one member may make on average.
    pub pushes_per_second: u32,
    /// What is logged.
    pub log: String,
    /// How log lines look.
    pub log_format: LogFormat,
}

/// Why there is no usable configuration, in words for whoever starts the server.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("The configuration file {} cannot be read: {error}. Correct the path, or start without --config.", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("The configuration file {} is not valid: {error}\n`tidemark serve --help` lists every setting.", .path.display())]
    Invalid {
        /// Which.
        path: PathBuf,
        /// Where and why.
        error: Box<toml::de::Error>,
    },
    /// The public address is not one.
    #[error("The public address {0:?} is not of the form https://name or https://name:port, without a path.")]
    PublicUrl(String),
    /// The public address would tell a secret to everybody.
    #[error("The public address holds a name before an @. Browsers never send one; give the address as https://name.")]
    PublicUrlSecret,
    /// Cookies of sessions would be refused by browsers.
    #[error(
        "The public address {0} is plain http on a name other than this machine, where browsers refuse session cookies, \
         so nobody could sign in. Put a proxy with a certificate in front and give its https address as --public-url."
    )]
    Insecure(String),
    /// A limit of zero.
    #[error("pushes_per_second is 0, so that no edit would ever be taken. Give a number above 0.")]
    NoPushes,
}

impl Settings {
    /// These settings, completed by others where they are silent.
    fn or(self, other: Self) -> Self {
        Self {
            listen: self.listen.or(other.listen),
            public_url: self.public_url.or(other.public_url),
            data: self.data.or(other.data),
            site: self.site.or(other.site),
            sign_up: self.sign_up.or(other.sign_up),
            caller: self.caller.or(other.caller),
            pushes_per_second: self.pushes_per_second.or(other.pushes_per_second),
            log: self.log.or(other.log),
            log_format: self.log_format.or(other.log_format),
        }
    }
}

impl Config {
    /// Reads the file (the named one, or `tidemark.toml` if it is there) beneath the settings of environment and flags.
    ///
    /// # Errors
    /// In words for whoever starts the server.
    pub fn read(settings: Settings, file: Option<&Path>) -> Result<Self, ConfigError> {
        let found = file.map(Path::to_owned).or_else(|| Some(PathBuf::from(FILE_DEFAULT)).filter(|path| path.exists()));
        let from_file = match &found {
            Some(path) => Self::file(path)?,
            None => Settings::default(),
        };
        Self::complete(settings.or(from_file), found)
    }

    fn file(path: &Path) -> Result<Settings, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
        toml::from_str(&text).map_err(|error| ConfigError::Invalid { path: path.to_owned(), error: Box::new(error) })
    }

    fn complete(settings: Settings, file: Option<PathBuf>) -> Result<Self, ConfigError> {
        let public_url = settings.public_url.map(|url| checked_url(&url)).transpose()?;
        let pushes_per_second = settings.pushes_per_second.unwrap_or(200);
        if pushes_per_second == 0 {
            return Err(ConfigError::NoPushes);
        }
        Ok(Self {
            file,
            listen: settings.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 3000))),
            public_url,
            data: settings.data.unwrap_or_else(|| PathBuf::from("data")),
            site: settings.site.unwrap_or_else(site_default),
            sign_up: settings.sign_up.unwrap_or(SignUp::Open),
            caller: settings.caller.unwrap_or(CallerFrom::Connection),
            pushes_per_second,
            log: settings.log.unwrap_or_else(|| "info".to_owned()),
            log_format: settings.log_format.unwrap_or(LogFormat::Text),
        })
    }

    /// The database file.
    pub fn database(&self) -> PathBuf {
        self.data.join("tidemark.db")
    }

    /// Why callers cannot be told apart as things are set, and what to do about it.
    pub fn callers_alike(&self) -> Option<&'static str> {
        let proxied = self.public_url.as_ref().is_some_and(|url| url.starts_with("https:"));
        (proxied && self.caller == CallerFrom::Connection).then_some(
            "The public address is https, so a proxy is in front, and every caller has its address: one who guesses passwords locks \
             everybody out. Let the proxy write X-Forwarded-For, and give --caller forwarded.",
        )
    }

    /// Where browsers reach a server that listens at this address.
    pub fn url(&self, listening: SocketAddr) -> String {
        self.public_url.clone().unwrap_or_else(|| format!("http://{listening}"))
    }

    /// What Leptos needs to know. Names carry hashes if the build wrote a list of them beside the program.
    pub fn leptos(&self, listening: SocketAddr) -> LeptosOptions {
        let hash_file = beside_the_program("hash.txt");
        LeptosOptions::builder()
            .output_name("tidemark")
            .site_root(self.site.to_string_lossy().into_owned())
            .site_pkg_dir("pkg")
            .site_addr(listening)
            .hash_files(hash_file.is_some_and(|file| file.exists()))
            .build()
    }
}

/// The summary that is printed at start. No setting is a secret, and none of the environment is printed but what was set here.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_ref().map_or_else(|| "none".to_owned(), |path| path.display().to_string());
        let public = match &self.public_url {
            Some(url) => url.clone(),
            None => "none: for pages opened on this machine".to_owned(),
        };
        let caller = match self.caller {
            CallerFrom::Connection => "that of the connection",
            CallerFrom::Forwarded => "the last in X-Forwarded-For",
        };
        writeln!(f, "  configuration file  {file}")?;
        writeln!(f, "  listen              {}", self.listen)?;
        writeln!(f, "  public address      {public}")?;
        writeln!(f, "  database            {}", self.database().display())?;
        writeln!(f, "  pages               {}", self.site.display())?;
        writeln!(f, "  sign-up             {}", named(&self.sign_up))?;
        writeln!(f, "  caller's address    {caller}")?;
        writeln!(f, "  pushes a second     {} a member", self.pushes_per_second)?;
        write!(f, "  log                 {} as {}", self.log, named(&self.log_format))
    }
}

/// As it is written in the file and on the command line.
fn named(choice: &impl ValueEnum) -> String {
    choice.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// The address without a slash at the end, if it is one browsers can keep a session at.
fn checked_url(url: &str) -> Result<String, ConfigError> {
    let wrong = || ConfigError::PublicUrl(url.to_owned());
    let parsed: Uri = url.parse().map_err(|_| wrong())?;
    let (scheme, host) = parsed.scheme_str().zip(parsed.host()).ok_or_else(wrong)?;
    if !matches!(scheme, "http" | "https") || !matches!(parsed.path(), "" | "/") || parsed.query().is_some() {
        return Err(wrong());
    }
    if parsed.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(ConfigError::PublicUrlSecret);
    }
    if scheme == "http" && !matches!(host, "localhost" | "127.0.0.1" | "[::1]") {
        return Err(ConfigError::Insecure(url.to_owned()));
    }
    let port = parsed.port_u16();
    if port.is_none() && parsed.authority().is_some_and(|authority| authority.as_str() != host) {
        return Err(wrong());
    }
    // As browsers name the origin of a page: without the port that goes without saying.
    Ok(match port.filter(|port| (scheme, *port) != ("https", 443) && (scheme, *port) != ("http", 80)) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

fn beside_the_program(name: &str) -> Option<PathBuf> {
    Some(std::env::current_exe().ok()?.parent()?.join(name))
}

/// Where the build leaves the pages, else where an installation keeps them.
fn site_default() -> PathBuf {
    let built = PathBuf::from("target/site");
    if built.exists() {
        return built;
    }
    beside_the_program("site").filter(|installed| installed.exists()).unwrap_or(built)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(toml: &str, flags: Settings) -> Result<Config, ConfigError> {
        let file =
            toml::from_str(toml).map_err(|error| ConfigError::Invalid { path: "t".into(), error: Box::new(error) })?;
        Config::complete(flags.or(file), None)
    }

    #[test]
    fn flags_stand_above_the_file_and_the_file_above_defaults() {
        let flags = Settings { data: Some("flag".into()), ..Settings::default() };
        let config = complete("data = 'file'\nlog = 'debug'", flags).unwrap();
        assert_eq!((config.data, config.log.as_str(), config.listen.port()), (PathBuf::from("flag"), "debug", 3000));
    }

    #[test]
    fn a_misspelt_setting_is_refused_by_name() {
        let says = complete("lisen = '127.0.0.1:80'", Settings::default()).unwrap_err().to_string();
        assert!(says.contains("lisen"), "{says}");
    }

    #[test]
    fn a_public_address_is_one_a_browser_keeps_a_session_at() {
        let url = |url: &str| checked_url(url).map_err(|error| error.to_string().split(' ').count() > 8);
        assert_eq!(url("https://tide.example.org/"), Ok("https://tide.example.org".to_owned()));
        assert_eq!(url("http://127.0.0.1:3000"), Ok("http://127.0.0.1:3000".to_owned()));
        assert_eq!(url("https://tide.example.org:443"), Ok("https://tide.example.org".to_owned()));
        assert_eq!(url("https://tide.example.org:8443/"), Ok("https://tide.example.org:8443".to_owned()));
        assert_eq!(url("http://localhost:80"), Ok("http://localhost".to_owned()));
        assert_eq!(url("http://[::1]:3000"), Ok("http://[::1]:3000".to_owned()));
        assert_eq!(url("https://tide.example.org:99999"), Err(true));
        let secret = checked_url("https://ada:tide@tide.example.org").unwrap_err().to_string();
        assert!(secret.contains("before an @") && !secret.contains("ada"), "{secret}");
        for refused in ["http://tide.example.org", "https://tide.example.org/path", "ftp://x", "tide.example.org", ""] {
            assert_eq!(url(refused), Err(true), "{refused}");
        }
    }
}
