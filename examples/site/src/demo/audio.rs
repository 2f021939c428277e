//! Generates a file of more than 20 MB, so that it need not be shipped: two minutes of a chord, in
//! stereo (WAVE, PCM of 16 bits).

use std::f64::consts::TAU;
use std::io::{self, Write};

/// Samples in a second, and on how many channels.
const RATE: u32 = 44_100;
const CHANNELS: u16 = 2;

/// As long as it needs to be for 20 MB; for tests a second is enough.
const SECONDS: u32 = if cfg!(test) { 1 } else { 120 };

/// Whole numbers of Hertz, so that each second is the same; nearly an A major, which beats.
const TONES: [[f64; 3]; 2] = [[220.0, 277.0, 330.0], [221.0, 278.0, 329.0]];

pub(crate) fn write(file: &mut impl Write) -> io::Result<()> {
    let second = second();
    let bytes = u32::try_from(second.len()).unwrap_or(u32::MAX) * SECONDS;
    file.write_all(&head(bytes))?;
    (0..SECONDS).try_for_each(|_| file.write_all(&second))
}

fn second() -> Vec<u8> {
    let sample = |at: u32, tones: &[f64; 3]| {
        let time = f64::from(at) / f64::from(RATE);
        let loud: f64 = tones.iter().map(|tone| (TAU * tone * time).sin()).sum();
        // Three tones with a tenth of the full volume each: quiet, because the listener may wear
        // headphones.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "less than a third of what fits"
        )]
        let loud = (loud * 0.1 * f64::from(i16::MAX)) as i16;
        loud.to_le_bytes()
    };
    (0..RATE)
        .flat_map(|at| TONES.iter().flat_map(move |tones| sample(at, tones)))
        .collect()
}

/// RIFF, the format, and the head of the data, with its length in bytes.
fn head(bytes: u32) -> Vec<u8> {
    let frame = CHANNELS * 2;
    let mut head = b"RIFF".to_vec();
    head.extend((36 + bytes).to_le_bytes());
    head.extend(b"WAVEfmt ");
    head.extend(16_u32.to_le_bytes());
    head.extend(1_u16.to_le_bytes());
    head.extend(CHANNELS.to_le_bytes());
    head.extend(RATE.to_le_bytes());
    head.extend((RATE * u32::from(frame)).to_le_bytes());
    head.extend(frame.to_le_bytes());
    head.extend(16_u16.to_le_bytes());
    head.extend(b"data");
    head.extend(bytes.to_le_bytes());
    head
}
