//! What hyper refuses by itself, before there is a request that a layer could see, leaves as every
//! other refusal does: as a problem document with a request id, counted and logged. hyper has no
//! hook for that (`Server::on_error` in its src/proto/h1/role.rs): it writes a bare status and
//! closes. So those bytes are replaced on their way out.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::to_bytes;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::{Buf, Bytes};
use futures::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::app::App;
use crate::observe;
use crate::problem::ApiError;

/// hyper's own refusals are of about 90 bytes.
const REFUSAL_BYTES_MAX: usize = 256;
/// How long a caller that was refused may go on sending. A close with bytes unread is a reset, and
/// that takes the answer from the caller's hands (RFC 9112 §9.6).
const LINGER: Duration = Duration::from_secs(1);

/// A connection whose refusals by hyper say why.
pub(crate) struct Explained<S> {
    stream: S,
    app: App,
    /// Something was written since the last read. hyper's own refusal is the first thing that is;
    /// the end of some body that looks like one is not.
    has_answered: bool,
    /// What is left of the answer that goes out in place of hyper's.
    explanation: Bytes,
    was_refused: bool,
    lingering: Option<Pin<Box<Sleep>>>,
}

impl<S> Explained<S> {
    pub(crate) fn new(stream: S, app: App) -> Self {
        Self {
            stream,
            app,
            has_answered: false,
            explanation: Bytes::new(),
            was_refused: false,
            lingering: None,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Explained<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, into))?;
        if into.filled().len() > before {
            self.has_answered = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Explained<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let stream = &mut this.stream;
        if this.explanation.is_empty() {
            let refusal = (!this.has_answered).then(|| refusal(bytes)).flatten();
            let Some((status, date)) = refusal else {
                let written = ready!(Pin::new(stream).poll_write(context, bytes))?;
                this.has_answered = true;
                return Poll::Ready(Ok(written));
            };
            this.explanation = explain(&this.app, status, date);
            this.was_refused = true;
        }
        while this.explanation.has_remaining() {
            match ready!(Pin::new(&mut *stream).poll_write(context, &this.explanation))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => this.explanation.advance(written),
            }
        }
        this.has_answered = true;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A refusal is one piece: it has no body.
        if let [piece] = pieces {
            return self.poll_write(context, piece);
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, pieces))?;
        self.has_answered = true;
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Ends our side and, after a refusal, takes what the caller still sends, for a moment.
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
        if !this.was_refused {
            return Poll::Ready(Ok(()));
        }
        let lingering = this
            .lingering
            .get_or_insert_with(|| Box::pin(sleep(LINGER)));
        let mut thrown_away = [0; 8 * 1024];
        while lingering.as_mut().poll(context).is_pending() {
            let mut into = ReadBuf::new(&mut thrown_away);
            let read = ready!(Pin::new(&mut this.stream).poll_read(context, &mut into));
            if read.is_err() || into.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The status and the date of an answer that hyper itself has made: a head that says no more
/// than that there is no body and that the connection ends. Every answer of ours says more.
fn refusal(bytes: &[u8]) -> Option<(StatusCode, &str)> {
    if bytes.len() > REFUSAL_BYTES_MAX || !bytes.starts_with(b"HTTP/1.") {
        return None;
    }
    let head = std::str::from_utf8(bytes).ok()?.strip_suffix("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = match lines.next()?.split(' ').nth(1)? {
        "400" => StatusCode::BAD_REQUEST,
        "414" => StatusCode::URI_TOO_LONG,
        "431" => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        _ => return None,
    };
    let mut date = "";
    for line in lines {
        match line.split_once(": ")? {
            ("connection", "close") | ("content-length", "0") => {}
            ("date", value) => date = value,
            _ => return None,
        }
    }
    Some((status, date))
}

/// Our answer in full, head and body.
fn explain(app: &App, status: StatusCode, date: &str) -> Bytes {
    let error = match status {
        StatusCode::URI_TOO_LONG => ApiError::UriTooLong,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => ApiError::HeadTooLarge,
        _ => ApiError::BadRequest(
            "This is no HTTP/1.1 request: its first line or one of its headers breaks RFC 9112. \
             TLS ends before this port."
                .into(),
        ),
    };
    let response: Response = observe::unreadable(app, || error.into_response());
    let (head, body) = response.into_parts();
    // All of it is there: a problem document is not streamed.
    let body = to_bytes(body, usize::MAX).now_or_never();
    let body = body.and_then(Result::ok).unwrap_or_default();
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\ndate: {date}\r\n",
        body.len()
    )
    .into_bytes();
    for (name, value) in &head.headers {
        for piece in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            answer.extend_from_slice(piece);
        }
    }
    answer.extend_from_slice(b"\r\n");
    answer.extend_from_slice(&body);
    answer.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Sun, 22 Nov 2026 06:00:00 GMT";

    #[test]
    fn what_hyper_refuses_is_known_by_its_empty_head() {
        for (line, status) in [
            ("HTTP/1.1 400 Bad Request", 400),
            ("HTTP/1.1 414 URI Too Long", 414),
            ("HTTP/1.0 431 Request Header Fields Too Large", 431),
        ] {
            let head =
                format!("{line}\r\nconnection: close\r\ncontent-length: 0\r\ndate: {DATE}\r\n\r\n");
            let found = refusal(head.as_bytes()).map(|(status, date)| (status.as_u16(), date));
            assert_eq!(found, Some((status, DATE)), "{head}");
        }
    }

    #[test]
    fn an_answer_of_ours_or_a_part_of_one_is_none() {
        for other in [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\nx-request-id: 7\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n",
            "HTTP/1.1",
            "{}",
            "",
        ] {
            assert_eq!(refusal(other.as_bytes()), None, "{other}");
        }
    }
}
