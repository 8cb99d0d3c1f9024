//! AWS times to ours.

use aws_smithy_types::DateTime;
use jiff::Timestamp;

/// `None` for times outside of what can be told.
pub fn timestamp(time: Option<&DateTime>) -> Option<Timestamp> {
    let time = time?;
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}

/// For requests; whole milliseconds are as fine as AWS's own.
pub fn date_time(time: Timestamp) -> DateTime {
    DateTime::from_millis(time.as_millisecond())
}
