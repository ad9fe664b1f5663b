//! Jobs side by side: each as soon as what it comes after is done and a lane is free, in the order given.
//! What the jobs do, and what is said of them, is the caller's.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

/// Something to do.
pub struct Job<'a> {
    /// How others name it.
    pub name: &'static str,
    /// What must have been done before.
    pub after: &'a [&'static str],
    /// Does it.
    pub run: Box<dyn Fn() -> Result<()> + Sync + 'a>,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waits,
    Runs,
    Done,
    Failed,
}

/// Does them all, so many at once, and tells each one's end as it comes. What comes after a job that
/// failed, or after one that is not there, fails without being run.
pub fn run(jobs: &[Job], lanes: usize, told: impl Fn(&Job, Result<()>, Duration) + Sync) {
    let states = Mutex::new(vec![State::Waits; jobs.len()]);
    let changed = Condvar::new();
    std::thread::scope(|scope| {
        for _ in 0..lanes.max(1) {
            scope.spawn(|| {
                while let Some(next) = taken(jobs, &states, &changed) {
                    let started = Instant::now();
                    let job = &jobs[next];
                    let missing = missing(jobs, &lock(&states), job);
                    let outcome = match missing {
                        Some(name) => Err(anyhow!("it needs `{name}`, which failed")),
                        None => (job.run)(),
                    };
                    let state = if outcome.is_ok() { State::Done } else { State::Failed };
                    told(job, outcome, started.elapsed());
                    lock(&states)[next] = state;
                    changed.notify_all();
                }
            });
        }
    });
}

/// The next job, once one may run; none, when all are taken.
fn taken(jobs: &[Job], states: &Mutex<Vec<State>>, changed: &Condvar) -> Option<usize> {
    let mut now = lock(states);
    loop {
        if !now.contains(&State::Waits) {
            return None;
        }
        if let Some(next) = next(jobs, &now) {
            now[next] = State::Runs;
            return Some(next);
        }
        now = changed.wait(now).unwrap_or_else(PoisonError::into_inner);
    }
}

/// The first that waits for nothing any more.
fn next(jobs: &[Job], states: &[State]) -> Option<usize> {
    let is_over = |name: &&str| !matches!(state_of(jobs, states, name), Some(State::Waits | State::Runs));
    jobs.iter().zip(states).position(|(job, state)| *state == State::Waits && job.after.iter().all(is_over))
}

/// What a job needs and will never have.
fn missing(jobs: &[Job], states: &[State], job: &Job) -> Option<&'static str> {
    job.after.iter().copied().find(|name| state_of(jobs, states, name) != Some(State::Done))
}

fn state_of(jobs: &[Job], states: &[State], name: &str) -> Option<State> {
    jobs.iter().zip(states).find(|(job, _)| job.name == name).map(|(_, state)| *state)
}

fn lock(states: &Mutex<Vec<State>>) -> MutexGuard<'_, Vec<State>> {
    states.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use anyhow::bail;

    use super::*;

    fn job<'a>(
        name: &'static str,
        after: &'a [&'static str],
        run: impl Fn() -> Result<()> + Sync + 'a,
    ) -> Job<'a> {
        Job { name, after, run: Box::new(run) }
    }

    /// What was told, in order.
    fn told(jobs: &[Job], lanes: usize) -> Vec<String> {
        let said = Mutex::new(Vec::new());
        run(jobs, lanes, |job, outcome, _| {
            let outcome = outcome.map_or_else(|error| format!(": {error}"), |()| String::new());
            said.lock().expect("nobody panicked").push(format!("{}{outcome}", job.name));
        });
        said.into_inner().expect("nobody panicked")
    }

    #[test]
    fn two_lanes_do_two_jobs_at_once() {
        // Neither ends before the other has begun.
        let both = Barrier::new(2);
        let meet = || {
            both.wait();
            Ok(())
        };
        assert_eq!(told(&[job("a", &[], meet), job("b", &[], meet)], 2).len(), 2);
    }

    #[test]
    fn one_lane_keeps_the_order() {
        let jobs = [job("a", &[], || Ok(())), job("b", &[], || Ok(())), job("c", &[], || Ok(()))];
        assert_eq!(told(&jobs, 1), ["a", "b", "c"]);
    }

    #[test]
    fn what_comes_after_waits_and_others_go_first() {
        let jobs =
            [job("tests", &["build"], || Ok(())), job("build", &[], || Ok(())), job("core", &[], || Ok(()))];
        assert_eq!(told(&jobs, 1), ["build", "tests", "core"]);
    }

    #[test]
    fn what_needs_a_failed_job_fails_without_being_run_and_the_rest_goes_on() {
        let jobs = [
            job("build", &[], || bail!("no compiler")),
            job("tests", &["build"], || unreachable!("there is nothing to test")),
            job("core", &[], || Ok(())),
        ];
        let told = told(&jobs, 2);
        for said in ["build: no compiler", "tests: it needs `build`, which failed", "core"] {
            assert!(told.iter().any(|one| one == said), "{told:?}");
        }
    }
}
