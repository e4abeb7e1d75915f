//! What `tidegate up` shows. On a terminal: a table that is redrawn in place, with log lines scrolling above it.
//! Elsewhere: a line for each change.

use std::collections::BTreeMap;
use std::io::Write;

use super::status::{Size, Summary};
use crate::paint::Paint;

/// Names of children are padded to this width; longer ones stand out a little.
const NAME: usize = 12;

/// The user's view.
pub(crate) struct Screen<W> {
    out: W,
    paint: Paint,
    mode: Mode,
    summary: Summary,
    /// Not yet written.
    log: String,
}

/// How to show changes.
pub(crate) enum Mode {
    /// Redrawn: how many lines are drawn, and how large the terminal is now.
    Live {
        /// Lines of the table on the screen, with the cursor below.
        drawn: usize,
        /// Asked at each drawing: windows are resized.
        size: Box<dyn Fn() -> Size + Send>,
    },
    /// One line per change: what was said last, by subject.
    Plain(BTreeMap<String, String>),
}

impl Mode {
    /// For standard output as it is.
    pub(crate) fn of_stdout() -> Self {
        use std::io::IsTerminal as _;
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        if !std::io::stdout().is_terminal() || dumb {
            return Mode::Plain(BTreeMap::new());
        }
        let size = || match terminal_size::terminal_size() {
            Some((width, height)) => Size { width: width.0, height: height.0 },
            None => Size { width: 80, height: 24 },
        };
        Mode::Live { drawn: 0, size: Box::new(size) }
    }
}

impl<W: Write> Screen<W> {
    /// Nothing is shown yet.
    pub(crate) fn new(out: W, paint: Paint, mode: Mode) -> Self {
        Self { out, paint, mode, summary: Summary::default(), log: String::new() }
    }

    /// Adds a line to the log, under the name of who says it.
    pub(crate) fn log(&mut self, name: &str, text: &str, bad: bool) {
        let name = self.paint.cyan(&format!("{name:NAME$}"));
        // A child must not move the cursor or paint over the table.
        let text: String = text.chars().filter(|c| !c.is_control() || *c == '\t').collect();
        let text = if bad { self.paint.yellow(&text) } else { text };
        self.log.push_str(&format!("{name} | {text}\n"));
    }

    /// Adds lines as they are.
    pub(crate) fn say(&mut self, text: &str) {
        self.log.push_str(text);
        self.log.push('\n');
    }

    /// Takes a new state of the control plane.
    pub(crate) fn update(&mut self, summary: Summary) {
        if let Mode::Plain(said) = &mut self.mode {
            let now = summary.sentences();
            for (subject, sentence) in &now {
                if said.get(subject) != Some(sentence) {
                    self.log.push_str(&format!("{subject}: {sentence}\n"));
                }
            }
            for subject in said.keys().filter(|subject| !now.contains_key(*subject)) {
                self.log.push_str(&format!("{subject}: removed\n"));
            }
            *said = now;
        }
        self.summary = summary;
    }

    /// Writes the log so far and draws the table below it. A terminal that has gone away is no reason to stop serving.
    pub(crate) fn draw(&mut self) {
        let mut text = String::new();
        match &mut self.mode {
            Mode::Plain(_) => text.push_str(&self.log),
            Mode::Live { drawn, size } => {
                if *drawn > 0 {
                    // Up to the first line of the table, and erase from there.
                    text.push_str(&format!("\x1b[{drawn}F\x1b[J"));
                }
                text.push_str(&self.log);
                let table = self.summary.table(self.paint, size());
                *drawn = table.lines().count();
                text.push_str(&table);
            }
        }
        self.log.clear();
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }

    /// The last state stays on the screen, and the log goes on below it.
    pub(crate) fn settle(&mut self) {
        self.draw();
        if let Mode::Live { .. } = self.mode {
            self.mode = Mode::Plain(self.summary.sentences());
        }
    }
}

#[cfg(test)]
mod tests {
    use tidegate_proto::wire::{StateReply, VirtualServerView};

    use super::*;

    fn summary(phase: &str) -> Summary {
        let server = VirtualServerView {
            namespace: "default".into(),
            name: "demo".into(),
            phase: phase.into(),
            ..Default::default()
        };
        Summary::of(&StateReply { virtual_servers: vec![server], ..Default::default() })
    }

    fn written(screen: &mut Screen<Vec<u8>>) -> String {
        screen.draw();
        String::from_utf8(std::mem::take(&mut screen.out)).unwrap()
    }

    #[test]
    fn without_a_terminal_only_changes_are_said() {
        let mut screen = Screen::new(Vec::new(), Paint::off(), Mode::Plain(BTreeMap::new()));
        screen.log("clock", "hello \u{1b}[2Jworld", false);
        screen.update(summary("Pending"));
        let expected =
            "clock        | hello [2Jworld\nvirtual server default/demo: Pending, 0 backends, 0 tools\n";
        assert_eq!(written(&mut screen), expected);
        screen.update(summary("Pending"));
        assert_eq!(written(&mut screen), "");
        screen.update(Summary::default());
        assert_eq!(written(&mut screen), "virtual server default/demo: removed\n");
    }

    #[test]
    fn on_a_terminal_the_table_is_replaced_and_the_log_stays() {
        let size = Box::new(|| Size { width: 80, height: 24 });
        let mut screen = Screen::new(Vec::new(), Paint::off(), Mode::Live { drawn: 0, size });
        screen.update(summary("Pending"));
        let first = written(&mut screen);
        assert!(!first.contains('\x1b') && first.contains("Pending"), "{first:?}");
        let lines = first.lines().count();
        screen.log("clock", "hello", false);
        screen.update(summary("Ready"));
        let second = written(&mut screen);
        assert!(second.starts_with(&format!("\x1b[{lines}F\x1b[Jclock        | hello\n")), "{second:?}");
        assert!(second.contains("Ready"), "{second:?}");
    }
}
