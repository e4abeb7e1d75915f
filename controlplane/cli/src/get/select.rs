//! Which items a command is about: kind, namespace and name.

use anyhow::bail;
use tidegate_controlplane_api::meta::DEFAULT_NAMESPACE;

use crate::resources::{Asked, Item, Kind};

/// The namespace arguments of `get` and `describe`.
#[derive(clap::Args, Debug)]
pub(crate) struct Selection {
    /// The namespace to look in [default: that of the context, else `default`]
    #[arg(short, long, value_name = "NAMESPACE", conflicts_with = "all_namespaces")]
    namespace: Option<String>,
    /// Look in all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
}

/// The items asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    kind: Kind,
    /// Absent: all, or the kind has none.
    namespace: Option<&'a str>,
    name: Option<&'a str>,
}

/// A control plane does not show it.
#[derive(Debug, thiserror::Error)]
#[error(
    "a control plane shows virtualservers, backends, tools and nodes, one of them at a time\n  help: ask the cluster: \
     add --context or --kubeconfig"
)]
pub(crate) struct NotAtControlPlane;

/// A cluster does not keep it.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0} are known to a control plane, not to the cluster\n  help: name the control plane with --control-plane (or \
     TIDEGATE_CONTROL_PLANE)"
)]
pub(crate) struct OnlyAtControlPlane(pub(crate) String);

/// There is no such item.
#[derive(Debug, thiserror::Error)]
#[error("{} \"{name}\" not found{place}{hint}", kind.singular())]
pub(crate) struct NotFound {
    kind: Kind,
    name: String,
    place: String,
    hint: String,
}

/// The only thing asked for, as a control plane shows it.
pub(crate) fn only_view(asked: &Asked) -> Result<Kind, NotAtControlPlane> {
    match &asked.subjects[..] {
        [only] => only.view.ok_or(NotAtControlPlane),
        _ => Err(NotAtControlPlane),
    }
}

/// Takes the name of `KIND/NAME` among the others.
pub(crate) fn name_once(asked: &mut Asked, names: &mut Vec<String>) -> anyhow::Result<()> {
    match (asked.name.take(), &names[..]) {
        (None, _) => Ok(()),
        (Some(name), []) => {
            names.push(name);
            Ok(())
        }
        (Some(name), _) => bail!("write KIND/{name} alone, or KIND and then all names"),
    }
}

impl Selection {
    /// Together with the kind and the name; `NAMESPACE/NAME` is understood, too (except for tools, whose names may
    /// have slashes).
    pub(crate) fn wanted<'a>(&'a self, kind: Kind, name: Option<&'a str>) -> Wanted<'a> {
        let namespace = self.namespace_or(DEFAULT_NAMESPACE).filter(|_| kind.is_namespaced());
        let split =
            name.filter(|_| kind.is_namespaced() && kind != Kind::Tools).and_then(|n| n.split_once('/'));
        match split {
            Some((namespace, name)) => Wanted { kind, namespace: Some(namespace), name: Some(name) },
            None => Wanted { kind, namespace, name },
        }
    }

    /// The namespace, or that one when none is named; absent: all.
    pub(crate) fn namespace_or<'a>(&'a self, other: &'a str) -> Option<&'a str> {
        (!self.all_namespaces).then(|| self.namespace.as_deref().unwrap_or(other))
    }
}

impl Wanted<'_> {
    /// The matching items.
    pub(crate) fn filter(&self, items: &[Item]) -> Vec<Item> {
        items.iter().filter(|item| self.matches(item)).cloned().collect()
    }

    /// The matching items; none of a given name is an error, with a hint where the name does exist.
    pub(crate) fn choose(&self, items: &[Item]) -> Result<Vec<Item>, NotFound> {
        let found = self.filter(items);
        match self.name {
            Some(name) if found.is_empty() => Err(self.not_found(name, items)),
            _ => Ok(found),
        }
    }

    /// Whether lists need a column for the namespace.
    pub(crate) fn shows_namespace(&self) -> bool {
        self.namespace.is_none()
    }

    /// ` in namespace "x"`, or nothing.
    pub(crate) fn place(&self) -> String {
        self.namespace.map(|namespace| format!(" in namespace \"{namespace}\"")).unwrap_or_default()
    }

    fn matches(&self, item: &Item) -> bool {
        self.namespace.is_none_or(|namespace| item.namespace() == namespace)
            && self.name.is_none_or(|name| item.name() == name)
    }

    fn not_found(&self, name: &str, items: &[Item]) -> NotFound {
        let elsewhere: Vec<&str> =
            items.iter().filter(|item| item.name() == name).map(Item::namespace).collect();
        let hint = match (&elsewhere[..], items) {
            ([first, ..], _) => format!("\n  help: there is one in namespace \"{first}\": add `-n {first}`"),
            ([], []) => format!("\n  help: the control plane has no {} at all", self.kind.plural()),
            ([], _) => format!("\n  help: `tidegate get {} -A` lists those there are", self.kind.plural()),
        };
        NotFound { kind: self.kind, name: name.to_owned(), place: self.place(), hint }
    }
}

#[cfg(test)]
mod tests {
    use tidegate_proto::wire::{StateReply, VirtualServerView};

    use super::*;
    use crate::resources::items;

    fn servers(names: &[(&str, &str)]) -> Vec<Item> {
        let view = |(namespace, name): &(&str, &str)| VirtualServerView {
            namespace: (*namespace).into(),
            name: (*name).into(),
            ..Default::default()
        };
        let virtual_servers = names.iter().map(view).collect();
        items(Kind::VirtualServers, &StateReply { virtual_servers, ..Default::default() })
    }

    fn check(namespace: Option<&str>, name: Option<&str>, expected: Result<&[&str], &str>) {
        let selection =
            Selection { namespace: namespace.map(str::to_owned), all_namespaces: namespace.is_none() };
        let items = servers(&[("default", "a"), ("default", "b"), ("team", "c")]);
        let chosen = selection.wanted(Kind::VirtualServers, name).choose(&items);
        match (chosen, expected) {
            (Ok(found), Ok(names)) => assert_eq!(found.iter().map(Item::name).collect::<Vec<_>>(), names),
            (Err(error), Err(text)) => assert_eq!(error.to_string(), text),
            (chosen, _) => panic!("{chosen:?} for {namespace:?} {name:?}"),
        }
    }

    #[test]
    fn items_are_chosen_by_namespace_and_name() {
        check(Some("default"), None, Ok(&["a", "b"]));
        check(None, None, Ok(&["a", "b", "c"]));
        check(Some("default"), Some("b"), Ok(&["b"]));
        check(Some("default"), Some("team/c"), Ok(&["c"]));
        check(Some("empty"), None, Ok(&[]));
    }

    #[test]
    fn a_missing_name_is_an_error_that_says_where_to_look() {
        check(
            Some("default"),
            Some("c"),
            Err(
                "virtualserver \"c\" not found in namespace \"default\"\n  help: there is one in namespace \"team\": \
                 add `-n team`",
            ),
        );
        check(
            None,
            Some("x"),
            Err(
                "virtualserver \"x\" not found\n  help: `tidegate get virtualservers -A` lists those there are",
            ),
        );
    }
}
