//! The decision whether a caller may use an endpoint of a site. A site that does not exist and one that the caller has
//! no right for get the same answer, so that nobody can list the sites of a deployment.

use wire::ApiError;
use wire::routes::{Access, Right};

use crate::caller::{ALL_SITES, Caller};

/// The site of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteVisibility {
    /// Not configured.
    Unknown,
    /// Holds counts of no configured site; readers of all sites may read them.
    Internal,
    /// Readable with a token.
    Private,
    /// Readable by anybody.
    Public,
}

/// Admits a caller to an endpoint of a site.
///
/// # Errors
/// `Unauthorized` without the right, whether or not the site exists. `UnknownSite` for a caller that has the right for
/// all sites.
pub fn admit(
    access: Access,
    visibility: SiteVisibility,
    site: &str,
    caller: &Caller,
) -> Result<(), ApiError> {
    let Some(right) = access.required_right() else { return Ok(()) };
    if access == Access::SiteReader && visibility == SiteVisibility::Public {
        return Ok(());
    }
    let is_held = match visibility {
        _ if access.is_for_operators() => caller.may_for_all(right),
        SiteVisibility::Private | SiteVisibility::Public => caller.may(right, site),
        SiteVisibility::Unknown | SiteVisibility::Internal => caller.may_for_all(right),
    };
    // The cache, and the log of its calls, are of the whole deployment.
    let is_of_deployment = access == Access::CacheAdmin || access == Access::AuditReader && site == ALL_SITES;
    let exists = match visibility {
        // An operator creates a site, and erases one that was taken out of the configuration.
        SiteVisibility::Unknown | SiteVisibility::Internal if access.is_for_operators() => true,
        SiteVisibility::Unknown => is_of_deployment,
        SiteVisibility::Internal => right == Right::Read || is_of_deployment,
        SiteVisibility::Private | SiteVisibility::Public => true,
    };
    match (is_held, exists) {
        (true, true) => Ok(()),
        (true, false) => Err(ApiError::UnknownSite { site: site.to_owned() }),
        (false, _) => Err(ApiError::Unauthorized { right }),
    }
}

/// Returns true if a read of the site has the answer of everybody: the site is public, and the caller has no right to
/// the latest. A token for another site buys nothing.
#[must_use]
pub fn shares_answer(visibility: SiteVisibility, site: &str, caller: &Caller) -> bool {
    visibility == SiteVisibility::Public && !caller.may(Right::Read, site)
}

#[cfg(test)]
mod tests {
    use wire::routes::Endpoint;

    use super::*;

    fn holder(scope: &str, rights: &[Right]) -> Caller {
        let mut caller = Caller::default();
        caller.grant("t", scope, rights);
        caller
    }

    fn status(access: Access, visibility: SiteVisibility, site: &str, caller: &Caller) -> (u16, String) {
        match admit(access, visibility, site, caller) {
            Ok(()) => (200, String::new()),
            Err(error) => (error.status(), error.problem_json()),
        }
    }

    #[test]
    fn without_its_right_an_unknown_site_and_a_private_one_answer_alike_at_every_endpoint() {
        for endpoint in Endpoint::ALL {
            let access = endpoint.access();
            let Some(right) = access.required_right() else { continue };
            let other: Vec<Right> = Right::ALL.into_iter().filter(|other| !other.includes(right)).collect();
            for caller in
                [Caller::default(), holder("blog", &Right::ALL), holder("shop", &other), holder("*", &other)]
            {
                let answers = [SiteVisibility::Unknown, SiteVisibility::Private, SiteVisibility::Internal]
                    .map(|visibility| status(access, visibility, "shop", &caller));
                assert_eq!(answers[0].0, 401, "{endpoint:?}");
                assert!(answers.iter().all(|answer| *answer == answers[0]), "{endpoint:?} {answers:?}");
                assert!(!answers[0].1.contains("shop"), "{endpoint:?} {answers:?}");
            }
        }
    }

    #[test]
    fn a_holder_of_the_right_is_admitted_to_its_site_and_told_of_a_wrong_name() {
        for endpoint in Endpoint::ALL {
            let access = endpoint.access();
            let Some(right) = access.required_right() else { continue };
            let own = holder("shop", &[right]);
            let expected = if access.is_for_operators() { 401 } else { 200 };
            assert_eq!(status(access, SiteVisibility::Private, "shop", &own).0, expected, "{endpoint:?}");
            let all = holder("*", &[right]);
            let is_of_deployment = access == Access::CacheAdmin || access.is_for_operators();
            let expected = if is_of_deployment { 200 } else { 404 };
            assert_eq!(status(access, SiteVisibility::Unknown, "shpo", &all).0, expected, "{endpoint:?}");
        }
    }

    #[test]
    fn only_who_may_not_read_the_latest_of_a_public_site_shares_the_answer_of_all() {
        use SiteVisibility::{Internal, Private, Public, Unknown};
        let shares = |visibility, caller: &Caller| shares_answer(visibility, "shop", caller);
        assert!(shares(Public, &Caller::default()));
        assert!(shares(Public, &holder("blog", &Right::ALL)), "a token for another site");
        assert!(shares(Public, &holder("shop", &[Right::Cache])), "a token without the right");
        assert!(
            !shares(Public, &holder("shop", &[Right::Read])) && !shares(Public, &holder("*", &[Right::Read]))
        );
        assert!([Private, Internal, Unknown].iter().all(|other| !shares(*other, &Caller::default())));
    }

    #[test]
    fn a_public_site_is_read_by_anybody_and_changed_by_nobody_else() {
        for endpoint in Endpoint::ALL {
            let is_open = matches!(endpoint.access(), Access::Public | Access::SiteReader);
            let expected = if is_open { 200 } else { 401 };
            let answer = status(endpoint.access(), SiteVisibility::Public, "shop", &Caller::default());
            assert_eq!(answer.0, expected, "{endpoint:?}");
        }
    }
}
