//! Receivers that are killed, hang, or are not there.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use analyzer::alerts::Kind;
use analyzer::sinks::saved::Unsent;
use analyzer::sinks::status::Happening;
use rustix::process::Signal;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, UnixListener};
use tokio::time::{sleep, timeout};

use crate::PROGRAMS;
use crate::alerts::{PATIENCE, alert, block_on, config, failure, is_connected, start, until};
use crate::common::{TempDir, require};
use crate::netns::{self, Netns};
use crate::rsyslog::{Received, Rsyslog};

const INPUTS: &str = r#"
    module(load="imudp") module(load="imtcp") module(load="imuxsock" SysSock.Use="off")
    input(type="imudp" address="127.0.0.1" port="5141" name="udp")
    input(type="imtcp" address="127.0.0.1" port="5143" name="tcp")
    input(type="imuxsock" Socket="DIR/log" CreatePath="off" UseSysTimeStamp="off" IgnoreTimestamp="off")
"#;
const PORTS: [u16; 2] = [5141, 5143];
const SOCKETS: [&str; 1] = ["log"];

/// Runs a test with an rsyslogd that does not run yet, in a namespace of its own.
fn with_rsyslog(test: impl FnOnce(&Netns, Rsyslog<'_>)) {
    if !require(&PROGRAMS) {
        return;
    }
    netns::run(|| {
        let netns = Netns::new("syslog")?;
        netns.sh("ip link set lo up");
        test(&netns, Rsyslog::new(&netns, INPUTS, &PORTS, &SOCKETS));
        Ok(())
    });
}

/// The alerts' own numbers, in the order in which each came first.
fn first_numbers(received: &[Received], input: &str) -> Vec<usize> {
    let mut numbers: Vec<usize> = Vec::new();
    for message in received.iter().filter(|message| message.input == input) {
        let number = message.field("number").parse().unwrap();
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    numbers
}

/// Checks that what came twice is the same to the letter, its sequenceId included. Returns how many came again.
fn check_repeats(received: &[Received], input: &str) -> usize {
    let mut seen: BTreeMap<String, &Received> = BTreeMap::new();
    let mut repeats = 0;
    for message in received.iter().filter(|message| message.input == input) {
        if let Some(first) = seen.insert(message.field("number"), message) {
            assert_eq!(first, message);
            assert_eq!(first.sequence(), message.sequence());
            repeats += 1;
        }
    }
    repeats
}

fn all(count: usize) -> Vec<usize> {
    (0..count).collect()
}

/// Numbers of all that came by an input.
fn has_all(count: usize, inputs: &'static [&'static str]) -> impl Fn(&[Received]) -> bool {
    move |received| inputs.iter().all(|input| first_numbers(received, input).len() >= count)
}

#[test]
fn a_receiver_killed_in_the_middle_misses_nothing() {
    with_rsyslog(|netns, mut rsyslog| {
        rsyslog.start();
        let log = format!("unix:{}", rsyslog.path().join("log").display());
        netns.inside(|| {
            block_on(async {
                let (mut sinks, _) = start(&config(&["udp:127.0.0.1:5141", "tcp:127.0.0.1:5143", &log]));
                for number in 0..3 {
                    until(&sinks, number, "connected", is_connected).await;
                }
                for number in 0..30 {
                    sinks.send(&alert(number));
                }
                let first = async {
                    while first_numbers(&rsyslog.received(), "tcp").len() < 10 {
                        sleep(Duration::from_millis(20)).await;
                    }
                };
                timeout(PATIENCE, first).await.expect("the first of them arrive");
                rsyslog.kill();
                // An idle connection that ends is noticed before anything is sent.
                until(&sinks, 1, "failed", |status| !failure(status).is_empty()).await;
                for number in 30..60 {
                    sinks.send(&alert(number));
                    sleep(Duration::from_millis(5)).await;
                }
                let udp = until(&sinks, 0, "refused", |status| !failure(status).is_empty()).await;
                assert!(failure(&udp).contains("refused"), "{udp:?}");
                // First the connection breaks; why there is no new one is known after the first attempt.
                let local =
                    until(&sinks, 2, "refused", |status| failure(status).contains("no syslog daemon listens there"))
                        .await;
                assert!(local.queued >= 30, "{local:?}");
                let news = sinks.take_news();
                for sink in ["udp:127.0.0.1:5141", "tcp:127.0.0.1:5143", &log] {
                    let of: Vec<_> = news.iter().filter(|news| news.sink == sink).map(|news| &news.what).collect();
                    let is_as_it_was = matches!(of[..2], [Happening::Connected, Happening::Failed(_)]);
                    assert!(is_as_it_was, "{of:?}");
                }
                rsyslog.start();
                for number in 60..90 {
                    sinks.send(&alert(number));
                }
                for number in 0..3 {
                    let status = until(&sinks, number, "done", |status| status.queued == 0).await;
                    assert_eq!((status.counts.sent, status.counts.dropped), (90, 0), "{status:?}");
                    assert!(status.counts.failures > 0, "{status:?}");
                }
                assert!(sinks.status()[1].counts.resent > 0);
                assert_eq!(sinks.end(PATIENCE).await, []);
            });
        });
        let received = rsyslog.until("all messages", has_all(90, &["udp", "tcp"]));
        for input in ["udp", "tcp"] {
            assert_eq!(first_numbers(&received, input), all(90), "{input}");
            assert!(check_repeats(&received, input) > 0, "{input}: the last ones come again");
        }
        // The kernel's queue to a local daemon dies with it; what came afterwards waited for the next one.
        let local = first_numbers(&received, "imuxsock");
        assert_eq!(local[local.len() - 60..], all(90)[30..]);
    });
}

#[test]
fn a_receiver_that_is_away_from_the_start_gets_everything_in_order() {
    with_rsyslog(|netns, mut rsyslog| {
        let log = format!("unix:{}", rsyslog.path().join("log").display());
        netns.inside(|| {
            block_on(async {
                let (mut sinks, _) = start(&config(&["udp:127.0.0.1:5141", "tcp:127.0.0.1:5143", &log]));
                for number in 0..200 {
                    sinks.send(&alert(number));
                }
                for (number, told) in [(0, "refused"), (1, "no syslog daemon"), (2, "no such socket")] {
                    let status = until(&sinks, number, "failed", |status| status.counts.failures >= 3).await;
                    assert!(failure(&status).contains(told), "{status:?}");
                }
                assert_eq!(sinks.status()[1].queued, 200);
                // A datagram socket always connects; it is told once that nobody is there, not at each attempt.
                let news = sinks.take_news().into_iter().filter(|news| news.sink.starts_with("udp"));
                let news: Vec<_> = news.map(|news| news.what).collect();
                assert!(matches!(&news[..], [Happening::Connected, Happening::Failed(_)]), "{news:?}");
                rsyslog.start();
                assert_eq!(sinks.end(PATIENCE).await, []);
            });
        });
        let received = rsyslog.until("all messages", has_all(200, &["udp", "tcp", "imuxsock"]));
        for input in ["udp", "tcp", "imuxsock"] {
            assert_eq!(first_numbers(&received, input), all(200), "{input}");
        }
    });
}

#[test]
fn a_receiver_that_hangs_holds_up_nobody_else() {
    with_rsyslog(|netns, mut rsyslog| {
        rsyslog.start();
        let mut other = Rsyslog::new(
            netns,
            r#"module(load="imtcp") input(type="imtcp" address="127.0.0.1" port="5153" name="other")"#,
            &[5153],
            &[],
        );
        other.start();
        const COUNT: usize = 3000;
        netns.inside(|| {
            block_on(async {
                let log = format!("unix:{}", rsyslog.path().join("log").display());
                let (mut sinks, _) = start(&config(&["tcp:127.0.0.1:5143", "tcp:127.0.0.1:5153", &log]));
                for number in 0..3 {
                    until(&sinks, number, "connected", is_connected).await;
                }
                rsyslog.signal(Signal::STOP);
                for number in 0..COUNT {
                    sinks.send(&alert(number));
                }
                let well = until(&sinks, 1, "done", |status| status.queued == 0).await;
                assert_eq!((well.counts.sent, well.counts.failures), (COUNT as u64, 0));
                for number in [0, 2] {
                    let hung = until(&sinks, number, "given up", |status| !failure(status).is_empty()).await;
                    assert!(
                        failure(&hung).contains("takes nothing for 2 s") || failure(&hung).contains("timed out"),
                        "{hung:?}"
                    );
                    assert!(hung.queued > 0);
                }
                rsyslog.signal(Signal::CONT);
                for number in [0, 2] {
                    until(&sinks, number, "done", |status| status.queued == 0).await;
                }
                assert_eq!(sinks.end(PATIENCE).await, []);
            });
        });
        let received = rsyslog.until("all messages", has_all(COUNT, &["tcp", "imuxsock"]));
        check_repeats(&received, "tcp");
        for input in ["tcp", "imuxsock"] {
            assert_eq!(first_numbers(&received, input), all(COUNT), "{input}");
        }
        let received = other.until("all messages", has_all(COUNT, &["other"]));
        assert_eq!(received.len(), COUNT);
    });
}

#[test]
fn what_finds_no_place_is_counted_and_told() {
    with_rsyslog(|netns, mut rsyslog| {
        netns.inside(|| {
            block_on(async {
                let mut config = config(&["tcp:127.0.0.1:5143"]);
                config.delivery.queue = 10;
                let (mut sinks, _) = start(&config);
                // Violations only: of equals the first are kept.
                for number in (0..30).map(|number| number * Kind::ALL.len()) {
                    sinks.send(&alert(number));
                }
                assert_eq!(sinks.status()[0].counts.dropped, 20);
                let news = sinks.take_news();
                assert_eq!(news.iter().filter(|news| news.what == Happening::Full).count(), 1, "{news:?}");
                rsyslog.start();
                let status = until(&sinks, 0, "done", |status| status.queued == 0).await;
                assert_eq!(status.counts.sent, 11);
                assert_eq!(sinks.end(PATIENCE).await, []);
            });
        });
        let received = rsyslog.until("the messages", |received| received.len() >= 11);
        let (loss, kept) = received.split_last().unwrap();
        assert_eq!(first_numbers(kept, "tcp"), (0..10).map(|number| number * 7).collect::<Vec<_>>());
        assert_eq!((loss.msgid.as_str(), loss.severity.as_str()), ("LOSS", "warning"));
        assert_eq!((loss.field("dropped"), loss.field("dropped_violation")), ("20".to_owned(), "20".to_owned()));
        assert_eq!(loss.field("sink"), "tcp:127.0.0.1:5143");
        // The dropped ones had numbers, so the gap shows.
        let sequences: Vec<u32> = received.iter().map(Received::sequence).collect();
        assert_eq!(sequences, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 31]);
    });
}

