//! The `main` of a bench.

/// The `main` of a bench with criterion: these functions, each for a second after a warm-up of
/// 300 ms, in 20 samples. The command line may say otherwise.
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
