//! What is wrong, and where.

/// A message that has no meaning: the path of the offending field and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct ConvertError {
    /// As in the `.proto` file, with indices: `members[2].call_timeout_ms`.
    pub path: String,
    /// What is wrong with the field.
    pub problem: Problem,
}

/// What can be wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A message or a choice is absent.
    #[error("is required")]
    Required,
    /// An empty text or list.
    #[error("must not be empty")]
    Empty,
    /// An enum value that is zero (unset) or that this version does not know.
    #[error("unknown value {0}")]
    UnknownValue(i32),
    /// A zero count or duration.
    #[error("must be greater than 0")]
    Zero,
    /// A duration above 100 years.
    #[error("must be at most 100 years")]
    TooLong,
    /// A port outside its range.
    #[error("must be a port from 1 to 65535, not {0}")]
    Port(u32),
    /// A request path.
    #[error("must begin with '/'")]
    LeadingSlash,
    /// Characters that would break out of the place where the text is used.
    #[error("must not contain spaces, control or non-ASCII characters")]
    NotVisibleAscii,
    /// Control characters in a text for people.
    #[error("must not contain control characters")]
    Control,
    /// A host of an endpoint.
    #[error("must be an IP address without brackets or a DNS name")]
    Host,
    /// `Host` of a backend.
    #[error("must be host or host:port")]
    Authority,
    /// A header name.
    #[error("must be a header name in lower case")]
    HeaderName,
    /// A header that frames messages or belongs to one connection.
    #[error("must not be a header that frames messages or belongs to the connection")]
    ConnectionHeader,
    /// A header value.
    #[error("must be visible ASCII, spaces and tabs")]
    HeaderValue,
    /// The name of a virtual server.
    #[error("must be \"namespace/name\"")]
    NamespacedName,
    /// A part of such a name.
    #[error("must not contain '/'")]
    Slash,
    /// A listen address.
    #[error("must be \"ip:port\" with a port from 1 to 65535")]
    ListenAddress,
    /// An ordered list that is not.
    #[error("must be sorted by {0}, without duplicates")]
    Unsorted(&'static str),
    /// The same name twice.
    #[error("is a duplicate")]
    Duplicate,
    /// A duration that must be smaller than another.
    #[error("must be smaller than {0}")]
    NotBelow(&'static str),
    /// A duration below its lower bound.
    #[error("must be at least {0} ms")]
    Below(u64),
    /// Bytes of a fixed length.
    #[error("must be {expected} bytes long, not {actual}")]
    Length {
        /// What it must be.
        expected: usize,
        /// What it is.
        actual: usize,
    },
    /// A list with too many items.
    #[error("must have at most {0} items")]
    TooMany(usize),
    /// A text that is too long.
    #[error("must be at most {0} bytes long")]
    TooLarge(usize),
}

impl ConvertError {
    /// The error with another path.
    pub(crate) fn within(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }
}

/// Puts the place in front of an error on its way out.
pub(crate) trait At<T> {
    /// The field `field`.
    fn at(self, field: &str) -> Result<T, ConvertError>;
    /// The item `index` of the repeated field `field`.
    fn at_item(self, field: &str, index: usize) -> Result<T, ConvertError>;
}

impl<T> At<T> for Result<T, Problem> {
    fn at(self, field: &str) -> Result<T, ConvertError> {
        self.map_err(|problem| ConvertError { path: field.to_owned(), problem })
    }

    fn at_item(self, field: &str, index: usize) -> Result<T, ConvertError> {
        self.map_err(|problem| ConvertError { path: format!("{field}[{index}]"), problem })
    }
}

impl<T> At<T> for Result<T, ConvertError> {
    fn at(self, field: &str) -> Result<T, ConvertError> {
        self.map_err(|e| ConvertError { path: format!("{field}.{}", e.path), problem: e.problem })
    }

    fn at_item(self, field: &str, index: usize) -> Result<T, ConvertError> {
        self.map_err(|e| ConvertError { path: format!("{field}[{index}].{}", e.path), problem: e.problem })
    }
}

/// A message field that must be there.
pub(crate) fn required<T>(value: Option<T>, field: &str) -> Result<T, ConvertError> {
    value.ok_or(Problem::Required).at(field)
}

/// Reads every item of a repeated field; the first bad one is the error.
pub(crate) fn items<W, T, E>(
    field: &str,
    wire: Vec<W>,
    mut read: impl FnMut(W) -> Result<T, E>,
) -> Result<Vec<T>, ConvertError>
where
    Result<T, E>: At<T>,
{
    wire.into_iter().enumerate().map(|(i, item)| read(item).at_item(field, i)).collect()
}
