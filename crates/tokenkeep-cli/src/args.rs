//! The command line, exactly as it was typed.

#![expect(
    clippy::doc_markdown,
    reason = "the comments are the help texts that people read at a terminal"
)]

pub(crate) mod bundle;
pub(crate) mod init;
pub(crate) mod migrate;
pub(crate) mod more;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use serde::Deserialize;

use crate::commands::token::Format;
use crate::duration;

/// Gets OAuth 2.0 tokens, keeps them fresh and hands them out.
///
/// Exit codes: 0 ok, 1 failure, 2 usage, 3 configuration, 4 login required,
/// 5 refused by the server, 6 store, 7 network, 126 and 127 no command to run, 130 interrupted.
#[derive(Parser)]
#[command(name = "tokenkeep", version, max_term_width = 100)]
pub(crate) struct CommandLine {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Where tokens are kept: json:PATH, sqlite:PATH, redis://HOST, mongodb://HOST or memcached://HOST,HOST [env: TOKENKEEP_STORE] [default: json: in the user's data folder]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) store: Option<String>,
    /// Seal what is kept: key-file:PATH, key-env:VARIABLE, aws-kms:KEY, or none [env: TOKENKEEP_SEAL] [default: none]
    #[arg(long, global = true, value_name = "KEY")]
    pub(crate) seal: Option<String>,
    /// The name that credentials are kept under [env: TOKENKEEP_PROFILE] [default: default]
    #[arg(short, long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// The configuration file [env: TOKENKEEP_CONFIG] [default: tokenkeep/config.toml in the user's configuration folder]
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) config: Option<PathBuf>,
    /// Say only what is needed
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Say more, on stderr; more with each -v [env: TOKENKEEP_LOG]
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// When to use colours; NO_COLOR is honoured
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorWhen,
}

/// When to use colours.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum ColorWhen {
    Auto,
    Always,
    Never,
}

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Set a profile up with credentials that you have; asks no server
    Init(Box<init::Init>),
    /// Log in, and keep what is needed to have a valid token always
    Login(Box<Login>),
    /// Print a valid token; never asks anything
    Token(Token),
    /// Call an API with the token: attach it, refresh it, retry once
    Request(Request),
    /// Show what is stored and how long it lasts; asks no server without --check
    Status(Status),
    /// Forget the login here; the server is not told
    Logout,
    /// Revoke the tokens at the server, then forget the login here
    Revoke,
    /// Get new tokens from the server now
    Refresh(more::Refresh),
    /// Run a command with the token in its environment
    Exec(more::Exec),
    /// The profiles: list, show, rename, export, import, remove
    #[command(subcommand)]
    Profile(more::ProfileCommand),
    /// The store: check, migrate, rewrap, accept
    #[command(subcommand)]
    Store(more::StoreCommand),
    /// Keys to seal the store with: generate
    #[command(subcommand)]
    Key(more::KeyCommand),
    /// Look for what is wrong: configuration, environment, store, clock
    Doctor(more::Doctor),
    /// Print what a shell needs to complete our command line
    Completions(more::Completions),
    /// Print the manual page, or write those of all commands into a folder
    Man(more::Man),
}

/// How to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Flow {
    /// A person logs in in a browser on this machine
    Code,
    /// A person logs in in a browser, anywhere, and pastes the last address
    Paste,
    /// The client acts for itself
    ClientCredentials,
    /// A developer token, from the environment, is exchanged for access tokens
    DeveloperToken,
    /// Tokens from elsewhere, read from stdin: a bare access token or a JSON token response
    Token,
}

/// Every setting here may also come from TOKENKEEP_NAME in the environment, or from [profiles.NAME]
/// in the configuration file, in this order.
#[derive(Args, Default)]
pub(crate) struct Login {
    /// How to log in
    #[arg(long, value_name = "FLOW")]
    pub(crate) flow: Option<Flow>,
    /// Log in although another client's login is kept under this name
    #[arg(long)]
    pub(crate) force: bool,
    /// Where another login of this profile by a person is under way, end at once, in place of waiting for it
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Where the browser comes back to; any port will do where none is said [default: http://127.0.0.1/callback]
    #[arg(long, value_name = "URL", help_heading = "Client")]
    pub(crate) redirect_uri: Option<String>,
    /// A further parameter of the authorization URL, where the server has some of its own; repeatable
    #[arg(long = "parameter", value_name = "NAME=VALUE", help_heading = "Authorization server")]
    pub(crate) parameters: Vec<String>,
    #[command(flatten)]
    pub(crate) browser: BrowserArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

/// How a person's browser goes and comes back. Not in the environment or the configuration file, except
/// for BROWSER.
#[derive(Args, Default)]
#[command(next_help_heading = "Browser, with --flow code")]
pub(crate) struct BrowserArgs {
    // Brackets in a doc comment would be a link.
    #[arg(
        long,
        value_name = "ADDR:PORT",
        help = "Listen there for the browser: 127.0.0.1:PORT or [::1]:PORT; repeatable, the first that is free \
                [default: as the redirect URI says]"
    )]
    pub(crate) listen: Vec<SocketAddr>,
    /// Open no browser, only show the address
    #[arg(long, conflicts_with = "browser")]
    pub(crate) no_browser: bool,
    /// The browser to open: a command, with %s for the address [env: BROWSER] [default: the usual one]
    #[arg(long, value_name = "CMD")]
    pub(crate) browser: Option<String>,
    /// How long to wait for the person [default: 3m]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) timeout: Option<Duration>,
}

