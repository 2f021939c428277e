use proptest::prelude::*;

use super::*;

const MOST: u32 = 5;
const PING: [u8; 17] = frame(6, 0);
const WINDOW_UPDATE: [u8; 13] = frame(8, 0);
const GET: [u8; 10] = frame(HEADERS, END_STREAM);

/// Returns a frame. Its payload is zeros and fills the array after the head.
const fn frame<const N: usize>(kind: u8, flags: u8) -> [u8; N] {
    let mut bytes = [0; N];
    bytes[2] = (N - HEAD) as u8;
    bytes[3] = kind;
    bytes[4] = flags;
    bytes
}

fn greeted() -> Frames {
    let mut frames = Frames::new(MOST);
    assert_eq!(frames.read(PREFACE), Ok(()));
    frames
}

/// Returns the number of frames that may still arrive.
fn may_come(frames: &mut Frames, frame: &[u8]) -> usize {
    (0..100).take_while(|_| frames.read(frame).is_ok()).count()
}

#[test]
fn frames_without_progress_are_counted() {
    for (kind, counted) in [
        (&frame::<9>(4, 0)[..], true),
        (&frame::<15>(4, 0), true),
        (&PING, true),
        (&frame::<17>(6, 1), true),
        (&frame::<14>(2, 0), true),
        (&frame::<13>(3, 0), true),
        (&WINDOW_UPDATE, true),
        (&frame::<9>(0x10, 0), true),
        (&frame::<200>(0xee, 0), true),
        (&frame::<9>(DATA, 0), true),
        (&frame::<9>(DATA, END_STREAM), false),
        (&frame::<10>(DATA, 0), false),
        (&GET, false),
        (&frame::<9>(CONTINUATION, 0), false),
    ] {
        let expected = if counted { MOST as usize } else { 100 };
        assert_eq!(may_come(&mut greeted(), kind), expected, "{kind:?}");
    }
}

#[test]
fn requests_and_answers_allow_some_control_frames() {
    let mut frames = greeted();
    for _ in 0..100 {
        assert_eq!(
            frames.read(&[&GET[..], &PING, &WINDOW_UPDATE, &PING].concat()),
            Ok(())
        );
    }
    for _ in 0..100 {
        frames.wrote(BYTES / 2);
        frames.wrote(BYTES / 2);
        assert_eq!(frames.read(&WINDOW_UPDATE), Ok(()));
    }
    // No more credit is restored than there was at the beginning.
    frames.wrote(1 << 30);
    assert_eq!(may_come(&mut frames, &PING), MOST as usize);
}

#[test]
fn a_limit_of_zero_allows_no_control_frames() {
    let mut frames = Frames::new(0);
    assert_eq!(frames.read(PREFACE), Ok(()));
    assert_eq!(frames.read(&PING), Err(Flood));
}

#[tokio::test(start_paused = true)]
async fn the_credit_is_full_again_after_a_while() {
    let mut frames = greeted();
    for _ in 0..3 {
        assert_eq!(may_come(&mut frames, &PING), MOST as usize);
        tokio::time::advance(SPAN).await;
    }
}

#[test]
fn http1_is_not_inspected() {
    for begin in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"POST / HTTP/1.1\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSX",
        b"\0",
    ] {
        let mut frames = Frames::new(0);
        assert_eq!(frames.read(begin), Ok(()));
        assert_eq!(may_come(&mut frames, &PING), 100, "{begin:?}");
    }
}

proptest! {
    /// The same frame exceeds the limit, however the bytes are split.
    #[test]
    fn frames_are_found_in_any_pieces(
        kinds in proptest::collection::vec((0..12_u8, 0..300_usize), 0..40),
        pieces in proptest::collection::vec(1..40_usize, 1..40),
    ) {
        let mut bytes = PREFACE.to_vec();
        let mut credit = MOST;
        let mut flood = None;
        for (kind, length) in kinds {
            let length = u32::try_from(length).unwrap();
            bytes.extend(&length.to_be_bytes()[1..]);
            bytes.extend([kind, 0, 0, 0, 0, 1]);
            match kind {
                HEADERS => credit = MOST,
                CONTINUATION => {}
                DATA if length > 0 => {}
                _ if credit == 0 => flood = flood.or(Some(bytes.len())),
                _ => credit -= 1,
            }
            bytes.resize(bytes.len() + length as usize, 0xff);
        }
        let mut frames = Frames::new(MOST);
        let mut at = 0;
        let mut sizes = pieces.iter().cycle();
        while at < bytes.len() {
            let end = bytes.len().min(at + sizes.next().unwrap());
            let is_flood = frames.read(&bytes[at..end]).is_err();
            let expected = flood.is_some_and(|flood| at < flood && flood <= end);
            prop_assert_eq!(is_flood, expected, "{} to {}", at, end);
            if is_flood {
                break;
            }
            at = end;
        }
    }
}
