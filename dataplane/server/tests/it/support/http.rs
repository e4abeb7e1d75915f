//! A client that sends exactly the bytes that a test gives it, and reads answers piece by piece.

use super::DEADLINE;
use super::answer::Framing;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;
use tokio_rustls::rustls::{ClientConnection, StreamOwned};

pub(crate) use super::answer::{Answer, Head, Sse};

/// A connection.
pub(crate) struct Http {
    stream: Wire,
    /// Read and not used yet.
    buf: Vec<u8>,
    framing: Framing,
    /// Data of the body that was taken off its framing and not used yet.
    data: Vec<u8>,
}

/// What it runs on.
enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Wire {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref(),
        }
    }

    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buf),
            Self::Tls(stream) => stream.read(buf),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes),
            Self::Tls(stream) => stream.write_all(bytes),
        }
    }
}

impl Http {
    #[track_caller]
    pub(crate) fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).expect("the port is open");
        stream.set_nodelay(true).expect("a socket");
        Self::of(stream)
    }

    /// One that takes little at a time from the network.
    #[track_caller]
    pub(crate) fn narrow(addr: SocketAddr) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::for_address(addr), socket2::Type::STREAM, None);
        let socket = socket.expect("a socket");
        socket.set_recv_buffer_size(32 * 1024).expect("a socket");
        socket.connect(&addr.into()).expect("the port is open");
        Self::of(socket.into())
    }

    /// One from another address of this machine.
    #[track_caller]
    pub(crate) fn connect_from(from: IpAddr, addr: SocketAddr) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::for_address(addr), socket2::Type::STREAM, None);
        let socket = socket.expect("a socket");
        socket.bind(&SocketAddr::from((from, 0)).into()).expect("an address of this machine");
        socket.connect(&addr.into()).expect("the port is open");
        Self::of(socket.into())
    }

    /// The same connection inside TLS: from here on as this client says.
    pub(crate) fn secured(self, client: ClientConnection) -> Self {
        let Wire::Plain(stream) = self.stream else { panic!("TLS in TLS") };
        let stream = Wire::Tls(Box::new(StreamOwned::new(client, stream)));
        Self { stream, buf: Vec::new(), framing: Framing::Ended, data: Vec::new() }
    }

    fn of(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(DEADLINE)).expect("a socket");
        stream.set_write_timeout(Some(DEADLINE)).expect("a socket");
        let stream = Wire::Plain(stream);
        Self { stream, buf: Vec::new(), framing: Framing::Ended, data: Vec::new() }
    }

    /// Waits longer than usual for answers.
    pub(crate) fn patient(&self, wait: Duration) {
        self.stream.tcp().set_read_timeout(Some(wait)).expect("a socket");
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the peer reads");
    }

    /// As [`Self::send`], to a peer that may have had enough.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Resets the connection.
    pub(crate) fn abort(self) {
        let linger = socket2::SockRef::from(self.stream.tcp()).set_linger(Some(Duration::ZERO));
        linger.expect("a socket");
    }

    /// The next head; interim ones are given too.
    #[track_caller]
    pub(crate) fn head(&mut self) -> Head {
        assert!(self.framing == Framing::Ended, "the body before is not read: {:?}", self.framing);
        let end = loop {
            if let Some(end) = find(&self.buf, b"\r\n\r\n") {
                break end;
            }
            assert!(self.fill(), "no head but {:?}", String::from_utf8_lossy(&self.buf));
        };
        let head = Head::parse(&self.buf[..end]);
        self.buf.drain(..end + 4);
        self.framing = head.framing();
        self.data.clear();
        head
    }

    /// The rest of the body.
    #[track_caller]
    pub(crate) fn body(&mut self) -> Vec<u8> {
        while self.piece() {}
        std::mem::take(&mut self.data)
    }

    /// The next whole answer, behind interim ones.
    #[track_caller]
    pub(crate) fn response(&mut self) -> Answer {
        loop {
            let head = self.head();
            if head.status >= 200 {
                let body = self.body();
                return Answer { status: head.status, head, body };
            }
        }
    }

    /// The next event of the body; none at its end.
    #[track_caller]
    pub(crate) fn sse(&mut self) -> Option<Sse> {
        loop {
            if let Some(end) = find(&self.data, b"\n\n") {
                let block: Vec<u8> = self.data.drain(..end + 2).collect();
                return Some(Sse::parse(std::str::from_utf8(&block).expect("UTF-8")));
            }
            if !self.piece() {
                let left = String::from_utf8_lossy(&self.data);
                assert!(left.trim().is_empty(), "half an event: {left:?}");
                return None;
            }
        }
    }

    /// The data of the next event, comments skipped.
    #[track_caller]
    pub(crate) fn event(&mut self) -> Option<String> {
        loop {
            match self.sse()? {
                Sse::Event { data, .. } => return Some(data),
                Sse::Comment(_) => {}
            }
        }
    }

    /// The next bytes, whatever they are.
    #[track_caller]
    pub(crate) fn bytes(&mut self, n: usize) -> Vec<u8> {
        while self.buf.len() < n {
            assert!(self.fill(), "only {:?}", self.buf);
        }
        self.buf.drain(..n).collect()
    }

    /// The peer closes, with nothing more to say.
    #[track_caller]
    pub(crate) fn closed(&mut self) {
        while self.fill() {}
        assert!(self.buf.is_empty(), "said before it closed: {:?}", String::from_utf8_lossy(&self.buf));
    }

    /// Everything until the peer closes.
    #[track_caller]
    pub(crate) fn into_rest(mut self) -> String {
        while self.fill() {}
        String::from_utf8_lossy(&self.buf).into_owned()
    }

    /// What lies in the buffers of both sides without waiting: is there anything?
    pub(crate) fn silent(&mut self) -> bool {
        self.stream.tcp().set_nonblocking(true).expect("a socket");
        let mut one = [0];
        let pending = self.stream.tcp().peek(&mut one);
        self.stream.tcp().set_nonblocking(false).expect("a socket");
        self.buf.is_empty()
            && self.data.is_empty()
            && matches!(pending, Err(e) if e.kind() == ErrorKind::WouldBlock)
    }

    /// Moves a piece of the body to `data`; false at its end.
    #[track_caller]
    fn piece(&mut self) -> bool {
        match self.framing {
            Framing::Ended => return false,
            Framing::Left(left) => {
                if self.buf.is_empty() {
                    assert!(self.fill(), "the body ends {left} bytes early");
                }
                let n = left.min(self.buf.len());
                self.data.extend(self.buf.drain(..n));
                self.framing = if n == left { Framing::Ended } else { Framing::Left(left - n) };
            }
            Framing::Chunked => {
                let line = self.line();
                let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)
                    .unwrap_or_else(|_| panic!("a chunk's size: {line:?}"));
                if size == 0 {
                    while !self.line().is_empty() {}
                    self.framing = Framing::Ended;
                    return false;
                }
                while self.buf.len() < size + 2 {
                    assert!(self.fill(), "the body ends within a chunk");
                }
                self.data.extend(self.buf.drain(..size));
                assert_eq!(self.buf.drain(..2).collect::<Vec<_>>(), b"\r\n", "the end of a chunk");
            }
            Framing::UntilClose => {
                if self.buf.is_empty() && !self.fill() {
                    self.framing = Framing::Ended;
                    return false;
                }
                self.data.append(&mut self.buf);
            }
        }
        true
    }

    #[track_caller]
    fn line(&mut self) -> String {
        loop {
            if let Some(end) = find(&self.buf, b"\r\n") {
                let line = String::from_utf8_lossy(&self.buf[..end]).into_owned();
                self.buf.drain(..end + 2);
                return line;
            }
            assert!(self.fill(), "the body ends before its last chunk");
        }
    }

    /// Reads more; false at the end.
    #[track_caller]
    fn fill(&mut self) -> bool {
        let mut some = [0; 64 * 1024];
        match self.stream.read(&mut some) {
            Ok(n) => {
                self.buf.extend_from_slice(&some[..n]);
                n > 0
            }
            // the peer had bytes of ours left to read when it closed
            Err(e) if e.kind() == ErrorKind::ConnectionReset => false,
            Err(e) => panic!("nothing in time ({e}), only {:?}", String::from_utf8_lossy(&self.buf)),
        }
    }
}

pub(crate) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|w| w == what)
}
