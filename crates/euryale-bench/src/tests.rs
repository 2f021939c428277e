use std::time::Duration;

use crate::measure::{Machine, Stat, Usage, busy, field, peak_memory, stat};
use crate::netns::Network;
use crate::report::Report;
use crate::rounds::{Outcome, Run, Runs, Section};
use crate::server::verify;
use crate::statistics::Spread;
use crate::workload::{self, PAGE};
use crate::wrk::{self, Load};
use crate::{Cli, Command, Options};

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

fn with(line: &str) -> Load {
    let output = GOOD.replace("Requests/sec:", &format!("  {line}\nRequests/sec:"));
    wrk::parse(&output).expect("wrk's output")
}

#[test]
fn good_output_of_wrk() {
    let load = wrk::parse(GOOD).expect("wrk's output");
    assert_eq!(load.requests, 225_432);
    assert!((load.requests_per_second - 75_138.21).abs() < 1e-6);
    assert_eq!((load.p50, load.p99), (Duration::from_micros(431), Duration::from_micros(1020)));
    assert_eq!((load.socket_errors, load.bad_answers), (0, 0));
    load.judge().expect("a good run");
}

#[test]
fn output_of_wrk_with_errors() {
    let load = with("Socket errors: connect 0, read 3, write 1, timeout 2");
    assert_eq!(load.socket_errors, 6);
    assert_eq!(load.judge().unwrap_err().to_string(), "6 socket errors");

    let load = with("Non-2xx or 3xx responses: 225432");
    assert_eq!(load.bad_answers, 225_432);
    assert_eq!(load.judge().unwrap_err().to_string(), "225432 of 225432 answers were not 2xx");

    assert!(Load::default().judge().is_err(), "no answer at all");
}

#[test]
fn output_of_wrk_that_is_none() {
    assert_eq!(wrk::parse(""), None);
    assert_eq!(wrk::parse("unable to connect to 127.0.0.1:1 Connection refused"), None);
    let half: Vec<&str> = GOOD.lines().take(11).collect();
    assert_eq!(wrk::parse(&half.join("\n")), None, "cut off before the rate");
    assert_eq!(wrk::parse(&GOOD.replace("1.02ms", "1.02xx")), None);
}

#[test]
fn answers_are_checked() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    verify(&format!("{head}hello"), "hello").expect("the right answer");
    for wrong in ["", "hell", "hello!", "hullo"] {
        assert!(verify(&format!("{head}{wrong}"), "hello").is_err(), "{wrong:?}");
    }
    assert!(verify("HTTP/1.1 503 Service Unavailable\r\n\r\nhello", "hello").is_err());
    assert!(verify("HTTP/1.1 200 OK\r\ncontent-le", "hello").is_err());
    assert!(verify("", "hello").is_err());
}

#[test]
fn medians_with_extremes() {
    let spread = |values: &[f64]| Spread::of(values.iter().copied());
    assert_eq!(spread(&[]), None);
    assert_eq!(spread(&[3.0]), Some(Spread { median: 3.0, min: 3.0, max: 3.0 }));
    assert_eq!(spread(&[9.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 9.0 }));
    assert_eq!(spread(&[4.0, 1.0, 2.0, 9.0]), Some(Spread { median: 3.0, min: 1.0, max: 9.0 }));
}

#[test]
fn ratios_stay_within_their_round() {
    // The machine was slow in the second round, for both; the third is lost for one.
    let case = [Some(1.0), Some(10.0), Some(1.0)];
    let base = [Some(2.0), Some(20.0), None];
    let ratio = Spread::of_ratios(&case, &base).expect("two rounds");
    assert_eq!(ratio, Spread { median: 0.5, min: 0.5, max: 0.5 });
    assert_eq!(ratio.show(2), "0.50 (0.50–0.50)");
    assert_eq!(Spread::of_ratios(&[None], &[Some(1.0)]), None);
}

#[test]
fn cpu_time_of_a_process() {
    let text = "4242 (a) b (c) S 1 4242 4242 0 -1 4194304 900 0 0 0 350 125 40 10 20 0 8 0 100 1 2 3";
    assert_eq!(stat(text), Some(Stat { own: 4.75, children: 0.5 }));
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
}

#[test]
fn cases_are_selected_by_name_in_their_own_order() {
    let names = |wanted: &[&str]| {
        let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
        PAGE.select(&wanted).map(|cases| cases.iter().map(|case| case.name).collect::<Vec<_>>())
    };
    let default = names(&[]).expect("the default");
    assert_eq!(default, ["bare", "semaphore", "threads", "pool-run", "stack", "stack-lazy"]);
    assert_eq!(names(&["stack", "bare"]).expect("two"), ["bare", "stack"]);
    assert!(names(&["no-such-case"]).is_err());
}

#[test]
fn bars_and_paths_name_cases_that_exist() {
    for workload in workload::ALL {
        for bar in workload.bars {
            for name in [bar.case, bar.base] {
                assert!(workload::find(&format!("{}/{name}", workload.name)).is_some(), "{name}");
            }
        }
    }
    assert!(workload::find("page/no-such-case").is_none());
    assert!(workload::find("no-such-workload/bare").is_none());
}

#[test]
fn a_failed_run_is_no_figure() {
    let measured = |cpu| Outcome::Measured(Run { cpu_per_request: cpu, ..Run::default() });
    let failed = || Outcome::Failed("7 socket errors".to_owned());
    let runs = |case, rounds| Runs { case, rounds };
    let section = Section {
        cap: 2,
        cases: vec![
            runs("semaphore", vec![measured(20.0), measured(20.0)]),
            // Fast, because it failed.
            runs("pool-run", vec![failed(), measured(15.0)]),
            runs("stack", vec![failed(), failed()]),
        ],
    };
    assert!(section.has_failures());
    let command = <Cli as clap::Parser>::parse_from(["euryale-bench", "page"]).command;
    let Command::Page(options) = command else { panic!("not the page") };
    let report = Report {
        workload: &PAGE,
        options: &options,
        network: &Network { isolated: true, congestion_control: "reno".to_owned() },
        machine: &Machine {
            cores: 2,
            processor: "a".to_owned(),
            kernel: "b".to_owned(),
            load: "0".to_owned(),
        },
        sections: &[section],
    };
    let text = report.markdown();
    for line in [
        "| `pool-run` / `semaphore` | 0.75 (0.75–0.75) | 0.70 | **missed** |",
        "| `stack` / `semaphore` | – | 1.00 | not measured |",
        "**`pool-run` failed**: 7 socket errors",
        "* network: a network namespace of its own, TCP reno",
        "* load: `wrk -t1 -c32 -d3s --latency`, 7 rounds in which the cases take turns",
    ] {
        assert!(text.lines().any(|found| found == line), "no line {line:?} in\n{text}");
    }
    let failed = text.lines().filter(|line| line.starts_with("| `stack` | – | – |")).count();
    assert_eq!(failed, 1, "{text}");
    assert!(text.contains("| 2/2 |"), "{text}");
    assert!(report.json().expect("JSON").contains("\"failed\": \"7 socket errors\""));
}

#[test]
fn the_defaults() {
    let command = <Cli as clap::Parser>::parse_from(["euryale-bench", "page"]).command;
    let Command::Page(Options { runs, seconds, connections, caps, cases, patience, json }) = command else {
        panic!("not the page")
    };
    assert_eq!((runs, seconds, connections, patience, caps), (7, 3, 32, 60, vec![2]));
    assert!(cases.is_empty() && json.is_none());
}
