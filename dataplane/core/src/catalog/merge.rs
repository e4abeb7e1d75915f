//! From the backends' lists to one catalog: overrides, conflict resolution, then what is advertised (spec 4.2).

use std::collections::HashSet;
use std::sync::Arc;

use tidegate_proto::table::{
    Aggregation, ToolAnnotations, ToolOverride, VirtualServer, Visibility, WorkloadTools,
};

use super::contribution::{Contribution, NativeTool, summary};
use super::notes::Notes;
use super::resolve::resolve;
use super::{Catalog, ExposedTool, splice};
use crate::json;

/// A tool on its way into the catalog.
pub(super) struct Offer<'a> {
    /// Index in `VirtualServer.members`.
    pub(super) member: u16,
    /// The member's name.
    pub(super) workload: &'a str,
    /// What the backend sent.
    pub(super) tool: &'a NativeTool,
    /// What the configuration changes of it.
    pub(super) change: Option<&'a ToolOverride>,
    /// The native name or the override's; in the end the exposed name.
    pub(super) name: String,
    /// Whether clients see it.
    visible: bool,
}

/// Merges what the members of `vs` contribute, by their index; absent: nothing known of that member.
///
/// Deterministic: depends on the order neither of tools nor of pages. Tools are sorted by exposed name, and differ from
/// the backend's bytes by the name alone unless an override says more. Hidden tools take part in the resolution of
/// conflicts, as in ToolHive, but are not in the catalog.
pub fn merge(vs: &VirtualServer, contributions: &[Option<Arc<Contribution>>]) -> Catalog {
    let mut conflicts = Notes::default();
    let mut offers = Vec::new();
    for (i, (member, contribution)) in vs.members.iter().zip(contributions).enumerate() {
        let (Ok(index), Some(contribution)) = (u16::try_from(i), contribution) else { continue };
        offer_all(&mut offers, index, &member.workload, contribution, &vs.aggregation, &mut conflicts);
    }
    let offers = resolve(&vs.aggregation.conflict_resolution, offers, &mut conflicts);
    let offers = unique(offers, &mut conflicts);
    let exposed = offers.into_iter().filter(|o| o.visible).map(Offer::expose).collect();
    Catalog::build(exposed, conflicts.finish())
}

/// The offers of one member.
fn offer_all<'a>(
    offers: &mut Vec<Offer<'a>>,
    member: u16,
    workload: &'a str,
    contribution: &'a Contribution,
    aggregation: &'a Aggregation,
    conflicts: &mut Notes,
) {
    let settings = aggregation.tools.iter().find(|t| t.workload == workload);
    let changes = settings.filter(|s| match repeated_name(contribution, s) {
        None => true,
        Some(name) => {
            let name = json::quoted(&name);
            conflicts
                .push(format!("overrides of {workload} are not applied: two of its tools would be {name}"));
            false
        }
    });
    let filter = Filter::new(settings, aggregation);
    for tool in &contribution.tools {
        let change = changes.and_then(|s| s.overrides.get(&*tool.name));
        let name = renamed(tool, change);
        let visible = filter.shows(&tool.name, name);
        offers.push(Offer { member, workload, tool, change, name: name.to_owned(), visible });
    }
}

/// A name that two tools of one backend would have after its overrides.
fn repeated_name(contribution: &Contribution, settings: &WorkloadTools) -> Option<String> {
    let mut names = HashSet::new();
    let mut all = contribution.tools.iter().map(|t| renamed(t, settings.overrides.get(&*t.name)));
    all.find(|name| !names.insert(*name)).map(str::to_owned)
}

fn renamed<'a>(tool: &'a NativeTool, change: Option<&'a ToolOverride>) -> &'a str {
    set(change.and_then(|c| c.name.as_deref())).unwrap_or(&tool.name)
}

/// An empty text in an override means the same as none.
fn set(text: Option<&str>) -> Option<&str> {
    text.filter(|t| !t.is_empty())
}

/// Which tools of one member are advertised (spec 4.4).
enum Filter<'a> {
    All,
    None,
    Names(HashSet<&'a str>),
}

