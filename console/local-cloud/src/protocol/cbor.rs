//! The CBOR of Smithy's RPC v2 protocol, to and from JSON values.
//!
//! Timestamps are the one thing JSON has no type for: on the wire they carry tag 1 (RFC 8949
//! §3.4.2), in a value they are epoch seconds under a member known to be a timestamp.
//! <https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>

use minicbor::data::{IanaTag, Type};
use minicbor::{Decoder, Encoder};
use serde_json::{Map, Number, Value};

/// How deep a request may nest; the deepest request known here nests six levels.
const DEPTH_MAX: u8 = 32;

/// The bytes were not CBOR, or CBOR that no AWS request contains.
#[derive(Debug, thiserror::Error)]
#[error("the body is not valid CBOR: {0}")]
pub struct CborError(String);

impl From<minicbor::decode::Error> for CborError {
    fn from(error: minicbor::decode::Error) -> Self {
        Self(error.to_string())
    }
}

/// Reads one item; an empty body is an empty structure.
///
/// # Errors
/// When the bytes are not CBOR, nest too deeply, or hold a type that Smithy does not use.
pub fn decode(bytes: &[u8]) -> Result<Value, CborError> {
    if bytes.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    item(&mut Decoder::new(bytes), 0)
}

fn item(d: &mut Decoder<'_>, depth: u8) -> Result<Value, CborError> {
    if depth > DEPTH_MAX {
        return Err(CborError("nested too deeply".into()));
    }
    Ok(match d.datatype()? {
        Type::Bool => Value::Bool(d.bool()?),
        Type::Null => {
            d.null()?;
            Value::Null
        }
        Type::Undefined => {
            d.undefined()?;
            Value::Null
        }
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => Value::from(d.u64()?),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => Value::from(d.i64()?),
        Type::F16 => float(f64::from(d.f16()?)),
        Type::F32 => float(f64::from(d.f32()?)),
        Type::F64 => float(d.f64()?),
        Type::String | Type::StringIndef => {
            let mut text = String::new();
            for part in d.str_iter()? {
                text.push_str(part?);
            }
            Value::String(text)
        }
        Type::Bytes | Type::BytesIndef => {
            let mut bytes = Vec::new();
            for part in d.bytes_iter()? {
                bytes.extend_from_slice(part?);
            }
            Value::String(String::from_utf8_lossy(&bytes).into_owned())
        }
        Type::Array | Type::ArrayIndef => {
            let mut items = Vec::new();
            let mut left = d.array()?;
            while more(d, &mut left)? {
                items.push(item(d, depth + 1)?);
            }
            Value::Array(items)
        }
        Type::Map | Type::MapIndef => {
            let mut map = Map::new();
            let mut left = d.map()?;
            while more(d, &mut left)? {
                let key = d.str()?.to_owned();
                map.insert(key, item(d, depth + 1)?);
            }
            Value::Object(map)
        }
        Type::Tag => {
            d.tag()?;
            item(d, depth + 1)?
        }
        other => return Err(CborError(format!("unexpected {other}"))),
    })
}

/// Whether a collection has another item; consumes the break of one without a length.
fn more(d: &mut Decoder<'_>, left: &mut Option<u64>) -> Result<bool, CborError> {
    match left {
        Some(0) => Ok(false),
        Some(n) => {
            *n -= 1;
            Ok(true)
        }
        None if d.datatype()? == Type::Break => {
            d.skip()?;
            Ok(false)
        }
        None => Ok(true),
    }
}

fn float(value: f64) -> Value {
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// Writes a value; members for which `is_timestamp` holds (and lists under them) get tag 1.
pub fn encode(value: &Value, is_timestamp: fn(&str) -> bool) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    let written = write(&mut encoder, value, false, is_timestamp);
    debug_assert!(written.is_ok(), "writing into memory: {written:?}");
    encoder.into_writer()
}

type Written = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

fn write(
    e: &mut Encoder<Vec<u8>>,
    value: &Value,
    timestamp: bool,
    is_timestamp: fn(&str) -> bool,
) -> Written {
    match value {
        Value::Null => e.null()?,
        Value::Bool(b) => e.bool(*b)?,
        Value::String(s) => e.str(s)?,
        Value::Number(n) if timestamp => e
            .tag(IanaTag::Timestamp)?
            .f64(n.as_f64().unwrap_or_default())?,
        Value::Number(n) => match (n.as_u64(), n.as_i64()) {
            (Some(u), _) => e.u64(u)?,
            (None, Some(i)) => e.i64(i)?,
            (None, None) => e.f64(n.as_f64().unwrap_or_default())?,
        },
        Value::Array(items) => {
            e.array(items.len() as u64)?;
            for item in items {
                write(e, item, timestamp, is_timestamp)?;
            }
            e
        }
        Value::Object(map) => {
            let present = map.iter().filter(|(_, v)| !v.is_null());
            e.map(present.clone().count() as u64)?;
            for (name, child) in present {
                e.str(name)?;
                write(e, child, is_timestamp(name), is_timestamp)?;
            }
            e
        }
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_can_be_read_and_timestamps_carry_their_tag() {
        let value = json!({
            "Name": "x", "At": 1_700_000_000.5, "Values": [1.5, 2.0], "Count": 3, "Below": -4,
            "Nested": {"Flag": true}
        });
        let bytes = encode(&value, |name| name == "At");
        assert_eq!(decode(&bytes).expect("own output"), value);
        let tagged = bytes.windows(2).any(|w| w == [0xc1, 0xfb]);
        assert!(tagged, "tag 1 before the timestamp's float");
    }

    #[test]
    fn indefinite_collections_are_read_and_garbage_is_an_error() {
        // {_ "a": [_ 1, 2]}
        let value = decode(&[0xbf, 0x61, b'a', 0x9f, 1, 2, 0xff, 0xff]).expect("indefinite");
        assert_eq!(value, json!({"a": [1, 2]}));
        assert!(decode(&[0x9f, 1]).is_err());
        assert!(decode(&[0x81; 100]).is_err());
        assert_eq!(decode(&[]).expect("empty"), json!({}));
    }
}
