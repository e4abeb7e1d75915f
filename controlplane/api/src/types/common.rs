//! Shapes that several kinds share (spec 1.0).

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde_json::{Map, Value};

use crate::read::Complaint;

/// An object whose fields are kept as they are: the CRD does not describe them, or nothing here reads them.
pub type Raw = Map<String, Value>;

/// Text of at least one character.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NonEmpty(pub String);

/// A URL that begins with `http://` or `https://`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl(pub String);

/// Membership in an MCPGroup. Before v0.20 it was the bare name; both are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRef {
    /// Name of the group, in the same namespace.
    pub name: String,
}

/// A reference by name, in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NameRef {
    /// Name of the object.
    pub name: NonEmpty,
}

/// One key of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKeyRef {
    /// Name of the Secret.
    pub name: NonEmpty,
    /// Its key.
    pub key: NonEmpty,
}

/// One key of a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigMapKeyRef {
    /// Name of the ConfigMap.
    pub name: NonEmpty,
    /// Its key; the default depends on the field.
    pub key: Option<String>,
    /// Whether it may be absent.
    pub optional: Option<bool>,
}

/// Certificates to trust.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CaBundleSource {
    /// Where they are; key `ca.crt` by default.
    pub config_map_ref: Option<ConfigMapKeyRef>,
}

/// An environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvVar {
    /// Its name.
    pub name: NonEmpty,
    /// Its value; default: empty.
    #[serde(default)]
    pub value: String,
}

/// CPU and memory of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Resources {
    /// At most.
    pub limits: Option<ResourceList>,
    /// At least.
    pub requests: Option<ResourceList>,
}

/// Kubernetes quantities.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ResourceList {
    /// As in `500m`.
    pub cpu: Option<String>,
    /// As in `128Mi`.
    pub memory: Option<String>,
}

/// Session affinity of a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum SessionAffinity {
    /// By client address.
    ClientIP,
    /// None.
    None,
}

/// An MCP transport over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HttpTransport {
    /// MCP 2025-03-26 and later.
    StreamableHttp,
    /// HTTP+SSE of MCP 2024-11-05.
    Sse,
}

impl HttpTransport {
    /// As written in manifests.
    pub fn as_str(self) -> &'static str {
        match self {
            HttpTransport::StreamableHttp => "streamable-http",
            HttpTransport::Sse => "sse",
        }
    }
}

impl JsonSchema for NonEmpty {
    fn schema_name() -> Cow<'static, str> {
        "NonEmpty".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "minLength": 1})
    }
}

impl JsonSchema for HttpUrl {
    fn schema_name() -> Cow<'static, str> {
        "HttpUrl".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^https?://"})
    }
}

/// The API server takes the object only: a schema without alternatives cannot say that text will do, too.
impl JsonSchema for GroupRef {
    fn schema_name() -> Cow<'static, str> {
        "GroupRef".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        NameRef::json_schema(generator)
    }
}

impl<'de> Deserialize<'de> for NonEmpty {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Err(de::Error::custom(Complaint {
                code: "bad-value",
                message: "must not be empty".to_owned(),
                remedy: "write a name, or remove the field".to_owned(),
            }));
        }
        Ok(Self(text))
    }
}

impl<'de> Deserialize<'de> for HttpUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if !text.starts_with("http://") && !text.starts_with("https://") {
            return Err(de::Error::custom(Complaint {
                code: "bad-url",
                message: format!("{text:?} does not begin with http:// or https://"),
                remedy: "write the whole URL, as in https://mcp.example.com/mcp".to_owned(),
            }));
        }
        Ok(Self(text))
    }
}

impl<'de> Deserialize<'de> for GroupRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(GroupRefVisitor)
    }
}

struct GroupRefVisitor;

impl<'de> Visitor<'de> for GroupRefVisitor {
    type Value = GroupRef;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object with the field name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<GroupRef, E> {
        if name.is_empty() {
            return Err(E::custom(Complaint {
                code: "bad-value",
                message: "must not be empty".to_owned(),
                remedy: "write the name of an MCPGroup of the same namespace".to_owned(),
            }));
        }
        Ok(GroupRef { name: name.to_owned() })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<GroupRef, A::Error> {
        let NameRef { name } = NameRef::deserialize(MapAccessDeserializer::new(map))?;
        Ok(GroupRef { name: name.0 })
    }
}
