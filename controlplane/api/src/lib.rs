//! The `toolhive.stacklok.dev` resources as types, and their reading from YAML with positions.
//!
//! Bytes in, values and diagnostics out: no file access, no clock, no client. [`read()`] turns one file
//! into [`Document`]s, [`read_object`] one object of an API server; [`Store`] keeps the last good documents of many files;
//! [`crd`] says of the same types what an API server has to know.

pub mod crd;
pub mod diagnostic;
pub mod document;
pub mod duration;
pub mod meta;
pub mod read;
pub mod store;
pub mod types;
mod yaml;

pub use diagnostic::{Diagnostic, Severity, Source};
pub use document::{Document, Object, Resource};
pub use duration::GoDuration;
pub use meta::{Kind, ObjectMeta, ObjectRef};
pub use read::{Failure, Reading, read, read_object};
pub use store::Store;
