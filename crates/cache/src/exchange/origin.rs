//! The origin's part of an exchange: the requests to it, its limiter, its responses and its failures.

use std::rc::Rc;

use wire::UnixMillis;

use super::step::{ExchangeFailure, OriginError, OriginRequestMark, Step};
use super::{Candidate, Exchange, OriginContact, Revalidation};
use crate::cache_status::LookupOutcome;
use crate::decision_log::DecisionReason;
use crate::entry::CacheEntry;
use crate::headers::Headers;
use crate::http_head::ResponseHead;
use crate::lookup_policy::can_serve_stale_on_error;
use crate::memory_cache::MemoryEntry;
use crate::purge::known_purge_seq;
use crate::request::RequestTarget;
use crate::revalidate::{RevalidationOutcome, apply_not_modified};
use crate::shared_state::SharedState;
use crate::sharing::{self, Sharing};
use crate::storage_policy::storable_entry;
use wire::sorting::SortSlice;

/// A request to the origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginRequest {
    /// The URL.
    pub url: String,
    /// The method.
    pub method: String,
    /// The header fields.
    pub headers: Headers,
}

impl<B: Clone> Exchange<B> {
    pub(super) fn admit(&mut self, now: UnixMillis, shared: &mut SharedState<B>) -> Step {
        let Some(limits) = self.route().and_then(|route| route.limit) else { return Step::ContactOrigin };
        let limiter = shared.limiter_or_new(self.target.route_index, limits, now);
        match limiter.admit(now) {
            Ok(()) => {
                self.origin.is_admitted = true;
                Step::ContactOrigin
            }
            Err(retry_after) => {
                let rate = limiter.rate() as u32;
                self.log.record(DecisionReason::OriginLimited { rate });
                self.fail(ExchangeFailure::Limited { retry_after }, now)
            }
        }
    }

    pub(super) fn receive(
        &mut self,
        status: u16,
        headers: Headers,
        now: UnixMillis,
        shared: &mut SharedState<B>,
    ) -> Step {
        let OriginRequestMark { purge_seq, requested } = self.origin_request_mark(now);
        let purge_seq = known_purge_seq(&headers, purge_seq);
        self.origin.duration_ms = Some(now.0.saturating_sub(requested.0));
        let response = ResponseHead { status, headers, requested, received: now };
        self.origin.response = Some(response.clone());
        self.settle(status >= 500 || status == 429, now, shared);
        if let Some(failure) = unusable_response(&response) {
            return self.fail(failure, now);
        }
        if self.is_passed() {
            return Step::Send;
        }
        if status == 304 {
            return self.apply_not_modified(&response, purge_seq, shared);
        }
        if matches!(status, 500 | 502..=504) && self.has_stale_for_error() {
            return self.serve_stale_for_error(now);
        }
        self.store_or_send(&response, purge_seq, now, shared)
    }

    pub(super) fn lose_origin(
        &mut self,
        error: OriginError,
        now: UnixMillis,
        shared: &mut SharedState<B>,
    ) -> Step {
        let OriginRequestMark { requested, .. } = self.origin_request_mark(now);
        self.origin.duration_ms = Some(now.0.saturating_sub(requested.0));
        self.settle(error != OriginError::RequestBodyTooLarge, now, shared);
        self.fail(ExchangeFailure::Origin(error), now)
    }

    fn store_or_send(
        &mut self,
        response: &ResponseHead,
        purge_seq: u64,
        now: UnixMillis,
        shared: &mut SharedState<B>,
    ) -> Step {
        // RFC 9111 §4.4: the origin may have made the response before it processed the write.
        if self.is_overtaken_by_write(response, shared) {
            self.log.record(DecisionReason::OvertakenByWrite);
            return Step::Send;
        }
        let request = &self.target.origin_request;
        let mut storable = storable_entry(request, response, &self.target.policy, purge_seq, &mut self.log);
        if let Some(entry) = &mut storable
            && let Some(route) = self.route()
        {
            entry.tags.extend(route.tags_for_path(&self.request.path));
        }
        let varies_on = storable.as_ref().and_then(|entry| self.vary_fields(entry));
        let OriginContact { forwarded, withheld, .. } = &self.origin;
        let sharing = sharing::decide(varies_on.as_deref(), forwarded, withheld);
        self.expect_vary_fields(varies_on.as_deref(), response.status, shared);
        match sharing {
            Sharing::Shared => {
                self.origin.storable = storable;
                Step::Store
            }
            // An error is not worth a second request.
            Sharing::AskAgain if response.status < 500 && !self.origin.is_repeated => {
                self.log.record(DecisionReason::VariesUnexpectedly);
                self.origin.is_repeated = true;
                self.revalidation.conditions.clear();
                Step::Fetch
            }
            Sharing::AskAgain | Sharing::Private => {
                if let Some(names) = &varies_on {
                    let name = self.origin.forwarded.iter().find(|name| !names.contains(name));
                    self.log.record(match name {
                        Some(name) => DecisionReason::NotVaried { name: name.clone() },
                        None => DecisionReason::VariesUnexpectedly,
                    });
                } else if response.status < 500
                    && let Some(key) = &self.target.key
                {
                    // Later requests need not wait for a response that is not shared. Errors are expected to
                    // pass sooner.
                    shared.memory.mark_uncacheable(key, now);
                }
                Step::Send
            }
        }
    }

