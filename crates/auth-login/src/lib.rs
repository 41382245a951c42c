#![doc = include_str!("../README.md")]

mod browser;
mod interactive;
mod listener;
mod page;
mod paste;
mod remote;

pub use browser::{Browser, BrowserCommand, BrowserError};
pub use interactive::{BegunLogin, LoginError, LoopbackLogin, Notice, ReceivedCode};
pub use listener::{ListenError, Listener, ListenerConfig, Verdict};
pub use page::Page;
pub use paste::{PasteError, Pasted};
pub use remote::RemoteSession;
