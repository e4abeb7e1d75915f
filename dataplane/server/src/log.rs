//! The log of the process, and its filter, which can be changed while it runs.

use crate::args::{Args, LogFormat};
use anyhow::Context;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use tidegate_dataplane_gateway::LogFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::reload::Handle;

/// The request log is turned on and off by itself, not by the level of the rest.
const REQUESTS: &str = "request=info";

/// Logs to standard error from here on.
pub(crate) fn start(args: &Args) -> anyhow::Result<Arc<dyn LogFilter>> {
    let filter = parse(&args.log).with_context(|| format!("--log {:?}", args.log))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let text = Mutex::new(args.log.clone());
    Ok(match args.log_format {
        LogFormat::Text => {
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            builder.init();
            Arc::new(Filter { text, handle })
        }
        LogFormat::Json => {
            let builder = builder.json().with_filter_reloading();
            let handle = builder.reload_handle();
            builder.init();
            Arc::new(Filter { text, handle })
        }
    })
}

struct Filter<S> {
    /// as it was given
    text: Mutex<String>,
    handle: Handle<EnvFilter, S>,
}

impl<S> LogFilter for Filter<S>
where
    Handle<EnvFilter, S>: Send + Sync,
{
    fn show(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, filter: &str) -> Result<(), String> {
        let parsed = parse(filter).map_err(|e| e.to_string())?;
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        self.handle.reload(parsed).map_err(|e| e.to_string())?;
        filter.clone_into(&mut text);
        Ok(())
    }
}

fn parse(filter: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::try_new(format!("{filter},{REQUESTS}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_logged_whatever_the_level_of_the_rest() {
        for filter in ["info", "error", "warn,pingora_core=debug", "off"] {
            assert!(parse(filter).unwrap().to_string().contains(REQUESTS), "{filter}");
        }
        for nonsense in ["info,x=nolevel", "=[", "a=b=c"] {
            assert!(parse(nonsense).is_err(), "{nonsense}");
        }
    }
}
