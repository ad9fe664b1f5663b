//! The places of a site's live feed. Listeners without a token have most of them, shared fairly among client networks;
//! holders of a token keep a reserve. Sockets that stay open without use cannot be told from those of people who look
//! on, so the oldest make room.

use serde::{Deserialize, Serialize};
use wire::UnixMillis;

/// A listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// A hash of the client's network.
    pub network: u32,
    /// True with a token that reads the site.
    pub holds_token: bool,
    /// The beginning of the connection.
    pub since: UnixMillis,
}

/// The place of a newcomer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerAdmission {
    /// There is one.
    Accept,
    /// It gets that of the listener at this index.
    Replace(usize),
    /// There is none: its network has as many as it may have, or token holders have all.
    Refuse,
}

/// Finds a place for a newcomer among the present listeners.
#[must_use]
pub fn admit_listener(listeners: &[Listener], newcomer: &Listener) -> ListenerAdmission {
    let anonymous = || listeners.iter().enumerate().filter(|(_, listener)| !listener.holds_token);
    let of_network = |network| anonymous().filter(|(_, listener)| listener.network == network).count();
    let own = of_network(newcomer.network);
    if !newcomer.holds_token && own >= MAX_OF_NETWORK {
        return ListenerAdmission::Refuse;
    }
    let is_full = listeners.len() >= MAX_LISTENERS;
    if !is_full && (newcomer.holds_token || anonymous().count() < MAX_ANONYMOUS) {
        return ListenerAdmission::Accept;
    }
    // The network with the most listeners gives one up, its oldest.
    let most = anonymous().map(|(_, listener)| of_network(listener.network)).max().unwrap_or_default();
    if !newcomer.holds_token && own >= most && most > 1 {
        return ListenerAdmission::Refuse;
    }
    let candidates = anonymous().filter(|(_, listener)| of_network(listener.network) == most);
    match candidates.min_by_key(|(_, listener)| listener.since) {
        Some((index, _)) => ListenerAdmission::Replace(index),
        None => ListenerAdmission::Refuse,
    }
}

/// All listeners of a site.
const MAX_LISTENERS: usize = 100;
/// Listeners without a token; the others are a reserve for holders of one.
const MAX_ANONYMOUS: usize = 80;
/// Listeners without a token from one client network.
const MAX_OF_NETWORK: usize = 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listener(network: u32, holds_token: bool, since: u64) -> Listener {
        Listener { network, holds_token, since: UnixMillis(since) }
    }

    /// Lets newcomers in one after the other, and returns who is present at the end.
    fn present(newcomers: impl IntoIterator<Item = Listener>) -> Vec<Listener> {
        let mut listeners = Vec::new();
        for newcomer in newcomers {
            match admit_listener(&listeners, &newcomer) {
                ListenerAdmission::Accept => listeners.push(newcomer),
                ListenerAdmission::Replace(index) => listeners[index] = newcomer,
                ListenerAdmission::Refuse => {}
            }
        }
        listeners
    }

    #[test]
    fn a_hundred_idle_sockets_of_one_network_leave_places_for_others() {
        let flood = (0..100).map(|at| listener(1, false, at));
        let listeners = present(flood.chain([listener(2, false, 100), listener(1, true, 101)]));
        assert_eq!(listeners.len(), MAX_OF_NETWORK + 2);
    }

    #[test]
    fn the_network_with_the_most_sockets_gives_up_its_oldest() {
        let crowd = (0..4)
            .flat_map(|network| (0..20).map(move |at| listener(network, false, u64::from(network) + at)));
        let mut listeners: Vec<Listener> = crowd.collect();
        listeners[0] = listener(9, false, 0);
        let honest = listener(7, false, 500);
        // Network 9 has one socket, though the oldest; of the others, network 1 has the oldest.
        let expected = listeners.iter().position(|other| *other == listener(1, false, 1)).expect("present");
        assert_eq!(admit_listener(&listeners, &honest), ListenerAdmission::Replace(expected));
    }

    #[test]
    fn an_attacker_of_many_networks_pushes_out_no_token_holder() {
        let team = (0..20).map(|at| listener(1, true, at));
        let flood = (0..500).map(|network| listener(network + 10, false, 100 + u64::from(network)));
        let listeners = present(team.chain(flood));
        assert_eq!(listeners.iter().filter(|listener| listener.holds_token).count(), 20);
        assert_eq!(listeners.len(), MAX_LISTENERS);
    }

    proptest! {
        #[test]
        fn every_limit_holds_and_a_token_holder_finds_a_place(
            newcomers in prop::collection::vec((0_u32..12, prop::bool::weighted(0.2)), 0..300)
        ) {
            let all = newcomers.iter().zip(0..).map(|((network, token), at)| listener(*network, *token, at));
            let listeners = present(all);
            let anonymous: Vec<_> = listeners.iter().filter(|listener| !listener.holds_token).collect();
            prop_assert!(listeners.len() <= MAX_LISTENERS && anonymous.len() <= MAX_ANONYMOUS);
            for network in 0..12 {
                prop_assert!(anonymous.iter().filter(|each| each.network == network).count() <= MAX_OF_NETWORK);
            }
            let is_refused = admit_listener(&listeners, &listener(0, true, 999)) == ListenerAdmission::Refuse;
            prop_assert_eq!(is_refused, listeners.len() - anonymous.len() == MAX_LISTENERS);
        }
    }
}
