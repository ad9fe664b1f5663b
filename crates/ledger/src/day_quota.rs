//! The beacons that one shard of a site accepts in a day, for a site with a quota. What has been accepted is stored with
//! each fold, so that an object that wakes knows all but the beacons since the last one.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use wire::UnixMillis;

/// The beacons accepted on one day of UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayQuota {
    day: u64,
    beacons: u32,
}

impl DayQuota {
    /// Counts beacons of `now` if the share of the shard has room for them all. Returns false, and counts none, if not.
    pub const fn admit(&mut self, beacons: u32, share: NonZeroU32, now: UnixMillis) -> bool {
        let day = now.0 / DAY_MS;
        // A clock that is set back starts no second day.
        if day > self.day {
            *self = Self { day, beacons: 0 };
        }
        let total = self.beacons.saturating_add(beacons);
        if total > share.get() {
            return false;
        }
        self.beacons = total;
        true
    }
}

/// Returns the share that each of some shards has in a quota of the site. Page loads are spread evenly, so that shards
/// fill up at about the same time; together they never accept less than the quota.
#[must_use]
pub fn quota_share(beacons_per_day: NonZeroU32, shards: u32) -> NonZeroU32 {
    let share = beacons_per_day.get().div_ceil(shards.max(1));
    NonZeroU32::new(share).unwrap_or(NonZeroU32::MIN)
}

/// Returns the seconds until a refused beacon may be tried again: until the next day of UTC, and an hour at most, because
/// an operator may raise the quota.
#[must_use]
pub fn quota_retry_after(now: UnixMillis) -> u32 {
    let left_ms = DAY_MS.saturating_sub(now.0 % DAY_MS);
    u32::try_from(left_ms.div_ceil(1000)).unwrap_or(u32::MAX).min(MAX_RETRY_AFTER_SECONDS)
}

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
const MAX_RETRY_AFTER_SECONDS: u32 = 3600;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn share(beacons: u32) -> NonZeroU32 {
        NonZeroU32::new(beacons).expect("a positive share")
    }

    #[test]
    fn a_day_admits_its_share_and_the_next_one_as_much() {
        let mut quota = DayQuota::default();
        assert!(quota.admit(2, share(3), UnixMillis(DAY_MS)));
        assert!(!quota.admit(2, share(3), UnixMillis(DAY_MS + 1)), "two do not fit");
        assert!(quota.admit(1, share(3), UnixMillis(2 * DAY_MS - 1)), "one does");
        assert!(!quota.admit(1, share(3), UnixMillis(2 * DAY_MS - 1)));
        assert!(quota.admit(3, share(3), UnixMillis(2 * DAY_MS)), "the next day");
        assert!(!quota.admit(1, share(3), UnixMillis(DAY_MS)), "a clock that is set back");
        assert!(quota.admit(1, share(4), UnixMillis(2 * DAY_MS)), "a larger quota holds at once");
    }

    #[test]
    fn a_refused_beacon_is_tried_again_within_the_hour() {
        assert_eq!(quota_retry_after(UnixMillis(5 * DAY_MS)), 3600);
        assert_eq!(quota_retry_after(UnixMillis(5 * DAY_MS - 1)), 1);
        assert_eq!(quota_retry_after(UnixMillis(5 * DAY_MS - 90_000)), 90);
    }

    proptest! {
        #[test]
        fn no_shard_admits_more_than_its_share_however_its_object_wakes(
            per_day in 1_u32..5000,
            shards in 1_u32..20,
            sends in proptest::collection::vec((1_u32..80, 0..DAY_MS, any::<bool>()), 1..200),
        ) {
            let share = quota_share(share(per_day), shards);
            prop_assert!(u64::from(share.get()) * u64::from(shards) >= u64::from(per_day));
            prop_assert!(share.get() - 1 <= per_day / shards);
            let (mut quota, mut admitted) = (DayQuota::default(), 0);
            for (beacons, at, wakes) in sends {
                if wakes {
                    let stored = serde_json::to_string(&quota).expect("JSON");
                    quota = serde_json::from_str(&stored).expect("a quota");
                }
                if quota.admit(beacons, share, UnixMillis(DAY_MS + at)) {
                    admitted += beacons;
                }
            }
            prop_assert!(admitted <= share.get());
        }
    }
}
