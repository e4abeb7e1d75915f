//! Lines of a child's output, bounded: a child that never ends a line cannot fill our memory.

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// What [`read_line`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A whole line is in the buffer, without its end.
    Whole,
    /// The line was longer than the bound; the buffer holds its beginning, the rest was dropped.
    Cut,
    /// The stream has ended.
    End,
}

/// Reads one line into `line` (cleared first), keeping at most `max` bytes. A last line without an end counts.
pub(crate) async fn read_line<R>(reader: &mut R, line: &mut Vec<u8>, max: usize) -> std::io::Result<Line>
where
    R: AsyncBufRead + Unpin,
{
    line.clear();
    let (mut cut, mut any) = (false, false);
    loop {
        let available = reader.fill_buf().await?;
        if available.is_empty() {
            return Ok(match (any, cut) {
                (false, _) => Line::End,
                (true, false) => Line::Whole,
                (true, true) => Line::Cut,
            });
        }
        any = true;
        let end = available.iter().position(|byte| *byte == b'\n');
        let part = &available[..end.unwrap_or(available.len())];
        let kept = part.len().min(max - line.len());
        line.extend_from_slice(&part[..kept]);
        cut |= kept < part.len();
        let consumed = end.map_or(available.len(), |at| at + 1);
        reader.consume(consumed);
        if end.is_some() {
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            return Ok(if cut { Line::Cut } else { Line::Whole });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, max: usize, expected: &[(Line, &str)]) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            // A tiny buffer makes lines arrive in pieces.
            let mut reader = tokio::io::BufReader::with_capacity(3, input.as_bytes());
            let mut line = Vec::new();
            for (kind, text) in expected {
                assert_eq!(&read_line(&mut reader, &mut line, max).await.unwrap(), kind, "{input:?}");
                assert_eq!(String::from_utf8_lossy(&line), *text, "{input:?}");
            }
            assert_eq!(read_line(&mut reader, &mut line, max).await.unwrap(), Line::End);
        });
    }

    #[test]
    fn lines_end_at_newlines_and_at_the_end_of_the_stream() {
        check("", 10, &[]);
        check("one\n", 10, &[(Line::Whole, "one")]);
        check("one\r\n\ntwo", 10, &[(Line::Whole, "one"), (Line::Whole, ""), (Line::Whole, "two")]);
    }

    #[test]
    fn a_line_over_the_bound_is_cut_and_the_next_one_is_whole() {
        check("abcdefgh\nxy\n", 4, &[(Line::Cut, "abcd"), (Line::Whole, "xy")]);
        check("abcdefgh", 4, &[(Line::Cut, "abcd")]);
    }
}
