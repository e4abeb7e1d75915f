//! The MCP servers that manifests ask to be run (`tidegate.dev/command`), kept in step with the directory.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use tidegate_controlplane_api::types::ServerTransport;
use tidegate_controlplane_compile::Command;
use tidegate_controlplane_server::commands::DirCommands;

use super::child::Spec;
use super::fleet::Fleet;
use super::locate::Places;
use super::planes::Plan;

/// Changes within this time of each other are one.
const DEBOUNCE: Duration = Duration::from_millis(50);

/// The running commands and what tells when they change.
pub(crate) struct Commands {
    fleet: Fleet,
    wanted: DirCommands,
    runner: Runner,
}

/// What turns a command into a process.
struct Runner {
    dir: PathBuf,
    places: Places,
    own: PathBuf,
    log: String,
}

impl Commands {
    /// Starts to watch the directory; [`Commands::next`] starts the commands.
    pub(crate) fn start(plan: &Plan, fleet: Fleet) -> anyhow::Result<Self> {
        let kept = plan.state.join("commands");
        let wanted = DirCommands::watch(plan.dir.clone(), DEBOUNCE, kept);
        let wanted = wanted.with_context(|| format!("cannot watch {}", plan.dir.display()))?;
        let own = std::env::current_exe().context("cannot find the own executable")?;
        let (dir, places, log) = (plan.dir.clone(), plan.places.clone(), plan.log.clone());
        Ok(Self { fleet, wanted, runner: Runner { dir, places, own, log } })
    }

    /// Waits for a change, brings the processes in step, and says what cannot be run. Can be dropped and called again.
    pub(crate) async fn next(&mut self) -> Vec<String> {
        let Some(commands) = self.wanted.next().await else { return std::future::pending().await };
        let (mut specs, mut refused) = (BTreeMap::new(), Vec::new());
        for command in commands.iter() {
            match self.runner.spec(command) {
                Ok(spec) => drop(specs.insert(command.object.to_string(), spec)),
                Err(why) => refused.push(format!("{} cannot be run: {why}", command.object)),
            }
        }
        self.fleet.reconcile(specs);
        refused
    }

    /// Stops all and waits until they are gone.
    pub(crate) async fn stop(self) {
        self.fleet.stop().await;
    }
}

impl Runner {
    fn spec(&self, command: &Command) -> Result<Spec, String> {
        let endpoint = Endpoint::parse(&command.endpoint)
            .ok_or_else(|| format!("the endpoint `{}` is not host:port/path", command.endpoint))?;
        let (program, arguments) = command.argv.split_first().ok_or("its command is empty")?;
        // One that is not there now may be there at the next try.
        let program = self.places.find(program, &self.dir).unwrap_or_else(|| PathBuf::from(program));
        let mut args: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let mut env = command.env.clone();
        env.push(("PORT".into(), endpoint.port.to_string()));
        env.push(("TIDEGATE_ENDPOINT".into(), endpoint.url()));
        let object = &command.object;
        let name = match &*object.namespace {
            "default" => object.name.to_string(),
            namespace => format!("{namespace}/{}", object.name),
        };
        let program = match command.transport {
            ServerTransport::StreamableHttp | ServerTransport::Sse => program,
            ServerTransport::Stdio => {
                let listen = endpoint.loopback()?;
                let bridge = ["bridge", "--listen", &listen, "--path", &endpoint.path, "--"];
                let server = std::iter::once(program.into_os_string());
                args = bridge.iter().map(OsString::from).chain(server).chain(args).collect();
                env.push(("TIDEGATE_LOG".into(), self.log.clone()));
                self.own.clone()
            }
        };
        Ok(Spec { name, program, args, dir: self.dir.clone(), env })
    }
}

/// Where a command is to listen.
#[derive(Debug, PartialEq, Eq)]
struct Endpoint {
    host: String,
    port: u16,
    path: String,
}

impl Endpoint {
    /// From `host:port/path`, with or without `http://`.
    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("http://").unwrap_or(text);
        let uri: http::Uri = format!("http://{rest}").parse().ok()?;
        let host = uri.host()?.trim_matches(['[', ']']).to_owned();
        let path = match uri.path() {
            "" | "/" => "/mcp".to_owned(),
            path => path.to_owned(),
        };
        Some(Self { host, port: uri.port_u16().unwrap_or(80), path })
    }

    fn url(&self) -> String {
        format!("http://{}{}", self.authority(), self.path)
    }

    fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The address for a bridge, which serves this machine only.
    fn loopback(&self) -> Result<String, String> {
        if self.host.eq_ignore_ascii_case("localhost") {
            return Ok(format!("127.0.0.1:{}", self.port));
        }
        let local = self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if local {
            return Ok(self.authority());
        }
        Err(format!("a stdio server is bridged at a loopback address, not at `{}`", self.host))
    }
}

#[cfg(test)]
mod tests {
    use tidegate_controlplane_api::{Kind, ObjectRef};
    use tidegate_proto::table::BackendId;

    use super::*;

    fn spec(namespace: &str, transport: ServerTransport, endpoint: &str) -> Result<Spec, String> {
        let runner = Runner {
            dir: "/manifests".into(),
            places: Places::new().unwrap(),
            own: "/bin/tidegate".into(),
            log: "warn".into(),
        };
        runner.spec(&Command {
            object: ObjectRef::new(Kind::McpServer, namespace, "clock"),
            backend: BackendId::resource(namespace, "MCPServer", "clock"),
            argv: vec!["no-such-program".into(), "--stdio".into()],
            env: vec![("ZONE".into(), "UTC".into())],
            transport,
            endpoint: endpoint.into(),
        })
    }

    fn args(spec: &Spec) -> String {
        let words: Vec<_> = spec.args.iter().map(|arg| arg.to_string_lossy()).collect();
        format!("{} {}", spec.program.display(), words.join(" "))
    }

    #[test]
    fn an_http_server_is_run_as_it_is_and_told_its_port() {
        let spec = spec("default", ServerTransport::StreamableHttp, "127.0.0.1:9101/x").unwrap();
        assert_eq!(args(&spec), "no-such-program --stdio");
        assert_eq!((spec.name.as_str(), spec.dir.as_path()), ("clock", "/manifests".as_ref()));
        let env: Vec<_> = spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(env, ["ZONE=UTC", "PORT=9101", "TIDEGATE_ENDPOINT=http://127.0.0.1:9101/x"]);
    }

    #[test]
    fn a_stdio_server_is_run_by_a_bridge() {
        let spec = spec("team", ServerTransport::Stdio, "http://localhost:9101").unwrap();
        let expected = "/bin/tidegate bridge --listen 127.0.0.1:9101 --path /mcp -- no-such-program --stdio";
        assert_eq!(args(&spec), expected);
        assert_eq!(spec.name, "team/clock");
    }

    #[test]
    fn a_bridge_is_not_offered_to_the_network() {
        let error = spec("default", ServerTransport::Stdio, "10.0.0.5:9101/mcp").unwrap_err();
        assert_eq!(error, "a stdio server is bridged at a loopback address, not at `10.0.0.5`");
    }

    #[test]
    fn endpoints_keep_ipv6_brackets_where_they_belong() {
        let endpoint = Endpoint::parse("[::1]:9/mcp").unwrap();
        assert_eq!((endpoint.host.as_str(), endpoint.url().as_str()), ("::1", "http://[::1]:9/mcp"));
        assert_eq!(endpoint.loopback(), Ok("[::1]:9".into()));
        assert_eq!(Endpoint::parse("no spaces/x"), None);
    }
}
