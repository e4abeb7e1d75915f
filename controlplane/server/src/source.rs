//! Where resources come from. Every source ends in the same thing: a complete view, again whenever it changes, of
//! which only the newest matters.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use tidegate_controlplane_api::Diagnostic;
use tidegate_controlplane_compile::ClusterView;
use tokio::sync::watch;

pub mod dir;
pub mod kubernetes;

/// A source by name, as on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceSpec {
    /// `dir:PATH`: the manifests below a directory.
    Dir(PathBuf),
    /// `kubernetes`: the objects of an API server.
    Kubernetes,
}

/// What a source knows at one moment.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// All objects; absent until the source has listed everything once: an incomplete view would take away what is
    /// only not known yet.
    pub view: Option<Arc<ClusterView>>,
    /// What the source could not list or read, and what is wrong with what it read.
    pub diagnostics: Vec<Diagnostic>,
    /// How new the view is, in a measure that all who watch the same cluster share; 0: there is none.
    pub epoch: u64,
}

/// Observations as they come. Level-triggered: a slow reader misses steps, never the last one.
pub type Observations = watch::Receiver<Arc<Observation>>;

/// A running source; it ends when dropped.
#[derive(Debug)]
pub enum Source {
    /// A watched directory.
    Dir(dir::DirSource),
    /// A watched cluster.
    Kubernetes(kubernetes::KubernetesSource),
}

/// A text that names no source.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SourceSpecError {
    /// None of the forms.
    #[error("must be dir:PATH, as in dir:./manifests, or kubernetes")]
    Form,
}

impl Source {
    /// Its observations; the first is empty.
    pub fn observations(&self) -> Observations {
        match self {
            Source::Dir(source) => source.observations(),
            Source::Kubernetes(source) => source.observations(),
        }
    }
}

impl FromStr for SourceSpec {
    type Err = SourceSpecError;

    fn from_str(text: &str) -> Result<Self, SourceSpecError> {
        if text == "kubernetes" {
            return Ok(SourceSpec::Kubernetes);
        }
        match text.strip_prefix("dir:") {
            Some(path) if !path.is_empty() => Ok(SourceSpec::Dir(path.into())),
            _ => Err(SourceSpecError::Form),
        }
    }
}

impl fmt::Display for SourceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceSpec::Dir(path) => write!(f, "dir:{}", path.display()),
            SourceSpec::Kubernetes => f.write_str("kubernetes"),
        }
    }
}
