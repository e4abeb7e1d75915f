//! Memory that nothing uses goes back to the system.

use tidegate_dataplane_gateway::Release;

/// What the system's allocator offers for it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) const RELEASE: Option<Release> = Some(trim);

/// Not known here.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) const RELEASE: Option<Release> = None;

/// After 5,000 streams were closed twice the memory of before stayed with the allocator without it: pages in the middle,
/// which it gives back only when it is asked.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "libc has no other name for it")]
fn trim() {
    // SAFETY: glibc documents it as safe to call from any thread at any time; it touches nothing that is allocated.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}
