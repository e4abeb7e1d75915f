//! A container's environment, command and arguments, with what they refer to.

use super::Shared;
use super::container::Container;
use anyhow::{Context as _, bail};
use k8s_openapi::api::core::v1::{ConfigMap, EnvVar, EnvVarSource, Secret};
use kube::api::Api;
use std::fmt::Write as _;

/// Looks everything up again: it may have changed since the container was last started.
pub(super) async fn resolve(shared: &Shared, container: &mut Container) -> anyhow::Result<()> {
    let mut env = Vec::new();
    let wanted = container.spec.env.clone().unwrap_or_default();
    for EnvVar { name, value, value_from } in wanted {
        let value = match value_from {
            None => Some(expand(&value.unwrap_or_default(), &env)),
            Some(source) => look_up(shared, container, &source).await.with_context(|| name.clone())?,
        };
        env.extend(value.map(|value| (name, value)));
    }
    let expanded =
        |words: &Option<Vec<String>>| words.iter().flatten().map(|word| expand(word, &env)).collect();
    container.command = expanded(&container.spec.command);
    container.args = expanded(&container.spec.args);
    container.env = env;
    Ok(())
}

/// Replaces `$(NAME)` by its value, if it has one. `$$` stands for `$`.
fn expand(text: &str, env: &[(String, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        rest = &from[1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let Some((name, after)) = rest.strip_prefix('(').and_then(|r| r.split_once(')')) else {
            out.push('$');
            continue;
        };
        match env.iter().rev().find(|(n, _)| n == name) {
            Some((_, value)) => out.push_str(value),
            // what is not known stays as it is written
            None => drop(write!(out, "$({name})")),
        }
        rest = after;
    }
    out + rest
}

async fn look_up(
    shared: &Shared,
    container: &Container,
    from: &EnvVarSource,
) -> anyhow::Result<Option<String>> {
    let namespace = container.pod.metadata.namespace.as_deref().unwrap_or_default();
    if let Some(wanted) = &from.secret_key_ref {
        let object =
            Api::<Secret>::namespaced(shared.client.clone(), namespace).get_opt(&wanted.name).await?;
        let value = object.and_then(|o| o.data?.remove(&wanted.key));
        let value = value.map(|bytes| String::from_utf8(bytes.0)).transpose()?;
        return present(value, wanted.optional, "secret", &wanted.name);
    }
    if let Some(wanted) = &from.config_map_key_ref {
        let object =
            Api::<ConfigMap>::namespaced(shared.client.clone(), namespace).get_opt(&wanted.name).await?;
        let value = object.and_then(|o| o.data?.remove(&wanted.key));
        return present(value, wanted.optional, "configmap", &wanted.name);
    }
    let Some(path) = from.field_ref.as_ref().map(|f| f.field_path.as_str()) else {
        bail!("the stand-in knows secrets, configmaps and fields only");
    };
    field(container, path).map(Some)
}

fn present(
    value: Option<String>,
    optional: Option<bool>,
    kind: &str,
    name: &str,
) -> anyhow::Result<Option<String>> {
    if value.is_none() && optional != Some(true) {
        bail!("{kind} {name:?} or its key not found");
    }
    Ok(value)
}

fn field(container: &Container, path: &str) -> anyhow::Result<String> {
    let meta = &container.pod.metadata;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    Ok(match path {
        "metadata.name" => text(&meta.name),
        "metadata.namespace" => text(&meta.namespace),
        "metadata.uid" => text(&meta.uid),
        "spec.nodeName" => container.node.clone(),
        "spec.serviceAccountName" => {
            text(&container.pod.spec.as_ref().and_then(|s| s.service_account_name.clone()))
        }
        "status.podIP" | "status.podIPs" => container.ip.to_string(),
        _ => bail!("the stand-in does not know the field {path}"),
    })
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn references_are_replaced() {
        let env = [("A".to_owned(), "1".to_owned()), ("B".to_owned(), "2".to_owned())];
        for (text, expect) in [
            ("plain", "plain"),
            ("$(A) and $(B)", "1 and 2"),
            ("$(C)", "$(C)"),
            ("$$(A)", "$(A)"),
            ("$A $(A", "$A $(A"),
            ("100$", "100$"),
        ] {
            assert_eq!(expand(text, &env), expect);
        }
    }
}