#[test]
fn what_was_not_sent_survives_a_restart() {
    with_rsyslog(|netns, mut rsyslog| {
        let file = rsyslog.path().join("unsent.json");
        netns.inside(|| {
            block_on(async {
                let (mut sinks, _) = start(&config(&["tcp:127.0.0.1:5143"]));
                for number in 0..20 {
                    sinks.send(&alert(number));
                }
                let unsent = sinks.unsent();
                let ended = sinks.end(Duration::from_millis(300)).await;
                assert_eq!(unsent, ended);
                fs::write(&file, serde_json::to_vec(&ended).unwrap()).unwrap();
            });
            rsyslog.start();
            block_on(async {
                let unsent: Vec<Unsent> = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
                let (mut sinks, _) = start(&config(&["tcp:127.0.0.1:5143"]));
                assert_eq!(sinks.resume(&unsent), 0);
                let elsewhere = Unsent { sink: "udp:192.0.2.1:514".into(), alerts: unsent[0].alerts.clone() };
                assert_eq!(sinks.resume(&[elsewhere]), 20);
                for number in 20..30 {
                    sinks.send(&alert(number));
                }
                assert_eq!(sinks.end(PATIENCE).await, []);
            });
        });
        let received = rsyslog.until("all messages", has_all(30, &["tcp"]));
        assert_eq!(first_numbers(&received, "tcp"), all(30));
        assert_eq!(received.len(), 30);
    });
}

