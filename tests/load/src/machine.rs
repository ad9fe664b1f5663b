//! Who was busy meanwhile: processor time of the senders, of workerd and of the origin, as the kernel
//! counts it. Where there is no /proc, nothing can be told.

use std::time::Instant;

/// The processes, and what they had taken at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    workerd: u32,
    origin: u32,
    at: Instant,
    taken: [Option<f64>; 3],
    machine: Option<(f64, f64)>,
}

/// How busy each was, 1 being one processor all the time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Busy {
    /// The senders.
    pub senders: f64,
    /// workerd, whose handlers share one thread.
    pub workerd: f64,
    /// The origin, which has one thread.
    pub origin: f64,
    /// The share of the whole machine that was busy, other programs' work included.
    pub machine: f64,
}

impl Meter {
    /// From now on.
    pub fn start(workerd: u32, origin: u32) -> Self {
        let taken = [std::process::id(), workerd, origin].map(taken);
        Self { workerd, origin, at: Instant::now(), taken, machine: machine() }
    }

    /// Until now.
    pub fn read(&self) -> Busy {
        let later = Self::start(self.workerd, self.origin);
        let seconds = later.at.duration_since(self.at).as_secs_f64();
        let busy = |index: usize| match (self.taken[index], later.taken[index]) {
            (Some(before), Some(after)) => (after - before) / seconds,
            _ => 0.0,
        };
        let machine = match (self.machine, later.machine) {
            (Some(before), Some(after)) if after.1 > before.1 => {
                1.0 - (after.0 - before.0) / (after.1 - before.1)
            }
            _ => 0.0,
        };
        Busy { senders: busy(0), workerd: busy(1), origin: busy(2), machine }
    }
}

impl Busy {
    /// What had nothing left, in words.
    pub fn limit(&self) -> String {
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        if self.workerd >= FULL {
            return format!("workerd, whose one thread was busy for {} of the time", percent(self.workerd));
        }
        if self.origin >= FULL {
            return format!("the origin, which was busy for {} of the time", percent(self.origin));
        }
        if self.machine >= FULL {
            return format!(
                "the machine, which was busy for {} of the time (workerd {}, the senders {}, the origin {}, and others)",
                percent(self.machine),
                percent(self.workerd),
                percent(self.senders),
                percent(self.origin),
            );
        }
        "neither a processor nor the origin: something waits".into()
    }
}

/// Seconds of processor time that a process has taken, with all its threads.
fn taken(process: u32) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, which may hold blanks, ends with a bracket.
    let fields: Vec<&str> = text.rsplit(") ").next()?.split(' ').collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS)
}

/// How long the machine was idle, and how long there was, in ticks of all its processors.
fn machine() -> Option<(f64, f64)> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let all: Vec<f64> = text
        .lines()
        .next()?
        .split_whitespace()
        .skip(1)
        .take(8)
        .filter_map(|tick| tick.parse().ok())
        .collect();
    Some((all.get(3)? + all.get(4)?, all.iter().sum()))
}

/// Linux counts in hundredths of a second, whatever its own clock does.
const TICKS: f64 = 100.0;
/// Above this there is nothing left.
const FULL: f64 = 0.9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gave_is_what_had_nothing_left() {
        let idle = Busy { senders: 0.2, workerd: 0.5, origin: 0.1, machine: 0.5 };
        let table = [
            (
                Busy { workerd: 0.97, machine: 1.0, ..idle },
                "workerd, whose one thread was busy for 97 % of the time",
            ),
            (Busy { origin: 0.95, ..idle }, "the origin, which was busy for 95 % of the time"),
            (idle, "neither a processor nor the origin: something waits"),
        ];
        for (busy, expect) in table {
            assert_eq!(busy.limit(), expect);
        }
        assert!(Busy { machine: 0.99, ..idle }.limit().starts_with("the machine, which was busy for 99 %"));
    }
}
