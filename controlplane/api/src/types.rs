//! The fields of the kinds (spec 1.1 to 1.5). Defaults are applied where the fields are used, so that absent and
//! written stay distinguishable.

mod auth;
mod backends;
mod common;
mod composite;
mod config;
mod extras;
mod virtual_server;

pub use auth::*;
pub use backends::*;
pub use common::*;
pub use composite::*;
pub use config::*;
pub use extras::*;
pub use virtual_server::*;
