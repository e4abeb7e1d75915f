//! What a TLS port answers to whom: to a peer without a certificate nothing but how to get one. Whatever is served
//! there later is behind the gate too.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use futures_util::future::Either;
use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

use super::TlsPeer;
use crate::identity::service::Issuer;
use tidegate_proto::wire::identity_server::IdentityServer;

/// Serves what its service does, to peers with a certificate.
#[derive(Clone, Debug)]
pub(super) struct Gate<S>(S);

impl<S> Gate<S> {
    pub(super) fn new(service: S) -> Self {
        Self(service)
    }
}

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response<Body>, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let certified = request.extensions().get::<TlsPeer>().is_some_and(|p| p.certificate.is_some());
        if certified || is_for_all(request.uri().path()) {
            Either::Left(self.0.call(request))
        } else {
            let words = "this needs a client certificate, which tidegate.v1.Identity issues to gateways";
            Either::Right(ready(Ok(Status::unauthenticated(words).into_http())))
        }
    }
}

fn is_for_all(path: &str) -> bool {
    let service = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    service.is_some_and(|(service, _)| service == IdentityServer::<Issuer>::NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_issuing_is_for_all() {
        for (path, expected) in [
            ("/tidegate.v1.Identity/Issue", true),
            ("/tidegate.v1.Push/Connect", false),
            ("/tidegate.v1.Inspect/State", false),
            ("/tidegate.v1.IdentityX/Issue", false),
            ("/tidegate.v1.Identity", false),
            ("tidegate.v1.Identity/Issue", false),
            ("/", false),
        ] {
            assert_eq!(is_for_all(path), expected, "{path}");
        }
    }
}
