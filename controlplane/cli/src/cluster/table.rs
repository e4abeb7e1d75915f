//! Lists and watches as the API server prints them: the columns and cells are its own (`as=Table`), AGE and those of the
//! CRDs included.

use std::time::Duration;

use futures_util::{Stream, StreamExt as _, future::ready, stream};
use http::header::{ACCEPT, HeaderValue};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta;
use kube::api::{DynamicObject, GetParams, ListParams, Request, Resource as _, WatchEvent, WatchParams};
use serde::Deserialize;
use serde_json::Value;
use tidegate_controlplane_api::Kind;

use super::{Cluster, ClusterError, qualified, resource};

const AS_TABLE: HeaderValue = HeaderValue::from_static("application/json;as=Table;g=meta.k8s.io;v=v1");
/// Objects of one answer, as kubectl asks for.
const PAGE: u32 = 500;
/// After this the API server ends a watch; a connection that died without a word is noticed a little later.
const WATCH_SECONDS: u32 = 290;
const GRACE: Duration = Duration::from_secs(10);

/// What is listed or watched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<'a> {
    /// Of which kind.
    pub(crate) kind: Kind,
    /// Absent: in all namespaces.
    pub(crate) namespace: Option<&'a str>,
    /// Only the one of this name.
    pub(crate) name: Option<&'a str>,
    /// Only those with labels that fit.
    pub(crate) labels: Option<&'a str>,
    /// With the whole objects, not only their metadata.
    pub(crate) whole: bool,
}

/// Rows with what their cells mean.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Table {
    #[serde(default)]
    metadata: ListMeta,
    /// The later events of a watch have none: they are those of the first.
    column_definitions: Option<Vec<Column>>,
    rows: Option<Vec<Row>>,
}

/// A column.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Column {
    /// As in a CRD, `Remote URL`.
    pub(crate) name: String,
    /// Above 0: of interest only where there is room.
    #[serde(default)]
    pub(crate) priority: i32,
}

/// One object.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Row {
    /// As many as there are columns.
    pub(crate) cells: Vec<Value>,
    /// The object, or its metadata.
    #[serde(default)]
    pub(crate) object: Value,
}

/// What a watch brings.
#[derive(Debug)]
pub(crate) enum Change {
    /// New, or different.
    Present(Row),
    /// As it was last.
    Removed(Row),
}

impl Table {
    /// What the cells mean.
    pub(crate) fn columns(&self) -> &[Column] {
        self.column_definitions.as_deref().unwrap_or_default()
    }

    /// One per object.
    pub(crate) fn rows(&self) -> &[Row] {
        self.rows.as_deref().unwrap_or_default()
    }

    /// Adds the rows of another one with the same columns; one without anything takes those over, too.
    pub(crate) fn extend(&mut self, other: Table) {
        if self.column_definitions.is_none() {
            self.column_definitions = other.column_definitions;
        }
        self.rows.get_or_insert_default().extend(other.rows.unwrap_or_default());
    }
}

impl Row {
    /// `metadata.namespace`.
    pub(crate) fn namespace(&self) -> &str {
        self.metadata("namespace")
    }

    /// `metadata.name`.
    pub(crate) fn name(&self) -> &str {
        self.metadata("name")
    }

    /// `metadata.resourceVersion`.
    pub(crate) fn version(&self) -> &str {
        self.metadata("resourceVersion")
    }

    fn metadata(&self, field: &str) -> &str {
        self.object["metadata"][field].as_str().unwrap_or_default()
    }
}

impl Query<'_> {
    fn request(&self) -> Request {
        Request::new(DynamicObject::url_path(&resource(self.kind), self.namespace))
    }

    fn fields(&self) -> Option<String> {
        self.name.map(|name| format!("metadata.name={name}"))
    }

    /// With the form of the answer.
    fn as_table(
        &self,
        built: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> kube::Result<http::Request<Vec<u8>>> {
        let mut request = built.map_err(kube::Error::BuildRequest)?;
        request.headers_mut().insert(ACCEPT, AS_TABLE);
        if self.whole {
            let joint = if request.uri().query().is_some() { '&' } else { '?' };
            let uri = format!("{}{joint}includeObject=Object", request.uri());
            *request.uri_mut() =
                uri.parse().map_err(|error| kube::Error::HttpError(http::Error::from(error)))?;
        }
        Ok(request)
    }
}

