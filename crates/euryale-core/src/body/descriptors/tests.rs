use std::cell::Cell;
use std::io;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::{Descriptors, NoDescriptor, Reserve};
use crate::body::{Blob, SpooledBody};
use crate::ledger::Ledger;

#[test]
fn beyond_the_budget_nothing_is_taken() {
    let ledger = Ledger::new();
    let descriptors = Descriptors::new(3, &ledger);
    let one = descriptors.take(1).unwrap();
    assert_eq!(descriptors.take(3).unwrap_err(), NoDescriptor);
    let two = descriptors.take(2).unwrap();
    assert_eq!(ledger.unsettled(), ["descriptors in use: 3"]);
    drop(one);
    let two = two.keep(1);
    assert_eq!(ledger.descriptors.in_use.get(), 1);
    drop(two);
    assert!(ledger.unsettled().is_empty());
    assert_eq!(ledger.descriptors.refused.get(), 1);
}

#[test]
fn a_lasting_overload_is_logged_repeatedly() {
    let descriptors = Descriptors::new(0, &Ledger::new());
    let began = Instant::now();
    let told = (0..30).filter_map(|second| {
        let now = began + Duration::from_secs(second);
        let left_out = descriptors.shared.refusals.due(now)?;
        Some((second, left_out))
    });
    assert_eq!(told.collect::<Vec<_>>(), [(0, 0), (10, 9), (20, 9)]);
}

#[test]
fn a_smaller_budget_gives_out_nothing_until_enough_is_back() {
    let descriptors = Descriptors::new(2, &Ledger::new());
    let [first, second] = [descriptors.take(1), descriptors.take(1)];
    descriptors.allow(1);
    drop(first);
    assert!(descriptors.take(1).is_err());
    drop(second);
    assert!(descriptors.take(1).is_ok());
}

#[test]
fn clones_and_bodies_of_a_blob_share_its_descriptor() {
    let ledger = Ledger::new();
    let descriptors = Descriptors::new(1, &ledger);
    let blob = Blob::new(tempfile::tempfile().unwrap()).unwrap();
    let blob = blob.counted(descriptors.take(1).unwrap());
    let part = blob.slice(0, 0);
    let body = SpooledBody::from(blob);
    assert_eq!(ledger.descriptors.in_use.get(), 1);
    drop(body);
    assert_eq!(ledger.descriptors.in_use.get(), 1);
    drop(part);
    assert_eq!(ledger.descriptors.in_use.get(), 0);
}

/// An unnamed file of one mebibyte is closed on another thread.
#[tokio::test]
async fn a_descriptor_is_given_back_after_its_file_is_closed() {
    let ledger = Ledger::new();
    let descriptors = Descriptors::new(1, &ledger);
    let file = tempfile::tempfile().unwrap();
    file.set_len(1 << 20).unwrap();
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    let inode =
        |path: &str| std::fs::metadata(path).map(|of| std::os::unix::fs::MetadataExt::ino(&of));
    let own = inode(&path).unwrap();
    let blob = Blob::new(file).unwrap();
    drop(blob.counted(descriptors.take(1).unwrap()));
    while ledger.descriptors.in_use.get() != 0 {
        tokio::task::yield_now().await;
    }
    assert!(!inode(&path).is_ok_and(|inode| inode == own), "still open");
}

#[test]
fn the_reserve_is_lent_only_when_there_is_no_other_descriptor() {
    let emfile = || Poll::Ready(Err(io::Error::from_raw_os_error(24)));
    let lent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = lent.clone();
    let reserve = Reserve::new(1, move |again| {
        for _ in 0..5 {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if !again() {
                break;
            }
        }
    });
    let lent = || lent.swap(0, std::sync::atomic::Ordering::Relaxed);
    assert!(matches!(
        reserve.open(|| Poll::Ready(Ok(7))),
        Poll::Ready(Ok(7))
    ));
    assert!(
        reserve
            .open(|| Poll::<io::Result<()>>::Pending)
            .is_pending()
    );
    assert_eq!(lent(), 0);
    let tries = Cell::new(0);
    let third = || {
        tries.set(tries.get() + 1);
        if tries.get() < 4 {
            emfile()
        } else {
            Poll::Ready(Ok(()))
        }
    };
    assert!(matches!(reserve.open(third), Poll::Ready(Ok(()))));
    assert_eq!(lent(), 3);
    assert!(matches!(
        reserve.open(emfile as fn() -> Poll<io::Result<()>>),
        Poll::Ready(Err(_))
    ));
    assert_eq!(lent(), 5, "all of it");
}

#[test]
fn exhaustion_is_recognised_wherever_it_was_met() {
    for code in [23, 24] {
        assert!(Descriptors::are_exhausted(&io::Error::from_raw_os_error(
            code
        )));
    }
    assert!(Descriptors::are_exhausted(&NoDescriptor.into()));
    assert!(!Descriptors::are_exhausted(&io::ErrorKind::NotFound.into()));
}
