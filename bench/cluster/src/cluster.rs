//! The cluster: starts the servers, waits until they serve, and gives out clients.

use crate::binaries::Binaries;
use crate::credentials::Authority;
use crate::eventually;
use crate::kubelet::Kubelet;
use crate::process::{Process, Reaper};
use crate::servers::{self, Ports};
use anyhow::Context as _;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::{Mutex, OnceCell};

/// How long a server may take to serve; a machine that builds at the same time is slow.
pub(crate) const READY_LIMIT: Duration = Duration::from_secs(120);

/// What a cluster may have otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Serve watches and lists from the API server's memory, as it does by default. Without, each goes to etcd, so that
    /// [`Cluster::compact`] alone makes a watch from an old version end with 410.
    pub watch_cache: bool,
    /// Services may have IPv6 addresses, after those of IPv4.
    pub dual_stack: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { watch_cache: true, dual_stack: false }
    }
}

/// etcd, kube-apiserver and kube-controller-manager of this process. Gone when dropped, or when the process ends.
///
/// No method is bound to the runtime that started the cluster: each `#[tokio::test]` may use a shared one.
pub struct Cluster {
    pub(crate) kubelet: OnceCell<Kubelet>,
    // first, since what is dropped first kills all others
    _reaper: Reaper,
    pub(crate) apiserver: Mutex<Option<Process>>,
    controllers: Mutex<Option<Process>>,
    etcd: Process,
    pub(crate) binaries: Binaries,
    pub(crate) ports: Ports,
    pub(crate) authority: Authority,
    pub(crate) options: Options,
    admin: Config,
    dir: TempDir,
}

/// The cluster that the tests of this process share.
///
/// # Errors
/// See [`Cluster::start`].
pub async fn shared() -> anyhow::Result<&'static Cluster> {
    static SHARED: OnceCell<Cluster> = OnceCell::const_new();
    SHARED.get_or_try_init(Cluster::start).await
}

