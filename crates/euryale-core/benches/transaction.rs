//! The cost of a transaction on a database that does nothing.

use std::hint::black_box;

use criterion::Criterion;
use euryale_core::Transaction;
use euryale_core::transaction::{Access, Attempt, History, TransactionOptions};
use euryale_test::{Lender, bench_main};

fn options() -> TransactionOptions {
    TransactionOptions::new(Attempt::new(History::default()), Access::Write)
}

fn transactions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("transaction");
    let mut lender = Lender::new(());
    group.bench_function("without its connection", |bencher| {
        bencher.iter(|| black_box(Transaction::run(&mut lender.lease(), options(), |_| Ok(7))));
    });
    group.bench_function("with its connection", |bencher| {
        bencher.iter(|| {
            let outcome = Transaction::run(&mut lender.lease(), options(), |transaction| {
                transaction.connection()?;
                Ok(7)
            });
            black_box(outcome)
        });
    });
    group.bench_function("with two hooks", |bencher| {
        bencher.iter(|| {
            let outcome = Transaction::run(&mut lender.lease(), options(), |transaction| {
                transaction.before_commit(|_| Ok(()));
                transaction.after_commit(|| ());
                transaction.connection()?;
                Ok(7)
            });
            black_box(outcome)
        });
    });
    group.finish();
}

bench_main!(transactions);
