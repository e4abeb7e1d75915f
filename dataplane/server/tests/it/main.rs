//! The data plane as a process between fake neighbours: a control plane that pushes what a test wants,
//! backends that misbehave on command, clients that send exact bytes, and the official SDKs.

mod budget;
mod clients;
mod drain;
mod endpoints;
mod failure_handling;
mod failures;
mod framing;
mod giving_up;
mod h2;
mod listening;
mod nodes;
mod records;
mod refusals;
mod request_log;
mod routing;
mod sdk;
mod sessions;
mod streams;
mod support;
mod survival;
mod swaps;
mod takeover;
mod tls;
mod tools;
