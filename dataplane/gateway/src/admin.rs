//! The admin port: `/metrics`, `/healthz`, `/readyz`, `/logging`. Not for clients.

mod logging;

use crate::state::Gateway;
use async_trait::async_trait;
use http::{Response, StatusCode, header};
use pingora_core::apps::http_app::ServeHttp;
use pingora_core::protocols::http::ServerSession;
use pingora_http::RequestHeader;
use std::sync::Arc;

pub use logging::LogFilter;

pub(crate) struct Admin {
    pub(crate) gw: Arc<Gateway>,
    pub(crate) log: Arc<dyn LogFilter>,
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let head = session.req_header();
        match head.method.as_str() {
            "GET" | "HEAD" => self.show(head.uri.path()),
            // a browser says where a page is from that posts: no page has anything to change here
            "POST" if head.headers.contains_key(header::ORIGIN) => {
                text(StatusCode::FORBIDDEN, "text/plain", "not for browsers\n".into())
            }
            "POST" => self.change(head),
            _ => text(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "method not allowed\n".into()),
        }
    }
}

impl Admin {
    fn show(&self, path: &str) -> Response<Vec<u8>> {
        match path {
            "/metrics" => text(StatusCode::OK, "text/plain; version=0.0.4", self.gw.metrics()),
            "/healthz" => text(StatusCode::OK, "application/json", r#"{"status":"ok"}"#.into()),
            "/readyz" => self.ready(),
            "/logging" => logging::show(&*self.log),
            _ => {
                let paths = "paths: /metrics /healthz /readyz /logging\n";
                text(StatusCode::NOT_FOUND, "text/plain", paths.into())
            }
        }
    }

    fn change(&self, head: &RequestHeader) -> Response<Vec<u8>> {
        match head.uri.path() {
            "/logging" => logging::change(&*self.log, head.uri.query().unwrap_or_default()),
            _ => text(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "POST changes /logging only\n".into()),
        }
    }

    fn ready(&self) -> Response<Vec<u8>> {
        // the process: while one takes over, two of them answer on this port
        let (stale, pid) = (!self.gw.synced(), std::process::id());
        if self.gw.ready() {
            let body = format!(r#"{{"status":"ready","pid":{pid},"stale":{stale}}}"#);
            return text(StatusCode::OK, "application/json", body);
        }
        let reason = "no routing table yet, or draining";
        let body = format!(r#"{{"status":"not_ready","pid":{pid},"reason":"{reason}"}}"#);
        text(StatusCode::SERVICE_UNAVAILABLE, "application/json", body)
    }
}

fn text(status: StatusCode, content_type: &'static str, body: String) -> Response<Vec<u8>> {
    let mut r = Response::new(body.into_bytes());
    *r.status_mut() = status;
    let len = r.body().len();
    r.headers_mut().insert(header::CONTENT_LENGTH, len.into());
    r.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    r
}
