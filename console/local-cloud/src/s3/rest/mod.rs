//! S3's REST protocol: what a method, a path and headers ask of the buckets.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>

pub(crate) mod chunked;

use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::http::request::Parts;
use percent_encoding::percent_decode_str;

use super::buckets::{Buckets, Condition, Object};
use crate::http::{Answer, Served, WholeReply as Reply};
use crate::protocol::{AwsError, REGION, Xml, iso8601, now_ms};

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// The most keys that one page of a listing has.
const KEYS_MAX: usize = 1_000;

/// Bytes of a key's name.
const KEY_BYTES_MAX: usize = 1_024;

/// Answers one request; `action` is what the method and the path's depth ask for.
///
/// # Errors
/// S3's own errors.
pub(crate) fn handle(buckets: &Buckets, action: &str, head: &Parts, body: Bytes) -> Served {
    let place = Place::read(head)?;
    let (bucket, key) = (&*place.bucket, &*place.key);
    let reply = match action {
        "ListBuckets" => list_buckets(buckets),
        "CreateBucket" => create_bucket(buckets, bucket)?,
        "HeadBucket" => {
            buckets.check(bucket)?;
            Reply::empty(StatusCode::OK).with_header("x-amz-bucket-region", REGION)
        }
        "DeleteBucket" => {
            buckets.delete_bucket(bucket)?;
            Reply::empty(StatusCode::NO_CONTENT)
        }
        "ListObjectsV2" => list_objects(buckets, &place, head.uri.query().unwrap_or_default())?,
        "PutObject" => put(buckets, &place, head, body)?,
        "GetObject" => object_reply(buckets.get(bucket, key)?, head, true)?,
        "HeadObject" => object_reply(buckets.get(bucket, key)?, head, false)?,
        "DeleteObject" => {
            buckets.delete(bucket, key, &condition(head)?)?;
            Reply::empty(StatusCode::NO_CONTENT)
        }
        _ => {
            return Err(AwsError::client(
                "MethodNotAllowed",
                "The specified method is not allowed against this resource.",
            )
            .with_status(405));
        }
    };
    Ok(Answer::Whole(reply))
}

/// The bucket and the key that a path names.
struct Place {
    bucket: String,
    key: String,
}

impl Place {
    fn read(head: &Parts) -> Result<Self, AwsError> {
        let path = head.uri.path();
        let path = path.strip_prefix('/').unwrap_or(path);
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let decode = |text: &str| {
            percent_decode_str(text)
                .decode_utf8()
                .map(String::from)
                .map_err(|_| AwsError::client("InvalidURI", "Couldn't parse the specified URI."))
        };
        let key = decode(key)?;
        if key.len() > KEY_BYTES_MAX {
            return Err(AwsError::client("KeyTooLongError", "Your key is too long"));
        }
        Ok(Self {
            bucket: decode(bucket)?,
            key,
        })
    }
}

fn header<'a>(head: &'a Parts, name: &str) -> Option<&'a str> {
    head.headers.get(name)?.to_str().ok()
}

fn condition(head: &Parts) -> Result<Condition, AwsError> {
    match (header(head, "if-none-match"), header(head, "if-match")) {
        (None, None) => Ok(Condition::None),
        (Some("*"), None) => Ok(Condition::Absent),
        (None, Some(etag)) => Ok(Condition::Matches(etag.to_owned())),
        _ => Err(AwsError::server(
            "NotImplemented",
            "A header you provided implies functionality that is not implemented",
        )
        .with_status(501)),
    }
}

fn create_bucket(buckets: &Buckets, name: &str) -> Result<Reply, AwsError> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
    let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !(3..=63).contains(&name.len())
        || !name.chars().all(allowed)
        || !name.starts_with(ends)
        || !name.ends_with(ends)
    {
        return Err(AwsError::client(
            "InvalidBucketName",
            "The specified bucket is not valid.",
        ));
    }
    // In us-east-1 creating one's own bucket again succeeds; elsewhere it is 409.
    buckets.ensure_bucket(name);
    Ok(Reply::empty(StatusCode::OK).with_header("location", format!("/{name}")))
}

fn put(buckets: &Buckets, place: &Place, head: &Parts, body: Bytes) -> Result<Reply, AwsError> {
    let metadata: BTreeMap<String, String> = head
        .headers
        .iter()
        .filter_map(|(name, value)| {
            let name = name.as_str().strip_prefix("x-amz-meta-")?;
            Some((name.to_owned(), value.to_str().ok()?.to_owned()))
        })
        .collect();
    let object = Object {
        body,
        etag: String::new(),
        modified_ms: now_ms(),
        content_type: header(head, "content-type")
            .unwrap_or("binary/octet-stream")
            .to_owned(),
        metadata,
    };
    let etag = buckets.put(&place.bucket, &place.key, object, &condition(head)?)?;
    Ok(Reply::empty(StatusCode::OK).with_header("etag", etag))
}

