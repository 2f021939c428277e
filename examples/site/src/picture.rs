//! Pictures are made smaller.

use std::fmt;
use std::io::{BufRead, Cursor, Seek};

use fast_image_resize::images::Image;
use fast_image_resize::{IntoImageView, Resizer};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{DynamicImage, ImageDecoder, ImageEncoder, ImageError, ImageReader, Limits};

/// A picture larger than this is not decoded: so many pixels in a row or a column, and so many
/// bytes in memory. A few bytes of PNG can claim any size.
const LONGEST_SIDE: u32 = 16_384;
const MOST_MEMORY: u64 = 256 << 20;

/// What a file that has this type can be scaled as.
pub(crate) fn can_be_scaled(content_type: &str) -> bool {
    matches!(content_type, "image/png" | "image/jpeg" | "image/webp")
}

/// A picture of a certain width.
#[derive(Debug)]
pub(crate) struct Scaled {
    pub(crate) bytes: Vec<u8>,
    pub(crate) content_type: &'static str,
}

/// Why a picture cannot be scaled.
#[derive(Debug)]
pub(crate) enum PictureError {
    TooLarge,
    Broken(Box<dyn std::error::Error + Send + Sync>),
}

impl fmt::Display for PictureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(
                f,
                "The picture is too large to be scaled: more than {LONGEST_SIDE} pixels on a \
                    side, or {} MiB in \
                 memory.",
                MOST_MEMORY >> 20
            ),
            Self::Broken(_) => {
                f.write_str("The file is no PNG, JPEG or WebP picture, or it is broken.")
            }
        }
    }
}

impl std::error::Error for PictureError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::TooLarge => None,
            Self::Broken(error) => Some(&**error),
        }
    }
}

impl From<ImageError> for PictureError {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::Limits(_) => Self::TooLarge,
            error => Self::Broken(error.into()),
        }
    }
}

/// The picture in `file`, `width` pixels wide. None when it is no wider than that: never enlarged.
///
/// With transparency it becomes a PNG, without a JPEG; turned as its camera says.
pub(crate) fn scaled(
    file: impl BufRead + Seek,
    width: u32,
) -> Result<Option<Scaled>, PictureError> {
    let mut reader = ImageReader::new(file)
        .with_guessed_format()
        .map_err(|error| PictureError::Broken(error.into()))?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(MOST_MEMORY);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let turned = decoder.orientation()?;
    if decoder.total_bytes() > MOST_MEMORY {
        return Err(PictureError::TooLarge);
    }
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(turned);
    if picture.width() <= width {
        return Ok(None);
    }
    // Eight bits a channel are what browsers show.
    let picture = if picture.color().has_alpha() {
        DynamicImage::from(picture.into_rgba8())
    } else {
        DynamicImage::from(picture.into_rgb8())
    };
    encoded(&picture, width).map(Some)
}

fn encoded(picture: &DynamicImage, width: u32) -> Result<Scaled, PictureError> {
    let broken = |error: Box<dyn std::error::Error + Send + Sync>| PictureError::Broken(error);
    let height = u64::from(picture.height()) * u64::from(width) / u64::from(picture.width());
    let height = u32::try_from(height).unwrap_or(LONGEST_SIDE).max(1);
    let pixels = picture
        .pixel_type()
        .ok_or_else(|| broken("unknown pixels".into()))?;
    let mut small = Image::new(width, height, pixels);
    Resizer::new()
        .resize(picture, &mut small, None)
        .map_err(|error| broken(error.into()))?;
    let mut bytes = Cursor::new(Vec::new());
    let color = picture.color().into();
    let content_type = if picture.color().has_alpha() {
        PngEncoder::new(&mut bytes).write_image(small.buffer(), width, height, color)?;
        "image/png"
    } else {
        JpegEncoder::new_with_quality(&mut bytes, 85).write_image(
            small.buffer(),
            width,
            height,
            color,
        )?;
        "image/jpeg"
    };
    Ok(Scaled {
        bytes: bytes.into_inner(),
        content_type,
    })
}
