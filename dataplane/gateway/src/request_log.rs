//! One log line for each request, where that is asked for: by a virtual server, or for the node at run time.
//! Off by default, and then one load that is relaxed. What clients send is not in it: no arguments, no tokens, and
//! of tool names only those in the catalog.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// Which requests of the node are logged, beside those of the virtual servers that ask for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Requests {
    /// None.
    #[default]
    Off,
    /// Those that did not end well.
    Failed,
    /// All.
    All,
}

/// `off`, `failed` and `all` are what there is.
#[derive(Debug, thiserror::Error)]
#[error("requests: must be off, failed or all")]
pub(crate) struct UnknownRequests;

const NAMES: [(&str, Requests); 3] =
    [("off", Requests::Off), ("failed", Requests::Failed), ("all", Requests::All)];

/// Which requests are logged now.
#[derive(Debug, Default)]
pub(crate) struct RequestLog(AtomicU8);

/// Of the whole process, as the filter of the log is.
pub(crate) static REQUESTS: RequestLog = RequestLog(AtomicU8::new(Requests::Off as u8));

impl RequestLog {
    pub(crate) fn set(&self, requests: Requests) {
        self.0.store(requests as u8, Relaxed);
    }

    pub(crate) fn get(&self) -> Requests {
        let level = self.0.load(Relaxed);
        NAMES.into_iter().map(|(_, r)| r).find(|r| *r as u8 == level).unwrap_or_default()
    }

    /// Is a request logged? `asked`: its virtual server wants it.
    #[inline]
    pub(crate) fn wants(&self, asked: bool, well: bool) -> bool {
        let level = self.0.load(Relaxed);
        asked || level == Requests::All as u8 || (level == Requests::Failed as u8 && !well)
    }
}

impl FromStr for Requests {
    type Err = UnknownRequests;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        NAMES.into_iter().find(|(name, _)| *name == s).map(|(_, r)| r).ok_or(UnknownRequests)
    }
}

impl fmt::Display for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAMES[*self as usize].0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_server_gets_all_of_its_own_and_the_node_what_it_is_set_to() {
        let log = RequestLog::default();
        for (set, asked, well, expected) in [
            ("off", false, false, false),
            ("off", true, true, true),
            ("failed", false, true, false),
            ("failed", false, false, true),
            ("failed", true, true, true),
            ("all", false, true, true),
        ] {
            let requests: Requests = set.parse().unwrap();
            log.set(requests);
            assert_eq!((log.get(), log.get().to_string().as_str()), (requests, set));
            assert_eq!(log.wants(asked, well), expected, "{set}, asked {asked}, well {well}");
        }
        assert!("some".parse::<Requests>().is_err());
    }
}
