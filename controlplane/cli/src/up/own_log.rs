//! What `up` itself logs (a directory that cannot be watched, a leash that has ended): shown like a child's lines, since
//! writing to the terminal directly would tear the table.

use std::io;

use tokio::sync::mpsc;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::child::Event;

/// Sends the lines of this process to the screen. Lines that find no room are lost: logging must not block.
pub(crate) fn install(filter: EnvFilter, events: mpsc::Sender<Event>) {
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Lines { events })
        .without_time()
        .with_ansi(false)
        .init();
}

struct Lines {
    events: mpsc::Sender<Event>,
}

/// One formatted record; the formatter writes it in one piece.
struct Record<'a> {
    events: &'a mpsc::Sender<Event>,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Record<'a>;

    fn make_writer(&'a self) -> Record<'a> {
        Record { events: &self.events }
    }
}

impl io::Write for Record<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes).trim_end().to_owned();
        if !text.is_empty() {
            let _ = self.events.try_send(Event::Line { name: "up".into(), text });
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_record_becomes_a_line_of_up() {
        let (events, mut shown) = mpsc::channel(1);
        let lines = Lines { events };
        lines.make_writer().write_all(b" WARN something\n").unwrap();
        // No room: lost, not waited for.
        lines.make_writer().write_all(b" WARN more\n").unwrap();
        let Ok(Event::Line { name, text }) = shown.try_recv() else { panic!("no line") };
        assert_eq!((name.as_str(), text.as_str()), ("up", " WARN something"));
        assert!(shown.try_recv().is_err());
    }
}
