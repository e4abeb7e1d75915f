//! Manifests in the guide's shape.

/// A group of one server named `echo`, and a virtual server `demo`.
pub(crate) const ECHO: &str = "\
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPGroup
metadata: {name: tools}
spec: {description: for tests}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPServer
metadata:
  name: echo
  annotations: {tidegate.dev/endpoint: \"http://127.0.0.1:7001/mcp\"}
spec:
  groupRef: {name: tools}
  image: example.com/echo:1
  transport: streamable-http
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: VirtualMCPServer
metadata: {name: demo}
spec:
  groupRef: {name: tools}
  incomingAuth: {type: anonymous}
";

/// A group.
pub(crate) fn group(name: &str) -> String {
    format!(
        "apiVersion: toolhive.stacklok.dev/v1beta1\nkind: MCPGroup\nmetadata: {{name: {name}}}\nspec: {{}}\n"
    )
}

/// A server that listens on a port of this machine.
pub(crate) fn server(name: &str, group: &str, port: u16) -> String {
    format!(
        "apiVersion: toolhive.stacklok.dev/v1beta1\nkind: MCPServer\nmetadata:\n  name: {name}\n  annotations:\n    \
         tidegate.dev/endpoint: http://127.0.0.1:{port}/mcp\nspec:\n  groupRef: {{name: {group}}}\n  \
         image: example.com/{name}:1\n  transport: streamable-http\n"
    )
}

/// A virtual server over a group.
pub(crate) fn virtual_server(name: &str, group: &str) -> String {
    format!(
        "apiVersion: toolhive.stacklok.dev/v1beta1\nkind: VirtualMCPServer\nmetadata: {{name: {name}}}\nspec:\n  \
         groupRef: {{name: {group}}}\n  incomingAuth: {{type: anonymous}}\n"
    )
}

/// [`ECHO`] and one more server in its group.
pub(crate) fn echo_and(name: &str, port: u16) -> String {
    format!("{ECHO}---\n{}", server(name, "tools", port))
}

/// What no parser takes for YAML.
pub(crate) fn broken() -> &'static str {
    "kind: [unclosed\n  metadata: {"
}
