//! Where `tidegate up` keeps its state, and where the other commands look for its control plane.

use std::path::{Path, PathBuf};

use anyhow::bail;

/// What `--help` says of it, with the rule of [`default`].
pub(crate) const HELP: &str = "Where state is kept over restarts, and where the control plane's socket lies [default: \
    $XDG_STATE_HOME/tidegate, else $HOME/.local/state/tidegate, else /var/lib/tidegate]";

/// Longest path of a Unix socket, without its final zero (`sockaddr_un.sun_path` is 108 bytes).
const LONGEST_SOCKET: usize = 107;

/// The same rule for every user, root included.
pub(crate) fn default() -> PathBuf {
    choose(std::env::var_os("XDG_STATE_HOME").map(PathBuf::from), std::env::var_os("HOME").map(PathBuf::from))
}

/// The control plane's socket in a state directory.
pub(crate) fn control_socket(state: &Path) -> anyhow::Result<PathBuf> {
    let socket = state.join("control.sock");
    let length = socket.as_os_str().len();
    if length > LONGEST_SOCKET {
        let path = socket.display();
        bail!(
            "--state-dir: the socket's path `{path}` has {length} bytes, the system allows {LONGEST_SOCKET}\n  \
             help: choose a shorter directory"
        );
    }
    Ok(socket)
}

fn choose(xdg_state: Option<PathBuf>, home: Option<PathBuf>) -> PathBuf {
    // The XDG specification has relative paths ignored.
    let absolute = |path: &PathBuf| path.is_absolute();
    match (xdg_state.filter(absolute), home.filter(absolute)) {
        (Some(state), _) => state.join("tidegate"),
        (None, Some(home)) => home.join(".local/state/tidegate"),
        (None, None) => "/var/lib/tidegate".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(xdg: Option<&str>, home: Option<&str>, expected: &str) {
        assert_eq!(choose(xdg.map(Into::into), home.map(Into::into)), PathBuf::from(expected));
    }

    #[test]
    fn the_default_follows_xdg_then_home_then_the_system() {
        check(Some("/s"), Some("/h"), "/s/tidegate");
        check(Some("relative"), Some("/h"), "/h/.local/state/tidegate");
        check(Some(""), None, "/var/lib/tidegate");
        check(None, Some("/root"), "/root/.local/state/tidegate");
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_refused_with_a_remedy() {
        assert!(control_socket(Path::new("/short")).is_ok());
        let error = control_socket(&Path::new("/").join("x".repeat(100))).unwrap_err().to_string();
        assert!(error.contains("--state-dir") && error.contains("help: "), "{error}");
    }
}
