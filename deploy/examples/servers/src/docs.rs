//! The document server: full-text search over a folder of Markdown, and reading of sections.

mod library;
mod markdown;
mod rank;

use std::io;
use std::path::Path;
use std::sync::Arc;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{Implementation, ServerCapabilities, ServerConfig};
use rmcp::{Json, ServerHandler, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use library::Library;

const INSTRUCTIONS: &str =
    "Searches a folder of Markdown documents. Call search first; read_section gives the text of a hit.";
const DEFAULT_HITS: usize = 5;
const MAX_HITS: usize = 20;
/// Characters of a query that are looked at.
const MAX_QUERY: usize = 400;
/// Characters of a section in one answer.
const MAX_TEXT: usize = 20_000;

/// The server; cheap to clone, all sessions share the files that were read.
#[derive(Clone)]
pub struct DocsSearch {
    library: Arc<Library>,
    tool_router: ToolRouter<Self>,
}

#[derive(Deserialize, JsonSchema)]
struct Search {
    /// Words to look for
    query: String,
    /// How many hits at most, 5 when absent, up to 20
    limit: Option<usize>,
}

#[derive(Deserialize, JsonSchema)]
struct ReadSection {
    /// File as given by search
    file: String,
    /// Heading as given by search; when absent, the text before the first heading and the list of headings
    heading: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Hits {
    /// Best first
    hits: Vec<Hit>,
    /// How many sections match, also those that are not listed
    total: usize,
}

/// One section that matches.
#[derive(Serialize, JsonSchema)]
struct Hit {
    /// Path below the folder
    file: String,
    /// Heading of the section; empty for the text before the first heading
    heading: String,
    /// Line of the best match, from 1
    line: usize,
    /// That line
    snippet: String,
}

#[derive(Serialize, JsonSchema)]
struct Section {
    file: String,
    heading: String,
    /// First line, from 1
    line: usize,
    /// Markdown, with the subsections
    text: String,
    /// Whether the text was cut for its length
    truncated: bool,
    /// Headings of the file, when no heading was asked for
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headings: Vec<String>,
}

#[tool_router]
impl DocsSearch {
    /// Over the `*.md` files of a folder and its subfolders. The folder must exist.
    pub fn new(root: &Path) -> io::Result<Self> {
        Ok(Self { library: Arc::new(Library::open(root)?), tool_router: Self::tool_router() })
    }

    #[tool(
        description = "Finds the sections of the documents that match some words, best first.",
        annotations(
            title = "Search documents",
            read_only_hint = true,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    async fn search(
        &self,
        Parameters(Search { query, limit }): Parameters<Search>,
    ) -> Result<Json<Hits>, String> {
        let query: String = query.chars().take(MAX_QUERY).collect();
        let words = rank::words(&query);
        if words.is_empty() {
            return Err("the query has no words: write what to look for".into());
        }
        let limit = limit.unwrap_or(DEFAULT_HITS).clamp(1, MAX_HITS);
        self.with_library(move |library| {
            let files = library.files()?;
            let ranked = rank::rank(&files, &words);
            let total = ranked.len();
            let hits = ranked.into_iter().take(limit).map(|r| {
                let section = &r.file.sections[r.section];
                let (line, snippet) = rank::best_line(&r.file.text, section, &words);
                Hit { file: r.file.name.clone(), heading: section.heading.clone(), line, snippet }
            });
            Ok(Json(Hits { hits: hits.collect(), total }))
        })
        .await
    }

    #[tool(
        description = "Reads one section of a document with its subsections, or the outline of the document.",
        annotations(
            title = "Read section",
            read_only_hint = true,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    async fn read_section(
        &self,
        Parameters(ReadSection { file, heading }): Parameters<ReadSection>,
    ) -> Result<Json<Section>, String> {
        self.with_library(move |library| read(&library.files()?, &file, heading.as_deref()).map(Json)).await
    }
}

impl DocsSearch {
    /// Reading files blocks, so it happens beside the runtime.
    async fn with_library<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Library) -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let library = self.library.clone();
        let done = tokio::task::spawn_blocking(move || work(&library)).await;
        done.unwrap_or_else(|_| Err("reading the documents failed".into()))
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for DocsSearch {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("docs-search", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }
}

/// A file is only ever found among those that were scanned, so that no name leads out of the folder.
fn read(files: &[Arc<library::File>], name: &str, heading: Option<&str>) -> Result<Section, String> {
    let Some(file) = files.iter().find(|f| f.name == name) else {
        return Err(format!("no document {name:?}: call search to find documents"));
    };
    let headings = || file.sections.iter().filter(|s| s.level > 0).map(|s| s.heading.clone());
    let wanted = heading.unwrap_or("").trim().trim_start_matches('#').trim();
    let found = file.sections.iter().position(|s| s.heading.eq_ignore_ascii_case(wanted));
    let (line, text) = match found {
        Some(at) => (file.sections[at].line, markdown::with_subsections(&file.text, &file.sections, at)),
        None if wanted.is_empty() => (1, ""),
        None => {
            let known: Vec<String> = headings().collect();
            return Err(format!("{name} has no heading {wanted:?}; it has: {}", known.join("; ")));
        }
    };
    let cut = text.char_indices().nth(MAX_TEXT).map(|(at, _)| at);
    Ok(Section {
        file: file.name.clone(),
        heading: found.map_or(String::new(), |at| file.sections[at].heading.clone()),
        line,
        text: text[..cut.unwrap_or(text.len())].to_owned(),
        truncated: cut.is_some(),
        headings: if wanted.is_empty() { headings().collect() } else { Vec::new() },
    })
}
