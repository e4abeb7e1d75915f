//! Example MCP servers on the official Rust SDK: small, useful, and without network access of their own.
//!
//! [`timezones`] knows the time anywhere, [`docs`] searches a folder of Markdown. [`serve`] runs either over streamable
//! HTTP or over stdio. They know nothing of the gateway: any MCP client can use them directly.

pub mod docs;
pub mod serve;
pub mod timezones;
