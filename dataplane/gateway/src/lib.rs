//! Pingora services, the MCP request path, upstream client, push client, admin

pub mod push;
