//! A container: what it is told, what it runs, and how that is.

use super::{Shared, environment, probe};
use futures_util::future::BoxFuture;
use k8s_openapi::api::core::v1::{Container as Spec, Pod};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const FIRST_BACK_OFF: Duration = Duration::from_millis(500);
const LAST_BACK_OFF: Duration = Duration::from_secs(8);

/// What a container of an image runs.
#[derive(Clone)]
pub enum Runs {
    /// Nothing; it is ready at once.
    Nothing,
    /// Nothing; it never gets ready.
    NeverReady,
    /// It ends as soon as it starts, again and again.
    Crashing,
    /// A local process, which gets the container's environment beside our own, and SIGTERM when it is to stop.
    /// See [`Runs::process`].
    Process(Arc<dyn Fn(&Container) -> Command + Send + Sync>),
    /// A server in this process, dropped when it is to stop. See [`Runs::server`].
    Server(Arc<dyn Fn(Container) -> BoxFuture<'static, anyhow::Result<()>> + Send + Sync>),
}

impl Runs {
    /// A local process that `command` says how to start; it has to listen on the container's addresses.
    pub fn process(command: impl Fn(&Container) -> Command + Send + Sync + 'static) -> Self {
        Self::Process(Arc::new(command))
    }

    /// A server in this process that has to listen on the container's addresses.
    pub fn server<F>(serve: impl Fn(Container) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        Self::Server(Arc::new(move |container| Box::pin(serve(container))))
    }
}

/// What a container is told when it starts.
#[derive(Clone, Debug)]
pub struct Container {
    /// Its part of the pod.
    pub spec: Spec,
    /// The pod, as it was when its containers were first started.
    pub pod: Arc<Pod>,
    /// The pod's address.
    pub ip: Ipv4Addr,
    /// The pod's node.
    pub node: String,
    /// The environment, with what it takes from Secrets, ConfigMaps and fields.
    pub env: Vec<(String, String)>,
    /// The command, if the image's own is replaced, with `$(NAME)` replaced from the environment.
    pub command: Vec<String>,
    /// The arguments, likewise.
    pub args: Vec<String>,
}

impl Container {
    pub(super) fn of(spec: Spec, pod: &Arc<Pod>, ip: Ipv4Addr, node: &str) -> Self {
        let (pod, node) = (Arc::clone(pod), node.to_owned());
        Self { spec, pod, ip, node, env: Vec::new(), command: Vec::new(), args: Vec::new() }
    }

    /// Where it has to listen: its TCP ports at the pod's address.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        let ports =
            self.spec.ports.iter().flatten().filter(|p| p.protocol.as_deref().unwrap_or("TCP") == "TCP");
        ports.filter_map(|p| Some(SocketAddr::from((self.ip, u16::try_from(p.container_port).ok()?))))
    }
}

/// How a container is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) phase: Phase,
    pub(super) restarts: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Starting,
    Waiting { reason: &'static str, message: String },
    Running { ready: bool },
}

impl State {
    pub(super) fn starting() -> Self {
        Self { phase: Phase::Starting, restarts: 0 }
    }

    pub(super) fn ready(&self) -> bool {
        self.phase == Phase::Running { ready: true }
    }
}

/// Where a container says how it is.
#[derive(Clone)]
pub(super) struct Place {
    index: usize,
    states: watch::Sender<Vec<State>>,
}

impl Place {
    pub(super) fn set(&self, phase: Phase) {
        self.states.send_if_modified(|states| {
            let changed = states[self.index].phase != phase;
            states[self.index].phase = phase;
            changed
        });
    }

    /// Counts an end, and says how long to wait before the next start.
    fn ended(&self) -> Duration {
        let mut restarts = 0;
        self.states.send_modify(|states| {
            states[self.index].restarts += 1;
            restarts = states[self.index].restarts;
        });
        FIRST_BACK_OFF.saturating_mul(1 << restarts.saturating_sub(1).min(8)).min(LAST_BACK_OFF)
    }
}

/// Runs the container until it is to stop and has stopped, starting it again as often as it ends.
pub(super) async fn run(
    shared: Arc<Shared>,
    mut container: Container,
    index: usize,
    states: watch::Sender<Vec<State>>,
    mut stopping: watch::Receiver<bool>,
) {
    let place = Place { index, states };
    loop {
        let ended = match environment::resolve(&shared, &mut container).await {
            Ok(()) => once(&shared, &container, &place, &mut stopping).await.map(|()| "it ended".to_owned()),
            Err(error) => {
                let message = format!("{error:#}");
                place.set(Phase::Waiting { reason: "CreateContainerConfigError", message });
                tokio::select! {
                    () = tokio::time::sleep(FIRST_BACK_OFF) => continue,
                    _ = stopping.wait_for(|stop| *stop) => return,
                }
            }
        };
        if *stopping.borrow() {
            return;
        }
        let message = ended.unwrap_or_else(|error| format!("{error:#}"));
        let pause = place.ended();
        place.set(Phase::Waiting { reason: "CrashLoopBackOff", message });
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

/// Runs it once, until it ends by itself or is stopped.
async fn once(
    shared: &Shared,
    container: &Container,
    place: &Place,
    stopping: &mut watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let runs = shared.runs(container.spec.image.as_deref().unwrap_or_default());
    let ready = matches!(runs, Runs::Nothing);
    if matches!(runs, Runs::Crashing) {
        return Ok(());
    }
    place.set(Phase::Running { ready });
    let stop = async {
        // that the pod is no more is a stop too
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    match runs {
        Runs::Nothing | Runs::NeverReady | Runs::Crashing => stop.await,
        Runs::Process(command) => return process(shared, container, command(container), place, stop).await,
        Runs::Server(serve) => tokio::select! {
            ended = serve(container.clone()) => return ended,
            never = probe::watch(container, place) => match never {},
            () = stop => {}
        },
    }
    Ok(())
}

async fn process(
    shared: &Shared,
    container: &Container,
    mut command: Command,
    place: &Place,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let meta = &container.pod.metadata;
    let (namespace, pod) = (meta.namespace.as_deref(), meta.name.as_deref());
    let log = shared.log(namespace.unwrap_or_default(), pod.unwrap_or_default(), &container.spec.name);
    let out = File::options().create(true).append(true).open(log)?;
    command.envs(container.env.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
    let mut command = tokio::process::Command::from(command);
    let mut child = command.process_group(shared.group).kill_on_drop(true).spawn()?;
    tokio::select! {
        status = child.wait() => return Err(anyhow::anyhow!("it ended: {}", status?)),
        never = probe::watch(container, place) => match never {},
        () = stop => {}
    }
    if let Some(pid) = child.id() {
        kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM)?;
    }
    child.wait().await?;
    Ok(())
}
