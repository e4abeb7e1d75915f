//! The proxy of FastMCP, in its own Python environment.

use anyhow::Context;
use serde_json::{Map, Value, json};

use crate::process::Process;
use crate::target::{Name, Site, Target, Tools, free_address};

/// As its documentation has it: a proxy of a URL, or of several servers by name.
const PROGRAM: &str = "\
import json, sys
from fastmcp.server import create_proxy
target, host, port = json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3])
proxy = create_proxy(target, name='proxy')
proxy.run(transport='http', host=host, port=port, path='/mcp', log_level='error', show_banner=False)
";

pub(super) fn start(site: &Site<'_>) -> anyhow::Result<Target> {
    let count = site.backends.len();
    let backends = if count == 1 {
        Value::from(format!("http://{}/mcp", site.single))
    } else {
        let server =
            |(n, addr): (usize, &String)| (format!("b{n}"), json!({"url": format!("http://{addr}/mcp")}));
        json!({"mcpServers": site.backends.iter().enumerate().map(server).collect::<Map<_, _>>()})
    };
    let python = site.binaries.fastmcp().context("FastMCP is not installed")?;
    let file = site.write("proxy.py", PROGRAM)?;
    let listen = free_address()?;
    let (host, port) = listen.split_once(':').context("an address without a port")?;
    let mut command = site.command(&python);
    command.arg(file).arg(backends.to_string()).args([host, port]);
    let process = Process::start(&site.folder, "fastmcp", &mut command)?;
    let mut target = Target::at(Some(Name::Fastmcp), format!("http://{listen}/mcp"), vec![process]);
    if count > 1 {
        target.tools = Tools::OfEach(count);
    }
    Ok(target)
}
