//! The API server's audit log: who asked for what, and was it allowed.

use crate::Cluster;
use crate::servers::audit_log;
use anyhow::Context as _;
use serde_json::Value;

/// One request. A watch is logged twice: when it starts (`ResponseStarted`) and when it ends (`ResponseComplete`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLine {
    /// `ResponseStarted`, `ResponseComplete` or `Panic`.
    pub stage: String,
    /// As RBAC names it, e.g. `system:serviceaccount:NAMESPACE:NAME`.
    pub user: String,
    /// What the client calls itself.
    pub user_agent: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// The path with its query.
    pub uri: String,
    /// The API group, empty for the core's.
    pub group: String,
    /// The plural, empty when the request is not for a resource.
    pub resource: String,
    /// `status` and the like, or empty.
    pub subresource: String,
    /// Empty when the request is not for one namespace.
    pub namespace: String,
    /// Empty when the request is not for one object.
    pub name: String,
    /// The HTTP status.
    pub code: u16,
    /// RBAC's decision; a request may be refused for other reasons too.
    pub allowed: bool,
}

impl AuditLine {
    fn parse(line: &str) -> anyhow::Result<Self> {
        let event: Value = serde_json::from_str(line)?;
        let text =
            |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let code = event.pointer("/responseStatus/code").and_then(Value::as_u64).unwrap_or_default();
        Ok(Self {
            stage: text("/stage"),
            user: text("/user/username"),
            user_agent: text("/userAgent"),
            verb: text("/verb"),
            uri: text("/requestURI"),
            group: text("/objectRef/apiGroup"),
            resource: text("/objectRef/resource"),
            subresource: text("/objectRef/subresource"),
            namespace: text("/objectRef/namespace"),
            name: text("/objectRef/name"),
            code: u16::try_from(code)?,
            allowed: text("/annotations/authorization.k8s.io~1decision") == "allow",
        })
    }
}

impl Cluster {
    /// All requests so far. A line is written when the answer is: wait for those of a request just made.
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn audit(&self) -> anyhow::Result<Vec<AuditLine>> {
        let text = tokio::fs::read_to_string(audit_log(self.dir())).await.context("the audit log")?;
        // the last line may be half written
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(AuditLine::parse).collect()
    }
}