/// Where the authorization server is and how it behaves.
#[derive(Args, Default)]
#[command(next_help_heading = "Authorization server")]
pub(crate) struct ServerArgs {
    /// Its issuer; the endpoints are discovered there
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// Its token endpoint; nothing is discovered then
    #[arg(long, value_name = "URL")]
    pub(crate) token_endpoint: Option<String>,
    /// Its authorization endpoint
    #[arg(long, value_name = "URL")]
    pub(crate) authorization_endpoint: Option<String>,
    /// Where it revokes tokens (RFC 7009)
    #[arg(long, value_name = "URL")]
    pub(crate) revocation_endpoint: Option<String>,
    /// Where it exchanges developer tokens
    #[arg(long, value_name = "URL")]
    pub(crate) developer_token_endpoint: Option<String>,
    /// Which kind it is: generic, auth0, foundry, globus, pancloud
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
    /// The domain of the tenant with --provider auth0, the host with --provider foundry
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) domain: Option<String>,
    /// What a refresh does to the refresh token: strict, none, grace:SECONDS
    #[arg(long, value_name = "KIND")]
    pub(crate) rotation: Option<String>,
    /// How long an access token lives where nobody says so
    #[arg(long, value_name = "SECONDS")]
    pub(crate) default_lifetime: Option<u64>,
}

/// Who we are to it. Secrets never come from the command line.
#[derive(Args, Default)]
#[command(next_help_heading = "Client")]
#[expect(clippy::struct_field_names, reason = "the names are those of the flags")]
pub(crate) struct ClientArgs {
    /// The client id
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// Read the client secret from the first line of stdin
    #[arg(long, conflicts_with = "client_secret_file")]
    pub(crate) client_secret_stdin: bool,
    /// Read the client secret from this file [or env: TOKENKEEP_CLIENT_SECRET]
    #[arg(long, value_name = "FILE")]
    pub(crate) client_secret_file: Option<PathBuf>,
    /// How the client authenticates: basic, basic-raw, post, none
    #[arg(long, value_name = "WAY")]
    pub(crate) client_auth: Option<String>,
}

/// What the token is to be for.
#[derive(Args, Default)]
#[command(next_help_heading = "What the token is for")]
pub(crate) struct TargetArgs {
    /// A scope; repeatable, or several with spaces between
    #[arg(long, value_name = "SCOPE")]
    pub(crate) scope: Vec<String>,
    /// The audience, where the server takes one
    #[arg(long, value_name = "AUDIENCE")]
    pub(crate) audience: Option<String>,
    /// Of several resource servers that tokens come for at once, this one (Globus)
    #[arg(long, value_name = "NAME")]
    pub(crate) resource_server: Option<String>,
    /// A resource (RFC 8707); repeatable
    #[arg(long, value_name = "URI")]
    pub(crate) resource: Vec<String>,
}

/// Prints a valid token.
#[derive(Args)]
pub(crate) struct Token {
    /// bare, header, json, curl, env, env:sh, env:fish, env:pwsh, env:cmd, exec-credential
    #[arg(short, long, value_name = "FORMAT", default_value = "bare")]
    pub(crate) output: Format,
    /// The token must be good for at least this long: 60s, 5m, 1h
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) min_valid: Option<Duration>,
    /// Get a new one from the server, whatever there is
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

/// Calls an API.
#[derive(Args)]
pub(crate) struct Request {
    /// GET, POST, …
    pub(crate) method: String,
    /// The URL; the token goes to its origin only
    pub(crate) url: String,
    /// A header, 'Name: value'; repeatable
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    pub(crate) headers: Vec<String>,
    /// The body: text, @FILE, or @- for stdin
    #[arg(short, long, value_name = "DATA", allow_hyphen_values = true)]
    pub(crate) data: Option<String>,
    /// Say that the body is JSON, and that JSON is wanted
    #[arg(long)]
    pub(crate) json: bool,
    /// Print status and headers before the body
    #[arg(short, long)]
    pub(crate) include: bool,
    /// Exit with 1 if the API answers 400 or above
    #[arg(long)]
    pub(crate) fail: bool,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

/// Shows what is stored.
#[derive(Args)]
pub(crate) struct Status {
    /// Only these profiles
    #[arg(value_name = "PROFILE")]
    pub(crate) profiles: Vec<String>,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// One line per profile, 'PROFILE 42m', for prompts; ends with 4 where a login is required
    #[arg(long, conflicts_with = "json")]
    pub(crate) short: bool,
    /// Get a token for each profile first, from the server where it is due
    #[arg(long, conflicts_with = "short")]
    pub(crate) check: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }
}
