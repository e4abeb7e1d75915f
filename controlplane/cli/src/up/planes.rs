//! What `tidegate up` starts of Tidegate itself, checked before anything is started.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{DirBuilder, File, TryLockError};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tidegate_controlplane_server::args::within;
use tracing_subscriber::EnvFilter;

use super::child::Spec;
use super::locate::Places;
use super::{LOG, UpArgs};
use crate::state_dir;

/// Everything that is decided before the first child starts.
pub(crate) struct Plan {
    /// The manifests, absolute.
    pub(crate) dir: PathBuf,
    /// The control plane's socket.
    pub(crate) socket: PathBuf,
    /// Where state is kept.
    pub(crate) state: PathBuf,
    /// Where programs are looked up.
    pub(crate) places: Places,
    /// Filter of the logs.
    pub(crate) log: String,
    status: Option<PathBuf>,
    listen: SocketAddr,
    admin: SocketAddr,
    control_plane: PathBuf,
    data_plane: PathBuf,
    /// Locked: the state directory is ours.
    _lock: File,
}

impl Plan {
    /// Checks the arguments against this machine. Errors name the flag and the remedy.
    pub(crate) fn new(args: UpArgs) -> anyhow::Result<Self> {
        let dir = directory(&args.dir)?;
        let places = Places::new()?;
        let control_plane = places.own("tidegate-controlplane")?;
        let data_plane = places.own("tidegate-dataplane")?;
        let state = args.state_dir.unwrap_or_else(state_dir::default);
        let state = std::path::absolute(&state).context("--state-dir")?;
        let socket = state_dir::control_socket(&state)?;
        let lock = claim(&state)?;
        if args.listen == args.admin && args.listen.port() != 0 {
            bail!("--listen and --admin are both {}\n  help: give each a port of its own", args.listen);
        }
        check_free("--listen", args.listen)?;
        check_free("--admin", args.admin)?;
        let status = args.status_dir.map(std::path::absolute).transpose().context("--status-dir")?;
        if let Some(status) = status.as_ref().filter(|status| within(status, &dir)) {
            bail!(
                "--status-dir {}: lies in the directory of manifests\n  help: choose one beside it",
                status.display()
            );
        }
        let (listen, admin) = (args.listen, args.admin);
        let log = Some(args.log).filter(|log| !log.trim().is_empty()).unwrap_or_else(|| LOG.to_owned());
        Ok(Self {
            dir,
            socket,
            state,
            places,
            log,
            status,
            listen,
            admin,
            control_plane,
            data_plane,
            _lock: lock,
        })
    }

    /// The log filter, checked here: a plane that refuses it would be started again and again.
    pub(crate) fn filter(&self) -> anyhow::Result<EnvFilter> {
        let filter = EnvFilter::builder().parse(&self.log);
        filter.with_context(|| {
            format!(
                "--log {}: not a filter\n  help: write levels by module, as in info,tidegate=debug",
                self.log
            )
        })
    }

    /// The first line.
    pub(crate) fn greeting(&self) -> String {
        format!(
            "tidegate: serving {} at http://{}/NAMESPACE/NAME/mcp, admin at http://{}, state in {}",
            self.dir.display(),
            self.listen,
            self.admin,
            self.state.display()
        )
    }

    /// The control plane, as the one member of its fleet.
    pub(crate) fn control_plane(&self) -> BTreeMap<String, Spec> {
        let mut args = vec![
            ("--source", prefixed("dir:", &self.dir)),
            ("--push", prefixed("unix:", &self.socket)),
            ("--state-dir", self.state.join("controlplane").into()),
        ];
        args.extend(self.status.clone().map(|dir| ("--status-dir", dir.into())));
        self.plane("controlplane", &self.control_plane, args)
    }

    /// The data plane, likewise.
    pub(crate) fn data_plane(&self) -> BTreeMap<String, Spec> {
        let args = vec![
            ("--control-plane", prefixed("unix:", &self.socket)),
            ("--state-dir", self.state.join("node").into()),
            ("--listen", self.listen.to_string().into()),
            ("--admin", self.admin.to_string().into()),
        ];
        self.plane("dataplane", &self.data_plane, args)
    }

    fn plane(&self, name: &str, program: &Path, args: Vec<(&str, OsString)>) -> BTreeMap<String, Spec> {
        let args = args.into_iter().flat_map(|(flag, value)| [OsString::from(flag), value]).collect();
        let env = vec![("TIDEGATE_LOG".to_owned(), self.log.clone())];
        let spec = Spec { name: name.into(), program: program.into(), args, dir: self.state.clone(), env };
        BTreeMap::from([(name.to_owned(), spec)])
    }
}

fn directory(dir: &Path) -> anyhow::Result<PathBuf> {
    let found = dir.canonicalize().with_context(|| {
        format!(
            "-f {}: cannot use this directory\n  help: `tidegate up` serves a directory of manifests",
            dir.display()
        )
    })?;
    if !found.is_dir() {
        let parent = found.parent().unwrap_or(&found).display();
        bail!("-f {}: not a directory\n  help: name the one it lies in: -f {parent}", dir.display());
    }
    Ok(found)
}

/// Makes the state directory, for the owner only, and locks it for the life of this process.
fn claim(state: &Path) -> anyhow::Result<File> {
    let unusable = || format!("--state-dir {}: cannot use this directory", state.display());
    DirBuilder::new().recursive(true).mode(0o700).create(state).with_context(unusable)?;
    let lock = File::options().create(true).truncate(false).write(true).open(state.join("up.lock"));
    let lock = lock.with_context(unusable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => bail!(
            "--state-dir {}: another `tidegate up` runs with this directory\n  help: stop it, or give this one a \
             --state-dir (and --listen and --admin) of its own",
            state.display()
        ),
        Err(TryLockError::Error(error)) => Err(error).with_context(unusable),
    }
}

/// Binds and lets go: the data plane would say the same, but only in its log, and again and again.
fn check_free(flag: &str, address: SocketAddr) -> anyhow::Result<()> {
    let why = match TcpListener::bind(address) {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    let help = match why.kind() {
        std::io::ErrorKind::AddrInUse => format!("stop what listens there, or choose another {flag}"),
        std::io::ErrorKind::PermissionDenied => {
            format!("ports below 1024 need privileges; choose another {flag}")
        }
        _ => format!("choose an address of this machine for {flag}"),
    };
    bail!("{flag} {address}: cannot listen there: {why}\n  help: {help}")
}

fn prefixed(prefix: &str, path: &Path) -> OsString {
    let mut text = OsString::from(prefix);
    text.push(path);
    text
}
