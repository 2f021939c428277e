//! The text that the entities of a file add to it.

use std::collections::HashMap;

/// The maximum depth of nested entities, which is that of the XML parser.
const MAX_NESTED: usize = 10;

/// An entity that a file declares.
struct Entity {
    /// The bytes of its value.
    length: usize,
    /// Entities in its value, by their indexes.
    uses: Vec<usize>,
}

/// Returns the number of bytes to which the references of a file expand. The parser limits how
/// often entities use each other, but not how often the text uses a long one.
pub(super) fn expanded(xml: &str) -> usize {
    let values: Vec<(&str, &str)> = declared(xml);
    if values.is_empty() {
        return 0;
    }
    // If there are two declarations, the first one counts (XML 1.0 §4.2).
    let mut indexes: HashMap<&str, usize> = HashMap::new();
    for (index, (name, _)) in values.iter().enumerate() {
        indexes.entry(name).or_insert(index);
    }
    let uses = |text| -> Vec<usize> {
        let names = references(text);
        names
            .filter_map(|name| indexes.get(name).copied())
            .collect()
    };
    let entities: Vec<Entity> = values
        .iter()
        .map(|(_, value)| Entity {
            length: value.len(),
            uses: uses(value),
        })
        .collect();
    let sum = |sizes: &[usize], uses: &[usize]| {
        let used = uses.iter().map(|index| sizes[*index]);
        used.fold(0, usize::saturating_add)
    };
    let mut sizes: Vec<usize> = entities.iter().map(|entity| entity.length).collect();
    for _ in 0..MAX_NESTED {
        let next = entities.iter();
        let next = next.map(|entity| entity.length.saturating_add(sum(&sizes, &entity.uses)));
        sizes = next.collect();
    }
    sum(&sizes, &uses(xml))
}

/// Returns the names and values of `<!ENTITY name "value">`.
fn declared(xml: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = xml;
    while let Some(at) = rest.find("<!ENTITY") {
        // Each byte is examined at most a few times, because text that was read is not read again.
        let name = rest[at + "<!ENTITY".len()..].trim_start();
        let Some((name, value)) = name.split_once(|c: char| c.is_ascii_whitespace()) else {
            break;
        };
        rest = value.trim_start();
        let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            continue;
        };
        let Some((value, after)) = rest[1..].split_once(quote) else {
            break;
        };
        found.push((name, value));
        rest = after;
    }
    found
}

/// Returns the names in `&name;`.
fn references(text: &str) -> impl Iterator<Item = &str> {
    text.split('&').skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| c == ';' || c.is_ascii_whitespace())?;
        rest[end..].starts_with(';').then(|| &rest[..end])
    })
}

#[cfg(test)]
mod tests {
    use super::expanded;

    #[test]
    fn each_reference_counts_with_all_that_it_stands_for() {
        let cases = [
            ("<a>&amp;&#160;</a>", 0),
            ("<!DOCTYPE a [<!ENTITY x 'four'>]><a>&x;&x; &y;</a>", 8),
            // The reference in the declaration also counts.
            (
                "<!DOCTYPE a [<!ENTITY x 'four'><!ENTITY y \"&x;&x;\">]><a b='&y;'/>",
                4 + 4 + 6 + 8,
            ),
            (
                "<!DOCTYPE a [<!ENTITY x '1'><!ENTITY x '22'>]><a>&x;</a>",
                1,
            ),
        ];
        for (xml, expected) in cases {
            assert_eq!(expanded(xml), expected, "{xml}");
        }
    }

    #[test]
    fn circles_and_bombs_are_counted_soon() {
        let circle = "<!DOCTYPE a [<!ENTITY x '&y;&y;'><!ENTITY y '&x;&x;'>]><a>&x;</a>";
        assert!(expanded(circle) > 1_000);
        let mut bomb = "<!ENTITY a0 'x'>".to_owned();
        for level in 1..100 {
            let before = format!("&a{};", level - 1).repeat(200);
            bomb.push_str(&format!("<!ENTITY a{level} '{before}'>"));
        }
        assert_eq!(expanded(&bomb), usize::MAX);
    }
}
