//! The emptiest Worker in Rust: what an answer costs before anything is done for it. The cache's bench
//! holds a hit against it.

use worker::{Context, Env, Request, Response, Result, event};

#[event(fetch)]
async fn fetch(_: Request, _: Env, _: Context) -> Result<Response> {
    Response::ok("ok")
}
