//! The admin port: `/metrics`, `/healthz`, `/readyz`. Not for clients.

use crate::state::Gateway;
use async_trait::async_trait;
use http::{Response, StatusCode, header};
use pingora_core::apps::http_app::ServeHttp;
use pingora_core::protocols::http::ServerSession;
use std::sync::Arc;

pub(crate) struct Admin {
    pub(crate) gw: Arc<Gateway>,
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let head = session.req_header();
        if !matches!(head.method.as_str(), "GET" | "HEAD") {
            return text(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "method not allowed\n".into());
        }
        match head.uri.path() {
            "/metrics" => text(StatusCode::OK, "text/plain; version=0.0.4", self.gw.metrics()),
            "/healthz" => text(StatusCode::OK, "application/json", r#"{"status":"ok"}"#.into()),
            "/readyz" => self.ready(),
            _ => text(StatusCode::NOT_FOUND, "text/plain", "paths: /metrics /healthz /readyz\n".into()),
        }
    }
}

impl Admin {
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
