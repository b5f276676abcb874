//! Clients that are slow, greedy or no clients at all. None keeps others from what they ask for.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;

use analyzer::metrics;

use crate::lab::{Lab, METRICS, snapshot, wait_for};
use crate::netns::run;

/// Connections that the server keeps open.
const PLACES: usize = 64;

#[test]
fn pages_and_what_is_none() {
    run(|| {
        let lab = Lab::new("pages", &["9479", "[::1]:9480"])?;
        assert_eq!(lab.get("/readyz"), (503, "the next hops are not known\nno NIC is watched\n".to_owned()));
        lab.publish(snapshot(1));
        wait_for("the snapshot", || (lab.get("/readyz") == (200, "ok\n".to_owned())).then_some(()));
        let mut unattached = snapshot(2);
        unattached.nics[0].egress = None;
        lab.publish(unattached);
        let expected = (503, "no program is attached to ens1\n".to_owned());
        wait_for("the next snapshot", || (lab.get("/readyz") == expected).then_some(()));
        assert_eq!(lab.get("/healthz"), (200, "ok\n".to_owned()));
        assert!(lab.get("/").1.contains("href=\"/metrics\""));
        assert_eq!(lab.get("/metric").0, 404);

        let (head, body) = lab.ask(METRICS, "HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("connection: close"), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        assert!(length.parse::<usize>().unwrap() > 1_000 && body.is_empty(), "{head}\n{body}");
        let (head, _) = lab.ask(METRICS, "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
        assert!(head.starts_with("HTTP/1.1 405 ") && head.contains("allow: GET, HEAD"), "{head}");

        let (head, body) = lab.ask("[::1]:9480", "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 ") && body.contains("\nanalyzer_nexthops_known 1\n"), "{head}\n{body}");
        Ok(())
    });
}

#[test]
fn who_only_holds_a_connection_goes_first() {
    run(|| {
        let lab = Lab::new("holders", &["9479"])?;
        lab.publish(snapshot(1));
        let mut halves: Vec<_> = (0..200).map(|_| lab.connect(METRICS)).collect();
        for (number, half) in halves.iter_mut().enumerate() {
            // Those that were closed already refuse it.
            let _ = half.write_all(if number % 2 == 0 { b"GET /metr" } else { b"GET /metrics HTTP/1.1\r\nHost: " });
            if number % 10 == 0 {
                assert_eq!(lab.get("/metrics").0, 200, "while {number} others hold a connection");
            }
        }
        let (_, body) = lab.get("/metrics");
        let displaced = body.lines().find_map(|line| line.strip_prefix("analyzer_http_connections_displaced_total "));
        let displaced: usize = displaced.unwrap().parse().unwrap();
        assert!((200 - PLACES..=200).contains(&displaced), "{displaced}");
        // In the end the rest is closed too, for want of a request.
        for half in &mut halves {
            let mut answer = Vec::new();
            match half.read_to_end(&mut answer) {
                Ok(_) => assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408 "), "{answer:?}"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
            }
        }
        assert_eq!(lab.get("/metrics").0, 200);
        Ok(())
    });
}

#[test]
fn garbage_and_endless_headers_are_refused() {
    run(|| {
        let lab = Lab::new("garbage", &["9479"])?;
        lab.publish(snapshot(1));
        let endless = format!("GET /metrics HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(1 << 20));
        let many = format!("GET /metrics HTTP/1.1\r\n{}\r\n", "X: a\r\n".repeat(100));
        let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(1 << 20));
        for request in [
            endless.as_bytes(),
            many.as_bytes(),
            long.as_bytes(),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            b"GET\r\n\r\n",
            b"GET /metrics HTTP/9.9\r\n\r\n",
            b"\0\0\0\0\0\0\0\0\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ] {
            let mut stream = lab.connect(METRICS);
            // It may be refused before it is written to its end.
            let _ = stream.write_all(request);
            let mut answer = Vec::new();
            // What was not read resets the connection behind the answer.
            let _ = stream.read_to_end(&mut answer);
            let start: Vec<u8> = answer.iter().take(10).copied().collect();
            assert!(start.is_empty() || start.starts_with(b"HTTP/1.1 4"), "{:?}", String::from_utf8_lossy(&answer));
            assert_eq!(lab.get("/metrics").0, 200);
        }
        // One that sends a request of the largest size byte by byte is served like any other.
        let mut slow = lab.connect(METRICS);
        for byte in b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" {
            slow.write_all(&[*byte]).unwrap();
        }
        let mut answer = String::new();
        slow.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        Ok(())
    });
}

#[test]
fn a_daemon_that_hangs_is_told() {
    run(|| {
        let lab = Lab::new("silence", &["9479"])?;
        lab.publish(snapshot(1));
        assert_eq!(lab.get("/healthz").0, 200);
        let (_, reason) = wait_for("silence of ten seconds", || Some(lab.get("/healthz")).filter(|(s, _)| *s == 503));
        assert!(reason.starts_with("the daemon has published nothing for 1"), "{reason}");
        lab.publish(snapshot(2));
        wait_for("it is back", || (lab.get("/healthz").0 == 200).then_some(()));
        Ok(())
    });
}

#[test]
fn a_busy_port_is_told_and_a_server_that_went_leaves_none() {
    run(|| {
        let lab = Lab::new("busy", &["0"])?;
        lab.netns.inside(|| {
            let holder = TcpListener::bind("127.0.0.1:9481").unwrap();
            let bind = |address: &str| metrics::bind(&[address.parse().unwrap()]);
            let error = bind("9481").unwrap_err().to_string();
            assert!(error.starts_with("cannot listen at 127.0.0.1:9481 for metrics; name another port"), "{error}");
            assert!(error.ends_with("`ss -ltnp 'sport = :9481'` tells who has this one"), "{error}");
            let error = bind("192.0.2.1:9481").unwrap_err().to_string();
            assert!(error.contains("no interface has this address"), "{error}");
            drop(holder);

            let (daemon, snapshots) = tokio::sync::watch::channel(Default::default());
            let listeners = bind("9481").unwrap();
            assert_eq!(listeners.addresses().collect::<Vec<_>>(), ["127.0.0.1:9481".parse().unwrap()]);
            let server = listeners.serve(snapshots).unwrap();
            // The daemon may go first.
            drop(daemon);
            drop(server);
            drop(bind("9481").expect("the port is free again"));
        });
        drop(lab.server);
        Ok(())
    });
}
