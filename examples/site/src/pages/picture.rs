//! Scales pictures down, in a limited amount of memory.

mod header;

use std::fmt;
use std::io::{BufRead, Cursor, Seek};

use fast_image_resize::Resizer;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageEncoder, ImageError, ImageReader, Limits};

pub(crate) use self::header::Header;

/// Pixels in a row or a column.
const LONGEST_SIDE: u32 = 16_384;

/// The memory for all pictures in the making together, in bytes. A picture that would need more by
/// itself is refused. A JPEG of 24 megapixels needs 148 MiB for a width of 2048; if it is
/// progressive, 210 MiB and twice the size of its file.
pub(crate) const MEMORY: u64 = 256 << 20;

/// For other data in a file, such as color profiles, and for rows and tables of the codecs.
const BESIDES: u64 = 4 << 20;

/// The format in which a file of this type can be scaled.
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

impl PictureError {
    fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Broken(error.into())
    }
}

impl fmt::Display for PictureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(
                f,
                "The picture is too large to be scaled: it has more than {LONGEST_SIDE} pixels on \
                 a side, or needs more than {} MiB of memory.",
                MEMORY >> 20
            ),
            Self::Broken(_) => {
                f.write_str("The file is not a PNG, JPEG or WebP picture, or it is broken.")
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
            error => Self::broken(error),
        }
    }
}

impl Header {
    /// The peak memory of [`scaled`] in bytes, when it scales this picture to `width` pixels.
    ///
    /// # Errors
    /// [`TooLarge`](PictureError::TooLarge): it needs more than [`MEMORY`], or a side is too long.
    pub(crate) fn memory(&self, width: u32) -> Result<u64, PictureError> {
        if self.width.max(self.height) > LONGEST_SIDE {
            return Err(PictureError::TooLarge);
        }
        let decoded = self.decoded();
        // In a picture that its camera rotated, the width is the height.
        let narrow = u64::from(self.width.min(self.height).max(1));
        let part = |of: u64| (of * u64::from(width)).div_ceil(narrow).min(of);
        let decoding = decoded.saturating_add(self.decoder);
        // Transparent pixels are multiplied in a copy; then columns shrink, and then rows.
        let copy = if self.has_alpha { decoded } else { 0 };
        let between = part(decoded);
        let small = part(between);
        let scaling = decoded + copy + between + small;
        // Rotated; then in eight bits, compressed, and in a buffer that has grown.
        let coding = small * 8;
        let memory = decoding.max(scaling).max(coding).saturating_add(BESIDES);
        if memory > MEMORY {
            return Err(PictureError::TooLarge);
        }
        Ok(memory)
    }
}

/// The picture in `file`, scaled to a width of `width` pixels. `None` if it is not wider than that:
/// a picture is never enlarged.
///
/// With transparency it becomes a PNG, without a JPEG. It is rotated as its camera says, and stays
/// within the [memory](Header::memory) that `header` has calculated.
pub(crate) fn scaled(
    file: impl BufRead + Seek,
    header: &Header,
    width: u32,
) -> Result<Option<Scaled>, PictureError> {
    let mut reader = ImageReader::new(file)
        .with_guessed_format()
        .map_err(PictureError::broken)?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(header.width);
    limits.max_image_height = Some(header.height);
    limits.max_alloc = Some(BESIDES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let turned = decoder.orientation()?;
    if decoder.total_bytes() > header.decoded() {
        return Err(PictureError::broken("the head of the file is ambiguous"));
    }
    let picture = DynamicImage::from_decoder(decoder)?;
    let is_on_its_side = matches!(
        turned,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    );
    let (from_width, from_height) = match is_on_its_side {
        false => (picture.width(), picture.height()),
        true => (picture.height(), picture.width()),
    };
    if from_width <= width {
        return Ok(None);
    }
    let height = u64::from(from_height) * u64::from(width) / u64::from(from_width);
    let height = u32::try_from(height).unwrap_or(LONGEST_SIDE).max(1);
    let (across, down) = match is_on_its_side {
        false => (width, height),
        true => (height, width),
    };
    // It is rotated after scaling, because before, a second picture of the full size would be
    // needed.
    let mut small = DynamicImage::new(across, down, picture.color());
    Resizer::new()
        .resize(&picture, &mut small, None)
        .map_err(PictureError::broken)?;
    drop(picture);
    small.apply_orientation(turned);
    encoded(small).map(Some)
}

/// Eight bits a channel are what browsers show.
fn encoded(picture: DynamicImage) -> Result<Scaled, PictureError> {
    let has_alpha = picture.color().has_alpha();
    let picture = match has_alpha {
        true => DynamicImage::from(picture.into_rgba8()),
        false => DynamicImage::from(picture.into_rgb8()),
    };
    let width = picture.width();
    let height = picture.height();
    let color = picture.color().into();
    let mut bytes = Cursor::new(Vec::new());
    let content_type = if has_alpha {
        PngEncoder::new(&mut bytes).write_image(picture.as_bytes(), width, height, color)?;
        "image/png"
    } else {
        let encoder = JpegEncoder::new_with_quality(&mut bytes, 85);
        encoder.write_image(picture.as_bytes(), width, height, color)?;
        "image/jpeg"
    };
    Ok(Scaled {
        bytes: bytes.into_inner(),
        content_type,
    })
}
