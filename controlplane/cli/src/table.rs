//! Tables as kubectl prints them: aligned columns, no lines.

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
    pub(crate) headers: Vec<&'static str>,
    /// Each as long as the headers.
    pub(crate) rows: Vec<Vec<Cell>>,
}

impl Cell {
    /// With a tone; an empty text shows as nothing, as kubectl does.
    pub(crate) fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
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
    /// The whole table; long cells are broken to fit into `width` columns, when there is a width.
    pub(crate) fn render(&self, paint: Paint, width: Option<u16>) -> String {
        self.draw(true, paint, width)
    }

    /// The rows alone.
    pub(crate) fn render_rows(&self, paint: Paint, width: Option<u16>) -> String {
        self.draw(false, paint, width)
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
            table.set_header(self.headers.iter().map(|name| Drawn::new(name).add_attribute(Attribute::Bold)));
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
    fn drawn(&self) -> Drawn {
        // Line breaks and escape sequences of backends must not draw on the user's terminal.
        let text: String =
            self.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
        let cell = Drawn::new(text.trim_end());
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

    fn grid() -> Grid {
        Grid {
            headers: vec!["NAME", "PHASE", "MESSAGE"],
            rows: vec![
                vec!["demo".into(), Cell::new("Ready", Tone::Good), "".into()],
                vec![
                    "a-longer-name".into(),
                    Cell::new("Failed", Tone::Bad),
                    "two\nlines \u{1b}[31mred".into(),
                ],
            ],
        }
    }

    #[test]
    fn columns_are_aligned_and_control_characters_do_not_reach_the_terminal() {
        let expected = "NAME            PHASE    MESSAGE\n\
                        demo            Ready\n\
                        a-longer-name   Failed   two lines  [31mred";
        assert_eq!(grid().render(Paint::off(), None), expected);
    }

    #[test]
    fn rows_alone_have_no_header() {
        assert_eq!(grid().render_rows(Paint::off(), None).lines().count(), 2);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for line in grid().render(Paint::off(), Some(24)).lines() {
            assert!(line.chars().count() <= 24, "{line:?}");
        }
    }
}
