//! Asks the control plane for a certificate.

use std::time::Duration;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use tidegate_proto::wire::identity_client::IdentityClient;
use tidegate_proto::wire::{IssueRequest, IssueResponse};
use tonic::Request;
use tonic::metadata::MetadataValue;
use tonic::transport::Endpoint;

use super::kept::{Authorities, NodeCertificate};
use super::{IdentityError, NodeIdentity, Token};

/// Bound of connecting, and again of the answer: the control plane asks the API server.
const WITHIN: Duration = Duration::from_secs(8);

/// Makes a key, and gets a certificate for it.
pub(super) async fn issue(identity: &NodeIdentity) -> Result<NodeCertificate, IdentityError> {
    let (authorities, token) = (identity.authorities().await?, identity.token().await?);
    let key = KeyPair::generate().map_err(IdentityError::Key)?;
    let csr = request(&key, &identity.node).map_err(IdentityError::Key)?;
    let answer = ask(identity, &authorities, &token, csr).await?;
    if answer.node != identity.node {
        return Err(IdentityError::OtherNode { issued: answer.node, ours: identity.node.clone() });
    }
    warn_when_behind(identity, &authorities, &answer);
    let issued = NodeCertificate::new(key.serialize_pem(), answer.chain);
    issued.filter(|i| i.names(&identity.node)).ok_or(IdentityError::Unusable("it does not name this node"))
}

fn request(key: &KeyPair, node: &str) -> Result<String, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, node);
    params.serialize_request(key)?.pem()
}

async fn ask(
    identity: &NodeIdentity,
    authorities: &Authorities,
    token: &Token,
    csr: String,
) -> Result<IssueResponse, IdentityError> {
    let connect = |source| {
        let authorities = identity.credentials.authorities.clone();
        IdentityError::Connect { authorities, source }
    };
    let endpoint = Endpoint::from_shared(identity.url.clone()).map_err(connect)?;
    let endpoint = endpoint.connect_timeout(WITHIN).tls_config(authorities.tls()).map_err(connect)?;
    let asked = async {
        let channel = endpoint.connect().await.map_err(connect)?;
        let mut request = Request::new(IssueRequest { csr });
        request.metadata_mut().insert("authorization", bearer(identity, token)?);
        let answer = IdentityClient::new(channel).issue(request).await;
        answer.map(tonic::Response::into_inner).map_err(|status| IdentityError::Refused {
            token: identity.credentials.token.clone(),
            reason: status.message().to_owned(),
        })
    };
    tokio::time::timeout(2 * WITHIN, asked).await.map_err(|_| IdentityError::Slow)?
}

fn bearer(
    identity: &NodeIdentity,
    token: &Token,
) -> Result<MetadataValue<tonic::metadata::Ascii>, IdentityError> {
    let no_token = |_| IdentityError::NoToken(identity.credentials.token.clone());
    let mut value: MetadataValue<_> = format!("Bearer {}", token.0).parse().map_err(no_token)?;
    value.set_sensitive(true);
    Ok(value)
}

/// A file that does not follow the ConfigMap goes unnoticed until the authority in it is of no use.
fn warn_when_behind(identity: &NodeIdentity, authorities: &Authorities, answer: &IssueResponse) {
    if !authorities.hold_all_of(&answer.trust) {
        let path = identity.credentials.authorities.display();
        tracing::warn!(
            %path,
            "the file of authorities (--control-plane-ca) lacks one that will sign: it must follow the ConfigMap \
             tidegate-ca, which a mount with subPath does not"
        );
    }
}
