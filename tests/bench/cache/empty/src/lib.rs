//! The smallest Worker in Rust: the cost of a response without any work. The cache benchmark compares a
//! hit with it.

use worker::{Context, Env, Request, Response, Result, event};

#[event(fetch)]
async fn fetch(_: Request, _: Env, _: Context) -> Result<Response> {
    Response::ok("ok")
}
