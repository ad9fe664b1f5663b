//! The page loads that page tokens were used for. A token proves the views of one page load, the first that uses it;
//! those of others are unverified. The tokens of one page load have one shard, so one object knows them all. It
//! remembers them while it is in memory, and a bounded number of them: what it forgets can be used once more.

use std::collections::{HashMap, VecDeque};

use sketch::stable_hash::fnv1a_64;

use crate::folded_view::UnfoldedView;

/// The page load of each token.
#[derive(Debug)]
pub struct TokenClaims {
    page_loads: HashMap<u64, u64>,
    /// The tokens, oldest first.
    order: VecDeque<u64>,
    max_tokens: usize,
}

impl Default for TokenClaims {
    fn default() -> Self {
        Self { page_loads: HashMap::new(), order: VecDeque::new(), max_tokens: MAX_TOKENS }
    }
}

impl TokenClaims {
    /// Makes the views unverified whose token was used for another page load.
    pub fn apply(&mut self, views: &mut [UnfoldedView]) {
        for view in views {
            let Some(nonce) = view.record.page_token else { continue };
            let page_load = view.key.split('.').next().unwrap_or_default();
            if !self.claim(nonce, fnv1a_64(page_load.bytes())) {
                view.record.labels.unverified = true;
            }
        }
    }

    fn claim(&mut self, nonce: u64, page_load: u64) -> bool {
        if let Some(known) = self.page_loads.get(&nonce) {
            return *known == page_load;
        }
        if self.order.len() >= self.max_tokens
            && let Some(oldest) = self.order.pop_front()
        {
            self.page_loads.remove(&oldest);
        }
        self.page_loads.insert(nonce, page_load);
        self.order.push_back(nonce);
        true
    }
}

/// About two megabytes.
const MAX_TOKENS: usize = 40_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_is_of_its_first_page_load() {
        let mut claims = TokenClaims::default();
        assert!(claims.claim(1, 10) && claims.claim(1, 10) && claims.claim(2, 10));
        assert!(!claims.claim(1, 11) && claims.claim(3, 11));
    }

    proptest! {
        #[test]
        fn a_remembered_token_buys_one_page_load_and_memory_is_bounded(
            uses in proptest::collection::vec((0..40_u64, 0..4_u64), 0..300),
            max_tokens in 1..50_usize,
        ) {
            let mut claims = TokenClaims { max_tokens, ..TokenClaims::default() };
            let mut bought: HashMap<u64, u64> = HashMap::new();
            for (nonce, page_load) in uses {
                if claims.claim(nonce, page_load) && max_tokens >= 40 {
                    prop_assert_eq!(*bought.entry(nonce).or_insert(page_load), page_load);
                }
                prop_assert!(claims.order.len() <= max_tokens);
                prop_assert_eq!(claims.order.len(), claims.page_loads.len());
            }
        }
    }
}
