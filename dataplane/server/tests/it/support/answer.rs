//! Answers, taken apart.

/// What is left of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Ended,
    Left(usize),
    Chunked,
    UntilClose,
}

/// The head of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Names in lower case, in the order of their arrival.
    pub(crate) fields: Vec<(String, String)>,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}

/// One server-sent event, or a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sse {
    Event { event: String, data: String },
    Comment(String),
}

impl Head {
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let text = std::str::from_utf8(bytes).expect("a head in ASCII");
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|l| l.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
        let field = |line: &str| {
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("a field: {line:?}"));
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        Self {
            status: status.unwrap_or_else(|| panic!("a status line: {text:?}")),
            fields: lines.map(field).collect(),
        }
    }

    /// The only value of a field.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut found = self.fields.iter().filter(|(n, _)| n == name);
        let first = found.next();
        assert!(found.next().is_none(), "{name} comes twice: {self:?}");
        first.map(|(_, v)| v.as_str())
    }

    #[track_caller]
    pub(super) fn framing(&self) -> Framing {
        match (self.field("transfer-encoding"), self.field("content-length")) {
            _ if self.status < 200 => Framing::Ended,
            (Some(coding), None) => {
                assert_eq!(coding, "chunked");
                Framing::Chunked
            }
            (None, Some("0")) => Framing::Ended,
            (None, Some(n)) => Framing::Left(n.parse().expect("a length")),
            (None, None) => Framing::UntilClose,
            both => panic!("two kinds of framing: {both:?}"),
        }
    }
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("UTF-8")
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {} {:?}", self.status, self.text()))
    }
}

impl Sse {
    pub(super) fn parse(block: &str) -> Self {
        let (mut event, mut data) = (String::new(), Vec::new());
        for line in block.lines() {
            match line.split_once(':') {
                Some(("", comment)) => return Self::Comment(comment.trim().into()),
                Some(("event", v)) => event = v.trim_start().into(),
                Some(("data", v)) => data.push(v.strip_prefix(' ').unwrap_or(v)),
                _ => {}
            }
        }
        Self::Event { event, data: data.join("\n") }
    }
}
