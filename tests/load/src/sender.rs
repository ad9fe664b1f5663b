//! A connection of a sender, kept as long as it holds. A request whose connection breaks is a wrong
//! answer; only the next one gets another.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::traffic::Sent;

/// A connection.
pub struct Sender {
    at: SocketAddr,
    host: String,
    open: Option<SendRequest<Full<Bytes>>>,
}

impl Sender {
    /// Not connected yet.
    pub const fn new(at: SocketAddr, host: String) -> Self {
        Self { at, host, open: None }
    }

    /// Sends, and reads the answer to its end; what was wrong with it, if anything was.
    pub async fn send(&mut self, sent: &Sent) -> Result<u64, String> {
        let (status, body) = self.answer(sent).await?;
        if status != 200 {
            return Err(format!("status {status}"));
        }
        match sent.is_answered_by(&body) {
            true => Ok(body.len() as u64),
            false => Err("not the body that belongs to its path".into()),
        }
    }

    /// The answer to a GET: its status and body.
    pub async fn get(&mut self, path: &str) -> Result<(u16, Bytes), String> {
        let sent =
            Sent { kind: 0, path: path.into(), body: None, expected: crate::traffic::Expected::Anything };
        self.answer(&sent).await
    }

    async fn answer(&mut self, sent: &Sent) -> Result<(u16, Bytes), String> {
        // Until the answer is whole, the connection is nobody's: one that breaks or lags is not used again.
        let mut open = match self.open.take() {
            Some(open) if !open.is_closed() => open,
            _ => connected(self.at).await?,
        };
        let request = request(sent, &self.host)?;
        let whole = async {
            let answer = open.send_request(request).await.map_err(|error| format!("no answer: {error}"))?;
            let status = answer.status().as_u16();
            let body =
                answer.into_body().collect().await.map_err(|error| format!("half an answer: {error}"))?;
            Ok((status, body.to_bytes()))
        };
        let answer = tokio::time::timeout(PATIENCE, whole)
            .await
            .map_err(|_| format!("no answer within {} s", PATIENCE.as_secs()))?;
        self.open = Some(open);
        answer
    }
}

async fn connected(at: SocketAddr) -> Result<SendRequest<Full<Bytes>>, String> {
    let stream = TcpStream::connect(at).await.map_err(|error| format!("no connection: {error}"))?;
    stream.set_nodelay(true).map_err(|error| format!("no connection: {error}"))?;
    let (open, connection) =
        handshake(TokioIo::new(stream)).await.map_err(|error| format!("no connection: {error}"))?;
    tokio::spawn(connection);
    Ok(open)
}

fn request(sent: &Sent, host: &str) -> Result<Request<Full<Bytes>>, String> {
    let method = if sent.body.is_some() { Method::POST } else { Method::GET };
    let body = sent.body.clone().map(Bytes::from).unwrap_or_default();
    Request::builder()
        .method(method)
        .uri(&sent.path)
        .header(HOST, host)
        .header(USER_AGENT, AGENT)
        .header(CONTENT_TYPE, "text/plain")
        .body(Full::new(body))
        .map_err(|error| format!("no request: {error}"))
}

/// Robots are counted apart.
const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36";
const PATIENCE: Duration = Duration::from_secs(10);
