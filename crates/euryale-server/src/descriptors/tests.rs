use super::{DescriptorLimit, DescriptorShares, reserve_of};

/// Returns the limit of a process that may have `hard` descriptors and has four of them open.
fn limit(hard: usize) -> DescriptorLimit {
    let reserved = reserve_of(hard);
    DescriptorLimit {
        usable: hard - reserved,
        reserved,
        open: 4,
    }
}

fn sum(shares: DescriptorShares) -> usize {
    shares.sockets + shares.files + 3 * shares.connections
}

#[test]
fn requests_that_fit_are_granted_in_full() {
    let wanted = DescriptorShares::new(20_000).files(20_000).connections(4);
    assert_eq!(limit(1 << 20).fit(wanted), wanted);
    assert_eq!(limit(41_000).fit(wanted), wanted);
}

#[test]
fn all_shares_together_fit_below_every_limit() {
    let wants = [0, 1, 2, 50, 4096, 20_000, 1 << 30];
    for hard in [64, 65, 256, 1024, 4096, 65_536, 1 << 20] {
        let limit = limit(hard);
        assert!(limit.usable() < hard && limit.reserve().places() >= 4);
        for (sockets, files, connections) in wants
            .iter()
            .flat_map(|a| wants.iter().flat_map(move |b| wants.map(|c| (*a, *b, c))))
        {
            let wanted = DescriptorShares::new(sockets)
                .files(files)
                .connections(connections);
            let got = limit.fit(wanted);
            assert!(sum(got) < limit.usable(), "{hard}: {wanted} became {got}");
            for (got, wanted) in [
                (got.sockets, sockets),
                (got.files, files),
                (got.connections, connections),
            ] {
                assert!(
                    got <= wanted && (got > 0) == (wanted > 0),
                    "{hard}: {got} of {wanted}"
                );
            }
        }
    }
}

#[test]
fn an_unused_share_is_given_to_the_others() {
    let limit = limit(1024);
    let all = sum(limit.fit(DescriptorShares::new(5_000)));
    let few_files = limit.fit(DescriptorShares::new(5_000).files(10));
    assert_eq!(few_files.sockets, all - 10);
    let few_sockets = limit.fit(DescriptorShares::new(10).files(5_000));
    assert_eq!(few_sockets.files, all - 10);
    let both = limit.fit(DescriptorShares::new(5_000).files(5_000));
    assert_eq!(both.sockets, all / 2);
}

#[test]
fn a_shortage_says_what_is_short_and_what_to_do() {
    let wanted = DescriptorShares::new(20_000).files(20_000).connections(2);
    let limit = limit(1024);
    let said = limit.shortage(wanted, limit.fit(wanted));
    assert!(said.starts_with("20000 sockets, 20000 open files and 2 connections need more"));
    assert!(
        said.contains("(1024)") && said.contains("LimitNOFILE="),
        "{said}"
    );
    assert!(!said.contains('\n'));
}
