//! Free ports that stay free until they are used: taken from below the range that the system gives out for
//! port 0 and for outgoing connections, so that no other test gets the same by chance.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Above 10080, which `fetch` refuses to call (WHATWG Fetch, «bad port»).
const FIRST: u32 = 10_100;
const COUNT: u32 = 19_900;

static TAKEN: AtomicU32 = AtomicU32::new(0);

/// A loopback address that nobody listens on.
pub(crate) fn free() -> SocketAddr {
    // each process begins elsewhere
    let start = std::process::id().wrapping_mul(211);
    for _ in 0..COUNT {
        let n = TAKEN.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(FIRST + start.wrapping_add(n) % COUNT).expect("ports end at 30,000");
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(addr).is_ok() {
            return addr;
        }
    }
    panic!("no port is free");
}
