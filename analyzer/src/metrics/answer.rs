//! What each page says.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::encode::View;
use super::{health, text};

const PLAIN: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

const INDEX: &str = "<!DOCTYPE html><html lang=\"en\"><head><title>analyzer</title></head><body><h1>analyzer</h1><ul>\
    <li><a href=\"/metrics\">metrics</a> of this node, for Prometheus</li>\
    <li><a href=\"/healthz\">healthz</a>: whether the daemon is alive</li>\
    <li><a href=\"/readyz\">readyz</a>: whether it judges packets</li></ul></body></html>\n";

/// The answer to a request. Its body, if it has one, is not read.
pub(super) fn answer<B>(request: &Request<B>, view: impl FnOnce() -> View) -> Response<Full<Bytes>> {
    let page = match request.uri().path() {
        path @ ("/" | "/metrics" | "/healthz" | "/readyz") => path,
        _ => return page(StatusCode::NOT_FOUND, PLAIN, "there is /metrics, /healthz, /readyz\n".to_owned()),
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = self::page(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "pages are only read\n".to_owned());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match page {
        "/metrics" if wants_open_metrics(request.headers()) => {
            self::page(StatusCode::OK, text::OPEN_METRICS, text::open_metrics(view()))
        }
        "/metrics" => self::page(StatusCode::OK, text::OLDER, text::older(&text::open_metrics(view()))),
        "/healthz" => verdict(health::illness(view().age).into_iter().collect()),
        "/readyz" => {
            let view = view();
            let missing = health::illness(view.age).into_iter().chain(health::missing(&view.snapshot));
            verdict(missing.collect())
        }
        _ => self::page(StatusCode::OK, HTML, INDEX.to_owned()),
    }
}

/// Whether the client accepts OpenMetrics. All that scrape do where they can read it; a person's browser does not.
fn wants_open_metrics(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_it = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/openmetrics-text"));
        is_it && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

/// `ok`, or what is wrong, a line each.
fn verdict(wrong: Vec<String>) -> Response<Full<Bytes>> {
    match wrong.is_empty() {
        true => page(StatusCode::OK, PLAIN, "ok\n".to_owned()),
        false => page(StatusCode::SERVICE_UNAVAILABLE, PLAIN, wrong.join("\n") + "\n"),
    }
}

fn page(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