impl Cluster {
    /// Starts a cluster and returns when it serves and its controllers run.
    ///
    /// # Errors
    /// `scripts/setup-tests` has not built the servers, or one of them does not start: what it said last.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(Options::default()).await
    }

    /// [`start`](Self::start), otherwise than by default.
    ///
    /// # Errors
    /// See [`start`](Self::start).
    pub async fn start_with(options: Options) -> anyhow::Result<Self> {
        let binaries = Binaries::find()?;
        let dir = tempfile::Builder::new().prefix("tidegate-cluster-").tempdir_in(memory())?;
        let [etcd, peer, api] = crate::ports::free()?;
        let ports = Ports { etcd, peer, api };
        let etcd =
            Process::start(&mut servers::etcd(&binaries, ports, dir.path()), "etcd", dir.path(), None)?;
        let reaper = Reaper::start(&etcd, dir.path())?;
        let authority = Authority::create(dir.path().join("pki"))?;
        let cluster = Self {
            kubelet: OnceCell::new(),
            _reaper: reaper,
            apiserver: Mutex::new(None),
            controllers: Mutex::new(None),
            etcd,
            admin: kubeconfig(&authority, dir.path(), ports, "admin", "system:masters").await?,
            binaries,
            ports,
            authority,
            options,
            dir,
        };
        cluster.start_apiserver().await?;
        cluster.start_controllers().await?;
        Ok(cluster)
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The process group that ends with the cluster.
    pub(crate) fn group(&self) -> i32 {
        self.etcd.id().cast_signed()
    }

    /// A kubeconfig file of the cluster's administrator.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.dir().join("admin.kubeconfig")
    }

    /// A client of the cluster's administrator, for the runtime that calls this.
    ///
    /// # Errors
    /// There is no runtime, or TLS cannot be set up.
    pub fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::try_from(self.admin.clone())?)
    }

    /// The API server's address, for what does not read a kubeconfig.
    #[must_use]
    pub fn address(&self) -> std::net::SocketAddr {
        (std::net::Ipv4Addr::LOCALHOST, self.ports.api).into()
    }

    /// The process ids of etcd, the API server and the controller manager, as far as they run.
    pub async fn pids(&self) -> Vec<u32> {
        let apiserver = self.apiserver.lock().await.as_ref().map(Process::id);
        let controllers = self.controllers.lock().await.as_ref().map(Process::id);
        [Some(self.etcd.id()), apiserver, controllers].into_iter().flatten().collect()
    }

    /// Makes a namespace whose name begins with `prefix` and that no one else has, ready for pods.
    ///
    /// # Errors
    /// The API server's, or its controllers do not make the service account `default`.
    pub async fn namespace(&self, prefix: &str) -> anyhow::Result<String> {
        let client = self.client()?;
        let metadata = ObjectMeta { generate_name: Some(format!("{prefix}-")), ..ObjectMeta::default() };
        let namespace = Namespace { metadata, ..Namespace::default() };
        let made = Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &namespace).await?;
        let name = made.metadata.name.context("a namespace without a name")?;
        let accounts = Api::<ServiceAccount>::namespaced(client, &name);
        eventually("the namespace has its service account", READY_LIMIT, async || {
            accounts.get_opt("default").await.ok().flatten()
        })
        .await?;
        Ok(name)
    }

    pub(crate) async fn start_controllers(&self) -> anyhow::Result<()> {
        let path = self.dir().join("controllers.kubeconfig");
        let user = self.authority.user("system:kube-controller-manager", "system:masters")?;
        self.authority.kubeconfig(&path, self.ports.api, &user)?;
        let mut command = servers::controllers(&self.binaries, &self.authority, &path);
        let mut process =
            Process::start(&mut command, "kube-controller-manager", self.dir(), Some(&self.etcd))?;
        let accounts = Api::<ServiceAccount>::namespaced(self.client()?, "default");
        eventually("the controller manager works", READY_LIMIT, async || {
            if let Err(ended) = process.check() {
                return Some(Err(ended));
            }
            accounts.get_opt("default").await.ok().flatten().map(|_| Ok(()))
        })
        .await??;
        *self.controllers.lock().await = Some(process);
        Ok(())
    }

    pub(crate) async fn stop_controllers(&self) -> anyhow::Result<()> {
        match self.controllers.lock().await.take() {
            Some(process) => process.stop(nix::sys::signal::Signal::SIGKILL).await,
            None => Ok(()),
        }
    }

    /// Starts the API server where and with what it had before, if it does not run, and waits until it serves.
    ///
    /// # Errors
    /// It ends, or does not get ready: what it said last.
    pub async fn start_apiserver(&self) -> anyhow::Result<()> {
        let mut place = self.apiserver.lock().await;
        if place.is_some() {
            return Ok(());
        }
        let mut command =
            servers::apiserver(&self.binaries, self.ports, &self.authority, self.dir(), self.options)?;
        let mut process = Process::start(&mut command, "kube-apiserver", self.dir(), Some(&self.etcd))?;
        let client = self.client()?;
        eventually("the API server is ready", READY_LIMIT, async || {
            if let Err(ended) = process.check() {
                return Some(Err(ended));
            }
            let request = http::Request::get("/readyz").body(Vec::new()).expect("a request");
            client.request_text(request).await.ok().map(|_| Ok(()))
        })
        .await??;
        *place = Some(process);
        Ok(())
    }
}

async fn kubeconfig(
    authority: &Authority,
    dir: &Path,
    ports: Ports,
    user: &str,
    group: &str,
) -> anyhow::Result<Config> {
    let path = dir.join(format!("{user}.kubeconfig"));
    authority.kubeconfig(&path, ports.api, &authority.user(user, group)?)?;
    config(&path).await
}

/// What a kubeconfig file says.
pub(crate) async fn config(path: &Path) -> anyhow::Result<Config> {
    let file = Kubeconfig::read_from(path)?;
    Ok(Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?)
}

/// Where files are cheapest: in memory, if there is such a place.
fn memory() -> PathBuf {
    let shm = Path::new("/dev/shm");
    let usable = tempfile::tempfile_in(shm).is_ok();
    if usable { shm.to_owned() } else { std::env::temp_dir() }
}
