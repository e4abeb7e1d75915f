//! The layout of descriptions, and what is said alike of an object whether a cluster or a control plane is asked.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::grids;
use crate::paint::Paint;
use crate::resources::{Backend, Breadth, Condition, Item, Kind, VirtualServer, listing};
use crate::table::Grid;

/// How descriptions are drawn.
pub(super) struct Page {
    pub(super) paint: Paint,
    pub(super) now: SystemTime,
}

impl Page {
    /// For standard output, now.
    pub(super) fn new() -> Self {
        Self { paint: Paint::for_stream(&std::io::stdout()), now: SystemTime::now() }
    }

    /// A virtual server, with more fields after its own; `backends` are those of a control plane, which knows their kinds
    /// and the tools.
    pub(super) fn virtual_server(
        &self,
        item: &VirtualServer,
        more: &[(&str, &str)],
        backends: Option<&[Backend]>,
    ) -> String {
        let (urls, ready) =
            (item.urls.join("\n"), format!("{} of {} backends", item.backend_count, item.backends.len()));
        let mut fields = vec![
            ("Name", item.name.as_str()),
            ("Namespace", &item.namespace),
            ("Group", &item.group),
            ("Phase", &item.phase),
            ("Message", &item.message),
            ("URLs", &urls),
            ("Service", &item.url),
            ("Ready", &ready),
        ];
        fields.retain(|(name, _)| *name != "URLs" || backends.is_some());
        fields.extend(more);
        let mut text = self.fields(&fields);
        text += &self.grid("Backends", &grids::members(&item.backends, backends, |time| self.ago(time)));
        if backends.is_some() {
            let tools: Vec<Item> = item.tools.iter().cloned().map(Item::Tool).collect();
            let listed = listing(Kind::Tools, &tools, Breadth { wide: false, namespace: false });
            text += &self.grid("Tools", &listed);
        }
        text += &self.conditions(&item.conditions);
        text + &self.list("Conflicts", &item.conflicts)
    }

    /// Conditions of any object.
    pub(super) fn conditions(&self, conditions: &[Condition]) -> String {
        self.grid("Conditions", &grids::conditions(conditions))
    }

    /// `Name:  value` lines, aligned; a value of several lines continues below itself.
    pub(super) fn fields(&self, fields: &[(&str, &str)]) -> String {
        let width = fields.iter().map(|(name, _)| name.len() + 3).max().unwrap_or_default();
        let mut text = String::new();
        for (name, value) in fields {
            let mut lines = value.lines();
            let label = format!("{name}:");
            let padded = format!("{label:width$}");
            text += &format!("{}{}", self.paint.bold(&padded), printable(lines.next().unwrap_or("-")));
            text += "\n";
            for line in lines {
                text += &format!("{:width$}{}\n", "", printable(line));
            }
        }
        text
    }

    /// A table with a title that counts its rows.
    pub(super) fn grid(&self, title: &str, grid: &Grid) -> String {
        let mut text = self.title(title, grid.len());
        if grid.len() > 0 {
            grid.render(self.paint, None).lines().for_each(|line| text += &format!("  {line}\n"));
        }
        text
    }

    /// Lines with a title that counts them; nothing when there are none.
    pub(super) fn list(&self, title: &str, lines: &[String]) -> String {
        if lines.is_empty() {
            return String::new();
        }
        let lines: String = lines.iter().map(|line| format!("  {}\n", printable(line))).collect();
        self.title(title, lines.lines().count()) + &lines
    }

    fn title(&self, title: &str, count: usize) -> String {
        format!("{}\n", self.paint.bold(&format!("{title} ({count}):")))
    }

    /// How long ago a time is, in milliseconds of Unix time; 0: never.
    pub(super) fn ago(&self, unix_ms: u64) -> String {
        if unix_ms == 0 {
            return "never".into();
        }
        let then = UNIX_EPOCH + Duration::from_millis(unix_ms);
        format!("{} ago", span(self.now.duration_since(then).unwrap_or_default()))
    }
}

/// A length of time in its two largest units, as kubectl shows ages.
fn span(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m{}s", seconds / 60, seconds % 60),
        7_200..172_800 => format!("{}h{}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// Without what would move the cursor of a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_at_most_two_units() {
        for (seconds, expected) in
            [(0, "0s"), (119, "119s"), (121, "2m1s"), (7_260, "2h1m"), (180_000, "2d2h")]
        {
            assert_eq!(span(Duration::from_secs(seconds)), expected);
        }
    }
}
