//! The `main` of a bench.

/// The `main` of a bench with criterion: runs each of these functions for a second after a warm-up
/// of 300 ms, in 20 samples, unless the command line sets other values.
///
/// The bench itself depends on criterion, so that tests do not.
#[macro_export]
macro_rules! bench_main {
    ($($bench:path),+) => {
        fn main() {
            let mut criterion = ::criterion::Criterion::default()
                .warm_up_time(::std::time::Duration::from_millis(300))
                .measurement_time(::std::time::Duration::from_secs(1))
                .sample_size(20)
                .configure_from_args();
            $($bench(&mut criterion);)+
            criterion.final_summary();
        }
    };
}
