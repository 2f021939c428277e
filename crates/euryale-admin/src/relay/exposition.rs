//! The metrics of several processes as one document.

use std::collections::HashMap;

/// Joins expositions in Prometheus' text format, each of the process with the number before it. All
/// series get the label `process`. The lines of a family stay together, as the format requires.
pub(super) fn join(processes: &[(usize, String)]) -> String {
    let mut families: Vec<Family<'_>> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (process, exposition) in processes {
        let mut current = None;
        for line in exposition.lines().filter(|line| !line.is_empty()) {
            if let Some(about) = line.strip_prefix("# ") {
                let Some(name) = about.split(' ').nth(1) else {
                    continue;
                };
                let place = *places.entry(name).or_insert(families.len());
                if place == families.len() {
                    families.push(Family::default());
                }
                if !families[place].about.contains(&line) {
                    families[place].about.push(line);
                }
                current = Some(place);
            } else if let Some(place) = current {
                label(&mut families[place].series, line, *process);
            }
        }
    }
    let mut joined = String::new();
    for family in families {
        for line in family.about {
            joined.push_str(line);
            joined.push('\n');
        }
        joined.push_str(&family.series);
    }
    joined
}

#[derive(Default)]
struct Family<'a> {
    /// HELP and TYPE.
    about: Vec<&'a str>,
    series: String,
}

fn label(series: &mut String, line: &str, process: usize) {
    let end = line.find(['{', ' ']).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    series.push_str(&match rest.strip_prefix('{') {
        Some(labels) => format!("{name}{{process=\"{process}\",{labels}\n"),
        None => format!("{name}{{process=\"{process}\"}}{rest}\n"),
    });
}

#[cfg(test)]
mod tests {
    use super::join;

    #[test]
    fn families_stay_together_and_each_series_names_its_process() {
        let one = "# HELP a_total An \"a\".\n# TYPE a_total counter\na_total 1\n\
                   # TYPE b gauge\nb{lane=\"x\"} 2\nb{lane=\"y\"} 3\n";
        let two = "# HELP a_total An \"a\".\n# TYPE a_total counter\na_total 4\n\
                   # TYPE c gauge\nc 5\n# TYPE b gauge\nb{lane=\"x\"} 6\n";
        let joined = join(&[(1, one.to_owned()), (2, two.to_owned())]);
        let expected = "# HELP a_total An \"a\".\n# TYPE a_total counter\n\
                        a_total{process=\"1\"} 1\na_total{process=\"2\"} 4\n\
                        # TYPE b gauge\nb{process=\"1\",lane=\"x\"} 2\n\
                        b{process=\"1\",lane=\"y\"} 3\nb{process=\"2\",lane=\"x\"} 6\n\
                        # TYPE c gauge\nc{process=\"2\"} 5\n";
        assert_eq!(joined, expected);
    }
}
