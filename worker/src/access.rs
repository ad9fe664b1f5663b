//! Callers who signed in through Cloudflare Access. `auth` reads their tokens; this file fetches the team's keys and
//! lets the platform check signatures.

use std::cell::RefCell;

use auth::{AccessPolicy, Caller, TeamKeys, UnverifiedToken, is_own_page};
use wire::ApiError;
use worker::js_sys::{Array, Function, JSON, Object, Promise, Reflect, Uint8Array, global};
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::wasm_bindgen_futures::JsFuture;
use worker::{Method, Request, Result, web_sys};

use crate::clock::now;
use crate::outbound;

/// Identifies the caller by the token that Access adds to requests; nobody without a valid one.
///
/// # Errors
/// Another site's page made the browser send the request.
pub(crate) async fn identify(
    policy: &AccessPolicy,
    request: &Request,
) -> core::result::Result<Caller, ApiError> {
    let field = |name: &str| request.headers().get(name).ok().flatten();
    let Some(token) = field("cf-access-jwt-assertion") else { return Ok(Caller::default()) };
    let Some(unverified) = policy.read(&token, now()) else { return Ok(Caller::default()) };
    match is_signed(policy, &unverified).await {
        Ok(true) if is_own_page(request.method().as_ref(), field("sec-fetch-site").as_deref()) => {
            Ok(policy.caller(&unverified))
        }
        Ok(true) => {
            let origin = field("origin").unwrap_or_else(|| "another site".into());
            Err(ApiError::ForeignOrigin { origin })
        }
        Ok(false) => Ok(Caller::default()),
        Err(error) => {
            worker::console_error!("a token of Cloudflare Access was not checked: {error}");
            Ok(Caller::default())
        }
    }
}

async fn is_signed(policy: &AccessPolicy, token: &UnverifiedToken<'_>) -> Result<bool> {
    let Some(key) = find_key(policy, &token.key_id).await else { return Ok(false) };
    let crypto = Reflect::get(&global(), &"crypto".into())?;
    let subtle = Reflect::get(&crypto, &"subtle".into())?;
    let call = |name: &str, arguments: &[JsValue]| -> Result<JsFuture> {
        let function: Function = Reflect::get(&subtle, &name.into())?.dyn_into()?;
        let promise = function.apply(&subtle, &arguments.iter().collect::<Array>())?;
        Ok(JsFuture::from(promise.dyn_into::<Promise>()?))
    };
    let algorithm = Object::new();
    Reflect::set(&algorithm, &"name".into(), &"RSASSA-PKCS1-v1_5".into())?;
    Reflect::set(&algorithm, &"hash".into(), &"SHA-256".into())?;
    let usages = Array::of1(&"verify".into());
    let (algorithm, key) = (JsValue::from(algorithm), JSON::parse(&key)?);
    let key =
        call("importKey", &["jwk".into(), key, algorithm.clone(), false.into(), usages.into()])?.await?;
    let signature = Uint8Array::from(token.signature.as_slice());
    let signed = Uint8Array::from(token.signed.as_bytes());
    Ok(call("verify", &[algorithm, key, signature.into(), signed.into()])?.await?.is_truthy())
}

/// Returns a key of the team as a JSON Web Key; fetches the keys before, if that is due.
async fn find_key(policy: &AccessPolicy, id: &str) -> Option<String> {
    if KEYS.with_borrow_mut(|keys| keys.begin_fetch(id, now())) {
        let fetched = fetch_keys(policy).await.inspect_err(|error| {
            worker::console_error!("the keys of {} were not fetched: {error}", policy.team);
        });
        KEYS.with_borrow_mut(|keys| keys.end_fetch(fetched.ok(), now()));
    }
    KEYS.with_borrow(|keys| keys.find(id).map(str::to_owned))
}

async fn fetch_keys(policy: &AccessPolicy) -> Result<Vec<(String, String)>> {
    let url = format!("{}/cdn-cgi/access/certs", policy.team);
    let response = outbound::send(Method::Get, &url, &[], None, FETCH_TIMEOUT_MS).await?;
    let status = response.status_code();
    let body = outbound::read_bounded(web_sys::Response::from(response).body(), MAX_KEYS_BYTES).await;
    let keys = body.filter(|_| status == 200).and_then(|bytes| auth::parse_key_set(&bytes));
    keys.ok_or_else(|| worker::Error::RustError(format!("status {status}, or no keys")))
}

thread_local! {
    // Plain data: nothing in it belongs to a request.
    static KEYS: RefCell<TeamKeys> = const { RefCell::new(TeamKeys::new()) };
}

const FETCH_TIMEOUT_MS: u32 = 2_000;
const MAX_KEYS_BYTES: usize = 65_536;
