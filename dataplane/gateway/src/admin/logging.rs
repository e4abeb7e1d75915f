//! `/logging`: what is logged, shown and changed at run time.

use super::text;
use crate::request_log::{REQUESTS, Requests, UnknownRequests};
use http::{Response, StatusCode};

/// The filter of the process's log.
pub trait LogFilter: Send + Sync {
    /// The filter in force, in the form that [`LogFilter::set`] takes.
    fn show(&self) -> String;
    /// Another filter: a level, or targets with levels. An error says what is wrong with it.
    fn set(&self, filter: &str) -> Result<(), String>;
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
enum Unchanged {
    #[error(transparent)]
    Requests(#[from] UnknownRequests),
    #[error("level: {0}")]
    Level(String),
    #[error("{0:?} is not known: there are level and requests")]
    Parameter(String),
}

pub(super) fn show(filter: &dyn LogFilter) -> Response<Vec<u8>> {
    let body = serde_json::json!({"level": filter.show(), "requests": REQUESTS.get().to_string()});
    text(StatusCode::OK, "application/json", body.to_string())
}

/// `query`: `level=FILTER`, `requests=off|failed|all`, or both. All or nothing is changed.
pub(super) fn change(filter: &dyn LogFilter, query: &str) -> Response<Vec<u8>> {
    match apply(filter, query) {
        Ok(()) => show(filter),
        Err(e) => text(StatusCode::BAD_REQUEST, "text/plain", format!("{e}\n")),
    }
}

fn apply(filter: &dyn LogFilter, query: &str) -> Result<(), Unchanged> {
    let (mut level, mut requests) = (None, None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("level", value)) => level = Some(value),
            Some(("requests", value)) => requests = Some(value.parse::<Requests>()?),
            _ => return Err(Unchanged::Parameter(pair.chars().take(64).collect())),
        }
    }
    if let Some(level) = level {
        filter.set(level).map_err(Unchanged::Level)?;
    }
    if let Some(requests) = requests {
        REQUESTS.set(requests);
    }
    tracing::info!(level, requests = requests.map(tracing::field::display), "logging changed");
    Ok(())
}
