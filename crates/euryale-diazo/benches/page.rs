//! A page of 64 KB with nine rules and with a theme of instructions, and the cost of parsing it.
//!
//! `cargo bench -p euryale-diazo`

#![allow(missing_docs, reason = "a measurement, and not a library")]

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dom_query::Document;
use euryale_diazo::{Context, Theme};

const PAGE: &str = include_str!("page/content.html");

fn page(c: &mut Criterion) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/page");
    let context = Context::new("/news/today");
    let mut group = c.benchmark_group("page");
    group.throughput(Throughput::Bytes(PAGE.len() as u64));
    for (name, rules) in [
        ("nine rules", "rules.xml"),
        ("instructions", "instructions.xml"),
    ] {
        let theme = Theme::load(folder.join(rules)).expect("the theme");
        group.bench_function(name, |b| {
            b.iter(|| {
                theme
                    .apply(black_box(PAGE), &context)
                    .expect("a themed page")
                    .len()
            });
        });
    }
    // For comparison: a browser's parser, building only the tree.
    group.bench_function("html5ever's tree", |b| {
        b.iter(|| Document::from(black_box(PAGE)).root().id);
    });
    group.finish();
}

criterion_group!(benches, page);
criterion_main!(benches);
