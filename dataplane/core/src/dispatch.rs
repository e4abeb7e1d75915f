//! What a client's message is, by its method and whether it has an id (spec 3.7).

/// The kinds of message that the request path tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// `initialize`
    Initialize,
    /// `notifications/initialized`
    Initialized,
    /// `ping`
    Ping,
    /// `tools/list`
    ToolsList,
    /// `tools/call`
    ToolsCall,
    /// `notifications/cancelled`
    Cancelled,
    /// Any other message without an id: accepted, never answered.
    Notification,
    /// The client's answer to a request of the server.
    Response,
    /// A request that is not served.
    Unsupported,
}

/// Classifies a message; `method` is unescaped, absent in a response.
///
/// The id decides between request and notification: a notification's name with an id is no method of MCP, and a
/// request's name without one asks for no answer.
pub fn classify(method: Option<&[u8]>, has_id: bool) -> Action {
    let Some(method) = method else {
        return if has_id { Action::Response } else { Action::Unsupported };
    };
    if has_id { request(method) } else { notification(method) }
}

fn request(method: &[u8]) -> Action {
    match method {
        b"tools/call" => Action::ToolsCall,
        b"tools/list" => Action::ToolsList,
        b"ping" => Action::Ping,
        b"initialize" => Action::Initialize,
        _ => Action::Unsupported,
    }
}

fn notification(method: &[u8]) -> Action {
    match method {
        b"notifications/initialized" => Action::Initialized,
        b"notifications/cancelled" => Action::Cancelled,
        _ => Action::Notification,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_and_id_decide_what_a_message_is() {
        let check = |method: Option<&str>, has_id, expected| {
            assert_eq!(classify(method.map(str::as_bytes), has_id), expected, "{method:?} {has_id}");
        };
        check(Some("initialize"), true, Action::Initialize);
        check(Some("ping"), true, Action::Ping);
        check(Some("tools/list"), true, Action::ToolsList);
        check(Some("tools/call"), true, Action::ToolsCall);
        check(Some("notifications/initialized"), false, Action::Initialized);
        check(Some("notifications/cancelled"), false, Action::Cancelled);
        check(Some("notifications/progress"), false, Action::Notification);
        check(Some("tools/call"), false, Action::Notification);
        check(Some("notifications/initialized"), true, Action::Unsupported);
        check(Some("Tools/Call"), true, Action::Unsupported);
        check(Some("resources/list"), true, Action::Unsupported);
        check(Some(""), true, Action::Unsupported);
        check(None, true, Action::Response);
        check(None, false, Action::Unsupported);
    }
}