fn object_reply(object: Object, head: &Parts, with_body: bool) -> Result<Reply, AwsError> {
    let same = |etags: &str| {
        etags == "*"
            || etags
                .split(',')
                .any(|etag| etag.trim().trim_matches('"') == object.etag.trim_matches('"'))
    };
    if header(head, "if-match").is_some_and(|etags| !same(etags)) {
        return Err(AwsError::client(
            "PreconditionFailed",
            "At least one of the pre-conditions you specified did not hold",
        )
        .with_status(412));
    }
    let reply = if header(head, "if-none-match").is_some_and(same) {
        Reply::empty(StatusCode::NOT_MODIFIED)
    } else if with_body {
        Reply::bytes(StatusCode::OK, &object.content_type, object.body)
    } else {
        Reply::empty(StatusCode::OK)
            .with_header("content-type", object.content_type)
            .with_header("content-length", object.body.len().to_string())
    };
    let mut reply = reply
        .with_header("etag", object.etag)
        .with_header("last-modified", http_date(object.modified_ms))
        .with_header("accept-ranges", "bytes");
    for (name, value) in object.metadata {
        reply = reply.with_metadata(&name, value);
    }
    Ok(reply)
}

/// A time as HTTP headers write it (RFC 9110 §5.6.7).
fn http_date(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .strftime("%a, %d %b %Y %H:%M:%S GMT")
        .to_string()
}

fn xml_reply(root: &str, content: &Xml) -> Reply {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root} xmlns=\"{NAMESPACE}\">{}</{root}>",
        content.as_str()
    );
    Reply::bytes(StatusCode::OK, "application/xml", body)
}

fn list_buckets(buckets: &Buckets) -> Reply {
    let mut xml = Xml::new();
    xml.element("Owner", |xml| {
        xml.text("ID", "local-cloud");
    })
    .element("Buckets", |xml| {
        for (name, created_ms) in buckets.list() {
            xml.element("Bucket", |xml| {
                xml.text("Name", name)
                    .text("CreationDate", iso8601(created_ms));
            });
        }
    });
    xml_reply("ListAllMyBucketsResult", &xml)
}

fn list_objects(buckets: &Buckets, place: &Place, query: &str) -> Result<Reply, AwsError> {
    let params: BTreeMap<String, String> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let param = |name: &str| params.get(name).map(String::as_str);
    if param("list-type") != Some("2") {
        return Err(AwsError::server(
            "NotImplemented",
            "Of the requests on a bucket, only ListObjectsV2 is implemented",
        )
        .with_status(501));
    }
    let prefix = param("prefix").unwrap_or_default();
    let delimiter = param("delimiter").unwrap_or_default();
    let keys_max = match param("max-keys").map(str::parse::<usize>) {
        None => KEYS_MAX,
        Some(Ok(max)) => max.min(KEYS_MAX),
        Some(Err(_)) => {
            return Err(AwsError::client(
                "InvalidArgument",
                "Provided max-keys not an integer or within integer range",
            ));
        }
    };
    // The token is the last key of the page before, in hexadecimal as keys may hold anything.
    let after = match param("continuation-token") {
        Some(token) => hex::decode(token)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| {
                AwsError::client(
                    "InvalidArgument",
                    "The continuation token provided is incorrect",
                )
            })?,
        None => param("start-after").unwrap_or_default().to_owned(),
    };
    let keys = buckets.keys(&place.bucket, prefix, &after)?;
    let truncated = keys.len() > keys_max;
    let page = &keys[..keys.len().min(keys_max)];
    let common: std::collections::BTreeSet<&str> = page
        .iter()
        .filter_map(|(key, _)| common_prefix(key, prefix, delimiter))
        .collect();
    let own: Vec<&(String, Object)> = page
        .iter()
        .filter(|(key, _)| common_prefix(key, prefix, delimiter).is_none())
        .collect();
    let mut xml = Xml::new();
    xml.text("Name", &place.bucket)
        .text("Prefix", prefix)
        .text("KeyCount", own.len() + common.len())
        .text("MaxKeys", keys_max)
        .text("IsTruncated", truncated);
    if truncated {
        let last = page.last().map_or("", |(key, _)| key.as_str());
        xml.text("NextContinuationToken", hex::encode(last));
    }
    for (key, object) in own {
        xml.element("Contents", |xml| {
            xml.text("Key", key)
                .text("LastModified", iso8601(object.modified_ms))
                .text("ETag", &object.etag)
                .text("Size", object.body.len())
                .text("StorageClass", "STANDARD");
        });
    }
    for prefix in common {
        xml.element("CommonPrefixes", |xml| {
            xml.text("Prefix", prefix);
        });
    }
    Ok(xml_reply("ListBucketResult", &xml))
}

/// What a key has in common with others up to the delimiter.
fn common_prefix<'a>(key: &'a str, prefix: &str, delimiter: &str) -> Option<&'a str> {
    if delimiter.is_empty() {
        return None;
    }
    let end = key[prefix.len()..].find(delimiter)? + prefix.len() + delimiter.len();
    Some(&key[..end])
}