/// A socket of a stream, as syslog-ng may have.
#[test]
fn a_local_stream_ends_messages_as_syslog_does() {
    let directory = TempDir::new();
    let path = directory.path().join("log");
    block_on(async {
        let listener = UnixListener::bind(&path).unwrap();
        let (mut sinks, _) = start(&config(&[&format!("unix:{}", path.display())]));
        let (mut stream, _) = listener.accept().await.unwrap();
        for number in 0..3 {
            sinks.send(&alert(number));
        }
        let ended = tokio::spawn(sinks.end(PATIENCE));
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        drop(stream);
        assert_eq!(ended.await.unwrap(), []);
        let messages: Vec<&str> = text.split_terminator('\0').collect();
        assert_eq!(messages.len(), 3, "{text:?}");
        for (number, message) in messages.into_iter().enumerate() {
            let start = format!("Jun  9 22:48:{:02} analyzer[4711]: message {number}: ", 28 + number);
            assert!(message.contains(&start) && !message.contains('\0'), "{message}");
        }
    });
}

/// A receiver that closes the connection, with all that it was sent unread, gets it again.
#[test]
fn what_a_receiver_did_not_read_comes_again() {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (mut sinks, _) = start(&config(&[&format!("tcp:{}", listener.local_addr().unwrap())]));
        let (unread, _) = listener.accept().await.unwrap();
        for number in 0..100 {
            sinks.send(&alert(number));
        }
        until(&sinks, 0, "done", |status| status.counts.sent == 100).await;
        drop(unread);
        let (mut stream, _) = listener.accept().await.unwrap();
        let ended = tokio::spawn(sinks.end(PATIENCE));
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        drop(stream);
        assert_eq!(ended.await.unwrap(), []);
        let mut rest = text.as_str();
        for number in 1..=100 {
            let (len, behind) = rest.split_once(' ').expect("a length");
            let (message, next) = behind.split_at(len.parse().unwrap());
            assert!(message.contains(&format!("[meta sequenceId=\"{number}\"]")), "{message}");
            rest = next;
        }
        assert_eq!(rest, "");
    });
}

/// What nobody takes is returned, in time.
#[test]
fn the_end_does_not_wait_for_ever() {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let taken = format!("tcp:{}", listener.local_addr().unwrap());
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let (mut sinks, _) = start(&config(&[&taken, &format!("tcp:{free}")]));
        let (mut stream, _) = listener.accept().await.unwrap();
        for number in 0..5 {
            sinks.send(&alert(number));
        }
        let unsent = timeout(PATIENCE, sinks.end(Duration::from_millis(500))).await.expect("it is bounded");
        let names: Vec<_> = unsent.iter().map(|unsent| (unsent.sink.as_str(), unsent.alerts.len())).collect();
        assert_eq!(names, [(format!("tcp:{free}").as_str(), 5)]);
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert_eq!(text.matches("sequenceId").count(), 5);
        // With nothing to send it does not wait at all.
        let (sinks, _) = start(&config(&[&format!("tcp:{free}")]));
        assert_eq!(timeout(PATIENCE, sinks.end(Duration::from_secs(3600))).await.expect("at once"), []);
    });
}
