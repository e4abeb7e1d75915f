//! The admin port: `/healthz`, `/readyz`, `/metrics`. It shows, and changes nothing.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::metrics;
use crate::status::Board;

/// A port that is bound and not served yet.
#[derive(Debug)]
pub struct AdminListener(TcpListener);

/// Binds the port.
///
/// # Errors
/// When the address cannot be had.
pub async fn bind(address: SocketAddr) -> io::Result<AdminListener> {
    TcpListener::bind(address).await.map(AdminListener)
}

impl AdminListener {
    /// Where it is, with the port that was chosen.
    pub fn address(&self) -> Option<SocketAddr> {
        self.0.local_addr().ok()
    }

    /// Serves until `stopped`.
    pub async fn serve(self, board: Board, stopped: impl Future<Output = ()> + Send + 'static) {
        let routes = Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
            .route("/metrics", get(scrape))
            .with_state(board);
        if let Err(error) = axum::serve(self.0, routes).with_graceful_shutdown(stopped).await {
            tracing::error!(%error, "the admin port failed");
        }
    }
}

/// Ready when there is something to push: everything has been listed and compiled once.
async fn ready(State(board): State<Board>) -> Response {
    if board.published() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, "not ready: the source has not been listed yet\n").into_response()
}

async fn scrape(State(board): State<Board>) -> Response {
    let text = tokio::task::block_in_place(|| metrics::scrape(&board));
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}
