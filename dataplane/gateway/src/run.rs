//! Putting the services together and running them until the process is told to stop.

use crate::admin::{Admin, LogFilter};
use crate::ports;
use crate::prober;
use crate::push::{self, PushConfig};
use crate::refuse::Porter;
use crate::state::Gateway;
use crate::tls::{Tls, TlsError};
use crate::worker::{Fixed, Worker};
use async_trait::async_trait;
use pingora_core::apps::http_app::HttpServer;
use pingora_core::listeners::TcpSocketOptions;
use pingora_core::server::configuration::ServerConf;
use pingora_core::server::{RunArgs, Server, ShutdownSignal, ShutdownSignalWatch, ShutdownWatch};
use pingora_core::services::background::{BackgroundService, background_service};
use pingora_core::services::listening::Service as ListeningService;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// What to serve, beside the gateway itself.
pub struct Serve {
    /// Address of the admin port.
    pub admin: SocketAddr,
    /// What `/logging` there shows and changes.
    pub log: Arc<dyn LogFilter>,
    /// The control plane, and where state is kept.
    pub push: PushConfig,
    /// Stop also when the standard input ends: for a parent that may be killed.
    pub exit_on_stdin_close: bool,
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A port cannot be had.
    #[error("cannot listen on {addr} ({flag})")]
    Listen {
        /// The option that names it.
        flag: &'static str,
        /// The address.
        addr: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// There is no certificate for clients that speak TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Serves until SIGTERM, SIGINT or the end of the drain. Returns when all is over.
pub fn run(gw: Arc<Gateway>, serve: Serve) -> Result<(), RunError> {
    let bind = |flag, addr, n| {
        let bound = ports::bind(addr, n, gw.options.takeover);
        bound.map_err(|source| RunError::Listen { flag, addr, source })
    };
    let tls = gw.options.tls.as_ref().map(|o| Tls::load(&o.files, &gw.stats.tls)).transpose()?.map(Arc::new);
    let shared = bind("--listen", gw.options.listen, gw.options.threads)?;
    let secure = match &gw.options.tls {
        Some(o) => bind("--tls-listen", o.listen, gw.options.threads)?,
        None => Vec::new(),
    };
    drop(bind("--admin", serve.admin, 1)?);
    let loaded = push::load_last_known_good(&serve.push.state_dir);
    for problem in &loaded.problems {
        tracing::warn!(problem, "last-known-good state");
    }
    gw.restore(loaded.saved.as_ref().map(|saved| &saved.table), loaded.keys.as_ref());
    if let Some(saved) = &loaded.saved {
        let table = &saved.table;
        tracing::info!(
            entries = table.entries.len(),
            "serving last-known-good until a control plane answers"
        );
    }
    // every service has one thread: nobody is there to steal its work, so none is spent on keeping it stealable
    let conf = ServerConf { threads: 1, work_stealing: false, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let porter = Arc::new(Porter::new());
    let mut secure = secure.into_iter();
    for (index, shared) in shared.into_iter().enumerate() {
        let fixed = Fixed { shared, tls: secure.next().zip(tls.clone()) };
        server.add_service(Worker::new(gw.clone(), index, fixed, porter.clone()));
    }
    if let Some(tls) = tls {
        server.add_service(background_service("certificate", Certificate { gw: gw.clone(), tls }));
    }
    server.add_service(admin(&gw, &serve));
    server.add_service(background_service("prober", Probers(gw.clone())));
    let signal = Stop { gw: gw.clone(), exit_on_stdin_close: serve.exit_on_stdin_close };
    server.add_service(background_service("push", Push { gw, config: serve.push, loaded }));
    server.run(RunArgs { shutdown_signal: Box::new(signal) });
    Ok(())
}

fn admin(gw: &Arc<Gateway>, serve: &Serve) -> ListeningService<HttpServer<Admin>> {
    let app = Admin { gw: gw.clone(), log: serve.log.clone() };
    let mut admin = ListeningService::new("admin".into(), HttpServer::new_app(app));
    let mut options = TcpSocketOptions::default();
    // so that the next process can take over
    options.so_reuseport = Some(true);
    admin.add_tcp_with_settings(&serve.admin.to_string(), options);
    admin
}

struct Probers(Arc<Gateway>);

#[async_trait]
impl BackgroundService for Probers {
    async fn start(&self, _shutdown: ShutdownWatch) {
        prober::run(self.0.clone()).await;
    }
}

/// Follows the files of the certificate that clients see.
struct Certificate {
    gw: Arc<Gateway>,
    tls: Arc<Tls>,
}

#[async_trait]
impl BackgroundService for Certificate {
    async fn start(&self, _shutdown: ShutdownWatch) {
        let mut stops = self.gw.drain.stops();
        tokio::select! {
            () = self.tls.follow(&self.gw.stats.tls) => {}
            _ = stops.wait_for(|s| *s) => {}
        }
    }
}

/// The stream to the control plane, and the reports on it.
struct Push {
    gw: Arc<Gateway>,
    config: PushConfig,
    loaded: push::LoadedState,
}

/// Changes within this time make one report.
const REPORT_WINDOW: Duration = Duration::from_millis(50);

/// Between two reports while things keep changing, and at least so many times as long as making one takes.
const REPORT_PACE: Duration = Duration::from_millis(200);
const REPORT_SHARE: u32 = 9;

#[async_trait]
impl BackgroundService for Push {
    async fn start(&self, _shutdown: ShutdownWatch) {
        // not at the end of the process: one that takes over has this node's name and its state by then
        let mut shutdown = self.gw.drain.stops();
        let (reports, receive) = watch::channel(Arc::new(self.gw.report(&self.config.listen)));
        let (gw, listen) = (self.gw.clone(), self.config.listen.clone());
        tokio::spawn(keep_reporting(gw, listen, reports));
        let stop = async move {
            let _ = shutdown.wait_for(|stop| *stop).await;
        };
        let held = self.loaded.saved.clone().unwrap_or_default();
        push::run(self.config.clone(), self.gw.clone(), held, self.loaded.keys.clone(), receive, stop).await;
    }
}

/// Reports at once when something changed that changes what is served, and at the shortest `statusReportingInterval`
/// what only people read, such as when a backend was last probed.
async fn keep_reporting(
    gw: Arc<Gateway>,
    listen: String,
    reports: watch::Sender<Arc<tidegate_proto::wire::Report>>,
) {
    let mut swapped = gw.swapped.subscribe();
    loop {
        let interval = gw.snapshot().servers.iter().map(|s| s.spec.status_interval).min();
        let interval = interval.unwrap_or(REPORT_IDLE).max(REPORT_WINDOW);
        if let Ok(Err(_)) = tokio::time::timeout(interval, swapped.changed()).await {
            return;
        }
        tokio::time::sleep(REPORT_WINDOW).await;
        swapped.borrow_and_update();
        let started = Instant::now();
        reports.send_replace(Arc::new(gw.report(&listen)));
        tokio::time::sleep(REPORT_PACE.max(started.elapsed() * REPORT_SHARE)).await;
    }
}

/// Between two reports while no virtual server says how often.
const REPORT_IDLE: Duration = Duration::from_secs(30);

/// Turns signals into a drain, and the drain's end into the end of the process.
struct Stop {
    gw: Arc<Gateway>,
    exit_on_stdin_close: bool,
}

#[async_trait]
impl ShutdownSignalWatch for Stop {
    async fn recv(&self) -> ShutdownSignal {
        let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            tracing::error!("signals cannot be watched");
            return ShutdownSignal::FastShutdown;
        };
        let why = tokio::select! {
            _ = term.recv() => "SIGTERM",
            _ = int.recv() => "SIGINT",
            () = stdin_closed(), if self.exit_on_stdin_close => "parent has gone",
        };
        let grace = self.gw.options.drain;
        tracing::info!(why, ?grace, connections = self.gw.clients.connections(), "draining");
        let over = tokio::select! {
            () = drain(&self.gw) => None,
            () = tokio::time::sleep(grace) => Some("drain time is over"),
            _ = term.recv() => Some("second SIGTERM"),
            _ = int.recv() => Some("second SIGINT"),
        };
        let connections = self.gw.clients.connections();
        match over {
            None => tracing::info!("drained"),
            Some(why) => {
                let requests = self.gw.stats.in_flight.load(Relaxed);
                tracing::warn!(why, requests, connections, "the rest is cut");
            }
        }
        ShutdownSignal::FastShutdown
    }
}

/// From the last accept to the end of the last connection.
async fn drain(gw: &Gateway) {
    gw.stop_listening().await;
    gw.drain.begin();
    // the probers end their sessions meanwhile
    while gw.clients.connections() > 0 || gw.probing.load(Relaxed) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn stdin_closed() {
    let (closed, wait) = tokio::sync::oneshot::channel::<()>();
    // a thread of its own: a blocking read would keep the runtime from ending
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        drop(closed);
    });
    let _ = wait.await;
}
