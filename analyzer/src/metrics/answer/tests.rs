use std::time::Duration;

use super::*;
use crate::metrics::Snapshot;
use crate::metrics::encode::tests::{full, view};
use http_body_util::BodyExt;

fn ask(method: Method, path: &str, accept: Option<&str>, view: View) -> Response<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(accept) = accept {
        request = request.header(ACCEPT, accept);
    }
    answer(&request.body(()).unwrap(), || view)
}

fn get(path: &str, view: View) -> Response<Full<Bytes>> {
    ask(Method::GET, path, None, view)
}

fn body(response: Response<Full<Bytes>>) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let bytes = runtime.block_on(response.into_body().collect()).unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn kind(response: &Response<Full<Bytes>>) -> &str {
    response.headers()[CONTENT_TYPE].to_str().unwrap()
}

#[test]
fn who_can_read_open_metrics_gets_it() {
    // As Prometheus 2.42 asks.
    let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                      text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    for (accept, expected) in [
        (Some(prometheus), text::OPEN_METRICS),
        (Some("text/plain, APPLICATION/OpenMetrics-Text"), text::OPEN_METRICS),
        (Some("application/openmetrics-text; version=1.0.0; q=0, text/plain"), text::OLDER),
        (Some("application/openmetrics-textual"), text::OLDER),
        (Some("*/*"), text::OLDER),
        (None, text::OLDER),
    ] {
        let response = ask(Method::GET, "/metrics", accept, view(full()));
        assert_eq!((response.status(), kind(&response)), (StatusCode::OK, expected), "{accept:?}");
        assert_eq!(body(response).ends_with("# EOF\n"), expected == text::OPEN_METRICS);
    }
}

#[test]
fn alive_while_something_is_published() {
    let silent = || View { age: Duration::from_secs(11), ..view(full()) };
    assert_eq!(get("/healthz", view(Snapshot::default())).status(), StatusCode::OK, "alive before it is ready");
    for path in ["/healthz", "/readyz"] {
        let response = get(path, silent());
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(body(response), "the daemon has published nothing for 11 s\n");
        assert_eq!(body(get(path, view(full()))), "ok\n");
    }
    assert_eq!(get("/metrics", silent()).status(), StatusCode::OK, "the age is a metric itself");
}

#[test]
fn not_ready_says_what_is_missing() {
    let response = get("/readyz", view(Snapshot::default()));
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body(response), "the next hops are not known\nno NIC is watched\n");
}

#[test]
fn other_pages_and_methods() {
    for path in ["/", "/?x"] {
        assert!(body(get(path, view(full()))).contains("href=\"/metrics\""));
    }
    assert_eq!(get("/metrics/", view(full())).status(), StatusCode::NOT_FOUND);
    assert_eq!(get("/metrics?name[]=x", view(full())).status(), StatusCode::OK);
    let posted = ask(Method::POST, "/metrics", None, view(full()));
    assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(posted.headers()[ALLOW], "GET, HEAD");
    assert_eq!(ask(Method::POST, "/nowhere", None, view(full())).status(), StatusCode::NOT_FOUND);
    assert_eq!(ask(Method::HEAD, "/healthz", None, view(full())).status(), StatusCode::OK);
}
