//! The pause before the next attempt. Pure.

use std::time::Duration;

const MOST: Duration = Duration::from_secs(3600);

/// Returns the pause after this attempt, from 1: 2ⁿ seconds, at most an hour, give or take 20 %.
pub(crate) fn after(attempt: u32) -> Duration {
    let pause = Duration::from_secs(1 << attempt.min(12)).min(MOST);
    jittered(pause)
}

/// Returns the pause after an attempt that ended with its process. The process may have been
/// stopped for other reasons than this task, so the first attempt is followed by no pause.
#[cfg(any(test, feature = "sqlite"))]
pub(crate) fn after_rescue(attempt: u32) -> Duration {
    match attempt {
        0 | 1 => Duration::ZERO,
        more => after(more - 1),
    }
}

/// Returns a random time of 80 to 120 % of `time`.
pub(crate) fn jittered(time: Duration) -> Duration {
    time.mul_f64(0.8 + 0.4 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour_and_are_jittered_by_a_fifth() {
        for (attempt, seconds) in [(1, 2.0), (2, 4.0), (9, 512.0), (12, 3600.0), (4000, 3600.0)] {
            for _ in 0..100 {
                let pause = after(attempt).as_secs_f64();
                assert!(
                    (0.8 * seconds..=1.2 * seconds).contains(&pause),
                    "{attempt}: {pause}"
                );
            }
        }
    }

    #[test]
    fn first_attempt_that_ends_with_its_process_is_repeated_at_once() {
        assert_eq!(after_rescue(1), Duration::ZERO);
        assert!(after_rescue(2) >= Duration::from_millis(1600));
    }
}