impl<'a> Filter<'a> {
    fn new(settings: Option<&'a WorkloadTools>, aggregation: &Aggregation) -> Self {
        match settings {
            _ if aggregation.exclude_all_tools => Self::None,
            None if aggregation.default_visibility == Visibility::Deny => Self::None,
            Some(s) if s.exclude_all => Self::None,
            Some(s) if !s.filter.is_empty() => Self::Names(s.filter.iter().map(String::as_str).collect()),
            _ => Self::All,
        }
    }

    /// The documentation means native names and ToolHive compares the overridden ones: either counts.
    fn shows(&self, native: &str, renamed: &str) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Names(names) => names.contains(native) || names.contains(renamed),
        }
    }
}

/// Sorts by exposed name and keeps, of equal ones, that of the first member.
fn unique<'a>(mut offers: Vec<Offer<'a>>, conflicts: &mut Notes) -> Vec<Offer<'a>> {
    offers.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.member.cmp(&b.member)));
    let mut kept: Vec<Offer<'a>> = Vec::with_capacity(offers.len());
    for offer in offers {
        match kept.last() {
            Some(first) if first.name == offer.name => conflicts.push(format!(
                "tool {} of {} is left out: {} already has this name",
                json::quoted(&offer.name),
                offer.workload,
                first.workload
            )),
            _ => kept.push(offer),
        }
    }
    kept
}

impl Offer<'_> {
    fn expose(self) -> (ExposedTool, String) {
        let native_json = json::quoted(&self.tool.name);
        let definition = self.definition();
        let description = set(self.change.and_then(|c| c.description.as_deref()));
        let tool = ExposedTool {
            member: self.member,
            exposed: self.name.as_str().into(),
            native: self.tool.name.clone(),
            native_json: native_json.as_bytes()[1..native_json.len() - 1].into(),
            description: description.map_or_else(|| self.tool.description.clone(), summary),
            repeatable: repeatable(&definition),
        };
        (tool, definition)
    }

    /// The backend's definition under the exposed name.
    fn definition(&self) -> String {
        let NativeTool { name, json, name_at, .. } = self.tool;
        let named = if **name == *self.name {
            json.to_string()
        } else {
            [&json[..name_at.start], &json::quoted(&self.name), &json[name_at.end..]].concat()
        };
        self.change.map_or_else(|| named.clone(), |change| changed(&named, change))
    }
}

/// A definition with description and annotations of an override.
fn changed(definition: &str, change: &ToolOverride) -> String {
    let mut edits = Vec::new();
    if let Some(text) = set(change.description.as_deref()) {
        edits.push(("description", json::quoted(text)));
    }
    let hints = change.annotations.as_ref().map(hints).unwrap_or_default();
    if !hints.is_empty() {
        edits.push(("annotations", splice::edit(annotations_of(definition), &hints)));
    }
    splice::edit(definition, &edits)
}

/// The annotations that a definition has, as JSON; `{}` where it has none.
fn annotations_of(definition: &str) -> &str {
    let fields = splice::fields(definition).expect("a definition was checked when it was taken");
    let value = fields.into_iter().find(|f| f.key == "annotations").map(|f| &definition[f.value]);
    value.filter(|v| v.starts_with('{')).unwrap_or("{}")
}

/// Do its annotations say that it may be called again? What a backend says of itself counts like an override: both are
/// hints, and used only where the operator asks for it.
fn repeatable(definition: &str) -> bool {
    let annotations = annotations_of(definition);
    let fields = splice::fields(annotations).unwrap_or_default();
    fields.iter().any(|f| {
        matches!(f.key.as_str(), "readOnlyHint" | "idempotentHint") && &annotations[f.value.clone()] == "true"
    })
}

fn hints(annotations: &ToolAnnotations) -> Vec<(&'static str, String)> {
    let title = set(annotations.title.as_deref()).map(|t| ("title", json::quoted(t)));
    let flags = [
        ("readOnlyHint", annotations.read_only_hint),
        ("destructiveHint", annotations.destructive_hint),
        ("idempotentHint", annotations.idempotent_hint),
        ("openWorldHint", annotations.open_world_hint),
    ];
    title.into_iter().chain(flags.into_iter().filter_map(|(k, v)| Some((k, v?.to_string())))).collect()
}