impl Cluster {
    /// The one object of the query's name, which needs a namespace. Needs no permission to list.
    pub(crate) async fn row(&self, query: &Query<'_>, name: &str) -> Result<Table, ClusterError> {
        let request = query.request().get(name, &GetParams::default());
        self.table(query, request).await
    }

    /// All objects of the query.
    pub(crate) async fn rows(&self, query: &Query<'_>) -> Result<Table, ClusterError> {
        let mut params = ListParams {
            label_selector: query.labels.map(str::to_owned),
            field_selector: query.fields(),
            limit: Some(PAGE),
            ..ListParams::default()
        };
        let mut all = self.table(query, query.request().list(&params)).await?;
        params.continue_token = all.metadata.continue_.take();
        while params.continue_token.as_ref().is_some_and(|token| !token.is_empty()) {
            let mut page = self.table(query, query.request().list(&params)).await?;
            params.continue_token = page.metadata.continue_.take();
            all.extend(page);
        }
        Ok(all)
    }

    /// What happens to the objects of the query after a list. Ends after some minutes, or when the API server has an
    /// error: whoever wants more lists again.
    pub(crate) async fn watch(
        &self,
        query: &Query<'_>,
        since: &Table,
    ) -> Result<impl Stream<Item = Change> + use<>, ClusterError> {
        let params = WatchParams {
            label_selector: query.labels.map(str::to_owned),
            field_selector: query.fields(),
            timeout: Some(WATCH_SECONDS),
            bookmarks: false,
            ..WatchParams::default()
        };
        let version = since.metadata.resource_version.as_deref().unwrap_or("0");
        let request = query.as_table(query.request().watch(&params, version));
        let events = async { self.client.request_events::<Table>(request?).await };
        let events = self.ask(&qualified(query.kind), events).await?;
        let limit = tokio::time::sleep(Duration::from_secs(WATCH_SECONDS.into()) + GRACE);
        let changes = events.scan((), |(), event| ready(changes(event))).flat_map(stream::iter);
        Ok(Box::pin(changes.take_until(Box::pin(limit))))
    }

    async fn table(
        &self,
        query: &Query<'_>,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Table, ClusterError> {
        let request = query.as_table(request);
        self.ask(&qualified(query.kind), async { self.client.request(request?).await }).await
    }
}

/// None ends the watch.
fn changes(event: kube::Result<WatchEvent<Table>>) -> Option<Vec<Change>> {
    let (table, change): (Table, fn(Row) -> Change) = match event {
        Ok(WatchEvent::Added(table) | WatchEvent::Modified(table)) => (table, Change::Present),
        Ok(WatchEvent::Deleted(table)) => (table, Change::Removed),
        Ok(WatchEvent::Bookmark(_) | WatchEvent::Error(_)) | Err(_) => return None,
    };
    Some(table.rows.unwrap_or_default().into_iter().map(change).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(whole: bool) -> Query<'static> {
        Query { kind: Kind::McpGroup, namespace: Some("team"), name: Some("tools"), labels: None, whole }
    }

    #[test]
    fn requests_ask_for_tables_and_for_whole_objects_where_they_are_printed() {
        let path = "/apis/toolhive.stacklok.dev/v1beta1/namespaces/team/mcpgroups";
        let check = |whole: bool, expected: &str| {
            let query = query(whole);
            let request = query.as_table(query.request().get("tools", &GetParams::default())).unwrap();
            assert_eq!(request.uri().to_string(), format!("{path}{expected}"));
            assert_eq!(request.headers()[ACCEPT], AS_TABLE);
        };
        check(false, "/tools");
        check(true, "/tools?includeObject=Object");
        let query = query(true);
        let params = ListParams { field_selector: query.fields(), ..ListParams::default() };
        let request = query.as_table(query.request().list(&params)).unwrap();
        let expected = format!("{path}?&fieldSelector=metadata.name%3Dtools&includeObject=Object");
        assert_eq!(request.uri().to_string(), expected);
    }

    #[test]
    fn what_a_server_leaves_out_is_nothing() {
        let table: Table =
            serde_json::from_str(r#"{"kind": "Table", "columnDefinitions": null, "rows": null}"#).unwrap();
        assert!(table.rows().is_empty() && table.columns().is_empty());
    }
}
