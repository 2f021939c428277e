//! Applies the same themes to the same page with Euryale and with Diazo, in one thread each and
//! without sockets.

use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use euryale_diazo::{Context, Theme};
use rustix::time::{ClockId, clock_gettime};

use self::normal::normal;
use crate::children::Running;
use crate::cli::Options;
use crate::limit::TimeLimit;
use crate::peers;
use crate::report::{Goal, goals};
use crate::statistics::Spread;
use crate::workload::Limit;

/// Pages are compared as in the theme's own tests.
#[path = "../../euryale-diazo/tests/it/normal.rs"]
mod normal;

const PAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../euryale-diazo/benches/page");
const SCRIPT: &str = include_str!("../peers/theme.py");

/// Rules, and the required ratio of our pages per second to Diazo's.
struct Theming {
    rules: &'static str,
    about: &'static str,
    goal: f64,
}

const THEMES: [Theming; 2] = [
    Theming {
        rules: "rules.xml",
        about: "nine rules",
        goal: 10.0,
    },
    Theming {
        rules: "instructions.xml",
        about: "rules with instructions: variables, templates, loops, sorting, choices",
        goal: 20.0,
    },
];

/// One run.
struct Row {
    pages: f64,
    wall: f64,
    cpu: f64,
}

impl Row {
    fn pages_per_second(&self) -> f64 {
        self.pages / self.wall
    }

    fn cpu_per_page(&self) -> f64 {
        self.cpu / self.pages * 1e6
    }
}

/// Measures in rounds, prints a table in Markdown for each theme, and returns the goals. It is an
/// error if the two pages differ.
pub(crate) fn run(options: &Options, time: &TimeLimit) -> Result<Vec<Goal>> {
    let folder = Path::new(PAGES);
    let page = std::fs::read_to_string(folder.join("content.html")).context("the page")?;
    println!(
        "# theme\n\nA page of {} bytes, in one thread, without sockets.\n",
        page.len()
    );
    let python = peers::diazo();
    if let Err(missing) = &python {
        println!("Without diazo: {missing}\n");
    }
    let compared = |theming| {
        let python = python.as_ref().ok();
        compare(options, time, folder, &page, theming, python)
    };
    THEMES.iter().map(compared).collect()
}

fn compare(
    options: &Options,
    time: &TimeLimit,
    folder: &Path,
    page: &str,
    theming: &Theming,
    python: Option<&PathBuf>,
) -> Result<Goal> {
    let rules = folder.join(theming.rules);
    let theme = Theme::load(&rules)?;
    let context = Context::new("/news/today");
    let ours = || {
        theme
            .apply(black_box(page), &context)
            .map(std::borrow::Cow::into_owned)
    };
    println!("## {}\n", theming.about);
    let scripts = tempfile::tempdir()?;
    let content = folder.join("content.html");
    let mut diazo = python
        .map(|python| Diazo::start(python, scripts.path(), &rules, &content))
        .transpose()?;
    if let Some(diazo) = &diazo
        && normal(&ours()?) != normal(&diazo.page)
    {
        bail!(
            "{}: the two themed pages are not the same tree",
            theming.rules
        );
    }
    let mut mine = Vec::new();
    let mut theirs = Vec::new();
    for _ in 0..options.runs {
        if time.is_over() {
            break;
        }
        mine.push(measure(options.seconds, || {
            ours().map(|page| drop(black_box(page)))
        })?);
        if let Some(diazo) = &mut diazo {
            theirs.push(diazo.measure(options.seconds)?);
        }
    }
    println!("| | pages/s | CPU µs/page | × diazo's pages/s |\n|---|---:|---:|---:|");
    let ratios = mine
        .iter()
        .zip(&theirs)
        .map(|(ours, theirs)| ours.pages_per_second() / theirs.pages_per_second());
    let ratio = Spread::of(ratios);
    print_row(
        "euryale-diazo",
        &mine,
        &ratio.map_or_else(String::new, |ratio| ratio.show(1)),
    );
    print_row("diazo, lxml", &theirs, "1");
    let goal = Goal {
        table: format!("theme, {}", theming.about),
        figure: "pages/s".to_owned(),
        case: "`euryale-diazo` / `diazo, lxml`".to_owned(),
        value: ratio,
        limit: Limit::AtLeast(theming.goal),
    };
    if ratio.is_some() {
        println!(
            "\nPeer: {}. The two pages are the same tree.",
            peers::DIAZO.version()
        );
        print!("{}", goals::of_table(std::slice::from_ref(&goal)));
    }
    println!();
    Ok(goal)
}

fn print_row(name: &str, rows: &[Row], ratio: &str) {
    let pages = Spread::of(rows.iter().map(Row::pages_per_second));
    let cpu = Spread::of(rows.iter().map(Row::cpu_per_page));
    if let (Some(pages), Some(cpu)) = (pages, cpu) {
        println!("| {name} | {} | {} | {ratio} |", pages.show(0), cpu.show(1));
    }
}

fn measure<E>(seconds: u32, mut one: impl FnMut() -> Result<(), E>) -> Result<Row, E> {
    let cpu = || {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
    };
    let began = Instant::now();
    let before = cpu();
    let mut pages = 0.0;
    while began.elapsed().as_secs_f64() < f64::from(seconds) {
        one()?;
        pages += 1.0;
    }
    Ok(Row {
        pages,
        wall: began.elapsed().as_secs_f64(),
        cpu: cpu() - before,
    })
}

/// Diazo in its own process.
struct Diazo {
    _running: Running,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
    page: String,
}

impl Diazo {
    fn start(python: &Path, scripts: &Path, rules: &Path, page: &Path) -> Result<Self> {
        let script = scripts.join("theme.py");
        std::fs::write(&script, SCRIPT)?;
        let mut command = Command::new(python);
        command.arg(script).args([rules, page]);
        let mut running = Running::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let ask = running.child().stdin.take().context("diazo's input")?;
        let answers = BufReader::new(running.child().stdout.take().context("diazo's output")?);
        let mut diazo = Self {
            _running: running,
            ask,
            answers,
            page: String::new(),
        };
        diazo.page = serde_json::from_str(&diazo.line()?)?;
        Ok(diazo)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        if line.is_empty() {
            bail!("diazo ended");
        }
        Ok(line)
    }

    fn measure(&mut self, seconds: u32) -> Result<Row> {
        writeln!(self.ask, "{seconds}")?;
        let (pages, wall, cpu) = serde_json::from_str(&self.line()?)?;
        Ok(Row { pages, wall, cpu })
    }
}
