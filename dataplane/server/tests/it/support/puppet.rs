//! A backend whose strings the test holds: it answers what comes before a call by itself and hands the
//! call, with its connection, to the test.

use super::DEADLINE;
use super::http::find;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

/// Offers the tool `act`.
pub(crate) struct Puppet {
    pub(crate) addr: SocketAddr,
    calls: Receiver<Act>,
}

/// A call that waits for the test.
pub(crate) struct Act {
    /// As it came.
    pub(crate) body: String,
    stream: TcpStream,
    calls: Sender<Act>,
}

/// A progress notification for the token that the tests' clients give.
pub(crate) fn progress(n: u64) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":"p","progress":{n}}}}}"#
    )
}

impl Puppet {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("bound");
        let (tx, calls) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let tx = tx.clone();
                std::thread::spawn(move || serve(stream, tx));
            }
        });
        Self { addr, calls }
    }

    /// The next call.
    #[track_caller]
    pub(crate) fn act(&self) -> Act {
        self.calls.recv_timeout(DEADLINE).expect("a call comes")
    }
}

impl Act {
    /// Sends bytes.
    #[track_caller]
    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the gateway reads");
    }

    /// Sends one chunk.
    #[track_caller]
    pub(crate) fn chunk(&mut self, data: &str) {
        self.say(format!("{:x}\r\n{data}\r\n", data.len()));
    }

    /// A whole JSON answer.
    #[track_caller]
    pub(crate) fn answer(&mut self, body: &str) {
        self.say(format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ));
    }

    /// The call is answered: the connection is served on.
    pub(crate) fn done(self) {
        let Self { stream, calls, .. } = self;
        std::thread::spawn(move || serve(stream, calls));
    }

    /// Waits until the gateway has closed the connection.
    #[track_caller]
    pub(crate) fn closed(mut self) {
        let mut rest = Vec::new();
        // a reset is an end too
        let _ = self.stream.read_to_end(&mut rest);
        assert!(rest.is_empty(), "sent on the connection of a call: {:?}", String::from_utf8_lossy(&rest));
    }
}

fn serve(mut stream: TcpStream, calls: Sender<Act>) {
    stream.set_read_timeout(Some(DEADLINE)).expect("a socket");
    let mut buf = Vec::new();
    while let Some(body) = request(&mut stream, &mut buf) {
        let message: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        let answer = match message["method"].as_str() {
            Some("initialize") => json(
                "mcp-session-id: puppet-1\r\n",
                &format!(
                    r#"{{"jsonrpc":"2.0","id":{},"result":{{"protocolVersion":"2025-11-25","capabilities":{{"tools":{{}}}},"serverInfo":{{"name":"puppet","version":"1"}}}}}}"#,
                    message["id"]
                ),
            ),
            Some("tools/list") => json(
                "",
                &format!(
                    r#"{{"jsonrpc":"2.0","id":{},"result":{{"tools":[{{"name":"act","inputSchema":{{"type":"object"}}}}]}}}}"#,
                    message["id"]
                ),
            ),
            Some("tools/call") => {
                // the test may be over
                let _ = calls.clone().send(Act { body, stream, calls });
                return;
            }
            _ => "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n".to_owned(),
        };
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn json(fields: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{fields}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The body of the next request with a length.
fn request(stream: &mut TcpStream, buf: &mut Vec<u8>) -> Option<String> {
    let mut more = |buf: &mut Vec<u8>| {
        let mut some = [0; 16 * 1024];
        let n = stream.read(&mut some).ok().filter(|n| *n > 0)?;
        buf.extend_from_slice(&some[..n]);
        Some(())
    };
    let end = loop {
        match find(buf, b"\r\n\r\n") {
            Some(end) => break end + 4,
            None => more(buf)?,
        }
    };
    let head = String::from_utf8_lossy(&buf[..end]).into_owned();
    let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    while buf.len() < end + length {
        more(buf)?;
    }
    let body = String::from_utf8_lossy(&buf[end..end + length]).into_owned();
    buf.drain(..end + length);
    Some(body)
}
