#![doc = include_str!("../README.md")]

mod paste;

pub use paste::{PasteError, Pasted};
