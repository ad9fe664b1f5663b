//! The caller of a request, as its token identifies it.

use wire::routes::Right;

/// The scope of a token for every site, and of calls that concern the whole deployment.
pub const ALL_SITES: &str = "*";

/// The caller of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The name of the token; `None` without a valid one.
    pub name: Option<String>,
    grants: Vec<(String, Right)>,
}

impl Caller {
    /// Adds what a token grants.
    pub(crate) fn grant(&mut self, name: &str, scope: &str, rights: &[Right]) {
        self.name.get_or_insert_with(|| name.to_owned());
        self.grants.extend(rights.iter().map(|right| (scope.to_owned(), *right)));
    }

    /// Returns true if the caller has the right for the site.
    #[must_use]
    pub fn may(&self, right: Right, site: &str) -> bool {
        let is_of_site = |scope: &str| scope == site || scope == ALL_SITES;
        self.grants.iter().any(|(scope, granted)| is_of_site(scope) && granted.includes(right))
    }

    /// Returns true if the caller has the right for every site.
    #[must_use]
    pub fn may_for_all(&self, right: Right) -> bool {
        self.grants.iter().any(|(scope, granted)| scope == ALL_SITES && granted.includes(right))
    }
}
