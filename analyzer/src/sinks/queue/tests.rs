use proptest::prelude::*;

use super::*;

const KEEP: Retention = Retention { young: Duration::from_secs(60), count: 4, old: Duration::from_secs(600) };

fn alert(kind: Kind) -> Arc<Alert> {
    Arc::new(Alert { kind, reason: None, at: Timestamp::default(), seen: None, text: "t".into(), fields: vec![] })
}

fn push(queue: &mut Queue, kind: Kind) -> u64 {
    queue.push(alert(kind), now(), Timestamp::default())
}

/// Any moment: only differences count.
fn now() -> Instant {
    Instant::now()
}

fn waiting(queue: &Queue) -> Vec<u32> {
    queue.again.iter().chain(&queue.waiting).map(|entry| entry.sequence).collect()
}

fn write(queue: &mut Queue, at: Instant) -> Option<u32> {
    let entry = queue.take()?;
    queue.written(at);
    Some(entry.sequence)
}

#[test]
fn what_may_not_have_been_read_comes_first_again_in_the_old_order() {
    let mut queue = Queue::new(10, KEEP);
    let start = now();
    for _ in 0..6 {
        push(&mut queue, Kind::Violation);
    }
    assert_eq!([write(&mut queue, start), write(&mut queue, start)], [Some(1), Some(2)]);
    let begun = queue.take().unwrap();
    assert_eq!((begun.sequence, begun.was_written, queue.len()), (3, false, 4));
    queue.lost(start);
    assert_eq!(waiting(&queue), [1, 2, 3, 4, 5, 6]);
    // On the next connection too, as long as nobody has read it.
    assert_eq!(write(&mut queue, start), Some(1));
    let again = queue.take().unwrap();
    assert!(again.was_written && again.sequence == 2);
    queue.lost(start);
    assert_eq!(waiting(&queue), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn old_messages_are_not_sent_again() {
    let start = now();
    let sent = || {
        let mut queue = Queue::new(100, KEEP);
        for _ in 0..10 {
            push(&mut queue, Kind::Violation);
            write(&mut queue, start);
        }
        queue
    };
    for (age, again) in [(59, (1..=10).collect::<Vec<_>>()), (61, vec![7, 8, 9, 10]), (601, vec![])] {
        let mut queue = sent();
        queue.lost(start + Duration::from_secs(age));
        assert_eq!(waiting(&queue), again, "after {age} s");
    }
    let mut read = sent();
    read.confirmed();
    read.lost(start);
    assert_eq!(read.len(), 0);
    let mut local = Queue::new(100, Retention::NONE);
    push(&mut local, Kind::Violation);
    write(&mut local, start);
    local.lost(start);
    assert_eq!(local.len(), 0);
}

#[test]
fn a_full_queue_keeps_what_tells_most() {
    let mut queue = Queue::new(3, KEEP);
    for kind in [Kind::Repeated, Kind::Cleared, Kind::Repeated] {
        assert_eq!(push(&mut queue, kind), 0);
    }
    // A reminder gives way to a newer one, both to a violation, that it is over to a violation too.
    for (kind, kept) in [
        (Kind::Repeated, [2, 3, 4]),
        (Kind::Violation, [2, 4, 5]),
        (Kind::Violation, [2, 5, 6]),
        (Kind::Cleared, [2, 5, 6]),
        (Kind::Violation, [5, 6, 8]),
        (Kind::Violation, [5, 6, 8]),
    ] {
        assert_eq!(push(&mut queue, kind), 1);
        assert_eq!(waiting(&queue), kept);
    }
    assert_eq!(queue.take_loss(), None, "there is no room to tell");
    write(&mut queue, now());
    assert_eq!(queue.take_loss(), None);
    write(&mut queue, now());
    let loss = queue.take_loss().unwrap().alert("local", Timestamp::default());
    let fields: Vec<_> = loss.fields.iter().map(|field| (field.name, field.value.as_str())).collect();
    assert!(fields.contains(&("dropped", "6")) && fields.contains(&("sink", "local")), "{fields:?}");
    assert!(fields.contains(&("dropped_repeated", "3")) && fields.contains(&("dropped_cleared", "2")), "{fields:?}");
    assert!(fields.contains(&("dropped_violation", "1")), "{fields:?}");
    assert_eq!(queue.take_loss(), None);
}

#[test]
fn numbers_begin_again_behind_the_last() {
    let mut queue = Queue::new(4, KEEP);
    queue.next_sequence = LAST_SEQUENCE;
    push(&mut queue, Kind::Violation);
    push(&mut queue, Kind::Violation);
    assert_eq!(waiting(&queue), [LAST_SEQUENCE, 1]);
}

#[derive(Clone, Debug)]
enum Step {
    Push(Kind),
    Write,
    Begin,
    Break,
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::sample::select(Kind::ALL.to_vec()).prop_map(Step::Push),
        3 => Just(Step::Write),
        1 => Just(Step::Begin),
        1 => Just(Step::Break),
        1 => (0..400_u64).prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn nothing_goes_missing_and_nothing_overtakes(
        capacity in 1..8_usize,
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let mut queue = Queue::new(capacity, KEEP);
        let mut time = now();
        let (mut pushed, mut dropped, mut begun) = (0_u32, 0, false);
        let mut first_writes = Vec::new();
        let mut last = 0;
        for step in steps {
            match step {
                Step::Push(kind) => {
                    pushed += 1;
                    dropped += push(&mut queue, kind);
                }
                Step::Write | Step::Begin => {
                    // What was begun is done first.
                    if std::mem::take(&mut begun) {
                        first_writes.extend(queue.writing.iter().filter(|entry| !entry.was_written).map(|entry| entry.sequence));
                        queue.written(time);
                    }
                    if let Some(entry) = queue.take() {
                        prop_assert!(entry.sequence > last, "in order on one connection");
                        last = entry.sequence;
                        begun = matches!(step, Step::Begin);
                        if !begun {
                            if !entry.was_written {
                                first_writes.push(entry.sequence);
                            }
                            queue.written(time);
                        }
                    }
                }
                Step::Break => {
                    queue.lost(time);
                    (last, begun) = (0, false);
                }
                Step::Pass(seconds) => time += Duration::from_secs(seconds),
            }
            prop_assert!(queue.waiting.len() <= capacity);
            prop_assert!(queue.written.len() <= capacity.max(KEEP.count));
            prop_assert!(queue.again.len() <= capacity.max(KEEP.count) + 1);
            prop_assert_eq!(queue.ranks.iter().sum::<usize>(), queue.waiting.len());
        }
        prop_assert!(first_writes.is_sorted());
        let unwritten = queue.writing.iter().chain(&queue.again).chain(&queue.waiting);
        let unwritten = unwritten.filter(|entry| !entry.was_written).count();
        prop_assert_eq!(first_writes.len() + unwritten + dropped as usize, pushed as usize);
    }
}
