use std::time::Duration;

use clap::Parser;

use crate::cli::{Cli, Command, Options};
use crate::load::wrk::{self, Seen};
use crate::load::{Buckets, Figures, Load, curl, h2load, head};
use crate::machine::{Machine, locked_version};
use crate::measure::{Stat, Usage, busy, field, peak_memory, stat};
use crate::netns::Network;
use crate::report::{Goal, Report, best_peer, curve, file_name, goals, json, list, preamble, svg};
use crate::rounds::{Outcome, Runs, Section};
use crate::scene::Pattern;
use crate::statistics::Spread;
use crate::workload::{self, Limit, Plan, State};

const GOOD: &str = "Running 3s test @ http://127.0.0.1:41234/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   431.04us  120.00us   3.51ms   93.45%
    Req/Sec    75.02k     2.10k   80.01k    70.00%
  Latency Distribution
     50%  431.00us
     75%  512.00us
     90%  640.00us
     99%    1.02ms
  225432 requests in 3.00s, 28.81MB read
Requests/sec:  75138.21
Transfer/sec:      9.60MB
";

fn with(line: &str) -> Seen {
    let output = GOOD.replace("Requests/sec:", &format!("  {line}\nRequests/sec:"));
    wrk::parse(&output).expect("wrk's output")
}

#[test]
fn good_output_of_wrk() {
    let seen = wrk::parse(GOOD).expect("wrk's output");
    assert_eq!(seen.requests, 225_432);
    assert!((seen.requests_per_second - 75_138.21).abs() < 1e-6);
    assert_eq!(
        (seen.p50, seen.p99),
        (Duration::from_micros(431), Duration::from_micros(1020))
    );
    assert_eq!((seen.socket_errors, seen.bad_answers), (0, 0));
    seen.judge().expect("a good run");
}

#[test]
fn output_of_wrk_with_errors() {
    let seen = with("Socket errors: connect 0, read 3, write 1, timeout 2");
    assert_eq!(seen.socket_errors, 6);
    assert_eq!(seen.judge().unwrap_err().to_string(), "6 socket errors");

    let seen = with("Non-2xx or 3xx responses: 225432");
    assert_eq!(seen.bad_answers, 225_432);
    assert_eq!(
        seen.judge().unwrap_err().to_string(),
        "225432 of 225432 answers were not 2xx"
    );

    assert!(Seen::default().judge().is_err(), "no answer at all");
}

#[test]
fn output_that_is_not_from_wrk_is_not_parsed() {
    assert_eq!(wrk::parse(""), None);
    assert_eq!(
        wrk::parse("unable to connect to 127.0.0.1:1 Connection refused"),
        None
    );
    let half: Vec<&str> = GOOD.lines().take(11).collect();
    assert_eq!(
        wrk::parse(&half.join("\n")),
        None,
        "cut off before the rate"
    );
    assert_eq!(wrk::parse(&GOOD.replace("1.02ms", "1.02xx")), None);
}

const H2LOAD: &str = "starting benchmark...
spawning thread #0: 32 total client(s). Timing-based test with 0s of warm-up time and 2s of \
                      main duration for measurements.

finished in 2.00s, 61234.50 req/s, 2.10MB/s
requests: 122469 total, 122501 started, 122469 done, 122469 succeeded, 0 failed, 0 errored, \
                      0 timeout
status codes: 122469 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 4.20MB (4408900) total, 1.40MB (1469628) headers (space savings 90.00%), \
                      598.00KB (612345) data
                     min         max         mean         sd        +/- sd
time for request:       96us      9.51ms       512us       213us    85.33%
time for connect:      112us       520us       300us       110us    62.50%
time to 1st byte:      600us      2.10ms      1.30ms       400us    68.75%
req/s           :    1890.11     1939.20     1913.58       11.20    71.88%
";

#[test]
fn output_of_h2load() {
    let seen = h2load::parse(H2LOAD).expect("h2load's output");
    assert_eq!(
        (seen.succeeded, seen.failed, seen.data),
        (122_469, 0, 612_345)
    );
    assert!((seen.requests_per_second - 61_234.5).abs() < 1e-6);
    assert!((seen.mean - 512e-6).abs() < 1e-9 && (seen.seconds - 2.0).abs() < 1e-9);
    seen.judge(5).expect("a good run");
    assert!(seen.judge(6).is_err(), "bodies that are too short");
    for (good, wrong) in [
        ("0 errored", "3 errored"),
        ("0 timeout", "1 timeout"),
        ("0 5xx", "7 5xx"),
    ] {
        let seen = h2load::parse(&H2LOAD.replace(good, wrong)).expect("h2load's output");
        assert!(seen.judge(5).is_err(), "{wrong}");
    }
    let half: Vec<&str> = H2LOAD.lines().take(7).collect();
    assert_eq!(h2load::parse(&half.join("\n")), None, "cut off");
}