    /// Records the fields that the origin is to get from now on: those on which a storable response varies;
    /// all of them, if the response cannot be stored. A response that is made from a part of the fields, and
    /// does not vary on all of that part, says nothing about the others: a redirect, say.
    fn expect_vary_fields(&self, varies_on: Option<&[String]>, status: u16, shared: &mut SharedState<B>) {
        let (Some(key), index) = (&self.target.key, self.target.route_index) else { return };
        let OriginContact { forwarded, withheld, .. } = &self.origin;
        match varies_on {
            Some(names) if !withheld.is_empty() && !forwarded.iter().all(|name| names.contains(name)) => {
                shared.memory.forget_vary_fields(key);
            }
            Some(names) => {
                shared.memory.set_vary_fields(key, names.to_vec());
                shared.expected_vary_fields.insert(index, names.to_vec());
            }
            None if status < 500 => {
                shared.memory.forget_vary_fields(key);
                shared.expected_vary_fields.remove(&index);
            }
            None => {}
        }
    }

    fn apply_not_modified(
        &mut self,
        response: &ResponseHead,
        purge_seq: u64,
        shared: &mut SharedState<B>,
    ) -> Step {
        let conditions = &self.revalidation.conditions;
        let Some(candidate) = self.candidate.as_ref().filter(|_| !conditions.is_empty()) else {
            self.failure = Some(ExchangeFailure::UnexpectedNotModified);
            return Step::Refuse;
        };
        let body = (candidate.found.body.clone(), candidate.found.body_length);
        let (entry, request) = (&candidate.found.entry, &self.target.origin_request);
        match apply_not_modified(entry, request, response, &self.target.policy, purge_seq, &mut self.log) {
            RevalidationOutcome::Updated(updated)
                if let Some(names) = self.vary_fields_if_shared(&updated)
                    && !self.is_overtaken_by_write(response, shared) =>
            {
                let found = self.remember(*updated, names, body, shared);
                self.candidate = Some(Candidate { found, is_new: true, ..*candidate });
                self.outcome = LookupOutcome::Revalidated;
                Step::Serve
            }
            RevalidationOutcome::Updated(updated) | RevalidationOutcome::UseOnce(updated) => {
                let found = Rc::new(MemoryEntry::new(*updated, body.0, body.1, self.url()));
                self.candidate = Some(Candidate { found, ..*candidate });
                Step::Serve
            }
            RevalidationOutcome::Mismatch => {
                self.candidate = None;
                self.revalidation.conditions.clear();
                Step::Fetch
            }
        }
    }

    fn fail(&mut self, failure: ExchangeFailure, now: UnixMillis) -> Step {
        self.failure = Some(failure);
        if failure.allows_stale() && self.has_stale_for_error() {
            return self.serve_stale_for_error(now);
        }
        Step::Refuse
    }

    /// RFC 5861 §4: serves the candidate in place of an error. The lookup policy has allowed it.
    fn serve_stale_for_error(&mut self, now: UnixMillis) -> Step {
        if let Some(candidate) = &mut self.candidate {
            // Leaves the reason in the log.
            let _ = can_serve_stale_on_error(&candidate.found.entry, &self.target.policy, now, &mut self.log);
            candidate.replaces_error = true;
        }
        self.outcome = LookupOutcome::Stale;
        Step::Serve
    }

    fn vary_fields_if_shared(&self, entry: &CacheEntry) -> Option<Vec<String>> {
        let OriginContact { forwarded, withheld, .. } = &self.origin;
        let names = self.vary_fields(entry);
        names.filter(|names| sharing::decide(Some(names), forwarded, withheld) == Sharing::Shared)
    }

    fn is_overtaken_by_write(&self, response: &ResponseHead, shared: &SharedState<B>) -> bool {
        shared.writes.is_written_since(&self.target.purge_url, response.requested)
    }

