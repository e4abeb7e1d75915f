//! A network of this process's own, where every address of the pods' range is local.
//!
//! Kubernetes takes no loopback address for an endpoint, and a test has no business with addresses of the network that
//! the machine is in. So a test binary with pods enters a network namespace before its `main`, while it has one thread:
//! whatever it starts is in there too, and what it listens on is out of anyone else's way.

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getgid, getuid};
use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

const RANGE: &str = "10.77.0.0/16";
const PREFIX: [u8; 2] = [10, 77];

static ENTERED: OnceLock<Result<(), String>> = OnceLock::new();

/// Enters the network namespace. Not for calling: [`own_network`](crate::own_network) does, before `main`.
#[doc(hidden)]
pub fn enter() {
    ENTERED.get_or_init(|| set_up().map_err(|e| e.to_string()));
}

/// Gives a test binary (or another program: state it in the file of `main`) a network of its own, which pods need.
/// 127.0.0.1 works as ever, but leads to nothing outside of the process and what it starts.
#[macro_export]
macro_rules! own_network {
    () => {
        $crate::ctor::declarative::ctor! {
            #[ctor(unsafe)]
            #[allow(unsafe_code, reason = "a network namespace is entered while there is one thread")]
            fn own_network() {
                $crate::enter();
            }
        }
    };
}

/// Fails when this process has no network of its own, with the reason.
pub(crate) fn check() -> anyhow::Result<()> {
    match ENTERED.get() {
        Some(Ok(())) => Ok(()),
        Some(Err(reason)) => anyhow::bail!("pods need a network namespace, and there is none: {reason}"),
        None => anyhow::bail!("pods need tidegate_bench_cluster::own_network!() beside main of this program"),
    }
}

fn set_up() -> anyhow::Result<()> {
    match unshare(CloneFlags::CLONE_NEWNET) {
        Err(Errno::EPERM) => as_own_root()?,
        result => result?,
    }
    ip(&["link", "set", "lo", "up"])?;
    ip(&["route", "add", "local", RANGE, "dev", "lo"])
}

/// Without the right to make a network, one is had in a user namespace, where we are root.
fn as_own_root() -> anyhow::Result<()> {
    let (user, group) = (getuid(), getgid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)
        .map_err(|e| anyhow::anyhow!("neither root nor allowed to make user namespaces: {e}"))?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("0 {group} 1"))?;
    Ok(())
}

fn ip(args: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("ip")
        .args(args)
        .output()
        .map_err(|e| anyhow::anyhow!("ip: {e} (run scripts/setup-tests)"))?;
    if !output.status.success() {
        anyhow::bail!("ip {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// An address of the pods' range that no one else in this process has. Returned when dropped.
#[derive(Debug)]
pub(crate) struct Address(u16);

#[derive(Default)]
struct Given {
    last: u16,
    held: HashSet<u16>,
}

static GIVEN: Mutex<Option<Given>> = Mutex::new(None);

impl Address {
    /// The next one: an address is not given out again soon.
    pub(crate) fn take() -> Self {
        let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
        let given = given.get_or_insert_default();
        loop {
            given.last = given.last.wrapping_add(1);
            // neither the range's own address nor its broadcast address
            if !matches!(given.last, 0 | u16::MAX) && given.held.insert(given.last) {
                return Self(given.last);
            }
        }
    }

    pub(crate) fn ip(&self) -> Ipv4Addr {
        let [high, low] = self.0.to_be_bytes();
        Ipv4Addr::new(PREFIX[0], PREFIX[1], high, low)
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        if let Some(given) = GIVEN.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            given.held.remove(&self.0);
        }
    }
}
