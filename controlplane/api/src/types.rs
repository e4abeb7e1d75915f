//! The fields of the kinds (spec 1.1 to 1.11): how they are read, and what the CRDs say of them. Defaults are applied
//! where the fields are used, so that absent and written stay distinguishable; an API server applies those of the CRD.

mod auth;
mod auth_server;
mod authz;
mod backends;
mod common;
mod composite;
mod config;
mod external_auth;
mod extras;
mod oidc;
mod rules;
mod telemetry;
mod tool_config;
mod virtual_server;

pub use auth::*;
pub use auth_server::*;
pub use authz::*;
pub use backends::*;
pub use common::*;
pub use composite::*;
pub use config::*;
pub use external_auth::*;
pub use extras::*;
pub use oidc::*;
pub use telemetry::*;
pub use tool_config::*;
pub use virtual_server::*;