    /// Reports the result of an admitted request to the limiter.
    fn settle(&mut self, failed: bool, now: UnixMillis, shared: &mut SharedState<B>) {
        let duration_ms = self.origin.duration_ms.unwrap_or(0);
        if std::mem::take(&mut self.origin.is_admitted)
            && let Some(limiter) = shared.limiter_mut(self.target.route_index)
        {
            limiter.record_outcome(duration_ms, failed, now);
        }
    }
}

impl<B> Exchange<B> {
    /// Returns the request to the origin whose response others may get. From here on, purges count.
    pub fn origin_request(&mut self, now: UnixMillis, shared: &SharedState<B>) -> OriginRequest {
        self.mark_origin_request(now, shared);
        self.select_negotiation(shared);
        let mut headers = self.target.origin_request.headers.clone();
        let negotiation = self.target.negotiation.iter();
        for (name, value) in
            negotiation.filter(|(name, _)| self.origin.forwarded.iter().any(|sent| sent == name))
        {
            headers.append(name, value);
        }
        if !self.is_passed() {
            for (name, value) in &self.revalidation.conditions {
                headers.set(name, value);
            }
        }
        self.complete_request(headers)
    }

    /// Returns the request to the origin whose response this client alone gets.
    pub fn pass_request(&mut self, now: UnixMillis, shared: &SharedState<B>) -> OriginRequest {
        self.outcome = LookupOutcome::Bypass;
        self.revalidation = Revalidation::default();
        self.mark_origin_request(now, shared);
        let mut headers = self.target.origin_request.headers.clone();
        if self.target.key.is_none() {
            return self.complete_request(headers);
        }
        for (name, value) in self.target.negotiation.iter() {
            headers.append(name, value);
        }
        for name in ["range", "if-range", "if-none-match", "if-modified-since"] {
            if let Some(value) = self.request.head.headers.joined(name) {
                headers.set(name, &value);
            }
        }
        self.address_request(headers)
    }

    /// Selects the fields of content negotiation that the origin gets. See `sharing`.
    fn select_negotiation(&mut self, shared: &SharedState<B>) {
        let known = self.target.key.as_deref().and_then(|key| shared.memory.peek_vary_fields(key));
        let expected = shared.expected_vary_fields.get(&self.target.route_index).map(Vec::as_slice);
        // The first response of a repeated request has said what the second one needs.
        let expected = known.or(expected.filter(|_| !self.origin.is_repeated));
        let mut names: Vec<String> =
            self.target.negotiation.iter().map(|(name, _)| name.to_owned()).collect();
        names.order();
        names.dedup();
        let is_expected = |name: &String| expected.is_none_or(|expected| expected.contains(name));
        (self.origin.forwarded, self.origin.withheld) = names.into_iter().partition(is_expected);
    }

    fn mark_origin_request(&mut self, now: UnixMillis, shared: &SharedState<B>) {
        let purge_seq = shared.purge_view.purge_seq();
        self.origin.request = Some(OriginRequestMark { purge_seq, requested: now });
    }

    fn complete_request(&self, mut headers: Headers) -> OriginRequest {
        if let Some(traceparent) = &self.request.traceparent {
            headers.set("traceparent", traceparent);
        }
        self.address_request(headers)
    }

    fn address_request(&self, headers: Headers) -> OriginRequest {
        let RequestTarget { origin_url, origin_request, .. } = &self.target;
        OriginRequest { url: origin_url.clone(), method: origin_request.method.clone(), headers }
    }

    const fn has_stale_for_error(&self) -> bool {
        self.revalidation.stale_on_error && self.candidate.is_some()
    }

    fn is_passed(&self) -> bool {
        self.target.key.is_none() || self.outcome == LookupOutcome::Bypass
    }

    fn origin_request_mark(&self, now: UnixMillis) -> OriginRequestMark {
        self.origin.request.unwrap_or(OriginRequestMark { purge_seq: 0, requested: now })
    }
}

/// Returns the reason why a response can be neither stored nor forwarded.
fn unusable_response(response: &ResponseHead) -> Option<ExchangeFailure> {
    if !(200..=599).contains(&response.status) {
        return Some(ExchangeFailure::InvalidStatus);
    }
    if response.headers.size() > MAX_RESPONSE_HEADER_BYTES {
        return Some(ExchangeFailure::ResponseHeadersTooLarge);
    }
    // RFC 9112 §6.1: a body in a transfer coding is for the next hop only.
    let codings = response.headers.members("transfer-encoding");
    let is_unknown = codings.iter().any(|name| !name.eq_ignore_ascii_case("chunked"));
    is_unknown.then_some(ExchangeFailure::UnknownTransferCoding)
}

/// The platform's own limit for the fields of a response.
const MAX_RESPONSE_HEADER_BYTES: usize = 128 * 1024;
