//! The `aws-chunked` framing of S3 uploads: chunks, their signatures, trailers.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>

use aws_sigv4::sign::v4::{SigningParams, sign_chunk};
use bytes::{Bytes, BytesMut};

use crate::sigv4::{Refusal, same};

/// Takes the framing off. With `seed` (the request's own signature and how it was made) each
/// chunk must carry a signature that follows from the one before it.
///
/// # Errors
/// [`Refusal::Incomplete`] when the framing is broken, [`Refusal::Mismatch`] when a chunk was
/// not signed with the key.
pub fn decode(
    framed: &Bytes,
    seed: Option<(&str, &SigningParams<'_, ()>)>,
) -> Result<Bytes, Refusal> {
    let mut rest = framed.clone();
    let mut body = BytesMut::new();
    let mut previous = seed.map(|(signature, _)| signature.to_owned());
    loop {
        let line = take_line(&mut rest)?;
        let (size, extension) = line.split_once(';').unwrap_or((&line, ""));
        let size = usize::from_str_radix(size.trim(), 16).map_err(|_| broken())?;
        if rest.len() < size {
            return Err(broken());
        }
        let chunk = rest.split_to(size);
        if let (Some((_, params)), Some(before)) = (seed, &previous) {
            let given = extension
                .trim()
                .strip_prefix("chunk-signature=")
                .ok_or_else(broken)?;
            let expected = sign_chunk(&chunk, before, params).map_err(|_| Refusal::Mismatch)?;
            if !same(expected.signature(), given) {
                return Err(Refusal::Mismatch);
            }
            previous = Some(given.to_owned());
        }
        if size == 0 {
            // What follows are trailers: checksums of what has already been checked.
            return Ok(body.freeze());
        }
        body.extend_from_slice(&chunk);
        if !take_line(&mut rest)?.is_empty() {
            return Err(broken());
        }
    }
}

fn take_line(rest: &mut Bytes) -> Result<String, Refusal> {
    let end = rest
        .windows(2)
        .position(|two| two == b"\r\n")
        .ok_or_else(broken)?;
    let line = rest.split_to(end);
    let _ = rest.split_to(2);
    String::from_utf8(line.to_vec()).map_err(|_| broken())
}

fn broken() -> Refusal {
    Refusal::Incomplete("The request body is not valid aws-chunked framing".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined_and_trailers_left_out() {
        let framed = Bytes::from_static(
            b"3\r\nabc\r\n4\r\ndefg\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n",
        );
        assert_eq!(decode(&framed, None).expect("valid"), "abcdefg");
    }

    #[test]
    fn broken_framing_is_refused_and_never_read_beyond_its_end() {
        for framed in [
            "",
            "3\r\nab",
            "zz\r\nabc\r\n",
            "3\r\nabcX\r\n0\r\n\r\n",
            "ffffffffff\r\n",
        ] {
            let framed = Bytes::copy_from_slice(framed.as_bytes());
            assert!(decode(&framed, None).is_err(), "{framed:?}");
        }
    }
}
