//! What goes wrong on purpose, in rehearsals.

use std::time::Duration;

use super::reader::Reader;

/// The names read here, without the prefix.
pub(super) const NAMES: &[&str] = &[
    "FAULT_CRASH_AFTER_MS",
    "FAULT_NEVER_READY",
    "FAULT_FAIL_PERCENT",
    "FAULT_LATENCY_MS",
    "FAULT_LEAK_KB_PER_REQUEST",
];

/// Faults on purpose, for rehearsals. The default is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// Exit with 1 this long after the start.
    pub crash_after: Option<Duration>,
    /// Never answer that the process is ready.
    pub never_ready: bool,
    /// The share of business requests that fail, from 0 to 100.
    pub fail_percent: f64,
    /// Added to each business request.
    pub latency: Duration,
    /// Memory that each business request keeps for ever, in KiB.
    pub leak_kib_per_request: usize,
}

/// Reads the faults; only called where rehearsal is on.
pub(super) fn read(reader: &mut Reader) -> Faults {
    const HOUR_MS: u64 = 3_600_000;
    const LEAK_KIB_MAX: u64 = 1024 * 1024;
    let crash = reader
        .get("FAULT_CRASH_AFTER_MS")
        .is_some()
        .then(|| Duration::from_millis(reader.number("FAULT_CRASH_AFTER_MS", 0, HOUR_MS)));
    Faults {
        crash_after: crash,
        never_ready: reader.switch("FAULT_NEVER_READY"),
        fail_percent: reader
            .parsed("FAULT_FAIL_PERCENT", "0", |text| {
                text.parse::<f64>()
                    .ok()
                    .filter(|percent| (0.0..=100.0).contains(percent))
                    .ok_or_else(|| "is not a number from 0 to 100".into())
            })
            .unwrap_or_default(),
        latency: Duration::from_millis(reader.number("FAULT_LATENCY_MS", 0, HOUR_MS)),
        leak_kib_per_request: usize::try_from(reader.number(
            "FAULT_LEAK_KB_PER_REQUEST",
            0,
            LEAK_KIB_MAX,
        ))
        .unwrap_or_default(),
    }
}
