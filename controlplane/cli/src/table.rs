//! Tables as kubectl prints them: aligned columns, no lines.

use std::borrow::Cow;

use comfy_table::{Attribute, Cell as Drawn, Color, ContentArrangement, Table, presets};

use crate::paint::Paint;

/// One cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

/// What a cell means, where colours are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Just text.
    Plain,
    /// As it should be.
    Good,
    /// Not quite.
    Doubtful,
    /// Wrong.
    Bad,
    /// Of less interest.
    Faint,
}

/// Headers and rows.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    /// In capitals.
    headers: Vec<Cow<'static, str>>,
    /// Each as long as the headers.
    rows: Vec<Vec<Cell>>,
}

/// How wide the columns of what was printed are, so that rows printed later stand below.
#[derive(Clone, Debug, Default)]
pub(crate) struct Widths(Vec<usize>);

impl Cell {
    /// With a tone; an empty text shows as nothing, as kubectl does.
    pub(crate) fn new(text: impl Into<String>, tone: Tone) -> Self {
        let mut text = text.into();
        text.truncate(text.trim_end().len());
        Self { text, tone }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::new(text, Tone::Plain)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(text, Tone::Plain)
    }
}

impl Grid {
    /// With headers in capitals, and rows as long as they.
    pub(crate) fn new<H: Into<Cow<'static, str>>>(
        headers: impl IntoIterator<Item = H>,
        rows: impl IntoIterator<Item = Vec<Cell>>,
    ) -> Self {
        let headers = headers.into_iter().map(Into::into).collect();
        Self { headers, rows: rows.into_iter().collect() }
    }

    /// How many rows it has.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The whole table; long cells are broken to fit into `width` columns, when there is a width.
    pub(crate) fn render(&self, paint: Paint, width: Option<u16>) -> String {
        self.draw(true, paint, width)
    }

    /// The next part of a table that grows: with headers when nothing of it was printed yet.
    pub(crate) fn render_next(mut self, paint: Paint, widths: &mut Widths) -> String {
        let first = widths.0.is_empty();
        widths.0.resize(self.headers.len(), 0);
        for (index, width) in widths.0.iter_mut().enumerate() {
            let cells = self.rows.iter().map(|row| row[index].text.chars().count());
            *width = cells.chain([*width, self.headers[index].chars().count()]).max().unwrap_or_default();
        }
        for row in &mut self.rows {
            for (cell, width) in row.iter_mut().zip(&widths.0) {
                cell.widen(*width);
            }
        }
        self.draw(first, paint, None)
    }

    fn draw(&self, headers: bool, paint: Paint, width: Option<u16>) -> String {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        if let Some(width) = width {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        if paint.is_on() {
            table.enforce_styling()
        } else {
            table.force_no_tty()
        };
        if headers {
            table.set_header(
                self.headers.iter().map(|name| Drawn::new(name.as_ref()).add_attribute(Attribute::Bold)),
            );
        }
        table.add_rows(self.rows.iter().map(|row| row.iter().map(Cell::drawn)));
        let last = self.headers.len().saturating_sub(1);
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, if index == last { 0 } else { 3 }));
        }
        table.trim_fmt()
    }
}

impl Cell {
    fn widen(&mut self, width: usize) {
        let missing = width.saturating_sub(self.text.chars().count());
        self.text.extend(std::iter::repeat_n(' ', missing));
    }

    fn drawn(&self) -> Drawn {
        // Line breaks and escape sequences of backends must not draw on the user's terminal.
        let text: String =
            self.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
        let cell = Drawn::new(text);
        match self.tone {
            Tone::Plain => cell,
            Tone::Good => cell.fg(Color::Green),
            Tone::Doubtful => cell.fg(Color::Yellow),
            Tone::Bad => cell.fg(Color::Red),
            Tone::Faint => cell.add_attribute(Attribute::Dim),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADERS: [&str; 3] = ["NAME", "PHASE", "MESSAGE"];

    fn grid() -> Grid {
        let ready = vec!["demo".into(), Cell::new("Ready", Tone::Good), "".into()];
        let message = "two\nlines \u{1b}[31mred".into();
        Grid::new(HEADERS, [ready, vec!["a-longer-name".into(), Cell::new("Failed", Tone::Bad), message]])
    }

    #[test]
    fn columns_are_aligned_and_control_characters_do_not_reach_the_terminal() {
        let expected = "NAME            PHASE    MESSAGE\n\
                        demo            Ready\n\
                        a-longer-name   Failed   two lines  [31mred";
        assert_eq!(grid().render(Paint::off(), None), expected);
    }

    #[test]
    fn rows_that_come_later_stand_below_and_have_no_header() {
        let mut widths = Widths::default();
        assert_eq!(grid().render_next(Paint::off(), &mut widths).lines().count(), 3);
        let later = Grid::new(HEADERS, [vec!["demo".into(), "Pending".into(), "why".into()]]);
        let expected = "demo            Pending   why";
        assert_eq!(later.render_next(Paint::off(), &mut widths), expected);
        let latest = Grid::new(HEADERS, [vec!["demo".into(), "Ready".into(), "".into()]]);
        assert_eq!(latest.render_next(Paint::off(), &mut widths), "demo            Ready");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for line in grid().render(Paint::off(), Some(24)).lines() {
            assert!(line.chars().count() <= 24, "{line:?}");
        }
    }
}
