//! The manifests of the gateway under measurement.

use std::fmt::Write;
use std::path::Path;
use std::{fs, io};

const API: &str = "toolhive.stacklok.dev/v1beta1";

/// Where edits are made, and where the one virtual server is that most scenarios have.
pub(crate) const FIRST: &str = "default";

/// The namespace of the n-th virtual server; in each of them are the same names.
pub(crate) fn namespace(n: usize) -> String {
    if n == 0 { FIRST.to_owned() } else { format!("n{n}") }
}

/// So many virtual servers `demo`, each over a workload `bN` of its own for each address, whose tools have the name of the
/// workload in front.
pub(crate) fn write(folder: &Path, backends: &[String], virtual_servers: usize) -> io::Result<()> {
    for n in 0..virtual_servers {
        let namespace = namespace(n);
        let mut text = format!(
            "apiVersion: {API}\nkind: MCPGroup\nmetadata: {{name: demo, namespace: {namespace}}}\nspec: {{}}\n"
        );
        for (n, address) in backends.iter().enumerate() {
            // writing to a string does not fail
            let _ = write!(text, "---\n{}", server(&namespace, &format!("b{n}"), address));
        }
        replace(folder, &format!("{namespace}-demo.yaml"), &text)?;
        replace(folder, &format!("{namespace}-vmcp.yaml"), &virtual_server(&namespace, 30))?;
    }
    Ok(())
}

/// A backend at this address. Its limits are above what any scenario has open at once, as those of the blind proxies are.
pub(crate) fn server(namespace: &str, name: &str, address: &str) -> String {
    format!(
        "apiVersion: {API}\nkind: MCPServer\nmetadata:\n  name: {name}\n  namespace: {namespace}\n  annotations:\n\
         \x20   tidegate.dev/endpoint: \"{address}\"\n    tidegate.dev/max-connections: \"4096\"\n\
         \x20   tidegate.dev/max-requests: \"4096\"\n\
         spec:\n  groupRef: {{name: demo}}\n  image: mock\n  transport: streamable-http\n"
    )
}

/// The virtual server with this bound of a call, in seconds.
pub(crate) fn virtual_server(namespace: &str, seconds: u64) -> String {
    format!(
        "apiVersion: {API}\nkind: VirtualMCPServer\nmetadata: {{name: demo, namespace: {namespace}}}\nspec:\n  groupRef: {{name: demo}}\n\
         \x20 incomingAuth: {{type: anonymous}}\n  config:\n    aggregation:\n      conflictResolution: prefix\n\
         \x20     conflictResolutionConfig: {{prefixFormat: \"{{workload}}_\"}}\n    operational:\n      timeouts:\n\
         \x20       default: {seconds}s\n"
    )
}

/// Writes a file as editors do: beside it, then renamed over it.
pub(crate) fn replace(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let beside = folder.join(format!(".{name}.new"));
    fs::write(&beside, text)?;
    fs::rename(beside, folder.join(name))
}
