//! Limits one past, by a clock of the test's own.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::super::frames::Reader;
use super::*;

const SECOND: Duration = Duration::from_secs(1);

struct Seen {
    watch: Watch,
    client: Reader,
    server: Reader,
    now: Instant,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

impl Seen {
    /// With a head and a write of a second each, 3 streams, 2 resets, 5 idle frames, and ten seconds
    /// of nothing.
    fn new() -> Self {
        let http2 = Http2 {
            requests_max: 3,
            streams_max: 3,
            resets_max: 2,
            idle_frames_max: 5,
            idle_timeout: 10 * SECOND,
            age_max: SECOND,
            ping_interval: SECOND,
            ping_timeout: SECOND,
        };
        let now = Instant::now();
        let watch = Watch::new(Bounds { http2, head: SECOND, write: SECOND }, now);
        Self { watch, client: Reader::of_server(), server: Reader::of_server(), now }
    }

    fn came(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Result<(), Over> {
        let mut result = Ok(());
        let (watch, now) = (&mut self.watch, self.now);
        self.client.pass(&frame(kind, flags, stream, payload), |passed| {
            result = result.and(watch.came(passed, now));
        });
        result
    }

    fn went(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Result<(), Over> {
        let mut result = Ok(());
        let (watch, now) = (&mut self.watch, self.now);
        self.server.pass(&frame(kind, flags, stream, payload), |passed| {
            result = result.and(watch.went(passed, now));
        });
        result
    }

    fn request(&mut self, stream: u32) {
        self.came(1, 5, stream, b"head").unwrap();
    }

    fn look_after(&mut self, time: Duration) -> Result<(), Over> {
        self.now += time;
        self.watch.look(self.now)
    }
}

#[test]
fn a_head_may_take_its_time_and_no_longer() {
    let mut seen = Seen::new();
    assert_eq!(seen.look_after(SECOND / 2), Ok(()));
    assert_eq!(seen.look_after(SECOND / 2), Err(Over::HeadTimeout), "the first is awaited");
    let mut seen = Seen::new();
    seen.request(1);
    assert_eq!(seen.look_after(5 * SECOND), Ok(()), "it is whole, and is being answered");
    seen.came(1, 0, 3, b"head").unwrap();
    assert_eq!(seen.look_after(SECOND / 2), Ok(()));
    seen.came(9, 0, 3, b"more").unwrap();
    assert_eq!(seen.look_after(SECOND / 2), Err(Over::HeadTimeout));
    seen.came(9, 4, 3, b"last").unwrap();
    assert_eq!(seen.look_after(SECOND), Ok(()));
}

#[test]
fn what_is_idle_is_over_and_what_waits_for_its_answer_is_not_idle() {
    let mut seen = Seen::new();
    seen.request(1);
    assert_eq!(seen.look_after(100 * SECOND), Ok(()));
    seen.went(1, 5, 1, b"answer").unwrap();
    assert_eq!(seen.look_after(9 * SECOND), Ok(()));
    assert_eq!(seen.look_after(SECOND), Err(Over::Idle));
}

#[test]
fn an_answer_waits_for_a_window_of_its_stream_or_of_the_connection() {
    for stream_of_update in [0, 1] {
        let mut seen = Seen::new();
        seen.request(1);
        seen.went(1, 4, 1, b"answer").unwrap();
        for part in [16_384, 16_384, 16_384, 16_383] {
            seen.went(0, 0, 1, &vec![0; part]).unwrap();
        }
        // Both are shut now; opening the one does not help.
        seen.came(8, 0, stream_of_update, &100_000_u32.to_be_bytes()).unwrap();
        assert_eq!(seen.look_after(SECOND), Ok(()));
        assert_eq!(seen.look_after(SECOND / 2), Ok(()));
        assert_eq!(seen.look_after(SECOND / 2), Err(Over::Stalled));
        seen.came(8, 0, 1 - stream_of_update, &100_000_u32.to_be_bytes()).unwrap();
        assert_eq!(seen.look_after(10 * SECOND), Ok(()));
    }
}

#[test]
fn an_answer_that_has_not_begun_waits_for_nobody() {
    let mut seen = Seen::new();
    seen.came(4, 0, 0, &[0, 4, 0, 0, 0, 0]).unwrap();
    seen.request(1);
    assert_eq!(seen.look_after(SECOND), Ok(()));
    assert_eq!(seen.look_after(100 * SECOND), Ok(()));
    seen.went(1, 4, 1, b"answer").unwrap();
    assert_eq!(seen.look_after(SECOND), Ok(()));
    assert_eq!(seen.look_after(SECOND), Err(Over::Stalled));
    seen.came(4, 0, 0, &[0, 4, 0, 0, 1, 0]).unwrap();
    assert_eq!(seen.look_after(SECOND), Ok(()), "a setting opens it, too");
}

#[test]
fn budgets_are_given_back_by_answers_data_and_time() {
    let cancel = 8_u32.to_be_bytes();
    let mut seen = Seen::new();
    let mut stream = 1;
    let mut rapid = |seen: &mut Seen| {
        seen.request(stream);
        stream += 2;
        seen.came(3, 0, stream - 2, &cancel)
    };
    assert_eq!([rapid(&mut seen), rapid(&mut seen)], [Ok(()), Ok(())]);
    assert_eq!(rapid(&mut seen), Err(Over::Resets));
    seen.request(101);
    seen.went(1, 5, 101, b"answer").unwrap();
    let mut stream = 103;
    let mut rapid = |seen: &mut Seen| {
        seen.request(stream);
        stream += 2;
        seen.went(3, 0, stream - 2, &1_u32.to_be_bytes())
    };
    assert_eq!([rapid(&mut seen), rapid(&mut seen)], [Ok(()), Err(Over::Resets)], "one is good");
    seen.now += REFILL;
    assert_eq!(rapid(&mut seen), Ok(()));
    let Told { reset_by_peer, refused, reset_by_us } = seen.watch.told();
    assert_eq!((reset_by_peer, refused, reset_by_us), (3, 0, 3));

    let mut seen = Seen::new();
    for _ in 0..5 {
        assert_eq!(seen.came(6, 0, 0, b"12345678"), Ok(()));
    }
    assert_eq!(seen.came(6, 0, 0, b"12345678"), Err(Over::IdleFrames));
    seen.request(1);
    seen.came(0, 0, 1, b"data").unwrap();
    assert_eq!(seen.came(0, 0, 1, b""), Ok(()));
    assert_eq!(seen.came(0, 0, 1, b""), Ok(()));
    assert_eq!(seen.came(0, 0, 1, b""), Err(Over::IdleFrames));
    assert_eq!(seen.came(0, 1, 1, b""), Ok(()), "the end of a body is no idle frame");
    seen.went(1, 5, 1, b"answer").unwrap();
    for _ in 0..4 {
        assert_eq!(seen.came(8, 0, 0, &1_u32.to_be_bytes()), Ok(()));
    }
    assert_eq!(seen.came(8, 0, 0, &1_u32.to_be_bytes()), Err(Over::IdleFrames));
}

#[test]
fn the_number_of_streams_that_are_remembered_is_bounded() {
    let mut seen = Seen::new();
    let opened = (0..).map(|n| 2 * n + 1).take(1000);
    let ends: Vec<_> = opened.map(|stream| seen.came(1, 5, stream, b"head")).collect();
    assert!(ends.iter().take(3 + REFUSED_MAX).all(Result::is_ok));
    assert_eq!(ends[3 + REFUSED_MAX], Err(Over::Resets));
}
