//! Measures how much CPU and memory a process uses.

use std::collections::HashMap;
use std::fs;
use std::process::Command;
use std::time::Instant;

/// Ticks of `/proc/PID/stat` in a second: `USER_HZ`, which is 100 on every Linux that Rust's
/// standard library supports.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process used since it was measured last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// Processor time over wall time: 1.0 is one core all the time.
    pub cores: f64,
    /// Resident memory.
    pub memory_bytes: u64,
}

/// Remembers the last measurement of each process.
#[derive(Debug, Default)]
pub struct UsageMeter {
    last: HashMap<u32, (Instant, f64)>,
}

impl UsageMeter {
    /// Measures a process; none the first time, since a rate needs two measurements, and none
    /// when it is gone.
    pub fn measure(&mut self, pid: u32) -> Option<Usage> {
        let now = Instant::now();
        let Some(reading) = read(pid) else {
            self.last.remove(&pid);
            return None;
        };
        let (then, before) = self.last.insert(pid, (now, reading.cpu_seconds))?;
        let elapsed = now.duration_since(then).as_secs_f64();
        (elapsed > 0.0).then(|| Usage {
            cores: (reading.cpu_seconds - before).max(0.0) / elapsed,
            memory_bytes: reading.memory_bytes,
        })
    }

    /// Forgets processes that are not in the list.
    pub fn keep(&mut self, pids: &[u32]) {
        self.last.retain(|pid, _| pids.contains(pid));
    }
}

struct Reading {
    cpu_seconds: f64,
    memory_bytes: u64,
}

fn read(pid: u32) -> Option<Reading> {
    if cfg!(target_os = "linux") {
        from_proc(pid)
    } else {
        from_ps(pid)
    }
}

fn from_proc(pid: u32) -> Option<Reading> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let resident = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kib: u64 = resident.split_whitespace().next()?.parse().ok()?;
    Some(Reading {
        cpu_seconds: cpu_ticks(&stat)? / TICKS_PER_SECOND,
        memory_bytes: kib * 1024,
    })
}

/// `utime` and `stime`, the 14th and 15th field of proc(5); the 2nd may hold spaces, so the
/// fields are counted from its closing parenthesis.
fn cpu_ticks(stat: &str) -> Option<f64> {
    let after_name = stat.rsplit_once(')')?.1;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn from_ps(pid: u32) -> Option<Reading> {
    let output = Command::new("ps")
        .args(["-o", "rss=,time=", "-p", &pid.to_string()])
        .output()
        .ok()?;
    parse_ps(&String::from_utf8_lossy(&output.stdout))
}

fn parse_ps(line: &str) -> Option<Reading> {
    let mut fields = line.split_whitespace();
    let kib: u64 = fields.next()?.parse().ok()?;
    let cpu_seconds = fields
        .next()?
        .split([':', '-'])
        .try_fold(0.0, |sum, part| {
            Some(sum * 60.0 + part.parse::<f64>().ok()?)
        })?;
    Some(Reading {
        cpu_seconds,
        memory_bytes: kib * 1024,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = "42 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 1";
        assert_eq!(cpu_ticks(stat), Some(200.0));
    }

    #[test]
    fn ps_gives_kibibytes_and_minutes() {
        let reading = parse_ps("  2048   1:02.50\n").expect("a reading");
        assert_eq!(reading.memory_bytes, 2 * 1024 * 1024);
        assert!((reading.cpu_seconds - 62.5).abs() < 1e-9);
        assert!(parse_ps("").is_none());
    }

    #[test]
    fn this_process_uses_memory() {
        let mut meter = UsageMeter::default();
        assert!(
            meter.measure(std::process::id()).is_none(),
            "a rate needs two"
        );
        let usage = meter.measure(std::process::id()).expect("the second");
        assert!(usage.memory_bytes > 100_000, "{usage:?}");
    }
}
