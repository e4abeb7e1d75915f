//! What goes on being served for manifests that are broken now, kept in the ConfigMap `tidegate-held`: a replica that starts later
//! holds the same values, so that all push the same table. Entries of the table hold no secrets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::{Api, Client};
use tidegate_controlplane_compile::Hold;
use tidegate_proto::persist;
use tidegate_proto::table::Table;
use tokio::sync::watch;

use super::{NAME, answer};
use crate::metrics;
use crate::pipeline::Outcome;

const CONFIG_MAP: &str = "tidegate-held";
const KEY: &str = "table";
/// What a ConfigMap can hold, with room for its name.
const MAX_BYTES: usize = 1_000_000;
/// Between two writes at least, and after one that failed.
const PACE: Duration = Duration::from_secs(2);
/// Between attempts to read it at the start.
const RETRY: Duration = Duration::from_secs(2);

/// The held entries on record. Waits for the API server: without them, what is held would be lost.
pub async fn load(client: &Client, namespace: &str) -> Table {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let mut said = false;
    loop {
        match answer(api.get_opt(CONFIG_MAP)).await {
            Ok(found) => return found.map_or_else(Table::default, |map| read(&map)),
            Err(error) if !said => {
                tracing::warn!(%error, config_map = CONFIG_MAP, namespace, "cannot read what is held, trying again");
                said = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Keeps the record while leading.
pub async fn keep(
    client: Client,
    namespace: String,
    mut outcomes: watch::Receiver<Arc<Outcome>>,
    mut leading: watch::Receiver<bool>,
) {
    let api: Api<ConfigMap> = Api::namespaced(client, &namespace);
    let mut written = None;
    loop {
        let outcome = Arc::clone(&*outcomes.borrow_and_update());
        let leads = *leading.borrow_and_update();
        if !leads {
            written = None;
        } else if outcome.compiled.is_some() {
            let held = persist::encode(&held(&outcome), 0);
            if written.as_ref() != Some(&held) {
                let result = write(&api, &held).await;
                metrics::wrote("held", result.is_ok());
                match result {
                    Ok(()) => written = Some(held),
                    Err(error) => {
                        tracing::warn!(%error, config_map = CONFIG_MAP, "cannot record what is held, trying again");
                    }
                }
            }
        }
        tokio::time::sleep(PACE).await;
        if leads && written.is_none() && outcome.compiled.is_some() {
            continue;
        }
        tokio::select! {
            changed = outcomes.changed() => if changed.is_err() { return },
            changed = leading.changed() => if changed.is_err() { return },
        }
    }
}

/// Entries of the published table that are there because their manifests are broken.
fn held(outcome: &Outcome) -> Table {
    let (Some(compiled), Some(published)) = (&outcome.compiled, &outcome.published) else {
        return Table::default();
    };
    let keeps = compiled.withheld.iter().filter(|(_, withheld)| withheld.hold == Hold::KeepPrevious);
    let entries = keeps.filter_map(|(key, _)| {
        let entry = published.table().entries.get(key)?;
        Some((key.clone(), Arc::clone(entry)))
    });
    Table { entries: entries.collect() }
}

fn read(map: &ConfigMap) -> Table {
    let Some(bytes) = map.binary_data.as_ref().and_then(|data| data.get(KEY)) else {
        return Table::default();
    };
    persist::decode(&bytes.0).map(|saved| saved.table).unwrap_or_else(|error| {
        tracing::warn!(%error, config_map = CONFIG_MAP, "what is held cannot be understood: broken manifests are not served");
        Table::default()
    })
}

async fn write(api: &Api<ConfigMap>, bytes: &[u8]) -> Result<(), HeldError> {
    if bytes.len() > MAX_BYTES {
        return Err(HeldError::TooLarge(bytes.len()));
    }
    let params = PostParams { field_manager: Some(NAME.to_owned()), ..PostParams::default() };
    let data = Some(BTreeMap::from([(KEY.to_owned(), ByteString(bytes.to_vec()))]));
    match answer(api.get_opt(CONFIG_MAP)).await.map_err(Box::new)? {
        Some(map) if map.binary_data == data => {}
        Some(map) => {
            let map = ConfigMap { binary_data: data, ..map };
            answer(api.replace(CONFIG_MAP, &params, &map)).await.map_err(Box::new)?;
        }
        None if persist::decode(bytes).is_ok_and(|saved| saved.table.entries.is_empty()) => {}
        None => {
            let metadata = ObjectMeta { name: Some(CONFIG_MAP.to_owned()), ..ObjectMeta::default() };
            let map = ConfigMap { metadata, binary_data: data, ..ConfigMap::default() };
            answer(api.create(&params, &map)).await.map_err(Box::new)?;
        }
    }
    Ok(())
}

/// Why the record was not written.
#[derive(Debug, thiserror::Error)]
enum HeldError {
    /// More is broken than fits.
    #[error("{0} bytes are held, a ConfigMap has room for {MAX_BYTES}: repair some of the manifests")]
    TooLarge(usize),
    /// The API server refused, or could not be reached.
    #[error(transparent)]
    Api(#[from] Box<kube::Error>),
}
