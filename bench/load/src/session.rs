//! One MCP session as a client holds it, and the link that carries it.

use std::io;
use std::time::Duration;

use serde::Deserialize;

use crate::check::{self, Check};
use crate::plan::{Plan, Target};
use crate::render::{Request, SessionHeaders};
use crate::tally::{Class, Failure};
use crate::wire::Answer;
use crate::{h2, wire};

/// A connection to one target that is opened when it is needed.
pub(crate) struct Link<'a> {
    pub(crate) target: &'a Target,
    connection: Option<Connection>,
    timeout: Duration,
    h2: bool,
    /// How many connections were opened.
    pub(crate) opened: u64,
    /// Number of the last request, from which its id is made.
    pub(crate) number: u64,
    /// Bytes of all bodies that were read.
    pub(crate) read: u64,
}

/// A connection of the protocol that the plan speaks.
enum Connection {
    H1(wire::Connection),
    H2(h2::Connection),
}

/// An open session and the request that it repeats.
pub(crate) struct Session {
    headers: SessionHeaders,
    request: Request,
    check: Check,
}

impl<'a> Link<'a> {
    pub(crate) fn new(plan: &'a Plan, index: usize) -> Self {
        let target = &plan.targets[index % plan.targets.len()];
        Self { target, connection: None, timeout: plan.timeout, h2: plan.h2, opened: 0, number: 0, read: 0 }
    }

    /// Sends a request and reads its answer; afterwards the connection is only kept when it can be used again.
    async fn exchange<T>(
        &mut self,
        request: &[u8],
        read: impl FnOnce(&Answer<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let answer = match tokio::time::timeout(self.timeout, connection.exchange(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(Failure::io(&error)),
            Err(_) => return Err(Failure::new(Class::Timeout, "no whole answer in time")),
        };
        self.read += answer.body.len() as u64;
        let (close, read) = (answer.close, read(&answer));
        if !close {
            self.connection = Some(connection);
        }
        read
    }

    async fn connect(&mut self) -> Result<Connection, Failure> {
        let opening = tokio::time::timeout(self.timeout, Connection::open(self.target, self.h2)).await;
        let opened = opening.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        self.opened += 1;
        opened.map_err(|e| Failure::new(Class::Connect, e.to_string()))
    }
}

impl Connection {
    async fn open(target: &Target, h2: bool) -> io::Result<Self> {
        if h2 {
            h2::Connection::open(target).await.map(Self::H2)
        } else {
            wire::Connection::open(target).await.map(Self::H1)
        }
    }

    async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        match self {
            Self::H1(connection) => connection.exchange(request).await,
            Self::H2(connection) => connection.exchange(request).await,
        }
    }
}

impl Session {
    /// Initialises a session.
    pub(crate) async fn open(
        plan: &Plan,
        link: &mut Link<'_>,
        tool: &str,
        check: Check,
    ) -> Result<Self, Failure> {
        let id = check::numbered(&mut link.number);
        let mut initialize = Request::initialize(plan, link.target);
        let headers = link.exchange(initialize.with_id(id), |answer| negotiated(answer, id)).await?;
        let mut initialized = Request::initialized(plan, link.target, &headers);
        link.exchange(initialized.with_id(0), |answer| check::status(answer, &[202, 200, 204])).await?;
        let request = Request::measured(plan, link.target, &headers, tool);
        Ok(Self { headers, request, check })
    }

    /// Sends the request once more.
    pub(crate) async fn request(&mut self, link: &mut Link<'_>) -> Result<(), Failure> {
        let id = check::numbered(&mut link.number);
        let check = &mut self.check;
        link.exchange(self.request.with_id(id), |answer| check.check(answer, id)).await
    }

    /// Asks for the first page of the tools.
    pub(crate) async fn list(&self, plan: &Plan, link: &mut Link<'_>) -> Result<(), Failure> {
        let id = check::numbered(&mut link.number);
        let mut list = Request::list(plan, link.target, &self.headers);
        link.exchange(list.with_id(id), |answer| Check::new(None, false, false).check(answer, id)).await
    }

    /// Ends the session; what was learned of the answers remains.
    pub(crate) async fn close(self, plan: &Plan, link: &mut Link<'_>) -> Result<Check, Failure> {
        if self.headers.id.is_some() {
            let mut delete = Request::delete(plan, link.target, &self.headers);
            link.exchange(delete.with_id(0), |answer| check::status(answer, &[200, 202, 204])).await?;
        }
        Ok(self.check)
    }

    /// Opens the GET stream of the session, on a connection of its own.
    pub(crate) async fn listen(&self, plan: &Plan, target: &Target) -> Result<wire::Connection, Failure> {
        let mut get = Request::listen(plan, target, &self.headers);
        let opening = async {
            let mut connection = wire::Connection::open(target).await?;
            let answer = connection.listen(get.with_id(0)).await?;
            let right = check::status(&answer, &[200]).and_then(|()| check::event_stream(&answer));
            Ok((right, connection))
        };
        match tokio::time::timeout(plan.timeout, opening).await {
            Ok(Ok((right, connection))) => right.map(|()| connection),
            Ok(Err(error)) => Err(Failure::io(&error)),
            Err(_) => Err(Failure::new(Class::Timeout, "no stream in time")),
        }
    }

    /// What was learned of the answers, for a session in the place of this one.
    pub(crate) fn into_check(self) -> Check {
        self.check
    }
}

fn negotiated(answer: &Answer<'_>, id: u64) -> Result<SessionHeaders, Failure> {
    #[derive(Deserialize)]
    struct Negotiated {
        result: Initialized,
    }
    #[derive(Deserialize)]
    struct Initialized {
        #[serde(rename = "protocolVersion")]
        version: String,
    }
    let text = Check::new(None, false, false).message(answer, id)?;
    let wrong = |e: serde_json::Error| Failure::new(Class::WrongAnswer, format!("initialize: {e}"));
    let negotiated: Negotiated = serde_json::from_str(&text).map_err(wrong)?;
    Ok(SessionHeaders { id: answer.session.clone(), version: negotiated.result.version })
}
