//! Splits what a process writes into lines of bounded length.

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use super::LineSink;

/// The longest event that CloudWatch Logs takes is 256 KiB less 26 bytes; a longer line becomes
/// several events, as the awslogs driver does it.
const LINE_BYTES_MAX: usize = 256 * 1024 - 26;

/// Reads to the end and gives each line, without its end, to the sink.
pub(super) async fn pump(from: impl AsyncRead + Unpin, sink: LineSink) {
    let mut reader = BufReader::with_capacity(64 * 1024, from);
    let mut line: Vec<u8> = Vec::new();
    loop {
        let available = match reader.fill_buf().await {
            Ok([]) | Err(_) => break,
            Ok(bytes) => bytes,
        };
        let (part, ended) = match available.iter().position(|b| *b == b'\n') {
            Some(at) => (&available[..at], true),
            None => (available, false),
        };
        let taken = part.len().min(LINE_BYTES_MAX - line.len());
        line.extend_from_slice(&part[..taken]);
        let whole = ended && taken == part.len();
        let consumed = if whole { taken + 1 } else { taken };
        reader.consume(consumed);
        if whole || line.len() == LINE_BYTES_MAX {
            give(&line, &sink);
            line.clear();
        }
    }
    give(&line, &sink);
}

fn give(line: &[u8], sink: &LineSink) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if !line.is_empty() {
        sink(line);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    async fn lines_of(input: &[u8]) -> Vec<usize> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink: LineSink = {
            let seen = seen.clone();
            Arc::new(move |line| seen.lock().expect("lock").push(line.len()))
        };
        pump(input, sink).await;
        let seen = seen.lock().expect("lock");
        seen.clone()
    }

    #[tokio::test]
    async fn a_line_of_ten_megabytes_becomes_many_events_and_the_next_line_is_its_own() {
        let mut input = vec![b'x'; 10_000_000];
        input.extend_from_slice(b"\nshort\r\n\nlast");
        let lengths = lines_of(&input).await;
        assert!(lengths.iter().all(|l| *l <= LINE_BYTES_MAX));
        assert_eq!(lengths.iter().sum::<usize>(), 10_000_000 + 5 + 4);
        assert_eq!(&lengths[lengths.len() - 2..], [5, 4]);
    }

    #[tokio::test]
    async fn a_line_of_exactly_the_limit_is_one_event() {
        let mut input = vec![b'x'; LINE_BYTES_MAX];
        input.extend_from_slice(b"\nnext\n");
        assert_eq!(lines_of(&input).await, [LINE_BYTES_MAX, 4]);
    }
}