#[test]
fn output_of_curl() {
    let good = "200 2 1000 1 0.004\n200 2 1000 0 0.002\n";
    let first_bytes = curl::parse(good, 1000, "2").expect("curl's output");
    assert_eq!(first_bytes, [0.004, 0.002]);
    for (text, reason) in [
        ("503 2 1000 1 0.004\n", "answered 503"),
        ("200 1.1 1000 1 0.004\n", "answered with HTTP/1.1"),
        ("200 2 999 1 0.004\n", "sent 999 bytes, not 1000"),
        (
            "200 2 1000 1 0.004\n200 2 1000 1 0.002\n",
            "curl opened another connection",
        ),
    ] {
        let error = curl::parse(text, 1000, "2").unwrap_err().to_string();
        assert_eq!(error, reason);
    }
}

#[test]
fn heads_are_read() {
    let full = b"HTTP/1.1 200 OK\r\nServer: x\r\ncontent-Length: 12\r\n\r\nhello";
    let found = head(full).expect("a good head").expect("a whole head");
    assert_eq!(
        (found.length, found.closes, found.size),
        (12, false, full.len() - 5)
    );
    assert_eq!(head(&full[..30]).expect("good so far"), None);
    let closes = head(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: Close\r\n\r\n");
    assert!(closes.expect("a head").expect("whole").closes);
    assert!(
        head(b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n")
            .expect("a head")
            .expect("whole")
            .closes
    );
    for wrong in [
        "HTTP/1.1 503 Busy\r\nContent-Length: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "hello\r\n\r\n",
    ] {
        assert!(head(wrong.as_bytes()).is_err(), "{wrong:?}");
    }
    assert!(head(&[b'a'; 20_000]).is_err(), "without end");
}

#[test]
fn medians_with_extremes() {
    let spread = |values: &[f64]| Spread::of(values.iter().copied());
    assert_eq!(spread(&[]), None);
    assert_eq!(
        spread(&[3.0]),
        Some(Spread {
            median: 3.0,
            min: 3.0,
            max: 3.0
        })
    );
    assert_eq!(
        spread(&[9.0, 1.0, 2.0]),
        Some(Spread {
            median: 2.0,
            min: 1.0,
            max: 9.0
        })
    );
    assert_eq!(
        spread(&[4.0, 1.0, 2.0, 9.0]),
        Some(Spread {
            median: 3.0,
            min: 1.0,
            max: 9.0
        })
    );
}

#[test]
fn ratios_stay_within_their_round() {
    // The machine was slow for both in the second round; the third failed for one of them.
    let case = [Some(1.0), Some(10.0), Some(1.0)];
    let base = [Some(2.0), Some(25.0), None];
    let ratio = Spread::of_ratios(&case, &base).expect("two rounds");
    assert_eq!(
        ratio,
        Spread {
            median: 0.45,
            min: 0.4,
            max: 0.5
        }
    );
    assert_eq!(ratio.show(2), "0.45 (0.40–0.50)");
    assert_eq!(Spread::of_ratios(&[None], &[Some(1.0)]), None);
    assert_eq!(
        Spread::of_ratios(&[Some(1.0)], &[Some(0.0)]),
        None,
        "a multiple of nothing"
    );
}

#[test]
fn histograms_of_a_span() {
    let text = |counts: [u32; 3]| {
        let [a, b, c] = counts;
        format!(
            "# TYPE h histogram\nh_bucket{{le=\"0.001\"}} {a}\nh_bucket{{le=\"0.01\"}} {b}\n\
             h_bucket{{le=\"+Inf\"}} {c}\nh_sum 1\nh_count {c}\n"
        )
    };
    let before = Buckets::read(&text([10, 10, 10]), "h");
    let after = Buckets::read(&text([59, 60, 60]), "h");
    let span = after.since(&before);
    assert_eq!(span.quantile(0.5), Some(0.001));
    assert_eq!(span.quantile(0.99), Some(0.01), "49 of 50 are not enough");
    assert_eq!(before.since(&before).quantile(0.5), None);
    assert_eq!(Buckets::read("nothing", "h").quantile(0.5), None);
}

#[test]
fn cpu_time_of_a_process() {
    let text =
        "4242 (a) b (c) S 17 4242 4242 0 -1 4194304 900 0 0 0 350 125 40 10 20 0 8 0 100 1 2 3";
    assert_eq!(
        stat(text),
        Some(Stat {
            parent: 17,
            own: 4.75,
            children: 0.5
        })
    );
    assert_eq!(stat("4242 (a) S 1"), None);
}

#[test]
fn status_of_a_process() {
    let status = "Name:\tserver\nVmHWM:\t   15360 kB\nVmRSS:\t   15000 kB\n\
                  voluntary_ctxt_switches:\t77\nnonvoluntary_ctxt_switches:\t5\n";
    assert_eq!(field(status, "VmHWM"), Some(15_360));
    assert_eq!(field(status, "voluntary_ctxt_switches"), Some(77));
    assert_eq!(field(status, "Vm"), None);
}

#[test]
fn cpu_time_of_the_system() {
    // user nice system idle iowait irq softirq steal guest guest_nice
    let text = "cpu  100 20 30 9999 888 4 6 777 50 0\ncpu0 1 1 1 1\n";
    assert_eq!(busy(text), Some(1.6));
    assert_eq!(busy("intr 1 2 3"), None);
}

#[test]
fn this_process_can_be_measured() {
    let usage = Usage::now(std::process::id()).expect("our own usage");
    assert!(usage.system > 0.0);
    assert!(peak_memory(std::process::id()).expect("our own memory") > 0);
    assert!(Usage::now(0).is_err(), "no such process");
}

#[test]
fn a_pattern_does_not_depend_on_its_pieces() {
    let mut whole = vec![0; 1003];
    Pattern::new().fill(&mut whole);
    let mut pieces = vec![0; 1003];
    let mut pattern = Pattern::new();
    let (first, second) = pieces.split_at_mut(512);
    pattern.fill(first);
    pattern.fill(second);
    assert_eq!(whole, pieces);
    assert_ne!(whole[..8], whole[8..16]);
}

#[test]
fn versions_come_from_the_lock_file() {
    let lock = "[[package]]\nname = \"axum\"\nversion = \"0.8.9\"\n\n\
                [[package]]\nname = \"axum-core\"\nversion = \"1\"\n";
    assert_eq!(locked_version(lock, "axum"), "0.8.9");
    assert_eq!(locked_version(lock, "nobody"), "unknown");
}

fn options(arguments: &[&str]) -> Options {
    Cli::parse_from([&["euryale-bench"], arguments].concat()).options()
}

#[test]
fn the_command_line() {
    let cli = Cli::parse_from([
        "euryale-bench",
        "page",
        "blob-s",
        "--runs",
        "3",
        "--peers",
        "nginx,euryale",
    ]);
    assert_eq!(cli.workloads, ["page", "blob-s"]);
    assert_eq!(
        (cli.options().runs, cli.options().peers.join(" ")),
        (3, "nginx euryale".to_owned())
    );
    let listed = Cli::parse_from(["euryale-bench", "list"]);
    assert!(matches!(listed.command, Some(Command::List)));
}

#[test]
fn all_workloads_are_measured_in_a_shorter_way() {
    let lengths = |arguments: &[&str]| {
        let Options {
            runs,
            minutes,
            caps,
            seconds,
            megabytes,
            ..
        } = options(arguments);
        (runs, minutes, caps, seconds, megabytes)
    };
    let full = (7, None, vec![1, 2, 4, 16], 3, 1000);
    assert_eq!(lengths(&["all"]), (3, Some(44), vec![2, 16], 2, 250));
    assert_eq!(lengths(&["all", "--full"]), full);
    assert_eq!(lengths(&["page"]), full);
    let named = ["--runs", "5", "--minutes", "9", "--caps", "1"];
    assert_eq!(
        lengths(&[&["all"], &named[..]].concat()),
        (5, Some(9), vec![1], 2, 250)
    );
}

fn plans() -> Vec<Plan> {
    let options = options(&["all", "--full"]);
    let of = |state: &State| match state {
        State::Rounds(plans) | State::Sizes(plans) => plans(&options),
        State::Waiting | State::Theming | State::Postgres => Vec::new(),
    };
    workload::ALL
        .iter()
        .flat_map(|workload| of(&workload.state))
        .collect()
}

#[test]
fn plans_name_peers_and_cases_that_exist() {
    for plan in plans() {
        for case in &plan.cases {
            // A name that is not in the table of peers is replaced by its first one.
            let is_size = plan
                .cases
                .iter()
                .all(|other| other.peer.name == case.peer.name);
            assert!(
                is_size || case.name.starts_with(case.peer.name),
                "{}: {}",
                plan.title,
                case.name
            );
        }
        for bar in &plan.bars {
            for name in std::iter::once(bar.case).chain(bar.base.case()) {
                assert!(
                    plan.cases.iter().any(|case| case.name == name),
                    "{}: {name}",
                    plan.title
                );
            }
        }
        assert!(!plan.columns.is_empty());
    }
}

#[test]
fn loads_travel_as_json() {
    for plan in plans() {
        for case in plan.cases {
            let text = serde_json::to_string(&case.load).expect("JSON");
            let back: Load = serde_json::from_str(&text).expect("a load");
            assert_eq!(back.sentence(), case.load.sentence());
        }
    }
}

#[test]
fn cases_are_selected_by_name_in_their_own_order() {
    let names = |wanted: &[&str]| {
        let mut plan = plans().swap_remove(0);
        let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
        workload::select(&mut plan, &wanted);
        plan.cases
            .into_iter()
            .map(|case| case.name)
            .collect::<Vec<_>>()
    };
    assert!(
        names(&[]).contains(&"stack".to_owned())
            && !names(&[]).contains(&"pool-run-untimed".to_owned())
    );
    assert_eq!(
        names(&["pool-run-untimed", "bare"]),
        ["bare", "pool-run-untimed"]
    );
}

#[test]
fn limits_hold_at_their_edge() {
    assert!(Limit::AtMost(1.1).is_met(1.1) && !Limit::AtMost(1.1).is_met(1.11));
    assert!(Limit::AtLeast(0.8).is_met(0.8) && !Limit::AtLeast(0.8).is_met(0.79));
}

fn measured(cpu: f64) -> Outcome {
    let figures = [
        ("cpu_per_request", cpu),
        ("requests_per_second", 1e6 / cpu),
        ("cpu_seconds", 0.5),
    ];
    Outcome::Measured(
        figures
            .map(|(name, value)| (name.to_owned(), value))
            .into_iter()
            .collect::<Figures>(),
    )
}

fn failed() -> Outcome {
    Outcome::Failed("7 socket errors".to_owned())
}

/// The page at cap 2, with runs of three cases, one of which is missing.
fn section(plan: &mut Plan) -> Section {
    plan.cases
        .retain(|case| ["semaphore", "pool-run", "stack", "granian"].contains(&case.name.as_str()));
    let runs = plan.cases.iter().map(|case| {
        let (missing, rounds) = match case.name.as_str() {
            "semaphore" => (None, vec![measured(20.0), measured(20.0)]),
            // Fast, because it failed.
            "pool-run" => (None, vec![failed(), measured(15.0)]),
            "stack" => (None, vec![failed(), failed()]),
            _ => (Some("granian is not installed".to_owned()), Vec::new()),
        };
        Runs {
            case: case.name.clone(),
            ours: case.peer.ours,
            missing,
            rounds,
        }
    });
    Section {
        title: plan.title.clone(),
        cases: runs.collect(),
    }
}

fn has_line(text: &str, line: &str) {
    assert!(
        text.lines().any(|found| found == line),
        "no line {line:?} in\n{text}"
    );
}

#[test]
fn a_failed_run_is_no_figure() {
    let mut plan = plans()
        .into_iter()
        .find(|plan| plan.title == "trivial view, cap 2")
        .expect("the page");
    let section = section(&mut plan);
    let column = plan.columns[0];
    assert_eq!(
        best_peer(&column, &section).expect("a peer").case,
        "semaphore"
    );
    let drawn = svg(&section, &column);
    assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>\n"));
    assert!(
        drawn.contains(">failed<")
            && drawn.contains(">not installed<")
            && drawn.contains(">20.00<"),
        "{drawn}"
    );

    let workload = workload::find("page").expect("the page");
    let report = Report {
        workload,
        plans: vec![plan],
        sections: vec![section],
    };
    assert!(report.has_failures());
    let text = report.markdown();
    for line in [
        "| cpu per request | `pool-run` / `semaphore` | 0.75 | ≤ 0.7 | **missed** |",
        "| cpu per request | `stack` / `semaphore` | – | ≤ 1 | not measured |",
        "**`pool-run` failed**: 7 socket errors",
        "* load: `wrk -t1 -c32 -d3s --latency`",
    ] {
        has_line(&text, line);
    }
    let starts = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!(starts("| `stack` | – | – | – |"), 1, "{text}");
    assert_eq!(starts("| `pool-run` | 15.00 | 0.75 |"), 1, "{text}");
    assert_eq!(
        starts("| `granian` | granian is not installed |"),
        1,
        "{text}"
    );
    assert!(
        text.contains("| 2/2 |") && text.contains("| 0/2 |"),
        "{text}"
    );

    let options = options(&["page"]);
    let machine = Machine {
        cores: 2,
        processor: "a".to_owned(),
        kernel: "b".to_owned(),
        load: "0".to_owned(),
    };
    let network = Network {
        isolated: true,
        congestion_control: "reno".to_owned(),
        by_socket: false,
    };
    has_line(
        &preamble(&machine, &network, &options),
        "* network: a network namespace of its own, TCP reno",
    );
    let json = json(&[report], &machine, &network, &options).expect("JSON");
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON that parses");
    let cases = &json["workloads"][0]["sections"][0]["cases"];
    assert_eq!(cases[1]["rounds"][0]["failed"], "7 socket errors");
    assert_eq!(cases[1]["rounds"][1]["measured"]["cpu_per_request"], 15.0);
    assert_eq!(json["machine"]["cores"], 2);
}

#[test]
fn the_page_of_goals_begins_with_the_missed_ones() {
    let goal = |case: &str, value: Option<f64>, limit| Goal {
        table: "a table".to_owned(),
        figure: "seconds".to_owned(),
        case: case.to_owned(),
        value: Spread::of(value),
        limit,
    };
    let goals = vec![
        goal("good", Some(0.5), Limit::AtMost(1.0)),
        goal("gone", None, Limit::AtMost(1.0)),
        goal("slow", Some(1234.4), Limit::AtLeast(2000.0)),
    ];
    let page = goals::page(goals, 12);
    has_line(&page, "1 met, 1 missed, 1 not measured, after 12 minutes.");
    let rows: Vec<&str> = page.lines().skip(6).collect();
    assert_eq!(
        rows,
        [
            "| a table | seconds | slow | 1234 | ≥ 2000 | **missed** |",
            "| a table | seconds | gone | – | ≤ 1 | not measured |",
            "| a table | seconds | good | 0.50 | ≤ 1 | met |",
        ]
    );
}

#[test]
fn differences_stay_within_their_round() {
    let case = [Some(5.0), Some(9.0), Some(1.0)];
    let base = [Some(2.0), Some(4.0), None];
    let difference = Spread::of_differences(&case, &base).expect("two rounds");
    assert_eq!(difference.show(0), "4 (3–5)");
}

#[test]
fn sizes_are_drawn_as_a_curve() {
    let case = |name: &str, rounds| Runs {
        case: name.to_owned(),
        ours: true,
        missing: None,
        rounds,
    };
    let section = Section {
        title: "lanes".to_owned(),
        cases: vec![
            case("1", vec![measured(20.0)]),
            case("4", Vec::new()),
            case("16", vec![measured(10.0), measured(5.0)]),
        ],
    };
    let plan = &plans()[0];
    let drawn = curve(&section, &plan.columns[0]);
    assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>\n"));
    // The highest point is at the top, and a case without figures has none.
    let points = "<polyline class=\"c\" points=\"60.0,56.0 420.0,136.0\"/>";
    assert!(drawn.contains(points), "{drawn}");
    assert!(
        drawn.contains(">4</text>") && drawn.contains(">7.50</text>"),
        "{drawn}"
    );
}

#[test]
fn congestion_control_by_socket_is_named_in_the_sentence() {
    let network = Network {
        isolated: false,
        congestion_control: "bbr".to_owned(),
        by_socket: true,
    };
    let sentence = network.sentence();
    assert!(
        sentence.contains("host's network") && sentence.ends_with("TCP bbr for others"),
        "{sentence}"
    );
    assert_eq!(network.of_sockets(), Some("reno"));
}

#[test]
fn files_of_bars() {
    assert_eq!(
        file_name("page", "SQLite read, cap 2"),
        "page-sqlite-read-cap-2.svg"
    );
    assert_eq!(file_name("slow", "20 × 1 s (both)"), "slow-20-1-s-both.svg");
}

#[test]
fn the_list_shows_all() {
    let text = list(workload::ALL, &options(&["all", "--full"]));
    for workload in workload::ALL {
        assert!(text.contains(&format!("{}: ", workload.name)), "{text}");
    }
    assert!(
        text.contains("table: SQLite write, cap 16") && text.contains("nginx-read"),
        "{text}"
    );
    assert!(
        text.contains("pool-run-untimed (only when named)"),
        "{text}"
    );
}
