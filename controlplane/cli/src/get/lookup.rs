//! The objects of a cluster that a command is about.

use futures_util::future::join_all;
use tidegate_controlplane_api::Kind;

use super::{OnlyAtControlPlane, Selection};
use crate::cluster::{Cluster, ClusterError, Query, Table};
use crate::resources::Subject;

/// Where and how to look.
pub(crate) struct Scope<'a> {
    pub(crate) cluster: &'a Cluster,
    /// Absent: in all.
    pub(crate) namespace: Option<&'a str>,
    /// Only objects with labels that fit.
    pub(crate) labels: Option<&'a str>,
    /// For the whole objects, not only what is in tables.
    pub(crate) whole: bool,
}

/// The objects of one kind.
pub(crate) struct Listing {
    pub(crate) kind: Kind,
    pub(crate) table: Table,
}

/// There is no such object.
#[derive(Debug, thiserror::Error)]
#[error("{what} \"{name}\" not found{place}\n  help: `tidegate get {word} -A` lists those there are")]
pub(crate) struct Missing {
    what: String,
    name: String,
    place: String,
    word: String,
}

impl<'a> Scope<'a> {
    /// All objects of the namespace, or namespaces, that the arguments say.
    pub(crate) fn new(cluster: &'a Cluster, selection: &'a Selection) -> Self {
        let namespace = selection.namespace_or(cluster.namespace());
        Self { cluster, namespace, labels: None, whole: false }
    }

    /// The namespace and the name of `NAME` or `NAMESPACE/NAME`.
    pub(crate) fn place<'n>(&'n self, name: &'n str) -> (Option<&'n str>, &'n str) {
        match name.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (self.namespace, name),
        }
    }

    /// Of one kind; without a name of all.
    pub(crate) fn query<'n>(
        &'n self,
        kind: Kind,
        namespace: Option<&'n str>,
        name: Option<&'n str>,
    ) -> Query<'n> {
        Query { kind, namespace, name, labels: self.labels, whole: self.whole }
    }

    /// That there is no object of a name.
    pub(crate) fn missing(&self, subject: &Subject, name: &str) -> Missing {
        let (namespace, name) = self.place(name);
        let place = namespace.map(|namespace| format!(" in namespace \"{namespace}\"")).unwrap_or_default();
        Missing { what: subject.singular(), name: name.to_owned(), place, word: subject.word.clone() }
    }

    /// The objects of all kinds of a subject, or those of some names, and what is to be said of what could not be had.
    pub(crate) async fn look(
        &self,
        subject: &Subject,
        names: &[String],
    ) -> anyhow::Result<(Vec<Listing>, Vec<anyhow::Error>)> {
        if subject.kinds.is_empty() {
            return Err(OnlyAtControlPlane(subject.word.clone()).into());
        }
        let listing = |kind: &Kind| Listing { kind: *kind, table: Table::default() };
        let mut listings: Vec<Listing> = subject.kinds.iter().map(listing).collect();
        if names.is_empty() {
            let all = subject.kinds.iter().map(|kind| self.all(*kind));
            let problems = take(&mut listings, join_all(all).await)?;
            return Ok((listings, problems));
        }
        let mut problems = Vec::new();
        for name in names {
            let answers = join_all(subject.kinds.iter().map(|kind| self.named(*kind, name))).await;
            let before = count(&listings);
            let wrong = take(&mut listings, answers)?;
            if count(&listings) == before && wrong.is_empty() {
                problems.push(self.missing(subject, name).into());
            }
            problems.extend(wrong);
        }
        Ok((listings, problems))
    }

    async fn all(&self, kind: Kind) -> Result<Table, ClusterError> {
        self.cluster.rows(&self.query(kind, self.namespace, None)).await
    }

    /// The object of a name, or nothing; in all namespaces, all of that name.
    async fn named(&self, kind: Kind, name: &str) -> Result<Table, ClusterError> {
        let (namespace, name) = self.place(name);
        let query = self.query(kind, namespace, Some(name));
        let answer = match namespace {
            Some(_) => self.cluster.row(&query, name).await,
            None => self.cluster.rows(&query).await,
        };
        match answer {
            Err(ClusterError::NotFound { .. }) => Ok(Table::default()),
            answer => answer,
        }
    }
}

fn count(listings: &[Listing]) -> usize {
    listings.iter().map(|listing| listing.table.rows().len()).sum()
}

/// Adds answers to listings of the same order. A kind that is not installed matters only where no other is.
fn take(
    listings: &mut [Listing],
    answers: Vec<Result<Table, ClusterError>>,
) -> Result<Vec<anyhow::Error>, ClusterError> {
    let (mut problems, mut absent) = (Vec::new(), Vec::new());
    let kinds = answers.len();
    for (listing, answer) in listings.iter_mut().zip(answers) {
        match answer {
            Ok(table) => listing.table.extend(table),
            Err(error @ ClusterError::NotInstalled { .. }) => absent.push(error),
            Err(error) if error.is_about_one_request() => problems.push(error.into()),
            Err(error) => return Err(error),
        }
    }
    if absent.len() == kinds {
        problems.extend(absent.into_iter().next().map(anyhow::Error::from));
    }
    Ok(problems)
}
