//! One HTTP/1.1 connection: a request out in one write, its whole answer in.

use std::io;

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::plan::Target;
use crate::tls::Stream;

/// An answer may have this many bytes.
const MAX_ANSWER: usize = 256 << 20;
const MAX_HEAD: usize = 64 << 10;

/// A connection and what was read from it.
pub(crate) struct Connection {
    stream: Stream,
    /// The current answer from its first byte.
    read: Vec<u8>,
    /// A chunked body without its chunks.
    decoded: Vec<u8>,
}

/// One answer; the body is borrowed from the connection.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) event_stream: bool,
    /// `Mcp-Session-Id`
    pub(crate) session: Option<String>,
    /// The connection ends after this answer.
    pub(crate) close: bool,
    pub(crate) body: &'a [u8],
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Head {
    status: u16,
    event_stream: bool,
    session: Option<String>,
    close: bool,
    framing: Framing,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Framing {
    #[default]
    Empty,
    Length(usize),
    Chunked,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(target: &Target) -> io::Result<Self> {
        let stream = Stream::open(target.addr, target.tls.as_ref()).await?;
        Ok(Self { stream, read: Vec::with_capacity(8 << 10), decoded: Vec::new() })
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        let (head, at) = self.ask(request).await?;
        let body = match head.framing {
            Framing::Empty => &[],
            Framing::Length(length) => {
                while self.read.len() < at + length {
                    self.fill().await?;
                }
                &self.read[at..at + length]
            }
            Framing::Chunked => {
                self.chunks(at).await?;
                &self.decoded[..]
            }
        };
        let Head { status, event_stream, session, close, .. } = head;
        Ok(Answer { status, event_stream, session, close, body })
    }

    /// Sends a request and reads only the head of its answer, which goes on for as long as the connection is kept.
    pub(crate) async fn listen(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        let (Head { status, event_stream, session, .. }, at) = self.ask(request).await?;
        Ok(Answer { status, event_stream, session, close: false, body: &self.read[at..] })
    }

    /// Reads until the connection ends; what comes is dropped.
    pub(crate) async fn drain(&mut self) {
        while self.fill().await.is_ok() {
            self.read.clear();
        }
    }

    /// Sends a request and reads the head of its answer; also where the body begins.
    async fn ask(&mut self, request: &[u8]) -> io::Result<(Head, usize)> {
        self.read.clear();
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        loop {
            if let Some(end) = memmem::find(&self.read, b"\r\n\r\n") {
                let head = parse_head(&self.read[..end + 2])?;
                if head.status >= 200 {
                    return Ok((head, end + 4));
                }
                // an interim answer; the final one follows
                self.read.drain(..end + 4);
                continue;
            }
            if self.read.len() > MAX_HEAD {
                return Err(malformed("head too large"));
            }
            self.fill().await?;
        }
    }

    async fn chunks(&mut self, mut at: usize) -> io::Result<()> {
        self.decoded.clear();
        loop {
            let line = loop {
                match memmem::find(&self.read[at..], b"\r\n") {
                    Some(end) => break at + end,
                    None => self.fill().await?,
                }
            };
            let size = std::str::from_utf8(&self.read[at..line]).ok().and_then(|l| l.split(';').next());
            let size = size.and_then(|s| usize::from_str_radix(s.trim(), 16).ok());
            let size = size.filter(|s| *s <= MAX_ANSWER).ok_or_else(|| malformed("bad chunk size"))?;
            // the chunk, or the end of a body without trailers, and the line end
            let end = line + 2 + size;
            while self.read.len() < end + 2 {
                self.fill().await?;
            }
            self.decoded.extend_from_slice(&self.read[line + 2..end]);
            if size == 0 {
                return Ok(());
            }
            at = end + 2;
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        if self.read.len() > MAX_ANSWER {
            return Err(malformed("answer too large"));
        }
        self.read.reserve(4 << 10);
        match self.stream.read_buf(&mut self.read).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// Parses an answer's head; every line ends with CRLF.
fn parse_head(head: &[u8]) -> io::Result<Head> {
    let text = std::str::from_utf8(head).map_err(|_| malformed("head is not ASCII"))?;
    let mut lines = text.split_terminator("\r\n");
    let status = lines.next().and_then(|l| l.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
    let mut parsed = Head { status: status.ok_or_else(|| malformed("bad status line"))?, ..Head::default() };
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| malformed("header without a colon"))?;
        let (is, value) = (|n: &str| name.eq_ignore_ascii_case(n), value.trim());
        if is("content-length") {
            parsed.framing = Framing::Length(value.parse().map_err(|_| malformed("bad content-length"))?);
        } else if is("transfer-encoding") {
            parsed.framing = Framing::Chunked;
        } else if is("content-type") {
            parsed.event_stream = value.starts_with("text/event-stream");
        } else if is("mcp-session-id") {
            parsed.session = Some(value.to_owned());
        } else if is("connection") {
            parsed.close = value.eq_ignore_ascii_case("close");
        }
    }
    Ok(parsed)
}

pub(crate) fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_whatever_the_case_of_their_names() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; x\r\nTRANSFER-ENCODING: chunked\r\nMcp-Session-Id: a\r\nConnection: close\r\n";
        let expected = Head {
            status: 200,
            event_stream: true,
            session: Some("a".into()),
            close: true,
            framing: Framing::Chunked,
        };
        assert_eq!(parse_head(head).unwrap(), expected);
        assert_eq!(
            parse_head(b"HTTP/1.1 202 \r\nContent-Length: 3\r\n").unwrap().framing,
            Framing::Length(3)
        );
        for bad in
            ["HTTP/1.0 200 OK\r\n", "HTTP/1.1 200 OK\r\nx\r\n", "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n"]
        {
            assert!(parse_head(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
