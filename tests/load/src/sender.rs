//! A persistent connection. If it breaks, its request counts as wrong, and the next request opens another.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::workload::PlannedRequest;

/// A connection to the edge.
pub struct Sender {
    at: SocketAddr,
    host: String,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Sender {
    /// Creates a sender, which connects with its first request.
    pub const fn new(at: SocketAddr, host: String) -> Self {
        Self { at, host, connection: None }
    }

    /// Sends a request, checks the whole response, and returns its size.
    pub async fn send(&mut self, planned: &PlannedRequest) -> Result<u64, String> {
        let (status, body) = self.answer(planned).await?;
        if status != 200 {
            return Err(format!("status {status}"));
        }
        match planned.accepts(&body) {
            true => Ok(body.len() as u64),
            false => Err("the body is not that of its path".into()),
        }
    }

    /// Sends a GET and returns its status and body.
    pub async fn get(&mut self, path: &str) -> Result<(u16, Bytes), String> {
        let planned = PlannedRequest {
            kind: 0,
            path: path.into(),
            body: None,
            expected: crate::workload::Expected::Anything,
        };
        self.answer(&planned).await
    }

    async fn answer(&mut self, planned: &PlannedRequest) -> Result<(u16, Bytes), String> {
        // Keep the connection only after a complete response: one that breaks or lags is not reused.
        let mut connection = match self.connection.take() {
            Some(connection) if !connection.is_closed() => connection,
            _ => connect(self.at).await?,
        };
        let request = request(planned, &self.host)?;
        let response = async {
            let answer =
                connection.send_request(request).await.map_err(|error| format!("no response: {error}"))?;
            let status = answer.status().as_u16();
            let body = answer
                .into_body()
                .collect()
                .await
                .map_err(|error| format!("incomplete response: {error}"))?;
            Ok((status, body.to_bytes()))
        };
        let answer = tokio::time::timeout(TIMEOUT, response)
            .await
            .map_err(|_| format!("no response within {} s", TIMEOUT.as_secs()))?;
        self.connection = Some(connection);
        answer
    }
}

async fn connect(at: SocketAddr) -> Result<SendRequest<Full<Bytes>>, String> {
    let stream = TcpStream::connect(at).await.map_err(|error| format!("no connection: {error}"))?;
    stream.set_nodelay(true).map_err(|error| format!("no connection: {error}"))?;
    let (connection, driver) =
        handshake(TokioIo::new(stream)).await.map_err(|error| format!("no connection: {error}"))?;
    tokio::spawn(driver);
    Ok(connection)
}

fn request(planned: &PlannedRequest, host: &str) -> Result<Request<Full<Bytes>>, String> {
    let method = if planned.body.is_some() { Method::POST } else { Method::GET };
    let body = planned.body.clone().map(Bytes::from).unwrap_or_default();
    Request::builder()
        .method(method)
        .uri(&planned.path)
        .header(HOST, host)
        .header(USER_AGENT, AGENT)
        .header(CONTENT_TYPE, "text/plain")
        .body(Full::new(body))
        .map_err(|error| format!("invalid request: {error}"))
}

/// A browser's user agent, because bots are counted apart.
const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36";
const TIMEOUT: Duration = Duration::from_secs(10);
