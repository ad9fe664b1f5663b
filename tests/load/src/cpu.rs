//! Processor time of the senders, workerd and the origin, as the kernel counts it. Without /proc all
//! shares are 0.

use std::time::Instant;

/// The processes with their processor time at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    workerd: u32,
    origin: u32,
    at: Instant,
    taken: [Option<f64>; 3],
    machine: Option<(f64, f64)>,
}

/// The processor time of each process during a run; 1 is one processor all the time.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuUsage {
    /// The senders.
    pub senders: f64,
    /// workerd, whose handlers share one thread.
    pub workerd: f64,
    /// The origin, which has one thread.
    pub origin: f64,
    /// The busy share of the whole machine, including other programs.
    pub machine: f64,
}

impl Meter {
    /// Starts a measurement.
    pub fn start(workerd: u32, origin: u32) -> Self {
        let taken = [std::process::id(), workerd, origin].map(cpu_time);
        Self { workerd, origin, at: Instant::now(), taken, machine: machine_time() }
    }

    /// Returns the processor time since the start.
    pub fn read(&self) -> CpuUsage {
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
        CpuUsage { senders: busy(0), workerd: busy(1), origin: busy(2), machine }
    }
}

impl CpuUsage {
    /// Names the resource that was exhausted.
    pub fn limit(&self) -> String {
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        if self.workerd >= EXHAUSTED {
            return format!("workerd, whose only thread was busy {} of the time", percent(self.workerd));
        }
        if self.origin >= EXHAUSTED {
            return format!("the origin, which was busy {} of the time", percent(self.origin));
        }
        if self.machine >= EXHAUSTED {
            return format!(
                "the machine, which was busy {} of the time (workerd {}, the senders {}, the origin {}, and other programs)",
                percent(self.machine),
                percent(self.workerd),
                percent(self.senders),
                percent(self.origin),
            );
        }
        "neither a processor nor the origin; something else delays requests".into()
    }
}

/// Seconds of processor time of a process, with all its threads.
fn cpu_time(process: u32) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The process name, which may contain blanks, ends with a bracket.
    let fields: Vec<&str> = text.rsplit(") ").next()?.split(' ').collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

/// The idle and the total time of the machine, in ticks of all its processors.
fn machine_time() -> Option<(f64, f64)> {
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

/// Ticks per second in /proc, which do not depend on the kernel's clock.
const TICKS_PER_SECOND: f64 = 100.0;
/// The share above which a resource counts as exhausted.
const EXHAUSTED: f64 = 0.9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_names_the_exhausted_resource() {
        let idle = CpuUsage { senders: 0.2, workerd: 0.5, origin: 0.1, machine: 0.5 };
        let table = [
            (
                CpuUsage { workerd: 0.97, machine: 1.0, ..idle },
                "workerd, whose only thread was busy 97 % of the time",
            ),
            (CpuUsage { origin: 0.95, ..idle }, "the origin, which was busy 95 % of the time"),
            (idle, "neither a processor nor the origin; something else delays requests"),
        ];
        for (busy, expect) in table {
            assert_eq!(busy.limit(), expect);
        }
        assert!(CpuUsage { machine: 0.99, ..idle }.limit().starts_with("the machine, which was busy 99 %"));
    }
}
