//! Fetches a registry blob from the pre-signed URL that ECR hands out.

use aws_smithy_runtime_api::client::{
    http::HttpConnector,
    orchestrator::{HttpRequest, HttpResponse},
};
use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Image configs are a few kilobytes.
const BYTES_MAX: usize = 1 << 20;
const TIMEOUT: Duration = Duration::from_secs(10);

/// The blob, if what comes is what the digest says. Follows no redirect: the URL is S3's own.
pub async fn blob(url: &str, digest: &str) -> Result<Vec<u8>, String> {
    let request = HttpRequest::get(url).map_err(|error| error.to_string())?;
    let fetched = async {
        let response: HttpResponse = super::session::connector()
            .call(request)
            .await
            .map_err(|error| error.to_string())?;
        if !response.status().is_success() {
            return Err(format!("HTTP {}", response.status().as_u16()));
        }
        collect(response.into_body()).await
    };
    let bytes = tokio::time::timeout(TIMEOUT, fetched)
        .await
        .map_err(|_| "no answer in time".to_owned())??;
    let found = Sha256::digest(&bytes)
        .iter()
        .fold("sha256:".to_owned(), |text, byte| {
            text + &format!("{byte:02x}")
        });
    if found == digest {
        Ok(bytes)
    } else {
        Err(format!("the blob is {found} and not {digest}"))
    }
}

async fn collect(body: SdkBody) -> Result<Vec<u8>, String> {
    let mut stream = ByteStream::new(body);
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk.map_err(|error| error.to_string())?);
        if bytes.len() > BYTES_MAX {
            return Err(format!("more than {BYTES_MAX} bytes"));
        }
    }
    Ok(bytes)
}
